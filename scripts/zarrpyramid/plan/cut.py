"""How a level is cut: into tasks of whole objects, and tasks into parts, each a job of its own.

A cut is extents and ranges; `downsample` runs the tasks and the parts.
"""

from __future__ import annotations

import functools
import math
from bisect import bisect_left
from dataclasses import dataclass
from operator import mod
from typing import TYPE_CHECKING, Protocol

from zarrpyramid import geometry
from zarrpyramid.reduce import METHODS

if TYPE_CHECKING:
    from zarrpyramid.geometry import Shape

BLOCK_BYTES = 1 << 25
"""Bytes to which a block grows where chunks of the two levels lie across each other.

A larger block decodes fewer chunks of the source twice. A task of one object may be larger.
"""

WAITING_BYTES = 1 << 29
"""Most bytes that all threads together hold where most of them wait for a network."""

SLAB_VOXELS = 1 << 19
"""Voxels that kernels take at once in wider types."""

FEW = 8
"""A level of at most this many tasks runs in threads, without dask and numba."""

PART_VOXELS = 1 << 33
"""A level that reads at most this many voxels is one job, unless the configuration says otherwise.

They take two cores some minutes; a job of a cluster waits half a minute before it starts.
"""

MOST_PARTS = 2048
"""Most parts of level 1, unless the configuration says otherwise.

The parts of all levels have the size of those of level 1: an image of 2**50 voxels has 2,341 parts.
Three levels of 2,048 parts each would have 6,144.
"""


class Array(Protocol):
    """What is cut: an array that is there, or one that is planned."""

    @property
    def shape(self) -> Shape:
        """Extents in voxels."""

    @property
    def chunks(self) -> Shape:
        """Extents of a chunk, which is decoded at once."""

    @property
    def shards(self) -> Shape | None:
        """Extents of a stored object of many chunks."""

    @property
    def write_shape(self) -> Shape:
        """Extents of a stored object."""

    @property
    def item_size(self) -> int:
        """Bytes of a voxel."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """A level's tasks and parts, the same in every job whatever its threads.

    Attributes
    ----------
    block_bytes
        As in `task_extents`.
    grid
        Tasks along each axis.
    bounds
        The first task of each part, in C order of the grid, and then the number of tasks.
    """

    block_bytes: int
    grid: Shape
    bounds: tuple[int, ...]

    @property
    def n_parts(self) -> int:
        """Number of parts; no part is empty."""
        return len(self.bounds) - 1

    def tasks(self, part: int) -> range:
        """Return the tasks of a part, which is counted from 1."""
        return range(self.bounds[part - 1], self.bounds[part])


def is_aligned(source: Array, factors: Shape) -> bool:
    """Tell whether chunks of the source hold whole windows."""
    return all(
        factor == 1 or chunk % factor == 0 or chunk >= extent
        for factor, chunk, extent in zip(factors, source.chunks, source.shape, strict=True)
    )


def task_extents(
    source: Array, target: Array, factors: Shape, block_bytes: int
) -> tuple[Shape, Shape]:
    """Return the extents, in the level, of one step and of one task.

    A step is reduced at once. A task makes whole stored objects.

    Parameters
    ----------
    block_bytes
        Bytes to which a block grows where chunks lie across each other.
    """
    # Where windows lie across chunks, their voxels are put together before they are reduced.
    in_memory = target.item_size * (1 if is_aligned(source, factors) else math.prod(factors))
    # A task holds its objects encoded until the last of their chunks is.
    of_task = block_bytes * (1 if target.shards is None else 8)
    step, unit = (
        geometry.task_grid_unit(extents, source.chunks, factors, target.shape, n_bytes // in_memory)
        for extents, n_bytes in ((target.chunks, block_bytes), (target.write_shape, of_task))
    )
    return step, unit


def shared_block_bytes(target: Array, n_sharing: int) -> int:
    """Return the `block_bytes` that make four tasks of a level for each of `n_sharing` workers."""
    # Tasks for every worker save more time than decoding each chunk only once.
    share = geometry.count(target.shape) * target.item_size // (4 * n_sharing)
    return min(BLOCK_BYTES, share)


def task_bytes(
    source: Array,
    target: Array,
    factors: Shape,
    block_bytes: int,
    share: float = 1.0,
    ahead: int = 1,
) -> tuple[int, int]:
    """Return the bytes that a thread needs for one step, and the bytes that a task holds.

    A task holds its objects, encoded, until it writes them.

    Parameters
    ----------
    share
        Stored bytes for each byte of voxels.
    ahead
        Chunks of the source that are asked for at once.
    """
    step, unit = task_extents(source, target, factors, block_bytes)
    source_chunk = geometry.count(source.chunks) * source.item_size
    target_chunk = geometry.count(target.chunks) * target.item_size
    block = geometry.count(tuple(map(min, step, target.shape))) * target.item_size
    n_read = geometry.count(geometry.grid_shape(geometry.multiply(step, factors), source.chunks))
    slab = min(geometry.count(source.chunks), SLAB_VOXELS)
    # Stored bytes and voxels; what is made of them, and its stored bytes; wider sums.
    of_step = (
        math.ceil((1 + min(ahead, n_read) * share) * source_chunk + block + share * target_chunk)
        + 8 * slab
    )
    if step != target.chunks or any(map(mod, target.shape, target.chunks)):
        of_step += target_chunk  # a chunk is put together before it is encoded
    if not is_aligned(source, factors):
        of_step += block // target.item_size * math.prod(factors) * source.item_size
    # A shard is held as its chunks, and once more as it is put together.
    held = geometry.count(tuple(map(min, unit, target.shape))) * target.item_size
    return of_step, math.ceil(held * share * (1 if target.shards is None else 2))


def shared_bytes(
    source: Array,
    target: Array,
    factors: Shape,
    block_bytes: int,
    share: float = 1.0,
    ahead: int = 1,
    *,
    n_also: int,
) -> tuple[int, int]:
    """Return what `task_bytes` does, where levels of `n_also` companions are made of each step too.

    The chunks of the source are then held until all levels are made of them.
    """
    of_step, held = task_bytes(source, target, factors, block_bytes, share, ahead)
    step, _ = task_extents(source, target, factors, block_bytes)
    span = geometry.multiply(tuple(map(min, step, target.shape)), factors)
    chunks = geometry.multiply(geometry.grid_shape(span, source.chunks), source.chunks)
    read = math.ceil((1 + share) * geometry.count(chunks)) * source.item_size
    return of_step + read * (n_also > 0), held * (1 + n_also)


def spread_threads(
    n_workers: int, n_tasks: int, at_once: int, bytes_each: tuple[int, int], ahead: int = 1
) -> tuple[int, int]:
    """Return how many tasks run at once, and on how many threads each.

    Parameters
    ----------
    at_once
        Requests that a store takes at once, one for each thread; 1 where no thread waits.
    bytes_each
        As `task_bytes` returns them; threads that wait hold at most `WAITING_BYTES` together.
    ahead
        Requests of one thread at once. Where it has several, a quarter of the threads is enough.

    >>> spread_threads(2, 1000, 1, (10**6, 10**6)), spread_threads(2, 1000, 32, (10**6, 10**6))
    ((2, 1), (32, 1))
    >>> spread_threads(2, 1000, 32, (10**6, 10**8)), spread_threads(8, 2, 1, (0, 0))
    ((5, 6), (2, 4))
    """
    of_step, of_task = bytes_each
    at_once //= min(4, ahead)
    fitting = WAITING_BYTES // max(1, of_step + of_task)
    n_tasks_at_once = max(1, min(n_tasks, max(n_workers, min(at_once, fitting))))
    left = WAITING_BYTES - n_tasks_at_once * of_task
    n_threads = min(at_once, left // max(1, of_step)) // n_tasks_at_once
    return n_tasks_at_once, max(1, n_workers // n_tasks_at_once, n_threads)


def compiled_pays(method: str, n_voxels: int, n_tasks: int) -> bool:
    """Tell whether numba saves time in a run of `n_tasks` tasks that read `n_voxels` voxels."""
    least = METHODS[method].numba_from
    return least is not None and n_tasks > FEW and n_voxels >= least


def wanted_parts(n_voxels: int, n_base: int, part_size: int | None) -> int:
    """Return how many parts to cut a level into that reads `n_voxels` voxels.

    Parameters
    ----------
    n_base
        Voxels of level 0.
    part_size
        Most voxels that a part reads; None takes the larger of `PART_VOXELS` and level 0's share.

    >>> wanted_parts(2**50, 2**50, None), wanted_parts(2**47, 2**50, None)
    (2048, 256)
    """
    return max(1, -(-n_voxels // (part_size or max(PART_VOXELS, -(-n_base // MOST_PARTS)))))


@functools.lru_cache(maxsize=256)
def cut_level(source: Array, target: Array, factors: Shape, n_wanted: int) -> Cut:
    """Cut a level into parts of nearly equal bytes, whose tasks follow one another in memory.

    There are `n_wanted` parts, or one for each task where there are fewer tasks.
    """
    block_bytes = shared_block_bytes(target, n_wanted)
    _, unit = task_extents(source, target, factors, block_bytes)
    grid = geometry.grid_shape(target.shape, unit)
    bounds = even_bounds(target.shape, unit, min(n_wanted, geometry.count(grid)))
    return Cut(block_bytes=block_bytes, grid=grid, bounds=bounds)


def even_bounds(shape: Shape, unit: Shape, n_parts: int) -> tuple[int, ...]:
    """Return where to cut the units of an array, in C order, into parts of nearly equal voxels.

    Every part gets at least one unit: there must be at least `n_parts` units.

    >>> even_bounds((100, 10), (10, 10), 3)
    (0, 3, 7, 10)
    """
    n_units = geometry.count(geometry.grid_shape(shape, unit))
    total = geometry.count(shape)

    def times_parts(number: int) -> int:
        return n_parts * geometry.voxels_before(number, unit, shape)

    bounds = [0]
    for part in range(1, n_parts):
        # The cut whose voxels before it come nearest to this part's share of all.
        nearest = bisect_left(range(n_units + 1), part * total, key=times_parts)
        if part * total - times_parts(nearest - 1) <= times_parts(nearest) - part * total:
            nearest -= 1
        bounds.append(min(max(nearest, bounds[-1] + 1), n_units - n_parts + part))
    return (*bounds, n_units)
