"""Worker processes that stay while the levels of an image are made one after the other.

To make them takes 15 ms, and a level of a few tasks, which would have threads else, takes a third
less with them. They begin a level while the one before it is flushed and published.
"""

from __future__ import annotations

import pickle
from contextlib import ExitStack, contextmanager
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future, ProcessPoolExecutor
    from typing import Self

    from zarrpyramid.geometry import Index


class KeptWorkers:
    """Copies of this process, made for the first level that wants them.

    The caller holds the lock of the image meanwhile. The copies hold it as long as they live.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._pool: ProcessPoolExecutor | None = None
        self._begun: tuple[object, list[Future[list[Any]]]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.end()

    @property
    def are_there(self) -> bool:
        """Whether copies were made, and have not ended."""
        return self._pool is not None

    def end(self) -> None:
        """End the copies: those that are made later have what this process has loaded by then."""
        self._pool = self._begun = None
        self._stack.close()

    def dismiss(self) -> None:
        """Have the copies end while this process goes on; `end` waits for them."""
        if self._pool is not None:
            thread = Thread(target=self._pool.shutdown)
            thread.start()
            self._stack.callback(thread.join)
            self._pool = None

    def begin(
        self, task: object, compute: Callable[[Index], Any], groups: Iterable[list[Index]]
    ) -> None:
        """Have the copies, which are there, compute the groups of blocks of a task."""
        assert self._pool is not None
        compute_group = _received(compute)
        self._begun = task, [self._pool.submit(compute_group, group) for group in groups]

    def has_begun(self, task: object) -> bool:
        """Tell whether the copies compute a task already; another one that they do ends here."""
        if self._begun is not None and self._begun[0] != task:
            self.end()
        return self._begun is not None

    def taken(self) -> list[Future[list[Any]]]:
        """Return what has begun, which is not returned again."""
        begun, self._begun = self._begun, None
        return [] if begun is None else begun[1]

    @contextmanager
    def pool(
        self, n_workers: int, compute: Callable[[Index], Any]
    ) -> Iterator[tuple[ProcessPoolExecutor, Callable[[list[Index]], list[Any]]]]:
        """Hold the copies while a block runs, and what has one of them compute some blocks.

        As `workers.forked`, but `compute` is pickled. A copy takes it up once, with all that it
        opens. After an error no copy is left, and so none that still writes.
        """
        from .workers import forked, killed_is_said

        if self._pool is None:
            self._pool = self._stack.enter_context(forked(n_workers))
        try:
            with killed_is_said():
                yield self._pool, _received(compute)
        except BaseException:
            self.end()
            raise


def _received(compute: Callable[[Index], Any]) -> Callable[[list[Index]], list[Any]]:
    """Return what has a copy compute some blocks by what is pickled here."""
    from .workers import compute_received

    return partial(compute_received, uuid4().hex, pickle.dumps(compute))
