"""The boxes of level 0 in which a source file is read: each is read at once, by one task.

A file decodes blocks of its own, such as whole slices, and level 0 has chunks of another form. A
slab is a box of whole stored objects of level 0. The best one has each block decoded once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

from zarrpyramid import geometry

from .cut import Cut, even_bounds

if TYPE_CHECKING:
    from zarrpyramid.geometry import Shape

SLAB_BYTES = 1 << 29
"""Most bytes of a slab, unless one stored object has more. A task holds one slab."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slab:
    """A box that is read at once.

    Attributes
    ----------
    extents
        Of the box, along each axis: whole stored objects.
    decodes
        How often a block of the file is decoded, in the mean over all blocks.
    """

    extents: Shape
    decodes: float


@lru_cache(maxsize=64)
def choose_slab(
    shape: Shape,
    unit: Shape,
    blocks: Shape,
    item_size: int,
    starts: Shape = (),
    most: int = SLAB_BYTES,
) -> Slab:
    """Return the box of whole units that has blocks decoded the fewest times, and the least one.

    Parameters
    ----------
    shape
        Of level 0.
    unit
        Extents of its stored objects.
    blocks
        Extents of what the file decodes at once.
    starts
        Where in its first block level 0 begins; () for the beginning.
    most
        Bytes that a box may have, unless a unit has more.

    >>> choose_slab((2000, 1024, 1024), (64, 64, 64), (1, 1024, 1024), 2)
    Slab(extents=(64, 1024, 1024), decodes=1.0)
    >>> choose_slab((999, 4000, 4000), (64, 64, 64), (1, 4000, 4000), 2)  # slices of 32 MB
    Slab(extents=(64, 1024, 4032), decodes=4.0)
    """
    starts = starts or (0,) * len(shape)
    edges = [_edges(*axis) for axis in zip(shape, unit, blocks, starts, strict=True)]
    found = []
    for choice in product(*edges):
        extents = tuple(edge for edge, _ in choice)
        n_bytes = geometry.count(tuple(map(min, extents, shape))) * item_size
        found.append((math.prod(decodes for _, decodes in choice), n_bytes, extents))
    fitting = [box for box in found if box[1] <= most] or [min(found, key=lambda box: box[1])]
    decodes, _, extents = min(fitting)
    return Slab(extents=extents, decodes=decodes)


def cut_base(shape: Shape, slab: Slab, n_wanted: int) -> Cut:
    """Return the tasks of level 0, one a slab, in at most so many parts."""
    grid = geometry.grid_shape(shape, slab.extents)
    bounds = even_bounds(shape, slab.extents, min(n_wanted, geometry.count(grid)))
    return Cut(block_bytes=0, grid=grid, bounds=bounds)


def _edges(extent: int, unit: int, block: int, start: int = 0) -> list[tuple[int, float]]:
    """Return edges of a box along one axis, and how often each decodes a block, down to once.

    >>> _edges(100, 10, 40)
    [(10, 3.333), (20, 1.667), (30, 2.0), (40, 1.0)]
    >>> _edges(80, 40, 40, start=5)  # each cut is inside a block
    [(40, 1.333), (80, 1.0)]
    """
    whole = -(-extent // unit)
    multiples = {*range(1, 9), math.lcm(unit, block) // unit, whole}
    multiples |= {part << power for power in range(whole.bit_length()) for part in (1, 3)}
    found: list[tuple[int, float]] = []
    for multiple in sorted(multiples):
        edge = multiple * unit
        # A block is decoded once, and once more for each end of a box that cuts it.
        n_cuts = -(-extent // edge) - 1
        n_inside = n_cuts - _n_between_blocks(n_cuts, edge, block, start)
        decodes = 1 + n_inside / -(-(start + extent) // block)
        found.append((edge, round(decodes, 3)))
        if decodes == 1:
            break
    return found


def _n_between_blocks(n_cuts: int, edge: int, block: int, start: int) -> int:
    """Return how many of the first multiples of an edge lie between two blocks.

    >>> _n_between_blocks(4, 10, 20, 0), _n_between_blocks(4, 10, 20, 10)
    (2, 2)
    """
    shared = math.gcd(edge, block)
    if start % shared:
        return 0
    apart = block // shared
    first = -(start // shared) * pow(edge // shared, -1, apart) % apart or apart
    return max(0, n_cuts - first + apart) // apart
