"""A zip archive of objects, such as a single-file OME-Zarr (`.ozx`), as it is read.

An object that is stored as it is, which RFC-9 of OME-NGFF recommends, is a range of the file. One
that was compressed is inflated as far as it is wanted. Python's zipfile reads the directory.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
import zlib
from functools import cached_property
from typing import TYPE_CHECKING, Any

from xxhash import xxh3_128

from zarrpyramid.errors import StoreError

from .archive_writer import SEAL_KEY, SEAL_SIZE, seal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zipfile import ZipInfo

    from .store import Store
    from .stored_object import StoredObject

_HEADER = struct.Struct("<4s22x2H")
"""An entry's own header: its mark, and the bytes of its name and of what follows that."""

_IS_UTF8, _IS_ENCRYPTED = 1 << 11, 1 << 0
_PIECE = 1 << 23
"""Bytes that are read at once where the whole file is."""

_SEAL = re.compile(rb"[0-9a-f]{32}..\Z", re.DOTALL)
_NO_PATH = re.compile(r"(^|/)(\.{0,2})(/|$)|\\|\0")
"""What no key has: steps that lead out or nowhere, and other systems' separators."""


class Archive:
    """The entries of an archive, which is an object of a store.

    Parameters
    ----------
    store, key
        Where the archive is.
    """

    def __init__(self, store: Store, key: str) -> None:
        self.store, self.key = store, key

    def __reduce__(self) -> tuple[type[Archive], tuple[Store, str]]:
        return type(self), (self.store, self.key)

    @property
    def name(self) -> str:
        """Path or URL of the file."""
        return f"{self.store.name.rstrip('/')}/{self.key}"

    @cached_property
    def file(self) -> StoredObject:
        """The file, which stays open.

        Raises
        ------
        StoreError
            If it is not there.
        """
        found = self.store.opened(self.key)
        if found is None:
            raise StoreError(f"there is no file {self.name}; check the path")
        return found

    @cached_property
    def _directory(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(_Stream(self.file))
        except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
            raise self._damaged(str(error)) from None

    @property
    def comment(self) -> bytes:
        """What is said of the whole archive."""
        return self._directory.comment

    @cached_property
    def said(self) -> dict[str, Any]:
        """What the comment says as JSON; {} where it is none."""
        try:
            said = json.loads(self.comment.rstrip(b"\0"))  # which a draft of RFC-9 had at its end
        except (ValueError, RecursionError):
            return {}
        return said if isinstance(said, dict) else {}

    @cached_property
    def entries(self) -> dict[str, ZipInfo]:
        """The entries by their keys, in the order of the directory.

        Raises
        ------
        StoreError
            If the archive is damaged, or an entry is none that can be read, or no part of a store.
        """
        found: dict[str, ZipInfo] = {}
        for entry in self._directory.infolist():
            key = entry.orig_filename
            if key.endswith("/") and not entry.file_size:
                continue  # a folder
            if _NO_PATH.search(key):
                raise self._refused(key, "whose name is no path inside the archive")
            if key in found:
                raise self._refused(key, "which it holds twice")
            if entry.flag_bits & _IS_ENCRYPTED:
                raise self._refused(key, "which is encrypted")
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise self._refused(key, f"which is compressed by method {entry.compress_type}")
            found[key] = entry
        for key in found:
            above = key
            while above := above.rpartition("/")[0]:
                if above in found:
                    raise self._refused(key, f"below {above!r}, which is no folder")
        end = self._directory.start_dir
        for entry in sorted(found.values(), key=lambda entry: entry.header_offset, reverse=True):
            is_whole = entry.compress_type or entry.compress_size == entry.file_size
            if entry.header_offset + _HEADER.size + entry.compress_size > end or not is_whole:
                raise self._damaged(f"{entry.filename!r} is not where its directory has it")
            end = entry.header_offset
        return found

    @cached_property
    def keys(self) -> list[str]:
        """The sorted keys of the entries."""
        return sorted(self.entries)

    def read(self, entry: ZipInfo, buffer: memoryview, start: int = 0) -> memoryview:
        """Fill a buffer with an entry's bytes from `start` on.

        Raises
        ------
        StoreError
            If the entry is not where the directory has it, or has fewer bytes, or all of it is read
            and has not the CRC-32 that was written.
        """
        found = self._read(entry, buffer, start)
        if not start and len(found) == entry.file_size and zlib.crc32(found) != entry.CRC:
            raise self._changed(entry)
        return found

    def _read(self, entry: ZipInfo, buffer: memoryview, start: int) -> memoryview:
        first = self._start(entry)
        if entry.compress_type == zipfile.ZIP_STORED:
            return self._fill(buffer, first + start)
        n_read, at = 0, 0
        if not len(buffer):
            return buffer
        for piece in self._inflated(entry, first):
            part = piece[max(0, start - at) :][: len(buffer) - n_read]
            buffer[n_read : n_read + len(part)] = part
            n_read, at = n_read + len(part), at + len(piece)
            if n_read == len(buffer):
                return buffer
        raise self._damaged(f"{entry.filename!r} ends too early")

    def _inflated(self, entry: ZipInfo, first: int) -> Iterator[bytes]:
        """Yield the bytes of a compressed entry, no more than the directory says."""
        inflate, buffer = zlib.decompressobj(-15), memoryview(bytearray(_PIECE))
        n_left = entry.file_size
        for start in range(0, entry.compress_size, _PIECE):
            stored: Any = self._fill(buffer[: entry.compress_size - start], first + start)
            while n_left and not inflate.eof:
                try:
                    piece = inflate.decompress(stored, min(n_left, _PIECE))
                except zlib.error as error:
                    raise self._damaged(f"{entry.filename!r}: {error}") from None
                stored, n_left = inflate.unconsumed_tail, n_left - len(piece)
                if not piece:  # zlib gives what it holds even where all input is used up
                    break
                yield piece

    def pieces(self, entry: ZipInfo) -> Iterator[bytes | memoryview]:
        """Yield an entry's bytes, each piece before the next one is read.

        Raises
        ------
        StoreError
            At the end, if they have not the CRC-32 that was written.
        """
        first, crc = self._start(entry), 0
        is_stored = entry.compress_type == zipfile.ZIP_STORED
        inside = self._stored(entry, first) if is_stored else self._inflated(entry, first)
        for piece in inside:
            crc = zlib.crc32(piece, crc)
            yield piece
        if crc != entry.CRC:
            raise self._changed(entry)

    def _stored(self, entry: ZipInfo, first: int) -> Iterator[memoryview]:
        size = entry.file_size
        buffer = memoryview(bytearray(min(size, _PIECE)))
        for start in range(0, size, _PIECE):
            yield self._fill(buffer[: size - start], first + start)

    @property
    def is_sealed(self) -> bool:
        """Whether its end is a digest of all before it, or was one before it was damaged."""
        return SEAL_KEY.encode() in self.comment or bool(_SEAL.search(self.comment))

    def held_seal(self) -> str:
        """Return the digest of all before its end, if its end says the same; else ""."""
        digest, end = xxh3_128(), self.file.size - SEAL_SIZE
        buffer = memoryview(bytearray(_PIECE))
        for start in range(0, end, _PIECE):
            digest.update(self._fill(buffer[: end - start], start))
        found = digest.hexdigest()
        return found if self.comment.endswith(seal(found)) else ""

    def check_seal(self) -> None:
        """Read all of an archive that is sealed, and raise StoreError if it is not as it was."""
        if self.is_sealed and not self.held_seal():
            raise self._damaged("it differs from its seal")

    def _start(self, entry: ZipInfo) -> int:
        """Return where an entry's bytes begin: behind a header of its own."""
        at = entry.header_offset
        name = entry.orig_filename.encode("utf-8" if entry.flag_bits & _IS_UTF8 else "cp437")
        header = self._fill(memoryview(bytearray(_HEADER.size + len(name))), at)
        mark, n_name, n_more = _HEADER.unpack_from(header)
        if mark != b"PK\3\4" or n_name != len(name) or header[_HEADER.size :] != name:
            raise self._damaged(f"{entry.filename!r} is not where its directory has it")
        return int(at + _HEADER.size + n_name + n_more)

    def _fill(self, buffer: memoryview, start: int) -> memoryview:
        found = self.file.read_into(buffer, start)
        if found is None or len(found) < len(buffer):
            raise self._damaged("it ends too early")
        return memoryview(found)

    def _changed(self, entry: ZipInfo) -> StoreError:
        return self._damaged(f"{entry.filename!r} has other bytes than were written")

    def _damaged(self, why: str) -> StoreError:
        return StoreError(
            f"{self.name} is damaged or no zip archive ({why}); copy or download it again"
        )

    def _refused(self, key: str, why: str) -> StoreError:
        return StoreError(
            f"{self.name} holds {key!r}, {why}, expected files as they are in a zarr store; unpack "
            "it with the program that made it, and give the folder"
        )


class _Stream(io.RawIOBase):
    """A stored object as a file, for zipfile."""

    def __init__(self, file: StoredObject) -> None:
        self._file, self._at = file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        at = offset + (0, self._at, self._file.size)[whence]
        if at < 0:
            raise OSError(22, "before the first byte")
        self._at = at
        return at

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._file.size - self._at)  # an archive may say that it is far longer
        n_bytes = left if size < 0 else min(size, left)
        found = self._file.read_into(memoryview(bytearray(n_bytes)), self._at)
        self._at += n_bytes
        return bytes(found or b"")
