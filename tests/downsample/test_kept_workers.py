"""Worker processes that stay for several levels, and what ends them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.downsample.kept_workers import KeptWorkers
from zarrpyramid.downsample.run import run_blocks
from zarrpyramid.errors import StoreError, WorkerError
from zarrpyramid.stores.local import LocalStore


def process(place):
    time.sleep(0.001)
    return os.getpid()


def die(place):
    os.kill(os.getpid(), signal.SIGKILL)


def refuse(place):
    raise ValueError(tuple(place))


class Counter:
    """What counts its calls, as pickled."""

    calls = 0

    def __call__(self, place):
        self.calls += 1
        return os.getpid(), self.calls


@pytest.fixture
def workers(monkeypatch):
    """Workers that may be made, whatever threads the tests before this one left behind."""
    monkeypatch.setattr("zarrpyramid.downsample.workers.can_fork", lambda: True)
    with KeptWorkers() as kept:
        yield kept


def run(compute, n_blocks, workers, **given):
    return list(run_blocks(compute, (n_blocks,), n_workers=2, workers=workers, **given))


def made(workers):
    """Return the processes that are there."""
    found = set(workers._pool._processes)
    assert len(found) == 2
    return found


@pytest.mark.sampled(2)
@pytest.mark.parametrize("n_blocks", [1, 3, 30, 300], ids=["one", "few", "some", "with dask"])
def test_levels_share_processes(workers, n_blocks):
    run(process, 40, workers)
    first = made(workers)
    then = run(process, n_blocks, workers)
    assert len(then) == n_blocks
    assert set(then) <= first
    assert os.getpid() not in first


def test_few_blocks_make_no_processes(workers):
    assert set(run(process, 8, workers)) == {os.getpid()}
    assert not workers.are_there


def test_one_worker_makes_no_processes(workers):
    assert set(run_blocks(process, (40,), n_workers=1, workers=workers)) == {os.getpid()}


def test_each_level_is_computed_by_what_it_has_given(workers):
    """A process keeps what it got for a level, with what that has opened, and no longer."""
    for _ in range(2):
        told = run(Counter(), 40, workers)
        for pid in {pid for pid, _ in told}:
            calls = [calls for by, calls in told if by == pid]
            assert sorted(calls) == list(range(1, len(calls) + 1))


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("compute", "error"), [(die, WorkerError), (refuse, ValueError)], ids=["killed", "error"]
)
@pytest.mark.parametrize("n_blocks", [40, 300], ids=["some", "with dask"])
def test_an_error_leaves_no_process_that_still_writes(workers, compute, error, n_blocks):
    run(process, 40, workers)
    before = made(workers)
    with pytest.raises(error):
        run(compute, n_blocks, workers)
    assert not workers.are_there
    assert set(run(process, 40, workers)).isdisjoint(before)


def test_processes_made_before_kernels_were_loaded_are_replaced(workers):
    run(process, 40, workers)
    before = made(workers)
    thread = threading.Thread(target=lambda: None)

    def load():
        thread.start()
        return thread

    assert set(run(process, 40, workers, load=load)).isdisjoint(before)


def test_dismissed_processes_have_ended_with_the_block(workers):
    run(process, 40, workers)
    first = made(workers)
    workers.dismiss()
    workers.end()
    for pid in first:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_store_that_holds_an_image_may_hold_it_again(tmp_path):
    (tmp_path / "image").mkdir()
    store, other = LocalStore(tmp_path), LocalStore(tmp_path)
    with store.hold("image"):
        with store.hold("image"):
            pass
        with pytest.raises(StoreError, match="another process is building"), other.hold("image"):
            pass
    with other.hold("image"):
        pass


BUILD = """
import sys
from zarrpyramid import build_pyramid
build_pyramid(sys.argv[1], levels=2, n_workers=2)
print(*sorted({"dask", "numba", "zarrpyramid.downsample.workers"} & {*sys.modules}))
"""


@pytest.mark.parametrize(
    ("edge", "imported"), [(128, ""), pytest.param(160, "dask ", marks=pytest.mark.slow)]
)
def test_dask_is_imported_for_more_than_64_tasks(tmp_path, edge, imported):
    voxels = np.random.default_rng(1).integers(0, 999, (edge,) * 3).astype("uint16")
    group = zarr.create_group(tmp_path / "one")
    group.create_array("0", data=voxels, chunks=(16, 16, 16))
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    told = subprocess.run(
        [sys.executable, "-c", BUILD, str(tmp_path / "one")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout.strip() == f"{imported}zarrpyramid.downsample.workers"
    build_pyramid(tmp_path / "other", levels=2, n_workers=1)
    digests = [
        [zarr.open_group(tmp_path / name)[str(n)].attrs["zarrpyramid"]["digest"] for n in (1, 2)]
        for name in ("one", "other")
    ]
    assert digests[0] == digests[1]
