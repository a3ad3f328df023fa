"""Level 0 of files of other formats, with the real snakemake: one job, parts, kills, changes."""

from __future__ import annotations

import os
import re
import signal
import subprocess

import numpy as np
import pytest

from oracles import mean_by_hand
from processes import kill_all, wait_for

IMAGE = {"store": "own.zarr", "field": "raw", "source": "a.npy", "levels": 2, "chunks": "[8,8,8]"}
ALL = ["take", "0", "1", "2", "list", "summary"]
PARTS = ["open 0", "part 1", "part 2", "part 3", *ALL]


def save(workspace, shape=(40, 36, 33)):
    voxels = np.random.default_rng(3).integers(0, 4000, shape, "uint16")
    np.save(workspace / "a.npy", voxels)
    return voxels


def same_time(other, workspace):
    time = (workspace / "a.npy").stat().st_mtime_ns
    os.utime(other / "a.npy", ns=(time, time))


@pytest.mark.slow
def test_a_file_becomes_a_pyramid(workspace):
    voxels = save(workspace)
    told = workspace.run("-n", **IMAGE)
    assert "axes z, y, x, from 1 file, 95.2 kB" in told.text
    assert not (workspace / "own.zarr").exists()
    assert workspace.run(**IMAGE).jobs == ALL
    for level in range(3):
        np.testing.assert_array_equal(workspace.voxels(f"own.zarr/raw/{level}"), voxels)
        voxels = mean_by_hand(voxels, (2, 2, 2))
    assert workspace.run(**IMAGE).jobs == []
    # A file that was touched is read again; the levels hold what they held.
    levels = {name: workspace.files(f"own.zarr/raw/{name}") for name in "12"}
    os.utime(workspace / "a.npy", ns=(1, 1))
    assert workspace.run(**IMAGE).jobs[0] == "take"
    assert levels == {name: workspace.files(f"own.zarr/raw/{name}") for name in "12"}
    # Another crop is another level 0.
    assert workspace.run(**IMAGE, crop="{z: [0, 20]}").jobs == ALL
    assert workspace.array("own.zarr/raw/0").shape == (20, 36, 33)


@pytest.mark.slow
def test_parts_of_level_0_make_what_one_job_makes(workspace, new_workspace):
    save(workspace)
    assert workspace.run(**IMAGE).jobs == ALL
    other = new_workspace()
    save(other)
    same_time(other, workspace)
    keys = {**IMAGE, "part_size": 17_000}
    assert sorted(set(other.run(**keys).jobs)) == sorted({*PARTS, "open 1"})
    assert other.tree("own.zarr") == workspace.tree("own.zarr")
    assert other.sentinels("own-raw") == workspace.sentinels("own-raw")
    assert other.run(**keys).jobs == []
    (other / "results/own-raw/base_copy.json").unlink()
    assert other.run(**keys).jobs[:1] == ["open 0"]
    assert other.tree("own.zarr") == workspace.tree("own.zarr")


@pytest.mark.slow
@pytest.mark.parametrize("parts", [1, 2])
def test_a_killed_run_goes_on(workspace, new_workspace, parts):
    shape, keys = (96, 96, 96), {**IMAGE, "compressor": "zstd:19", "parts": parts, "levels": 1}
    save(workspace, shape)
    objects = workspace / "own.zarr/raw/0/c"
    process = workspace.start(output=subprocess.DEVNULL, cores=1, **keys)
    try:
        wait_for(lambda: len(list(objects.rglob("*"))) > 150)
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
    finally:
        kill_all(process.pid)
    assert not (objects.parent / "zarr.json").exists()
    workspace.run("--unlock")
    workspace.run(**keys)
    logs = "".join(path.read_text() for path in (workspace / "logs/own-raw").glob("*.log"))
    made, of = re.search(r"/0: (\d+) of (\d+) objects are made, the others are kept", logs).groups()
    assert 0 < int(made) < int(of)
    other = new_workspace()
    save(other, shape)
    same_time(other, workspace)
    other.run(**keys)
    assert other.tree("own.zarr") == workspace.tree("own.zarr")
    assert other.sentinels("own-raw") == workspace.sentinels("own-raw")
