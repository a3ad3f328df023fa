"""Blocks of a level, run side by side.

The only module that imports dask, and only for levels with more than a few tasks: importing it
costs as much as the whole of a small level. Nothing here schedules anything itself.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import logging
import os
import sys
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import uuid4

from zarrpyramid import geometry
from zarrpyramid.errors import ConfigError, WorkerError
from zarrpyramid.plan import FEW
from zarrpyramid.stores import laid_probe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import ProcessPoolExecutor
    from threading import Thread

    from zarrpyramid.geometry import Index, Shape
    from zarrpyramid.stores import Probe, Store

    Result = TypeVar("Result")
    Load = Callable[[], Thread]

logger = logging.getLogger(__name__)

_BATCH = 1024
"""Tasks that dask is given at once, so that no level needs a graph of a million of them."""

_GROUP = 8
"""Tasks, at most, in one node of dask's graph: a node costs 0.4 ms, a task of 64^3 chunks 3."""


_ADDRESS = "DASK_SCHEDULER_ADDRESS"

_PATIENCE = 14
"""Seconds after which a scheduler that does not answer is given up; at most twice that in all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """A dask cluster that blocks run on; every worker has been found fit, or will be."""

    client: Any
    probe: Probe
    n_threads: int


@contextlib.contextmanager
def open_cluster(
    address: str | None, store: Store, folder: str, also: Sequence[tuple[Store, str]] = ()
) -> Iterator[Cluster | None]:
    """Hold the dask cluster that blocks shall run on; None where none is asked for.

    It is the one at the address, else that of the client that the user has open, else the one that
    the environment names. Its workers are asked first for the version of this package, and whether
    they see the store.

    Parameters
    ----------
    files, folder
        Where a word is left that the workers must find.
    also
        Objects of other stores that they must find as they are here.

    Raises
    ------
    ConfigError
        If an address is given and distributed is not installed.
    WorkerError
        If the cluster cannot be reached or used.
    """
    client = None if address else _users_client()
    # Where dask was not imported nobody has set another scheduler.
    if not (address or client or ("dask.base" in sys.modules and _users_scheduler())):
        address = os.environ.get(_ADDRESS)
    if not store.shared or not (address or client):
        yield None
        return
    with contextlib.ExitStack() as stack:
        if client is None:
            client = stack.enter_context(_connect(str(address)))
        _check_versions(client)
        probe = stack.enter_context(laid_probe(store, folder, also))
        _refuse(client, client.run(probe.check, on_error="return"))
        threads = client.nthreads()
        where = client.scheduler.address
        logger.info("%d dask workers at %s run the blocks", len(threads), where)
        yield Cluster(client=client, probe=probe, n_threads=sum(threads.values()))


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

    They run on a cluster, if one is given, else by the dask scheduler that the user has set. Else
    copies of this process run the blocks where it can be copied, and threads of it where not. The
    first error ends the run, and is raised.

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
    cluster
        As `open_cluster` yields it.
    shared
        Whether other processes reach what `compute` reads and writes. If not, this one runs the
        blocks, whatever the user has set: what workers write into copies would be lost.
    load
        Returns the thread, begun once however often it is called, that loads into a process what
        makes `compute` faster. First blocks do not wait for it.
    note
        Called with each result as soon as it is here; those of many blocks are yielded together.

    Raises
    ------
    WorkerError
        If a worker process is killed, or the cluster is lost.
    """
    n_blocks = geometry.count(grid) if numbers is None else len(numbers)
    few = n_blocks <= FEW
    # Where dask was not imported nobody has set anything.
    asked = shared and ("dask.base" in sys.modules or not few)
    scheduler = _users_scheduler() if asked else None
    places = geometry.iterate_units(grid, numbers)
    if cluster is not None:
        yield from _run_remotely(cluster, compute, places, n_blocks, load, note)
        return
    if few and scheduler is None:
        with ThreadPoolExecutor(n_workers) as pool:
            for result in pool.map(compute, places):
                if note is not None:
                    note(result)
                yield result
        return
    from dask.threaded import get

    from .workers import can_fork

    groups = _grouped(places, n_blocks, n_workers)
    if scheduler is None and n_workers > 1 and shared and can_fork():
        yield from _run_forked(_Group(compute), groups, n_workers, load, note)
        return
    # dask keeps a pool of its own for ever: no later build would find this process alone, and one
    # in a copy of it would wait for threads that are not there.
    with ThreadPoolExecutor(n_workers) as pool:
        run = scheduler or partial(get, pool=pool)
        yield from _run(run, _Group(compute, load), groups, note)


def random_array(shape: Shape, chunks: Shape) -> Any:
    """Return a dask array of random numbers in [0, 1)."""
    from dask import array

    return array.random.random(shape, chunks=chunks)


def store_array(source: Any, target: Any, *, shared: bool = True) -> None:
    """Write a dask array into a zarr array of the same chunks; `shared` as in `run_blocks`."""
    from dask import array

    # No two chunks touch the same object, so that nothing needs a lock.
    array.store(source, target, lock=False, scheduler=None if shared else "threads")


def _users_client() -> Any:
    """Return the dask client that the user has open, and dask would take, or None."""
    if "distributed" not in sys.modules:
        return None
    from distributed import Client

    scheduler = _users_scheduler()
    owner = getattr(scheduler, "__self__", None)
    return owner if isinstance(owner, Client) else None


def _users_scheduler() -> Any:
    """Return the client's or scheduler's function that runs a graph, or None where none is set."""
    from dask import config
    from dask.base import get_scheduler

    # Without this, dask imports distributed to look for a client, at twice dask's own cost.
    if "distributed" in sys.modules or config.get("scheduler", None):
        return get_scheduler()  # type: ignore[no-untyped-call]
    return None


@contextlib.contextmanager
def _connect(address: str) -> Iterator[Any]:
    import asyncio  # 20 ms, of which most jobs have no need

    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"dask_scheduler {address} is asked for, but the package distributed is not installed; "
            "install it (pip install distributed), or leave dask_scheduler out"
        ) from error
    try:
        # By itself first: a client waits for ever for what takes a connection and says nothing.
        with ThreadPoolExecutor(1) as pool:  # here an event loop may be running
            pool.submit(asyncio.run, _check_scheduler(address)).result()
        client = Client(  # type: ignore[no-untyped-call]
            address, timeout=_PATIENCE, set_as_default=False
        )
    except Exception as error:  # what answers may be anything: of a web page, MemoryError
        raise WorkerError(
            f"no dask scheduler answers at {address} ({_line(error)}); start one there, mend "
            f"dask_scheduler or {_ADDRESS}, or leave them out"
        ) from error
    with client:
        yield client


async def _check_scheduler(address: str) -> None:
    """See that what answers at an address says that it is a scheduler."""
    import asyncio

    from distributed.core import rpc
    from distributed.security import Security

    arguments = Security().get_connection_args("client")  # type: ignore[no-untyped-call]
    async with rpc(address, connection_args=arguments) as server:  # type: ignore[no-untyped-call]
        try:
            kind = (await asyncio.wait_for(server.identity(), _PATIENCE))["type"]
        except TimeoutError as error:
            raise TimeoutError(f"no word within {_PATIENCE} s") from error
    if kind != "Scheduler":
        raise TypeError(f"a {kind.lower()} does")


def _check_versions(client: Any) -> None:
    """See that all workers have this package, in this version."""

    def tell() -> tuple[str, int]:
        # Goes to the workers as code, for what they import may be anything.
        package = importlib.import_module("zarrpyramid")
        return package.__version__, package.VOXEL_REVISION

    mine = tell()
    found = client.run(tell, on_error="return")
    if not found:
        raise WorkerError(
            f"the dask scheduler at {client.scheduler.address} has no workers; start some (an "
            "adaptive cluster needs a minimum of one)"
        )
    others = {
        worker: f"has zarrpyramid {theirs[0]} of voxel revision {theirs[1]}, here it is {mine[0]} "
        f"of {mine[1]}; install the same"
        for worker, theirs in found.items()
        if not isinstance(theirs, Exception) and theirs != mine
    }
    errors = {worker: answer for worker, answer in found.items() if isinstance(answer, Exception)}
    _refuse(client, {**others, **errors})
    try:  # it, too, unpacks what is sent to the workers
        same = client.run_on_scheduler(tell) == mine
    except Exception as error:
        raise WorkerError(
            f"the dask scheduler at {client.scheduler.address} cannot be used: {_line(error)}"
        ) from error
    if not same:
        raise WorkerError(
            f"the dask scheduler at {client.scheduler.address} has another zarrpyramid than its "
            f"workers, here it is {mine[0]}; install the same"
        )


def _refuse(client: Any, answers: dict[str, Any]) -> None:
    """Raise what the first of the workers says that did not answer with None."""
    faults = {worker: fault for worker, fault in sorted(answers.items()) if fault is not None}
    for worker, fault in faults.items():
        raise WorkerError(
            f"{len(faults)} of {len(client.nthreads())} dask workers cannot be used; {worker}: "
            f"{_line(fault)}"
        )


def _line(error: object) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _run_remotely(
    cluster: Cluster,
    compute: Callable[[Index], Any],
    places: Iterator[Index],
    n_blocks: int,
    load: Load | None,
    note: Callable[[Any], None] | None,
) -> Iterator[Any]:
    from distributed import KilledWorker

    groups = _grouped(places, n_blocks, cluster.n_threads)
    try:
        # Batches of enough groups that their ends, where workers wait, do not count.
        yield from _run(
            cluster.client.get,
            _Group(compute, load, cluster.probe),
            groups,
            note,
            max(_BATCH // _GROUP, 16 * cluster.n_threads),
        )
    except (KilledWorker, CancelledError) as error:
        raise WorkerError(
            f"the dask cluster at {cluster.client.scheduler.address} lost its workers "
            f"({_line(error)}); see their logs, and run again"
        ) from error


def _grouped(places: Iterator[Index], n_blocks: int, n_workers: int) -> Iterator[list[Index]]:
    return geometry.batches(places, max(1, min(_GROUP, n_blocks // (8 * n_workers))))


def _run_forked(
    compute: _Group,
    groups: Iterator[list[Index]],
    n_workers: int,
    load: Load | None,
    note: Callable[[Any], None] | None,
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
                yield from _run(scheduler(pool), compute, iter(first), note)
            loading.join()
    with forked(n_workers) as pool:
        yield from _run(scheduler(pool), compute, groups, note)


def _run(
    scheduler: Callable[..., Any],
    compute: _Group,
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
        # A cluster keeps results for a moment, and takes a task of the same name for the same one:
        # it gave the blocks of the level before, or of the batch before, for those asked for.
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
