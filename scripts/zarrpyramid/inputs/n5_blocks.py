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
    from zarrpyramid.geometry import Shape

    from .image_input import Block

_DEFAULT, _VARYING = 0, 1
_BLOSC_HEADER = 16
_LZ4_MARK, _LZ4_HEADER, _LZ4_RAW = b"LZ4Block", struct.Struct("<8sBiiI"), 0x10


def decode_block(name: str, data: bytes, dtype: str, compression: str) -> Block:
    """Return the voxels of a block in C order, in the byte order of this machine.

    Raises
    ------
    StoreError
        If it is truncated or damaged.
    """
    try:
        shape, start = _header(data)
        body = memoryview(data)[start:]
        if compression == "lz4" and body[: len(_LZ4_MARK)] != _LZ4_MARK:
            # z5 writes one block without the frame of lz4-java, which N5's own library writes.
            n_bytes = np.dtype(dtype).itemsize * math.prod(shape)
            raw = _unpack_lz4_block(body, n_bytes)
        else:
            raw = _DECODERS[compression](body)
        voxels = np.frombuffer(raw, np.dtype(dtype).newbyteorder(">"))
        return voxels.reshape(shape).astype(dtype)
    except (ValueError, RuntimeError, EOFError, OSError, *_ERRORS) as error:
        why = str(error) or type(error).__name__
        raise StoreError(
            f"{name} cannot be read ({why}); it is truncated or damaged: copy it again"
        ) from None


def _header(data: bytes) -> tuple[Shape, int]:
    """Return a block's shape and where its voxels begin."""
    mode, n_axes = struct.unpack_from(">HH", data)
    if mode not in (_DEFAULT, _VARYING):
        raise ValueError(f"its mode is {mode}, expected 0 or 1")
    shape = struct.unpack_from(f">{n_axes}I", data, 4)
    end = 4 + 4 * n_axes
    return shape[::-1], end if mode == _DEFAULT else end + 4


def _inflate(data: memoryview) -> bytes:
    """Return what gzip or zlib holds; N5 calls both gzip."""
    return zlib.decompress(data, zlib.MAX_WBITS + 32)


def _unpack_blosc(data: memoryview) -> bytes:
    # numcodecs believes a header that says more than there is.
    if len(data) < _BLOSC_HEADER or int.from_bytes(data[12:16], "little") != len(data):
        raise ValueError(f"{len(data)} bytes, its header says otherwise")
    unpacked: bytes = blosc.decompress(bytes(data))
    return unpacked


def _unpack_lz4(data: memoryview) -> bytes:
    """Return what a stream of lz4-java holds, which is what N5 calls lz4."""
    found, place = [], 0
    while place < len(data):
        mark, token, stored, size, _ = _LZ4_HEADER.unpack_from(data, place)
        if mark != _LZ4_MARK:
            raise ValueError("no LZ4Block")
        place += _LZ4_HEADER.size
        piece = data[place : place + stored]
        if token & 0xF0 != _LZ4_RAW and size:
            piece = memoryview(_unpack_lz4_block(piece, size))
        if len(piece) != size:
            raise ValueError(f"{len(piece)} bytes, expected {size}")
        found.append(piece)
        place += stored
    return b"".join(found)


def _unpack_lz4_block(data: memoryview, size: int) -> bytes:
    # numcodecs writes the size before a block.
    unpacked: bytes = lz4.decompress(struct.pack("<i", size) + bytes(data))
    return unpacked


_ERRORS = (struct.error, zlib.error, lzma.LZMAError)
_DECODERS: dict[str, Any] = {
    "raw": bytes,
    "gzip": _inflate,
    "bzip2": lambda data: bz2.decompress(data),
    "xz": lambda data: lzma.decompress(data),
    "lz4": _unpack_lz4,
    "blosc": _unpack_blosc,
    "zstd": lambda data: zstd.decompress(bytes(data)),
}

COMPRESSIONS = tuple(_DECODERS)
"""What N5's own library and its additions write."""
