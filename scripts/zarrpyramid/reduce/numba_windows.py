"""The methods beside the mean over windows of any shape, compiled by numba.

Keeps out floats that are only compared, which `windows` turns into integers of the same order, and
stride, which is a copy. Gives the bits of the numpy form.

Million voxels of input a second on one thread, chunks of 64^3 (63^3 for windows of 3x3x3), numpy
against numba; labels are cells some 40 voxels wide; `tests/benchmarks/methods.py`, Zen 5 at 2.6
GHz, numpy 2.4, numba 0.68:

=======  ========  =============  ============  ============  ==============  ==============
windows  dtype     max            sum           median        mode            nanmean
=======  ========  =============  ============  ============  ==============  ==============
2x2x2    uint8     6,886   7,951  2,860  6,753  2,052  2,015  385      1,252
2x2x2    uint16    5,030   7,531  3,077  7,035  1,695  1,979  343      1,142
2x2x2    uint32    3,568   5,938  2,021  6,609  1,008  1,697  345        930
2x2x2    uint64    2,023   2,085  1,989  1,653    463  1,139  262        762
2x2x2    float32   1,414   1,595  1,577  2,205    656    657                  335        777
2x2x2    float64     780     945    762  1,735    375    639                  358        844
3x3x3    uint8     7,097   3,493  3,026  3,905    874    477  240      1,242
3x3x3    uint16    4,847   3,642  3,555  3,478    686    476  225      1,205
3x3x3    uint32    3,347   3,695  2,045  3,908    499    538  226      1,075
3x3x3    uint64    2,043   2,926  1,839  2,861    315    367  194        874
3x3x3    float32   1,486   1,420    755  1,759    354    443                  152        772
3x3x3    float64     844     921    974  1,920    281    409                  382        979
=======  ========  =============  ============  ============  ==============  ==============

A codec decodes some 500 MB/s: where numpy is ahead, it is ahead of what nobody waits for.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .networks import LARGEST, selecting_network
from .numba_mean import compile_kernel, flatten, has_plain_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Block = np.ndarray[Any, np.dtype[Any]]

_TILE = 256
"""Windows that a row of the sorting network holds: 64 to 512 are equally fast."""


METHODS = ("sum", "nanmean", "min", "max", "median", "mode", "mode_nonzero")


def serves(method: str, window: tuple[int, ...]) -> bool:
    """Say whether `reduce_whole` takes a method and windows of this shape.

    Larger windows than those of a sorting network are sorted by numpy.
    """
    return method in ("sum", "nanmean", "min", "max") or math.prod(window) <= LARGEST


def reduce_whole(method: str, source: Block, window: tuple[int, ...], out: Block) -> None:
    """Fill `out` with what a method makes of the windows of `source`, as `windows` defines it.

    Parameters
    ----------
    method
        One that `serves` agrees to with this window.
    source
        Whole windows only. Integers; floats for sum and nanmean.
    out
        Any strides.
    """
    if source.dtype == np.float16:  # no type of numba's
        source = source.astype(np.float32)
    if not has_plain_rows(source):
        source = np.ascontiguousarray(source)
    plain = out.dtype != np.float16 and has_plain_rows(out)
    wide = np.float64 if out.dtype.kind == "f" else out.dtype
    target = out if plain else np.empty(out.shape, wide)
    flat, strides = flatten(source, writeable=False)
    flat_out, out_strides = flatten(target, writeable=True)
    steps = tuple(stride * factor for stride, factor in zip(strides, window, strict=True))
    arguments: list[Any] = [
        flat,
        _offsets(out.shape[:-1], steps),
        _offsets(window[:-1], strides),
        window[-1],
        flat_out,
        _offsets(out.shape[:-1], out_strides),
        out.shape[-1],
    ]
    if method == "median":
        arguments.append(_pairs(math.prod(window)))
    kernel = (_FLOAT_KERNELS if source.dtype.kind == "f" else _INTEGER_KERNELS)[method]
    kernel(*arguments)
    if not plain:
        np.copyto(out, target, casting="same_kind")


@functools.cache
def _pairs(size: int) -> NDArray[np.int64]:
    """Return the network that finds the lower middle of `size` values, one pair a row."""
    return np.array(selecting_network(size, (size - 1) // 2), np.int64).reshape(-1, 2)


@functools.lru_cache(maxsize=64)
def _offsets(extents: tuple[int, ...], strides: tuple[int, ...]) -> NDArray[np.int64]:
    """Return where, in flat memory, the places of a grid lie, in C order.

    Kept, because making them for a chunk takes as long as some kernels do.
    """
    offsets = np.zeros(1, np.int64)
    for extent, stride in zip(extents, strides, strict=False):
        offsets = np.add.outer(offsets, np.arange(extent) * stride).reshape(-1)
    return offsets


# All kernels: `starts` and `out_starts` are where the rows of windows begin in source and out,
# `lines` where the rows of a window begin relative to its first voxel, `step` their length, and
# `width` the windows in a row. Windows of any number of axes are the same to them.


def _extreme_kernel(largest: bool) -> Callable[..., None]:
    # Whole rows first, which are contiguous, then along the row. The four rows of 2x2x2 at once and
    # pairs that the compiler knows of, are up to 8 times as fast as row after row.
    def find_extremes(source, starts, lines, step, out, out_starts, width):  # type: ignore[no-untyped-def]
        n = width * step
        found = np.empty(n, source.dtype)
        for r in range(starts.size):
            a = source[starts[r] : starts[r] + n]
            if lines.size == 4:
                b = source[starts[r] + lines[1] : starts[r] + lines[1] + n]
                c = source[starts[r] + lines[2] : starts[r] + lines[2] + n]
                d = source[starts[r] + lines[3] : starts[r] + lines[3] + n]
                for i in range(n):
                    if largest:
                        found[i] = max(max(a[i], b[i]), max(c[i], d[i]))
                    else:
                        found[i] = min(min(a[i], b[i]), min(c[i], d[i]))
            else:
                found[:] = a
                for line in lines[1:]:
                    row = source[starts[r] + line : starts[r] + line + n]
                    for i in range(n):
                        found[i] = max(found[i], row[i]) if largest else min(found[i], row[i])
            target = out[out_starts[r] : out_starts[r] + width]
            if step == 2:
                for x in range(width):
                    first, second = found[2 * x], found[2 * x + 1]
                    target[x] = max(first, second) if largest else min(first, second)
                continue
            for x in range(width):
                value = found[x * step]
                for k in range(x * step + 1, (x + 1) * step):
                    value = max(value, found[k]) if largest else min(value, found[k])
                target[x] = value

    return compile_kernel(find_extremes)


def _add_integers(source, starts, lines, step, out, out_starts, width):  # type: ignore[no-untyped-def]
    # Wraps around modulo 2**64, which the sums of uint64 need: the last addition brings them back.
    n = width * step
    sums = np.empty(n, np.int64)
    for r in range(starts.size):
        a = source[starts[r] : starts[r] + n]
        if lines.size == 4:
            b = source[starts[r] + lines[1] : starts[r] + lines[1] + n]
            c = source[starts[r] + lines[2] : starts[r] + lines[2] + n]
            d = source[starts[r] + lines[3] : starts[r] + lines[3] + n]
            for i in range(n):
                sums[i] = np.int64(a[i]) + np.int64(b[i]) + np.int64(c[i]) + np.int64(d[i])
        else:
            sums[:] = 0
            for line in lines:
                row = source[starts[r] + line : starts[r] + line + n]
                for i in range(n):
                    sums[i] += np.int64(row[i])
        target = out[out_starts[r] : out_starts[r] + width]
        if step == 2:
            for x in range(width):
                target[x] = sums[2 * x] + sums[2 * x + 1]
            continue
        for x in range(width):
            total = np.int64(0)
            for k in range(x * step, (x + 1) * step):
                total += sums[k]
            target[x] = total


def _float_kernel(skips_nan: bool) -> Callable[..., None]:
    # -0.0 added to any number leaves it as it is, -0.0 and 0.0 too. All windows of a row at once,
    # voxel after voxel: the additions of one window wait for each other, those of a row do not.
    def add_floats(source, starts, lines, step, out, out_starts, width):  # type: ignore[no-untyped-def]
        totals = np.empty(width, np.float64)
        counts = np.empty(width, np.float64)
        for r in range(starts.size):
            totals[:] = -0.0
            counts[:] = 0
            for line in lines:
                row = source[starts[r] + line : starts[r] + line + width * step]
                for k in range(step):
                    for x in range(width):
                        value = np.float64(row[step * x + k])
                        if skips_nan:
                            known = value == value
                            totals[x] += value if known else -0.0
                            counts[x] += 1.0 if known else 0.0
                        else:
                            totals[x] += value
            target = out[out_starts[r] : out_starts[r] + width]
            for x in range(width):
                total = totals[x] / counts[x] if skips_nan else totals[x]
                target[x] = total if total == total else np.nan

    return compile_kernel(add_floats)


def _select_middle(source, starts, lines, step, out, out_starts, width, pairs):  # type: ignore[no-untyped-def]
    # One row of memory a voxel of the window, exchanged as wholes: no branch, and vector units.
    size = lines.size * step
    places = np.empty((size, _TILE), source.dtype)
    for r in range(starts.size):
        for left in range(0, width, _TILE):
            n = min(_TILE, width - left)
            for line in range(lines.size):
                for k in range(step):
                    place = places[line * step + k]
                    start = starts[r] + lines[line] + left * step + k
                    if step == 2:
                        row = source[start : start + 2 * n]
                        for x in range(n):
                            place[x] = row[2 * x]
                        continue
                    for x in range(n):
                        place[x] = source[start + x * step]
            for pair in range(len(pairs)):
                low, high = places[pairs[pair, 0]], places[pairs[pair, 1]]
                for x in range(n):
                    a, b = low[x], high[x]
                    low[x] = min(a, b)
                    high[x] = max(a, b)
            target = out[out_starts[r] + left : out_starts[r] + left + n]
            target[:] = places[(size - 1) // 2, :n]


def _mode_kernel(nonzero: bool) -> Callable[..., None]:
    # Windows of one value are found row by row, without a branch; only the others are counted.
    def count_most(source, starts, lines, step, out, out_starts, width):  # type: ignore[no-untyped-def]
        values = np.empty(lines.size * step, source.dtype)
        counts = np.empty(lines.size * step, np.int64)
        differ = np.empty(width * step, source.dtype)
        for r in range(starts.size):
            first = source[starts[r] : starts[r] + width * step]
            differ[:] = 0
            for line in lines[1:]:
                row = source[starts[r] + line : starts[r] + line + width * step]
                for i in range(width * step):
                    differ[i] |= first[i] ^ row[i]
            target = out[out_starts[r] : out_starts[r] + width]
            for x in range(width):
                value = first[x * step]
                mixed = differ[x * step]
                for k in range(x * step + 1, (x + 1) * step):
                    mixed |= differ[k] | (first[k] ^ value)
                if mixed:
                    n_values = 0
                    for line in lines:
                        start = starts[r] + line + x * step
                        for k in range(start, start + step):
                            place = 0
                            while place < n_values and values[place] != source[k]:
                                place += 1
                            if place == n_values:
                                values[place] = source[k]
                                counts[place] = 0
                                n_values += 1
                            counts[place] += 1
                    most = 0
                    for place in range(n_values):
                        if nonzero and values[place] == 0:
                            continue
                        count = counts[place]
                        if count > most or (count == most and values[place] < value):
                            most, value = count, values[place]
                target[x] = value

    return compile_kernel(count_most)


_INTEGER_KERNELS = {
    "min": _extreme_kernel(largest=False),
    "max": _extreme_kernel(largest=True),
    "sum": compile_kernel(_add_integers),
    "median": compile_kernel(_select_middle),
    "mode": _mode_kernel(nonzero=False),
    "mode_nonzero": _mode_kernel(nonzero=True),
}
_FLOAT_KERNELS = {"sum": _float_kernel(skips_nan=False), "nanmean": _float_kernel(skips_nan=True)}
