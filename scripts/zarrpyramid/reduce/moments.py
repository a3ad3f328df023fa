"""What a block of voxels holds: extremes, sum, counts of NaN and infinity.

The numbers depend on the voxels alone: not on host, strides or the form of the kernel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    Block = np.ndarray[Any, np.dtype[Any]]

_LANES = 256
"""Columns of a sum by columns. It is part of what `describe` gives for floats: changing it changes
totals in the last bits. 256 and 512 are fastest; 128 and 1024 take up to a quarter longer."""

_KEYS_AT_ONCE = 1 << 18


@dataclass(frozen=True, kw_only=True, slots=True)
class Moments:
    """What a block holds.

    Attributes
    ----------
    minimum, maximum
        Over the voxels that are not NaN, infinities included; None if there are none. Zero has
        no sign. Of complex voxels, over their parts.
    total
        The exact sum for integers and bool; for floats, a float64 sum of the finite voxels, and
        for complex voxels a pair of them.
    n_nan, n_inf
        Numbers of NaN and of infinities of either sign.
    """

    minimum: int | float | None
    maximum: int | float | None
    total: int | float | complex
    n_nan: int = 0
    n_inf: int = 0

    @property
    def is_constant(self) -> bool:
        """Whether all voxels are one number."""
        return self.minimum == self.maximum and self.n_nan == 0


def describe(block: Block, total: int | None = None, *, compiled: bool = False) -> Moments:
    """Return extremes, sum and counts of special values of a block.

    The float sum is defined by the block's logical C order: voxels are dealt out to 256 columns,
    each summed in float64 from the first row on, and `math.fsum` adds the columns and what is left
    after the last full row. Voxels that are not finite count as 0. It is infinite when finite
    voxels add up to more than float64 holds.

    `block` is as the source of `windows.reduce_windows`, and `compiled` too; `total` is the exact
    sum of an integer or bool block, as `reduce_mean` returns it, where it is known.
    """
    if block.dtype == np.bool_:
        block = block.view(np.uint8)
    if compiled:
        from .numba_mean import summarize

        found = summarize(block, _LANES)
        if found is not None:
            return Moments(minimum=found[0], maximum=found[1], total=found[2])
    if block.dtype.kind == "f":
        return _describe_floats(block)
    if block.dtype.kind == "c":
        return _describe_complex(block)
    minimum, maximum = int(block.min()), int(block.max())
    if total is None:
        total = exact_sum(block, max(-minimum, maximum))
    return Moments(minimum=minimum, maximum=maximum, total=total)


def extremes(block: Block, *, compiled: bool = False) -> tuple[int, int]:
    """Return the least and the largest of a block of integers or bool."""
    plain = block.view(np.uint8) if block.dtype == np.bool_ else block
    if compiled:
        from .numba_mean import find_extremes

        found = find_extremes(plain)
        if found is not None:
            return found
    return int(plain.min()), int(plain.max())


def count_values(keys: Block, table: Block, *, compiled: bool = False) -> None:
    """Add to a table how often each number of a block, of 8 or 16 bits without sign, is in it."""
    if compiled:
        from .numba_mean import count_keys

        count_keys(keys, table)
    else:
        flat = np.ascontiguousarray(keys).reshape(-1)
        # Indices have eight bytes: those of a chunk of 1 GB would take as much memory as the chunk.
        for start in range(0, flat.size, _KEYS_AT_ONCE):
            # `np.bincount` takes as long, and makes a table to be added to this one.
            np.add.at(table, flat[start : start + _KEYS_AT_ONCE].astype(np.intp), 1)


def describe_extremes(block: Block) -> Moments:
    """Return what `describe` does, but no sum of integers, which takes most of its time."""
    if block.dtype.kind not in "iu":
        return describe(block)
    return Moments(minimum=int(block.min()), maximum=int(block.max()), total=0)


def _describe_floats(block: Block) -> Moments:
    # numpy's minimum of float16 runs at 1 GB/s, its cast to float64 at 2.8: cast once.
    voxels = block.astype(np.float64) if block.dtype == np.float16 else block
    voxels = np.ascontiguousarray(voxels).reshape(-1)
    n_nan = n_inf = 0
    with np.errstate(all="ignore"):
        minimum, maximum = float(voxels.min()), float(voxels.max())
        # A NaN makes both NaN, so that a block of finite voxels is never searched for any.
        if not (math.isfinite(minimum) and math.isfinite(maximum)):
            minimum, maximum = float(np.fmin.reduce(voxels)), float(np.fmax.reduce(voxels))
            n_nan = int(np.count_nonzero(np.isnan(voxels)))
            n_inf = int(np.count_nonzero(np.isinf(voxels)))
            voxels = np.where(np.isfinite(voxels), voxels, voxels.dtype.type(0))
        if n_nan == voxels.size:
            return Moments(minimum=None, maximum=None, total=0.0, n_nan=n_nan)
        total = _float_sum(voxels)
    # Which zero of -0.0 and 0.0 is the lesser depends on the host's vector unit: -0.0 + 0.0 is 0.0.
    return Moments(
        minimum=minimum + 0.0, maximum=maximum + 0.0, total=total + 0.0, n_nan=n_nan, n_inf=n_inf
    )


def _describe_complex(block: Block) -> Moments:
    """Describe the parts; a voxel is NaN where one of them is, else infinite where one of them is.

    A voxel that is not finite adds to neither sum.
    """
    finite = np.isfinite(block)
    whole = bool(finite.all())
    missing = None if whole else np.isnan(block)
    voxels = block if missing is None else np.where(missing, np.nan * (1 + 1j), block)
    real, imaginary = _describe_floats(voxels.real), _describe_floats(voxels.imag)
    known = [part for part in (real, imaginary) if part.minimum is not None]
    if missing is not None:
        real, imaginary = (
            _describe_floats(np.where(finite, part, part.dtype.type(0)))
            for part in (block.real, block.imag)
        )
    return Moments(
        minimum=min((part.minimum for part in known if part.minimum is not None), default=None),
        maximum=max((part.maximum for part in known if part.maximum is not None), default=None),
        total=complex(real.total.real, imaginary.total.real),
        n_nan=0 if missing is None else int(np.count_nonzero(missing)),
        n_inf=0 if missing is None else int(np.count_nonzero(~finite & ~missing)),
    )


def magnitude(block: Block) -> int:
    """Return the largest absolute value of an integer block.

    It takes a tenth of the time of the sums, and often allows accumulators half as wide.
    """
    if block.dtype.kind == "u":
        return int(block.max())
    return max(-int(block.min()), int(block.max()))


def sum_dtype(dtype: np.dtype[Any], n_voxels: int, bound: int) -> np.dtype[Any] | None:
    """Return the narrowest dtype for sums of `n_voxels` up to `bound`, with room to round them."""
    needed = n_voxels * max(bound, 1) + n_voxels // 2
    for itemsize in (1, 2, 4, 8):
        candidate = np.dtype(f"{dtype.kind}{itemsize}")
        if itemsize >= dtype.itemsize and needed <= np.iinfo(candidate).max:
            return candidate
    return None


def _columns(flat: Block) -> tuple[Block, Block]:
    n_rows = flat.size // _LANES
    return flat[: n_rows * _LANES].reshape(n_rows, _LANES), flat[n_rows * _LANES :]


def exact_sum(block: Block, bound: int) -> int:
    """Return the sum of an integer block of absolute values up to `bound`.

    By columns, in an accumulator as narrow as the bound allows: `numpy.sum` in 64 bits casts
    through a buffer and takes 1.5 times as long.
    """
    rows, rest = _columns(np.ascontiguousarray(block).reshape(-1))
    accumulator = sum_dtype(block.dtype, len(rows), bound)
    if accumulator is None:
        high, low = rows >> 32, rows & 0xFFFFFFFF
        total = (exact_sum(high, magnitude(high)) << 32) + exact_sum(low, magnitude(low))
    else:
        total = sum(np.add.reduce(rows, axis=0, dtype=accumulator).tolist())
    return int(total + sum(rest.tolist()))


def _float_sum(flat: Block) -> float:
    """Return the sum of finite voxels that the documentation of `describe` defines.

    Additions of whole rows are the same on every host; `numpy.sum` is not, whose order follows the
    width of the vector unit.
    """
    rows, rest = _columns(flat)
    sums = np.concatenate([np.add.reduce(rows, axis=0, dtype=np.float64), rest])
    if not math.isfinite(float(np.abs(sums).max()) * sums.size):
        return _float_sum(flat * 2.0**-64) * 2.0**64
    return math.fsum(sums.tolist())
