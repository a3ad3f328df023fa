"""Figures that show whether a level that no method explains can show the finer level, in its place.

A voxel lies within the extremes of the windows around its own, whatever filter made it. All voxels
together follow the means of their own windows, and not those beside them. The limits were measured
over levels of other programs, and such levels that were spoilt: docs/design/0022-evidence.md.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from zarrpyramid.arrays import Block
    from zarrpyramid.geometry import Index

MOST_OUTSIDE = 0.15
"""Share of voxels outside of their neighbourhood up to which a filter may have made a level."""

FAR = 1 / 8
"""Part of the range of the finer voxels by which a voxel is far outside."""

_MOST_FAR = 0.01
"""Share of voxels far outside, of those whose neighbourhood is not of equal voxels, up to which a
filter may have made a level."""

_CHANCE = 2
"""Voxels that tell nothing by being outside."""

_DISPLACED = 0.8
"""Part of the unexplained variance that is left where a level fits better in another place."""

_OTHER, _SAME = 1 / 3, 0.7
"""Parts of the correlation of voxels picked at random below which a level shows something else, and
from which on it is seen to show the finer level."""

_SURE, _LIKELY = 6.0, 4.0
"""Standard errors of a correlation."""

_MANY = 100
"""Windows that differ, from which on a level must be seen to follow the finer one."""

_ROUNDING = 1e-12


@dataclass(slots=True)
class Bounds:
    """Voxels that were held against the extremes of their neighbourhoods.

    Attributes
    ----------
    n_outside, first
        Those outside, and where the first stands.
    n_tails
        Those of them whose neighbourhood is of equal voxels, and that are not far outside: the
        tails of a wide filter reach far into what is empty.
    n_varied
        Those whose neighbourhood is not of equal voxels, or that are outside.
    n_far, first_far
        Those far outside, and where the first stands.
    """

    n_voxels: int = 0
    n_outside: int = 0
    n_tails: int = 0
    n_varied: int = 0
    n_far: int = 0
    first: Index | None = None
    first_far: Index | None = None

    def merge(self, other: Bounds) -> None:
        """Take in other voxels."""
        self.n_voxels += other.n_voxels
        self.n_outside += other.n_outside
        self.n_tails += other.n_tails
        self.n_varied += other.n_varied
        self.n_far += other.n_far
        self.first = other.first if self.first is None else self.first
        self.first_far = other.first_far if self.first_far is None else self.first_far

    @property
    def are_broken(self) -> bool:
        """Whether more voxels are outside than a filter puts there."""
        most_outside = max(_CHANCE, MOST_OUTSIDE * self.n_voxels)
        n_outside = self.n_outside - self.n_tails
        return n_outside > most_outside or self.n_far > max(_CHANCE, _MOST_FAR * self.n_varied)


@dataclass(slots=True)
class Match:
    """Sums by which voxels are correlated with the means of windows, each about its box's mean.

    Attributes
    ----------
    products, powers
        Of voxels and means, and of means by themselves, by how many windows these stand aside.
    power, fourth, within
        Of the voxels; of the means, to the fourth power; of the finer voxels about their means.
    """

    products: dict[Index, float] = field(default_factory=lambda: defaultdict(float))
    powers: dict[Index, float] = field(default_factory=lambda: defaultdict(float))
    power: float = 0.0
    fourth: float = 0.0
    within: float = 0.0

    def merge(self, other: Match) -> None:
        """Take in other boxes."""
        for shift in other.products:
            self.products[shift] += other.products[shift]
            self.powers[shift] += other.powers[shift]
        self.power += other.power
        self.fourth += other.fourth
        self.within += other.within

    def add(self, found: Block, means: dict[Index, Block], is_known: Block) -> None:
        """Add the voxels of a box, and the means by how many windows they stand aside."""
        voxels = found[is_known]
        if not voxels.size:
            return
        voxels = _about_mean(voxels)
        self.power += float((voxels**2).sum())
        for shift, of_windows in means.items():
            about = _about_mean(of_windows[is_known])
            self.products[shift] += float((voxels * about).sum())
            self.powers[shift] += float((about**2).sum())
            if not any(shift):
                self.fourth += float((about**4).sum())

    def correlation(self, shift: Index) -> float:
        """Return how far voxels follow the means of the windows that stand aside by a shift."""
        size = math.sqrt(self.power * self.powers[shift])
        return self.products[shift] / size if size else 0.0

    @property
    def here(self) -> Index:
        """The shift to a voxel's own window."""
        return (0,) * len(next(iter(self.products), ()))

    @property
    def n_windows(self) -> float:
        """How many windows the variance lies in: those of a few bright spots are few."""
        return self.powers[self.here] ** 2 / self.fourth if self.fourth else 0.0

    @property
    def picked(self) -> float:
        """Correlation of voxels that are picked from their windows at random."""
        between = self.powers[self.here]
        return math.sqrt(between / (between + self.within)) if between else 0.0

    @property
    def nearest(self) -> Index:
        """The shift whose windows the voxels follow most."""
        return max(self.products, key=self.correlation, default=self.here)


@dataclass(slots=True)
class Neighbourhood:
    """Figures of the boxes of a level and of the windows around its voxels.

    Attributes
    ----------
    inner, edge
        Bounds of voxels inside, and of those at the high edges, where programs pad with 0.
    own, moved
        Voxels and the means of their windows; voxels inside, and those of windows beside them too.
    n_strange, first, id
        Of labels: ids that stand nowhere in the neighbourhood, where the first one is, and which.
    """

    inner: Bounds = field(default_factory=Bounds)
    edge: Bounds = field(default_factory=Bounds)
    own: Match = field(default_factory=Match)
    moved: Match = field(default_factory=Match)
    n_strange: int = 0
    first: Index | None = None
    id: int = 0

    def merge(self, other: Neighbourhood) -> None:
        """Take in other boxes."""
        self.inner.merge(other.inner)
        self.edge.merge(other.edge)
        self.own.merge(other.own)
        self.moved.merge(other.moved)
        if self.first is None:
            self.first, self.id = other.first, other.id
        self.n_strange += other.n_strange

    @property
    def n_voxels(self) -> int:
        """Voxels that were held against their neighbourhoods."""
        return self.inner.n_voxels + self.edge.n_voxels

    @property
    def n_outside(self) -> int:
        """Those of them that are outside."""
        return self.inner.n_outside + self.edge.n_outside

    @property
    def correlation(self) -> float:
        """Correlation of the voxels with the means of their windows."""
        return self.own.correlation(self.own.here)

    @property
    def displacement(self) -> Index | None:
        """By how many voxels the level is displaced, or None where it is in its place."""
        match = self.moved
        aside, here = match.correlation(match.nearest), match.correlation(match.here)
        is_sure = aside * math.sqrt(match.n_windows) >= _SURE
        if is_sure and 1 - aside**2 < _DISPLACED * (1 - max(here, 0.0) ** 2):
            return tuple(-step for step in match.nearest)
        return None

    @property
    def is_broken(self) -> bool:
        """Whether a filter would not make such a level, wherever its voxels are from."""
        return bool(self.n_strange) or self.inner.are_broken or self.edge.are_broken

    @property
    def is_foreign(self) -> bool:
        """Whether the level shows something else than the finer one."""
        own = self.own
        can_tell = own.picked * math.sqrt(own.n_windows) >= _SURE
        return can_tell and self.correlation < _OTHER * own.picked

    @property
    def follows(self) -> bool:
        """Whether the level is seen to follow the finer one, more than chance would make it."""
        found, n_windows = self.correlation, self.own.n_windows
        left = max(1 - found**2, 1e-9)
        is_likely = n_windows > 2 and found * math.sqrt((n_windows - 2) / left) >= _LIKELY
        return is_likely and found >= _SAME * self.own.picked

    @property
    def can_tell(self) -> bool:
        """Whether there are so many windows that differ that a level must be seen to follow."""
        return self.own.n_windows >= _MANY


def _about_mean(values: Block) -> Block:
    """Return how far values are from their mean; 0 where that is no more than rounding."""
    mean = values.mean()
    about: Block = values - mean
    about[np.abs(about) <= _ROUNDING * np.abs(mean)] = 0
    return about
