"""The ladder of levels: the factors of each step from a level to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.errors import GeometryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.geometry import Shape


def scale_ladder(
    shape: Shape, chunks: Shape, factors: Shape, n_levels: int | None, waits: Shape | None = None
) -> list[Shape]:
    """Return the factors of each level's step from the level before, finest first.

    With ``n_levels`` None an axis is done once its extent is at most the longest chunk edge among
    the scaled axes; done axes take factor 1 while the others go on, and the ladder ends when all
    are done. With a number there are that many steps, an axis of extent 1 taking factor 1.

    Parameters
    ----------
    waits
        Levels that each axis waits before it is scaled; cut short where no other axis is left to
        scale, so that no level is made for the sake of waiting. None waits nowhere.

    >>> scale_ladder((100, 20), (16, 16), (2, 2), None)
    [(2, 2), (2, 1), (2, 1)]
    >>> scale_ladder((20, 100), (16, 16), (2, 2), None, waits=(2, 0))
    [(1, 2), (1, 2), (2, 2)]

    Raises
    ------
    GeometryError
        If a level would equal the one before it.
    """
    scaled = [axis for axis, factor in enumerate(factors) if factor > 1]
    done_at = max((chunks[axis] for axis in scaled), default=0) if n_levels is None else 1
    left = waits or (0,) * len(shape)
    ladder: list[Shape] = []
    while n_levels is None or len(ladder) < n_levels:
        going = [axis for axis in scaled if shape[axis] > done_at]
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
