"""The digest of a chunk's voxels."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
from xxhash import xxh3_128_digest

if TYPE_CHECKING:
    from .pieces import Block


def chunk_digest(voxels: Block, *, has_nan: bool = False) -> bytes:
    """Return xxh3-128 of a chunk's voxels, in 16 bytes.

    Of the voxels inside the array, little-endian, in C order, with one NaN: equal for any stride,
    byte order and payload of NaN. Without `has_nan` none is looked for.
    """
    block = with_one_nan(voxels) if has_nan else np.ascontiguousarray(voxels)
    if block.dtype.kind == "c":
        block = block.reshape(-1).view(f"f{block.itemsize // 2}")
    if sys.byteorder == "big":
        block = block.byteswap()
    # xxhash wants plain bytes; the view costs nothing.
    return bytes(xxh3_128_digest(block.reshape(-1).view(np.uint8).data))


def with_one_nan(voxels: Block) -> Block:
    """Return voxels in C order with every NaN the same, in each part of complex ones."""
    block = np.ascontiguousarray(voxels)
    if block.dtype.kind not in "fc":
        return block
    if block.dtype.kind == "c":  # each part is a float, and may be NaN on its own
        parts = with_one_nan(block.reshape(-1).view(f"f{block.itemsize // 2}"))
        return parts.view(block.dtype).reshape(block.shape)
    return np.where(np.isnan(block), np.array(np.nan, block.dtype), block)
