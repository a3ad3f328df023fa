"""Arithmetic on voxels in memory: what every method makes of windows, in numpy's form.

Keeps out the mean, which stands in `kernels`, storage, and numba: the compiled form stands in
`compiled_windows`, is imported only when asked for, and gives the same bits.
"""

from __future__ import annotations

import itertools
import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from . import mean as kernels
from .mean import check_out, describe, reduce_mean, slabs, uniform_pieces
from .networks import LARGEST, selecting_network, sorting_network

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable

    from .mean import Block, Moments

    Window = tuple[int, ...]


def reduce_windows(
    method: str, source: Block, factors: Window, out: Block, *, compiled: bool = False
) -> None:
    """Fill `out` with what a method makes of the windows of `source`.

    Windows start at the origin of `source`; one that sticks out at the high end holds the voxels
    that are there.

    1. mean: as `kernels.reduce_mean` defines it.
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
    check_out(source, factors, out, keeps_dtype=method != "sum")
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
    by_order = source.dtype.kind == "f" and method in ("min", "max", "median")
    with np.errstate(all="ignore"):
        for window, region, target in uniform_pieces(source.shape, factors):
            for slab, part in slabs(source[region], window, out[target]):
                reduce_slab = _reduce_by_order if by_order else _reduce_slab
                reduce_slab(method, slab, window, part, compiled)


def reduce_and_describe(
    method: str, source: Block, factors: Window, out: Block, *, compiled: bool = False
) -> Moments:
    """Do what `reduce_windows` and `describe` of `source` do, in one call where that is faster."""
    if method == "mean" and source.dtype.kind != "c":
        return kernels.reduce_and_describe(source, factors, out, compiled=compiled)
    reduce_windows(method, source, factors, out, compiled=compiled)
    return describe(source, compiled=compiled)


def load_compiled(method: str, dtype: np.dtype[Any], target: np.dtype[Any]) -> threading.Thread:
    """Return the thread that loads a method's compiled form, as `kernels.load_compiled` does.

    Parameters
    ----------
    dtype, target
        Of what is read and of what is made of it.
    """
    key = _kernel(method, dtype, target)
    if key[0] == "mean":
        return kernels.load_compiled(key[1])
    return kernels.load_aside(key, partial(_load, *key))


def compiled_is_ready(method: str, dtype: np.dtype[Any], target: np.dtype[Any]) -> bool:
    """Tell whether a method's compiled form is loaded in this process."""
    key = _kernel(method, dtype, target)
    return kernels.is_loaded(key[1] if key[0] == "mean" else key)


def _kernel(
    method: str, dtype: np.dtype[Any], target: np.dtype[Any]
) -> tuple[str, np.dtype[Any], np.dtype[Any]]:
    """Return the method and the dtypes that are computed with."""
    if dtype.kind == "c":
        dtype, target = (np.dtype(f"f{whole.itemsize // 2}") for whole in (dtype, target))
    if method == "nanmean" and dtype.kind != "f":
        method = "mean"
    return method, dtype, target


def _load(method: str, dtype: np.dtype[Any], target: np.dtype[Any]) -> None:
    from .numba_mean import alone

    with alone():
        source, out = np.zeros((2, 2, 2), dtype), np.zeros((1, 1, 1), target)
        reduce_windows(method, source, (2, 2, 2), out, compiled=True)
        for block in (source, out):
            describe(np.resize(block, 1 << 10), compiled=True)


def _reduce_slab(method: str, source: Block, window: Window, out: Block, compiled: bool) -> None:
    if compiled:
        from .numba_windows import reduce_whole, serves

        if serves(method, window):
            reduce_whole(method, source, window, out)
            return
    _NUMPY_FORMS[method](source, window, out)


def _reduce_by_order(
    method: str, source: Block, window: Window, out: Block, compiled: bool
) -> None:
    """Reduce floats as integers of the same order, where NaN is the last that would be chosen.

    As sign and magnitude, the bits of floats are in order already; those of negative ones are
    turned into two's complement. -0.0 comes out as -1, just below 0.0.
    """
    bits = source.view(f"i{source.itemsize}")
    highest = np.iinfo(bits.dtype).max
    nan = np.iinfo(bits.dtype).min if method == "max" else highest
    keys = (bits >> (8 * source.itemsize - 1)) & highest
    keys ^= bits
    missing = np.isnan(source)
    has_nan = bool(missing.any())
    if has_nan:
        keys[missing] = nan
    chosen = np.empty(out.shape, keys.dtype)
    _reduce_slab(method, keys, window, chosen, compiled)
    if has_nan and method == "median":
        chosen[_fold(np.maximum, keys, window, keys.dtype) == nan] = nan
    values = chosen ^ ((chosen >> (8 * source.itemsize - 1)) & highest)
    out[...] = values.view(source.dtype)
    if has_nan:
        out[chosen == nan] = np.nan


def _fold(ufunc: Any, source: Block, window: Window, dtype: np.dtype[Any]) -> Block:
    """Reduce windows by an operation for which no order counts, axis by axis, the last one last."""
    for axis, factor in enumerate(window):
        if factor > 1:
            first, *others = (
                source[(slice(None),) * axis + (slice(start, None, factor),)]
                for start in range(factor)
            )
            source = ufunc(first, others[0], dtype=dtype)
            for plane in others[1:]:
                ufunc(source, plane, out=source)
    return source


def _planes(source: Block, window: Window) -> Iterable[Block]:
    """Yield the first voxels of all windows, the second ones and so on, in C order."""
    for offset in np.ndindex(*window):
        yield source[
            tuple(slice(start, None, factor) for start, factor in zip(offset, window, strict=True))
        ]


def _extremes(ufunc: Any, source: Block, window: Window, out: Block) -> None:
    out[...] = _fold(ufunc, source, window, source.dtype)


def _sum(source: Block, window: Window, out: Block) -> None:
    if source.dtype.kind != "f":
        wide = out.dtype if out.dtype.kind != "f" else np.dtype(f"{source.dtype.kind}8")
        np.copyto(out, _fold(np.add, source, window, wide), casting="unsafe")
        return
    first, *others = _planes(source, window)
    sums = first.astype(np.float64)
    for plane in others:
        np.add(sums, plane, out=sums)
    _write_floats(sums, out)


def _nanmean(source: Block, window: Window, out: Block) -> None:
    # -0.0 added to any number leaves it as it is, -0.0 and 0.0 too.
    sums = np.full(out.shape, -0.0)
    counts = np.zeros(out.shape, np.uint32)
    for plane in _planes(source, window):
        known = ~np.isnan(plane)
        counts += known
        sums += np.where(known, plane, -0.0)
    _write_floats(sums / counts, out)


def _write_floats(values: Block, out: Block) -> None:
    """Round to a dtype, with one NaN."""
    values[np.isnan(values)] = np.nan
    np.copyto(out, values, casting="same_kind")


def _median(source: Block, window: Window, out: Block) -> None:
    size = math.prod(window)
    middle = (size - 1) // 2
    planes = list(_planes(source, window))
    if size <= LARGEST:
        rows = [np.ascontiguousarray(plane) for plane in planes]
        _exchange(rows, selecting_network(size, middle))
        out[...] = rows[middle]
    else:
        out[...] = np.partition(np.stack(planes, axis=-1), middle, axis=-1)[..., middle]


def _exchange(rows: list[Block], pairs: Iterable[tuple[int, int]]) -> None:
    """Sort rows of equal length place by place, by the pairs of a network."""
    for low, high in pairs:
        rows[low], rows[high] = (
            np.minimum(rows[low], rows[high]),
            np.maximum(rows[low], rows[high]),
        )


def _mode(nonzero: bool, source: Block, window: Window, out: Block) -> None:
    first, *others = _planes(source, window)
    out[...] = first
    mixed = np.zeros(out.shape, np.bool_)
    for plane in others:
        mixed |= plane != first
    if not mixed.any():
        return
    rows = [plane[mixed] for plane in (first, *others)]
    if len(rows) <= LARGEST:
        _exchange(rows, sorting_network(len(rows)))
    else:
        rows = list(np.sort(np.stack(rows), axis=0))
    # Equal values now follow each other, and the first of equally long runs is of the smallest.
    value, length = rows[0], np.ones(rows[0].shape, np.uint32)
    most = (value != 0).astype(np.uint32) if nonzero else length
    for before, row in itertools.pairwise(rows):
        length = np.where(row == before, length + 1, 1)
        better = length > most
        if nonzero:
            better &= row != 0
        value, most = np.where(better, row, value), np.where(better, length, most)
    out[mixed] = value


_NUMPY_FORMS: dict[str, Callable[[Block, Window, Block], None]] = {
    "sum": _sum,
    "nanmean": _nanmean,
    "min": partial(_extremes, np.minimum),
    "max": partial(_extremes, np.maximum),
    "median": _median,
    "mode": partial(_mode, False),
    "mode_nonzero": partial(_mode, True),
}
