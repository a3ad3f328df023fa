"""The compressors that `codecs` knows: each fills a buffer and decodes no more than it holds.

They write the bytes that zarr-python writes with the same numcodecs.
"""

from __future__ import annotations

import gzip
import io
import math
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numcodecs import blosc, lz4, zstd

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zarrpyramid.metadata import ArrayMetadata, Document

    Bytes = NDArray[np.uint8]

# As in zarr-python. Threads inside blosc compete with the caller's, and write blocks in the order
# in which they end: equal voxels would give different bytes.
blosc.use_threads = False

# zlib's window bits, the largest of each format.
_GZIP, _ZLIB = 31, 15
DAMAGE = (ValueError, RuntimeError, EOFError, zlib.error, gzip.BadGzipFile)
_SHUFFLES = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}


class Compressor(Protocol):
    """One compressor with its options. Any number of threads may share it."""

    def decode(self, data: memoryview, out: Bytes) -> None:
        """Fill all of `out`, or raise one of `DAMAGE`; decode no more than it holds."""

    def encode(self, voxels: memoryview) -> bytes:
        """Return the compressed bytes."""


def codec_settings(codecs: list[Document], name: str, **defaults: Any) -> Document | None:
    """Return `defaults` updated with the configuration of the one codec in `codecs`.

    None says that there is no codec, or that it has another name, an option without a default, or a
    value of another type than the default.
    """
    match codecs:
        case [{"name": found, **rest}] if found == name and rest.keys() <= {"configuration"}:
            given = rest.get("configuration", {})
            if isinstance(given, dict) and given.keys() <= defaults.keys():
                settings = {**defaults, **given}
                if all(type(settings[key]) is type(defaults[key]) for key in defaults):
                    return settings
    return None


def compressor_of(codecs: list[Document], metadata: ArrayMetadata) -> Compressor | None:
    """Return the compressor of a codec, with zarr-python's defaults for the array's format."""
    v2, item_size = metadata.zarr_format == 2, metadata.item_size
    n_bytes = math.prod(metadata.chunks) * item_size
    if options := codec_settings(codecs, "zstd", level=0, checksum=False):
        return _Zstd(**options) if options["level"] in range(-131072, 23) else None
    if options := codec_settings(codecs, "gzip", level=1 if v2 else 5):
        return _Deflate(**options, window=_GZIP) if options["level"] in range(10) else None
    if v2 and (options := codec_settings(codecs, "zlib", level=1)):
        return _Deflate(**options, window=_ZLIB) if options["level"] in range(10) else None
    if v2 and (options := codec_settings(codecs, "lz4", acceleration=1)):
        known = options["acceleration"] in range(2**31) and n_bytes <= lz4.LZ4.max_buffer_size
        return _LZ4(**options) if known else None
    defaults = {
        "cname": "lz4" if v2 else "zstd",
        "clevel": 5,
        "shuffle": 1 if v2 else "shuffle" if item_size > 1 else "bitshuffle",
        "blocksize": 0,
        "typesize": item_size,
    }
    options = codec_settings(codecs, "blosc", **defaults)
    if options is None or n_bytes > blosc.MAX_BUFFERSIZE:
        return None
    if not v2:
        options["shuffle"] = _SHUFFLES.get(options["shuffle"])
    limits = {"clevel": 10, "blocksize": 2**31, "typesize": blosc.MAX_TYPESIZE + 1}
    if options["cname"] not in blosc.list_compressors() or options["shuffle"] not in (-1, 0, 1, 2):
        return None
    known = all(options[key] in range(limit) for key, limit in limits.items())
    return _Blosc(**options) if known and options["typesize"] else None


@dataclass(frozen=True, slots=True)
class _Zstd:
    # A chunk of 64^3 uint16 that compresses 1.98 times decodes in 475 us (zstandard 0.25: 466,
    # imagecodecs 2026.3: 471) and encodes at level 3 in 3.0 ms (2.7 and 2.6, as they keep a
    # context). That is 3 % of a level, for bytes that zarr-python would not write.
    level: int
    checksum: bool

    def decode(self, data: memoryview, out: Bytes) -> None:
        declared = _zstd_size(data)
        if declared is not None and declared < out.size:
            # numcodecs would fill the beginning of `out` without an error. Several frames may still
            # fill all of it: then numcodecs refuses a buffer that is one byte shorter, before it
            # decodes. What fits into that buffer is too small for a chunk.
            try:
                zstd.decompress(data, out[:-1])
            except ValueError:
                pass
            else:
                raise ValueError(f"its first frame declares {declared}")
        zstd.decompress(data, out)

    def encode(self, voxels: memoryview) -> bytes:
        encoded: bytes = zstd.compress(voxels, self.level, self.checksum)
        return encoded


def fits_zstd(data: bytes, limit: int) -> bool:
    """Tell whether all zstd frames decode to at most `limit` bytes; no more is decoded."""
    try:
        if (_zstd_size(memoryview(data)) or 0) <= limit:
            zstd.decompress(data, np.empty(limit, np.uint8))
            return True
    except (ValueError, RuntimeError):
        pass
    return False


def _zstd_size(data: memoryview) -> int | None:
    """Return the size in the first frame's header (RFC 8878, 3.1.1), None if it has none.

    0 says that the data begin with no frame.
    """
    header = data[:18].tobytes()
    if header[:4] != b"\x28\xb5\x2f\xfd" or len(header) < 6:
        return 0
    descriptor = header[4]
    single = descriptor >> 5 & 1
    start = 6 - single + (0, 1, 2, 4)[descriptor & 3]
    size = (single, 2, 4, 8)[descriptor >> 6]
    declared = int.from_bytes(header[start : start + size], "little")
    return (declared + 256 if size == 2 else declared) if size else None


@dataclass(frozen=True, slots=True)
class _Blosc:
    cname: str
    clevel: int
    shuffle: int
    blocksize: int
    typesize: int

    def decode(self, data: memoryview, out: Bytes) -> None:
        # Neither numcodecs nor c-blosc compares the header's sizes with the buffers: they read
        # past the end of a truncated chunk, and leave the rest of `out` as it was for a short one.
        if len(data) < blosc.MAX_OVERHEAD:
            raise ValueError("a blosc header has 16")
        declared, _, stored = struct.unpack_from("<III", data, 4)
        if (declared, stored) != (out.size, len(data)):
            raise ValueError(f"its header declares {declared} in {stored}")
        blosc.decompress(data, out)

    def encode(self, voxels: memoryview) -> bytes:
        encoded: bytes = blosc.compress(
            voxels, self.cname.encode(), self.clevel, self.shuffle, self.blocksize, self.typesize
        )
        return encoded


@dataclass(frozen=True, slots=True)
class _LZ4:
    acceleration: int

    def decode(self, data: memoryview, out: Bytes) -> None:
        declared = int.from_bytes(data[:4].tobytes(), "little")
        if declared != out.size:
            raise ValueError(f"its header declares {declared}")
        lz4.decompress(data, out)

    def encode(self, voxels: memoryview) -> bytes:
        encoded: bytes = lz4.compress(voxels, self.acceleration)
        return encoded


@dataclass(frozen=True, slots=True)
class _Deflate:
    level: int
    window: int

    def decode(self, data: memoryview, out: Bytes) -> None:
        stream = zlib.decompressobj(self.window)
        decoded = stream.decompress(data, out.size + 1)
        if stream.unused_data and self.window == _GZIP:
            # Several members, or padding: the standard allows it, usual writers do not do it.
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as members:
                decoded = members.read(out.size + 1)
        elif stream.unused_data or not stream.eof:
            raise ValueError("the stream ends before or after them")
        if len(decoded) != out.size:
            raise ValueError(f"they decode to {len(decoded)}")
        out[:] = np.frombuffer(decoded, np.uint8)

    def encode(self, voxels: memoryview) -> bytes:
        if self.window == _ZLIB:
            return zlib.compress(voxels, self.level)
        stored = io.BytesIO()
        with gzip.GzipFile(fileobj=stored, mode="wb", compresslevel=self.level, mtime=0) as member:
            member.write(voxels)
        return stored.getvalue()
