"""The bytes of one stored object to voxels and back, exactly as zarr-python does it.

Keeps out zarr, files and keys: whatever is not known here to the letter gives None, and its caller
goes through zarr-python instead.
"""

from __future__ import annotations

import gzip
import io
import math
import struct
import sys
import zlib
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numcodecs import blosc, lz4, zstd
from numcodecs.checksum32 import CRC32C

from zarrpyramid.errors import StoreError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zarrpyramid.geometry import Shape
    from zarrpyramid.metadata import ArrayMetadata, Document

    Bytes = NDArray[np.uint8]
    Voxels = NDArray[Any]

# As zarr-python sets it: threads inside blosc lay its blocks down in the order they finish, so that
# equal voxels give other bytes, and they compete with the threads of whoever calls.
blosc.use_threads = False

# zlib's window bits: of each format, the largest.
_GZIP, _ZLIB = 31, 15
_DAMAGE = (ValueError, RuntimeError, EOFError, zlib.error, gzip.BadGzipFile)
_SHUFFLES = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}


class _Compressor(Protocol):
    def decode(self, data: memoryview, out: Bytes) -> None:
        """Fill all of `out`, or raise one of `_DAMAGE`; decode no more than it holds."""

    def encode(self, voxels: memoryview) -> bytes: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ChunkCodec:
    """Codec of one chunk; from `chunk_codec`. Any number of threads may share one.

    Attributes
    ----------
    shape
        Extents of a chunk, never clipped at the array's edge.
    dtype
        Data type of a voxel in memory, in native byte order.
    """

    shape: Shape
    dtype: np.dtype[Any]
    _order: tuple[int, ...] | None
    _swapped: bool
    _compressor: _Compressor | None
    _checksum: bool

    def view(self, data: bytes | memoryview) -> Voxels | None:
        """Return stored bytes as the chunk that they are, or None where they have to be decoded.

        Raises
        ------
        StoreError
            If they are not as many as a chunk has.
        """
        if self._compressor or self._order or self._swapped or self._checksum:
            return None
        flat = np.frombuffer(data, np.uint8)
        _check_raw(flat.size, math.prod(self.shape) * self.dtype.itemsize)
        return flat.view(self.dtype).reshape(self.shape)

    def decode(self, data: bytes | memoryview, out: Voxels) -> None:
        """Fill `out` with the voxels that `data` encodes.

        Parameters
        ----------
        data
            One encoded chunk, and nothing before or after it.
        out
            C-contiguous array of `shape` and `dtype`. Every voxel is written; after an error they
            are unknown.

        Raises
        ------
        StoreError
            If `data` is truncated or longer than it says, fails its checksum, is not of this codec,
            or decodes to any other size than a chunk's, of which no more is ever decoded. Its
            message names no key.
        """
        if out.shape != self.shape or out.dtype != self.dtype or not out.flags.c_contiguous:
            raise ValueError(f"a C-contiguous {self.dtype} array of shape {self.shape} is needed")
        if self._order is None:
            stored = out
        else:
            stored = np.empty([self.shape[axis] for axis in self._order], self.dtype)
        payload = memoryview(data)
        if self._checksum:
            payload = checked(payload, "chunk")
        flat = stored.reshape(-1).view(np.uint8)
        if self._compressor is not None:
            try:
                self._compressor.decode(payload, flat)
            except _DAMAGE as error:
                msg = f"its {len(payload)} bytes are no chunk of {flat.size} bytes: {error}"
                raise StoreError(msg) from error
        else:
            _check_raw(len(payload), flat.size)
            flat[:] = np.frombuffer(payload, np.uint8)
        if self._swapped:
            stored.byteswap(inplace=True)
        if self._order is not None:
            out[...] = stored.transpose(np.argsort(self._order))

    def encode(self, chunk: Voxels) -> bytes:
        """Encode one whole chunk.

        Parameters
        ----------
        chunk
            C-contiguous array of `shape` and `dtype`; beyond the array's edge zarr-python puts the
            fill value.

        Returns
        -------
        bytes
            What zarr-python stores for it with the same numcodecs, but for gzip's time stamp: 0
            here, so that equal voxels give equal bytes.
        """
        stored = chunk if self._order is None else chunk.transpose(self._order)
        stored = stored.byteswap() if self._swapped else stored
        if self._compressor is None:
            data = stored.tobytes()
        else:
            flat = np.ascontiguousarray(stored).reshape(-1).view(np.uint8)
            data = self._compressor.encode(flat.data)
        return data + crc32c(data) if self._checksum else data


def _check_raw(found: int, expected: int) -> None:
    if found != expected:
        raise StoreError(f"an uncompressed chunk has {expected} bytes, found {found}")


def chunk_codec(metadata: ArrayMetadata) -> ChunkCodec | None:
    """Codec of an array's chunks, of the inner ones where there are shards.

    Returns
    -------
    ChunkCodec or None
        For v3: an optional transpose, bytes, at most one of zstd, blosc and gzip, and an optional
        crc32c, in that order (zarr v3 core, "Codecs"). For v2: either order, no filter, and at most
        one of zstd, blosc, gzip, zlib and lz4. None for all else, also for an option or a value
        that is not known here.
    """
    axes, checksum = list(range(len(metadata.chunks))), False
    if metadata.zarr_format == 2:
        document = metadata.document
        if document.get("filters") or document.get("order") not in ("C", "F"):
            return None
        order, endian = axes if document["order"] == "C" else axes[::-1], metadata.byte_order
        match document.get("compressor"):
            case None:
                codecs = []
            case {"id": name, **options}:
                codecs = [{"name": name, "configuration": options}]
            case _:
                return None
    else:
        codecs = metadata.codecs
        transpose = codec_settings(codecs[:1], "transpose", order=axes)
        codecs = codecs[1:] if transpose else codecs
        settings = codec_settings(codecs[:1], "bytes", endian="")
        if settings is None:
            return None
        endian, order = settings["endian"], transpose["order"] if transpose else axes
        checksum = codec_settings(codecs[-1:], "crc32c") is not None
        codecs = codecs[1 : len(codecs) - checksum]
    if len(codecs) > 1 or tuple(order) not in permutations(axes):
        return None
    # A v3 document may leave the byte order out where it means nothing.
    if metadata.item_size > 1 and endian not in ("little", "big"):
        return None
    compressor = _compressor(codecs, metadata) if codecs else None
    if codecs and compressor is None:
        return None
    return ChunkCodec(
        shape=metadata.chunks,
        dtype=np.dtype(metadata.dtype),
        _order=None if order == axes else tuple(map(int, order)),
        _swapped=metadata.item_size > 1 and endian != sys.byteorder,
        _compressor=compressor,
        _checksum=checksum,
    )


def codec_settings(codecs: list[Document], name: str, **defaults: Any) -> Document | None:
    """Return the configuration of the one codec in `codecs` over `defaults`.

    None where there is none or it has another name, an option that is not among the defaults, or a
    value of another type than the default's.
    """
    match codecs:
        case [{"name": found, **rest}] if found == name and rest.keys() <= {"configuration"}:
            given = rest.get("configuration", {})
            if isinstance(given, dict) and given.keys() <= defaults.keys():
                settings = {**defaults, **given}
                if all(type(settings[key]) is type(defaults[key]) for key in defaults):
                    return settings
    return None


def _compressor(codecs: list[Document], metadata: ArrayMetadata) -> _Compressor | None:
    """Return what a codec says, with the defaults that zarr-python has for the array's format."""
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
    # 64^3 uint16 of 1.98x: decoded in 475 us; zstandard 0.25 takes 466 (readinto) and imagecodecs
    # 2026.3 471, which is no gain. At level 3 they encode in 2.7 and 2.6 ms against 3.0, by keeping
    # a context: 3 % of a level, and bytes that zarr-python would not write.
    level: int
    checksum: bool

    def decode(self, data: memoryview, out: Bytes) -> None:
        declared = _zstd_size(data)
        if declared is not None and declared < out.size:
            # numcodecs would fill the beginning of `out` and not say so. The size may yet be that
            # of several frames: with one byte less of room it refuses, before it decodes, those
            # that add up to all of `out`, and may decode those that are to be refused.
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
    """Tell whether zstd's frames decode to at most `limit` bytes, of which no more is decoded."""
    try:
        if (_zstd_size(memoryview(data)) or 0) <= limit:
            zstd.decompress(data, np.empty(limit, np.uint8))
            return True
    except (ValueError, RuntimeError):
        pass
    return False


def _zstd_size(data: memoryview) -> int | None:
    """Return the size that the first frame declares, or None if it declares none (RFC 8878, 3.1.1).

    0 for what is no such frame.
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
        # Neither numcodecs nor c-blosc compares the sizes in the header with the buffers: a
        # truncated chunk is read past its end, a short one leaves the rest of `out` as it was.
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
            # Members one after another, or padding: standard, but no writer's habit.
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


def crc32c(data: bytes | memoryview) -> bytes:
    """Return the four bytes that zarr's crc32c codec appends."""
    # google_crc32c takes bytes and arrays, but no memoryview.
    checksum: int = CRC32C.checksum(np.frombuffer(data, np.uint8))
    return checksum.to_bytes(4, "little")


def checked(data: memoryview, what: str) -> memoryview:
    """Return `data` without the crc32c at its end, which holds."""
    if data[-4:] != crc32c(data[:-4]):
        raise StoreError(f"the {what} fails its crc32c checksum: it is damaged")
    return data[:-4]
