"""Whether the means of a block agree with the voxels that they were made from.

A check by sums, which catches a kernel, a buffer or an index gone wrong, not the last bit. Keeps
out how either was read or made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .geometry import Shape
    from .kernels import Block, Moments


@dataclass(slots=True)
class SourceSums:
    """Sum and largest magnitude of the voxels that a block was made from, piece by piece."""

    total: int | float = 0
    largest: int | float = 0
    is_finite: bool = True

    def add(self, read: Moments) -> None:
        """Take in a piece."""
        if read.minimum is None or read.maximum is None or read.n_nan or read.n_inf:
            self.is_finite = False
        else:
            self.total += read.total
            self.largest = max(self.largest, abs(read.minimum), abs(read.maximum))

    def disagrees(
        self, sum_of_means: float, n_voxels: int, window: int, dtype: np.dtype[Any]
    ) -> bool:
        """Tell whether a sum of means, each times its window's voxels, is not that of the voxels.

        Rounding moves a mean of integers by half at most, and a mean of floats by half a unit in
        the last place, of the largest voxel at most. Adding up a window, voxel by voxel, may lose
        half a unit in the last place of a double each time. Voxels, or sums of them, that are not
        finite disagree with nothing.

        Parameters
        ----------
        sum_of_means
            As `weighted_sum` returns it.
        n_voxels
            Voxels read.
        window
            Voxels of a whole window.
        """
        if not (self.is_finite and math.isfinite(2 * self.largest * n_voxels)):
            return False
        error = 0.5
        if dtype.kind == "f":
            error = float(np.finfo(dtype).eps) * self.largest + float(np.finfo(dtype).tiny)
        lost = 1e-12 + window * float(np.finfo(np.float64).eps)
        slack = n_voxels * (error + lost * self.largest)
        return math.isfinite(sum_of_means) and abs(sum_of_means - self.total) > slack


def weighted_sum(means: Block, total: float, shape: Shape, factors: Shape) -> int | float:
    """Return the sum of means, each times the voxels of its window.

    Parameters
    ----------
    means
        Of a source of extents `shape`; windows at its high edges are clipped.
    total
        The sum of `means`.
    """
    if all(extent % factor == 0 for extent, factor in zip(shape, factors, strict=True)):
        return total * math.prod(factors)
    weighted: Any = means.astype(np.float64)
    with np.errstate(all="ignore"):
        for extent, factor in zip(shape, factors, strict=True):
            starts = np.arange(0, extent, factor)
            weighted = np.tensordot(np.minimum(starts + factor, extent) - starts, weighted, (0, 0))
    return float(weighted)
