"""A workflow whose blocks run on a dask cluster."""

from __future__ import annotations

import pytest

from dask_elsewhere import Elsewhere


@pytest.mark.slow
def test_the_scheduler_is_no_part_of_what_is_made(workspace, new_workspace, tmp_path):
    """Equal sentinels, and a run without the cluster, or with another one, has nothing to do."""
    workspace.make(shape=(70, 60, 50))
    other = new_workspace()
    other.make(shape=(70, 60, 50))
    other.run(store="image.zarr", field="raw", levels=1)
    image = {"store": "image.zarr", "field": "raw", "parts": 2, "levels": 1}
    with Elsewhere(tmp_path / "elsewhere") as address:
        workspace.run(**image, dask_scheduler=address)
        log = (workspace / "logs/image-raw/1.2-of-2.log").read_text(encoding="utf-8")
        assert f"2 dask workers at {address} run the blocks" in log
    assert workspace.sentinels() == other.sentinels()
    assert workspace.run(**image).jobs == []
    assert workspace.run(**image, dask_scheduler="tcp://nobody:1").jobs == []


@pytest.mark.slow
def test_a_scheduler_that_does_not_answer(workspace, monkeypatch):
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "1s")  # of half a minute
    image = {"store": "image.zarr", "field": "raw", "levels": 1}
    workspace.make(shape=(70, 60, 50))
    failed = workspace.run(**image, dask_scheduler="tcp://127.0.0.1:1", code=1)
    assert "no dask scheduler answers at tcp://127.0.0.1:1" in failed.lines[-3]
    assert workspace.run(**image).jobs
