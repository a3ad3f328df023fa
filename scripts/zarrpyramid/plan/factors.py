"""The factors of every level, from what the configuration says of them.

It turns the names and voxel sizes of axes into integers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry
from zarrpyramid.config import check_names
from zarrpyramid.errors import ConfigError, GeometryError
from zarrpyramid.metadata import SPACE

from .axes import space_axes, times
from .decision import Decision
from .ladder import SMALL, given_ladder, scale_ladder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.config import Factors, ImageConfig
    from zarrpyramid.geometry import Shape
    from zarrpyramid.metadata import Axis

ISOTROPIC = "isotropic"


def decide_factors(
    image: ImageConfig, axes: Sequence[Axis], *, sized: bool
) -> Decision[Factors | tuple[Factors, ...] | str]:
    """Return `scale_factors`: of `auto`, `isotropic` for voxels that are far from cubes, else 2.

    Parameters
    ----------
    sized
        Whether anything says how large voxels are.
    """
    given: Any = image.scale_factors
    if given != "auto":
        return Decision(key="scale_factors", value=given, given=True)
    space = [axis for axis in axes if axis.type == SPACE]
    sizes, units = [axis.size for axis in space], {axis.unit for axis in space}
    shown = " ".join([times(sizes), *(unit for unit in units if unit)])
    value: int | str = 2
    unknown = [axis.name for axis in space if axis.unit is None]
    if not sized:
        why = "nothing says how large voxels are; all space axes alike"
    elif len(units) > 1 and unknown:
        why = f"axis {', '.join(unknown)} has no unit, others have; all space axes alike"
    elif len(units) > 1:
        why = "the units of the space axes differ; all space axes alike"
    elif _is_near(sizes):
        why = f"voxels of {shown} are near cubes, within sqrt(2); all space axes alike"
    else:
        value = ISOTROPIC
        why = f"voxels of {shown} differ by more than sqrt(2); the smallest are scaled first"
    return Decision(key="scale_factors", value=value, why=why)


def _is_near(sizes: Sequence[float]) -> bool:
    """Tell whether voxel sizes are within a factor of sqrt(2), as `_waits` has it."""
    return not sizes or math.log2(max(sizes)) - math.log2(min(sizes)) <= 0.5 + 1e-9


def plan_ladder(
    image: ImageConfig, given: Any, shape: Shape, axes: Sequence[Axis], *, sized: bool
) -> list[Shape]:
    """Return the factors of each level's step from the level before, finest first.

    Parameters
    ----------
    given
        The `scale_factors` that were decided.
    shape
        Shape of level 0.
    sized
        As in `decide_factors`.

    Raises
    ------
    ConfigError
        If the factors do not fit the axes, or voxel sizes that they need are not known.
    GeometryError
        If a level would equal the one before it.
    """
    space = space_axes(axes)
    try:
        if given == ISOTROPIC:
            factors = tuple(2 if axis.type == SPACE else 1 for axis in axes)
            waits = _waits(image, axes, sized=sized)
            return scale_ladder(shape, factors, image.levels, space=space, waits=waits)
        if _has_entries(given):
            return given_ladder(shape, _given_steps(image, given, axes))
        factors = _factors(image, given, axes)
        if given == 1 or (not isinstance(given, int) and max(factors) == 1):
            shown = list(given) if isinstance(given, tuple) else given
            raise ConfigError(
                f"image {image.name}: scale_factors {shown} scales no axis, expected a factor of 2 "
                "or more for one at least; leave it out, and voxel sizes decide"
            )
        return scale_ladder(shape, factors, image.levels, space=space)
    except GeometryError as error:
        raise GeometryError(f"image {image.name}: {error}") from error


def decide_levels(
    image: ImageConfig, shape: Shape, axes: Sequence[Axis], ladder: Sequence[Shape]
) -> Decision[int]:
    """Return how many levels the ladder of an image has, and why it ends there."""
    if image.levels is not None:
        return Decision(key="levels", value=len(ladder), given=True)
    if _has_entries(image.scale_factors):
        why = "scale_factors has one entry for each level"
    else:
        for step in ladder:
            shape = geometry.coarse_shape(shape, step)
        n_voxels = geometry.count(tuple(shape[axis] for axis in space_axes(axes)))
        held = f"level {len(ladder)} holds {n_voxels:,} voxels in space"
        why = f"{held}, at most {SMALL:,} are enough"
        if n_voxels > SMALL:
            why = f"{held}, and nothing is left to scale"
    return Decision(key="levels", value=len(ladder), why=why)


def _has_entries(given: object) -> bool:
    """Tell whether `scale_factors` has one entry for each level."""
    return isinstance(given, tuple) and any(isinstance(item, tuple | dict) for item in given)


def _given_steps(image: ImageConfig, given: Sequence[Factors], axes: Sequence[Axis]) -> list[Shape]:
    """Return the factors of a list that has one entry for each level."""
    if image.levels is not None and image.levels > len(given):
        raise ConfigError(
            f"image {image.name}: scale_factors has one entry per level, {len(given)} of them, and "
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
            f"{len(axes)} axes {names}; give one per axis, such as {[2] * len(axes)}, or one "
            f"per level as a list of lists or mappings, such as {[[2] * len(axes)] * 2}"
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
            "give voxel_size, or fix the scale in the group's multiscales"
        )
    least = min(sizes.values(), default=1.0)
    # A ratio of sqrt(2) itself counts as near, however it was rounded.
    return tuple(
        max(0, math.ceil(math.log2(axis.size) - math.log2(least) - 0.5 - 1e-9))
        if axis in space
        else 0
        for axis in axes
    )
