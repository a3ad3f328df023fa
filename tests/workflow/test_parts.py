"""Levels in parts: the same bytes as of one job, whatever is killed, lost or changed meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import zarr

from oracles import mean_by_hand
from zarrpyramid.stores.local import LocalStore

RAW = "image.zarr/raw"
IMAGE = {"store": "image.zarr", "field": "raw", "levels": 2}
PARTS = {**IMAGE, "parts": 3}
ALL = ["0", "open 1", *["part 1", "part 2", "part 3"], "1"]
ALL += ["open 2", *["part 1", "part 2", "part 3"], "2", "list", "summary"]


@pytest.fixture(scope="module")
def whole(new_workspace):
    """A pyramid of one job a level."""
    workspace = new_workspace()
    workspace.make(shape=(40, 36, 50))
    workspace.run(**IMAGE)
    return workspace


@pytest.fixture
def workspace(new_workspace, whole):
    workspace = new_workspace()
    workspace.make(shape=(40, 36, 50))
    return workspace


def ordered(jobs):
    """Return jobs with each run of parts, which come in any order, sorted."""
    return [*sorted(jobs[:5], key=ALL.index), *jobs[5:7], *sorted(jobs[7:10]), *jobs[10:]]


def check_same(workspace, whole):
    assert workspace.sentinels() == whole.sentinels()
    assert workspace.tree("image.zarr") == whole.tree("image.zarr")


@pytest.mark.slow
def test_parts_make_what_one_job_makes(workspace, whole):
    assert ordered(workspace.run(**PARTS).jobs) == ALL
    check_same(workspace, whole)


@pytest.mark.slow
def test_the_number_of_parts_makes_nothing_anew(workspace, whole):
    told = workspace.run("-n", **{**PARTS, "parts": 999})
    for n_parts in (36, 8):
        assert f"in {n_parts} parts (of 999 asked for: it cannot be split further)" in told.text
    workspace.run(**PARTS)
    assert workspace.run(**PARTS).jobs == []
    # Nor is a sentinel of a part missed once the level has its own.
    (workspace / "results/image-raw/parts/1.2-of-3.json").unlink()
    assert workspace.run(**PARTS).jobs == []
    # Another number of parts makes nothing anew, nor does a lost sentinel.
    store = workspace.files(f"{RAW}/1")
    (workspace / "results/image-raw/levels/1.json").unlink()
    workspace.run(**PARTS)
    workspace.run(**{**IMAGE, "parts": 2})
    shutil.rmtree(workspace / ".snakemake")
    assert workspace.run(**IMAGE).jobs == []
    assert workspace.files(f"{RAW}/1") == store
    check_same(workspace, whole)


@pytest.mark.slow
def test_a_changed_recipe_makes_all_parts_again(workspace, whole):
    workspace.run("results/image-raw/parts/1.1-of-3.json", **PARTS)
    other = {**PARTS, "scale_factors": "[1,2,3]"}
    # With Snakemake's own notes and without them.
    jobs = workspace.run("results/image-raw/parts/1.2-of-3.json", **other).jobs
    assert jobs == ["open 1", "part 2"]
    shutil.rmtree(workspace / ".snakemake")
    assert sorted(workspace.run(**PARTS).jobs) == sorted(ALL[1:])
    check_same(workspace, whole)
    workspace.run(**other)
    voxels = workspace.voxels(f"{RAW}/0")
    for level in (1, 2):
        voxels = mean_by_hand(voxels, (1, 2, 3))
        np.testing.assert_array_equal(workspace.voxels(f"{RAW}/{level}"), voxels, strict=True)


@pytest.mark.slow
def test_what_is_lost_between_parts_is_made_again(workspace, whole):
    parts = workspace / "results/image-raw/parts"
    wanted = [f"results/image-raw/parts/1.{part}-of-3.json" for part in (1, 2, 3)]
    workspace.run(*wanted, **PARTS)
    # A sentinel alone: that part alone.
    (parts / "1.2-of-3.json").unlink()
    made = {path.name: path.read_bytes() for path in parts.glob("1.*.json")}
    assert workspace.run(*wanted, **PARTS).jobs == ["part 2"]
    assert {name: (parts / name).read_bytes() for name in made} == made
    # An object: the level is not published, and the next run makes it anew.
    next(path for path in (workspace / f"{RAW}/1/c").rglob("*") if path.is_file()).unlink()
    told = workspace.run(code=1, **PARTS)
    assert "lacks 1 stored object, which reads as fill value, though all parts were" in told.text
    assert "run again, which makes all of them again" in told.text
    assert not (workspace / f"{RAW}/1/zarr.json").exists()
    assert workspace.run(**PARTS).jobs[0] == "open 1"
    check_same(workspace, whole)


@pytest.mark.slow
def test_a_changed_level_0_leaves_no_part_that_was_made_of_the_old_one(workspace):
    workspace.run("results/image-raw/parts/1.1-of-3.json", **PARTS)
    shutil.rmtree(workspace / ".snakemake")
    zarr.open_array(workspace / f"{RAW}/0", mode="r+")[:8, :8, :8] = 5
    jobs = workspace.run(**PARTS).jobs
    assert ordered(jobs) == ALL
    voxels = mean_by_hand(workspace.voxels(f"{RAW}/0"), (2, 2, 2))
    np.testing.assert_array_equal(workspace.voxels(f"{RAW}/1"), voxels, strict=True)


@pytest.mark.slow
@pytest.mark.parametrize("retries", [0, 2])
def test_a_killed_part_is_the_only_one_made_again(new_workspace, retries):
    workspace = new_workspace()
    workspace.make_slow("image.zarr/raw")
    keys = {**PARTS, "levels": 1}
    process = workspace.start("--retries", str(retries), **keys)
    killed = None
    parts = workspace / "results/image-raw/parts"
    try:
        while process.poll() is None and killed is None:
            killed = kill_part(process.pid, "logs/image-raw/1.3-of-3.log")
            time.sleep(0.01)
        opened = (parts / "1.open.json").stat().st_mtime_ns
        told = process.communicate(timeout=60)[0]
    finally:
        os.killpg(process.pid, signal.SIGKILL) if process.poll() is None else None
    assert killed is not None, told
    assert (process.returncode == 0) == (retries > 0), told
    if not retries:
        assert not (parts / "1.3-of-3.json").exists()
        assert not (workspace / f"{RAW}/1/.zarray").exists()
        made = {path.name for path in parts.glob("1.*-of-3.json")}
        again = workspace.run(**keys).jobs
        lost = {"part 1", "part 2", "part 3"} - {f"part {name[2]}" for name in made}
        assert sorted(again) == sorted([*lost, "1", "list", "summary"])
        assert "open 1" not in again
    else:
        assert (parts / "1.open.json").stat().st_mtime_ns == opened
    workspace.make_slow("copy.zarr/raw")
    workspace.run(**{**IMAGE, "levels": 1, "store": "copy.zarr"})
    assert workspace.sentinels() == workspace.sentinels("copy-raw")
    assert not [path for path in workspace.files(RAW) if "partial" in str(path)]


def kill_part(session, log):
    """Kill the job of a session that writes a log; return its process, if it is there."""
    for number in map(int, filter(str.isdecimal, os.listdir("/proc"))):  # noqa: PTH208
        try:
            command = Path(f"/proc/{number}/cmdline").read_bytes()
            if os.getsid(number) != session or log.encode() not in command.split(b"\0"):
                continue
        except OSError:
            continue
        os.kill(number, signal.SIGKILL)
        return number
    return None


@pytest.mark.slow
def test_parts_hold_off_all_but_each_other(workspace):
    workspace.run("results/image-raw/parts/1.open.json", **PARTS)
    store = LocalStore(workspace / "image.zarr")
    with store.hold("raw/0", shared=True):
        jobs = workspace.run("results/image-raw/parts/1.1-of-3.json", **PARTS).jobs
        assert jobs == ["part 1"]
        told = workspace.run(code=1, **IMAGE)
        assert "another process is building the levels" in told.text
    with store.hold("raw/0"):
        target = "results/image-raw/parts/1.2-of-3.json"
        told = workspace.run(target, code=1, **PARTS)
        assert "another process is building the levels" in told.text


IMAGE_2_50 = {
    "shape": [2**17, 2**17, 2**16],
    "data_type": "uint16",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1024] * 3}},
    "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
    "fill_value": 0,
    "codecs": [
        {
            "name": "sharding_indexed",
            "configuration": {
                "chunk_shape": [128] * 3,
                "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
                "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
                "index_location": "end",
            },
        }
    ],
    "attributes": {},
    "zarr_format": 3,
    "node_type": "array",
}


@pytest.mark.slow
def test_a_petavoxel_is_planned_in_a_few_thousand_jobs(workspace, capsys):
    array = workspace / "peta.zarr/0"
    array.mkdir(parents=True)
    group = {"attributes": {}, "zarr_format": 3, "node_type": "group"}
    (array.parent / "zarr.json").write_text(json.dumps(group))
    (array / "zarr.json").write_text(json.dumps(IMAGE_2_50))
    code = (
        "import resource, subprocess, sys, time; start = time.perf_counter();"
        "code = subprocess.run(sys.argv[1:]).returncode;"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss;"
        "print('MEASURED', time.perf_counter() - start, used / 1024); sys.exit(code)"
    )
    told = workspace.run(
        "-n", "-p", prefix=[sys.executable, "-c", code], store="peta.zarr", force_space=True
    )
    seconds, megabytes = map(float, told.text.partition("MEASURED ")[2].split()[:2])
    n_jobs = int(told.text.partition("\ntotal ")[2].split()[0])
    with capsys.disabled():
        print(f"\n2^50 voxels: {n_jobs} jobs planned in {seconds:.1f} s and {megabytes:.0f} MB")
    assert n_jobs <= 5000
    # Linux takes no argument of 128 KiB, and the paths of all parts of a level have more.
    commands = [line for line in told.text.splitlines() if " <<< " in line]
    assert max(map(len, commands)) < 2**14
    assert megabytes < 1500
