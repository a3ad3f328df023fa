"""Blocks of a level, run side by side.

The only module that imports dask, and only for levels with more than a few tasks: importing it
costs as much as the whole of a small level. Nothing here schedules anything itself.
"""

from __future__ import annotations

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
    compute: Callable[[Index], Result], grid: Shape, *, n_workers: int
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
    """
    if geometry.count(grid) <= FEW:
        with ThreadPoolExecutor(n_workers) as pool:
            yield from pool.map(compute, geometry.iterate_units(grid))
        return
    for batch in geometry.batches(geometry.iterate_units(grid), _BATCH):
        yield from _run_by_dask(compute, batch, n_workers)


def _run_by_dask(compute: Callable[[Index], Result], batch: list[Index], n_workers: int) -> Any:
    from dask.base import get_scheduler
    from dask.threaded import get as run_threaded

    run = get_scheduler() or run_threaded  # type: ignore[no-untyped-call]
    graph = {("block", number): (compute, list(index)) for number, index in enumerate(batch)}
    return run(graph, list(graph), num_workers=n_workers)
