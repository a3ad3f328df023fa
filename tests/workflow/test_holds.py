"""Two runs at once on one store, from different working directories."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

from processes import kill_all, wait_for
from zarrpyramid.downsample.pyramid import open_path
from zarrpyramid.stores.hold import release_hold, take_hold

HOLD = "image.zarr/raw/.zarrpyramid-hold"


@pytest.fixture
def at_work(workspace):
    """A run that is stopped at work, and stays there until a test goes on with it."""
    workspace.make_slow()
    process = workspace.start(output=subprocess.DEVNULL, store="image.zarr", field="raw", levels=2)
    wait_for((workspace / "image.zarr/raw/1").exists)
    os.killpg(process.pid, signal.SIGSTOP)
    yield process
    kill_all(process.pid)
    process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_second_run_stops_and_names_the_first(workspace, new_workspace, at_work, ending):
    holder = json.loads((workspace / HOLD).read_text(encoding="utf-8"))
    assert holder["pid"] == at_work.pid
    other = new_workspace("other")
    config = {"store": workspace / "image.zarr", "field": "raw", "levels": 2}
    if ending == signal.SIGTERM:  # the same in all
        refused = other.run(**config, code=1)
        assert refused.jobs == []
        who = f"a run of {holder['owner']} on host {holder['host']}, process {at_work.pid}"
        where = workspace / "image.zarr/raw"
        expected = f"zarrpyramid: {where} is held by {who}, since {holder['since']}"
        assert refused.lines[-1].startswith(expected)
        assert not list((other / "results").rglob("*.json"))
        assert json.loads((workspace / HOLD).read_text(encoding="utf-8")) == holder
    if ending == signal.SIGINT:
        os.killpg(at_work.pid, ending)  # as a terminal does
    else:
        at_work.send_signal(ending)
    os.killpg(at_work.pid, signal.SIGCONT)
    assert at_work.wait(300) != 0
    assert (workspace / HOLD).exists() == (ending == signal.SIGKILL)
    if ending == signal.SIGKILL:
        kill_all(at_work.pid)  # its job too
        told = other.run(**config)
        assert f"was held by process {at_work.pid}, which is gone" in told.text
        assert not (workspace / HOLD).exists()
        assert "1" in other.sentinels()


@pytest.mark.slow
def test_with_keep_going_a_held_image_keeps_no_other_from_being_built(workspace):
    workspace.make()
    workspace.make("other.zarr/raw")
    workspace.write(
        "two.yaml", "images: {a: {store: image.zarr}, b: {store: other.zarr}}\nfield: raw"
    )
    image = open_path(str(workspace / "image.zarr/raw"))
    held = take_hold(image.store, image.path)
    try:
        told = workspace.run("--keep-going", "--configfile", str(workspace / "two.yaml"), code=1)
    finally:
        release_hold(held)
    assert f"{workspace / 'image.zarr/raw'} is held by a run of" in told.text
    assert workspace.sentinels("b")
    assert not workspace.sentinels("a")
    assert not (workspace / "image.zarr/raw/1").exists()
