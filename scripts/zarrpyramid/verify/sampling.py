"""Which blocks of a level are looked at: all, or corners, edges and random ones.

This is integer arithmetic; it never lists a whole grid.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from zarrpyramid import geometry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from zarrpyramid.geometry import Index, Shape

Result = TypeVar("Result")

SAMPLE = 20
"""Random blocks of each level, beside its corners and edges."""

MOST_EDGES = 64
"""Blocks at high edges that are taken of one level at most, beside the corners."""


@dataclass(kw_only=True)
class Scope:
    """How much of each level is looked at, and by how many processes or threads.

    Attributes
    ----------
    sample, full
        Random blocks of each level, beside those at its corners and edges; or all blocks.
    seed
        Seed of the random choice; the same seed looks at the same blocks.
    also
        Objects to look at beside the sample, by the path of their level.
    on_share
        Called with the share of a level's blocks that was looked at since the last call.
    draw
        The random choice, which goes on from level to level.
    """

    sample: int = SAMPLE
    full: bool = False
    seed: int = 0
    n_workers: int = 1
    also: Mapping[str, set[Index]] = field(default_factory=dict)
    on_share: Callable[[float], None] = lambda share: None
    draw: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)

    def told(self, results: Iterable[Result], n_all: int) -> Iterator[Result]:
        """Yield results of a level's blocks, of `n_all`, and tell `on_share` of each."""
        for result in results:
            yield result
            self.on_share(1 / n_all)

    @property
    def figure(self) -> str:
        """The scope, for people."""
        if self.full:
            return "all blocks of each level"
        return f"{self.sample} random blocks a level, seed {self.seed}"

    @property
    def options(self) -> str:
        """Options of the command line that look at the same blocks."""
        return "--full" if self.full else f"--sample {self.sample} --seed {self.seed}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """Places in a grid of `n_blocks`, each once, and how they were chosen.

    Edges are the blocks at the high end of an axis, where windows are cut short.
    """

    places: tuple[Index, ...]
    n_blocks: int
    n_random: int
    n_corners: int
    n_edges: int
    n_all_edges: int

    @property
    def figure(self) -> str:
        """The sample, for people."""
        if len(self.places) == self.n_blocks:
            return all_blocks(self.n_blocks)
        return (
            f"{len(self.places)} of {self.n_blocks:,} blocks: {self.n_random} random, "
            f"{self.n_corners} corners, {self.n_edges} of {self.n_all_edges} at high edges"
        )


def all_blocks(n_blocks: int) -> str:
    """Return all blocks of a level, for people.

    >>> all_blocks(1), all_blocks(1331)
    ('the only block', 'all 1,331 blocks')
    """
    return "the only block" if n_blocks == 1 else f"all {n_blocks:,} blocks"


def draw_sample(
    grid: Shape, n_random: int, draw: random.Random, likely: list[Index] | None = None
) -> Sample:
    """Choose blocks of a grid: its corners, some of its edges, and `n_random` of all.

    Places that are `likely` to hold something replace up to half of the random ones.

    >>> import random
    >>> draw_sample((9, 1), 0, random.Random(0)).places
    ((0, 0), (8, 0))
    """
    n_blocks = geometry.count(grid)
    corners = set(itertools.product(*({0, n - 1} for n in grid)))
    # A part for each axis: the blocks at its end that are not at the end of an axis before it.
    parts = {
        axis: tuple(
            1 if other == axis else n - 1 if other < axis and n > 1 else n
            for other, n in enumerate(grid)
        )
        for axis, extent in enumerate(grid)
        if extent > 1
    }
    n_all_edges = sum(map(geometry.count, parts.values()))
    numbers = draw.sample(range(n_all_edges), min(MOST_EDGES, n_all_edges))
    edges = {_edge_block(number, parts, grid) for number in numbers}
    chosen = likely[: n_random // 2] if likely else []
    numbers = draw.sample(range(n_blocks), min(n_random - len(chosen), n_blocks))
    randoms = {*chosen, *geometry.iterate_units(grid, numbers)}
    return Sample(
        places=tuple(sorted(corners | edges | randoms)),
        n_blocks=n_blocks,
        n_random=len(randoms),
        n_corners=len(corners),
        n_edges=len(edges),
        n_all_edges=n_all_edges,
    )


def _edge_block(number: int, parts: dict[int, Shape], grid: Shape) -> Index:
    """Return the block of a number among those of all parts."""
    for axis, part in parts.items():
        if number < geometry.count(part):
            (place,) = geometry.iterate_units(part, [number])
            return (*place[:axis], grid[axis] - 1, *place[axis + 1 :])
        number -= geometry.count(part)
    raise AssertionError(number)
