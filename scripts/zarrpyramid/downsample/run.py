"""Blocks of a level, run side by side by whatever suits them.

A cluster of the user's or the dask scheduler that the user has set, where there is one. Else dask
runs them in copies of this process, as fast as cores allow (`workers` says why). Up to 64 blocks do
without dask, whose import costs as much as 50. A few blocks, and all where no copy can be made, as
of a store behind a network, run in threads.
"""

from __future__ import annotations

import itertools
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import uuid4

from zarrpyramid import geometry
from zarrpyramid.plan import FEW

from .garbage import unsearched
from .scheduler import users_scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor, Future, ProcessPoolExecutor
    from threading import Thread

    from zarrpyramid.geometry import Index, Shape
    from zarrpyramid.stores import Probe

    from .cluster import Cluster
    from .kept_workers import KeptWorkers

    Result = TypeVar("Result")
    Load = Callable[[], Thread]

_BATCH = 1024
"""Tasks that dask is given at once, so that no level needs a graph of a million of them."""

_GROUP = 8
"""Tasks, at most, in one node of dask's graph: a node costs 0.4 ms, a task of 64^3 chunks 3."""

_WITHOUT_DASK = 64
"""Most blocks that run without dask: its import takes 0.14 s, as long as 50 of 64^3 chunks."""


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
    workers: KeptWorkers | None = None,
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
    workers
        Where copies of this process, if there are any, stay for the blocks of another level.

    Raises
    ------
    WorkerError
        If a worker process is killed, or the cluster is lost.
    """
    if workers is not None and (begun := workers.taken()):
        with workers.pool(n_workers, compute) as (copies, compute_group):
            yield from _run_pool(copies, compute_group, iter(()), n_workers, note, begun)
        return
    n_blocks = geometry.count(grid) if numbers is None else len(numbers)
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
    elif shared and _may_fork(n_blocks, n_workers, workers):
        groups = _grouped(places, n_blocks, n_workers)
        run = _run_pool if n_blocks <= _WITHOUT_DASK else _run_dask
        yield from _run_forked(run, compute, groups, n_workers, load, note, workers)
    else:
        if load is not None:
            load()
        with unsearched(), ThreadPoolExecutor(n_workers) as pool:
            one_by_one = ([place] for place in places)
            yield from _run_pool(pool, _Group(compute), one_by_one, n_workers, note)


def may_begin(n_blocks: int) -> bool:
    """Tell whether `begin_blocks` takes so many blocks: as few as do without dask."""
    return n_blocks <= _WITHOUT_DASK


def begin_blocks(
    task: object,
    compute: Callable[[Index], Result],
    grid: Shape,
    *,
    n_workers: int,
    workers: KeptWorkers,
) -> None:
    """Have copies of this process, which are there, begin all blocks that `run_blocks` runs next.

    `task` is what `KeptWorkers.has_begun` is asked about; else as `run_blocks`.
    """
    places, n_blocks = geometry.iterate_units(grid), geometry.count(grid)
    workers.begin(task, compute, _grouped(places, n_blocks, n_workers))


def _may_fork(n_blocks: int, n_workers: int, workers: KeptWorkers | None) -> bool:
    """Tell whether copies of this process run blocks: those that are there, or new ones."""
    if workers is not None and workers.are_there:
        return True
    if n_blocks <= FEW or n_workers == 1:
        return False
    from .workers import can_fork  # 30 ms, which a few blocks do not need

    return can_fork()


def _grouped(places: Iterator[Index], n_blocks: int, n_workers: int) -> Iterator[list[Index]]:
    """Yield blocks in groups, in ever smaller ones at the end, where workers wait for the last."""
    while group := list(itertools.islice(places, max(1, min(_GROUP, n_blocks // (2 * n_workers))))):
        yield group
        n_blocks -= len(group)


def _run_forked(
    run: Callable[..., Iterator[Result]],
    compute: Callable[[Index], Result],
    groups: Iterator[list[Index]],
    n_workers: int,
    load: Load | None,
    note: Callable[[Result], None] | None,
    workers: KeptWorkers | None,
) -> Iterator[Result]:
    from .workers import compute_blocks, forked

    if run is _run_dask:
        import dask.local  # noqa: F401 - here, or each copy would import it

    @contextmanager
    def pool() -> Iterator[tuple[ProcessPoolExecutor, Callable[[list[Index]], list[Result]]]]:
        if workers is None:
            with forked(n_workers, compute) as own:
                yield own, compute_blocks
        else:
            with workers.pool(n_workers, compute) as kept:
                yield kept

    if load is not None:
        # A copy has what its original had loaded when it was made: these have to do without.
        if workers is not None:
            workers.end()  # nothing is loaded while they are there
        with forked(n_workers, compute) as first:
            loading = load()
            while loading.is_alive() and (some := list(itertools.islice(groups, 2 * n_workers))):
                yield from run(first, compute_blocks, iter(some), n_workers, note)
            loading.join()
    with pool() as (copies, compute_group):
        yield from run(copies, compute_group, groups, n_workers, note)


def _run_pool(
    pool: Executor,
    compute: Callable[[list[Index]], list[Result]],
    groups: Iterator[list[Index]],
    n_workers: int,
    note: Callable[[Result], None] | None,
    begun: Sequence[Future[list[Result]]] = (),
) -> Iterator[Result]:
    """Run groups by a pool of threads or processes, without dask, after those that have begun."""

    def begin(n_groups: int) -> list[Future[list[Result]]]:
        return [pool.submit(compute, group) for group in itertools.islice(groups, n_groups)]

    running = [*begun, *begin(2 * n_workers)]  # as many wait, so that no worker does
    try:
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            ended = [each for each in running if each in done]
            running = [each for each in running if each not in done]
            # What is made is noted before an error ends the run: that of the first block.
            for each in sorted(ended, key=lambda each: each.exception() is not None):
                results = each.result()
                running += begin(1)
                for result in results:
                    if note is not None:
                        note(result)
                    yield result
    finally:
        for each in running:
            each.cancel()


def _run_dask(
    pool: ProcessPoolExecutor,
    compute: Callable[[list[Index]], list[Result]],
    groups: Iterator[list[Index]],
    n_workers: int,
    note: Callable[[Result], None] | None,
) -> Iterator[Result]:
    from dask.local import get_async

    # One submission more than there are workers, so that none waits for its next.
    yield from _run(partial(get_async, pool.submit, n_workers + 1), compute, groups, note)


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
