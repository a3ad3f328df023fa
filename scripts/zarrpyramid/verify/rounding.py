"""How a level is made again by its record; of one that is rounded once, from level 0 too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry
from zarrpyramid.plan import ONCE

from .comparison import CompareOnceTask, CompareTask, CompareWeightedTask
from .origins import finer_of, left_out_of, recipe_of, rounding_of
from .weighing import found_weights

if TYPE_CHECKING:
    from zarrpyramid.geometry import Shape

    from .pyramid import FoundLevel, Pyramid

_MOST_READ = 1 << 28
"""Voxels of level 0 that are read at most for the sample of a level."""


def comparison_of(pyramid: Pyramid, level: FoundLevel, finer: FoundLevel) -> CompareTask | None:
    """Return the task that makes a level again by its record; None where records do not say how."""
    recipe = recipe_of(level)
    if recipe is None:
        return None
    method, factors = recipe
    arrays = [(each.at, each.array) for each in (finer, level)]
    if weights := found_weights(pyramid, level):
        form = (pyramid.store, arrays, factors, method, left_out_of(level))
        return CompareWeightedTask.by(weights, *form) if method == "mean" else None
    if rounding_of(level.record) != ONCE:
        return CompareTask.of(pyramid.store, arrays, factors, method, left_out_of(level))
    downsampling, base = _downsampling(pyramid, finer), pyramid.levels[0]
    if downsampling is None or method != "mean" or base.metadata is None:
        return None
    once: dict[str, Any] = {"base_path": base.at, "base": base.array, "downsampling": downsampling}
    return CompareOnceTask.of(pyramid.store, arrays, factors, method, **once)


def affordable(task: CompareTask, n_places: int) -> int:
    """Return how many of some places of a task a sample may look at.

    Where levels are rounded once, every place is made again from all of level 0 below it.
    """
    if not isinstance(task, CompareOnceTask) or task.is_first:
        return n_places
    return min(n_places, _MOST_READ // task.voxels_below)


def _downsampling(pyramid: Pyramid, level: FoundLevel) -> Shape | None:
    """Return how many voxels of level 0 make one of a level, by the records from there on."""
    factors: Shape = (1,) * len(level.array.shape)
    while level.path != pyramid.levels[0].path:
        recipe, finer = recipe_of(level), finer_of(pyramid, level)
        if recipe is None or finer is None:
            return None
        factors, level = geometry.multiply(factors, recipe[1]), finer
    return factors
