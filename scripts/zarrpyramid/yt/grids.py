"""The boxes of all levels that yt takes as grids, the coarsest first, as integers.

    level 1   |  0  1  2  3  |  4  5  6  |       7 voxels, chunks of 4
    level 0   | 01 23 | 45 67 | 89 AB | C.|      13 voxels, chunks of 4, one beyond the image

yt demands more of grids than zarr of chunks. A grid covers whole voxels of the coarser level: at an
odd edge it reaches beyond the image. It lies inside one grid of the coarser level: chunks that
cross the edge of a coarser chunk are cut there. So chunks of even lengths that are the same in all
levels are one grid each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise, product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zarrpyramid.geometry import Region, Shape

    from .ladder import Ladder


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """A box of a level, in voxels of that level, in the order x, y, z.

    Attributes
    ----------
    step
        Place of the level in the ladder; 0 is the finest.
    region
        May end beyond the level's shape.
    """

    step: int
    region: Region


def list_grids(ladder: Ladder, chunks: Sequence[Shape]) -> Iterator[Grid]:
    """Yield the grids of all levels, the coarsest first, each in C order of x, y, z.

    Parameters
    ----------
    chunks
        Of each level, the finest first.
    """
    inner: list[list[int]] = []
    for step in reversed(range(len(ladder.shapes))):
        inner = [
            _cuts(shape, chunk, factor, coarser)
            for shape, chunk, factor, coarser in zip(
                ladder.shapes[step],
                chunks[step],
                ladder.factors,
                inner or [[]] * len(ladder.factors),
                strict=True,
            )
        ]
        sides = [[slice(a, b) for a, b in pairwise(cuts)] for cuts in inner]
        for region in product(*sides):
            yield Grid(step=step, region=region)


def _cuts(extent: int, chunk: int, factor: int, coarser: list[int]) -> list[int]:
    """Return where grids of a level meet along one axis, its ends included.

    `coarser` has those of the next level; there is none above the coarsest.
    """
    if not coarser:
        return sorted({*range(0, extent, chunk), extent})
    end = -(-extent // factor) * factor  # what the next level holds of the image
    unit = math.lcm(chunk, factor)
    return sorted({*range(0, end, unit), *(min(cut * factor, end) for cut in coarser)})
