"""Whether the voxels of a block agree with those that they were made from, by sums and extremes.

Finds a kernel, a buffer or an index that went wrong, not a wrong last bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .methods import METHODS

if TYPE_CHECKING:
    from zarrpyramid.geometry import Shape

    from .moments import Moments
    from .pieces import Block


@dataclass(slots=True)
class SourceSums:
    """Sum and extremes of a block, or of the voxels that it was made from, added piece by piece.

    Attributes
    ----------
    minimum, maximum
        Of the voxels that are not NaN; NaN while there are none. Of the parts of complex voxels.
    """

    total: int | float | complex = 0
    largest: int | float = 0
    minimum: int | float = math.nan
    maximum: int | float = math.nan
    has_nan: bool = False
    is_finite: bool = True

    def add(self, read: Moments) -> None:
        """Add what a piece holds."""
        if read.minimum is not None and read.maximum is not None:
            # The old value second: NaN is neither less nor more than the new one, which then stays.
            self.minimum = min(read.minimum, self.minimum)
            self.maximum = max(read.maximum, self.maximum)
        self.has_nan |= read.n_nan > 0
        if read.minimum is None or read.maximum is None or read.n_nan or read.n_inf:
            self.is_finite = False
        else:
            self.total += read.total
            self.largest = max(self.largest, abs(read.minimum), abs(read.maximum))

    def disagrees(
        self, sum_of_means: complex, n_voxels: int, window: int, dtype: np.dtype[Any]
    ) -> bool:
        """Tell whether a sum of means, each times its window's voxels, is not that of the voxels.

        Rounding moves a mean of integers by half at most, and a mean of floats by half a unit in
        the last place, of the largest voxel at most. Adding up a window, voxel by voxel, may lose
        half a unit in the last place of a double each time. Voxels, or sums of them, that are not
        finite disagree with nothing.

        `sum_of_means` is what `weighted_sum` returns; `n_voxels` are read, a whole window has
        `window` of them.
        """
        if not (self.is_finite and math.isfinite(2 * self.largest * n_voxels)):
            return False
        error = 0.5
        if dtype.kind in "fc":
            error = float(np.finfo(dtype).eps) * self.largest + float(np.finfo(dtype).tiny)
        lost = 1e-12 + window * float(np.finfo(np.float64).eps)
        slack = n_voxels * (error + lost * self.largest)
        if dtype.kind == "c":  # a part each
            slack *= 2
        return math.isfinite(abs(sum_of_means)) and abs(sum_of_means - self.total) > slack


def disagreement(
    method: str,
    read: SourceSums,
    written: SourceSums,
    block: Block,
    shape: Shape,
    factors: Shape,
    *,
    skips: bool = False,
) -> str:
    """Return what contradicts that a method made a block of what was read, or nothing.

    By the method's `check`:

    1. "mean", where nanmean skipped nothing: the means, each times the voxels of its window, add up
       to the voxels read, as `SourceSums.disagrees` says.
    2. "sum": the sums add up to the voxels read; of integers exactly, of floats as in 1.
    3. "least", "largest": that of the block is that of the voxels read, and NaN comes from NaN.
    4. "within", and nanmean of NaN: extremes of the block lie within those of the voxels read.
    5. "nothing": nothing contradicts it.

    `read` is what the block was made from, of extents `shape`; `written` is the block. Where the
    method `skips` voxels that stand for no data, 4 holds for it.
    """
    n_voxels, window = math.prod(shape), math.prod(factors)
    check = METHODS[method].check
    if check == "nothing":
        return ""
    if check == "sum":
        wrong = written.total != read.total
        if block.dtype.kind in "fc":
            wrong = written.is_finite and read.disagrees(
                written.total, n_voxels, window, block.dtype
            )
        return f"their sum is {written.total}, of those read {read.total}" if wrong else ""
    if skips:
        check = "within"
    if check == "mean" and not (method == "nanmean" and read.has_nan):
        found = weighted_sum(block, written.total, shape, factors)
        if read.disagrees(found, n_voxels, window, block.dtype):
            return f"their mean is {found / n_voxels}, of those read {read.total / n_voxels}"
        return ""
    if check in ("least", "largest"):
        ends = (written.minimum, read.minimum)
        if check == "largest":
            ends = (written.maximum, read.maximum)
        if ends[0] != ends[1] and not all(map(math.isnan, ends)):
            return f"their {method} is {ends[0]}, of those read {ends[1]}"
        if written.has_nan and not read.has_nan:
            return "some are NaN, of those read none is"
    slack: float = 0
    if METHODS[method].rounds and block.dtype.kind == "f":
        # Of equal floats the mean may differ from them in the last bits, as the sum is rounded.
        largest = max(abs(read.minimum), abs(read.maximum))
        slack = window * float(np.finfo(block.dtype).eps) * largest
        if not math.isfinite(window * largest):  # and the sum may be infinite
            slack = math.inf
    if written.minimum < read.minimum - slack or written.maximum > read.maximum + slack:
        return (
            f"they lie in [{written.minimum}, {written.maximum}], "
            f"those read in [{read.minimum}, {read.maximum}]"
        )
    return ""


def weighted_sum(means: Block, total: complex, shape: Shape, factors: Shape) -> complex:
    """Return the sum of means, each times the voxels of its window.

    `shape` are the extents of the source, whose windows are clipped at high edges; `total` is the
    sum of `means`.
    """
    if all(extent % factor == 0 for extent, factor in zip(shape, factors, strict=True)):
        return total * math.prod(factors)
    weighted: Any = means.astype(np.complex128 if means.dtype.kind == "c" else np.float64)
    with np.errstate(all="ignore"):
        for extent, factor in zip(shape, factors, strict=True):
            starts = np.arange(0, extent, factor)
            weighted = np.tensordot(np.minimum(starts + factor, extent) - starts, weighted, (0, 0))
    found: complex = weighted.item()
    return found
