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
    first, *others = _planes(source, window)
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
    # -0.0 added to any number leaves it as it is, -0.0 and 0.0 too.
    sums = np.full(out.shape, -0.0)
    counts = np.zeros(out.shape, np.uint32)
    for plane in _planes(source, window):
        known = ~np.isnan(plane)
        counts += known
        sums += np.where(known, plane, -0.0)
    means = sums / counts
    means[np.isnan(means)] = np.nan
    np.copyto(out, means, casting="same_kind")


def reduce_min(source: Block, window: Window, out: Block) -> None:
    """Fill `out` with the least voxels."""
    _choose(_least, source, window, out)


def reduce_max(source: Block, window: Window, out: Block) -> None:
    """Fill `out` with the largest voxels."""
    _choose(_largest, source, window, out, nan_is_least=True)


def reduce_median(source: Block, window: Window, out: Block) -> None:
    """Fill `out` with the voxels in the middle, of an even number the lower one."""
    _choose(_middle, source, window, out, nan_spreads=True)


def reduce_mode(source: Block, window: Window, out: Block, *, nonzero: bool = False) -> None:
    """Fill `out` with the most frequent values, of equally frequent ones the smallest."""
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

    Floats are compared as integers of the same order, where NaN is the largest or the least, and so
    the last to be chosen. As sign and magnitude, the bits of floats are in order already; those of
    negative ones are turned into two's complement. -0.0 comes out as -1, just below 0.0.
    """
    if source.dtype.kind != "f":
        out[...] = choose(source, window)
        return
    bits = source.view(f"i{source.itemsize}")
    limits = np.iinfo(bits.dtype)
    nan = limits.min if nan_is_least else limits.max
    keys = (bits >> (8 * source.itemsize - 1)) & limits.max
    keys ^= bits
    missing = np.isnan(source)
    has_nan = bool(missing.any())
    if has_nan:
        keys[missing] = nan
    chosen = choose(keys, window)
    if has_nan and nan_spreads:
        chosen = np.where(_largest(keys, window) == nan, nan, chosen)
    values = chosen ^ ((chosen >> (8 * source.itemsize - 1)) & limits.max)
    out[...] = values.view(source.dtype)
    if has_nan:
        out[chosen == nan] = np.nan


def _least(source: Block, window: Window) -> Block:
    return fold(np.minimum, source, window, source.dtype)


def _largest(source: Block, window: Window) -> Block:
    return fold(np.maximum, source, window, source.dtype)


def _middle(source: Block, window: Window) -> Block:
    size = math.prod(window)
    middle = (size - 1) // 2
    planes = list(_planes(source, window))
    if size <= LARGEST:
        rows = [np.ascontiguousarray(plane) for plane in planes]
        _exchange(rows, selecting_network(size, middle))
        return rows[middle]
    found: Block = np.partition(np.stack(planes, axis=-1), middle, axis=-1)[..., middle]
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


def _planes(source: Block, window: Window) -> Iterable[Block]:
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
