"""The mean over windows of 2x2x2 voxels that is rounded once, compiled by numba; see `exact_mean`.

As in `numba_mean`, all other windows are left to numpy.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .numba_mean import as_part, compile_kernel, find_extremes, in_c_order

if TYPE_CHECKING:
    from collections.abc import Callable

    Block = np.ndarray[Any, np.dtype[Any]]


# As int32: with Python's numbers numba goes on in 64 bits.
_ONE, _THREE = np.int32(1), np.int32(3)


def halve_once(
    source: Block, carried: Block | None, count: int, window: tuple[int, ...], out: Block,
    left: Block,
) -> tuple[int, int] | None:  # fmt: skip
    """Fill `out` with means and `left` with what rounding left; return the sums of `reduce_once`.

    None, and nothing filled, for all but contiguous integers of 8 to 32 bits in whole windows of
    2x2x2, remainders of at most 16 bits, and counts that are powers of two.

    Parameters
    ----------
    carried
        Remainders of `source`; None where there are none.
    count
        How many voxels of level 0 each of `source` stands for.
    """
    is_served = window[-3:] == (2, 2, 2) and set(window[:-3]) <= {1}
    is_whole = all(
        extent % factor == 0 for extent, factor in zip(source.shape, window, strict=True)
    )
    is_narrow = source.dtype.kind in "iu" and source.dtype.itemsize <= 4
    in_order = source.flags.c_contiguous and (carried is None or carried.flags.c_contiguous)
    widest = max(left.dtype.itemsize, 0 if carried is None else carried.dtype.itemsize)
    # As sums of 64 bits hold them.
    has_room = math.log2(source.size * count) + 8 * source.dtype.itemsize < 63
    if not (is_served and is_whole and is_narrow and in_order and has_room):
        return None
    if count & (count - 1) or widest > (1 if carried is None else 2):
        return None
    # One form for all remainders of levels: these are few against those of level 1.
    means = as_part(out, out.dtype)
    rests = as_part(left, np.dtype(np.int8 if carried is None else np.int16))
    planes, made = (-1, *source.shape[-2:]), (-1, *out.shape[-2:])
    rows = np.empty((2, source.shape[-1]), np.int32 if source.dtype.itemsize <= 2 else np.int64)
    voxels = in_c_order(source).reshape(planes)
    rest = voxels if carried is None else in_c_order(carried.astype(np.int16, copy=False))
    kernel = _KERNELS[carried is not None]
    own, total = kernel(
        voxels, rest.reshape(planes), count, rows, means.reshape(made), rests.reshape(made)
    )
    for block, filled in ((out, means), (left, rests)):
        if filled is not block:
            block[...] = filled
    return int(own if carried is None else total), int(own)


def pack_pairs(flat: Block, packed: Block) -> None:
    """Fill `packed` with what `nibbles.pack` makes of a row of int8, two of them a byte."""
    _pack(in_c_order(flat), packed)


def unpack_pairs(packed: Block, flat: Block) -> None:
    """Fill a row of int8 with what `pack_pairs` packed."""
    _unpack(in_c_order(packed), flat)


def load(dtype: np.dtype[Any]) -> None:
    """Call each form once for voxels of a data type, which loads or compiles it."""
    part = (slice(0, 2),) * 3  # of a block, as a chunk goes into it: numba compiles it for that
    source, out = np.zeros((4, 4, 4), dtype), np.zeros((3, 3, 3), dtype)[part]
    for rest in (None, np.zeros(source.shape, np.int16)):
        halve_once(source, rest, 1, (2, 2, 2), out, np.zeros((3, 3, 3), np.int8)[part])
    find_extremes(source)
    pack_pairs(np.zeros(2, np.int8), np.zeros(1, np.uint8))
    unpack_pairs(np.zeros(1, np.uint8), np.zeros(2, np.int8))


def _kernel(*, carries: bool) -> Callable[..., Any]:
    # numba takes what the kernel finds around it as constants, and drops the branches not taken.
    def once(source, carried, count, rows, out, left):  # type: ignore[no-untyped-def]
        shift = np.int64(3)
        while count >> (shift - 3) > 1:
            shift += 1
        half = (np.int64(1) << (shift - 1)) - 1
        own = total = np.int64(0)
        row, rest = rows[0], rows[1]
        for z in range(out.shape[0]):
            for y in range(out.shape[1]):
                a, b = source[2 * z, 2 * y], source[2 * z, 2 * y + 1]
                c, d = source[2 * z + 1, 2 * y], source[2 * z + 1, 2 * y + 1]
                means, over = out[z, y], left[z, y]
                for x in range(row.size):
                    row[x] = np.int64(a[x]) + np.int64(b[x]) + np.int64(c[x]) + np.int64(d[x])
                if carries:
                    a, b = carried[2 * z, 2 * y], carried[2 * z, 2 * y + 1]
                    c, d = carried[2 * z + 1, 2 * y], carried[2 * z + 1, 2 * y + 1]
                    for x in range(row.size):
                        rest[x] = np.int64(a[x]) + np.int64(b[x]) + np.int64(c[x]) + np.int64(d[x])
                for x in range(means.size):
                    window = row[2 * x] + row[2 * x + 1]
                    own += window
                    if carries:
                        sums = np.int64(window) * count + rest[2 * x] + rest[2 * x + 1]
                        total += sums
                        mean = (sums + half + ((sums >> shift) & 1)) >> shift
                        over[x] = sums - (mean << shift)
                        means[x] = mean
                    else:
                        mean = (window + _THREE + ((window >> _THREE) & _ONE)) >> _THREE
                        over[x] = window - (mean << _THREE)
                        means[x] = mean
        return own, total

    return compile_kernel(once)


@compile_kernel
def _pack(flat, packed):  # type: ignore[no-untyped-def]
    for x in range(packed.size):
        packed[x] = (flat[2 * x] & 15) | ((flat[2 * x + 1] & 15) << 4)


@compile_kernel
def _unpack(packed, flat):  # type: ignore[no-untyped-def]
    for x in range(packed.size):
        flat[2 * x] = np.int8(((packed[x] & 15) ^ 8) - 8)
        flat[2 * x + 1] = np.int8(((packed[x] >> 4) ^ 8) - 8)


_KERNELS = {carries: _kernel(carries=carries) for carries in (False, True)}
"""By whether there are remainders."""
