"""What every store offers: bytes by key, and properties that say what a store can do.

Where stores differ, they differ in a property or a method of this class, so that nobody outside
this package asks what kind of store it has.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from zarrpyramid.errors import StoreError

from .stored_object import AskedObject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from .archive import Archive
    from .stored_object import StoredObject

    Version = tuple[int, int]


Wanted = TypeVar("Wanted")
Found = TypeVar("Found")


class Store(ABC):
    """Objects by key: paths with ``/``, relative to the store's root.

    A prefix is the path of a group or an array; ``""`` is the root.
    """

    is_remote: bool = False
    """Whether every answer is a request over a network."""

    shared: bool = True
    """Whether other processes that get a pickle of the store reach the same objects."""

    is_read_only: bool = False
    """Whether it takes no objects, so that `put` and `delete` raise StoreError."""

    archive: Archive | None = None
    """The single file that holds all objects of the store, where there is one."""

    lists: bool = True
    """Whether it lists its keys; without, `keys`, `children` and `stats` raise StoreError."""

    deletes: bool = True
    """Whether objects can be removed."""

    tells_versions: bool = True
    """Whether `version` and `stats` show that an object has been written anew."""

    has_links: bool = False
    """Whether a prefix may be a link to objects that are somewhere else."""

    at_once: int = 1
    """How many requests go out at the same time, each from a thread of its own."""

    ahead: int = 1
    """For how many things `each` asks at once."""

    restoring: str = "restore it from a copy"
    """How an object of it that is damaged comes back."""

    options: Mapping[str, Any] = MappingProxyType({})
    """What opens the store beside its name. It holds no secrets."""

    web_address: str = ""
    """Where a browser asks for its objects, by https; "" where that is nowhere."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Where the store is, as messages and commands give it: its absolute path or its URL."""

    @abstractmethod
    def get(self, key: str) -> bytes | None:
        """Return an object, or None where there is none."""

    def get_small(self, key: str, most: int) -> bytes | None:
        """Return an object of at most `most` bytes; StoreError where it is larger, and not read."""
        data = self.get(key)
        if data is not None and len(data) > most:
            raise self._too_large(key, len(data), most)
        return data

    def _too_large(self, key: str, size: int, most: int) -> StoreError:
        return StoreError(
            f"{self.name}/{key} has {size} bytes, expected at most {most}; remove what "
            f"consolidated metadata it holds, or {self.restoring}"
        )

    @abstractmethod
    def get_range(self, key: str, start: int, length: int) -> bytes | None:
        """Return part of an object, short at its end; a negative start counts from the end."""

    def get_into(
        self, key: str, buffer: memoryview, start: int = 0, length: int | None = None
    ) -> bytes | memoryview | None:
        """Return an object or part of it, in `buffer` where the store can and it fits there."""
        return self.get(key) if length is None else self.get_range(key, start, length)

    def each(self, ask: Callable[[Wanted], Found], of: Iterable[Wanted]) -> Iterator[Found]:
        """Yield what `ask` returns for each of some things, in turn.

        A remote store asks `ahead`, in threads of its own, of which all callers share `at_once`.
        """
        return map(ask, of)

    def opened(self, key: str) -> StoredObject | None:
        """Return an object that is read in pieces, or None where there is none."""
        size = self.size(key)
        return None if size is None else AskedObject(self, key, size)

    def remembered(
        self,
        objects: Iterable[str] = (),
        *,
        folders: Iterable[str] = (),
        trees: Iterable[str] = (),
        anew: bool = False,
    ) -> AbstractContextManager[None]:
        """Read each document once while a block runs; a remote store lists each folder once, too.

        What this process writes is asked for anew, and `replace` sees what others have written.
        Ranges of objects are not remembered.

        Parameters
        ----------
        objects, folders, trees
            Keys, prefixes whose names and prefixes all of whose objects a remote store is asked for
            at once as the block begins. The list of a folder tells what is absent from it.
        anew
            Whether they are asked for again where a block around this one remembers them, unless
            they were since `exclusive` began.
        """
        return contextlib.nullcontext()

    @abstractmethod
    def version(self, key: str) -> Version | None:
        """Return bytes and version of an object as `stats` does, or None where there is none."""

    def size(self, key: str) -> int | None:
        """Return the bytes of an object, or None where there is none."""
        found = self.version(key)
        return None if found is None else found[0]

    @abstractmethod
    def put(self, key: str, data: bytes | memoryview) -> None:
        """Write an object whole or not at all."""

    def replace(self, key: str, change: Callable[[bytes | None], bytes | None]) -> None:
        """Replace an object by what `change` returns for its bytes or None; None changes nothing.

        Callers hold `exclusive`. Without locks a store calls `change` again after another's change.
        """
        data = change(self.get(key))
        if data is not None:
            self.put(key, data)

    def create(self, key: str, data: bytes, *, over: bytes | None = None) -> bool | None:
        """Write an object where there is none, or in the place of one that still is `over`.

        Return whether it was written: of several that try at once one succeeds. None says that
        nothing may be written there, or that the store cannot do it.
        """
        return None

    def delete_if(self, key: str, data: bytes) -> None:
        """Remove an object if it still is `data`."""
        if self.get(key) == data:
            self.delete(key)

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove an object if it is there."""

    @abstractmethod
    def delete_tree(self, prefix: str) -> None:
        """Remove every object below a prefix."""

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys of all objects below a prefix, relative to it, in no order."""
        for key, _, _ in self.stats(prefix):
            yield key

    @abstractmethod
    def children(self, prefix: str) -> list[str]:
        """Return the sorted names directly below a prefix that have objects below them."""

    @abstractmethod
    def stats(self, prefix: str) -> Iterator[tuple[str, int, int]]:
        """Yield (relative key, bytes, version) of all objects; a rewrite changes the version."""

    def stats_of(self, prefix: str, keys: Iterable[str]) -> Iterator[tuple[str, int, int]]:
        """Yield as `stats` does, of those `keys` below a prefix that are there."""
        for key in keys:
            found = self.version(f"{prefix}/{key}".lstrip("/"))
            if found is not None:
                yield key, *found

    def versions(self, prefix: str) -> Callable[[str], Version | None]:
        """Return a function from a key below a prefix to the bytes and version of its object.

        A remote store lists all of them in this call, a local folder looks at each call of it.
        """
        return {key: (size, version) for key, size, version in self.stats(prefix)}.get

    def sync(self) -> None:  # noqa: B027
        """Wait until a power cut would lose nothing that was written."""

    def hold(self, prefix: str, *, shared: bool = False) -> AbstractContextManager[None]:
        """Lock a prefix while a block runs; StoreError where another process has locked it.

        Processes that lock it `shared`, as the parts of a level do, run beside each other. A store
        without locks refuses nobody.
        """
        return contextlib.nullcontext()

    def exclusive(self) -> AbstractContextManager[None]:
        """Lock the documents of this store while a block runs; other processes wait.

        Each is read once in the block, and anew. Where a store has no locks, `replace` sees what
        others have changed.
        """
        return contextlib.nullcontext()

    def deciding(self) -> AbstractContextManager[None]:
        """Have the changes of a block be one where a store has no locks: it asks once for them all.

        Each `exclusive` in it is a part of it. Where a store has locks, each locks by itself.
        """
        return contextlib.nullcontext()

    def above(self) -> tuple[Store, str] | None:
        """Return the store one step up and the name of this one in it; None at the top."""
        return None

    def folder(self, prefix: str) -> Path | None:
        """Return the local folder of a prefix, which may be absent; None where there is none."""
        return None

    def why_absent(self, prefix: str) -> str:
        """Return why nothing can stand at a prefix, such as a file in its place, or ``""``."""
        return ""

    def trust(self, path: str) -> None:  # noqa: B027
        """Follow links to the place of a prefix or of an absolute path."""

    def is_link(self, prefix: str) -> bool:
        """Tell whether a prefix is a link to objects that are somewhere else."""
        return self.link_target(prefix) is not None

    def link_target(self, prefix: str) -> str | None:
        """Return where a link leads, or None where there is none."""
        return None

    def link(self, prefix: str, target: str) -> None:
        """Make a prefix a link to an absolute path; StoreError where that cannot be done."""
        raise StoreError(f"{self.name} has no symbolic links")
