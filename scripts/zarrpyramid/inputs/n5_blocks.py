"""One block of an N5 dataset: a header in the order of bytes that networks use, then its voxels.

As in the N5 specification, whose dimensions are those of this package in reverse.
"""

from __future__ import annotations

import bz2
import lzma
import math
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numcodecs import blosc, lz4, zstd

from zarrpyramid.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from zarrpyramid.geometry import Shape

    from .image_input import Block

_DEFAULT, _VARYING = 0, 1
_BLOSC_HEADER = 16
_LZ4_MARK, _LZ4_HEADER, _LZ4_RAW = b"LZ4Block", struct.Struct("<8sBiiI"), 0x10


def decode_block(name: str, data: bytes, dtype: str, compression: str, most: Shape) -> Block:
    """Return the voxels of a block in C order, in the byte order of this machine.

    Parameters
    ----------
    most
        Extents that no block exceeds.

    Raises
    ------
    StoreError
        If it is truncated or damaged.
    """
    try:
        shape, start = _header(data, most)
        n_bytes = np.dtype(dtype).itemsize * math.prod(shape)
        raw = _DECODERS[compression](memoryview(data)[start:], n_bytes)
        voxels = np.frombuffer(raw, np.dtype(dtype).newbyteorder(">"))
        return voxels.reshape(shape).astype(dtype)
    except (ValueError, RuntimeError, EOFError, OSError, *_ERRORS) as error:
        why = str(error) or type(error).__name__
        raise StoreError(
            f"{name} cannot be read ({why}); it is truncated or damaged: copy it again"
        ) from None


def _header(data: bytes, most: Shape) -> tuple[Shape, int]:
    """Return a block's shape and where its voxels begin."""
    mode, n_axes = struct.unpack_from(">HH", data)
    if mode not in (_DEFAULT, _VARYING):
        raise ValueError(f"its mode is {mode}, expected 0 or 1")
    shape = struct.unpack_from(f">{n_axes}I", data, 4)[::-1]
    if len(shape) != len(most) or any(n > m for n, m in zip(shape, most, strict=True)):
        raise ValueError(f"its shape is {list(shape)}, expected at most {list(most)}")
    end = 4 + 4 * n_axes
    return shape, end if mode == _DEFAULT else end + 4


def _stored(data: memoryview, n_bytes: int) -> memoryview:
    return data[:n_bytes]


def _inflate(data: memoryview, n_bytes: int) -> bytes:
    """Return what gzip or zlib holds; N5 calls both gzip."""
    return _whole(zlib.decompressobj(zlib.MAX_WBITS + 32), data, n_bytes)


def _whole(decoder: Any, data: memoryview, n_bytes: int) -> bytes:
    """Return the bytes that a stream holds, which are so many, with its checksum compared."""
    found: bytes = decoder.decompress(data, n_bytes + 1)
    if not decoder.eof and len(found) == n_bytes:
        found += decoder.decompress(getattr(decoder, "unconsumed_tail", b""), 1)
    if not decoder.eof:
        raise ValueError(f"no end after {len(found)} bytes, expected {n_bytes}")
    return found


def _unpack_blosc(data: memoryview, n_bytes: int) -> bytes:
    # numcodecs believes a header that says more than there is.
    if len(data) < _BLOSC_HEADER or int.from_bytes(data[12:16], "little") != len(data):
        raise ValueError(f"{len(data)} bytes, its header says otherwise")
    if int.from_bytes(data[4:8], "little") != n_bytes:
        raise ValueError(f"its header says that it does not hold {n_bytes} bytes")
    unpacked: bytes = blosc.decompress(bytes(data))
    return unpacked


def _unpack_lz4(data: memoryview, n_bytes: int) -> bytes:
    """Return what a stream of lz4-java holds, which is what N5 calls lz4."""
    if data[: len(_LZ4_MARK)] != _LZ4_MARK:  # z5 writes one block without the stream's frame
        return _unpack_lz4_block(data, n_bytes)
    found, place, left = [], 0, n_bytes
    while place < len(data):
        mark, token, stored, size, _ = _LZ4_HEADER.unpack_from(data, place)
        if mark != _LZ4_MARK or not 0 <= size <= left or stored < 0:
            raise ValueError("no LZ4Block of such a size")
        left -= size
        place += _LZ4_HEADER.size
        piece = data[place : place + stored]
        if token & 0xF0 != _LZ4_RAW and size:
            piece = memoryview(_unpack_lz4_block(piece, size))
        if len(piece) != size:
            raise ValueError(f"{len(piece)} bytes, expected {size}")
        found.append(piece)
        place += stored
    return b"".join(found)


def _unpack_zstd(data: memoryview, n_bytes: int) -> bytes:
    # numcodecs takes as much memory as a frame says that it needs.
    unpacked = np.empty(n_bytes, np.uint8)
    zstd.decompress(bytes(data), unpacked)
    return unpacked.tobytes()


def _unpack_lz4_block(data: memoryview, size: int) -> bytes:
    # numcodecs writes the size before a block.
    unpacked: bytes = lz4.decompress(struct.pack("<i", size) + bytes(data))
    return unpacked


_ERRORS = (struct.error, zlib.error, lzma.LZMAError)
_DECODERS: dict[str, Callable[[memoryview, int], bytes | memoryview]] = {
    "raw": _stored,
    "gzip": _inflate,
    "bzip2": lambda data, n_bytes: _whole(bz2.BZ2Decompressor(), data, n_bytes),
    "xz": lambda data, n_bytes: _whole(lzma.LZMADecompressor(), data, n_bytes),
    "lz4": _unpack_lz4,
    "blosc": _unpack_blosc,
    "zstd": _unpack_zstd,
}

COMPRESSIONS = tuple(_DECODERS)
"""What N5's own library and its additions write."""
