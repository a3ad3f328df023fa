"""Runs on a real Slurm of one machine: what it makes, and what it does when jobs and nodes end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr

from servers import BUCKET, ENVIRONMENT, s3_server
from zarrpyramid.stores.local import LocalStore
from zarrpyramid.stores.object_store import ObjectStore

pytestmark = pytest.mark.system

SCRIPT = Path(__file__).with_name("slurm.sh")
PROFILES = Path(__file__).parents[2] / "profiles"
IMAGE = {"store": "image.zarr", "field": "raw", "levels": 4}
N_PARTS = 6


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """Start the daemons; yield the folder with their logs and process numbers."""
    folder = tmp_path_factory.mktemp("slurm")
    for parent in [folder, *folder.parents[:3]]:
        parent.chmod(parent.stat().st_mode | 0o011)  # munge's socket is for everybody
    try:
        subprocess.run([SCRIPT, "start", folder, "3", "2"], check=True, timeout=60)
        yield folder
    finally:
        subprocess.run([SCRIPT, "stop", folder], check=True, timeout=60)


def jobs():
    """Return number, state and node of the jobs that the controller knows, oldest first."""
    form = ("--noheader", "--states=all", "--sort=i", "--format=%i|%T|%N")
    found = subprocess.run(["squeue", *form], check=True, capture_output=True, text=True).stdout
    return [line.split("|") for line in found.splitlines()]


@pytest.fixture(scope="module")
def local(new_workspace):
    """The image and its pyramid, made on this machine, each level in one job.

    Noise in a slow codec, so that a part of its first level is under way for a second.
    """
    workspace = new_workspace()
    group = zarr.open_group(workspace / "image.zarr", mode="w", zarr_format=2).create_group("raw")
    array = group.create_array(
        "0", shape=(256,) * 3, chunks=(16,) * 3, dtype="u2", compressors=numcodecs.LZMA(preset=6)
    )
    array[...] = np.random.default_rng(0).integers(0, 99, array.shape, "u2")
    shutil.copytree(workspace / "image.zarr", workspace / "base.zarr")
    workspace.run(**IMAGE)
    return workspace


@pytest.fixture
def image(workspace, local):
    """A workspace with the same image, without levels."""
    shutil.copytree(local / "base.zarr", workspace / "image.zarr")
    return workspace


@contextlib.contextmanager
def started(workspace, profile, *arguments, **config):
    """Run snakemake with a profile, and with times that a test can wait for."""
    quick = ("--latency-wait", "10", "--max-threads", "2", "--jobs", "12")
    quick += ("--seconds-between-status-checks", "1")
    command = workspace.command(
        *("--profile", str(PROFILES / profile), *quick, *arguments),
        **{**IMAGE, "part_size": -(-(256**3) // N_PARTS), **config},
    )
    with subprocess.Popen(
        command,
        env=workspace.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)  # cancels its jobs


def check_end(process, workspace, local):
    """See that a run ends well, with the sentinels and the files of one machine."""
    text = process.communicate(timeout=240)[0]
    assert process.returncode == 0, text
    parts = {path.name for path in (workspace / "results/image-raw/parts").glob("1.*-of-*")}
    assert parts == {f"1.{part}-of-{N_PARTS}.json" for part in range(1, N_PARTS + 1)}
    mine, expected = workspace.sentinels(), local.sentinels()
    assert len(mine) == 5
    assert mine == expected
    assert workspace.tree("image.zarr") == local.tree("image.zarr")
    return text


def slurm_processes():
    """Yield number, command line and environment of the processes that run in Slurm's jobs."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            entries = (folder / "environ").read_text(errors="replace").split("\0")
            environment = dict(entry.split("=", 1) for entry in entries if "=" in entry)
            if "SLURM_JOB_ID" in environment:
                yield int(folder.name), (folder / "cmdline").read_bytes(), environment


def processes_on(node):
    return [
        pid
        for pid, _, environment in slurm_processes()
        if environment.get("SLURMD_NODENAME") == node
    ]


def step_daemons(number):
    title = f"slurmstepd: [{number}.".encode()
    return [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if path.read_bytes().startswith(title)
    ]


def a_running_part(process):
    """Wait until a part is being made; return the number and the node of its job."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[0]
        for _, command, environment in slurm_processes():
            if b"downsample_part.py" in command:
                return environment["SLURM_JOB_ID"], environment["SLURMD_NODENAME"]
        time.sleep(0.02)
    pytest.fail("no part was seen at work")


@pytest.mark.parametrize(
    ("profile", "more"),
    [("cluster-generic", ()), ("slurm", ("--slurm-init-seconds-before-status-checks", "3"))],
)
def test_parts_on_several_nodes_make_what_one_machine_makes(slurm, image, local, profile, more):
    n_before = len(jobs())
    with started(image, profile, *more) as process:
        check_end(process, image, local)
    ran = jobs()[n_before:]
    assert {state for _, state, _ in ran} == {"COMPLETED"}
    assert len({node for *_, node in ran}) >= 2
    # Level 0 and the opening, the parts, and what gathers them with all that comes after.
    assert len(ran) == 1 + N_PARTS + 1


def test_parts_of_a_remote_store_make_what_one_machine_makes(slurm, new_workspace, monkeypatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    alone, workspace = new_workspace(), new_workspace()
    alone.make("image.zarr/raw", (64, 64, 64), chunks=(16, 16, 16))
    place = f"s3://{BUCKET}/image.zarr"
    with s3_server() as url:
        files, made = ObjectStore(place, {"endpoint": url}), LocalStore(alone / "image.zarr")
        for key in made.keys(""):
            files.put(key, made.get(key))
        alone.run(**IMAGE)
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        with started(workspace, "cluster-generic", store=place, part_size=64**3 // 4) as process:
            text = process.communicate(timeout=240)[0]
        assert process.returncode == 0, text
        assert len(list((workspace / "results/image-raw/parts").glob("1.*-of-4.json"))) == 4
        mine, expected = workspace.sentinels(), alone.sentinels()
        assert list(mine) == ["0", "1", "2", "3", "4"]
        # Level 0's says when its objects were put where they are.
        assert {**mine, "0": b""} == {**expected, "0": b""}
        for key in made.keys("raw"):
            assert files.get(f"raw/{key}") == made.get(f"raw/{key}"), key


def test_a_level_0_of_files_is_made_in_parts(slurm, new_workspace):
    """Its parts read the same file on several nodes; one job on this machine makes the same."""
    alone, workspace = new_workspace(), new_workspace()
    voxels = np.random.default_rng(0).integers(0, 99, (128, 96, 96), "u2")
    keys = {"store": "image.zarr", "field": "raw", "source": "a.npy", "chunks": "[16,16,16]"}
    for place in (alone, workspace):
        np.save(place / "a.npy", voxels)
        os.utime(place / "a.npy", ns=(10**18, 10**18))
    alone.run(**keys, levels=1)
    n_before = len(jobs())
    with started(
        workspace, "cluster-generic", **keys, levels=1, part_size=voxels.size // 4
    ) as process:
        text = process.communicate(timeout=240)[0]
    assert process.returncode == 0, text
    assert {state for _, state, _ in jobs()[n_before:]} == {"COMPLETED"}
    assert len(list((workspace / "results/image-raw/parts").glob("0.*-of-4.json"))) == 4
    assert workspace.tree("image.zarr") == alone.tree("image.zarr")
    mine, expected = workspace.sentinels(), alone.sentinels()
    assert list(mine) == ["0", "1"]
    assert mine == expected
    np.testing.assert_array_equal(workspace.voxels("image.zarr/raw/0"), voxels)


def test_a_cancelled_part_is_made_again(slurm, image, local):
    with started(image, "cluster-generic") as process:
        number, _ = a_running_part(process)
        subprocess.run(["scancel", number], check=True)
        check_end(process, image, local)
    assert dict(job[:2] for job in jobs())[number] == "CANCELLED"


def test_parts_of_a_lost_node_are_made_elsewhere(slurm, image, local):
    with started(image, "cluster-generic") as process:
        number, node = a_running_part(process)
        # The daemon and whoever would tell the controller first, then what the job runs.
        os.kill(int((slurm / "pid" / node).read_text()), signal.SIGKILL)
        for pid in [*step_daemons(number), *processes_on(node)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            check_end(process, image, local)
        finally:
            subprocess.run([SCRIPT, "node", slurm, node], check=True)
    assert dict(job[:2] for job in jobs())[number] == "NODE_FAIL"
