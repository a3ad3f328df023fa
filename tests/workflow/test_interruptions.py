"""Runs that are killed, ended or whose memory is tampered with; each time the next run is right."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time

import pytest
import zarr

from processes import kill_all, members, wait_for

pytestmark = pytest.mark.slow

IMAGE = {"store": "image.zarr", "field": "raw", "levels": 2}
N_KILLS = int(os.environ.get("ZARRPYRAMID_RUN_KILLS", "8"))


def check_whole_or_absent(workspace):
    """See that a level that has a document has all of its objects."""
    for level, n_objects in ((1, 4**3), (2, 2**3)):
        folder = workspace / f"image.zarr/raw/{level}"
        if (folder / ".zarray").exists():
            names = [path.name for path in folder.iterdir() if path.name[0].isdigit()]
            assert len([name for name in names if "partial" not in name]) == n_objects


def contents(workspace, name):
    return {
        str(path.relative_to(workspace / name)): path.read_bytes()
        for path in (workspace / name).rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def made_once(new_workspace):
    """Return the path of an image, and what an undisturbed run makes of it, and how fast."""
    workspace = new_workspace()
    workspace.make_slow()
    shutil.copytree(workspace / "image.zarr", workspace / "copy.zarr")
    began = time.monotonic()
    workspace.run(store="copy.zarr", field="raw", levels=2)
    took = time.monotonic() - began
    found = contents(workspace, "copy.zarr"), workspace.sentinels("copy-raw"), took
    return workspace / "image.zarr", found


@pytest.fixture
def undisturbed(workspace, made_once):
    """Give the workspace the image; return what an undisturbed run makes of it."""
    image, found = made_once
    shutil.copytree(image, workspace / "image.zarr")
    return found


def check_right(workspace, undisturbed):
    workspace.run("--unlock", **IMAGE)
    workspace.run(**IMAGE)
    assert workspace.sentinels() == undisturbed[1]
    assert contents(workspace, "image.zarr") == undisturbed[0]


def check_kills(workspace, undisturbed, n_rounds, seed=5):
    """Kill snakemake and all of its jobs at random moments; return how many were in time."""
    draw, n_killed, longest = random.Random(seed), 0, undisturbed[2]
    bare = shutil.copytree(workspace / "image.zarr", workspace / "bare.zarr")
    level = workspace / "image.zarr/raw/1"
    for number in range(n_rounds):
        shutil.rmtree(workspace / "image.zarr")
        shutil.copytree(bare, workspace / "image.zarr")
        shutil.rmtree(workspace / "results/image-raw", ignore_errors=True)
        process, began = workspace.start(**IMAGE), time.monotonic()
        # Every other one while levels are made, the others at any moment.
        while number % 2 == 0 and not level.exists() and process.poll() is None:
            time.sleep(0.005)
        try:
            process.communicate(timeout=draw.uniform(0, 1 if number % 2 == 0 else longest))
            longest = time.monotonic() - began
        except subprocess.TimeoutExpired:
            n_killed += 1
        kill_all(process.pid)
        process.communicate()
        check_whole_or_absent(workspace)
        check_right(workspace, undisturbed)
        print(f"{n_killed} of {number + 1} rounds were killed before their end", flush=True)
    return n_killed


@pytest.mark.parametrize("quarter", range(4))  # so that each has a time limit of its own
def test_snakemake_and_its_jobs_killed_at_random_moments(workspace, undisturbed, quarter):
    assert check_kills(workspace, undisturbed, -(-N_KILLS // 4), seed=quarter)


@pytest.mark.parametrize("how", ["SIGTERM", "Ctrl-C"])
def test_a_run_that_is_ended_ends_with_its_level_half_made(workspace, undisturbed, how):
    process = workspace.start(**IMAGE)
    level = workspace / "image.zarr/raw/1"
    try:
        wait_for(lambda: level.exists() and any(level.iterdir()))
        # To all of its processes, as batch systems and terminals do.
        os.killpg(process.pid, signal.SIGTERM if how == "SIGTERM" else signal.SIGINT)
        process.communicate(timeout=120)
        wait_for(lambda: not members(process.pid))
    finally:
        kill_all(process.pid)
    assert process.returncode != 0
    check_whole_or_absent(workspace)
    assert not (workspace / "results/image-raw/levels/1.json").exists()
    check_right(workspace, undisturbed)


def test_results_deleted_sentinels_edited_and_times_in_the_future(workspace):
    workspace.make("image.zarr/raw", (21, 18, 13))
    workspace.run(**IMAGE)
    sentinels, whole = workspace.sentinels(), contents(workspace, "image.zarr")
    shutil.rmtree(workspace / "results")
    workspace.run(**IMAGE)
    assert workspace.sentinels() == sentinels
    assert contents(workspace, "image.zarr") == whole

    path = workspace / "results/image-raw/levels/1.json"
    record = json.loads(path.read_bytes())
    path.write_text(json.dumps({**record, "digest": "0" * 32}))
    workspace.run(**IMAGE)
    assert workspace.sentinels() == sentinels
    assert contents(workspace, "image.zarr") == whole

    future = time.time() + 10 * 365 * 86400
    for path in [*(workspace / "results").rglob("*"), *(workspace / "image.zarr").rglob("*")]:
        if path.is_file():
            os.utime(path, (future, future))
    base = zarr.open_array(workspace / "image.zarr/raw/0")
    base[:8, :8, :8] = 7  # of today, far older than all else
    anew = shutil.copytree(workspace / "image.zarr", workspace / "anew.zarr")
    for level in anew.glob("raw/[1-9]"):
        shutil.rmtree(level)
    workspace.run(**IMAGE)
    workspace.run(store="anew.zarr", field="raw", levels=2)
    assert workspace.sentinels() == workspace.sentinels("anew-raw")
    assert contents(workspace, "image.zarr") == contents(workspace, "anew.zarr")
    assert workspace.run(**IMAGE).jobs == []
