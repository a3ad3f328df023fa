"""Numbers that stand for no data, against exact arithmetic voxel by voxel."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from zarrpyramid.reduce.no_data import NoData
from zarrpyramid.reduce.windows import reduce_windows

NOTHING = {
    "int8": (-128, 127),
    "uint8": (255,),
    "int16": (-32768, 0),
    "uint16": (0,),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (2**64 - 1,),
    "float32": (-9999.0, 1e20),
    "float64": (1e20,),
}
SHAPES = [
    ((7, 9), (2, 3)),
    ((5,), (2,)),
    ((4, 4, 4), (2, 2, 2)),
    ((3, 6), (1, 4)),
    ((9, 2), (9, 2)),
]


def one(method, window, nothing):
    """Return what a window becomes: none of the numbers is rounded before the last step."""
    window = [voxel.item() for voxel in window]
    known = [voxel for voxel in window if voxel not in nothing]
    if not known:
        return window[0]
    numbers = [voxel for voxel in known if voxel == voxel]
    if not numbers:
        return np.nan
    if method != "nanmean":
        return {"min": min, "max": max}[method](numbers)
    if isinstance(numbers[0], int):
        return round(Fraction(sum(numbers), len(numbers)))  # half to even
    return sum(numbers) / len(numbers)


@pytest.mark.parametrize("method", ["nanmean", "min", "max"])
@pytest.mark.parametrize(("shape", "factors"), SHAPES)
@pytest.mark.parametrize("dtype", NOTHING)
def test_windows_leave_out_what_is_no_data(dtype, shape, factors, method):
    random = np.random.default_rng(len(shape) + factors[0])
    nothing = NOTHING[dtype]
    if np.dtype(dtype).kind == "f":
        source = random.integers(-50, 50, shape).astype(dtype)
        source[random.random(shape) < 0.1] = np.nan
    else:
        limits = np.iinfo(dtype)
        source = random.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    for number in nothing:
        source[random.random(shape) < 0.3] = number
    source.flat[: factors[-1]] = nothing[0]
    out = np.empty([-(-n // by) for n, by in zip(shape, factors, strict=True)], dtype)
    stored = tuple(np.array(nothing, dtype).tolist())
    reduce_windows(method, source, factors, out, no_data=NoData(declared=nothing))
    for index in product(*map(range, out.shape)):
        axes = zip(index, factors, strict=True)
        window = source[tuple(slice(i * by, (i + 1) * by) for i, by in axes)].reshape(-1)
        expected = np.array(one(method, window, stored)).astype(dtype)
        np.testing.assert_equal(out[index], expected)


@pytest.mark.parametrize("method", ["mean", "sum", "median", "mode", "stride"])
def test_other_methods_take_them_as_numbers(method):
    source = np.array([[-1, 5, 7, -1], [3, -1, 2, 2]], "int16")
    found, plain = np.empty((1, 2), "int16"), np.empty((1, 2), "int16")
    reduce_windows(method, source, (2, 2), found, no_data=NoData(declared=(-1,)))
    reduce_windows(method, source, (2, 2), plain)
    assert (found == plain).all()


def test_a_block_of_data_alone_is_as_ever():
    source = np.random.default_rng(0).integers(0, 99, (8, 8)).astype("uint8")
    found, plain = np.empty((4, 4), "uint8"), np.empty((4, 4), "uint8")
    reduce_windows("nanmean", source, (2, 2), found, no_data=NoData(declared=(255,)))
    reduce_windows("mean", source, (2, 2), plain)
    assert (found == plain).all()
