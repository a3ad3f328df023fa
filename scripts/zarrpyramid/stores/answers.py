"""What a store has answered, kept while a block runs: nothing is asked twice.

A request takes some 30 ms, however little it asks for. What is known to be wanted is asked for side
by side as the block begins, and one list of a folder tells what is absent from it. A local folder
answers at once, and is asked once too: a document is read and checked for links in 0.1 ms.
"""

from __future__ import annotations

import contextlib
import threading
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


class _Known:
    """An answer that is there; a `Future` takes 1 KB, and 3 us."""

    __slots__ = ("_answer",)

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def result(self) -> Any:
        """Return it."""
        return self._answer


class Answers:
    """The answers of the stores at an address and above it; only kept inside `kept`."""

    def __init__(self) -> None:
        self._found: dict[Question, Future[Any] | _Known] = {}
        self._depth = 0
        self._lock = threading.Lock()
        self._n_drops = 0
        # What was asked for since a thread began to change documents, and that thread.
        self._new: set[Question] = set()
        self._changer: int | None = None
        self._is_alone = False

    @contextlib.contextmanager
    def kept(
        self, ahead: Iterable[tuple[Question, Callable[[], Any]]] = (), *, anew: bool = False
    ) -> Iterator[None]:
        """Keep answers while a block runs; ask questions `ahead`, side by side, or `anew`."""
        wanted = {question: ask for question, ask in ahead if not self._answered(question, anew)}
        pool = ThreadPoolExecutor(_SIDE_BY_SIDE) if wanted else None
        with self._lock:
            self._depth += 1
        try:
            if pool is not None:
                self._new.update(wanted)
                self._found.update({what: pool.submit(ask) for what, ask in wanted.items()})
            yield
        finally:
            if pool is not None:
                pool.shutdown()  # a block around this one keeps the answers: none may be cancelled
            with self._lock:
                self._depth -= 1
                if not self._depth:
                    self._found.clear()

    @contextlib.contextmanager
    def changing(self, *, alone: bool = False) -> Iterator[None]:
        """Keep answers while a block changes documents; what is asked in it counts as `anew`.

        Where others change them too, that holds until the block has written something: whoever
        reads what stands around it afterwards, reads what others had written before they saw it. A
        block inside another one of the same thread is a part of it.

        Parameters
        ----------
        alone
            Whether nobody else changes them meanwhile, and others may have changed them before: no
            older answer about an object stays.
        """
        if self.is_changing:
            yield
            return
        self._new.clear()
        if alone:
            self.forget([question for question in self._found if question[0] == "object"])
        self._changer, self._is_alone = threading.get_ident(), alone
        try:
            with self.kept():
                yield
        finally:
            self._changer = None

    @property
    def is_changing(self) -> bool:
        """Whether this thread is in a block of `changing`."""
        return self._changer == threading.get_ident()

    def is_new(self, question: Question) -> bool:
        """Tell whether an answer that is kept was asked for since documents are changed."""
        return self.is_changing and question in self._new and question in self._found

    def ask(self, question: Question, ask: Callable[[], Any], *, anew: bool = False) -> Any:
        """Return an answer that is kept, else that of `ask`, and keep it inside a block."""
        found = self._answered(question, anew)
        if found is not None:
            return found.result()
        n_drops = self._n_drops
        answer = ask()
        if self._depth and n_drops == self._n_drops:  # else it may be older than what was written
            self._found[question] = _Known(answer)
            self._new.add(question)
        return answer

    def _answered(self, question: Question, anew: bool) -> Future[Any] | _Known | None:
        return None if anew and not self.is_new(question) else self._found.get(question)

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

    def forget(self, questions: Iterable[Question]) -> None:
        """Have questions asked again, unless they were since documents are changed."""
        for question in questions:
            if not self.is_new(question):
                self._found.pop(question, None)

    def drop(self, address: str) -> None:
        """Forget what is kept of an address that was written to, below it and of folders around."""
        self._n_drops += 1
        if not self._is_alone:
            self._new.clear()
        for question in list(self._found):
            kind, about = question
            is_around = kind != "object" and address.startswith(f"{about}/")
            if is_around or about == address or about.startswith(f"{address}/"):
                self._found.pop(question, None)  # or another thread has
