"""Shapes, regions and ladders of levels: integers alone, no voxel, no file, no float.

Coordinates are those of the array that a name says: a region of a coarser level is mapped to the
finer one by its factors, and windows start at origin 0 of the finer level.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from itertools import islice, product
from operator import floordiv, mod
from typing import TYPE_CHECKING, TypeVar

from .errors import GeometryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    Item = TypeVar("Item")

Shape = tuple[int, ...]
"""Extents along the axes of an array, in voxels."""

Index = tuple[int, ...]
"""Position in a grid of chunks or of stored objects."""

_MANY = 1 << 22

Region = tuple[slice, ...]
"""A box of an array: one slice with start and stop an axis."""


def coarse_shape(shape: Shape, factors: Shape) -> Shape:
    """Return the shape of a level: every extent divided by its factor, rounded up.

    >>> coarse_shape((197, 233, 189), (2, 2, 2))
    (99, 117, 95)
    """
    return tuple(-(-extent // factor) for extent, factor in zip(shape, factors, strict=True))


def multiply(left: Shape, right: Shape) -> Shape:
    """Return the product axis by axis."""
    return tuple(a * b for a, b in zip(left, right, strict=True))


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
        shape = coarse_shape(shape, step)
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
        shape = coarse_shape(shape, step)
    return ladder


def _equal_levels(level: int, shape: Shape, factors: Shape, way_out: str) -> GeometryError:
    cause = "all its factors are 1" if max(factors) == 1 else "nothing is left to scale"
    return GeometryError(
        f"level {level} would equal level {level - 1}, whose shape is {shape}: {cause}; "
        f"ask for {way_out}"
    )


def shrunk_shards(shards: Shape, chunks: Shape, shape: Shape) -> Shape:
    """Return shards cut down to the whole chunks that cover a small array.

    >>> shrunk_shards((256, 256), (64, 64), (130, 1000))
    (192, 256)
    """
    covering = multiply(coarse_shape(shape, chunks), chunks)
    return tuple(map(min, shards, covering))


def grid_shape(shape: Shape, unit: Shape) -> Shape:
    """Return how many units (chunks or stored objects) cover an array along each axis."""
    return coarse_shape(shape, unit)


def unit_region(index: Index, unit: Shape, shape: Shape) -> Region:
    """Return the part of an array that a unit holds; the last unit of an axis may be cut short.

    >>> unit_region((1, 0), (64, 64), (100, 100))
    (slice(64, 100, None), slice(0, 64, None))
    """
    return tuple(
        slice(i * edge, min((i + 1) * edge, extent))
        for i, edge, extent in zip(index, unit, shape, strict=True)
    )


def cell_of(extents: Shape, index: Index, unit: Shape) -> Index:
    """Return the place in a grid of units at which a cell of another grid begins.

    >>> cell_of((8, 8), (3, 0), (16, 8))
    (1, 0)
    """
    return tuple(n * i // m for n, i, m in zip(extents, index, unit, strict=True))


def split_index(index: Index, cells: Shape) -> tuple[Index, Index]:
    """Return the place of the box of cells that holds a cell, and the cell's place in the box.

    >>> split_index((5, 2), (4, 4))
    ((1, 0), (1, 2))
    """
    return tuple(map(floordiv, index, cells)), tuple(map(mod, index, cells))


def finer_region(region: Region, factors: Shape, shape: Shape) -> Region:
    """Return the voxels of the finer level, of extents `shape`, whose means fill `region`."""
    return tuple(
        slice(axis.start * factor, min(axis.stop * factor, extent))
        for axis, factor, extent in zip(region, factors, shape, strict=True)
    )


def covering_units(region: Region, unit: Shape) -> Iterator[Index]:
    """Yield, in C order, every unit that shares a voxel with a region, each once."""
    return product(
        *(
            range(axis.start // edge, -(-axis.stop // edge))
            for axis, edge in zip(region, unit, strict=True)
        )
    )


def split_region(region: Region, unit: Shape) -> Iterator[Region]:
    """Yield, in C order, the parts of a region that units cut it into, counted from its origin."""
    corner = tuple(axis.start for axis in region)
    extents = region_shape(region)
    for index in product(*map(range, coarse_shape(extents, unit))):
        part = unit_region(index, unit, extents)
        yield tuple(
            slice(base + axis.start, base + axis.stop)
            for base, axis in zip(corner, part, strict=True)
        )


def region_shape(region: Region) -> Shape:
    """Return the extents of a region."""
    return tuple(axis.stop - axis.start for axis in region)


def relative_region(region: Region, origin: Region) -> Region:
    """Return a region in the coordinates of a block that was cut out at `origin`."""
    return tuple(
        slice(axis.start - base.start, axis.stop - base.start)
        for axis, base in zip(region, origin, strict=True)
    )


def intersection(left: Region, right: Region) -> Region:
    """Return the voxels that two overlapping regions share."""
    return tuple(
        slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(left, right, strict=True)
    )


@functools.lru_cache(maxsize=64)
def task_grid_unit(
    target_unit: Shape, source_chunks: Shape, factors: Shape, shape: Shape, most: int
) -> Shape:
    """Return the target extents of one task: whole objects that span whole source chunks.

    A task takes the fewest objects along each axis whose source spans at least one source chunk, so
    that a source chunk larger than a task's need is not decoded once for every object in it. Where
    tasks end within a source chunk, both sides decode it: then more objects are taken, along the
    axis that suffers most, until no chunk is cut or a task would have more than `most` voxels.

    Parameters
    ----------
    shape
        Of the level.

    >>> task_grid_unit((64, 64), (64, 256), (2, 2), (999, 999), 0)
    (64, 128)
    >>> task_grid_unit((96, 50), (64, 64), (2, 2), (999, 999), 10**5)
    (96, 800)
    """
    growths = [
        _growth(*axis) for axis in zip(target_unit, source_chunks, factors, shape, strict=True)
    ]
    steps = [0] * len(growths)
    while True:
        extents = tuple(growth[step][0] for growth, step in zip(growths, steps, strict=True))
        open_axes = [
            axis
            for axis, (growth, step) in enumerate(zip(growths, steps, strict=True))
            if step + 1 < len(growth)
            and math.prod(extents) // extents[axis] * growth[step + 1][0] <= most
        ]
        if not open_axes:
            return extents
        worst = max(open_axes, key=lambda axis: growths[axis][steps[axis]][1])
        steps[worst] += 1


def _growth(unit: int, source: int, factor: int, extent: int) -> list[tuple[int, float]]:
    """Return ever larger multiples of a unit along one axis, and how often each decodes a chunk.

    Of a level of endless extent: a chunk once, and once more for each end of a task that cuts it.
    """
    least = max(1, -(-source // (unit * factor)))
    period = math.lcm(unit * factor, source) // (unit * factor)
    found: list[tuple[int, float]] = []
    for multiple in range(least, max(least, period) + 1):
        span = multiple * unit * factor
        whole = multiple * unit >= extent
        decodes = 1.0 if whole else 1 + source / span - source / math.lcm(span, source)
        if not found or decodes < found[-1][1]:
            found.append((multiple * unit, decodes))
        if decodes == 1.0:
            break
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """How one source chunk goes into a block of the level; see `block_layout`.

    Attributes
    ----------
    index
        The chunk, counted from the layout's first one.
    shape
        Extents of the chunk, clipped at the array's edge.
    taken
        What the block takes of it, in the chunk's coordinates.
    in_span
        Where that stands in the span that the block is made from.
    in_block
        Where the means of it stand in the block, if the chunk holds whole windows.
    is_whole
        Whether the block takes all of the chunk.
    is_owned
        Whether the chunk's first voxel lies in the span, which is so for one block alone.
    """

    index: Index
    shape: Shape
    taken: Region
    in_span: Region
    in_block: Region
    is_whole: bool
    is_owned: bool


def block_layout(
    span: Region, chunks: Shape, factors: Shape, shape: Shape
) -> tuple[Index, list[Piece]]:
    """Return the first chunk that a span of an array touches, and how all of them go into a block.

    Blocks that differ in their place alone share one list, made once: it costs as much as reducing
    a chunk, and a level has millions of blocks but only a few lists.

    Parameters
    ----------
    span
        What the block is made from, in the coordinates of the finer level; starts at a multiple of
        `factors`.
    chunks, shape
        Of the finer level.
    """
    first = tuple(axis.start // edge for axis, edge in zip(span, chunks, strict=True))
    origin = multiply(first, chunks)
    bounds, clipped = [], []
    for axis, base, edge, extent in zip(span, origin, chunks, shape, strict=True):
        stop = axis.stop - base
        bounds.append((axis.start - base, stop))
        clipped.append(min(extent - base, -(-stop // edge) * edge))
    return first, _pieces(tuple(bounds), chunks, factors, tuple(clipped))


@functools.lru_cache(maxsize=256)
def _pieces(
    bounds: tuple[tuple[int, int], ...], chunks: Shape, factors: Shape, shape: Shape
) -> list[Piece]:
    span = tuple(slice(*pair) for pair in bounds)
    pieces = []
    for index in covering_units(span, chunks):
        here = unit_region(index, chunks, shape)
        shared = intersection(here, span)
        in_span = relative_region(shared, span)
        in_block = tuple(
            slice(axis.start // factor, -(-axis.stop // factor))
            for axis, factor in zip(in_span, factors, strict=True)
        )
        pieces.append(
            Piece(
                index=index,
                shape=region_shape(here),
                taken=relative_region(shared, here),
                in_span=in_span,
                in_block=in_block,
                is_whole=shared == here,
                is_owned=all(a.start <= b.start for a, b in zip(span, here, strict=True)),
            )
        )
    return pieces


def iterate_units(grid: Shape, numbers: Iterable[int] | None = None) -> Iterator[Index]:
    """Yield every index of a grid once, in C order, or those of some numbers in that order.

    >>> list(iterate_units((2, 3), range(2, 4)))
    [(0, 2), (1, 0)]
    """
    if numbers is None:
        if count(grid) < _MANY:
            return product(*map(range, grid))
        numbers = range(count(grid))  # `product` would hold every number of an axis
    return (_index(number, grid) for number in numbers)


def _index(number: int, grid: Shape) -> Index:
    """Return the index that has a number in the grid's C order."""
    index = []
    for extent in reversed(grid):
        number, step = divmod(number, extent)
        index.append(step)
    return tuple(reversed(index))


def unit_number(index: Index, grid: Shape) -> int:
    """Return the number that an index has in a grid's C order.

    >>> unit_number((1, 0), (2, 3))
    3
    """
    number = 0
    for i, extent in zip(index, grid, strict=True):
        number = number * extent + i
    return number


def n_covering(region: Region, unit: Shape) -> int:
    """Return how many units share a voxel with a region."""
    return math.prod(
        -(-axis.stop // edge) - axis.start // edge for axis, edge in zip(region, unit, strict=True)
    )


def begun_units(region: Region, unit: Shape, shape: Shape) -> tuple[int, int]:
    """Return how many units of an array begin in a region, and the voxels in all of them.

    >>> begun_units((slice(2, 8),), (4,), (11,))
    (1, 4)
    """
    n_units = n_voxels = 1
    for axis, edge, extent in zip(region, unit, shape, strict=True):
        first, last = -(-axis.start // edge), -(-axis.stop // edge)
        n_units *= last - first
        n_voxels *= min(last * edge, extent) - min(first * edge, extent)
    return n_units, n_voxels


def voxels_before(number: int, unit: Shape, shape: Shape) -> int:
    """Return the voxels of the first units of an array, in C order, up to the one of a number.

    >>> voxels_before(3, (2, 2), (3, 3))  # units of 4, 2, 2 and 1 voxels
    8
    """
    grid = grid_shape(shape, unit)
    n_voxels, outer = 0, 1
    for axis, (edge, extent) in enumerate(zip(unit, shape, strict=True)):
        step, number = divmod(number, count(grid[axis + 1 :]))
        start = min(step * edge, extent)
        n_voxels += outer * start * count(shape[axis + 1 :])
        outer *= min(edge, extent - start)
    return n_voxels


def batches(indices: Iterator[Item], size: int) -> Iterator[list[Item]]:
    """Yield an iterator's items in lists of `size`, the last one shorter."""
    while batch := list(islice(indices, size)):
        yield batch


def count(shape: Shape) -> int:
    """Return the number of voxels, or of units of a grid."""
    return math.prod(shape)
