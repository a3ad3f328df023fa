"""How well the candidates explain a level of another program: the task that looks at its blocks.

A block is compared with what each candidate makes of the finer voxels. What follows from the
figures is said in `foreign`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from zarrpyramid import geometry
from zarrpyramid.arrays import chunk_region, native_dtype, read_chunk
from zarrpyramid.errors import StoreError

from .candidates import candidates, difference, float_means, reduced
from .comparison import StoredTask

if TYPE_CHECKING:
    from zarrpyramid.arrays import Block, Chunks
    from zarrpyramid.geometry import Index, Region

_BLOCK_BYTES = 1 << 25
"""Voxels of the finer level that are held at once for one block."""

_MOST_PLACES = 10


@dataclass(slots=True)
class Fit:
    """How well one candidate explains the blocks that were looked at.

    Attributes
    ----------
    n_wrong, largest
        Voxels that it makes otherwise, and the largest difference of one.
    n_blocks
        Blocks that it explains whole, of those whose voxels are not all equal.
    wrong_inside
        The first blocks that it does not explain though no window in them is cut short.
    """

    n_wrong: int = 0
    largest: float = 0.0
    n_blocks: int = 0
    wrong_inside: list[Index] = field(default_factory=list)


@dataclass(slots=True)
class Explanation:
    """Figures of the blocks of a level and of the finer voxels that they cover.

    Attributes
    ----------
    n_varied
        Blocks whose finer voxels are not all equal.
    n_fill, n_expected_fill
        Voxels that hold the fill value, and those whose mean and first finer voxel are that value.
    n_finite, total, expected_total, squares
        Where voxel and mean of its window are finite: their number, the sums of the voxels and of
        the means, and the sum of the squares of the means.
    damaged
        Why chunks cannot be read.
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

    def merge(self, other: Explanation) -> None:
        """Take in other blocks."""
        for name, fit in other.fits.items():
            known = self.fits.setdefault(name, Fit())
            known.n_wrong += fit.n_wrong
            known.largest = max(known.largest, fit.largest)
            known.n_blocks += fit.n_blocks
            known.wrong_inside = (known.wrong_inside + fit.wrong_inside)[:_MOST_PLACES]
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
        """Whether the level holds the fill value alone where it must hold something else."""
        return 0 < self.n_fill == self.n_voxels > self.n_expected_fill

    @property
    def brightness(self) -> float:
        """Mean of the finer voxels."""
        return self.expected_total / max(self.n_finite, 1)

    @property
    def drift(self) -> float:
        """By how much the level is brighter than the finer voxels, in grey levels."""
        return (self.total - self.expected_total) / max(self.n_finite, 1)

    @property
    def drifts(self) -> bool:
        """Whether the drift is larger than the choice of other voxels of the image would make it.

        That is a quarter of the spread of its voxels, and four times the error of their mean.
        """
        spread = math.sqrt(max(0.0, self.squares / max(self.n_finite, 1) - self.brightness**2))
        allowed = spread * max(0.25, 4 / math.sqrt(max(self.n_finite, 1)))
        return abs(self.drift) > max(allowed, 1e-3 * abs(self.brightness))


class ExplainTask(StoredTask):
    """The task that compares a block of a level with what each candidate makes of a finer level."""

    def __call__(self, place: Index) -> Explanation:  # type: ignore[override]
        """Look at the block at a place, or at the high end of it that memory has room for."""
        region = self._cut(geometry.unit_region(place, self.unit, self.target.shape))
        span = geometry.finer_region(region, self.factors, self.source.shape)
        try:
            finer, found = map(read_box, self.arrays, (span, region))
        except StoreError as error:
            return Explanation(damaged=[str(error)])
        extents = zip(geometry.region_shape(span), self.factors, strict=True)
        is_cut = any(size % factor for size, factor in extents)
        is_varied = bool((finer != finer[(0,) * finer.ndim]).any()) and not is_cut
        result = Explanation(n_voxels=found.size, n_varied=int(is_varied))
        for name, make in candidates(finer.dtype.name).items():
            n_wrong, largest = difference(make(finer, self.factors), found, self.factors)
            result.fits[name] = Fit(
                n_wrong=n_wrong,
                largest=largest,
                n_blocks=int(is_varied and not n_wrong),
                wrong_inside=[place] if n_wrong and not is_cut else [],
            )
        if "c" not in (finer.dtype.kind, found.dtype.kind):
            self._measure(finer, found, result)
        return result

    def _cut(self, region: Region) -> Region:
        """Return the high end of a region whose finer voxels fit in memory."""
        most = max(1, _BLOCK_BYTES // (self.source.item_size * math.prod(self.factors)))
        extents = list(geometry.region_shape(region))
        while math.prod(extents) > most and max(extents) > 1:
            axis = extents.index(max(extents))
            extents[axis] = -(-extents[axis] // 2)
        ends = zip(region, extents, strict=True)
        return tuple(slice(axis.stop - extent, axis.stop) for axis, extent in ends)

    def _measure(self, finer: Block, found: Block, result: Explanation) -> None:
        """Count fill values, and add up brightness."""
        fill: Any = np.array(self.target.fill_value, found.dtype)
        first, means = reduced("stride", finer, self.factors), float_means(finer, self.factors)
        result.n_fill = int((found == fill).sum())
        result.n_expected_fill = int(((first == fill) & (means == fill)).sum())
        stored = found.astype(np.float64)
        finite = np.isfinite(stored) & np.isfinite(means)
        result.n_finite = int(finite.sum())
        result.total = float(stored[finite].sum())
        result.expected_total = float(means[finite].sum())
        result.squares = float((means[finite] ** 2).sum())


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
        there = geometry.relative_region(shared, here)
        box[geometry.relative_region(shared, region)] = read_chunk(chunks, index)[there]
    return box
