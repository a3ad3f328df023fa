"""Shapes, regions and grids of units, as integers.

A region of a coarser level is mapped to the finer one by its factors; windows start at origin 0 of
the finer level. A unit is a box of voxels that a grid repeats: a chunk, a stored object, a task.
"""

from __future__ import annotations

import functools
import math
from itertools import islice, product
from operator import floordiv, mod
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Item = TypeVar("Item")

Shape = tuple[int, ...]
"""Extents along the axes of an array, in voxels."""

Index = tuple[int, ...]
"""Position in a grid of chunks or of stored objects."""

Region = tuple[slice, ...]
"""A box of an array: one slice with start and stop for each axis."""

_MANY = 1 << 22
"""Units of a grid from which on its indices are computed one by one: `itertools.product` keeps all
numbers of every axis."""


def coarse_shape(shape: Shape, factors: Shape) -> Shape:
    """Return the shape of a level: every extent divided by its factor, rounded up.

    >>> coarse_shape((197, 233, 189), (2, 2, 2))
    (99, 117, 95)
    """
    return tuple(-(-extent // factor) for extent, factor in zip(shape, factors, strict=True))


def multiply(left: Shape, right: Shape) -> Shape:
    """Return the product axis by axis."""
    return tuple(a * b for a, b in zip(left, right, strict=True))


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
    """Return the unit in which a cell of another grid, of `extents`, begins.

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
    """Yield, in C order, the parts of a region that units cut it into from its origin on."""
    corner = tuple(axis.start for axis in region)
    extents = region_shape(region)
    for index in product(*map(range, coarse_shape(extents, unit))):
        part = unit_region(index, unit, extents)
        yield tuple(
            slice(base + axis.start, base + axis.stop)
            for base, axis in zip(corner, part, strict=True)
        )


def halved(extents: Shape, most: int) -> Shape:
    """Return extents whose longest axis was halved until at most so many voxels are in them.

    >>> halved((40, 64), 1000)
    (20, 32)
    """
    result = list(extents)
    while math.prod(result) > most and max(result) > 1:
        axis = result.index(max(result))
        result[axis] = -(-result[axis] // 2)
    return tuple(result)


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
    """Return the extents of one task in the level: whole objects that span whole source chunks.

    A task takes the fewest objects along each axis whose source spans at least one source chunk:
    fewer would have each task decode a whole chunk for a part of it. Where tasks end within a
    source chunk, both sides decode it: then a task takes more objects along the axis with the most
    repeated decoding, until no chunk is cut or a task would have more than `most` voxels.

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

    A chunk is decoded once, and once more for each end of a task that cuts it.
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


def iterate_units(grid: Shape, numbers: Iterable[int] | None = None) -> Iterator[Index]:
    """Yield the indices of a grid in C order: all of them, or those that have some numbers in it.

    >>> list(iterate_units((2, 3), range(2, 4)))
    [(0, 2), (1, 0)]
    """
    if numbers is None:
        if count(grid) < _MANY:
            return product(*map(range, grid))
        numbers = range(count(grid))
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


def voxels_before(number: int, unit: Shape, shape: Shape) -> int:
    """Return the voxels of the units of an array that come before the one of a number in C order.

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
