"""The mean over windows of 2x2 and 2x2x2 voxels, and what a block holds, compiled by numba.

All other windows, clipped ones and float16 are left to numpy: `serves` says why. In cache, 64^3
voxels in windows of 2x2x2 are reduced 2.1 to 5 times as fast as by numpy, on one thread.

The first kernel of a process takes 0.45 s to compile and each further one 0.2 s; from numba's cache
0.12 s and 2 ms. Importing numba takes 0.13 to 0.2 s.
"""

from __future__ import annotations

import logging
import math
from operator import mod
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

    Block = np.ndarray[Any, np.dtype[Any]]


logger = logging.getLogger(__name__)


def serves(dtype: np.dtype[np.generic], window: tuple[int, ...]) -> bool:
    """Tell whether `halve` takes windows of this shape: 2x2 or 2x2x2 on the last axes.

    A form for any window was slower than numpy for 8 and 16 bits, and twice as fast for floats,
    which decoding hides. numba has no float16, whose cast takes half of the numpy form's time.
    """
    halved = window[-2:] == (2, 2) and set(window[-3:-2]) <= {1, 2} and set(window[:-3]) <= {1}
    return halved and dtype != np.float16


def halve(source: Block, window: tuple[int, ...], out: Block) -> int:
    """Fill `out` with the means of the windows of `source`, and return the sum of its voxels.

    Means and sum are those of `mean.reduce_mean`, with 0 for the sum of floats. The windows are
    whole and of a shape that `serves` takes; voxels are float32, float64, or integers whose sum
    fits int64.
    """
    found = _fill(source, window, out)
    return int(found[0] if isinstance(found, tuple) else found)


def _fill(source: Block, window: tuple[int, ...], out: Block) -> Any:
    """Do what `halve` does; return the sum, of 8 and 16 bits with the least and the largest."""
    if source.dtype == np.uint64:
        # The sum fits int64, and so do the voxels: one kernel serves both.
        source, out = source.view(np.int64), out.view(np.int64)
    planes, is_deep = (-1, *source.shape[-2:]), window[-3:-2] == (2,)
    # Windows are whole: planes of all leading axes follow each other as those of one volume.
    voxels = in_c_order(source).reshape(planes)
    if source.dtype.kind != "f" and source.dtype.itemsize <= 2:
        means, kernel = as_part(out, out.dtype), _BY_ROWS[is_deep]
    else:
        is_whole = out.flags.c_contiguous and out.flags.aligned
        means = out if is_whole else np.empty(out.shape, out.dtype)
        kernel = _KERNELS[source.dtype.kind == "f", is_deep]
    found = kernel(voxels, means.reshape(-1, *out.shape[-2:]))
    if means is not out:
        out[...] = means
    return found


def halve_and_describe(
    source: Block, factors: tuple[int, ...], out: Block
) -> tuple[int, int, int] | None:
    """Do what `halve` does, and return least, largest and sum of the voxels.

    None, and `out` untouched, for all but contiguous integers of 8 to 32 bits in whole windows.
    """
    if source.dtype == np.bool_:
        source, out = source.view(np.uint8), out.view(np.uint8)
    is_served = _is_narrow(source) and serves(source.dtype, factors)
    if not is_served or any(map(mod, source.shape, factors)):
        return None
    found = _fill(source, factors, out)
    if isinstance(found, tuple):
        total, least, largest = found
        return int(least), int(largest), int(total)
    return *_extremes_of(source), int(found)


def find_extremes(block: Block) -> tuple[int, int] | None:
    """Return least and largest; None for all but contiguous integers of 8 to 32 bits."""
    return _extremes_of(block) if _is_narrow(block) else None


def _extremes_of(block: Block) -> tuple[int, int]:
    least, largest = _extremes(in_c_order(block).reshape(-1))
    return int(least), int(largest)


def summarize(block: Block, n_lanes: int) -> tuple[float, float, float] | None:
    """Return least, largest and sum of a block, as `describe` defines them.

    None for all but contiguous integers of 8 to 32 bits, and contiguous floats of 32 and 64 bits in
    a whole number of rows of `n_lanes`, all finite.
    """
    if _is_narrow(block):
        least, largest, total = _summary(in_c_order(block).reshape(-1))
        return int(least), int(largest), int(total)
    is_float = block.dtype.kind == "f" and block.dtype.itemsize >= 4
    if not is_float or not block.flags.c_contiguous or block.size % n_lanes:
        return None
    flat = in_c_order(block).reshape(-1)
    sums = np.zeros(n_lanes)
    lows, highs = np.full((2, n_lanes), flat[0])
    _lanes(flat, sums, lows, highs)
    # A voxel that is not finite leaves its lane so; too large a sum is left to numpy as well.
    if not math.isfinite(float(np.abs(sums).max()) * n_lanes):
        return None
    return float(lows.min()) + 0.0, float(highs.max()) + 0.0, math.fsum(sums.tolist()) + 0.0


def count_keys(keys: Block, table: Block) -> None:
    """Do what `moments.count_values` does; a part of a block is counted where it is."""
    if keys.ndim > 3 or keys.flags.c_contiguous or not keys.flags.aligned:
        _count(in_c_order(keys).reshape(-1), table)
        return
    part = keys.view()
    part.flags.writeable = False
    _count_part(part[(None,) * (3 - keys.ndim)], table)


def _is_narrow(block: Block) -> bool:
    """Tell whether a block is contiguous, of integers whose sum fits int64 whatever they are."""
    return (
        block.dtype.kind in "iu"
        and block.dtype.itemsize <= 4
        and block.size <= 1 << 31
        and block.flags.c_contiguous
    )


def in_c_order(block: Block) -> Block:
    """Return a read-only block in aligned C order, itself where it is so already.

    numba compiles a kernel for each layout of its arguments, and for read-only ones; in C order,
    whose rows are contiguous, it is two to four times as fast as in the layout "any".
    """
    is_plain = block.flags.c_contiguous and block.flags.aligned
    found = block.view() if is_plain else block.copy(order="C")
    found.flags.writeable = False
    return found


def as_part(out: Block, dtype: np.dtype[Any]) -> Block:
    """Return a block of some dtype in the layout of a part of a larger one, `out` where it is one.

    numba compiles a kernel for each layout, and parts are what chunks are reduced to.
    """
    is_part = out.ndim <= 3 and not out.flags.c_contiguous and out.flags.aligned
    if is_part and out.dtype == dtype:
        return out
    return np.empty((*out.shape[:-1], out.shape[-1] + 1), dtype)[..., :-1]


def compile_kernel(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Return a kernel in its compiled form, kept in numba's cache where that can be written."""
    compiled: Callable[..., Any]
    try:
        compiled = njit(cache=True, nogil=True, error_model="numpy")(kernel)
    except RuntimeError as error:  # numba finds no folder that it may write its cache to
        logger.info("kernels are compiled anew in every process: %s", error)
        compiled = njit(nogil=True, error_model="numpy")(kernel)
    return compiled


# Kernels take blocks in C order; `source` has two rows, or two planes of two rows, for each row of
# `out`. Integers are summed in 64 bits and rounded half to even: half - 1 and the parity of the
# quotient are added before the shift. Of 8 and 16 bits, rows are added first, which takes their
# pairs apart once and not four times: a quarter faster. Floats are added as doubles in C order,
# which stands as written without fastmath, and any NaN becomes the one quiet NaN.


def _mean_kernel(depth: int, *, is_float: bool) -> Callable[..., Any]:
    # numba takes what the kernel finds around it as constants, and drops the branches not taken.
    wide: Any = np.float64 if is_float else np.int64
    n_voxels, shift = 4 * depth, 1 + depth

    def mean(source, out):  # type: ignore[no-untyped-def]
        total = np.int64(0)
        for z in range(out.shape[0]):
            for y in range(out.shape[1]):
                a, b = source[depth * z, 2 * y], source[depth * z, 2 * y + 1]
                c, d = source[depth * (z + 1) - 1, 2 * y], source[depth * (z + 1) - 1, 2 * y + 1]
                means = out[z, y]
                for x in range(means.size):
                    window = wide(a[2 * x]) + wide(a[2 * x + 1])
                    window += wide(b[2 * x])
                    window += wide(b[2 * x + 1])
                    if depth == 2:
                        window += wide(c[2 * x])
                        window += wide(c[2 * x + 1])
                        window += wide(d[2 * x])
                        window += wide(d[2 * x + 1])
                    if is_float:
                        means[x] = window / n_voxels if window == window else np.nan
                    else:
                        total += window
                        means[x] = (window + (n_voxels // 2 - 1) + ((window >> shift) & 1)) >> shift
        return total

    return compile_kernel(mean)


def _rows_kernel(depth: int) -> Callable[..., Any]:
    # As int32: with Python's numbers numba goes on in 64 bits. Extremes are found on the way: to
    # look for them before takes half as long again, most of it to bring voxels into the cache.
    shift, half, one = np.int32(1 + depth), np.int32(2 * depth - 1), np.int32(1)

    def mean(source, out):  # type: ignore[no-untyped-def]
        total = np.int64(0)
        row = np.empty(source.shape[2], np.int32)
        least = largest = source[0, 0, 0]
        for z in range(out.shape[0]):
            for y in range(out.shape[1]):
                a, b = source[depth * z, 2 * y], source[depth * z, 2 * y + 1]
                c, d = source[depth * (z + 1) - 1, 2 * y], source[depth * (z + 1) - 1, 2 * y + 1]
                means = out[z, y]
                for x in range(row.size):
                    row[x] = np.int32(a[x]) + np.int32(b[x])
                    least = min(least, min(a[x], b[x]))
                    largest = max(largest, max(a[x], b[x]))
                    if depth == 2:
                        row[x] += np.int32(c[x]) + np.int32(d[x])
                        least = min(least, min(c[x], d[x]))
                        largest = max(largest, max(c[x], d[x]))
                for x in range(means.size):
                    window = row[2 * x] + row[2 * x + 1]
                    total += window
                    means[x] = (window + half + ((window >> shift) & one)) >> shift
        return total, least, largest

    return compile_kernel(mean)


@compile_kernel
def _count(keys, table):  # type: ignore[no-untyped-def]
    for x in range(keys.size):
        table[keys[x]] += 1


@compile_kernel
def _count_part(part, table):  # type: ignore[no-untyped-def]
    # Of each window the first voxel: to copy them together first takes as long again.
    for z in range(part.shape[0]):
        for y in range(part.shape[1]):
            row = part[z, y]
            for x in range(row.size):
                table[row[x]] += 1


@compile_kernel
def _extremes(flat):  # type: ignore[no-untyped-def]
    least = largest = flat[0]
    for x in range(flat.size):
        least = min(least, flat[x])
        largest = max(largest, flat[x])
    return least, largest


@compile_kernel
def _summary(flat):  # type: ignore[no-untyped-def]
    least = largest = flat[0]
    total = np.int64(0)
    for x in range(flat.size):
        least = min(least, flat[x])
        largest = max(largest, flat[x])
        total += np.int64(flat[x])
    return least, largest, total


@compile_kernel
def _lanes(flat, sums, lows, highs):  # type: ignore[no-untyped-def]
    # In lanes, since LLVM may not change the order of a float's additions and comparisons. Four
    # rows at once: what is loaded and stored of the lanes takes longer than to add to them.
    n_lanes = sums.size
    n_rows = flat.size // n_lanes
    whole = n_rows - n_rows % 4
    for first in range(0, whole, 4):
        start = first * n_lanes
        a, b = flat[start : start + n_lanes], flat[start + n_lanes : start + 2 * n_lanes]
        start += 2 * n_lanes
        c, d = flat[start : start + n_lanes], flat[start + n_lanes : start + 2 * n_lanes]
        for x in range(n_lanes):
            total = sums[x] + np.float64(a[x])
            total += np.float64(b[x])
            total += np.float64(c[x])
            sums[x] = total + np.float64(d[x])
            low, high = a[x] if a[x] < b[x] else b[x], a[x] if a[x] > b[x] else b[x]
            low2, high2 = c[x] if c[x] < d[x] else d[x], c[x] if c[x] > d[x] else d[x]
            low, high = low if low < low2 else low2, high if high > high2 else high2
            lows[x] = low if low < lows[x] else lows[x]
            highs[x] = high if high > highs[x] else highs[x]
    for first in range(whole, n_rows):
        row = flat[first * n_lanes : (first + 1) * n_lanes]
        for x in range(n_lanes):
            voxel = row[x]
            sums[x] += np.float64(voxel)
            lows[x] = voxel if voxel < lows[x] else lows[x]
            highs[x] = voxel if voxel > highs[x] else highs[x]


_KERNELS = {
    (is_float, is_deep): _mean_kernel(1 + is_deep, is_float=is_float)
    for is_float in (False, True)
    for is_deep in (False, True)
}
"""By whether voxels are floats, and whether windows are two planes deep."""

_BY_ROWS = {is_deep: _rows_kernel(1 + is_deep) for is_deep in (False, True)}
"""The same of integers of 8 and 16 bits."""
