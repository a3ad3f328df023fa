"""The task that looks how well the candidates explain the boxes of a level of another program.

A box is compared with what each candidate makes of the finer voxels. What its figures say is said
in `fits`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from zarrpyramid import geometry
from zarrpyramid.arrays import read_region
from zarrpyramid.errors import AccessError, StoreError

from .boxes import BoxTask, axis_mask, first_of
from .candidates import candidates, difference, float_means, reduced
from .fits import Count, Explanation, Fit

if TYPE_CHECKING:
    from zarrpyramid.arrays import Block
    from zarrpyramid.geometry import Index, Region


class ExplainTask(BoxTask):
    """The task that compares a block of a level with what each candidate makes of a finer level.

    Voxels that stand beyond the finer level, where arrays are padded, are to be fill value.
    """

    def __call__(self, place: Index) -> Explanation:  # type: ignore[override]
        """Look at the block at a place."""
        result = Explanation()
        for region in self.boxes(place):
            try:
                result.merge(self._look(region))
            except AccessError:
                raise
            except StoreError as error:
                result.damaged.append(str(error))
        return result

    def _look(self, region: Region) -> Explanation:
        """Return the figures of a box."""
        found = read_region(self.arrays[1], region)
        reached = geometry.coarse_shape(self.source.shape, self.factors)
        axes = list(zip(region, reached, self.factors, self.source.shape, strict=True))
        covered = tuple(slice(min(a.start, n), min(a.stop, n)) for a, n, _, _ in axes)
        inside = geometry.relative_region(covered, region)
        beyond = axis_mask(found.shape, [np.arange(a.start, a.stop) >= n for a, n, _, _ in axes])
        is_cut = axis_mask(
            found.shape, [np.arange(a.start + 1, a.stop + 1) * f > m for a, _, f, m in axes]
        )
        fill: Any = np.array(self.target.fill_value, found.dtype)
        is_fill = (found == fill) | (np.isnan(found) & np.isnan(fill))
        result = Explanation(n_voxels=found.size, n_fill=int(is_fill.sum()))
        result.n_expected_fill = int(beyond.sum())
        strange = beyond & ~is_fill
        result.n_beyond, result.first_beyond = int(strange.sum()), first_of(strange, region)
        known = candidates(self.source.dtype, is_labels=self.is_labels)
        made: dict[str, Block] = {}
        if not beyond.all():
            span = geometry.finer_region(covered, self.factors, self.source.shape)
            finer = read_region(self.arrays[0], span)
            self._measure(finer, found[inside], result)
            made = {name: make(finer, self.factors) for name, make in known.items()}
        telling = np.zeros(found.shape, np.bool_)
        if made:
            few, many = ("min", "max") if "min" in made else ("stride", "mean")
            telling[inside] = made[few] != made[many]
        for name in known:
            fit = result.fits[name] = Fit()
            wrong, told = strange.copy(), telling.copy()
            if made:
                wrong[inside], fit.largest = difference(made[name], found[inside], self.factors)
                told[inside] &= ~np.isnan(made[name])  # one NaN makes every mean of it NaN
            fit.inner = Count.of(found, wrong, told, ~is_cut, region)
            fit.cut = Count.of(found, wrong, told, is_cut, region)
        return result

    def _measure(self, finer: Block, found: Block, result: Explanation) -> None:
        """Count expected fill values, and add up brightness."""
        if "c" in (finer.dtype.kind, found.dtype.kind):
            return
        fill: Any = np.array(self.target.fill_value, found.dtype)
        first, means = reduced("stride", finer, self.factors), float_means(finer, self.factors)
        result.n_expected_fill += int(((first == fill) & (means == fill)).sum())
        stored = found.astype(np.float64)
        finite = np.isfinite(stored) & np.isfinite(means)
        result.n_finite = int(finite.sum())
        result.total = float(stored[finite].sum())
        result.expected_total = float(means[finite].sum())
        result.squares = float((means[finite] ** 2).sum())
        known = finer[np.isfinite(finer)]
        result.least = float(known.min()) if known.size else math.inf
        result.largest = float(known.max()) if known.size else -math.inf
