"""Which method explains levels that somebody else made: ours, and the roundings of other programs.

Arithmetic on sampled blocks and figures of it; keeps out what is said of a level.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from zarrpyramid import geometry
from zarrpyramid.arrays import chunk_region, native_dtype, open_chunks, read_chunk
from zarrpyramid.errors import StoreError
from zarrpyramid.reduce import METHODS, kind_of, reduce_windows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from zarrpyramid.arrays import Block, Chunks
    from zarrpyramid.geometry import Index, Region, Shape
    from zarrpyramid.metadata import ArrayMetadata
    from zarrpyramid.stores import Store

HALF_EVEN, HALF_UP, TRUNCATED = "mean, half to even", "mean, half up", "mean, truncated"
_BLOCK_BYTES = 1 << 25
"""Voxels of the finer level that are held at once for one block."""


@dataclass(slots=True)
class Fit:
    """How well one candidate explains what was looked at.

    Attributes
    ----------
    n_wrong
        Voxels that are others than it makes.
    largest
        Largest difference of a voxel.
    n_blocks
        Blocks, of those whose voxels are not all equal, that it explains whole.
    wrong_inside
        Blocks that it does not explain and in which no window is cut short.
    """

    n_wrong: int = 0
    largest: float = 0.0
    n_blocks: int = 0
    wrong_inside: list[Index] = field(default_factory=list)
    n_wrong_inside: int = 0

    def merge(self, other: Fit) -> None:
        """Take in other blocks."""
        self.n_wrong += other.n_wrong
        self.largest = max(self.largest, other.largest)
        self.n_blocks += other.n_blocks
        self.n_wrong_inside += other.n_wrong_inside
        self.wrong_inside = (self.wrong_inside + other.wrong_inside)[:10]


@dataclass(slots=True)
class Attribution:
    """What was seen of a level and of the level that it is held against.

    Attributes
    ----------
    n_varied
        Blocks whose source voxels are not all equal.
    n_fill, n_expected_fill
        Voxels that are the fill value, and that would be if they were means or first voxels.
    total, expected_total, squares
        Sums of the level's voxels, of the means of their windows, and of the squares of these,
        where both are finite.
    damaged
        Keys and reasons of chunks that cannot be read.
    """

    fits: dict[str, Fit] = field(default_factory=dict)
    n_voxels: int = 0
    n_varied: int = 0
    n_fill: int = 0
    n_expected_fill: int = 0
    n_finite: int = 0
    total: float = 0.0
    expected_total: float = 0.0
    squares: float = 0.0
    damaged: list[str] = field(default_factory=list)

    def merge(self, other: Attribution) -> None:
        """Take in other blocks."""
        for name, fit in other.fits.items():
            self.fits.setdefault(name, Fit()).merge(fit)
        self.n_voxels += other.n_voxels
        self.n_varied += other.n_varied
        self.n_fill += other.n_fill
        self.n_expected_fill += other.n_expected_fill
        self.n_finite += other.n_finite
        self.total += other.total
        self.expected_total += other.expected_total
        self.squares += other.squares
        self.damaged += other.damaged

    @property
    def explained(self) -> list[str]:
        """Candidates that explain every voxel."""
        return [name for name, fit in self.fits.items() if self.n_voxels and not fit.n_wrong]

    @property
    def best(self) -> tuple[str, Fit] | None:
        """The candidate with the fewest wrong voxels."""
        return min(self.fits.items(), key=lambda item: item[1].n_wrong, default=None)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing but fill value where there must be something else."""
        return 0 < self.n_fill == self.n_voxels > self.n_expected_fill

    @property
    def drift(self) -> float:
        """By how much the level is brighter than the voxels that it covers, in grey levels."""
        return (self.total - self.expected_total) / max(self.n_finite, 1)

    @property
    def drifts(self) -> bool:
        """Whether the drift is more than other voxels of the same image would make.

        That is a quarter of the spread of its voxels, and four times the error of their mean.
        """
        spread = math.sqrt(max(0.0, self.squares / max(self.n_finite, 1) - self.brightness**2))
        allowed = spread * max(0.25, 4 / math.sqrt(max(self.n_finite, 1)))
        return abs(self.drift) > max(allowed, 1e-3 * abs(self.brightness))

    @property
    def brightness(self) -> float:
        """Mean of the voxels that the level covers."""
        return self.expected_total / max(self.n_finite, 1)


@dataclass(frozen=True, kw_only=True)
class AttributeTask:
    """Holds blocks of a level against all that methods make of another one."""

    store: Store
    source_path: str
    source: ArrayMetadata
    target_path: str
    target: ArrayMetadata
    factors: Shape

    @cached_property
    def unit(self) -> Shape:
        """Extents of one block in the level."""
        return geometry.task_grid_unit(
            self.target.chunks, self.source.chunks, self.factors, self.target.shape, 0
        )

    @property
    def grid(self) -> Shape:
        """Blocks along each axis."""
        return geometry.grid_shape(self.target.shape, self.unit)

    def __call__(self, place: Index) -> Attribution:
        """Look at the block at a place, or at so much of its high end as memory allows."""
        region = self._cut(geometry.unit_region(place, self.unit, self.target.shape))
        span = geometry.finer_region(region, self.factors, self.source.shape)
        result = Attribution()
        try:
            finer = read_box(self._chunks[0], span)
            found = read_box(self._chunks[1], region)
        except StoreError as error:
            result.damaged.append(str(error))
            return result
        is_varied = bool((finer != finer[(0,) * finer.ndim]).any())
        is_cut = any(
            size % factor
            for size, factor in zip(geometry.region_shape(span), self.factors, strict=True)
        )
        result.n_voxels, result.n_varied = found.size, int(is_varied and not is_cut)
        for name, make in candidates(finer.dtype.name).items():
            fit = result.fits[name] = Fit()
            n_wrong, fit.largest = _compare(make(finer, self.factors), found, self.factors)
            fit.n_wrong = n_wrong
            fit.n_blocks = int(not n_wrong and is_varied and not is_cut)
            if n_wrong and not is_cut:
                fit.wrong_inside, fit.n_wrong_inside = [place], 1
        self._count_fill(finer, found, result)
        return result

    @cached_property
    def _chunks(self) -> tuple[Chunks, Chunks]:
        return (
            open_chunks(self.store, self.source_path, self.source),
            open_chunks(self.store, self.target_path, self.target),
        )

    def _cut(self, region: Region) -> Region:
        """Return the high end of a region, whose source is held in memory."""
        left = max(1, _BLOCK_BYTES // (self.source.item_size * math.prod(self.factors)))
        extents = list(geometry.region_shape(region))
        while math.prod(extents) > left and max(extents) > 1:
            axis = extents.index(max(extents))
            extents[axis] = -(-extents[axis] // 2)
        return tuple(
            slice(axis.stop - extent, axis.stop)
            for axis, extent in zip(region, extents, strict=True)
        )

    def _count_fill(self, finer: Block, found: Block, result: Attribution) -> None:
        if "c" in (finer.dtype.kind, found.dtype.kind):
            return
        fill: Any = np.array(self.target.fill_value, found.dtype)
        first = _made("stride", finer, self.factors)
        means = _float_means(finer, self.factors)
        result.n_fill = int((found == fill).sum())
        result.n_expected_fill = int(((first == fill) & (means == fill)).sum())
        stored = found.astype(np.float64)
        finite = np.isfinite(stored) & np.isfinite(means)
        result.n_finite = int(finite.sum())
        result.total = float(stored[finite].sum())
        result.expected_total = float(means[finite].sum())
        result.squares = float((means[finite] ** 2).sum())


def attribute(task: AttributeTask, places: Sequence[Index], n_workers: int) -> Attribution:
    """Return what is seen of some blocks of a level."""
    seen = Attribution()
    with ThreadPoolExecutor(n_workers) as pool:
        for result in pool.map(task, places):
            seen.merge(result)
    return seen


def candidates(dtype: str) -> dict[str, Callable[[Block, Shape], Block]]:
    """Return what may explain a level of a data type: names, and what they make of a block."""
    kind = kind_of(dtype)
    made: dict[str, Callable[[Block, Shape], Block]] = {}
    if kind in ("int", "uint", "bool"):
        made[HALF_EVEN] = partial(_made, "mean")
        made[HALF_UP] = partial(_rounded, np.floor, 0.5)
        made[TRUNCATED] = partial(_rounded, np.trunc, 0.0)
    for method, known in METHODS.items():
        if kind in known.kinds and method != "sum" and not (made and method in ("mean", "nanmean")):
            made[method] = partial(_made, method)
    return made


def read_box(chunks: Chunks, region: Region) -> Block:
    """Return the voxels of a region, of however many chunks.

    Raises
    ------
    StoreError
        If a chunk cannot be read.
    """
    metadata = chunks.metadata
    box = np.empty(geometry.region_shape(region), native_dtype(metadata))
    for index in geometry.covering_units(region, metadata.chunks):
        here = chunk_region(metadata, index)
        shared = geometry.intersection(here, region)
        voxels = read_chunk(chunks, index)
        box[geometry.relative_region(shared, region)] = voxels[
            geometry.relative_region(shared, here)
        ]
    return box


def _made(method: str, finer: Block, factors: Shape) -> Block:
    out = np.empty(geometry.coarse_shape(finer.shape, factors), finer.dtype)
    reduce_windows(method, finer, factors, out)
    return out


def _float_means(finer: Block, factors: Shape) -> Block:
    """Return means in float64, exact for integers of up to 32 bits."""
    return _made("mean", finer.astype(np.float64), factors)


def _rounded(
    to_whole: Callable[[Block], Block], added: float, finer: Block, factors: Shape
) -> Block:
    """Return means that are rounded in float64, as other programs do."""
    means = to_whole(_float_means(finer, factors) + added)
    if finer.dtype == np.bool_:
        return means.astype(np.bool_)
    limits = np.iinfo(finer.dtype)
    # The largest of 64 bits is no double: what is rounded up to it would wrap around.
    with np.errstate(invalid="ignore"):
        rounded = means.astype(finer.dtype)
    return np.where(means >= float(limits.max), limits.max, rounded).astype(finer.dtype)


def _compare(made: Block, found: Block, factors: Shape) -> tuple[int, float]:
    """Return in how many voxels two blocks differ, and by how much at most.

    Floats may differ by what adding up a window in their own precision loses.
    """
    if made.dtype != found.dtype:
        wide = np.complex128 if "c" in (made.dtype.kind, found.dtype.kind) else np.float64
        made, found = made.astype(wide), found.astype(wide)
    wrong = made != found
    if found.dtype.kind in "fc":
        wrong &= ~(np.isnan(made) & np.isnan(found))
        finite = np.isfinite(made) & np.isfinite(found)
        size = float(np.abs(made[finite]).max(initial=0))
        slack = math.prod(factors) * float(np.finfo(found.dtype).eps) * size
        with np.errstate(invalid="ignore"):
            wrong &= ~(np.abs(made - found) <= slack)
    if not wrong.any():
        return 0, 0.0
    left, right = made[wrong], found[wrong]
    if found.dtype.kind in "iu":
        apart = np.where(left > right, left, right) - np.where(left > right, right, left)
        apart = apart.view(f"u{apart.dtype.itemsize}")
        return int(wrong.sum()), float(apart.max())
    if found.dtype.kind == "b":
        return int(wrong.sum()), 1.0
    apart = np.abs(left - right)
    return int(wrong.sum()), float(apart[np.isfinite(apart)].max(initial=0))


def blocks_of_objects(
    objects: Sequence[Index], finer: ArrayMetadata, task: AttributeTask
) -> Iterator[Index]:
    """Yield the blocks of a level in which the first voxels of objects of the finer level lie."""
    for index in objects:
        corner = geometry.multiply(index, finer.write_shape)
        place = tuple(
            i // factor // edge
            for i, factor, edge in zip(corner, task.factors, task.unit, strict=True)
        )
        if all(i < n for i, n in zip(place, task.grid, strict=True)):
            yield place
