"""The mean that is rounded once: of all voxels of level 0 below a voxel, from the level before.

A voxel of a level stands for `count` voxels of level 0, and its mean carries the remainder that
rounding left: their sum is count x mean + remainder, exactly, with |remainder| <= count / 2. So the
sums of a coarser voxel's window are known, and its mean is rounded from these alone.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .dtypes import remainder_dtype
from .moments import exact_sum, magnitude, sum_dtype
from .numpy_windows import fold
from .pieces import check_out, slabs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .pieces import Block, Region

    Window = tuple[int, ...]
    Counts = tuple[tuple[int, int], ...]

_MOST_SPLIT = 1 << 29
"""Voxels of level 0 below a voxel up to which sums of 64 bits are added as two halves."""


def voxel_counts(start: int, stop: int, downsampling: int, extent: int) -> tuple[int, int]:
    """Return how many voxels of level 0 those of a level stand for, along one axis.

    The first number holds for all voxels but the last one, the second for the last.

    Parameters
    ----------
    start, stop
        Of the level's voxels.
    downsampling
        Voxels of level 0 that make one of the level.
    extent
        Of level 0.

    >>> voxel_counts(0, 3, 4, 10), voxel_counts(2, 3, 4, 10)
    ((4, 2), (2, 2))
    """
    last = min(stop * downsampling, extent) - (stop - 1) * downsampling
    return (last if stop - start == 1 else downsampling), last


def reduce_once(
    source: Block,
    remainders: Block | None,
    counts: Counts,
    factors: Window,
    out: Block,
    left: Block,
    *,
    bound: int | None = None,
    compiled: bool = False,
) -> tuple[int, int]:
    """Fill `out` with the means of what the windows of `source` stand for, rounded half to even.

    Returns the exact sum of all voxels of level 0 that `source` stands for, and that of `source`.

    Parameters
    ----------
    source
        Integers or bool; as for `windows.reduce_windows`.
    remainders
        Of `source`, in any integer type; None where there are none, as in level 0.
    counts
        How many voxels of level 0 those of `source` stand for: of each axis, as `voxel_counts`.
    factors, out
        As for `windows.reduce_windows`.
    left
        Filled with the remainders of `out`.
    bound
        The largest absolute value of `source`, where it is known.
    compiled
        Use numba where there is a compiled form. The bits are the same.

    Examples
    --------
    >>> out, left = np.empty((2, 2), np.uint8), np.empty((2, 2), np.int8)
    >>> source = np.array([7, 8, 9], np.uint8)
    >>> reduce_once(source, None, ((1, 1),), (2,), out[0], left[0])
    (24, 24)
    >>> out[0], left[0]
    (array([8, 9], dtype=uint8), array([-1,  0], dtype=int8))
    >>> reduce_once(out[0], left[0], ((2, 1),), (2,), out[1, :1], left[1, :1])
    (24, 17)
    >>> out[1, :1], left[1, :1]
    (array([8], dtype=uint8), array([0], dtype=int8))
    """
    check_out(source, factors, out)
    if source.dtype == np.bool_:
        source, out = source.view(np.uint8), out.view(np.uint8)
    if compiled and all(most == last for most, last in counts):
        from .numba_once import halve_once

        count = math.prod(last for _, last in counts)
        found = halve_once(source, remainders, count, factors, out, left)
        if found is not None:
            return found
    bound = magnitude(source) if bound is None else bound
    total = own = 0
    with np.errstate(over="ignore"):
        for piece in _pieces(source.shape, factors, counts):
            carried = None if remainders is None else remainders[piece.region]
            for cut in _slabs(source[piece.region], carried, piece.window, out[piece.target],
                              left[piece.target]):  # fmt: skip
                below, here = _reduce(*cut, piece=piece, bound=bound)
                total += below
                own += here
    return total, own


def remainders_of(means: Block, sums: Block, counts: Counts) -> Block:
    """Return what is left of sums where a level's means are known, as int64.

    Parameters
    ----------
    sums
        Of level 0's voxels below each voxel, modulo 2**64, as int64.
    counts
        As for `reduce_once`, of the means.
    """
    wide = means.astype(np.uint64).view(np.int64)
    for axis, pair in enumerate(counts):
        wide *= _along(pair, means.shape[axis]).reshape(-1, *(1,) * (means.ndim - 1 - axis))
    return sums - wide


def add_sums(voxels: Block, start: Window, downsampling: Window, first: Window, out: Block) -> None:
    """Add voxels of level 0 to the sums of the voxels of a level that they are below.

    Parameters
    ----------
    voxels
        A box of level 0 that begins at `start`. Integers or bool; not empty.
    downsampling
        Voxels of level 0 that make one of the level, along each axis.
    first
        Where `out` begins in the level.
    out
        Sums modulo 2**64, as int64.
    """
    sums = voxels.view(np.uint8) if voxels.dtype == np.bool_ else voxels
    if sums.dtype == np.uint64:
        sums = sums.view(np.int64)
    where = []
    for axis, (low, step, origin) in enumerate(zip(start, downsampling, first, strict=True)):
        extent = voxels.shape[axis]
        cells = range(low // step, (low + extent - 1) // step + 1)
        begins = [max(0, cell * step - low) for cell in cells]
        if len(begins) < extent:
            sums = np.add.reduceat(sums, begins, axis=axis, dtype=np.int64)
        where.append(slice(cells[0] - origin, cells[-1] + 1 - origin))
    out[tuple(where)] += sums.astype(np.int64, copy=False)


def exact_total(means: Block, total: int, left: int, counts: Counts) -> int:
    """Return the sum of all voxels of level 0 that some means stand for, modulo 2**64.

    Parameters
    ----------
    total
        Sum of the means.
    left
        Sum of their remainders.
    counts
        As for `reduce_once`, of the means.
    """
    if all(most == last for most, last in counts):
        total *= math.prod(last for _, last in counts)
    else:
        weighted = means.astype(np.int64)
        with np.errstate(over="ignore"):
            for pair in counts:
                weighted = np.tensordot(_along(pair, len(weighted)), weighted, (0, 0))
        total = int(weighted)
    return (total + left) % (1 << 64)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Windows that stand for equally many voxels of level 0 each.

    `even` is the product of the counts along the axes on which all voxels have the same; `uneven`
    has the others, one window long.
    """

    window: Window
    region: Region
    target: Region
    even: int
    uneven: tuple[tuple[int, Block], ...]
    count: int


def _along(pair: tuple[int, int], extent: int) -> Block:
    """Return the counts of all voxels along an axis."""
    along = np.full(extent, pair[0], np.int64)
    along[-1] = pair[1]
    return along


@functools.lru_cache(maxsize=256)
def _pieces(shape: Window, factors: Window, counts: Counts) -> list[_Piece]:
    """Cut off the last windows, where they are clipped or stand for less than the others."""
    spans: list[list[tuple[int, slice, slice]]] = []
    for extent, factor, (most, last) in zip(shape, factors, counts, strict=True):
        whole = extent // factor
        if extent % factor == 0 and most == last:
            spans.append([(factor, slice(0, extent), slice(0, whole))])
            continue
        n = (extent - 1) // factor
        others = (factor, slice(0, n * factor), slice(0, n))
        at_end = (extent - n * factor, slice(n * factor, extent), slice(n, n + 1))
        spans.append([others, at_end] if n else [at_end])
    pieces = []
    for combination in itertools.product(*spans):
        window, region, target = zip(*combination, strict=True)
        even, count = 1, 1
        uneven: list[tuple[int, Block]] = []
        for axis, (pair, here, factor) in enumerate(zip(counts, region, window, strict=True)):
            most, last = pair if here.stop == shape[axis] else (pair[0], pair[0])
            if here.stop - here.start == 1 or most == last:
                even *= last
                count *= last * factor
            else:
                uneven.append((axis, _along((most, last), factor)))
                count *= most * (factor - 1) + last
        pieces.append(_Piece(window, region, target, even, tuple(uneven), count))
    return pieces


def _slabs(
    source: Block, carried: Block | None, window: Window, out: Block, left: Block
) -> Iterator[tuple[Block, Block | None, Block, Block]]:
    """Yield voxels, their remainders, means and their remainders, cut to fit the cache."""
    if carried is None:
        both = zip(slabs(source, window, out), slabs(source, window, left), strict=True)
        return ((voxels, None, means, over) for (voxels, means), (_, over) in both)
    pairs = zip(slabs(source, window, out), slabs(carried, window, left), strict=True)
    return ((voxels, rest, means, over) for (voxels, means), (rest, over) in pairs)


def _reduce(
    voxels: Block, carried: Block | None, out: Block, left: Block, *, piece: _Piece, bound: int
) -> tuple[int, int]:
    """Fill means and remainders of windows that stand for `count` voxels each; return both sums."""
    n = piece.count
    if n == 1:
        np.copyto(out, voxels)
        left[...] = 0
        total = exact_sum(voxels, bound)
        return total, total
    highest = bound
    bound += carried is not None  # a mean and what it carries are less than that, n times
    accumulator = sum_dtype(voxels.dtype, n, bound)
    if accumulator is None:
        return _reduce_wide(voxels, carried, piece, out, left), exact_sum(voxels, highest)
    if piece.uneven:
        weighted = _weighted(voxels, carried, piece, accumulator)
        sums = fold(np.add, weighted, piece.window, accumulator)
        own = exact_sum(voxels, highest)
    else:
        sums, own = _even_sums(voxels, carried, piece, accumulator, bound)
    is_same = carried is None and n == math.prod(piece.window)
    total = own if is_same else exact_sum(sums, n * bound)
    # A tie goes up from odd floors only: half - 1 and the parity of the floor are added. What is
    # left is small, and right whatever overflows on the way to it.
    if n & (n - 1) == 0:
        shift = n.bit_length() - 1
        means = sums >> shift
        means &= 1
        means += sums
        means += n // 2 - 1
        means >>= shift
        np.copyto(out, means, casting="unsafe")
        means <<= shift
    else:
        means = sums + n // 2
        shifted = means.copy() if n % 2 == 0 else None
        means //= n
        if shifted is not None:
            means -= (means * n == shifted) & (means & 1).astype(np.bool_)
        np.copyto(out, means, casting="unsafe")
        means *= n
    np.subtract(sums, means, out=means)
    np.copyto(left, means.view(f"i{means.itemsize}"), casting="unsafe")
    return total, own


def _even_sums(
    voxels: Block, carried: Block | None, piece: _Piece, wide: np.dtype[Any], bound: int
) -> tuple[Block, int]:
    """Return the sums of windows whose voxels all stand for equally many of level 0.

    And the sum of these voxels.
    """
    # Sums of a window alone are narrower than those of level 0, and most of the work.
    narrow = sum_dtype(voxels.dtype, math.prod(piece.window), bound) or wide
    sums = fold(np.add, voxels, piece.window, narrow)
    own = exact_sum(sums, math.prod(piece.window) * bound)
    if sums is voxels or narrow != wide:
        sums = sums.astype(wide)
    if piece.even > 1:
        sums *= piece.even
    if carried is not None:
        least = np.dtype(remainder_dtype(piece.count))
        sums += fold(np.add, carried, piece.window, max(least, carried.dtype)).astype(wide)
    return sums, own


def _weighted(voxels: Block, carried: Block | None, piece: _Piece, wide: Any) -> Block:
    """Return the sum of what each voxel stands for: its count times itself, and its remainder."""
    sums: Block = voxels.astype(wide)
    sums *= piece.even
    for axis, along in piece.uneven:
        # A block of one window along the axis.
        sums *= along.astype(wide).reshape(-1, *(1,) * (voxels.ndim - 1 - axis))
    if carried is not None:
        sums += carried.astype(wide)
    return sums


def _reduce_wide(
    voxels: Block, carried: Block | None, piece: _Piece, out: Block, left: Block
) -> int:
    """Do what `_reduce` does where sums do not fit 64 bits, as high and low halves of 32 bits."""
    n = piece.count
    if n > _MOST_SPLIT:
        sums = fold(np.add, _weighted(voxels, carried, piece, np.dtype(object)), piece.window,
                    np.dtype(object))  # fmt: skip
        for place in np.ndindex(out.shape):
            mean, over = divmod(int(sums[place]), n)
            goes_up = 2 * over > n or (2 * over == n and mean % 2 == 1)
            out[place], left[place] = mean + goes_up, over - n * goes_up
        return int(sums.sum())
    wide = np.dtype(np.int64)
    high = _weighted((voxels >> 32).astype(wide), None, piece, wide)
    low = _weighted((voxels & 0xFFFFFFFF).astype(wide), carried, piece, wide)
    high, low = (fold(np.add, half, piece.window, wide) for half in (high, low))
    total = (exact_sum(high, 1 << 62) << 32) + exact_sum(low, 1 << 62)
    high, rest = np.divmod(high, n)
    low += rest << 32
    low, rest = np.divmod(low, n)
    up = (2 * rest > n) | ((2 * rest == n) & (low & 1).astype(np.bool_))
    means = (high.view(np.uint64) << np.uint64(32)) + low.view(np.uint64) + up
    np.copyto(out, means.view(np.int64) if out.dtype.kind == "i" else means, casting="unsafe")
    left[...] = rest - n * up
    return total
