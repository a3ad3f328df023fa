"""The ladder of levels: the factors of each step from a level to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.errors import GeometryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.geometry import Shape


SMALL = 1 << 18
"""Voxels in space up to which a level is small enough to be the coarsest: 64^3, or 512^2."""


def scale_ladder(
    shape: Shape,
    factors: Shape,
    n_levels: int | None,
    *,
    space: Sequence[int] | None = None,
    waits: Shape | None = None,
) -> list[Shape]:
    """Return the factors of each level's step from the level before, finest first.

    Each step scales every axis by its factor, but for axes of extent 1 and those that still wait.
    With ``n_levels`` None the ladder ends at the first level of at most `SMALL` voxels in space, or
    where nothing is left to scale. With a number there are that many steps: those of None first.

    Parameters
    ----------
    space
        The axes whose extents make the voxels in space; None takes all.
    waits
        Levels that each axis waits before it is scaled; cut short where no other axis is left to
        scale, so that no level is made for the sake of waiting. None waits nowhere.

    >>> scale_ladder((1000, 600, 3), (2, 2, 2), None)
    [(2, 2, 2), (2, 2, 2)]
    >>> scale_ladder((20, 100), (2, 2), 3, waits=(2, 0))
    [(1, 2), (1, 2), (2, 2)]

    Raises
    ------
    GeometryError
        If a level would equal the one before it.
    """
    counted = range(len(shape)) if space is None else space
    left = waits or (0,) * len(shape)
    ladder: list[Shape] = []
    while n_levels is None or len(ladder) < n_levels:
        if n_levels is None and geometry.count(tuple(shape[axis] for axis in counted)) <= SMALL:
            break
        going = [axis for axis, factor in enumerate(factors) if factor > 1 and shape[axis] > 1]
        if not going:
            if n_levels is None:
                break
            made = len(ladder)
            fewer = f"at most {made} levels, for " if made else ""  # a number of them is >= 1
            way_out = f"{fewer}levels: auto, or for other scale_factors"
            raise _equal_levels(made + 1, shape, factors, way_out)
        skipped = min(left[axis] for axis in going)
        step = tuple(
            factor if axis in going and left[axis] <= skipped else 1
            for axis, factor in enumerate(factors)
        )
        left = tuple(max(0, wait - skipped - 1) for wait in left)
        ladder.append(step)
        shape = geometry.coarse_shape(shape, step)
    return ladder


def given_ladder(shape: Shape, steps: Sequence[Shape]) -> list[Shape]:
    """Return given factors of each level's step, with 1 for axes of extent 1.

    >>> given_ladder((100, 2), [(2, 2), (3, 3)])
    [(2, 2), (3, 1)]

    Raises
    ------
    GeometryError
        If a level would equal the one before it.
    """
    ladder: list[Shape] = []
    for level, factors in enumerate(steps, start=1):
        step = tuple(1 if extent == 1 else f for extent, f in zip(shape, factors, strict=True))
        if max(step) == 1:
            raise _equal_levels(level, shape, factors, f"other scale_factors for level {level}")
        ladder.append(step)
        shape = geometry.coarse_shape(shape, step)
    return ladder


def _equal_levels(level: int, shape: Shape, factors: Shape, way_out: str) -> GeometryError:
    cause = "all its factors are 1" if max(factors) == 1 else "nothing is left to scale"
    return GeometryError(
        f"level {level} would equal level {level - 1}, whose shape is {shape}: {cause}; "
        f"ask for {way_out}"
    )
