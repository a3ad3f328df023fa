"""How well the candidates explain the voxels of a level of another program, in figures."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from zarrpyramid import geometry

from .boxes import first_of

if TYPE_CHECKING:
    from zarrpyramid.arrays import Block
    from zarrpyramid.geometry import Index, Region

_CLAIM = 0.995
"""Part that a candidate explains, of the telling voxels, from which on it is what made a level.

A voxel is telling where the finer voxels of its window are not all equal."""

_TELLING, _VALUES = 32, 16
"""Telling voxels and values among them from which on a cell can tell too.

In an image of a few values, such as a mask, voxels side by side are right or wrong together."""

_CELL = 1 << 10
"""Voxels of a cell, at most: so many that chance explains none of them whole."""


@dataclass(slots=True)
class Count:
    """Voxels that were looked at, and how many of them a candidate explains.

    Attributes
    ----------
    n_wrong, first
        Voxels that it makes otherwise, and where the first of them stands.
    n_telling
        Voxels whose windows are not of equal voxels.
    n_doubtful
        Telling voxels that it makes otherwise, in cells of a few values.
    n_cells, n_whole
        Cells with enough telling voxels and values, and those of them that it explains whole.
    """

    n_voxels: int = 0
    n_wrong: int = 0
    first: Index | None = None
    n_telling: int = 0
    n_doubtful: int = 0
    n_cells: int = 0
    n_whole: int = 0

    @classmethod
    def of(cls, found: Block, wrong: Block, telling: Block, where: Block, region: Region) -> Count:
        """Return the count of the voxels of a box that are in a mask."""
        told, wrong = telling & where, wrong & where
        count = cls(
            n_voxels=int(where.sum()),
            n_wrong=int(wrong.sum()),
            first=first_of(wrong, region),
            n_telling=int(told.sum()),
        )
        if not count.n_telling:
            return count
        box = tuple(slice(0, extent) for extent in found.shape)
        for cell in geometry.split_region(box, geometry.halved(found.shape, _CELL)):
            can_tell = told[cell].sum() >= _TELLING
            if can_tell and np.unique(found[cell][told[cell]]).size >= _VALUES:
                count.n_cells += 1
                count.n_whole += not wrong[cell].any()
            else:
                count.n_doubtful += int((wrong & told)[cell].sum())
        return count

    def merge(self, other: Count) -> None:
        """Take in other voxels."""
        self.n_voxels += other.n_voxels
        self.n_wrong += other.n_wrong
        self.first = other.first if self.first is None else self.first
        self.n_telling += other.n_telling
        self.n_doubtful += other.n_doubtful
        self.n_cells += other.n_cells
        self.n_whole += other.n_whole

    @property
    def holds(self) -> bool:
        """Whether so many are explained that chance cannot be why."""
        if not self.n_wrong:
            return self.n_telling > 0
        # Where a filter reaches beyond its windows, voxels are wrong whose windows do not tell.
        are_few = self.n_wrong <= (1 - _CLAIM) * self.n_telling
        return (are_few and not self.n_doubtful) or 2 * self.n_whole > self.n_cells


@dataclass(slots=True)
class Fit:
    """How well one candidate explains the boxes that were looked at.

    Attributes
    ----------
    inner, cut
        Voxels of whole windows, and of windows that are cut short at the high edges.
    largest
        The largest difference of a voxel.
    """

    inner: Count = field(default_factory=Count)
    cut: Count = field(default_factory=Count)
    largest: float = 0.0

    def merge(self, other: Fit) -> None:
        """Take in other boxes."""
        self.inner.merge(other.inner)
        self.cut.merge(other.cut)
        self.largest = max(self.largest, other.largest)

    @property
    def first(self) -> Index:
        """Where the first voxel stands that it makes otherwise."""
        return self.inner.first or self.cut.first or ()

    @property
    def n_voxels(self) -> int:
        """Voxels that were looked at."""
        return self.inner.n_voxels + self.cut.n_voxels

    @property
    def n_wrong(self) -> int:
        """Voxels that the candidate makes otherwise."""
        return self.inner.n_wrong + self.cut.n_wrong


@dataclass(slots=True)
class Explanation:
    """Figures of the boxes of a level and of the finer voxels that they cover.

    Attributes
    ----------
    n_beyond, first_beyond
        Voxels that hold something beyond the end of the finer level, where arrays are padded, and
        where the first stands.
    n_fill, n_expected_fill
        Voxels that hold the fill value, and those whose mean and first finer voxel are that value.
    n_finite, total, expected_total, squares
        Where voxel and mean of its window are finite: their number, the sums of the voxels and of
        the means, and the sum of the squares of the means.
    least, largest
        Extremes of the finer voxels.
    damaged
        Why chunks cannot be read.
    """

    fits: dict[str, Fit] = field(default_factory=dict)
    n_voxels: int = 0
    n_beyond: int = 0
    first_beyond: Index | None = None
    n_fill: int = 0
    n_expected_fill: int = 0
    n_finite: int = 0
    total: float = 0.0
    expected_total: float = 0.0
    squares: float = 0.0
    least: float = math.inf
    largest: float = -math.inf
    damaged: list[str] = field(default_factory=list)

    def merge(self, other: Explanation) -> None:
        """Take in other boxes."""
        for name, fit in other.fits.items():
            self.fits.setdefault(name, Fit()).merge(fit)
        self.n_voxels += other.n_voxels
        self.n_beyond += other.n_beyond
        if self.first_beyond is None:
            self.first_beyond = other.first_beyond
        self.n_fill += other.n_fill
        self.n_expected_fill += other.n_expected_fill
        self.n_finite += other.n_finite
        self.total += other.total
        self.expected_total += other.expected_total
        self.squares += other.squares
        self.least = min(self.least, other.least)
        self.largest = max(self.largest, other.largest)
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
    def is_claimed(self) -> bool:
        """Whether the best candidate is what made the level, so that other voxels are wrong."""
        return self.best is not None and self.best[1].inner.holds

    @property
    def share(self) -> float:
        """Share of the voxels that the best candidate explains."""
        return 1 - self.best[1].n_wrong / self.n_voxels if self.best and self.n_voxels else 0.0

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
