"""Arithmetic on voxels in memory: block means and what a block holds.

Keeps out storage, regions of larger arrays and numba: the compiled form stands in `compiled`, is
imported only when asked for, and gives the same bits.
"""

from __future__ import annotations

import gc
import itertools
import math
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    Block = np.ndarray[Any, np.dtype[Any]]
    Region = tuple[slice, ...]

_loading: dict[Hashable, threading.Thread] = {}
_loading_lock = threading.Lock()

_LANES = 256
"""Columns of a sum by columns. It is part of what `describe` gives for floats: changing it changes
totals in the last bits. 256 and 512 are fastest; 128 and 1024 take up to a quarter longer."""

_SLAB_VOXELS = 1 << 19
"""Voxels the numpy form takes at a time. Half as many cost a tenth to overheads, 2**24 half of the
speed of floats to cache misses."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Moments:
    """What a block holds, in numbers that do not depend on host, strides or form of kernel.

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


def reduce_mean(
    source: Block,
    factors: tuple[int, ...],
    out: Block,
    *,
    compiled: bool = False,
    bound: int | None = None,
) -> int | None:
    """Fill `out` with the means of the windows of `source`.

    Windows start at the origin of `source`. One that sticks out at the high end averages the
    voxels that are there.

    1. Integers: the exact mean, rounded half to even.
    2. Bool: True where more than half of the window is True. (The mean of 0 and 1, half to even.)
    3. Floats: voxels as float64, added in C order from the first one, divided by their number and
       rounded to the dtype once. NaN and infinity propagate as IEEE 754 says, and every NaN is
       the one quiet NaN that `numpy.nan` casts to. (The sum is rounded at every step: a float64
       constant with all 53 bits in use may move by one ulp.)

    Parameters
    ----------
    source
        Any strides, native byte order, not empty. Bool voxels are bytes 0 and 1.
    factors
        Voxels of a window along each axis; their product is below 2**32.
    out
        Of the dtype of `source` and its shape divided by `factors`, rounded up. Any strides; shares
        no memory with `source`.
    compiled
        Use numba where it is faster. The bits are the same.
    bound
        The largest absolute value of integer voxels, where it is known.

    Returns
    -------
    int or None
        The exact sum of all voxels of `source`, which the means cost nothing to give; None for
        floats.

    Raises
    ------
    ValueError
        If shapes, factors or dtypes do not belong together.

    Examples
    --------
    >>> out = np.empty(3, np.int8)
    >>> reduce_mean(np.array([0, 1, 1, 2, -3], np.int8), (2,), out)
    1
    >>> out
    array([ 0,  2, -3], dtype=int8)
    """
    check_out(source, factors, out)
    if source.dtype == np.bool_:
        source, out = source.view(np.uint8), out.view(np.uint8)
    if compiled:
        from .numba_mean import halve, serves

    total = 0
    with np.errstate(all="ignore"):
        for window, region, target in uniform_pieces(source.shape, factors):
            piece, means = source[region], out[target]
            if compiled and serves(piece.dtype, window) and _sums_fit_int64(piece):
                total += halve(piece, window, means)
            elif source.dtype.kind == "f":
                for slab, part in slabs(piece, window, means):
                    _mean_of_floats(slab, window, part)
            else:
                for slab, part in slabs(piece, window, means):
                    total += _mean_of_integers(slab, window, part, bound)
    return None if source.dtype.kind == "f" else total


def reduce_and_describe(
    source: Block, factors: tuple[int, ...], out: Block, *, compiled: bool = False
) -> Moments:
    """Do what `reduce_mean` and `describe` of `source` do, in one call where that is faster."""
    if compiled:
        from .numba_mean import halve_and_describe

        extremes = halve_and_describe(source, factors, out)
        if extremes is not None:
            minimum, maximum, total = extremes
            return Moments(minimum=minimum, maximum=maximum, total=total)
    elif source.dtype.kind in "iu":
        # The extremes are wanted in any case: the means need not look for them again.
        minimum, maximum = int(source.min()), int(source.max())
        found = reduce_mean(source, factors, out, bound=max(-minimum, maximum))
        return Moments(minimum=minimum, maximum=maximum, total=found or 0)
    return describe(source, reduce_mean(source, factors, out, compiled=compiled), compiled=compiled)


def load_compiled(dtype: np.dtype[Any]) -> threading.Thread:
    """Return the thread that loads the compiled form of a dtype, begun by the first call.

    That takes 0.4 CPU s, as long as numpy takes for the means of 4000 chunks of 64^3. Until it is
    done `compiled_is_ready` is False, and callers go on with the numpy form.
    """
    return load_aside(dtype, partial(_load_means, dtype))


def compiled_is_ready(dtype: np.dtype[Any]) -> bool:
    """Tell whether the compiled form of a dtype is loaded in this process."""
    return is_loaded(dtype)


def load_aside(key: Hashable, load: Callable[[], None]) -> threading.Thread:
    """Return the thread that loads what a key stands for, begun by the first call."""
    with _loading_lock:
        if key not in _loading:
            _loading[key] = threading.Thread(target=_undisturbed, args=(load,), daemon=True)
            _loading[key].start()
        return _loading[key]


def is_loaded(key: Hashable) -> bool:
    """Tell whether what a key stands for is loaded in this process."""
    return key in _loading and not _loading[key].is_alive()


def _undisturbed(load: Callable[[], None]) -> None:
    # Looking for garbage while numba is imported takes a third as long again, and finds none.
    collecting = gc.isenabled()
    gc.disable()
    try:
        load()
    finally:
        if collecting:
            gc.enable()


def _load_means(dtype: np.dtype[Any]) -> None:
    from .numba_mean import prepare

    prepare(dtype)


def describe(block: Block, total: int | None = None, *, compiled: bool = False) -> Moments:
    """Return extremes, sum and counts of special values of a block.

    The float sum is defined by the block's logical C order: voxels are dealt out to 256 columns,
    each summed in float64 from the first row on, and `math.fsum` adds the columns and what is left
    after the last full row. Voxels that are not finite count as 0. It is infinite when finite
    voxels add up to more than float64 holds.

    Parameters
    ----------
    block
        Any strides, native byte order, not empty.
    total
        The exact sum of an integer or bool block where it is known, as `reduce_mean` returns it;
        it is taken as it stands.
    compiled
        Use numba where it is faster. The bits are the same.
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
        total = _exact_sum(block, max(-minimum, maximum))
    return Moments(minimum=minimum, maximum=maximum, total=total)


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


def check_out(
    source: Block, factors: tuple[int, ...], out: Block, *, keeps_dtype: bool = True
) -> None:
    """See that `out` can take what is made of the windows of `source`.

    Raises
    ------
    ValueError
        If it has another shape, or another dtype where that is kept.
    """
    expected = tuple(
        -(-extent // factor) for extent, factor in zip(source.shape, factors, strict=True)
    )
    if out.shape != expected or (keeps_dtype and out.dtype != source.dtype):
        raise ValueError(
            f"expected out of {source.dtype} and shape {expected}, found {out.dtype} {out.shape}"
        )


def uniform_pieces(
    shape: tuple[int, ...], factors: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], Region, Region]]:
    """Yield (window, source region, out region) of the at most 2**d pieces cut at the high edges.

    Each piece consists of whole windows of one shape, so that no kernel knows of edges.
    """
    spans: list[list[tuple[int, slice, slice]]] = []
    for extent, factor in zip(shape, factors, strict=True):
        whole, rest = divmod(extent, factor)
        full = (factor, slice(0, whole * factor), slice(0, whole))
        clipped = (rest, slice(whole * factor, extent), slice(whole, whole + 1))
        spans.append([span for span, found in ((full, whole), (clipped, rest)) if found])
    for combination in itertools.product(*spans):
        window, region, target = zip(*combination, strict=True)
        yield window, region, target


def slabs(source: Block, window: tuple[int, ...], out: Block) -> Iterator[tuple[Block, Block]]:
    """Cut source and out across the first axis that has several windows, into cache-sized slabs."""
    axis = next((axis for axis, extent in enumerate(out.shape) if extent > 1), 0)
    step = max(1, _SLAB_VOXELS * out.shape[axis] // source.size)
    before, factor = (slice(None),) * axis, window[axis]
    for start in range(0, out.shape[axis], step):
        yield (
            source[(*before, slice(start * factor, (start + step) * factor))],
            out[(*before, slice(start, start + step))],
        )


def _mean_of_floats(source: Block, window: tuple[int, ...], out: Block) -> None:
    # One strided addition a voxel of the window. Casting the block first, or dealing its last axis
    # out into contiguous halves, took 1.2 to 1.4 times as long.
    first, *others = (
        tuple(slice(start, None, factor) for start, factor in zip(offset, window, strict=True))
        for offset in np.ndindex(*window)
    )
    sums = source[first].astype(np.float64)
    for offset in others:
        np.add(sums, source[offset], out=sums)
    sums /= math.prod(window)
    missing = np.isnan(sums)
    if missing.any():
        sums[missing] = np.nan
    np.copyto(out, sums, casting="same_kind")


def _mean_of_integers(source: Block, window: tuple[int, ...], out: Block, bound: int | None) -> int:
    n_voxels = math.prod(window)
    bound = _magnitude(source) if bound is None else bound
    if n_voxels == 1:
        np.copyto(out, source)
        return _exact_sum(source, bound)
    accumulator = _accumulator(source.dtype, n_voxels, bound)
    if accumulator is None:
        return _wide_mean_of_integers(source, window, out)
    sums = _window_sums(source, window, accumulator)
    total = _exact_sum(sums, n_voxels * bound)
    half = n_voxels // 2
    if n_voxels & (n_voxels - 1) == 0:
        # floor((sum + half - 1 + parity of the floor) / n): a tie goes up from odd floors only.
        shift = n_voxels.bit_length() - 1
        parity = sums >> shift
        parity &= 1
        sums += parity
        sums += half - 1
        sums >>= shift
    else:
        sums += half
        means = sums // n_voxels
        if n_voxels % 2 == 0:
            means -= (means * n_voxels == sums) & (means & 1).astype(np.bool_)
        sums = means
    np.copyto(out, sums, casting="unsafe")
    return total


def _wide_mean_of_integers(source: Block, window: tuple[int, ...], out: Block) -> int:
    """Average 64-bit voxels whose sums do not fit 64 bits, as high and low halves of 32 bits.

    The high half keeps the sign, so that high * 2**32 + low holds for negatives too.
    """
    n_voxels = math.prod(window)
    high = _window_sums(source >> 32, window, source.dtype)
    low = _window_sums((source & 0xFFFFFFFF).view(np.uint64), window, np.dtype(np.uint64))
    total = (_exact_sum(high, _magnitude(high)) << 32) + _exact_sum(low, _magnitude(low))
    low += n_voxels // 2
    high += (low >> 32).astype(high.dtype)
    low &= 0xFFFFFFFF
    high, carried = np.divmod(high, n_voxels)
    low |= carried.astype(np.uint64) << 32
    low, remainder = np.divmod(low, n_voxels)
    means = (high << 32) | low.astype(high.dtype)
    if n_voxels % 2 == 0:
        means -= ((remainder == 0) & (means & 1).astype(np.bool_)).astype(means.dtype)
    np.copyto(out, means)
    return total


def _window_sums(source: Block, window: tuple[int, ...], accumulator: np.dtype[Any]) -> Block:
    # The last axis last: its strided additions run at a third of the speed of the others.
    for axis, factor in enumerate(window):
        if factor > 1:
            planes = [
                source[(slice(None),) * axis + (slice(start, None, factor),)]
                for start in range(factor)
            ]
            source = np.add(planes[0], planes[1], dtype=accumulator)
            for plane in planes[2:]:
                np.add(source, plane, out=source)
    return source


def _magnitude(block: Block) -> int:
    """Return the largest absolute value of an integer block.

    It takes a tenth of the time of the sums, and often allows accumulators half as wide.
    """
    if block.dtype.kind == "u":
        return int(block.max())
    return max(-int(block.min()), int(block.max()))


def _accumulator(dtype: np.dtype[Any], n_voxels: int, bound: int) -> np.dtype[Any] | None:
    """Return the narrowest dtype for sums of `n_voxels` up to `bound`, with room to round them."""
    needed = n_voxels * max(bound, 1) + n_voxels // 2
    for itemsize in (1, 2, 4, 8):
        candidate = np.dtype(f"{dtype.kind}{itemsize}")
        if itemsize >= dtype.itemsize and needed <= np.iinfo(candidate).max:
            return candidate
    return None


def _sums_fit_int64(block: Block) -> bool:
    """Say whether no sum of voxels, and no step of rounding one, leaves the range of int64."""
    if block.dtype.kind == "f":
        return True
    narrow = block.dtype.itemsize < 8
    bound = 1 << 8 * block.dtype.itemsize if narrow else _magnitude(block)
    return block.size * (bound + 1) < 1 << 63


def _columns(flat: Block) -> tuple[Block, Block]:
    n_rows = flat.size // _LANES
    return flat[: n_rows * _LANES].reshape(n_rows, _LANES), flat[n_rows * _LANES :]


def _exact_sum(block: Block, bound: int) -> int:
    """Return the sum of an integer block of absolute values up to `bound`.

    By columns, in an accumulator as narrow as the bound allows: `numpy.sum` in 64 bits casts
    through a buffer and takes 1.5 times as long.
    """
    rows, rest = _columns(np.ascontiguousarray(block).reshape(-1))
    accumulator = _accumulator(block.dtype, len(rows), bound)
    if accumulator is None:
        high, low = rows >> 32, rows & 0xFFFFFFFF
        total = (_exact_sum(high, _magnitude(high)) << 32) + _exact_sum(low, _magnitude(low))
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
