"""The windows of a block of which some voxels are no data, such as the 0 around a padded stack.

Where level 0 declares numbers to be none, `reduce_declared` leaves them out wherever NaN is. Where
the setting `nodata` gives one, `reduce_known` does, and says how many voxels must be left.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from . import numpy_windows
from .moments import magnitude, sum_dtype
from .numpy_windows import fold, known_sums
from .pieces import uniform_pieces

if TYPE_CHECKING:
    from collections.abc import Callable

    from .pieces import Block

    Number = int | float
    Window = tuple[int, ...]


def find_no_data(source: Block, numbers: tuple[Number, ...]) -> Block | None:
    """Return where a block holds no data, or None where it holds data alone."""
    if not numbers or source.dtype.kind not in "iuf":
        return None
    found = np.isin(source, np.array(numbers, source.dtype))
    return found if found.any() else None


def reduce_declared(
    method: str, source: Block, missing: Block, factors: Window, out: Block
) -> None:
    """Fill `out` with what a method makes of the voxels that are not missing.

    1. nanmean: their exact mean, of integers rounded half to even; of floats that are not NaN as
       `reduce_windows` defines it.
    2. min, max: the least or largest of them.
    3. Of a window without any other voxel, the first one.

    Parameters
    ----------
    method, source, factors, out
        As for `windows.reduce_windows`.
    missing
        Where `source` holds no data.
    """
    with np.errstate(all="ignore"):
        for window, region, target in uniform_pieces(source.shape, factors):
            piece, gone, part = source[region], missing[region], out[target]
            known = ~gone
            if method == "nanmean" and source.dtype.kind != "f":
                counts = count_known(known, window)
                means, _ = _means_of_integers(
                    np.where(gone, source.dtype.type(0), piece), counts, window
                )
                np.copyto(part, means, casting="unsafe", where=counts > 0)
            else:
                _REDUCE[method](piece, known, window, part)
            firsts = piece[tuple(slice(None, None, factor) for factor in window)]
            np.copyto(part, firsts, where=count_known(known, window) == 0)


def find_known(source: Block, value: Number) -> Block:
    """Return where a block holds data: all that is not `value`, which may be NaN."""
    known: Block = ~np.isnan(source) if value != value else source != source.dtype.type(value)
    return known


def reduce_known(
    method: str,
    source: Block,
    known: Block,
    window: Window,
    out: Block,
    *,
    value: Number,
    least: int,
) -> None:
    """Fill `out` with what a method makes of the data of whole windows; see `reduce_windows`.

    Parameters
    ----------
    method
        One that takes `nodata`.
    known
        Where `source` holds data.
    value
        What stands for no data.
    least
        How many voxels of a window must be data.
    """
    counts = count_known(known, window)
    if method == "mean" and source.dtype.kind == "f":
        _mean_of_floats(source, known, counts, window, out, value)
    elif method == "mean":
        _mean_of_integers(source, known, counts, window, out, value)
    else:
        _REDUCE[method](source, known, window, out)
    np.copyto(out, out.dtype.type(value), where=counts < least)


def count_known(known: Block, window: Window) -> Block:
    """Return how many voxels of each window are data."""
    wide = np.dtype(np.uint8 if math.prod(window) < 1 << 8 else np.uint32)
    return fold(np.add, known.view(np.uint8), window, wide)


def _mean_of_floats(
    source: Block, known: Block, counts: Block, window: Window, out: Block, value: Number
) -> None:
    means = known_sums(source, known, window)
    means /= counts
    means[np.isnan(means)] = np.nan  # there is one NaN
    np.copyto(out, means, casting="same_kind")
    met = out == value
    if met.any():
        stored = out.dtype.type(value)
        above = np.nextafter(stored, out.dtype.type(np.inf))
        below = np.nextafter(stored, out.dtype.type(-np.inf))
        np.copyto(out, np.where(means >= value, above, below), where=met)


def _mean_of_integers(
    source: Block, known: Block, counts: Block, window: Window, out: Block, value: Number
) -> None:
    # 0 adds nothing as it is.
    source = source if value == 0 else np.where(known, source, source.dtype.type(0))
    means, sums = _means_of_integers(source, counts, window)
    met = (means == value) & (counts > 0)
    np.copyto(out, means, casting="unsafe")
    if met.any():
        # As Python's integers, which have no end; few images come here.
        is_above = sums[met].astype(object) >= counts[met].astype(object) * int(value)
        out[met] = [int(value) + 1 if above else int(value) - 1 for above in is_above]


def _means_of_integers(source: Block, counts: Block, window: Window) -> tuple[Block, Block]:
    """Return sums of integers divided by counts, rounded half to even, and the sums.

    Quotients of small sums are those of floats: twice a sum is an integer to the float then, and
    the quotient is nearer to its float than to any half but itself.
    """
    n_voxels, bound = math.prod(window), magnitude(source)
    wide: Any = sum_dtype(source.dtype, n_voxels, bound) or np.dtype(object)  # has no end
    sums = fold(np.add, source.astype(wide, copy=False), window, wide)
    divisors = np.maximum(counts, 1)
    if n_voxels * bound < 1 << 52:
        quotient = np.float32 if n_voxels * bound < 1 << 23 else np.float64
        means = np.divide(sums, divisors, dtype=quotient, casting="same_kind")
        return np.rint(means, out=means), sums
    divisors = divisors.astype(wide)
    means = sums // divisors
    rest = sums - means * divisors
    left = divisors - rest
    means += ((rest > left) | ((rest == left) & (means % 2 == 1))).astype(wide)
    return means, sums


def _least_known(source: Block, known: Block, window: Window, out: Block) -> None:
    numpy_windows.reduce_min(_without(source, known, largest=True), window, out)


def _largest_known(source: Block, known: Block, window: Window, out: Block) -> None:
    numpy_windows.reduce_max(_without(source, known, largest=False), window, out)


def _without(source: Block, known: Block, *, largest: bool) -> Block:
    """Return a block in which what is no data is never chosen: it is NaN, or an end of the type."""
    if source.dtype.kind == "f":
        return np.where(known, source, source.dtype.type(np.nan))
    limits = np.iinfo(source.dtype)
    return np.where(known, source, source.dtype.type(limits.max if largest else limits.min))


def _nanmean_known(source: Block, known: Block, window: Window, out: Block) -> None:
    numpy_windows.reduce_nanmean(np.where(known, source, source.dtype.type(np.nan)), window, out)


_REDUCE: dict[str, Callable[[Block, Block, Window, Block], None]] = {
    "nanmean": _nanmean_known,
    "min": _least_known,
    "max": _largest_known,
    "median": numpy_windows.reduce_known_median,
}
"""What fills `out` from the data of windows; those without any come out as anything."""
