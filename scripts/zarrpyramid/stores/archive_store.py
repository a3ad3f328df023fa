"""A store in a single file: the objects below a folder in an archive, only read."""

from __future__ import annotations

import os
from bisect import bisect_left
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from zarrpyramid.errors import StoreError
from zarrpyramid.programs import command

from .store import Store
from .urls import is_url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zipfile import ZipInfo

    from .archive import Archive
    from .stored_object import StoredObject

SUFFIXES = (".ozx", ".zip")
"""Ends of the names of archives, in small letters."""


class ArchiveStore(Store):
    """The objects below a folder in an archive; "" is the top of the archive."""

    is_read_only = True
    deletes = False
    archive: Archive

    def __init__(self, archive: Archive, root: str = "") -> None:
        self.archive, self.root = archive, root
        self.options = archive.store.options

    def __reduce__(self) -> tuple[type[ArchiveStore], tuple[Archive, str]]:
        return type(self), (self.archive, self.root)

    @property
    def name(self) -> str:
        return f"{self.archive.name}/{self.root}".rstrip("/")

    @property
    def restoring(self) -> str:  # type: ignore[override]
        return f"copy or download {self.archive.name} again, or pack it again"

    @property
    def is_remote(self) -> bool:  # type: ignore[override]
        return self.archive.store.is_remote

    def get(self, key: str) -> bytes | None:
        return self._part(key, 0, None)

    def get_small(self, key: str, most: int) -> bytes | None:
        size = self.size(key)
        if size is not None and size > most:
            raise self._too_large(key, size, most)
        return self.get(key)

    def get_range(self, key: str, start: int, length: int) -> bytes | None:
        return self._part(key, start, length)

    def _part(self, key: str, start: int, length: int | None) -> bytes | None:
        entry = self._entry(key)
        if entry is None:
            return None
        size = entry.file_size
        first = min(size, max(0, size + start) if start < 0 else start)
        n_bytes = size - first if length is None else min(length, size - first)
        return bytes(self.archive.read(entry, memoryview(bytearray(n_bytes)), first))

    def get_into(
        self, key: str, buffer: memoryview, start: int = 0, length: int | None = None
    ) -> bytes | memoryview | None:
        entry = self._entry(key)
        if entry is None:
            return None
        left = max(0, entry.file_size - start)
        wanted = left if length is None else min(length, left)
        if wanted > len(buffer):  # of an object that is much longer than expected, the start
            return self.get_range(key, start, min(wanted, length or 4 * len(buffer)))
        return self.archive.read(entry, buffer[:wanted], start)

    def opened(self, key: str) -> StoredObject | None:
        entry = self._entry(key)
        return None if entry is None else _OpenEntry(self.archive, entry)

    def version(self, key: str) -> tuple[int, int] | None:
        entry = self._entry(key)
        return None if entry is None else (entry.file_size, entry.CRC)

    def stats(self, prefix: str) -> Iterator[tuple[str, int, int]]:
        below = self._below(prefix)
        keys = self.archive.keys
        for number in range(bisect_left(keys, below), len(keys)):
            if not keys[number].startswith(below):
                return
            entry = self.archive.entries[keys[number]]
            yield keys[number][len(below) :], entry.file_size, entry.CRC

    def children(self, prefix: str) -> list[str]:
        below = self._below(prefix)
        keys, found = self.archive.keys, []
        at = bisect_left(keys, below)
        while at < len(keys) and keys[at].startswith(below):
            name, is_folder, _ = keys[at][len(below) :].partition("/")
            found += [name] if is_folder else []
            # Past all that is in this folder: 0 follows the slash.
            at = bisect_left(keys, f"{below}{name}0", at) if is_folder else at + 1
        return sorted(found)

    def above(self) -> tuple[ArchiveStore, str] | None:
        if not self.root:
            return None
        above, _, name = self.root.rpartition("/")
        return ArchiveStore(self.archive, above), name

    def why_absent(self, prefix: str) -> str:
        if next(self.stats(prefix), None) is None:
            return f"{self.archive.name} holds nothing at {self._key(prefix)!r}; check the path"
        return ""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise StoreError(why_not_written(self.archive.name))

    put = replace = create = delete = delete_tree = _refuse

    def _entry(self, key: str) -> ZipInfo | None:
        return self.archive.entries.get(self._key(key))

    def _key(self, key: str) -> str:
        return f"{self.root}/{key}".strip("/")

    def _below(self, prefix: str) -> str:
        """Return what the keys below a prefix begin with."""
        return f"{self._key(prefix)}/".lstrip("/")


class _OpenEntry:
    """An entry that is read in pieces."""

    def __init__(self, archive: Archive, entry: ZipInfo) -> None:
        self._archive, self._entry = archive, entry
        self.size = entry.file_size

    def read_into(self, buffer: memoryview, start: int) -> memoryview:
        """Read the archive."""
        return self._archive.read(self._entry, buffer[: max(0, self.size - start)], start)


def why_not_written(archive: str) -> str:
    """Return what is said to those who would write to an archive."""
    return (
        f"{archive} is a single file, which is only read; unpack it, and give the folder: "
        f"{command('zarrpyramid', 'unpack', archive, 'NEW.zarr')}"
    )


def split_archive(place: str) -> tuple[str, str] | None:
    """Return the archive that a path or URL leads to or into, and the path in it; None without one.

    >>> split_archive("https://host/a.ozx/labels/cells")
    ('https://host/a.ozx', 'labels/cells')
    """
    steps = (place if is_url(place) else str(Path(place).absolute())).split("/")
    for number, step in enumerate(steps, start=1):
        if step.lower().endswith(SUFFIXES):
            archive = "/".join(steps[:number])
            if is_url(place) or os.path.isfile(archive):  # noqa: PTH113 - of every path
                return archive, "/".join(steps[number:])
    return None
