"""Runs of images with companions: what they make, what they make again, and kills."""

from __future__ import annotations

import contextlib
import random
import subprocess
import time

import pytest

from oracles import reduce_by_hand
from processes import kill_all

RAW = "image.zarr/raw"
IMAGE = {"store": "image.zarr", "field": "raw", "levels": 2, "also": "[max,min]"}


def check(workspace, voxels):
    for method in ("mean", "max", "min"):
        group = RAW if method == "mean" else f"{RAW}/{method}"
        expected = voxels
        for level in (1, 2):
            expected = reduce_by_hand(method, expected, (2, 2, 2), str(voxels.dtype))
            assert (workspace.voxels(f"{group}/{level}") == expected).all()


@pytest.mark.slow
@pytest.mark.parametrize("more", [{}, {"part_size": 2000}], ids=["jobs", "parts"])
def test_a_run_and_the_run_after_it(workspace, more):
    voxels = workspace.make(RAW, (21, 18, 13))
    said = workspace.run(**IMAGE, **more).text
    assert "the pyramids of 3 images are complete (6 levels made)" in said
    check(workspace, voxels)
    told = "".join(path.read_text() for path in (workspace / "logs").rglob("*.log"))
    assert told.count("is made by the same read of level 0") == 2
    assert workspace.run(**IMAGE, **more).jobs == []
    for name in ("image-raw", "image-raw-max", "image-raw-min"):
        assert {"levels", "multiscales.json", "report.html"} <= {
            path.name for path in (workspace / "results" / name).iterdir()
        }
    outcome = workspace.run("verify", **IMAGE, **more)
    assert outcome.text.count("sound") >= 3 or outcome.code == 0
    again = workspace.run(**{**IMAGE, "also": "[max,median]"}, **more)
    assert "median" in again.text
    assert "image-raw, level 1: " not in again.text


@pytest.mark.slow
def test_a_group_in_the_way_ends_the_run_before_it_begins(workspace):
    workspace.make(RAW, (21, 18, 13))
    workspace.make(f"{RAW}/max", (4, 4, 4))
    outcome = workspace.run(**IMAGE, code=1)
    assert "also max: " in outcome.text
    assert "is there already and is no companion of this image" in outcome.text
    workspace.run(**{**IMAGE, "also": "[min]"})


@pytest.mark.slow
def test_kills_at_any_time(workspace):
    voxels = workspace.make(RAW, (40, 37, 33))
    draw = random.Random(1)
    settings = {**IMAGE, "chunks": "[8,8,8]"}
    for name in ("1", "max/1", "min/1", "max/2"):  # what is being made, or has just been
        process = workspace.start(output=subprocess.DEVNULL, **settings)
        level = workspace / RAW / name
        while not level.exists() and process.poll() is None:
            time.sleep(0.005)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(draw.uniform(0, 0.5))
        kill_all(process.pid)
        process.wait()
        workspace.run("--unlock")
    workspace.run(**settings)
    check(workspace, voxels)
