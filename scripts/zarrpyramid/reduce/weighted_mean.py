"""The mean of every window of a block, weighed by the voxels of another block of the same shape."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .known_windows import count_known, find_known
from .no_data import ALL_DATA
from .numpy_windows import planes
from .pieces import check_out, slabs, uniform_pieces
from .windows import reduce_windows

if TYPE_CHECKING:
    from .no_data import NoData
    from .pieces import Block

    Number = int | float
    Window = tuple[int, ...]

LARGEST_WEIGHT = 2.0**900
"""The largest weight of integers: no sum of such weights times 32-bit integers overflows."""


def reduce_weighted(
    source: Block, weights: Block, factors: Window, out: Block, *, no_data: NoData = ALL_DATA
) -> float:
    """Fill `out` with the weighted means of the windows of `source`: sum(w x) / sum(w).

    1. Voxels and weights are taken as float64. Products w x and weights w are each added in C order
       from the first voxel on; one sum is divided by the other. What comes out is rounded to the
       dtype once, for integers and bool half to even. Complex voxels are weighed part by part.
    2. NaN of a voxel or of a weight propagates, whatever the other is, and infinity as IEEE 754
       says: 0 times infinity is NaN, and so is a window with an infinite weight.
    3. A window whose weights are all 0 is the plain mean, as `reduce_windows` defines it.
    4. With `no_data` that is given, sums are those of the data alone. A voxel is the value of
       `no_data` where fewer than its share of the window are data, and where the data has no
       weight. Else, where it comes out as that value, it is the next number on the mean's side.

    Parameters
    ----------
    source
        As for `windows.reduce_windows`, but for integers of 64 bits, which no float64 holds.
    weights
        Real numbers >= 0 or NaN, of the shape of `source`; for integers at most `LARGEST_WEIGHT`.
    factors, out, no_data
        As for `windows.reduce_windows`.

    Returns
    -------
    float
        The least sum of weights that is more than 0; infinity where there is none.

    Raises
    ------
    ValueError
        If shapes, factors or dtypes do not belong together.

    Examples
    --------
    >>> out = np.empty(2, np.uint8)
    >>> reduce_weighted(np.array([1, 3, 8, 6], np.uint8), np.array([3, 1, 0, 0]), (2,), out)
    4.0
    >>> out
    array([2, 7], dtype=uint8)
    """
    check_out(source, factors, out)
    if weights.shape != source.shape:
        raise ValueError(f"expected weights of shape {source.shape}, found {weights.shape}")
    if source.dtype.kind == "c":
        parts = ((source.real, out.real), (source.imag, out.imag))
        return min(reduce_weighted(x, weights, factors, made) for x, made in parts)
    if source.dtype == np.bool_:
        source, out = source.view(np.uint8), out.view(np.uint8)
    axis, least = no_data.axis, math.inf
    for channel, value in enumerate(no_data.values or (None,)):
        here = (slice(None),) * (axis or 0) + (slice(channel, channel + 1),) * (axis is not None)
        voxels, heavy, coarse = source[here], weights[here], out[here]
        with np.errstate(all="ignore"):
            for window, region, target in uniform_pieces(voxels.shape, factors):
                n_least = no_data.least(math.prod(window))
                made = coarse[target]
                both = zip(slabs(voxels[region], window, made), slabs(heavy[region], window, made),
                           strict=True)  # fmt: skip
                for (slab, part), (weight, _) in both:
                    found = _reduce(slab, weight, window, part, value, n_least)
                    least = min(least, found)
    return least


def _reduce(
    source: Block, weights: Block, window: Window, out: Block, value: Number | None, least: int
) -> float:
    """Fill `out` from whole windows of one value of no data; return the least sum of weights."""
    known = None if value is None else find_known(source, value)
    means, sums = _sums(source, weights, known, window)
    has_weight = sums != 0  # and so has a window with NaN
    means /= sums
    if out.dtype.kind == "f":
        means[np.isnan(means)] = np.nan  # there is one NaN
        np.copyto(out, means, casting="same_kind")
    else:
        np.copyto(out, np.rint(means), casting="unsafe", where=has_weight)
    if value is None or known is None:
        if not has_weight.all():
            plain = np.empty(out.shape, out.dtype)
            reduce_windows("mean", source, window, plain)
            np.copyto(out, plain, where=~has_weight)
    else:
        _keep_apart(out, means, has_weight, value)
        is_data = has_weight & (count_known(known, window) >= least)
        np.copyto(out, out.dtype.type(value), where=~is_data)
    return float(np.min(sums, where=sums > 0, initial=math.inf))


def _sums(
    source: Block, weights: Block, known: Block | None, window: Window
) -> tuple[Block, Block]:
    """Return the sums of weights times voxels and of weights, of those that are known."""
    # -0.0 added to any number leaves it as it is, -0.0 and 0.0 too.
    masks = [None] * math.prod(window) if known is None else planes(known, window)
    total = above = None
    for voxels, heavy, is_known in zip(
        planes(source, window), planes(weights, window), masks, strict=True
    ):
        weight = heavy.astype(np.float64)
        product = voxels * weight
        if is_known is not None:
            weight, product = (np.where(is_known, term, -0.0) for term in (weight, product))
        above = product if above is None else np.add(above, product, out=above)
        total = weight if total is None else np.add(total, weight, out=total)
    assert above is not None
    assert total is not None
    return above, total


def _keep_apart(out: Block, means: Block, has_weight: Block, value: Number) -> None:
    """Move means that came out as what stands for no data to the next number on their side."""
    met = (out == value) & has_weight
    if not met.any():
        return
    is_above = means[met] >= value
    stored = out.dtype.type(value)
    if out.dtype.kind == "f":
        ends = [np.nextafter(stored, out.dtype.type(end)) for end in (np.inf, -np.inf)]
        out[met] = np.where(is_above, *ends)
    else:
        out[met] = [int(value) + 1 if above else int(value) - 1 for above in is_above]
