"""What every method makes of the windows of a block of voxels in memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from . import numpy_windows
from .known_windows import find_known, find_no_data, reduce_declared, reduce_known
from .mean import mean_and_describe, reduce_mean
from .methods import METHODS
from .moments import describe
from .no_data import ALL_DATA
from .pieces import check_out, slabs, uniform_pieces

if TYPE_CHECKING:
    from .moments import Moments
    from .no_data import NoData
    from .pieces import Block

    Window = tuple[int, ...]


def reduce_windows(
    method: str,
    source: Block,
    factors: Window,
    out: Block,
    *,
    compiled: bool = False,
    no_data: NoData = ALL_DATA,
) -> None:
    """Fill `out` with what a method makes of the windows of `source`.

    Windows start at the origin of `source`; one that sticks out at the high end holds the voxels
    that are there.

    1. mean: as `reduce_mean` defines it.
    2. nanmean: the same over the voxels that are not NaN, in C order; NaN where there are none.
    3. sum: integers exactly; floats as float64, added in C order from the first one and rounded to
       the dtype of `out` once, to infinity where that is too narrow. NaN propagates.
    4. min, max: the least or largest voxel that is not NaN; NaN where there is none.
    5. median: the voxel at place (n - 1) // 2 of the n in order; NaN where any is NaN.
    6. mode: the most frequent value, of equally frequent ones the smallest. mode_nonzero: the same
       over the voxels that are not 0; 0 where there are none.
    7. stride: the first voxel, to the bit.

    In 4 and 5 -0.0 is less than 0.0. Every NaN beside that of stride is the one quiet NaN that
    `numpy.nan` casts to. Bool is 0 and 1. Of complex voxels, mean and sum are taken of the real and
    of the imaginary parts, each as floats.

    Parameters
    ----------
    method
        A key of `methods.METHODS` that takes the dtype of `source`.
    source
        Any strides, native byte order, not empty. Bool voxels are bytes 0 and 1.
    factors
        Voxels of a window along each axis; their product is below 2**32.
    out
        Of the shape of `source` divided by `factors`, rounded up, and of its dtype; for sum, of one
        that holds the sums. Any strides; shares no memory with `source`.
    compiled
        Use numba where there is a compiled form. The bits are the same.
    no_data
        What stands for no data. Of numbers that are `declared`, 2 and 4 leave them out as they do
        NaN; of a window of nothing else its first voxel is taken. Of `values`, given to methods
        that take them: a voxel is the value where fewer than `share` of its window are data; else
        it is what the method makes of these alone. A mean of data that is the value becomes the
        nearest other number of the dtype, of two the larger.

    Raises
    ------
    ValueError
        If shapes, factors or dtypes do not belong together.

    Examples
    --------
    >>> out = np.empty(2, np.uint8)
    >>> reduce_windows("mode", np.array([7, 5, 7, 3, 2], np.uint8), (3,), out)
    >>> out
    array([7, 2], dtype=uint8)
    """
    check_out(source, factors, out, keeps_dtype=METHODS[method].keeps_dtype)
    if no_data.is_given:
        _reduce_by_channel(method, source, factors, out, no_data, compiled=compiled)
        return
    missing = find_no_data(source, no_data.declared) if METHODS[method].skips else None
    if missing is not None:
        reduce_declared(method, source, missing, factors, out)
        return
    if method == "stride":
        out[...] = source[tuple(slice(None, None, factor) for factor in factors)]
        return
    if source.dtype.kind == "c":
        reduce_windows(method, source.real, factors, out.real, compiled=compiled)
        reduce_windows(method, source.imag, factors, out.imag, compiled=compiled)
        return
    if method == "mean" or (method == "nanmean" and source.dtype.kind != "f"):
        reduce_mean(source, factors, out, compiled=compiled)
        return
    source = source.view(np.uint8) if source.dtype == np.bool_ else source
    out = out.view(np.uint8) if out.dtype == np.bool_ else out
    numpy_form = getattr(numpy_windows, f"reduce_{method}")
    if compiled:
        from .numba_windows import reduce_whole, serves
    with np.errstate(all="ignore"):
        for window, region, target in uniform_pieces(source.shape, factors):
            for slab, part in slabs(source[region], window, out[target]):
                if compiled and serves(method, window):
                    reduce_whole(method, slab, window, part)
                else:
                    numpy_form(slab, window, part)


def _reduce_by_channel(
    method: str, source: Block, factors: Window, out: Block, no_data: NoData, *, compiled: bool
) -> None:
    """Fill `out` as `reduce_windows` does where `nodata` is given; no window has two channels."""
    axis = no_data.axis
    for channel, value in enumerate(no_data.values):
        here = (slice(None),) * (axis or 0) + (slice(channel, channel + 1),) * (axis is not None)
        block, coarse = source[here], out[here]
        if value is None:
            reduce_windows(method, block, factors, coarse, compiled=compiled)
            continue
        with np.errstate(all="ignore"):
            for window, region, target in uniform_pieces(block.shape, factors):
                least = no_data.least(math.prod(window))
                for slab, part in slabs(block[region], window, coarse[target]):
                    known = find_known(slab, value)
                    n_known = np.count_nonzero(known)
                    if not n_known:
                        part[...] = value
                        continue
                    if n_known == slab.size:
                        reduce_windows(method, slab, window, part, compiled=compiled)
                        if not (part == value).any():
                            continue
                    reduce_known(method, slab, known, window, part, value=value, least=least)


def reduce_and_describe(
    method: str,
    source: Block,
    factors: Window,
    out: Block,
    *,
    compiled: bool = False,
    no_data: NoData = ALL_DATA,
) -> Moments:
    """Do what `reduce_windows` and `describe` of `source` do, in one call where that is faster."""
    if method == "mean" and source.dtype.kind != "c" and not no_data.is_given:
        return mean_and_describe(source, factors, out, compiled=compiled)
    reduce_windows(method, source, factors, out, compiled=compiled, no_data=no_data)
    return describe(source, compiled=compiled)
