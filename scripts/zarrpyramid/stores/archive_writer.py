"""The form of a zip archive, as it is written: in one pass, each object stored as it is.

Each entry and the end are of ZIP64 whatever their size, as RFC-9 of OME-NGFF recommends. The old
end of zip has the same numbers as far as it has room for them: neuroglancer 2.41.2 finds no others.
No time and no owner is told, so that equal objects make equal archives.
"""

from __future__ import annotations

import json
import struct
from typing import IO, TYPE_CHECKING, Any

from xxhash import xxh3_128

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SEAL_KEY = "zarrpyramid_xxh3_128"
"""What the comment calls the digest of all bytes before that digest, which ends the file."""

SEAL_SIZE = 34
"""Bytes of the digest, and of what closes the comment."""

_LOCAL = struct.Struct("<4s5H3I2H 2H2Q")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_CENTRAL_MORE = struct.Struct("<2H3Q")
_END_64 = struct.Struct("<4sQ2H2I4Q 4sIQI 4s4H2IH")

_VERSION, _UNIX = 45, 3 << 8
_IS_UTF8 = 1 << 11
_DAY = 1 << 5 | 1  # the first of 1980, which is the first that a zip archive knows
_FILE_MODE = 0o100644 << 16
_IN_64, _MANY = 0xFFFFFFFF, 0xFFFF  # for a number that stands in a field of ZIP64


class ArchiveWriter:
    """Writes an archive from its first byte to its last.

    Parameters
    ----------
    file
        An empty file, open for writing.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._digest = file, xxh3_128()
        self._directory, self._n_entries, self._at = bytearray(), 0, 0

    def add(self, key: str, size: int, crc: int, pieces: Iterable[bytes | memoryview]) -> None:
        """Write an object, whose size and CRC-32 are known before."""
        name = key.encode()
        flags = 0 if key.isascii() else _IS_UTF8
        shared = (_VERSION, flags, 0, 0, _DAY, crc, _IN_64, _IN_64, len(name))
        self._directory += _CENTRAL.pack(
            b"PK\1\2", _UNIX | _VERSION, *shared, _CENTRAL_MORE.size, 0, 0, 0, _FILE_MODE, _IN_64
        )
        self._directory += name + _CENTRAL_MORE.pack(1, 24, size, size, self._at)
        self._n_entries += 1
        header = _LOCAL.pack(b"PK\3\4", *shared, 20, 1, 16, size, size)
        # The name stands between the two, which one call packs.
        self._write(header[:30] + name + header[30:])
        for piece in pieces:
            self._write(piece)

    def finish(self, said: Mapping[str, Any]) -> str:
        """Write the directory, and a comment that ends with the seal; return the digest in it.

        Parameters
        ----------
        said
            What the comment says beside the digest.
        """
        start, size = self._at, len(self._directory)
        self._write(self._directory)
        comment = json.dumps({**said, SEAL_KEY: "0" * 32}).encode()
        n_entries = self._n_entries
        counts = (n_entries, n_entries, size, start)
        self._write(
            _END_64.pack(
                *(b"PK\6\6", 44, _UNIX | _VERSION, _VERSION, 0, 0, *counts),
                *(b"PK\6\7", 0, start + size, 1),
                *(b"PK\5\6", 0, 0, *(min(n_entries, _MANY),) * 2),
                *(min(size, _IN_64), min(start, _IN_64), len(comment)),
            )
        )
        self._write(comment[:-SEAL_SIZE])
        digest = self._digest.hexdigest()
        self._write(seal(digest))
        return digest

    def _write(self, data: bytes | bytearray | memoryview) -> None:
        self._digest.update(data)
        self._file.write(data)
        self._at += len(data)


def seal(digest: str) -> bytes:
    """Return the last bytes of a sealed archive."""
    return f'{digest}"}}'.encode()
