"""Small integers, two in a byte: remainders of level 1 lie between -4 and 4.

A compressor makes as much of them, as the upper half of each byte is noise of a sign, and takes
four times as long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    Block = np.ndarray[Any, np.dtype[Any]]


def pack(block: Block, *, compiled: bool = False) -> Block:
    """Return pairs along the last axis as one byte, the first one lower; none above `MOST_PACKED`.

    >>> pack(np.array([[1, -1, 7]], np.int8)).tolist()
    [[241, 7]]
    """
    extent = block.shape[-1]
    if extent % 2:
        block = np.concatenate([block, np.zeros((*block.shape[:-1], 1), np.int8)], axis=-1)
    flat = np.ascontiguousarray(block).reshape(-1)
    if compiled:
        from .numba_once import pack_pairs

        packed = np.empty(flat.size // 2, np.uint8)
        pack_pairs(flat, packed)
    else:
        pairs = flat.view("<u2") & 0x0F0F
        pairs |= pairs >> 4
        packed = pairs.astype(np.uint8)
    return packed.reshape(*block.shape[:-1], -1)


def unpack(packed: Block, extent: int, *, compiled: bool = False) -> Block:
    """Return the int8 that `pack` made a byte of; `extent` is that of their last axis.

    >>> unpack(np.array([[241, 7]], np.uint8), 3).tolist()
    [[1, -1, 7]]
    """
    if compiled:
        from .numba_once import unpack_pairs

        flat = np.empty(2 * packed.size, np.int8)
        unpack_pairs(np.ascontiguousarray(packed).reshape(-1), flat)
    else:
        pairs = packed.astype("<u2")
        pairs |= pairs << 4
        pairs &= 0x0F0F
        flat = pairs.reshape(-1).view(np.int8)
        flat ^= 8
        flat -= 8
    return flat.reshape(*packed.shape[:-1], -1)[..., :extent]
