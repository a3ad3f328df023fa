"""The mean of every window of a block, in numpy's form or, where it is loaded, numba's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .moments import Moments, describe, exact_sum, magnitude, sum_dtype
from .numpy_windows import fold, sum_floats
from .pieces import check_out, slabs, uniform_pieces

if TYPE_CHECKING:
    Block = np.ndarray[Any, np.dtype[Any]]


def reduce_mean(
    source: Block,
    factors: tuple[int, ...],
    out: Block,
    *,
    compiled: bool = False,
    bound: int | None = None,
) -> int | None:
    """Fill `out` with the means of the windows of `source`.

    1. Integers: the exact mean, rounded half to even.
    2. Bool: True where more than half of the window is True. (The mean of 0 and 1, half to even.)
    3. Floats: voxels as float64, added in C order from the first one, divided by their number and
       rounded to the dtype once. NaN and infinity propagate as IEEE 754 says, and every NaN is
       the one quiet NaN that `numpy.nan` casts to. (The sum is rounded at every step: a float64
       constant with all 53 bits in use may move by one ulp.)

    Parameters
    ----------
    source, factors, out, compiled
        As for `windows.reduce_windows`.
    bound
        The largest absolute value of integer voxels, where it is known.

    Returns
    -------
    int or None
        The exact sum of all voxels of `source`, a free by-product of the means; None for floats.

    Raises
    ------
    ValueError
        If shapes, factors or dtypes do not belong together.

    Examples
    --------
    >>> out = np.empty(3, np.int8)
    >>> reduce_mean(np.array([0, 1, 1, 2, -3], np.int8), (2,), out)
    1
    >>> out
    array([ 0,  2, -3], dtype=int8)
    """
    check_out(source, factors, out)
    if source.dtype == np.bool_:
        source, out = source.view(np.uint8), out.view(np.uint8)
    if compiled:
        from .numba_mean import halve, serves

    total = 0
    with np.errstate(all="ignore"):
        for window, region, target in uniform_pieces(source.shape, factors):
            piece, means = source[region], out[target]
            if compiled and serves(piece.dtype, window) and _sums_fit_int64(piece):
                total += halve(piece, window, means)
            elif source.dtype.kind == "f":
                for slab, part in slabs(piece, window, means):
                    sum_floats(slab, window, part, math.prod(window))
            else:
                for slab, part in slabs(piece, window, means):
                    total += _mean_of_integers(slab, window, part, bound)
    return None if source.dtype.kind == "f" else total


def mean_and_describe(
    source: Block, factors: tuple[int, ...], out: Block, *, compiled: bool = False
) -> Moments:
    """Do what `reduce_mean` and `describe` of `source` do, in one call where that is faster."""
    if compiled:
        from .numba_mean import halve_and_describe

        extremes = halve_and_describe(source, factors, out)
        if extremes is not None:
            minimum, maximum, total = extremes
            return Moments(minimum=minimum, maximum=maximum, total=total)
    elif source.dtype.kind in "iu":
        # The extremes are wanted in any case: the means need not look for them again.
        minimum, maximum = int(source.min()), int(source.max())
        found = reduce_mean(source, factors, out, bound=max(-minimum, maximum))
        return Moments(minimum=minimum, maximum=maximum, total=found or 0)
    return describe(source, reduce_mean(source, factors, out, compiled=compiled), compiled=compiled)


def _mean_of_integers(source: Block, window: tuple[int, ...], out: Block, bound: int | None) -> int:
    n_voxels = math.prod(window)
    bound = magnitude(source) if bound is None else bound
    if n_voxels == 1:
        np.copyto(out, source)
        return exact_sum(source, bound)
    accumulator = sum_dtype(source.dtype, n_voxels, bound)
    if accumulator is None:
        return _wide_mean_of_integers(source, window, out)
    sums = fold(np.add, source, window, accumulator)
    total = exact_sum(sums, n_voxels * bound)
    half = n_voxels // 2
    if n_voxels & (n_voxels - 1) == 0:
        # floor((sum + half - 1 + parity of the floor) / n): a tie goes up from odd floors only.
        shift = n_voxels.bit_length() - 1
        parity = sums >> shift
        parity &= 1
        sums += parity
        sums += half - 1
        sums >>= shift
    else:
        sums += half
        means = sums // n_voxels
        if n_voxels % 2 == 0:
            means -= (means * n_voxels == sums) & (means & 1).astype(np.bool_)
        sums = means
    np.copyto(out, sums, casting="unsafe")
    return total


def _wide_mean_of_integers(source: Block, window: tuple[int, ...], out: Block) -> int:
    """Average 64-bit voxels whose sums do not fit 64 bits, as high and low halves of 32 bits.

    The high half keeps the sign, so that high * 2**32 + low holds for negatives too.
    """
    n_voxels = math.prod(window)
    high = fold(np.add, source >> 32, window, source.dtype)
    low = fold(np.add, (source & 0xFFFFFFFF).view(np.uint64), window, np.dtype(np.uint64))
    total = (exact_sum(high, magnitude(high)) << 32) + exact_sum(low, magnitude(low))
    low += n_voxels // 2
    high += (low >> 32).astype(high.dtype)
    low &= 0xFFFFFFFF
    high, carried = np.divmod(high, n_voxels)
    low |= carried.astype(np.uint64) << 32
    low, remainder = np.divmod(low, n_voxels)
    means = (high << 32) | low.astype(high.dtype)
    if n_voxels % 2 == 0:
        means -= ((remainder == 0) & (means & 1).astype(np.bool_)).astype(means.dtype)
    np.copyto(out, means)
    return total


def _sums_fit_int64(block: Block) -> bool:
    """Say whether no sum of voxels, and no step of rounding one, leaves the range of int64."""
    if block.dtype.kind == "f":
        return True
    narrow = block.dtype.itemsize < 8
    bound = 1 << 8 * block.dtype.itemsize if narrow else magnitude(block)
    return block.size * (bound + 1) < 1 << 63
