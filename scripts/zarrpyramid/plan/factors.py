"""The factors of every level, from what the configuration says of them.

It turns the names and voxel sizes of axes into integers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from zarrpyramid.config import check_names
from zarrpyramid.errors import ConfigError, GeometryError
from zarrpyramid.metadata import SPACE

from .decision import Decision
from .ladder import given_ladder, scale_ladder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.config import Factors, ImageConfig
    from zarrpyramid.geometry import Shape
    from zarrpyramid.metadata import Axis

ISOTROPIC = "isotropic"


def plan_ladder(
    image: ImageConfig, shape: Shape, chunks: Shape, axes: Sequence[Axis], *, sized: bool
) -> list[Shape]:
    """Return the factors of each level's step from the level before, finest first.

    Parameters
    ----------
    shape
        Shape of level 0.
    chunks
        Chunks of the new levels.
    sized
        Whether anything says how large voxels are.

    Raises
    ------
    ConfigError
        If the factors do not fit the axes, or voxel sizes that they need are not known.
    GeometryError
        If a level would equal the one before it.
    """
    given: Any = image.scale_factors
    try:
        if given == ISOTROPIC:
            factors = tuple(2 if axis.type == SPACE else 1 for axis in axes)
            waits = _waits(image, axes, sized=sized)
            return scale_ladder(shape, chunks, factors, image.levels, waits)
        if isinstance(given, tuple) and any(isinstance(item, tuple | dict) for item in given):
            return given_ladder(shape, _given_steps(image, given, axes))
        factors = _factors(image, given, axes)
        if given == 1 or (not isinstance(given, int) and max(factors) == 1):
            shown = list(given) if isinstance(given, tuple) else given
            raise ConfigError(
                f"image {image.name}: scale_factors {shown} scales no axis, expected a factor of 2 "
                "or more for one at least; leave it out for 2 along all space axes"
            )
        return scale_ladder(shape, chunks, factors, image.levels)
    except GeometryError as error:
        raise GeometryError(f"image {image.name}: {error}") from error


def decide_factors(image: ImageConfig, ladder: Sequence[Shape]) -> Decision[Any]:
    """Return the factors of the levels, as the configuration gives them."""
    return Decision(key="scale_factors", value=image.scale_factors, given=True)


def decide_levels(image: ImageConfig, ladder: Sequence[Shape]) -> Decision[int]:
    """Return how many levels a ladder makes, and why."""
    is_given = image.levels is not None
    why = "until one chunk is left"
    return Decision(key="levels", value=len(ladder), given=is_given, why="" if is_given else why)


def _given_steps(image: ImageConfig, given: Sequence[Factors], axes: Sequence[Axis]) -> list[Shape]:
    """Return the factors of a list that has one entry for each level."""
    if image.levels is not None and image.levels > len(given):
        raise ConfigError(
            f"image {image.name}: scale_factors has one entry a level, {len(given)} of them, and "
            f"levels is {image.levels}; add entries, or leave levels out"
        )
    steps = [
        _factors(image, entry, axes, f"scale_factors of level {level}")
        for level, entry in enumerate(given, start=1)
    ]
    return steps[: image.levels]


def _factors(
    image: ImageConfig, given: Factors, axes: Sequence[Axis], key: str = "scale_factors"
) -> Shape:
    """Return one factor for each axis."""
    names = [axis.name for axis in axes]
    if isinstance(given, int):
        return tuple(given if axis.type == SPACE else 1 for axis in axes)
    if isinstance(given, dict):
        check_names(image.name, key, given, names)
        return tuple(given.get(name, 1) for name in names)
    if len(given) != len(axes):
        raise ConfigError(
            f"image {image.name}: {key} {list(given)} has {len(given)} entries, level 0 has "
            f"{len(axes)} axes {names}; give one an axis, such as {[2] * len(axes)}, or one a "
            f"level as a list of lists or mappings, such as {[[2] * len(axes)] * 2}"
        )
    return given


def _waits(image: ImageConfig, axes: Sequence[Axis], *, sized: bool) -> Shape:
    """Return how often the smallest voxels are doubled before each axis is as near as it gets.

    Rounded in the logarithm: an axis joins once its voxels are within a factor sqrt(2) of the
    smallest. Where doubling can bring all axes within sqrt(2) of each other, this does.
    """
    space = [axis for axis in axes if axis.type == SPACE]
    if not sized:
        raise ConfigError(
            f"image {image.name}: scale_factors: isotropic needs the size of voxels, and level 0's "
            "group has no multiscales; give voxel_size, such as {z: 40, y: 8, x: 8}"
        )
    units = {axis.name: axis.unit for axis in space}
    if len(set(units.values())) > 1:
        raise ConfigError(
            f"image {image.name}: scale_factors: isotropic compares voxel sizes, whose units "
            f"differ: {units}; give voxel_size and unit in one unit"
        )
    sizes = {axis.name: axis.size for axis in space}
    if not all(0 < size < math.inf for size in sizes.values()):
        raise ConfigError(
            f"image {image.name}: scale_factors: isotropic needs voxel sizes > 0, found {sizes}; "
            "give voxel_size, or mend the scale in the group's multiscales"
        )
    least = min(sizes.values(), default=1.0)
    # A ratio of sqrt(2) itself counts as near, however it was rounded.
    return tuple(
        max(0, math.ceil(math.log2(axis.size) - math.log2(least) - 0.5 - 1e-9))
        if axis in space
        else 0
        for axis in axes
    )
