"""What is known of each stored object of a level: notes in an SQLite file beside the sentinels.

Notes only save work. What is lost, damaged or of another recipe reads as absent, and what cannot be
written is done without. Every row has a checksum, because SQLite does not see a flipped bit. One
job writes a file at a time; SQLite's own locks are off, because not every network file system has
them (docs/design/0016).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from zarrpyramid.metadata import Tally

from .result import BlockResult
from .value_counts import ValueCounts

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from zarrpyramid.geometry import Shape

    Row = tuple[Any, ...]

logger = logging.getLogger(__name__)

_TABLES = (
    "CREATE TABLE IF NOT EXISTS level (identity BLOB, shape TEXT, digest TEXT, checksum BLOB)",
    """CREATE TABLE IF NOT EXISTS objects (
        key TEXT PRIMARY KEY,            -- in the level's folder: no growth changes it
        size INTEGER, changed INTEGER,   -- of the stored object; NULL where there is none
        made_from BLOB,                  -- digest of the source objects
        voxels BLOB,                     -- sum of the digests of its chunks
        seen TEXT,                       -- tallies of source, object and weights, as JSON
        batch BLOB,                      -- of objects whose source was counted together, or NULL
        checksum BLOB
    ) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS counts (
        batch BLOB PRIMARY KEY,
        n_objects INTEGER,
        counts TEXT,                     -- of the source's values, for all objects of the batch
        checksum BLOB
    )""",
)
_UNUSED = """DELETE FROM counts WHERE batch NOT IN
    (SELECT batch FROM objects WHERE batch IS NOT NULL)"""
LAYOUT = [3, *Tally.__slots__]
"""What rows hold, in this order. Notes of another layout are those of another recipe."""

_encode = json.JSONEncoder(separators=(",", ":")).encode
_values = attrgetter(*Tally.__slots__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """What is known of one object.

    Attributes
    ----------
    version
        Bytes and time of change of the stored object; None where the recipe leaves it out.
    made_from
        Digest of the source objects that it was made from.
    seen
        Of its chunks, and of the source chunks that are counted with it.
    batch
        Key of the objects that it was noted with, whose values were counted together.
    """

    version: tuple[int, int] | None
    made_from: bytes
    seen: BlockResult
    batch: bytes | None = None


class Notes:
    """The notes of a level, or of one part of it, in one file.

    Attributes
    ----------
    is_empty
        Whether nothing is known: there is no file, or it is damaged, of another recipe or of larger
        extents, and is replaced when something is written.
    digest
        Hex digest of the whole level that the notes prove; "" where they are of a part, or while
        the level is being made.
    """

    def __init__(self, path: Path, identity: bytes, shape: Shape) -> None:
        """Read what a file says of itself.

        Parameters
        ----------
        identity
            Digest of the level's place and recipe. Checksums hold for one identity alone.
        shape
            Of the level. One of the same identity that has grown since keeps its notes.
        """
        import sqlite3  # 4 ms, which builds without results do not need

        self.path, self._identity, self._shape = path, identity, shape
        self.is_empty, self.digest = True, ""
        self._connection: sqlite3.Connection | None = None
        self._is_told = False
        try:
            [(found, extents, digest, checksum)] = self._connect("rw").execute(
                "SELECT * FROM level"
            )
            if (found, checksum) == (identity, self._checksum(extents, digest)):
                known = zip(json.loads(extents), shape, strict=True)
                if all(before <= now for before, now in known):
                    self.is_empty, self.digest = False, digest
        except (sqlite3.Error, ValueError):
            pass
        if self.is_empty:
            self.close()

    def read(self, key: str) -> Note | None:
        """Return what is known of an object; None where that is nothing."""
        row = self._row(key)
        if row is None:
            return None
        _, size, changed, made_from, voxels, seen, batch, _ = row
        source, target, *more = map(_unpacked, json.loads(seen))
        target.digest_sum = int.from_bytes(voxels, "little")
        version = None if size is None else (size, changed)
        weights = more[0] if more else Tally()
        seen = BlockResult(source=source, target=target, weights=weights)
        return Note(version=version, made_from=made_from, seen=seen, batch=batch)

    def voxels(self, key: str) -> bytes | None:
        """Return the digest of an object's voxels alone."""
        row = self._row(key)
        return None if row is None else row[4]

    def row(self, key: str, note: Note) -> Row:
        """Return the row that notes an object, to be written."""
        size, changed = note.version or (None, None)
        voxels = note.seen.target.digest_sum.to_bytes(16, "little")
        target = _packed(note.seen.target)
        target[0] = 0  # it stands in `voxels`
        weights = note.seen.weights
        more = [_packed(weights)] if weights.n_chunks else []
        seen = _encode([_packed(note.seen.source), target, *more])
        row = (key, size, changed, note.made_from, voxels, seen, note.batch)
        return (*row, self._checksum(*row))

    def counts(self, batch: bytes | None, n_objects: int) -> ValueCounts | None:
        """Return what was counted for a batch of objects; None if it has not `n_objects` of them.

        Counts of a batch cannot be told apart: they are of no use once an object is made again.
        """
        row = self._one("SELECT * FROM counts WHERE batch = ?", batch)
        return None if row is None or row[1] != n_objects else ValueCounts.decode(row[2])

    def counts_row(self, batch: bytes, n_objects: int, counts: ValueCounts) -> Row:
        """Return the row that notes what was counted for a batch of objects, to be written."""
        row = (batch, n_objects, counts.encode())
        return (*row, self._checksum(*row))

    def rows(self, keys: Iterable[str] | None = None) -> Iterator[Row]:
        """Yield the undamaged rows of some objects, or of all, as they can be written elsewhere."""
        if keys is not None:
            yield from filter(None, map(self._row, keys))
        else:
            yield from self._all("SELECT * FROM objects")

    def counts_rows(self) -> Iterator[Row]:
        """Yield the undamaged rows of all counts, as they can be written elsewhere."""
        yield from self._all("SELECT * FROM counts")

    def write(
        self,
        rows: Iterable[Row],
        counts: Iterable[Row] = (),
        *,
        digest: str = "",
        is_flushed: bool = True,
    ) -> None:
        """Write rows in one transaction; a failure is logged once, and is not an error.

        Parameters
        ----------
        digest
            Of the whole level, where all of its objects are noted by now. Where an earlier write
            has failed they are not, and the notes get none.
        is_flushed
            Whether these notes survive a power cut. It takes a local disk some 20 ms.
        """
        import sqlite3

        digest = "" if self._is_told else digest
        try:
            if self.is_empty:
                self.close()
                remove_notes(self.path)
                self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = self._connect("rwc")
            connection.execute(f"PRAGMA synchronous = {'FULL' if is_flushed else 'OFF'}")
            with connection:
                connection.execute("BEGIN")
                for table in _TABLES:
                    connection.execute(table)
                connection.executemany("REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
                connection.executemany("REPLACE INTO counts VALUES (?, ?, ?, ?)", counts)
                if digest:  # counts of objects that were all made again
                    connection.execute(_UNUSED)
                connection.execute("DELETE FROM level")
                told = (_encode(self._shape), digest)
                row = (self._identity, *told, self._checksum(*told))
                connection.execute("INSERT INTO level VALUES (?, ?, ?, ?)", row)
            self.is_empty, self.digest = False, digest
        except (OSError, sqlite3.Error, UnicodeError) as error:
            # A full disk may have room again for what is made next, and a file that somebody has
            # removed is made anew: the next write opens it again. A damaged file is given up.
            self.close()
            if not isinstance(error, OSError | sqlite3.OperationalError):
                self.is_empty = True
            if not self._is_told:
                self._is_told = True
                logger.warning(
                    "%s cannot be written (%s); the job goes on, and makes its objects again if it "
                    "is killed",
                    self.path,
                    getattr(error, "strerror", None) or error,
                )

    def close(self) -> None:
        """Close the file; from here on nothing is known."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self, mode: str) -> sqlite3.Connection:
        """Return the open file.

        Where a killed job left a journal the file is first put back to what it was before that
        job's last transaction. SQLite's defaults are meant: a journal that is deleted, no WAL,
        which needs memory that hosts do not share.
        """
        import sqlite3

        if self._connection is None:
            place = f"{self.path.absolute().as_uri()}?mode={mode}&nolock=1"
            self._connection = sqlite3.connect(place, uri=True, timeout=0, isolation_level=None)
        return self._connection

    def _all(self, select: str) -> Iterator[Row]:
        if self._connection is None:
            return
        with contextlib.suppress(self._connection.Error, UnicodeError):
            for row in self._connection.execute(select):
                if self._checksum(*row[:-1]) == row[-1]:
                    yield row

    def _row(self, key: str) -> Row | None:
        return self._one("SELECT * FROM objects WHERE key = ?", key)

    def _one(self, select: str, key: object) -> Row | None:
        if self._connection is None:
            return None
        try:
            row: Row | None = self._connection.execute(select, (key,)).fetchone()
        except (self._connection.Error, UnicodeError):  # of a message that quotes what is damaged
            return None
        return row if row is not None and self._checksum(*row[:-1]) == row[-1] else None

    def _checksum(self, *values: object) -> bytes:
        text = repr((self._identity, *values))
        return hashlib.blake2b(text.encode(), digest_size=16).digest()


def remove_notes(path: Path) -> None:
    """Remove a file of notes, and the journal that a killed job left beside it."""
    for each in (path, path.with_name(f"{path.name}-journal")):
        each.unlink(missing_ok=True)


def _packed(seen: Tally) -> list[Any]:
    """Return what JSON holds of a tally: sums of floats, of 300 digits, as an odd number and zeros.

    >>> _packed(Tally(n_voxels=2, units=3 << 1074))[6]
    [3, 1074]
    """
    values = list(_values(seen))
    for place in _SUMS:
        n_zeros = max(0, (values[place] & -values[place]).bit_length() - 1)
        values[place] = [values[place] >> n_zeros, n_zeros]
    return values


def _unpacked(values: list[Any]) -> Tally:
    """Return the tally that `_packed` made values of."""
    for place in _SUMS:
        values[place] = values[place][0] << values[place][1]
    return Tally(*values)


_SUMS = tuple(Tally.__slots__.index(name) for name in ("units", "imaginary_units"))
