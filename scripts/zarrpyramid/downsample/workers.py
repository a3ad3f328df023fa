"""Worker processes on this machine: copies of this process that run blocks and end with it.

Threads take turns at the interpreter: each chunk releases and takes the interpreter lock about
twenty times. On two cores, two threads are 1.3 times as fast as one, and two processes 1.9 times.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import warnings
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import WorkerError

from .garbage import unsearched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zarrpyramid.geometry import Index

    Compute = Callable[[Index], Any]

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)
_KEPT_BYTES = {-1: 1 << 26, -3: 1 << 25}
"""M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of mallopt(3): a worker keeps so much of what it has freed.

The codecs take and free some MB for each chunk. To get them from the system again costs a worker
3 % of its CPU in page faults.
"""

_inherited: list[Compute] = []
"""What a worker computes blocks by, as its parent had it when the worker was made."""

_received: dict[str, Compute] = {}
"""What a worker that outlives a level computes blocks by, under the name of the level's run."""


def can_fork() -> bool:
    """Tell whether this process can be copied: on Linux, while no other Python thread runs.

    A copy has the memory of all threads but runs only one of them, so a lock that another thread
    holds stays locked in the copy for ever. Threads of OpenBLAS and of the C library are prepared
    for that; threads of obstore are not. Once obstore is loaded, threads run the blocks, which then
    mostly wait for a network. Workers of `multiprocessing.Pool` are daemons and cannot have
    children.
    """
    alone = threading.active_count() == 1 and not multiprocessing.current_process().daemon
    return sys.platform == "linux" and alone and "obstore" not in sys.modules


@contextmanager
def forked(n_workers: int, compute: Compute | None = None) -> Iterator[ProcessPoolExecutor]:
    """Hold a pool of copies of this process, as it is now.

    Parameters
    ----------
    compute
        What `compute_blocks` calls in the copies. It is copied with all that it has opened, and
        need not be pickled: to open arrays anew for each group of blocks took 1 ms.

    Raises
    ------
    WorkerError
        If one of them is killed.
    """
    others = set(multiprocessing.active_children())
    with unsearched():
        pool = ProcessPoolExecutor(
            n_workers, multiprocessing.get_context("fork"), _start, (os.getpid(), compute)
        )
        try:
            with warnings.catch_warnings():
                # Python 3.12 counts native threads too; `can_fork` says why those do not matter.
                warnings.filterwarnings("ignore", ".*fork.*", DeprecationWarning)
                pool.submit(int)  # all are forked here, before anybody starts a thread
            with killed_is_said():
                yield pool
        finally:
            try:
                pool.shutdown(cancel_futures=True)  # blocks that are under way come to their end
            except KeyboardInterrupt:  # the second one
                for worker in set(multiprocessing.active_children()) - others:
                    worker.kill()
                raise


@contextmanager
def killed_is_said() -> Iterator[None]:
    """Raise WorkerError where a worker is killed while a block runs."""
    try:
        yield
    except BrokenProcessPool as error:
        raise WorkerError(
            "a worker process was killed, perhaps because memory ran out; run again with fewer "
            "threads or more memory"
        ) from error


def compute_blocks(places: list[Index]) -> list[Any]:
    """Return what this worker computes of some blocks."""
    (compute,) = _inherited
    return [compute(place) for place in places]


def compute_received(run: str, pickled: bytes, places: list[Index]) -> list[Any]:
    """Return what this worker computes of some blocks by what was pickled for a run of a level."""
    if run not in _received:
        _received.clear()  # with the shards and buffers of the level before
        _received[run] = pickle.loads(pickled)
    compute = _received[run]
    return [compute(place) for place in places]


def _start(parent: int, compute: Compute | None) -> None:
    """Have this worker end with its parent, and leave Ctrl-C to it."""
    _inherited[:] = [] if compute is None else [compute]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    libc = ctypes.CDLL(None)
    for option, n_bytes in _KEPT_BYTES.items():
        if hasattr(libc, "mallopt"):  # not all C libraries have it
            libc.mallopt(option, n_bytes)
    libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the line above
        os._exit(1)
