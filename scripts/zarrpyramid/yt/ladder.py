"""The levels of a pyramid that yt can have as its refinements, checked as integers.

yt refines every cell by one number, along all axes and at every step; its projections need a power
of two. A plane, of one voxel along z, is refined along x and y.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zarrpyramid.errors import GeometryError
from zarrpyramid.geometry import coarse_shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.geometry import Shape


@dataclass(frozen=True, kw_only=True, slots=True)
class Ladder:
    """Levels of a pyramid, the finest first; extents are in the order x, y, z.

    Attributes
    ----------
    levels
        Their numbers in the pyramid.
    shapes
        Extents of each level.
    factor
        Voxels of a level along one axis that make one of the next; 1 where there is one level.
    """

    levels: tuple[int, ...]
    shapes: tuple[Shape, ...]
    factor: int

    @property
    def factors(self) -> Shape:
        """The factor along each axis: 1 along z in a plane."""
        return _factors(self.factor, self.shapes[0])

    def downsampling(self, step: int) -> Shape:
        """Return the finest voxels along each axis of one voxel, `step` levels up."""
        return tuple(factor**step for factor in self.factors)

    @property
    def extents(self) -> Shape:
        """Extents of the coarsest level in voxels of the finest one: the domain of yt."""
        total = self.downsampling(len(self.shapes) - 1)
        return tuple(n * each for n, each in zip(self.shapes[-1], total, strict=True))


def find_ladder(
    where: str, levels: Sequence[int], shapes: Sequence[Shape], sizes: Sequence[Sequence[float]]
) -> Ladder:
    """Return the ladder of the levels of a pyramid.

    Parameters
    ----------
    where
        Name of the pyramid, for messages.
    levels
        Their numbers, the finest first.
    shapes
        Extents of each along x, y and z.
    sizes
        Extents of a voxel of each along x, y and z; only their ratios count.

    Raises
    ------
    GeometryError
        If yt cannot have these levels as its refinements; it says which it can have.
    """
    steps = [
        _step(finer, coarser, fine, coarse)
        for finer, coarser, fine, coarse in zip(shapes, shapes[1:], sizes, sizes[1:], strict=False)
    ]
    wrong = next((n for n, step in enumerate(steps) if _factor(step) is None), None)
    if wrong is None and len({step for step in steps if step}) > 1:
        wrong = next(n for n, step in enumerate(steps) if step != steps[0])
    if wrong is not None:
        raise GeometryError(
            f"{where}: level {levels[wrong + 1]} is level {levels[wrong]} divided by "
            f"{_told(steps[wrong])}; yt has one factor at all steps and along all axes, a power "
            f"of two, and extents rounded up; give levels={_longest(levels, steps)}"
        )
    if _n_axes(shapes[0]) != _n_axes(shapes[-1]):
        fit = [
            n
            for n, shape in zip(levels, shapes, strict=True)
            if _n_axes(shape) == _n_axes(shapes[0])
        ]
        raise GeometryError(
            f"{where}: level {levels[-1]} has the extents {list(shapes[-1])} along x, y, z, which "
            f"yt takes for a plane or a line, unlike level {levels[0]}; give "
            f"levels={fit}"
        )
    factor = (steps and _factor(steps[0])) or 1
    return Ladder(levels=tuple(levels), shapes=tuple(shapes), factor=factor)


def _step(
    finer: Shape, coarser: Shape, fine: Sequence[float], coarse: Sequence[float]
) -> tuple[float, ...]:
    """Return the factor along each axis that is scaled, by voxel sizes; wrong extents as ratios."""
    ratios = [round(b / a, 6) for a, b in zip(fine, coarse, strict=True)]
    found = ratios[:2] if finer[2] == coarser[2] == 1 else ratios
    whole = tuple(max(1, round(ratio)) for ratio in found)
    if any(abs(n - ratio) > 1e-3 for n, ratio in zip(whole, found, strict=True)):
        return tuple(found)
    if coarse_shape(finer[: len(whole)], whole) != coarser[: len(whole)]:
        axes = zip(finer, coarser, strict=True)
        return tuple(round(a / b, 3) for a, b in axes)[: len(whole)]
    return whole


def _n_axes(shape: Shape) -> int:
    """Return how many axes yt sees: it takes one voxel along z for a plane."""
    return 3 if shape[2] > 1 else 1 if shape[1] == 1 else 2


def _factor(step: Sequence[float]) -> int | None:
    """Return the one factor of a step that yt can have, else None."""
    first = step[0]
    if len(set(step)) > 1 or not isinstance(first, int) or first < 2 or first & (first - 1):
        return None
    return first


def _factors(factor: int, finest: Shape) -> Shape:
    return (factor, factor, 1 if finest[2] == 1 else factor)


def _told(step: Sequence[float]) -> str:
    return ", ".join(f"{axis} {n:g}" for axis, n in zip("xyz", step, strict=False))


def _longest(levels: Sequence[int], steps: Sequence[Sequence[float]]) -> list[int]:
    """Return the longest run of levels that yt can have, the finest one where several are."""
    best = [levels[0]]
    for start in range(len(steps)):
        run = [levels[start]]
        for step, level in zip(steps[start:], levels[start + 1 :], strict=True):
            if _factor(step) is None or step != steps[start]:
                break
            run.append(level)
        best = max(best, run, key=len)
    return best
