"""Worker processes: what they compute, what ends them, and what they leave."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from zarrpyramid.downsample.run import run_blocks
from zarrpyramid.downsample.workers import can_fork, forked
from zarrpyramid.errors import WorkerError

SLEEPERS = """
import os, sys, time
from zarrpyramid.downsample.workers import forked
with forked(2) as pool:
    pool.map(time.sleep, [60, 60])
    print(*(process.pid for process in pool._processes.values()), flush=True)
    time.sleep(60)
"""


def where(place):
    return os.getpid(), tuple(place)


def nap(_):
    time.sleep(0.002)
    return os.getpid()


def die(place):
    os.kill(os.getpid(), signal.SIGKILL)


def refuse(place):
    raise WorkerError(f"block {tuple(place)}")


def is_alive(pid):
    try:
        with Path(f"/proc/{pid}/stat").open(encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def alone(monkeypatch):
    """Have blocks forked, whatever threads the tests before this one left behind."""
    monkeypatch.setattr("zarrpyramid.downsample.workers.can_fork", lambda: True)


@pytest.mark.parametrize("n_loading", [0, 1])
def test_every_block_is_computed_once_and_elsewhere(alone, n_loading):
    thread = threading.Thread(target=partial(time.sleep, 0.05))

    def load():
        thread.start()
        return thread

    grid = (3, 5, 40)
    results = list(run_blocks(where, grid, n_workers=2, load=load if n_loading else None))
    assert sorted(place for _, place in results) == [
        (i, j, k) for i in range(3) for j in range(5) for k in range(40)
    ]
    assert os.getpid() not in {pid for pid, _ in results}


IMPORTS = """
import os, sys
from zarrpyramid.downsample.kept_workers import KeptWorkers
from zarrpyramid.downsample.run import run_blocks

class Watch:
    importers = []

    def find_spec(self, name, *_):
        if name == "dask.local":
            self.importers.append(os.getpid())

def importers(place):
    return tuple(Watch.importers)

def run(n_blocks, workers=None):
    return set(run_blocks(importers, (n_blocks,), n_workers=2, workers=workers))

sys.meta_path.insert(0, Watch())
with KeptWorkers() as workers:
    print(run(64) == {()}, run(65, workers) == {(os.getpid(),)}, "numba" in sys.modules)
"""


def test_dask_is_imported_once_and_not_by_each_worker():
    """It takes 0.14 s: workers that dask gives blocks to were made with it."""
    command = [sys.executable, "-c", IMPORTS]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told == "True True False\n"


def test_what_computes_blocks_is_copied_and_not_pickled(alone):
    def compute(place):
        compute.calls += 1
        return compute.calls

    compute.calls = 0
    calls = list(run_blocks(compute, (9, 9), n_workers=2))
    assert max(calls) > 9  # a worker goes on with what it has: groups have fewer blocks
    assert compute.calls == 0


def test_garbage_is_looked_for_as_before_once_blocks_are_made(alone):
    assert gc.get_freeze_count() == 0
    counts = set(run_blocks(lambda place: gc.get_freeze_count() > 0, (2, 2), n_workers=2))
    assert counts == {True}
    assert gc.get_freeze_count() == 0


def test_the_error_of_a_block_comes_back_as_it_is(alone):
    with pytest.raises(WorkerError, match=r"^block \(\d, \d\)$"):
        list(run_blocks(refuse, (9, 9), n_workers=2))


def test_a_killed_worker_is_said(alone):
    with pytest.raises(WorkerError, match="a worker process was killed"):
        list(run_blocks(die, (9, 9), n_workers=2))


def test_no_copy_is_made_while_a_thread_runs():
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    assert not can_fork()
    ended.set()
    thread.join()


def test_a_worker_of_a_pool_has_threads_instead():
    """As where somebody builds many pyramids by `Pool.map`."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(can_fork) is False


def test_threads_end_with_their_blocks(monkeypatch):
    """Those that stay would be missing in a copy of this process, which would wait for them."""
    monkeypatch.setattr("zarrpyramid.downsample.workers.can_fork", lambda: False)
    before = threading.active_count()
    assert len(list(run_blocks(where, (9, 9), n_workers=2))) == 81
    assert threading.active_count() == before


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_their_parent(end):
    """Also a killed one, whose lock on the image they would hold for ever."""
    with subprocess.Popen(
        [sys.executable, "-c", SLEEPERS], stdout=subprocess.PIPE, text=True
    ) as parent:
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        assert all(map(is_alive, pids))
        parent.send_signal(end)
    deadline = time.monotonic() + 60
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(map(is_alive, pids))


def test_work_is_shared_by_the_workers():
    with forked(2) as pool:
        pids = set(pool.map(nap, range(50)))
    assert len(pids) <= 2
    assert os.getpid() not in pids
