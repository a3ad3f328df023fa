"""What an object store has answered, kept while a block runs: nothing is asked twice.

A request takes some 30 ms, however little it asks for. What is known to be wanted is asked for side
by side as the block begins, and one list of a folder tells what is absent from it.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    Question = tuple[str, str]
    """What kind of thing is asked for, "object", "folder" or "tree", and its address."""

_SIDE_BY_SIDE = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Folder:
    """What stands directly in a folder: its objects with bytes and version, and its folders."""

    objects: Mapping[str, tuple[int, int]]
    folders: frozenset[str]

    def holds(self, rest: str) -> bool:
        """Tell whether there may be something at a path inside."""
        name, is_deeper, _ = rest.partition("/")
        return name in (self.folders if is_deeper else self.objects)


class Answers:
    """The answers of the stores at a URL and above it; only kept inside `kept`."""

    def __init__(self) -> None:
        self._found: dict[Question, Future[Any]] = {}
        self._depth = 0
        self._n_drops = 0

    @contextlib.contextmanager
    def kept(
        self, ahead: Iterable[tuple[Question, Callable[[], Any]]], *, anew: bool = False
    ) -> Iterator[None]:
        """Keep answers while a block runs; ask questions `ahead`, side by side, or `anew`."""
        wanted = {question: ask for question, ask in ahead if anew or question not in self._found}
        pool = ThreadPoolExecutor(_SIDE_BY_SIDE)
        self._depth += 1
        try:
            self._found.update({what: pool.submit(ask) for what, ask in wanted.items()})
            yield
        finally:
            pool.shutdown(cancel_futures=True)
            self._depth -= 1
            if not self._depth:
                self._found.clear()

    def ask(self, question: Question, ask: Callable[[], Any], *, anew: bool = False) -> Any:
        """Return an answer that is kept, else that of `ask`, and keep it inside a block."""
        found = None if anew else self._found.get(question)
        if found is not None:
            return found.result()
        n_drops = self._n_drops
        answer = ask()
        if self._depth and n_drops == self._n_drops:  # else it may be older than what was written
            kept: Future[Any] = Future()
            kept.set_result(answer)
            self._found[question] = kept
        return answer

    def known(self, question: Question) -> Any:
        """Return an answer that is kept, or None, also where it was an error."""
        found = self._found.get(question)
        if found is not None:
            with contextlib.suppress(StoreError):
                return found.result()
        return None

    def is_absent(self, address: str) -> bool:
        """Tell whether a list that is kept shows that there is nothing at an address."""
        folder = address.rstrip("/") if self._found else ""
        while "://" in (folder := folder.rpartition("/")[0]):
            listed: Folder | None = self.known(("folder", folder))
            if listed is not None:
                return not listed.holds(address[len(folder) + 1 :])
        return False

    def drop(self, address: str) -> None:
        """Forget what is kept of an address that was written to, below it and of folders around."""
        self._n_drops += 1
        for question in list(self._found):
            kind, about = question
            is_around = kind != "object" and address.startswith(f"{about}/")
            if is_around or about == address or about.startswith(f"{address}/"):
                self._found.pop(question, None)  # or another thread has
