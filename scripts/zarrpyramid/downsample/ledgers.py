"""The ledger of a level: for each of its objects, what its voxels are and what they were made of.

One file of records of one size, in the C order of the objects, each with a checksum of its own. It
only saves work: what is lost, damaged or of something else reads as absent. Keeps out what is made
of it, and the store.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zarrpyramid.errors import StoreError
from zarrpyramid.metadata import DOUBLE_UNITS, Tally, in_units

from .task import BlockResult

if TYPE_CHECKING:
    from pathlib import Path

_HEADER = struct.Struct("<8s16sQQ16s")
_MAGIC = b"zpledgr1"
_CHECK = 16
_SPAN = struct.Struct("<qq16s")
_ABSENT = (-1, -1)
_UNFINISHED = bytes(16)
PARTIAL_SUFFIX = ".ledger-partial"
"""Ends the name of a ledger while its level, or part of one, is being made."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What is known of one object.

    Attributes
    ----------
    version
        Bytes and time of change of the stored object; None where the recipe left it out.
    made_from
        Digest of the source objects that it was made from.
    seen
        Of its chunks, and of the source chunks that are counted with it; without their numbers,
        which follow from the level's shape.
    """

    version: tuple[int, int] | None
    made_from: bytes
    seen: BlockResult


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerForm:
    """What a ledger is of; it says how large a record is.

    Attributes
    ----------
    identity
        Digest of the level's place, recipe and form, and of its source's form.
    source, target
        Data types of voxels.
    counts_source
        Whether stored bytes and statistics of the source are kept: those of level 0, which has no
        record of its own.
    """

    identity: bytes
    source: str
    target: str
    counts_source: bool

    @property
    def record_size(self) -> int:
        """Bytes of one record."""
        size = _CHECK + _SPAN.size + 16 + _statistics(self.target).size + 16
        return size + (16 + _statistics(self.source).size if self.counts_source else 0)

    def pack(self, entry: Entry) -> bytes | None:
        """Return an entry's bytes without their checksum, None where a sum does not fit in."""
        target, source = entry.seen.target, entry.seen.source
        try:
            parts = [
                _SPAN.pack(*(entry.version or _ABSENT), entry.made_from),
                target.digest_sum.to_bytes(16, "little"),
                _pack_statistics(target, self.target),
                source.digest_sum.to_bytes(16, "little"),
            ]
            if self.counts_source:
                parts.append(source.payload_sum.to_bytes(16, "little"))
                parts.append(_pack_statistics(source, self.source))
        except (OverflowError, struct.error):
            return None
        return b"".join(parts)

    def unpack(self, data: bytes) -> Entry:
        """Return the entry that `pack` made the bytes of."""
        size, changed, made_from = _SPAN.unpack_from(data)
        place = _SPAN.size
        target, source = Tally(), Tally()
        target.digest_sum = int.from_bytes(data[place : place + 16], "little")
        _unpack_statistics(target, self.target, data, place + 16)
        place += 16 + _statistics(self.target).size
        source.digest_sum = int.from_bytes(data[place : place + 16], "little")
        if self.counts_source:
            source.payload_sum = int.from_bytes(data[place + 16 : place + 32], "little")
            _unpack_statistics(source, self.source, data, place + 32)
        return Entry(
            version=None if (size, changed) == _ABSENT else (size, changed),
            made_from=made_from,
            seen=BlockResult(source=source, target=target),
        )


class Ledger:
    """A ledger's file, held open.

    Attributes
    ----------
    digest
        Hex digest of the whole level that it proves; "" where it is of a part, or not finished.
    numbers
        Of the objects that it has room for, in the C order of their grid.
    """

    def __init__(
        self, path: Path, form: LedgerForm, numbers: range, digest: str, descriptor: int
    ) -> None:
        self.path, self.form, self.numbers, self.digest = path, form, numbers, digest
        self._descriptor = descriptor

    def read(self, number: int) -> Entry | None:
        """Return what is known of an object; None where that is nothing, or is damaged."""
        data = self._record(number)
        return None if data is None else self.form.unpack(data)

    def voxels(self, number: int) -> bytes | None:
        """Return the digest of an object's voxels alone."""
        data = self._record(number)
        return None if data is None else data[_SPAN.size : _SPAN.size + 16]

    def write(self, number: int, entry: Entry) -> None:
        """Note what is known of an object.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        data = self.form.pack(entry)
        if data is not None:
            self._write(self._check(number, data) + data, self._offset(number))

    def copy(self, other: Ledger) -> None:
        """Take in all that another ledger of the same form knows."""
        for number in other.numbers:
            data = other._record(number)
            if data is not None:
                self._write(self._check(number, data) + data, self._offset(number))

    def finish(self, path: Path, digest: str = "") -> None:
        """Flush the ledger and give it its name, as that of all its objects.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        try:
            self._write(_header(self.form, self.numbers, digest), 0)
            os.fsync(self._descriptor)
            self.path.replace(path)
        except OSError as error:
            raise _failed(path, error) from error
        self.path, self.digest = path, digest

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _record(self, number: int) -> bytes | None:
        if number not in self.numbers:
            return None
        size = self.form.record_size
        try:
            data = os.pread(self._descriptor, size, self._offset(number))
        except OSError:  # as good as lost
            return None
        check, body = data[:_CHECK], data[_CHECK:]
        return body if len(data) == size and self._check(number, body) == check else None

    def _check(self, number: int, data: bytes) -> bytes:
        # A record counts for its place in a ledger of its form alone.
        return _hash(self.form.identity, number.to_bytes(8, "little"), data)

    def _offset(self, number: int) -> int:
        record = number - self.numbers.start
        return _HEADER.size + _CHECK + record * self.form.record_size

    def _write(self, data: bytes, offset: int) -> None:
        try:
            while data:
                written = os.pwrite(self._descriptor, data, offset)
                data, offset = data[written:], offset + written
        except OSError as error:
            raise _failed(self.path, error) from error


def open_ledger(path: Path, form: LedgerForm, *, write: bool = False) -> Ledger | None:
    """Return the ledger at a path; None where there is none, or one that is damaged or of another.

    Parameters
    ----------
    write
        Whether it shall be written to.
    """
    try:
        descriptor = os.open(path, os.O_RDWR if write else os.O_RDONLY)
    except OSError:
        return None
    found = b""
    with contextlib.suppress(OSError):
        found = os.pread(descriptor, _HEADER.size + _CHECK, 0)
    if len(found) == _HEADER.size + _CHECK and _hash(found[:-_CHECK]) == found[-_CHECK:]:
        magic, identity, first, n_objects, digest = _HEADER.unpack(found[:-_CHECK])
        if (magic, identity) == (_MAGIC, form.identity):
            known = "" if digest == _UNFINISHED else digest.hex()
            return Ledger(path, form, range(first, first + n_objects), known, descriptor)
    os.close(descriptor)
    return None


def make_ledger(path: Path, form: LedgerForm, numbers: range) -> Ledger:
    """Return the unfinished ledger at a path if it is of these objects, else a new and empty one.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    found = open_ledger(path, form, write=True)
    if found is not None:
        if found.numbers == numbers:
            return found
        found.close()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
    except OSError as error:
        raise _failed(path, error) from error
    ledger = Ledger(path, form, numbers, "", descriptor)
    ledger._write(_header(form, numbers, ""), 0)
    return ledger


def source_digest(parts: list[bytes]) -> bytes:
    """Return the digest of what an object is made from, by what is known of each source object."""
    return _hash(*parts)


def _header(form: LedgerForm, numbers: range, digest: str) -> bytes:
    known = bytes.fromhex(digest) if digest else _UNFINISHED
    data = _HEADER.pack(_MAGIC, form.identity, numbers.start, len(numbers), known)
    return data + _hash(data)


def _hash(*parts: bytes) -> bytes:
    return hashlib.blake2b(b"".join(parts), digest_size=16).digest()


def _failed(path: Path, error: OSError) -> StoreError:
    failure = StoreError(f"cannot write {path}: {error.strerror or error}")
    failure.errno = error.errno
    return failure


_INTEGERS = {True: struct.Struct("<16sqq"), False: struct.Struct("<16sQQ")}
_FLOATS = struct.Struct("<QQdd4d")


def _is_float(dtype: str) -> bool:
    return dtype.startswith(("float", "complex"))


def _statistics(dtype: str) -> struct.Struct:
    return _FLOATS if _is_float(dtype) else _INTEGERS[dtype.startswith("int")]


def _pack_statistics(seen: Tally, dtype: str) -> bytes:
    """Return the bytes of extremes, counts and sums.

    Raises
    ------
    OverflowError
        If they have no room for the sum to its last bit: of integers beyond 2**127, of floats where
        it is that of more than four doubles, or infinite.
    """
    low, high = seen.minimum, seen.maximum
    if not _is_float(dtype):
        total = seen.units.to_bytes(16, "little", signed=True)
        return _INTEGERS[dtype.startswith("int")].pack(total, low or 0, high or 0)
    if seen.overflow != 0.0 or seen.imaginary_overflow != 0.0:
        raise OverflowError
    totals = (
        [*_doubles(seen.units, 2), *_doubles(seen.imaginary_units, 2)]
        if dtype.startswith("complex")
        else _doubles(seen.units, 4)
    )
    low, high = (math.nan if extreme is None else extreme for extreme in (low, high))
    return _FLOATS.pack(seen.n_nan, seen.n_inf, low, high, *totals)


def _unpack_statistics(seen: Tally, dtype: str, data: bytes, place: int) -> None:
    if not _is_float(dtype):
        layout = _INTEGERS[dtype.startswith("int")]
        total, seen.minimum, seen.maximum = layout.unpack_from(data, place)
        seen.units = int.from_bytes(total, "little", signed=True)
        return
    seen.n_nan, seen.n_inf, low, high, *totals = _FLOATS.unpack_from(data, place)
    seen.minimum, seen.maximum = (None if math.isnan(x) else x for x in (low, high))
    units = [in_units(total)[0] for total in totals]
    if dtype.startswith("complex"):
        seen.units, seen.imaginary_units = sum(units[:2]), sum(units[2:])
    else:
        seen.units = sum(units)


def _doubles(units: int, n_doubles: int) -> list[float]:
    """Return doubles whose exact sum is a number of units."""
    found = []
    for _ in range(n_doubles):
        found.append(units / DOUBLE_UNITS)
        units -= in_units(found[-1])[0]
    if units:
        raise OverflowError
    return found
