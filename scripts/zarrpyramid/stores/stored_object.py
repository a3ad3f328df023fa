"""One object of a store that is read in pieces, such as a shard. A local file stays open for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from .files import failure

if TYPE_CHECKING:
    from .store import Store


class StoredObject(Protocol):
    """An object as it was when it was opened, as far as its store can hold on to it.

    Any number of threads may share it; the last one to let go of it closes it.
    """

    size: int
    """Its bytes."""

    def read_into(self, buffer: memoryview, start: int) -> bytes | memoryview | None:
        """Return as many bytes from `start` as `buffer` has, short at the end, None if it is gone.

        They are in `buffer` where the store can put them there.
        """


class AskedObject:
    """An object that is asked for anew for each piece."""

    def __init__(self, store: Store, key: str, size: int) -> None:
        self.size = size
        self._store, self._key = store, key

    def read_into(self, buffer: memoryview, start: int) -> bytes | memoryview | None:
        """Ask the store for it."""
        return self._store.get_into(self._key, buffer, start, len(buffer))


class OpenFile:
    """A file that stays open: a shard of 512 chunks is opened once, not 512 times."""

    def __init__(self, path: str, descriptor: int) -> None:
        self._path, self._descriptor = path, descriptor
        self.size = os.fstat(descriptor).st_size

    def read_into(self, buffer: memoryview, start: int) -> memoryview:
        """Read the open file."""
        try:
            return fill(self._descriptor, buffer, start)
        except OSError as error:
            raise failure("read", self._path, error) from error

    def __del__(self) -> None:
        # Not by whoever drops it from a list: another thread may be reading, and the number of a
        # closed descriptor is given to the next file that is opened.
        os.close(self._descriptor)


def fill(descriptor: int, buffer: memoryview, start: int) -> memoryview:
    """Read a file from `start` until the buffer is full, and return what there was for it."""
    filled = 0
    while filled < len(buffer):
        got = os.preadv(descriptor, [buffer[filled:]], start + filled)
        if not got:
            return buffer[:filled]
        filled += got
    return buffer
