"""Blocks of a level, run side by side by whatever suits them.

A cluster of the user's or the dask scheduler that the user has set, where there is one. Else dask
runs them in copies of this process, as fast as cores allow (`workers` says why). A few blocks, and
all where no copy can be made, as of a store behind a network, run in threads without dask: to
import it costs as much as the whole of a small level.
"""

from __future__ import annotations

import itertools
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import uuid4

from zarrpyramid import geometry
from zarrpyramid.plan import FEW

from .scheduler import users_scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future, ProcessPoolExecutor
    from threading import Thread

    from zarrpyramid.geometry import Index, Shape
    from zarrpyramid.stores import Probe

    from .cluster import Cluster

    Result = TypeVar("Result")
    Load = Callable[[], Thread]

_BATCH = 1024
"""Tasks that dask is given at once, so that no level needs a graph of a million of them."""

_GROUP = 8
"""Tasks, at most, in one node of dask's graph: a node costs 0.4 ms, a task of 64^3 chunks 3."""


class Numbers(Protocol):
    """Numbers of blocks, as many as it says."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[int]: ...


def run_blocks(
    compute: Callable[[Index], Result],
    grid: Shape,
    *,
    n_workers: int,
    numbers: Numbers | None = None,
    cluster: Cluster | None = None,
    shared: bool = True,
    load: Load | None = None,
    note: Callable[[Result], None] | None = None,
) -> Iterator[Result]:
    """Yield the result of every block of a grid, in no order that callers may count on.

    The module's first lines say what runs them. The first error ends the run, and is raised.

    Parameters
    ----------
    compute
        Computes one block; touches no stored object that another block touches. Can be pickled.
    grid
        Blocks along each axis.
    n_workers
        Processes or threads.
    numbers
        Of the blocks to run, in the grid's C order; None runs all.
    cluster
        As `open_cluster` yields it.
    shared
        Whether other processes reach what `compute` reads and writes. If not, this process runs
        all blocks, whatever the user has set: what others write into copies would be lost.
    load
        Starts a thread that loads what makes `compute` faster, once a process, and returns it. The
        first blocks do not wait for it.
    note
        Called with each result as soon as it is here; those of many blocks are yielded together.

    Raises
    ------
    WorkerError
        If a worker process is killed, or the cluster is lost.
    """
    n_blocks = geometry.count(grid) if numbers is None else len(numbers)
    may_fork = n_blocks > FEW and n_workers > 1 and shared and _can_fork()
    scheduler = users_scheduler() if shared else None
    places = geometry.iterate_units(grid, numbers)
    if cluster is not None:
        # Batches of so many groups that their ends, where workers wait, do not count.
        at_once = max(_BATCH // _GROUP, 16 * cluster.n_threads)
        groups = _grouped(places, n_blocks, cluster.n_threads)
        yield from _run(cluster.get, _Group(compute, load, cluster.probe), groups, note, at_once)
    elif scheduler is not None:
        groups = _grouped(places, n_blocks, n_workers)
        yield from _run(scheduler, _Group(compute, load), groups, note)
    elif may_fork:
        groups = _grouped(places, n_blocks, n_workers)
        yield from _run_forked(compute, groups, n_workers, load, note)
    else:
        if load is not None:
            load()
        yield from _run_threads(compute, places, n_workers, note)


def _can_fork() -> bool:
    from .workers import can_fork  # 30 ms, which a few blocks do not need

    return can_fork()


def _grouped(places: Iterator[Index], n_blocks: int, n_workers: int) -> Iterator[list[Index]]:
    return geometry.batches(places, max(1, min(_GROUP, n_blocks // (8 * n_workers))))


def _run_threads(
    compute: Callable[[Index], Result],
    places: Iterator[Index],
    n_workers: int,
    note: Callable[[Result], None] | None,
) -> Iterator[Result]:
    with ThreadPoolExecutor(n_workers) as pool:

        def begin(n_blocks: int) -> list[Future[Result]]:
            return [pool.submit(compute, place) for place in itertools.islice(places, n_blocks)]

        running = begin(2 * n_workers)  # as many wait, so that no thread does
        try:
            while running:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                ended = [each for each in running if each in done]
                running = [each for each in running if each not in done]
                # What is made is noted before an error ends the run: that of the first block.
                for each in sorted(ended, key=lambda each: each.exception() is not None):
                    result = each.result()
                    running += begin(1)
                    if note is not None:
                        note(result)
                    yield result
        finally:
            for each in running:
                each.cancel()


def _run_forked(
    compute: Callable[[Index], Result],
    groups: Iterator[list[Index]],
    n_workers: int,
    load: Load | None,
    note: Callable[[Any], None] | None,
) -> Iterator[Any]:
    from dask.local import get_async

    from .workers import compute_blocks, forked

    def scheduler(pool: ProcessPoolExecutor) -> Callable[..., Any]:
        # One submission more than there are workers, so that none waits for its next.
        return partial(get_async, pool.submit, n_workers + 1)

    if load is not None:
        # A copy has what its original had loaded when it was made: these have to do without.
        with forked(n_workers, compute) as pool:
            loading = load()
            while loading.is_alive() and (first := list(itertools.islice(groups, 2 * n_workers))):
                yield from _run(scheduler(pool), compute_blocks, iter(first), note)
            loading.join()
    with forked(n_workers, compute) as pool:
        yield from _run(scheduler(pool), compute_blocks, groups, note)


def _run(
    scheduler: Callable[..., Any],
    compute: Callable[[list[Index]], list[Any]],
    groups: Iterator[list[Index]],
    note: Callable[[Any], None] | None = None,
    at_once: int = _BATCH // _GROUP,
) -> Iterator[Any]:
    from dask.callbacks import Callback

    def tell(key: object, results: list[Any], *_: object) -> None:
        if note is not None and key not in told:
            told.add(key)
            for result in results:
                note(result)

    for batch in geometry.batches(groups, at_once):
        # Dask may return an old result for a reused task name, so names are unique.
        run = f"blocks-{uuid4().hex}"
        graph = {(run, number): (partial(compute, group),) for number, group in enumerate(batch)}
        told: set[object] = set()
        with Callback(posttask=tell):  # type: ignore[no-untyped-call]
            done = scheduler(graph, list(graph))
        for key, results in zip(graph, done, strict=True):
            tell(key, results)  # of schedulers that call nobody back
            yield from results


@dataclass(frozen=True, slots=True)
class _Group:
    """Computes several blocks, after it has begun to load what makes that faster."""

    compute: Callable[[Index], Any]
    load: Load | None = None
    probe: Probe | None = None

    def __call__(self, places: list[Index]) -> list[Any]:
        if self.probe is not None:
            self.probe.check()  # this worker may have joined after all were asked
        if self.load is not None:
            self.load()
        return [self.compute(place) for place in places]
