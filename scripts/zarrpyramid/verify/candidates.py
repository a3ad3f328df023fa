"""What may explain a level of another program: the methods of this package, and other roundings.

A candidate makes a block of the level from the finer voxels, by the windows of `reduce`.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from zarrpyramid import geometry
from zarrpyramid.reduce import METHODS, kind_of, reduce_windows

if TYPE_CHECKING:
    from collections.abc import Callable

    from zarrpyramid.arrays import Block
    from zarrpyramid.geometry import Shape

    Candidate = Callable[[Block, Shape], Block]


def candidates(dtype: str, *, is_labels: bool = False) -> dict[str, Candidate]:
    """Return the candidates for levels of a data type, by name.

    Each takes a block of finer voxels and the factors, and returns the block that it makes of them.
    Of labels there are none that may make an id which no voxel has.
    """
    kind = kind_of(dtype)
    if is_labels:
        return {
            name: partial(reduced, name)
            for name, method in METHODS.items()
            if kind in method.kinds and not method.mixes
        }
    is_rounded = kind in ("int", "uint", "bool")
    known: dict[str, Candidate] = {}
    if is_rounded:
        known["mean, half to even"] = partial(reduced, "mean")
        known["mean, half up"] = partial(_rounded_mean, np.floor, 0.5)
        known["mean, truncated"] = partial(_rounded_mean, np.trunc, 0.0)
    for name, method in METHODS.items():
        is_there = is_rounded and method.rounds
        if kind in method.kinds and method.keeps_dtype and not is_there:
            known[name] = partial(reduced, name)
    if kind != "complex":
        known["sum"] = _float_sums
    return known


def reduced(method: str, finer: Block, factors: Shape) -> Block:
    """Return what a method of this package makes of a block."""
    out = np.empty(geometry.coarse_shape(finer.shape, factors), finer.dtype)
    reduce_windows(method, finer, factors, out)
    return out


def float_means(finer: Block, factors: Shape) -> Block:
    """Return the means of a block in float64, exact for integers of up to 32 bits."""
    return reduced("mean", finer.astype(np.float64), factors)


def _float_sums(finer: Block, factors: Shape) -> Block:
    """Return the sums of a block in float64, for a level of whatever data type."""
    return reduced("sum", finer.astype(np.float64), factors)


def _rounded_mean(
    to_whole: Callable[[Block], Block], added: float, finer: Block, factors: Shape
) -> Block:
    """Return means that are rounded in float64, as other programs do."""
    means = to_whole(float_means(finer, factors) + added)
    if finer.dtype == np.bool_:
        return means.astype(np.bool_)
    limits = np.iinfo(finer.dtype)
    # float64 does not hold the largest integer of 64 bits: a mean rounded up to it would wrap.
    with np.errstate(invalid="ignore"):
        rounded = means.astype(finer.dtype)
    return np.where(means >= float(limits.max), limits.max, rounded).astype(finer.dtype)


def difference(made: Block, found: Block, factors: Shape) -> tuple[Block, float]:
    """Return in which voxels two blocks differ, and by how much at most.

    Floats may differ by what adding up a window in their own precision loses.
    """
    precise = [float(np.finfo(each.dtype).eps) for each in (made, found) if each.dtype.kind in "fc"]
    if made.dtype != found.dtype:
        wide = np.complex128 if "c" in (made.dtype.kind, found.dtype.kind) else np.float64
        made, found = made.astype(wide), found.astype(wide)
    wrong = made != found
    if found.dtype.kind in "fc":
        wrong &= ~(np.isnan(made) & np.isnan(found))
        finite = np.isfinite(made) & np.isfinite(found)
        size = float(np.abs(made[finite]).max(initial=0))
        slack = math.prod(factors) * max(precise) * size
        with np.errstate(invalid="ignore"):
            wrong &= ~(np.abs(made - found) <= slack)
    left, right = made[wrong], found[wrong]
    if found.dtype.kind == "b":
        return wrong, float(wrong.any())
    if found.dtype.kind in "iu":
        apart = np.maximum(left, right) - np.minimum(left, right)
        apart = apart.view(f"u{apart.dtype.itemsize}")
    else:
        apart = np.abs(left - right)
        apart = apart[np.isfinite(apart)]
    return wrong, float(apart.max(initial=0))
