"""Which blocks of a grid are looked at: corners, edges, and random ones.

Integers alone; no grid is ever listed whole.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zarrpyramid import geometry

if TYPE_CHECKING:
    import random

    from zarrpyramid.geometry import Index, Shape

MOST_EDGES = 64
"""Edge blocks of one level that are taken at most, beside the corners."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """Places in a grid, each once, and how they were chosen.

    Attributes
    ----------
    n_blocks
        Of the grid.
    n_edges, n_all_edges
        Blocks taken at the high edge of an axis, where windows are cut short, and all there are.
    """

    places: tuple[Index, ...]
    n_blocks: int
    n_random: int
    n_corners: int
    n_edges: int
    n_all_edges: int

    @property
    def figure(self) -> str:
        """What was taken, for people."""
        if len(self.places) == self.n_blocks:
            return f"all {self.n_blocks} blocks"
        return (
            f"{len(self.places)} of {self.n_blocks} blocks: {self.n_random} random, "
            f"{self.n_corners} corners, {self.n_edges} of {self.n_all_edges} at high edges"
        )


def draw_sample(
    grid: Shape, n_random: int, draw: random.Random, likely: list[Index] | None = None
) -> Sample:
    """Choose blocks of a grid.

    Parameters
    ----------
    n_random
        Random blocks, drawn from all.
    likely
        Places of which half of the random ones are taken, such as those known to hold something.

    >>> import random
    >>> draw_sample((9, 1), 0, random.Random(0)).places
    ((0, 0), (8, 0))
    """
    n_blocks = geometry.count(grid)
    corners = set(itertools.product(*({0, n - 1} for n in grid)))
    # The high edges, cut so that each block is in one part: at the end of its axis, before the end
    # of those before it.
    parts = [
        [
            1 if other == axis else n - 1 if other < axis and n > 1 else n
            for other, n in enumerate(grid)
        ]
        for axis in range(len(grid))
        if grid[axis] > 1
    ]
    axes = [axis for axis, n in enumerate(grid) if n > 1]
    sizes = [geometry.count(tuple(part)) for part in parts]
    total = sum(sizes)
    edges: set[Index] = set()
    for number in draw.sample(range(total), min(MOST_EDGES, total)):
        rest = number
        for axis, part, size in zip(axes, parts, sizes, strict=True):
            if rest < size:
                place = list(unravel(rest, tuple(part)))
                place[axis] = grid[axis] - 1
                edges.add(tuple(place))
                break
            rest -= size
    chosen = likely[: n_random // 2] if likely else []
    numbers = draw.sample(range(n_blocks), min(n_random - len(chosen), n_blocks))
    randoms = {*chosen, *(unravel(number, grid) for number in numbers)}
    return Sample(
        places=tuple(sorted(corners | edges | randoms)),
        n_blocks=n_blocks,
        n_random=len(randoms),
        n_corners=len(corners),
        n_edges=len(edges),
        n_all_edges=total,
    )


def unravel(number: int, grid: Shape) -> Index:
    """Return the place of a block by its number in C order.

    >>> unravel(5, (2, 3))
    (1, 2)
    """
    place = []
    for extent in reversed(grid):
        number, i = divmod(number, extent)
        place.append(i)
    return tuple(reversed(place))
