"""A movie that grows between runs of the same command."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import zarr

MOVIE = {"store": "movie.zarr", "axes": "[t,z,y,x]", "levels": 2}
JOBS = ["0", "1", "2", "list", "summary"]


def append(path, n_times, shape=(16, 24, 24)):
    group = zarr.open_group(path, mode="a")
    if "0" not in group:
        group.create_array("0", shape=(0, *shape), chunks=(1, 8, 8, 8), dtype="uint16")
    movie = group["0"]
    draw = np.random.default_rng(movie.shape[0])
    movie.append(draw.integers(0, 999, (n_times, *shape), "uint16"))


@pytest.mark.slow
def test_a_run_after_an_append_makes_what_is_new(workspace):
    append(workspace / "movie.zarr", 3)
    assert workspace.run(**MOVIE).jobs == JOBS
    before = {level: workspace.files(f"movie.zarr/{level}") for level in (1, 2)}
    append(workspace / "movie.zarr", 1)
    grown = workspace.run(**MOVIE)
    assert grown.jobs == JOBS
    for level, known in before.items():
        after = workspace.files(f"movie.zarr/{level}")
        again = {path for path in after if after[path] != known.get(path)} - {"zarr.json"}
        assert {path.split("c/")[-1].split("/")[0] for path in again} == {"3"}, again
    log = (workspace / "logs/movie/1.log").read_text(encoding="utf-8")
    assert "is to grow along t from 3 to 4; only that is made" in log
    anew = workspace / "anew.zarr"
    shutil.copytree(workspace / "movie.zarr", anew)
    for level in (1, 2):
        shutil.rmtree(anew / str(level))
    workspace.run(**{**MOVIE, "store": "anew.zarr"})
    assert workspace.sentinels("movie") == workspace.sentinels("anew")


@pytest.mark.slow
def test_a_time_point_that_is_not_written_yet_is_waited_for(workspace):
    """The way out is another run, once it is."""
    append(workspace / "movie.zarr", 2)
    given = {**MOVIE, "missing_chunks": "error"}
    workspace.run(**given)
    movie = zarr.open_array(workspace / "movie.zarr/0")
    movie.resize((3, *movie.shape[1:]))
    store = workspace.files("movie.zarr")
    refused = workspace.run(**given, code=1)
    assert "movie.zarr/0/c/2/0/0/0" in refused.text
    assert workspace.files("movie.zarr") == store
    movie[2] = 7
    workspace.run(**given)
    assert (workspace.voxels("movie.zarr/2")[2] == 7).all()
