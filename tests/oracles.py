"""Every method in plain Python, one window after the other: tests compare levels with it."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction

import numpy as np

from strategies import DTYPES
from zarrpyramid import geometry
from zarrpyramid.reduce.dtypes import kind_of
from zarrpyramid.reduce.methods import METHODS

COMPLEX = ("complex64", "complex128")
TAKEN = [
    (method, dtype)
    for method, known in METHODS.items()
    for dtype in (*DTYPES, *COMPLEX)
    if kind_of(dtype) in known.kinds
]
SUMS = {"bool": "uint16", "float16": "float32", "int64": "int64", "uint64": "uint64"}


def in_order(value):
    """Sort key of a number that is not NaN: -0.0 before 0.0."""
    return value, math.copysign(1, value)


def add(values):
    """Add floats as doubles, from the first on."""
    total = values[0]
    for value in values[1:]:
        total += value
    return total


def by_hand(method, values, kind):
    """Return what a method makes of the list of the Python numbers in one window."""
    if kind == "c" and method != "stride":
        parts = ([value.real for value in values], [value.imag for value in values])
        return complex(*(by_hand(method, part, "f") for part in parts))
    known = [value for value in values if value == value]
    counts = Counter(values)
    if method == "mode_nonzero":
        counts.pop(0, None)
    match method:
        case "stride":
            return values[0]
        case "sum":
            return add(values) if kind == "f" else sum(values)
        case "mean" | "nanmean" if kind != "f":
            return round(Fraction(sum(values), len(values)))
        case "mean":
            total = add(values)
            return total / len(values) if total == total else math.nan
        case "nanmean":
            return add(known) / len(known) if known else math.nan
        case "min":
            return min(known, key=in_order, default=math.nan)
        case "max":
            return max(known, key=in_order, default=math.nan)
        case "median" if len(known) == len(values):
            return sorted(values, key=in_order)[(len(values) - 1) // 2]
        case "median":
            return math.nan
        case "mode" | "mode_nonzero":
            return min(counts, key=lambda value: (-counts[value], value)) if counts else 0
    raise NotImplementedError(f"by_hand in tests/oracles.py has no case for the method {method!r}")


def mean_by_hand(source, factors):
    """Return the coarser level of a small array: block means."""
    return reduce_by_hand("mean", source, factors, source.dtype)


def mean_of_base(base, downsampling):
    """Return the mean of all voxels of level 0 below each voxel, rounded half to even."""
    found = np.empty(geometry.coarse_shape(base.shape, downsampling), object)
    for place in np.ndindex(found.shape):
        window = base[
            tuple(slice(i * d, i * d + d) for i, d in zip(place, downsampling, strict=True))
        ]
        mean, over = divmod(sum(map(int, window.flat)), window.size)
        found[place] = mean + (2 * over + mean % 2 > window.size)
    return found


def weighed(voxels, weights, kind):
    """Return the weighted mean of lists of Python numbers, or the plain one where none weighs."""
    above, total = -0.0, 0.0  # -0.0 leaves every first number as it is
    for x, w in zip(voxels, weights, strict=True):
        above, total = above + float(x) * float(w), total + float(w)
    mean = above / total if total else by_hand("mean", voxels, kind)
    return mean if kind == "f" else round(mean)


def weighed_by_hand(source, weights, factors):
    """Return the coarser level of a small array whose voxels have weights."""
    out = np.empty(geometry.coarse_shape(source.shape, factors), source.dtype)
    for index in np.ndindex(*out.shape):
        cells = tuple(slice(i * f, (i + 1) * f) for i, f in zip(index, factors, strict=True))
        window = [block[cells].ravel().tolist() for block in (source, weights)]
        with np.errstate(all="ignore"):
            out[index] = weighed(*window, source.dtype.kind)
    return out


def reduce_by_hand(method, source, factors, dtype):
    shape = [-(-extent // factor) for extent, factor in zip(source.shape, factors, strict=True)]
    out = np.empty(shape, dtype)
    for index in np.ndindex(*shape):
        cells = tuple(slice(i * f, (i + 1) * f) for i, f in zip(index, factors, strict=True))
        found = by_hand(method, source[cells].ravel().tolist(), source.dtype.kind)
        with np.errstate(over="ignore"):
            out[index] = found
    return out


def of_data(method, window, value, share):
    """Return what `nodata` makes of a window; `value` is a numpy scalar of its dtype."""
    data = window[~np.isnan(window)] if value != value else window[window != value]
    if len(data) < Fraction(str(share)) * len(window):
        return value
    made = np.array(by_hand(method, data.tolist(), data.dtype.kind)).astype(data.dtype)
    return beside(value, data) if made == value else made


def beside(value, data):
    """Return the number next to one, on the side of the mean of some data; of both the upper."""
    if data.dtype.kind == "f":
        side = math.inf if add(data.tolist()) / len(data) >= value else -math.inf
        return np.nextafter(value, data.dtype.type(side))
    exact = Fraction(sum(data.tolist()), len(data))
    return data.dtype.type(int(value) + (1 if exact >= int(value) else -1))


def of_data_by_hand(method, source, factors, value, share=0.5):
    """Return the coarser level of a small array in which a value is no data."""
    out = np.empty([-(-n // by) for n, by in zip(source.shape, factors, strict=True)], source.dtype)
    for index in np.ndindex(*out.shape):
        cells = tuple(slice(i * f, (i + 1) * f) for i, f in zip(index, factors, strict=True))
        with np.errstate(all="ignore"):
            value = source.dtype.type(value)
            out[index] = of_data(method, source[cells].ravel(), value, share)
    return out


def bits(block):
    """Return the bytes of voxels with one NaN: which one Python arithmetic gives is its own."""
    parts = np.ascontiguousarray(block).reshape(-1)
    if block.dtype.kind == "c":
        parts = parts.view(f"f{block.itemsize // 2}")
    if block.dtype.kind in "fc":
        parts = np.where(np.isnan(parts), np.array(np.nan, parts.dtype), parts)
    return parts.tobytes()


def out_dtype(method, dtype):
    if method != "sum" or kind_of(dtype) == "complex":
        return dtype
    wide = {"int": "int64", "uint": "uint64", "float": dtype}.get(kind_of(dtype))
    return SUMS.get(dtype, wide)
