"""What every method but the mean makes of windows, in numpy's form.

`reduce_<method>` is the form of a method of `methods.METHODS`. It takes a block of whole windows,
their shape, and an `out` with one voxel a window; bool comes as uint8, complex part by part.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .networks import LARGEST, selecting_network, sorting_network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Block = np.ndarray[Any, np.dtype[Any]]
    Window = tuple[int, ...]


def reduce_sum(source: Block, window: Window, out: Block) -> None:
    """Fill `out` with sums: integers exactly, floats as doubles in C order, rounded once."""
    if source.dtype.kind != "f":
        wide = out.dtype if out.dtype.kind != "f" else np.dtype(f"{source.dtype.kind}8")
        np.copyto(out, fold(np.add, source, window, wide), casting="unsafe")
        return
    sum_floats(source, window, out)


def sum_floats(source: Block, window: Window, out: Block, divisor: int = 1) -> None:
    """Fill `out` with sums of floats as `reduce_sum` defines them, divided before they are rounded.

    One strided addition a voxel of the window. Casting the block first, or dealing its last axis
    out into contiguous halves, took 1.2 to 1.4 times as long.
    """
    first, *others = planes(source, window)
    sums = first.astype(np.float64)
    for plane in others:
        np.add(sums, plane, out=sums)
    if divisor > 1:
        sums /= divisor
    missing = np.isnan(sums)
    if missing.any():  # there is one NaN
        sums[missing] = np.nan
    np.copyto(out, sums, casting="same_kind")


def reduce_nanmean(source: Block, window: Window, out: Block) -> None:
    """Fill `out` with means of the floats that are not NaN."""
    known = ~np.isnan(source)
    means = known_sums(source, known, window)
    means /= fold(np.add, known.astype(np.uint32), window, np.dtype(np.uint32))
    means[np.isnan(means)] = np.nan
    np.copyto(out, means, casting="same_kind")


def known_sums(source: Block, known: Block, window: Window) -> Block:
    """Return the sums of floats that are known, added as doubles in C order from the first one."""
    # -0.0 added to any number leaves it as it is, -0.0 and 0.0 too.
    terms = np.where(known, source, source.dtype.type(-0.0))
    first, *others = planes(terms, window)
    sums = first.astype(np.float64)
    for plane in others:
        np.add(sums, plane, out=sums)
    return sums


def reduce_min(source: Block, window: Window, out: Block) -> None:
    """Fill `out` with the least voxels."""
    _choose(_least, source, window, out)


def reduce_max(source: Block, window: Window, out: Block) -> None:
    """Fill `out` with the largest voxels."""
    _choose(_largest, source, window, out, nan_is_least=True)


def reduce_median(source: Block, window: Window, out: Block) -> None:
    """Fill `out` with the voxels in the middle, of an even number the lower one."""
    _choose(_middle, source, window, out, nan_spreads=True)


def reduce_known_median(source: Block, known: Block, window: Window, out: Block) -> None:
    """Fill `out` with the medians of the voxels that are known; NaN where one of them is NaN."""
    is_float = source.dtype.kind == "f"
    keys = _keys(source) if is_float else source
    last = np.where(known, keys, np.iinfo(keys.dtype).max)  # in the order, or as large as the last
    in_order = np.sort(np.stack(list(planes(last, window)), axis=-1), axis=-1)
    counts = fold(np.add, known.astype(np.intp), window, np.dtype(np.intp))
    middle = np.maximum(counts - 1, 0) // 2
    chosen = np.take_along_axis(in_order, middle[..., np.newaxis], axis=-1)[..., 0]
    out[...] = _floats(chosen, source.dtype) if is_float else chosen
    if is_float and (missing := np.isnan(source) & known).any():
        out[fold(np.maximum, missing.view(np.uint8), window, np.dtype(np.uint8)) > 0] = np.nan


def reduce_mode(source: Block, window: Window, out: Block, *, nonzero: bool = False) -> None:
    """Fill `out` with the most frequent values, of equally frequent ones the smallest."""
    first, *others = planes(source, window)
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


def reduce_mode_nonzero(source: Block, window: Window, out: Block) -> None:
    """Fill `out` with the most frequent values that are not 0; with 0 where there are none."""
    reduce_mode(source, window, out, nonzero=True)


def _choose(
    choose: Callable[[Block, Window], Block],
    source: Block,
    window: Window,
    out: Block,
    *,
    nan_is_least: bool = False,
    nan_spreads: bool = False,
) -> None:
    """Fill `out` with the voxels that an order of integers chooses.

    NaN is the largest or the least in it, and so the last to be chosen.
    """
    if source.dtype.kind != "f":
        out[...] = choose(source, window)
        return
    keys = _keys(source)
    limits = np.iinfo(keys.dtype)
    nan = limits.min if nan_is_least else limits.max
    missing = np.isnan(source)
    has_nan = bool(missing.any())
    if has_nan:
        keys[missing] = nan
    chosen = choose(keys, window)
    if has_nan and nan_spreads:
        chosen = np.where(_largest(keys, window) == nan, nan, chosen)
    out[...] = _floats(chosen, source.dtype)
    if has_nan:
        out[chosen == nan] = np.nan


def _keys(source: Block) -> Block:
    """Return integers in the order of floats that are numbers.

    As sign and magnitude, the bits of floats are in order already; those of negative ones are
    turned into two's complement. -0.0 comes out as -1, just below 0.0. No number is the largest or
    the least integer.
    """
    bits: Block = source.view(f"i{source.itemsize}")
    keys: Block = (bits >> (8 * source.itemsize - 1)) & np.iinfo(bits.dtype).max
    keys ^= bits
    return keys


def _floats(keys: Block, dtype: np.dtype[Any]) -> Block:
    """Return the floats of their keys."""
    signs = (keys >> (8 * dtype.itemsize - 1)) & np.iinfo(keys.dtype).max
    values: Block = (keys ^ signs).view(dtype)
    return values


def _least(source: Block, window: Window) -> Block:
    return fold(np.minimum, source, window, source.dtype)


def _largest(source: Block, window: Window) -> Block:
    return fold(np.maximum, source, window, source.dtype)


def _middle(source: Block, window: Window) -> Block:
    size = math.prod(window)
    middle = (size - 1) // 2
    every = list(planes(source, window))
    if size <= LARGEST:
        rows = [np.ascontiguousarray(plane) for plane in every]
        _exchange(rows, selecting_network(size, middle))
        return rows[middle]
    found: Block = np.partition(np.stack(every, axis=-1), middle, axis=-1)[..., middle]
    return found


def fold(ufunc: Any, source: Block, window: Window, dtype: np.dtype[Any]) -> Block:
    """Reduce windows axis by axis, by an operation for which no order counts.

    The last axis is the last: its strided additions run at a third of the speed of the others.
    """
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


def planes(source: Block, window: Window) -> Iterable[Block]:
    """Yield the first voxels of all windows, the second ones and so on, in C order."""
    for offset in np.ndindex(*window):
        yield source[
            tuple(slice(start, None, factor) for start, factor in zip(offset, window, strict=True))
        ]


def _exchange(rows: list[Block], pairs: Iterable[tuple[int, int]]) -> None:
    """Sort rows of equal length place by place, by the pairs of a network."""
    for low, high in pairs:
        rows[low], rows[high] = (
            np.minimum(rows[low], rows[high]),
            np.maximum(rows[low], rows[high]),
        )
