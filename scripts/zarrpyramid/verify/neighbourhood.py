"""The task that holds a block of a level against the windows around its voxels.

What its figures show is said in `evidence`.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from zarrpyramid import geometry
from zarrpyramid.arrays import native_dtype, read_region
from zarrpyramid.errors import AccessError, StoreError

from .boxes import BoxTask, axis_mask, first_of
from .evidence import Neighbourhood

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zarrpyramid.arrays import Block
    from zarrpyramid.geometry import Index, Region, Shape

    Ratio = tuple[int, int]
    Windows = tuple[Block, Block]

_PLACE = 64
"""Extents of the part of a box that is held against windows beside its own."""

_FEW = 4
"""Extent up to which a displacement along an axis rests on too few planes to be told."""

_MOST_STEPS = 3
"""Axes along which a level may be displaced at once."""


@dataclass(frozen=True, kw_only=True)
class NeighbourTask(BoxTask):
    """The task that holds a block of a level against the neighbourhoods of its voxels.

    Attributes
    ----------
    ratio
        Extents of a window along each axis, as a fraction of whole numbers.
    moves
        Axes along which a level may be displaced.
    margin
        By how much a voxel that is far outside is outside.
    """

    ratio: tuple[Ratio, ...] = ()
    moves: tuple[int, ...] = ()
    margin: float = math.inf

    def __call__(self, place: Index) -> Neighbourhood:  # type: ignore[override]
        """Look at the block at a place, as far as it can be read."""
        result = Neighbourhood()
        for region in self.boxes(place):
            covered = tuple(
                slice(axis.start, min(axis.stop, n))
                for axis, n in zip(region, self._reached, strict=True)
            )
            try:
                if all(axis.start < axis.stop for axis in covered):
                    with np.errstate(all="ignore"):  # voxels may be infinite
                        result.merge(self._look(covered))
            except AccessError:
                raise
            except StoreError:
                continue  # said by `ExplainTask`, or where the level is decoded
        return result

    @property
    def _reached(self) -> Shape:
        """Extents of the level as far as the finer one reaches."""
        axes = zip(self.source.shape, self.target.shape, self.ratio, strict=True)
        return tuple(min(n, -(-extent * b // a)) for extent, n, (a, b) in axes)

    def _look(self, region: Region) -> Neighbourhood:
        """Return the figures of a box that the finer level reaches."""
        found = read_region(self.arrays[1], region)
        halo = self._windows(region, dict.fromkeys(self.moves, 1))
        span = tuple(slice(int(starts[0]), int(stops[-1])) for starts, stops in halo)
        finer = read_region(self.arrays[0], span)
        result = Neighbourhood()
        if "c" in (finer.dtype.kind, found.dtype.kind):
            return result
        if finer.dtype.kind == "b":
            finer = finer.view(np.uint8)
        if "f" in (finer.dtype.kind, found.dtype.kind):
            finer, found = finer.astype(np.float64), found.astype(np.float64)
        ends = [
            np.arange(axis.start + 1, axis.stop + 1) == (n if is_scaled else -1)
            for axis, n, is_scaled in zip(region, self._reached, self._is_scaled, strict=True)
        ]
        is_edge = axis_mask(found.shape, ends)
        near = _inside(self._windows(region, dict(enumerate(map(int, self._is_scaled)))), span)
        self._hold(found, finer, near, is_edge, region, result)
        self._match(found.astype(np.float64), finer.astype(np.float64), region, span, result)
        if self.is_labels:
            strange = _strange(found, finer, near)
            strange &= ~(is_edge & (found == 0))
            result.n_strange, result.first = int(strange.sum()), first_of(strange, region)
            result.id = int(found[strange][0]) if result.n_strange else 0
        return result

    @property
    def _slack(self) -> float:
        """What adding up a window in the precision of the level loses, of the largest voxel."""
        dtype = native_dtype(self.target)
        return math.prod(self.factors) * float(np.finfo(dtype).eps) if dtype.kind == "f" else 0.0

    @property
    def _is_scaled(self) -> list[bool]:
        return [over > by for over, by in self.ratio]

    def _windows(self, region: Region, around: Mapping[int, int]) -> list[Windows]:
        """Return where windows begin and end in the finer level, along each axis.

        `around` says along which axes how many windows on both sides are taken with a voxel's own.
        """
        found = []
        for number, (axis, (over, by)) in enumerate(zip(region, self.ratio, strict=True)):
            at, more = np.arange(axis.start, axis.stop), around.get(number, 0)
            extent = self.source.shape[number]
            starts = np.clip((at - more) * over // by, 0, extent - 1)
            found.append((starts, np.clip(-(-(at + 1 + more) * over // by), starts + 1, extent)))
        return found

    def _hold(
        self,
        found: Block,
        finer: Block,
        near: list[Windows],
        is_edge: Block,
        region: Region,
        result: Neighbourhood,
    ) -> None:
        """Hold the voxels of a box against the extremes of their neighbourhoods."""
        least, largest = (_fold(how, finer, near) for how in (np.fmin, np.fmax))
        least[is_edge] = np.minimum(least[is_edge], 0)
        largest[is_edge] = np.maximum(largest[is_edge], 0)
        outside = (found < least) | (found > largest)
        if found.dtype.kind == "f":
            slack = self._slack * float(np.abs(finer[np.isfinite(finer)]).max(initial=0))
            outside &= (found < least - slack) | (found > largest + slack)
            outside |= np.isnan(found) & ~np.isnan(finer).any()
        far = outside & ((found < least - self.margin) | (found > largest + self.margin))
        tails = outside & ~far & (least == largest)
        varied = (least != largest) | outside
        for where, bounds in ((~is_edge, result.inner), (is_edge, result.edge)):
            bounds.n_voxels, bounds.n_varied = int(where.sum()), int((where & varied).sum())
            bounds.n_outside, bounds.n_far = int((where & outside).sum()), int((where & far).sum())
            bounds.n_tails = int((where & tails).sum())
            bounds.first = first_of(where & outside, region)
            bounds.first_far = first_of(where & far, region)

    def _match(
        self, found: Block, finer: Block, region: Region, span: Region, result: Neighbourhood
    ) -> None:
        """Add up products of voxels and the means of windows, of their own and of those beside."""
        axes = list(enumerate(zip(region, self._reached, strict=True)))
        # The boxes of which means are taken, and of voxels that have windows on both sides.
        wide = tuple(
            slice(max(axis.start - 1, 0), min(axis.stop + 1, n)) if number in self.moves else axis
            for number, (axis, n) in axes
        )
        windows = _inside(self._windows(wide, {}), span)
        sizes = reduce(np.multiply, np.ix_(*(stops - starts for starts, stops in windows)))
        means = _fold(np.add, finer, windows) / sizes
        squares = _fold(np.add, finer * finer, windows) / sizes
        own = geometry.relative_region(region, wide)
        is_known = np.isfinite(found) & np.isfinite(means[own])
        result.own.add(found, {(0,) * found.ndim: means[own]}, is_known)
        result.own.within = float((squares - means * means)[own][is_known].clip(0).sum())
        steps = [
            (-1, 0, 1) if number in self.moves and n > _FEW else (0,) for number, (_, n) in axes
        ]
        inner = tuple(
            slice(max(axis.start, 1), max(1, min(axis.stop, n - 1))) if len(step) > 1 else axis
            for step, (_, (axis, n)) in zip(steps, axes, strict=True)
        )
        inner = tuple(slice(a.start, max(a.start, min(a.stop, a.start + _PLACE))) for a in inner)
        shown = {}
        for shift in itertools.product(*steps):
            if sum(map(abs, shift)) <= _MOST_STEPS:
                beside = tuple(
                    slice(axis.start + step, axis.stop + step)
                    for axis, step in zip(inner, shift, strict=True)
                )
                shown[shift] = means[geometry.relative_region(beside, wide)]
        voxels = found[geometry.relative_region(inner, region)]
        is_known = np.isfinite(voxels)
        for each in shown.values():
            is_known &= np.isfinite(each)
        result.moved.add(voxels, shown, is_known)


def _inside(windows: list[Windows], span: Region) -> list[Windows]:
    """Return windows in the coordinates of a block that was cut out at `span`."""
    axes = zip(windows, span, strict=True)
    return [(starts - axis.start, stops - axis.start) for (starts, stops), axis in axes]


def _fold(how: np.ufunc, block: Block, windows: list[Windows]) -> Block:
    """Return what a function makes of each window of a block."""
    for axis, (starts, stops) in enumerate(windows):
        # `reduceat` takes pairs of places, of which none may be the end of the block.
        ends = np.stack([starts, stops], axis=1).ravel()
        longer = np.concatenate([block, block.take([-1], axis)], axis)
        block = how.reduceat(longer, ends, axis=axis).take(range(0, len(ends), 2), axis)
    return block


def _strange(found: Block, finer: Block, near: list[Windows]) -> Block:
    """Return which voxels hold an id that stands nowhere in their neighbourhood."""
    places = np.nonzero(np.ones(found.shape, np.bool_))
    most = [int((stops - starts).max()) for starts, stops in near]
    # From the middle on, where nearly every id is found.
    offsets = sorted(
        itertools.product(*map(range, most)),
        key=lambda offset: sum(abs(2 * o + 1 - n) for o, n in zip(offset, most, strict=True)),
    )
    for offset in offsets:
        index = tuple(
            np.minimum(starts[at] + o, stops[at] - 1)
            for o, at, (starts, stops) in zip(offset, places, near, strict=True)
        )
        left = finer[index] != found[places]
        places = tuple(at[left] for at in places)
        if not places[0].size:
            break
    strange = np.zeros(found.shape, np.bool_)
    strange[places] = True
    return strange
