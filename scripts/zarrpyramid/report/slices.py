"""Middle slices and histograms of the levels, read from few chunks and never more than a budget.

A level that is too large for what is left of the budget has neither, and says so. Level 0 is read
whole only where it is as small as a coarse level. A level that is read whole has its digest taken.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zarrpyramid import geometry
from zarrpyramid.arrays import chunk_region, native_dtype, open_chunks, read_chunk
from zarrpyramid.downsample import digest_header
from zarrpyramid.errors import AccessError, PyramidError, StoreError
from zarrpyramid.metadata import CHANNEL, SPACE, Tally
from zarrpyramid.plan import Level
from zarrpyramid.reduce import chunk_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zarrpyramid.arrays import Block, Chunks
    from zarrpyramid.geometry import Index, Region
    from zarrpyramid.metadata import Record
    from zarrpyramid.plan import Image
    from zarrpyramid.verify import FoundLevel, Pyramid

    Edges = np.ndarray[Any, np.dtype[np.float64]]
    Counts = np.ndarray[Any, np.dtype[np.int64]]

BUDGET = 192 * 2**20
"""Bytes of voxels that are decoded for one report: 0.4 s of zstd on one thread."""

WHOLE = 256**3
"""Voxels up to which a level is read whole, for its histogram."""

MOST_CHANNELS = 6
"""Channels that are shown."""

N_BINS = 64

_SIDE_BY_SIDE = 16 * 2**20
"""Bytes of voxels that are decoded at once; one chunk may be larger."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slice:
    """A middle slice of a level, of the first time point.

    Attributes
    ----------
    channel
        Its number, or None where there is no channel axis.
    rows, columns
        Numbers of the axes that run down and to the right.
    pixels
        Shape (rows, columns), of the array's data type; magnitudes of complex voxels.
    """

    channel: int | None
    rows: int
    columns: int
    pixels: Block


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """What was read of a level.

    Attributes
    ----------
    slices
        Empty where the budget has no room for them, or the image has fewer than two space axes.
    counts
        Voxels in each bin of the histogram; None where there is none.
    digest
        Of all voxels; "" where not all of them were read.
    fault
        Why the level cannot be read; empty where it can.
    absent
        Why something is missing, as a sentence for people; empty where nothing is.
    """

    level: int
    slices: tuple[Slice, ...] = ()
    counts: Counts | None = None
    digest: str = ""
    fault: str = ""
    absent: str = ""


def read_previews(
    image: Image,
    records: Sequence[Record],
    *,
    histograms: bool = True,
    budget: int = BUDGET,
    n_workers: int = 1,
) -> tuple[list[Preview], Edges]:
    """Read slices and histograms of all levels, the coarsest first.

    Parameters
    ----------
    records
        Of all levels: their extremes are those of the histograms.
    histograms
        Whether histograms are wanted.
    budget
        Bytes of voxels, of whole chunks, that are decoded at most.
    n_workers
        Threads that decode.

    Returns
    -------
    list of Preview
        Level 0 first.
    ndarray
        Edges of the bins that all histograms share; empty where there are none. Values beyond them
        count in the outermost bins.

    Raises
    ------
    AccessError
        If a level may not be read.
    """
    n_levels, left = len(image.plan.levels), budget
    extremes = _recorded_extremes(records) if histograms else []
    if histograms and not (extremes and all(map(math.isfinite, extremes))):
        extremes, cost = _read_extremes(image, n_levels - 1, left)
        left -= cost
    edges = _edges(extremes, image.plan.base.dtype)
    previews = []
    for level in reversed(range(n_levels)):
        try:
            preview, cost = _read_level(image, level, edges, left, n_workers)
        except AccessError:  # nothing is said of what may not be read
            raise
        except PyramidError as error:
            preview, cost = Preview(level=level, fault=str(error)), 0
        left -= cost
        previews.append(preview)
    return previews[::-1], edges


def read_planes(image: Image, level: int) -> list[Block]:
    """Return a middle slice of each channel of a level, of the first pair of its space axes.

    Raises
    ------
    PyramidError
        If the level is absent or damaged.
    """
    preview, _ = _read_level(image, level, np.empty(0), BUDGET, 1, most=0)
    planes: dict[int | None, Block] = {}
    for found in preview.slices:
        planes.setdefault(found.channel, found.pixels)
    return list(planes.values())


def read_first_slices(pyramid: Pyramid, level: FoundLevel, budget: int) -> list[Slice]:
    """Return a middle slice of each channel of a level, of the first pair of its space axes.

    There is none where the image has fewer than two space axes, or the slices lie in chunks of more
    than `budget` bytes.

    Raises
    ------
    PyramidError
        If the level is damaged, or another one than was found.
    """
    metadata = pyramid.unchanged(level)
    types = [axis.type for axis in pyramid.known_axes]
    first: dict[int | None, tuple[tuple[int, int], Region]] = {}
    middle = [extent // 2 for extent in metadata.shape]
    for (channel, *plane), region in _middle_slices(metadata.shape, types, middle):
        first.setdefault(channel, ((plane[0], plane[1]), region))
    regions = [region for _, region in first.values()]
    touched = {
        index: None
        for region in regions
        for index in geometry.covering_units(region, metadata.chunks)
    }
    if len(touched) * geometry.count(metadata.chunks) * metadata.item_size > budget:
        return []
    chunks = open_chunks(pyramid.store, level.at, metadata)
    pixels, _, _ = _read_chunks(chunks, iter(touched), regions, np.empty(0), 1)
    return [
        Slice(channel=channel, rows=rows, columns=columns, pixels=_flat(plane, rows, columns))
        for (channel, ((rows, columns), _)), plane in zip(first.items(), pixels, strict=True)
    ]


def _recorded_extremes(records: Sequence[Record]) -> list[float]:
    """Return the extremes of all levels; none are recorded of complex voxels or a lone level."""
    described = [*records, *(record.get("source", {}) for record in records)]
    found = [record.get(key) for record in described for key in ("min", "max")]
    return [float(value) for value in found if value is not None]


def _read_extremes(image: Image, level: int, budget: int) -> tuple[list[float], int]:
    """Return the finite extremes of a level, none where it is too large, and the bytes read.

    A level that cannot be read has none either.
    """
    try:
        return _finite_extremes(image, level, budget)
    except PyramidError:
        return [], 0


def _finite_extremes(image: Image, level: int, budget: int) -> tuple[list[float], int]:
    metadata = Level(image, level).metadata
    grid = geometry.grid_shape(metadata.shape, metadata.chunks)
    cost = geometry.count(grid) * geometry.count(metadata.chunks) * metadata.item_size
    if cost > budget:
        return [], 0
    chunks = open_chunks(image.store, image.level_path(level), metadata)
    found: list[float] = []
    for index in geometry.iterate_units(grid):
        values = _finite(read_chunk(chunks, index))
        found += [float(values.min()), float(values.max())] if values.size else []
    return found, cost


def _edges(extremes: Sequence[float], dtype: str) -> Edges:
    """Return edges that span some values; none where there is none.

    Bins of integers hold equally many of them, so that no comb shows.
    """
    if not extremes:
        return np.empty(0)
    low, high = min(extremes), max(extremes)
    if dtype.startswith(("float", "complex")):
        return np.linspace(low, high if high > low else low + 1, N_BINS + 1)
    width = math.ceil((high - low + 1) / N_BINS)
    n_bins = math.ceil((high - low + 1) / width)
    return low - 0.5 + width * np.arange(n_bins + 1, dtype=np.float64)


def _read_level(
    image: Image, level: int, edges: Edges, budget: int, n_workers: int, most: int = WHOLE
) -> tuple[Preview, int]:
    """Return what is shown of a level, which is read whole if it has at most `most` voxels."""
    metadata = Level(image, level).metadata
    types = [axis.type for axis in image.plan.axes]
    plan = image.plan.levels
    if metadata.shape != plan[level].shape:
        raise StoreError(
            f"{image.name(level)} has shape {list(metadata.shape)}, expected "
            f"{list(plan[level].shape)}; build the level again"
        )
    # The planes that hold the middle of level 0, so that all levels show one depth.
    middle = [
        extent // 2 // voxels
        for extent, voxels in zip(plan[0].shape, plan[level].downsampling, strict=True)
    ]
    regions = list(_middle_slices(metadata.shape, types, middle))
    touched = {
        index: None
        for _, region in regions
        for index in geometry.covering_units(region, metadata.chunks)
    }
    per_chunk = geometry.count(metadata.chunks) * metadata.item_size
    grid = geometry.grid_shape(metadata.shape, metadata.chunks)
    whole = geometry.count(grid) * per_chunk
    is_whole = geometry.count(metadata.shape) <= most and whole <= budget
    cost = whole if is_whole else len(touched) * per_chunk
    if cost > budget:
        absent = (
            f"Level {level} is not shown: its middle slices lie in {cost / 1e6:.0f} MB of chunks, "
            f"more than is left of the {BUDGET / 1e6:.0f} MB that a report reads."
        )
        return Preview(level=level, absent=absent), 0
    indices = geometry.iterate_units(grid) if is_whole else iter(touched)
    chunks = open_chunks(image.store, image.level_path(level), metadata)
    bins = edges if is_whole else edges[:0]
    wanted = [region for _, region in regions]
    pixels, counts, seen = _read_chunks(chunks, indices, wanted, bins, n_workers, sums=is_whole)
    slices = tuple(
        Slice(channel=channel, rows=rows, columns=columns, pixels=_flat(plane, rows, columns))
        for ((channel, rows, columns), _), plane in zip(regions, pixels, strict=True)
    )
    digest = seen.digest(digest_header(metadata)) if is_whole else ""
    return Preview(
        level=level, slices=slices, counts=counts if counts.size else None, digest=digest
    ), cost


def _middle_slices(
    shape: geometry.Shape, types: Sequence[str], middle: Sequence[int]
) -> Iterator[tuple[tuple[int | None, int, int], Region]]:
    """Yield channel, row axis and column axis of each slice through a place, and its region.

    Of three space axes a, b, c the slices have rows and columns b and c, a and c, b and a: side by
    side and one below the other they share axes.
    """
    spaces = [axis for axis, kind in enumerate(types) if kind == SPACE]
    pairs: list[tuple[int, int]] = []
    if len(spaces) == 2:
        pairs = [(spaces[0], spaces[1])]
    elif len(spaces) == 3:
        a, b, c = spaces
        pairs = [(b, c), (a, c), (b, a)]
    channel_axis = types.index(CHANNEL) if CHANNEL in types else None
    n_channels = 1 if channel_axis is None else min(shape[channel_axis], MOST_CHANNELS)
    for channel in range(n_channels):
        for rows, columns in pairs:
            # Time stands at its first point.
            starts = [place if axis in spaces else 0 for axis, place in enumerate(middle)]
            if channel_axis is not None:
                starts[channel_axis] = channel
            region = tuple(
                slice(0, extent) if axis in (rows, columns) else slice(start, start + 1)
                for axis, (start, extent) in enumerate(zip(starts, shape, strict=True))
            )
            yield (None if channel_axis is None else channel, rows, columns), region


def _read_chunks(
    chunks: Chunks,
    indices: Iterator[Index],
    regions: Sequence[Region],
    edges: Edges,
    n_workers: int,
    *,
    sums: bool = False,
) -> tuple[list[Block], Counts, Tally]:
    """Return the voxels of some regions, the counts of all voxels in the chunks, and their digests.

    Digests are taken where `sums` says so.
    """
    dtype = native_dtype(chunks.metadata)
    planes = [np.empty(geometry.region_shape(region), dtype) for region in regions]
    counts = np.zeros(max(edges.size - 1, 0), np.int64)
    one = geometry.count(chunks.metadata.chunks) * chunks.metadata.item_size

    def read(index: Index) -> tuple[Counts, Tally]:
        place = chunk_region(chunks.metadata, index)
        block = read_chunk(chunks, index)
        for region, plane in zip(regions, planes, strict=True):
            shared = geometry.intersection(region, place)
            if all(axis.start < axis.stop for axis in shared):
                plane[geometry.relative_region(shared, region)] = block[
                    geometry.relative_region(shared, place)
                ]
        seen = Tally()
        if sums:
            seen.add_digest(index, chunk_digest(block, has_nan=True))
        return _count(block, edges), seen

    def gather(found: Iterable[tuple[Counts, Tally]]) -> tuple[list[Block], Counts, Tally]:
        total, tally = counts, Tally()
        for count, seen in found:
            total = total + count
            tally.merge(seen)
        return planes, total, tally

    n_threads = min(n_workers, _SIDE_BY_SIDE // one)
    if n_threads <= 1:  # as where the process is about to end, when no thread can be started
        return gather(map(read, indices))
    with ThreadPoolExecutor(n_threads) as pool:
        return gather(pool.map(read, indices))


def _flat(plane: Block, rows: int, columns: int) -> Block:
    first, second = sorted((rows, columns))
    flat = plane.reshape(plane.shape[first], plane.shape[second])
    flat = flat if rows < columns else flat.T
    return np.abs(flat) if np.iscomplexobj(flat) else flat


def _finite(block: Block) -> Block:
    """Return the finite values of a block in a row, of complex voxels their magnitudes."""
    values = np.abs(block.ravel()) if np.iscomplexobj(block) else block.ravel()
    return values[np.isfinite(values)] if values.dtype.kind == "f" else values


def _count(block: Block, edges: Edges) -> Counts:
    """Return how many voxels are in each bin; what is not finite is in none."""
    if edges.size == 0:
        return np.zeros(0, np.int64)
    n_bins, values, times = edges.size - 1, _finite(block), None
    if values.dtype.kind in "iu" and values.dtype.itemsize <= 2:
        # Each value once, which takes a quarter of the time.
        low = int(values.min())
        times = np.bincount(np.subtract(values, low, dtype=np.intp))
        values = np.arange(low, low + times.size)
    # numpy's histogram takes four times as long.
    place = (values.astype(np.float64) - edges[0]) * (n_bins / (edges[-1] - edges[0]))
    places = np.clip(place, 0, n_bins - 1).astype(np.intp)
    return np.bincount(places, times, minlength=n_bins).astype(np.int64)
