"""Blocks of a level, run side by side.

The only module that imports dask, and only for levels with more than a few tasks: importing it
costs as much as the whole of a small level. Nothing here schedules anything itself.
"""

from __future__ import annotations

import itertools
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from . import geometry
from .tasks import FEW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import ProcessPoolExecutor
    from threading import Thread

    from .geometry import Index, Shape

    Result = TypeVar("Result")
    Load = Callable[[], Thread]

_BATCH = 1024
"""Tasks that dask is given at once, so that no level needs a graph of a million of them."""

_GROUP = 8
"""Tasks, at most, in one node of dask's graph: a node costs 0.4 ms, a task of 64^3 chunks 3."""


def run_blocks(
    compute: Callable[[Index], Result],
    grid: Shape,
    *,
    n_workers: int,
    numbers: range | None = None,
    shared: bool = True,
    load: Load | None = None,
) -> Iterator[Result]:
    """Yield the result of every block of a grid, in no order that callers may count on.

    A dask client or scheduler that the user has set is honoured. Else copies of this process run
    the blocks where it can be copied, and threads of it where not. The first error ends the run,
    and is raised.

    Parameters
    ----------
    compute
        Computes one block; touches no stored object that another block touches. It can be pickled.
    grid
        Blocks along each axis.
    n_workers
        Processes or threads.
    numbers
        Of the blocks to run, in the grid's C order; None runs all.
    shared
        Whether other processes reach what `compute` reads and writes. If not, this one runs the
        blocks, whatever the user has set: what workers write into copies would be lost.
    load
        Returns the thread, begun once however often it is called, that loads into a process what
        makes `compute` faster. First blocks do not wait for it.

    Raises
    ------
    WorkerError
        If a worker process is killed.
    """
    n_blocks = geometry.count(grid) if numbers is None else len(numbers)
    few = n_blocks <= FEW
    # Where dask was not imported nobody has set anything.
    asked = shared and ("dask.base" in sys.modules or not few)
    scheduler = _users_scheduler() if asked else None
    places = geometry.iterate_units(grid, numbers)
    if few and scheduler is None:
        with ThreadPoolExecutor(n_workers) as pool:
            yield from pool.map(compute, places)
        return
    from dask.threaded import get

    from .workers import can_fork

    groups = geometry.batches(places, max(1, min(_GROUP, n_blocks // (8 * n_workers))))
    if scheduler is None and n_workers > 1 and shared and can_fork():
        yield from _run_forked(_Group(compute), groups, n_workers, load)
    else:
        run = scheduler or partial(get, num_workers=n_workers)
        yield from _run(run, _Group(compute, load), groups)


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


def _run_forked(
    compute: _Group, groups: Iterator[list[Index]], n_workers: int, load: Load | None
) -> Iterator[Any]:
    from dask.local import get_async

    from .workers import forked

    def scheduler(pool: ProcessPoolExecutor) -> Callable[..., Any]:
        # One submission more than there are workers, so that none waits for its next.
        return partial(get_async, pool.submit, n_workers + 1)

    if load is not None:
        # A copy has what its original had loaded when it was made: these have to do without.
        with forked(n_workers) as pool:
            loading = load()
            while loading.is_alive() and (first := list(itertools.islice(groups, 2 * n_workers))):
                yield from _run(scheduler(pool), compute, iter(first))
            loading.join()
    with forked(n_workers) as pool:
        yield from _run(scheduler(pool), compute, groups)


def _run(
    scheduler: Callable[..., Any], compute: _Group, groups: Iterator[list[Index]]
) -> Iterator[Any]:
    for batch in geometry.batches(groups, _BATCH // _GROUP):
        graph = {
            ("blocks", number): (partial(compute, group),) for number, group in enumerate(batch)
        }
        for results in scheduler(graph, list(graph)):
            yield from results


@dataclass(frozen=True, slots=True)
class _Group:
    """Computes several blocks, after it has begun to load what makes that faster."""

    compute: Callable[[Index], Any]
    load: Load | None = None

    def __call__(self, places: list[Index]) -> list[Any]:
        if self.load is not None:
            self.load()
        return [self.compute(place) for place in places]
