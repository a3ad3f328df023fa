"""The mean over windows of 2x2x2 voxels that is rounded once, compiled by numba; see `exact_mean`.

As in `numba_mean`, all other windows are left to numpy.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .numba_mean import compile_kernel, in_c_order

if TYPE_CHECKING:
    from collections.abc import Callable

    Block = np.ndarray[Any, np.dtype[Any]]


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
    means = np.empty(out.shape, out.dtype)
    rests = np.empty(out.shape, np.int8 if carried is None else np.int16)
    planes, made = (-1, *source.shape[-2:]), (-1, *out.shape[-2:])
    voxels = in_c_order(source).reshape(planes)
    if carried is None:
        own = total = _KERNELS[False](voxels, voxels, 1, means.reshape(made), rests.reshape(made))
    else:
        rest = in_c_order(carried.astype(np.int16, copy=False)).reshape(planes)
        kernel = _KERNELS[True]
        own = kernel(voxels, rest, count, means.reshape(made), rests.reshape(made))
        total = own * count + int(carried.sum(dtype=np.int64))
    out[...], left[...] = means, rests
    return int(total), int(own)


def pack_pairs(flat: Block, packed: Block) -> None:
    """Fill `packed` with what `nibbles.pack` makes of a row of int8, two of them a byte."""
    _pack(in_c_order(flat), packed)


def unpack_pairs(packed: Block, flat: Block) -> None:
    """Fill a row of int8 with what `pack_pairs` packed."""
    _unpack(in_c_order(packed), flat)


def load(dtype: np.dtype[Any]) -> None:
    """Call each form once for voxels of a data type, which loads or compiles it."""
    source, out = np.zeros((2, 2, 2), dtype), np.zeros((1, 1, 1), dtype)
    for rest in (None, np.zeros(source.shape, np.int16)):
        halve_once(source, rest, 1, source.shape, out, np.zeros(out.shape, np.int8))
    pack_pairs(np.zeros(2, np.int8), np.zeros(1, np.uint8))
    unpack_pairs(np.zeros(1, np.uint8), np.zeros(2, np.int8))


def _kernel(*, carries: bool) -> Callable[..., Any]:
    # numba takes what the kernel finds around it as constants, and drops the branches not taken.
    def once(source, carried, count, out, left):  # type: ignore[no-untyped-def]
        shift = 3
        while count >> (shift - 3) > 1:
            shift += 1
        half = (np.int64(1) << (shift - 1)) - 1
        own = np.int64(0)
        for z in range(out.shape[0]):
            for y in range(out.shape[1]):
                a, b = source[2 * z, 2 * y], source[2 * z, 2 * y + 1]
                c, d = source[2 * z + 1, 2 * y], source[2 * z + 1, 2 * y + 1]
                p, q = carried[2 * z, 2 * y], carried[2 * z, 2 * y + 1]
                r, s = carried[2 * z + 1, 2 * y], carried[2 * z + 1, 2 * y + 1]
                means, rests = out[z, y], left[z, y]
                for x in range(means.size):
                    window = np.int64(a[2 * x]) + np.int64(a[2 * x + 1])
                    window += np.int64(b[2 * x]) + np.int64(b[2 * x + 1])
                    window += np.int64(c[2 * x]) + np.int64(c[2 * x + 1])
                    window += np.int64(d[2 * x]) + np.int64(d[2 * x + 1])
                    own += window
                    if carries:
                        window *= count
                        window += np.int64(p[2 * x]) + np.int64(p[2 * x + 1])
                        window += np.int64(q[2 * x]) + np.int64(q[2 * x + 1])
                        window += np.int64(r[2 * x]) + np.int64(r[2 * x + 1])
                        window += np.int64(s[2 * x]) + np.int64(s[2 * x + 1])
                        mean = (window + half + ((window >> shift) & 1)) >> shift
                        rests[x] = window - (mean << shift)
                    else:
                        mean = (window + 3 + ((window >> 3) & 1)) >> 3
                        rests[x] = window - (mean << 3)
                    means[x] = mean
        return own

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
