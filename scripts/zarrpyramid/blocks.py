"""Blocks of a level, run side by side.

The only module that imports dask, and only for levels with more than a few tasks: importing it
costs as much as the whole of a small level. Nothing here schedules anything itself.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from . import geometry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .geometry import Index, Shape

    Result = TypeVar("Result")

FEW = 8
"""A level of at most so many tasks imports neither dask nor numba."""

_BATCH = 1024
"""Tasks that dask is given at once, so that no level needs a graph of a million of them."""


def run_blocks(
    compute: Callable[[Index], Result], grid: Shape, *, n_workers: int, shared: bool = True
) -> Iterator[Result]:
    """Yield the result of every block of a grid, in no order that callers may count on.

    A dask client or scheduler that the user has set is honoured; else threads of this process run
    the blocks. The first error ends the run, and is raised.

    Parameters
    ----------
    compute
        Computes one block; touches no stored object that another block touches.
    grid
        Blocks along each axis.
    n_workers
        Threads.
    shared
        Whether other processes reach what `compute` reads and writes. If not, this one runs the
        blocks, whatever the user has set: what workers write into copies would be lost.
    """
    few = geometry.count(grid) <= FEW
    # Where dask was not imported nobody has set anything.
    asked = shared and ("dask.base" in sys.modules or not few)
    scheduler = _users_scheduler() if asked else None
    if few and scheduler is None:
        with ThreadPoolExecutor(n_workers) as pool:
            yield from pool.map(compute, geometry.iterate_units(grid))
        return
    for batch in geometry.batches(geometry.iterate_units(grid), _BATCH):
        yield from _run_by_dask(compute, batch, n_workers, scheduler)


def random_array(shape: Shape, chunks: Shape) -> Any:
    """Return a dask array of random numbers in [0, 1)."""
    from dask import array

    return array.random.random(shape, chunks=chunks)


def store_array(source: Any, target: Any, *, shared: bool = True) -> None:
    """Write a dask array into a zarr array of the same chunks; `shared` as in `run_blocks`."""
    from dask import array

    # No two chunks touch the same object, so that nothing needs a lock.
    array.store(source, target, lock=False, scheduler=None if shared else "threads")


def _users_scheduler() -> Any:
    """Return the client's or scheduler's function that runs a graph, or None where none is set."""
    from dask import config
    from dask.base import get_scheduler

    # Without this, dask imports distributed to look for a client, at twice dask's own cost.
    if "distributed" in sys.modules or config.get("scheduler", None):
        return get_scheduler()  # type: ignore[no-untyped-call]
    return None


def _run_by_dask(
    compute: Callable[[Index], Result], batch: list[Index], n_workers: int, scheduler: Any
) -> Any:
    from dask.threaded import get as run_threaded

    run = scheduler or run_threaded
    graph = {("block", number): (compute, list(index)) for number, index in enumerate(batch)}
    return run(graph, list(graph), num_workers=n_workers)
