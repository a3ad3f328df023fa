"""A chunk's bytes to voxels and back, exactly as zarr-python does it.

Where one codec or one option is unknown here, the array's chunks go through zarr-python.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np
from numcodecs.checksum32 import CRC32C

from zarrpyramid.errors import StoreError

from .compressors import DAMAGE, Compressor, codec_settings, compressor_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zarrpyramid.geometry import Shape
    from zarrpyramid.metadata import ArrayMetadata

    Voxels = NDArray[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class ChunkCodec:
    """Codec of whole chunks of one shape and native data type; any number of threads share it."""

    shape: Shape
    dtype: np.dtype[Any]
    _order: tuple[int, ...] | None
    _swapped: bool
    _compressor: Compressor | None
    _checksum: bool

    def view(self, data: bytes | memoryview) -> Voxels | None:
        """Return stored bytes themselves as a chunk, or None where they have to be decoded.

        StoreError says that they are not as many as a chunk has.
        """
        if self._compressor or self._order or self._swapped or self._checksum:
            return None
        flat = np.frombuffer(data, np.uint8)
        _check_raw(flat.size, math.prod(self.shape) * self.dtype.itemsize)
        return flat.view(self.dtype).reshape(self.shape)

    def decode(self, data: bytes | memoryview, out: Voxels) -> None:
        """Fill `out`, a C-contiguous array of `shape` and `dtype`, with the voxels of one chunk.

        After an error the voxels in `out` are undefined.

        Raises
        ------
        StoreError
            If `data` is truncated or too long, fails its checksum, or is not of this codec and of a
            chunk's size. No more than a chunk is decoded to see it. The message names no key.
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
            except DAMAGE as error:
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
        """Encode one chunk, a C-contiguous array of `shape` and `dtype`.

        The bytes are those of zarr-python with the same numcodecs, except gzip's time stamp: it is
        0 here, so that equal voxels give equal bytes.
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
    """Return the codec of an array's (inner) chunks, or None where a codec or option is unknown.

    Known are, for v3: an optional transpose, bytes, at most one of zstd, blosc and gzip, and an
    optional crc32c, in that order (zarr v3 core, "Codecs"); for v2: both orders, no filter, and at
    most one of zstd, blosc, gzip, zlib and lz4.
    """
    axes, codecs = list(range(len(metadata.chunks))), metadata.codecs
    transpose = codec_settings(codecs[:1], "transpose", order=axes)
    codecs = codecs[1:] if transpose else codecs
    settings = codec_settings(codecs[:1], "bytes", endian="")
    if settings is None:
        return None
    endian, order = settings["endian"], transpose["order"] if transpose else axes
    # v2 has no codec of this name and these bytes.
    checksum = metadata.zarr_format == 3 and codec_settings(codecs[-1:], "crc32c") is not None
    codecs = codecs[1 : len(codecs) - checksum]
    if len(codecs) > 1 or tuple(order) not in permutations(axes):
        return None
    # A v3 document may leave out the byte order of single bytes.
    if metadata.item_size > 1 and endian not in ("little", "big"):
        return None
    compressor = compressor_of(codecs, metadata) if codecs else None
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


def crc32c(data: bytes | memoryview) -> bytes:
    """Return the four bytes that zarr's crc32c codec appends."""
    # google_crc32c takes bytes and arrays, but no memoryview.
    checksum: int = CRC32C.checksum(np.frombuffer(data, np.uint8))
    return checksum.to_bytes(4, "little")


def checked(data: memoryview, what: str) -> memoryview:
    """Return `data` without the crc32c at its end; StoreError if that is wrong."""
    if data[-4:] != crc32c(data[:-4]):
        raise StoreError(f"the {what} fails its crc32c checksum: it is damaged")
    return data[:-4]
