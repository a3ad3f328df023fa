"""A dask cluster of the user's that runs blocks: found, asked whether it can, and held.

A worker with another version of this package, or without the files, would write wrong voxels and
say nothing. So all of them are asked before anything is written.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import sys
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import ConfigError, WorkerError
from zarrpyramid.programs import extra_command

from .scheduler import users_scheduler

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zarrpyramid.stores import Probe, Store

logger = logging.getLogger(__name__)

_ADDRESS = "DASK_SCHEDULER_ADDRESS"

_PATIENCE = 14
"""Seconds after which a scheduler that does not answer is given up; at most twice that in all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """A dask cluster that runs blocks. Every worker is checked before its first block."""

    client: Any
    probe: Probe
    n_threads: int

    def get(self, graph: Any, keys: list[Any]) -> Any:
        """Return the results of a graph's keys, as dask's own schedulers do.

        Raises
        ------
        WorkerError
            If the cluster is lost.
        """
        from distributed import KilledWorker

        try:
            return self.client.get(graph, keys)
        except (KilledWorker, CancelledError) as error:
            raise WorkerError(
                f"the dask cluster at {self.client.scheduler.address} lost its workers "
                f"({_line(error)}); see their logs, and run again"
            ) from error


@contextlib.contextmanager
def open_cluster(
    address: str | None, store: Store, folder: str, also: Sequence[tuple[Store, str]] = ()
) -> Iterator[Cluster | None]:
    """Hold the dask cluster that runs the blocks; None where the user has none.

    It is the one at the address, else the one of the client that the user has open, else the one
    that the environment names. All workers must have this version of the package, and find what is
    in the store.

    Parameters
    ----------
    store, folder
        A word is left here, which the workers must find.
    also
        Objects of other stores, which the workers must find as they are here.

    Raises
    ------
    ConfigError
        If an address is given and distributed is not installed.
    WorkerError
        If the cluster cannot be reached or used.
    """
    client = None if address else _users_client()
    if not (address or client or users_scheduler()):
        address = os.environ.get(_ADDRESS)
    if not store.shared or not (address or client):
        yield None
        return
    with contextlib.ExitStack() as stack:
        if client is None:
            client = stack.enter_context(_connect(str(address)))
        _check_versions(client)
        from zarrpyramid.stores import laid_probe

        probe = stack.enter_context(laid_probe(store, folder, also))
        _refuse(client, client.run(probe.check, on_error="return"))
        threads = client.nthreads()
        where = client.scheduler.address
        logger.info("%d dask workers at %s run the blocks", len(threads), where)
        yield Cluster(client=client, probe=probe, n_threads=sum(threads.values()))


def _users_client() -> Any:
    """Return the dask client that the user has open, and dask would take, or None."""
    if "distributed" not in sys.modules:
        return None
    from distributed import Client

    scheduler = users_scheduler()
    owner = getattr(scheduler, "__self__", None)
    return owner if isinstance(owner, Client) else None


@contextlib.contextmanager
def _connect(address: str) -> Iterator[Any]:
    import asyncio  # 20 ms, which most jobs do not need

    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"dask_scheduler {address} is asked for, but the package distributed is not installed; "
            f"install it ({extra_command('dask')}), or leave dask_scheduler out"
        ) from error
    try:
        # Asked first, because a client waits for ever for a server that accepts and says nothing.
        with ThreadPoolExecutor(1) as pool:  # here an event loop may be running
            pool.submit(asyncio.run, _check_scheduler(address)).result()
        client = Client(  # type: ignore[no-untyped-call]
            address, timeout=_PATIENCE, set_as_default=False
        )
    except Exception as error:  # anything may answer: a web server raises MemoryError
        raise WorkerError(
            f"no dask scheduler answers at {address} ({_line(error)}); start one there, fix "
            f"dask_scheduler or {_ADDRESS}, or leave them out"
        ) from error
    with client:
        yield client


async def _check_scheduler(address: str) -> None:
    """Refuse what answers at an address and is no scheduler."""
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
    """Refuse workers, and a scheduler, without this version of the package."""

    def tell() -> tuple[str, int]:
        # The function is sent as code: workers may import another version of it.
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
    try:  # the scheduler unpacks what is sent to the workers
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
    """Raise the answer of the first worker that did not answer with None."""
    faults = {worker: fault for worker, fault in sorted(answers.items()) if fault is not None}
    for worker, fault in faults.items():
        raise WorkerError(
            f"{len(faults)} of {len(client.nthreads())} dask workers cannot be used; {worker}: "
            f"{_line(fault)}"
        )


def _line(error: object) -> str:
    return " ".join(str(error).split()) or type(error).__name__
