"""The mean over windows of 2x2 and 2x2x2 voxels, compiled by numba.

Keeps out every other window, float16 and clipped edges: `kernels` sends here only what pays.

GB/s of input on one thread, in cache, windows of 2x2x2, Zen 5 at 2.6 GHz, numba 0.68:

========  ===========  ===========  ==============
dtype     64^3 voxels  128^3        numpy at 64^3
========  ===========  ===========  ==============
uint8             8.5           19             3.2
uint16             16           39             4.6
uint32             30           58             5.7
uint64             26           28              12
float32            28           48             6.4
float64            34           57              11
========  ===========  ===========  ==============

The first kernel of a process takes 0.45 s to compile and each further one 0.2 s; from numba's cache
0.12 s and 2 ms. Importing numba takes 0.13 to 0.2 s.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import math
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit
from numpy.lib.stride_tricks import as_strided

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Block = np.ndarray[Any, np.dtype[Any]]


logger = logging.getLogger(__name__)


def serves(dtype: np.dtype[np.generic], window: tuple[int, ...]) -> bool:
    """Say whether `halve` takes windows of this shape: 2x2 or 2x2x2 on the last axes.

    A general form (any window, rows added into a row of sums) is left out: for 3x3x3 it gave 2.5
    GB/s of uint8 and 4.7 of uint16, where numpy's strided additions give 4.1 and 8.8; of float32
    and float64 9.3 and 20 against 3.8 and 4.9, which decoding at 0.5 GB/s hides. float16 is not a
    type of numba's, and its cast alone takes half of the numpy form's time.
    """
    halved = window[-2:] == (2, 2) and set(window[-3:-2]) <= {1, 2} and set(window[:-3]) <= {1}
    return halved and dtype != np.float16


def prepare(dtype: np.dtype[Any]) -> None:
    """Have the kernels of a dtype loaded, or compiled where no process has done it before.

    One process at a time: the others wait and load what the first one has compiled. Where the
    cache's folder cannot be written numba takes the user's, and where there is none each process
    compiles for itself.
    """
    with alone():
        for window in ((1, 2, 2), (2, 2, 2)):
            if serves(dtype, window):
                block = np.zeros(window, dtype)
                halve(block, window, np.zeros((1, 1, 1), dtype))
                halve_and_describe(block, window, np.zeros((1, 1, 1), dtype))
        summarize(np.zeros(1, dtype), 1)


@contextmanager
def alone() -> Iterator[None]:
    """Hold off every other process of this user that compiles kernels."""
    name = f"zarrpyramid-{os.getuid()}-{hashlib.sha256(__file__.encode()).hexdigest()[:16]}.lock"
    with (Path(tempfile.gettempdir()) / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def halve(source: Block, window: tuple[int, ...], out: Block) -> int:
    """Fill `out` with the means of the windows of `source`, as `kernels.reduce_mean` defines them.

    Parameters
    ----------
    source
        Whole windows only. Integers whose sum fits int64, or float32 or float64.
    window
        One that `serves` agrees to.
    out
        Of the dtype of `source`. Any strides.

    Returns
    -------
    int
        The exact sum of the voxels of `source`; 0 for floats.
    """
    if source.dtype == np.uint64:
        # The sum fits int64, so the voxels do: one kernel serves both.
        source, out = source.view(np.int64), out.view(np.int64)
    if not has_plain_rows(source):
        source = np.ascontiguousarray(source)
    means = out if has_plain_rows(out) else np.empty(out.shape, out.dtype)
    n_leading = max(0, source.ndim - 3)
    padding = (np.newaxis,) * (3 - source.ndim)
    kernels = _FLOAT_KERNELS if source.dtype.kind == "f" else _INTEGER_KERNELS
    kernel = kernels[window[-3:] == (2, 2, 2)]
    total = 0
    for index in np.ndindex(source.shape[:n_leading]):
        target = means[index][padding]
        total += kernel(
            *flatten(source[index][padding], writeable=False),
            *flatten(target, writeable=True),
            target.shape,
        )
    if means is not out:
        out[...] = means
    return int(total)


def halve_and_describe(
    source: Block, factors: tuple[int, ...], out: Block
) -> tuple[int, int, int] | None:
    """Do what `halve` does, and return least, largest and sum of the voxels.

    23 us for 64^3 uint16, where the means compiled and the extremes by numpy took 91.

    Parameters
    ----------
    source
        Any block.
    factors
        Of the block's windows.
    out
        Of the dtype of `source`.

    Returns
    -------
    tuple of int, or None
        None, and `out` untouched, where this is not served: beside whole windows of 2x2x2 or 1x2x2
        of contiguous 3-D integers of 8 to 32 bits.
    """
    if source.dtype == np.bool_:
        source, out = source.view(np.uint8), out.view(np.uint8)
    if (
        factors not in ((1, 2, 2), (2, 2, 2))
        or source.dtype.kind not in "iu"
        or source.dtype.itemsize > 4
        or any(extent % factor for extent, factor in zip(source.shape, factors, strict=True))
        or not source.flags.c_contiguous
        or not has_plain_rows(out)
    ):
        return None
    strides = (source.shape[1] * source.shape[2], source.shape[2], 1)
    flat = source.reshape(-1)
    flat.flags.writeable = False  # as `halve` passes it: one variant of the kernel for both
    least, largest = _EXTREMES(flat)
    kernel = _INTEGER_KERNELS[factors != (1, 2, 2)]
    total = kernel(flat, strides, *flatten(out, writeable=True), out.shape)
    return int(least), int(largest), int(total)


def summarize(block: Block, n_lanes: int) -> tuple[float, float, float] | None:
    """Return least, largest and sum of a block, as `kernels.describe` defines them.

    Returns
    -------
    tuple of number, or None
        None where this is not served: beside contiguous integers of 8 to 32 bits, and contiguous
        floats of 32 and 64 bits in a whole number of rows of `n_lanes`, all of them finite.
    """
    if not block.flags.c_contiguous or block.size > 1 << 31:
        return None
    flat = block.reshape(-1)
    flat.flags.writeable = False
    if block.dtype.kind in "iu" and block.dtype.itemsize <= 4:
        least, largest, total = _SUMMARY(flat)
        return int(least), int(largest), int(total)
    if block.dtype.kind != "f" or block.dtype.itemsize < 4 or flat.size % n_lanes:
        return None
    sums = np.zeros(n_lanes)
    lows, highs = np.full((2, n_lanes), flat[0])
    _LANES(flat, sums, lows, highs)
    # One voxel that is not finite leaves its lane so; too large a sum goes the long way as well.
    if not math.isfinite(float(np.abs(sums).max()) * n_lanes):
        return None
    return (
        float(lows.min()) + 0.0,
        float(highs.max()) + 0.0,
        math.fsum(sums.tolist()) + 0.0,
    )


def has_plain_rows(block: Block) -> bool:
    """Say whether the last axis is contiguous and the others step forward by whole voxels."""
    return (
        block.flags.aligned
        and block.strides[-1] == block.itemsize
        and all(stride >= 0 and stride % block.itemsize == 0 for stride in block.strides)
    )


def flatten(block: Block, *, writeable: bool) -> tuple[Block, tuple[int, ...]]:
    """Return the memory that a block spans as one contiguous axis, and its strides in voxels.

    numba compiles a kernel for each layout of its arguments. As flat memory every block has the
    same one, and rows known to be contiguous: two to four times the speed of the layout "any".
    """
    strides = tuple(stride // block.itemsize for stride in block.strides)
    if block.flags.c_contiguous:  # 10 us less, a kernel's time for 64^3
        flat = block.reshape(-1)
        flat.flags.writeable = writeable
        return flat, strides
    last = sum((extent - 1) * stride for extent, stride in zip(block.shape, strides, strict=True))
    return as_strided(block, (last + 1,), (block.itemsize,), writeable=writeable), strides


def compile_kernel(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Return a kernel in its compiled form, kept in numba's cache where that can be written."""
    compiled: Callable[..., Any]
    try:
        compiled = njit(cache=True, nogil=True, error_model="numpy")(kernel)
    except RuntimeError as error:  # numba finds no folder that it may write its cache to
        logger.info("kernels are compiled anew in every process: %s", error)
        compiled = njit(nogil=True, error_model="numpy")(kernel)
    return compiled


def _integer_kernel(deep: bool) -> Callable[..., int]:
    # `deep` is frozen into the kernel: as an argument it cost three quarters of the speed.
    # Sums of 64 bits for every dtype, and the total beside them: LLVM narrows the arithmetic by
    # itself, so that explicit accumulators of 16 and 32 bits, or no total, gained nothing.
    depth = 1 + deep

    def halve_integers(source, source_strides, out, out_strides, shape):  # type: ignore[no-untyped-def]
        total = np.int64(0)
        n_planes, n_rows, width = shape
        for plane in range(n_planes):
            for row in range(n_rows):
                start = depth * plane * source_strides[0] + 2 * row * source_strides[1]
                a = source[start : start + 2 * width]
                start += source_strides[1]
                b = source[start : start + 2 * width]
                target = plane * out_strides[0] + row * out_strides[1]
                means = out[target : target + width]
                if deep:
                    start += source_strides[0]
                    d = source[start : start + 2 * width]
                    start -= source_strides[1]
                    c = source[start : start + 2 * width]
                    for x in range(width):
                        window = np.int64(
                            a[2 * x] + a[2 * x + 1] + b[2 * x] + b[2 * x + 1]
                            + c[2 * x] + c[2 * x + 1] + d[2 * x] + d[2 * x + 1]
                        )  # fmt: skip
                        total += window
                        means[x] = (window + 3 + ((window >> 3) & 1)) >> 3
                else:
                    for x in range(width):
                        window = np.int64(a[2 * x] + a[2 * x + 1] + b[2 * x] + b[2 * x + 1])
                        total += window
                        means[x] = (window + 1 + ((window >> 2) & 1)) >> 2
        return total

    return compile_kernel(halve_integers)


def _extremes(flat):  # type: ignore[no-untyped-def]
    least = largest = flat[0]
    for x in range(flat.size):
        least = min(least, flat[x])
        largest = max(largest, flat[x])
    return least, largest


def _summary(flat):  # type: ignore[no-untyped-def]
    least = largest = flat[0]
    total = np.int64(0)
    for x in range(flat.size):
        least = min(least, flat[x])
        largest = max(largest, flat[x])
        total += np.int64(flat[x])
    return least, largest, total


def _lanes(flat, sums, lows, highs):  # type: ignore[no-untyped-def]
    # Lanes, since LLVM may not turn the order of a float's additions and comparisons.
    for start in range(0, flat.size, sums.size):
        row = flat[start : start + sums.size]
        for x in range(sums.size):
            voxel = row[x]
            sums[x] += np.float64(voxel)
            lows[x] = voxel if voxel < lows[x] else lows[x]
            highs[x] = voxel if voxel > highs[x] else highs[x]


def _float_kernel(deep: bool) -> Callable[..., int]:
    # Without fastmath the order of additions stands as written.
    depth = 1 + deep

    def halve_floats(source, source_strides, out, out_strides, shape):  # type: ignore[no-untyped-def]
        n_planes, n_rows, width = shape
        for plane in range(n_planes):
            for row in range(n_rows):
                start = depth * plane * source_strides[0] + 2 * row * source_strides[1]
                a = source[start : start + 2 * width]
                start += source_strides[1]
                b = source[start : start + 2 * width]
                target = plane * out_strides[0] + row * out_strides[1]
                means = out[target : target + width]
                if deep:
                    start += source_strides[0]
                    d = source[start : start + 2 * width]
                    start -= source_strides[1]
                    c = source[start : start + 2 * width]
                    for x in range(width):
                        window = np.float64(a[2 * x]) + np.float64(a[2 * x + 1])
                        window += np.float64(b[2 * x])
                        window += np.float64(b[2 * x + 1])
                        window += np.float64(c[2 * x])
                        window += np.float64(c[2 * x + 1])
                        window += np.float64(d[2 * x])
                        window += np.float64(d[2 * x + 1])
                        means[x] = window / 8.0 if window == window else np.nan
                else:
                    for x in range(width):
                        window = np.float64(a[2 * x]) + np.float64(a[2 * x + 1])
                        window += np.float64(b[2 * x])
                        window += np.float64(b[2 * x + 1])
                        means[x] = window / 4.0 if window == window else np.nan
        return 0

    return compile_kernel(halve_floats)


_INTEGER_KERNELS = {deep: _integer_kernel(deep) for deep in (False, True)}
_FLOAT_KERNELS = {deep: _float_kernel(deep) for deep in (False, True)}
_EXTREMES = compile_kernel(_extremes)
_SUMMARY = compile_kernel(_summary)
_LANES = compile_kernel(_lanes)
