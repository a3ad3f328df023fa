"""What `nodata` leaves out of a window, against plain arithmetic window by window."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from oracles import bits, of_data_by_hand
from strategies import LAYOUTS, laid_out
from zarrpyramid.reduce.dtypes import stored_number
from zarrpyramid.reduce.loading import load_compiled
from zarrpyramid.reduce.methods import METHODS
from zarrpyramid.reduce.moments import describe
from zarrpyramid.reduce.no_data import NoData
from zarrpyramid.reduce.windows import reduce_and_describe, reduce_windows

DTYPES = [f"{kind}{size}" for kind in ("int", "uint") for size in (8, 16, 32, 64)]
DTYPES += ["float16", "float32", "float64"]
METHODS_TAKING = [name for name, method in METHODS.items() if method.takes_nodata]


@st.composite
def cases(draw):
    """Draw blocks of a few values around the one that is no data, or far from it."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=4, max_side=6))
    factors = tuple(draw(st.integers(1, 4)) for _ in shape)
    ends = [0]
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        ends += [limits.min, limits.max, 1, limits.max // 2, limits.min // 2]
    else:
        ends += [math.nan, -0.0, 1.0, float(np.finfo(dtype).max), float(np.finfo(dtype).tiny)]
    value = draw(
        st.sampled_from(ends) | hnp.from_dtype(dtype, allow_infinity=False).map(np.generic.item)
    )
    values = [value, *draw(st.lists(hnp.from_dtype(dtype), min_size=1, max_size=4))]
    if dtype.kind in "iu":
        values += [min(value + 1, limits.max), max(value - 1, limits.min)]
    else:
        values += [-0.0, 0.0, draw(st.sampled_from([1.0, math.nan, math.inf]))]
    random = np.random.default_rng(draw(st.integers(0, 99)))
    voxels = random.choice(np.array(values, dtype), shape)
    voxels[random.random(shape) < draw(st.sampled_from([0, 0.3, 0.6, 1]))] = value
    share = draw(st.sampled_from([0.5, 1, 1e-9, 0.7, 0.1, 0.25, 0.3333]) | st.floats(1e-6, 1))
    source = laid_out(voxels, draw(st.sampled_from(LAYOUTS)))
    return source, factors, stored_number(value, dtype.name), share


@given(cases(), st.sampled_from(METHODS_TAKING))
@settings(max_examples=150)
def test_windows_are_of_data_alone(case, method):
    source, factors, value, share = case
    expected = of_data_by_hand(method, source, factors, value, share)
    out = np.empty_like(expected)
    no_data = NoData(values=(value,), share=share)
    found = reduce_and_describe(method, source, factors, out, no_data=no_data)
    assert bits(out) == bits(expected)
    assert repr(found) == repr(describe(source))


TABLE = [  # dtype, nodata, share, the window, the voxel, why
    ("uint8", 0, 0.5, [0, 0, 7, 9], 8, "half is data"),
    ("uint8", 0, 0.5, [0, 0, 0, 9], 0, "less than half"),
    ("uint8", 0, 0.5, [0, 9, 0], 0, "of three voxels, two must be data"),
    ("uint8", 0, 0.7, [0, 0, 0, 9, 9, 9, 9, 9, 9, 9], 9, "0.7 * 10 is more than 7 in doubles"),
    ("uint8", 0, 0.1, [0, 0, 0, 0, 0, 0, 0, 0, 0, 9], 9, "one of ten"),
    ("uint8", 0, 1, [0, 7, 7, 7], 0, "all must be data"),
    ("uint8", 0, 1e-9, [0, 0, 0, 7], 7, "one is enough, as for nanmean"),
    ("uint8", 0, 1e-9, [0, 0, 0, 0], 0, "and none is never"),
    ("uint8", 0, 0.5, [0, 1, 2, 4], 2, "7/3, and not 7/4"),
    ("uint8", 0, 0.5, [0, 0, 1, 2], 2, "half to even"),
    ("uint8", 0, 0.5, [0, 0, 2, 3], 2, "half to even"),
    ("int8", -128, 0.5, [-128, -127, -128, 126], 0, "-0.5, half to even"),
    ("int8", 0, 0.5, [-1, 1, 0, 0], 1, "a mean of data that is nodata: of both sides the upper"),
    ("int8", 0, 0.5, [-2, 1, 1, -1], -1, "-0.25 is rounded to 0: the side of the mean"),
    ("int8", 0, 0.5, [2, 0, -1, 0], 1, "0.5 is rounded to 0: the side of the mean"),
    ("int64", -(2**63), 0.5, [2**62 + 1, 2**62 + 2, -(2**63)], 2**62 + 2, "wide, half to even"),
    ("uint64", 2**64 - 1, 0.5, [2**64 - 1, 2**64 - 2, 2**64 - 3, 2**64 - 4], 2**64 - 3, "wide"),
    ("float32", math.nan, 0.5, [math.nan, math.nan, 1, 2], 1.5, "NaN"),
    ("float32", math.nan, 0.5, [math.nan, math.nan, math.nan, 2], math.nan, "NaN"),
    ("float32", 0.0, 0.5, [0, math.nan, 1, 2], math.nan, "NaN is data where nodata is a number"),
    ("float32", 0.0, 0.5, [-0.0, 0, -0.0, 2], 0.0, "zero has no sign, and comes out without"),
    ("float32", 0.0, 0.5, [-1, 1, 0, 0], 1e-45, "a mean that is nodata: the next float"),
    ("float64", 1e20, 0.5, [1e20, 1e20, 2, 4], 3.0, "sums of data alone lose nothing to 1e20"),
]  # fmt: skip


@pytest.mark.parametrize(("dtype", "nodata", "share", "window", "voxel", "why"), TABLE)
def test_table(dtype, nodata, share, window, voxel, why):
    source, out = np.array(window, dtype), np.empty(1, dtype)
    no_data = NoData(values=(nodata,), share=share)
    reduce_windows("mean", source, (len(window),), out, no_data=no_data)
    assert bits(out) == bits(np.array([voxel], dtype)), why


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_each_channel_has_its_own(axis):
    channels = np.array([[0, 0, 5, 7], [9, 9, 4, 6], [0, 0, 4, 8]], "uint8")[:, np.newaxis]
    source = np.moveaxis(channels, 0, axis)
    factors = tuple(np.insert((1, 2), axis, 1).tolist())
    out = np.empty(np.moveaxis(np.empty((3, 1, 2)), 0, axis).shape, "uint8")
    no_data = NoData(values=(0, 9, None), axis=axis)
    reduce_windows("mean", source, factors, out, no_data=no_data)
    found = np.moveaxis(out, axis, 0)
    assert found[:, 0].tolist() == [[0, 6], [9, 5], [0, 6]]
    # A task that reads the second channel, and one that reads the third.
    second, third = ([n if each == axis else 0 for each in range(3)] for n in (1, 2))
    one = [1 if each == axis else 4 for each in range(3)]
    assert no_data.at(second, one) == NoData(values=(9,))
    assert no_data.at(third, one) == NoData()
    assert no_data.at(second, [extent + 1 for extent in one]).values == (9, None)
    assert [no_data.numbers(channel) for channel in range(3)] == [(0,), (9,), ()]


@pytest.mark.slow
@given(cases())
@settings(max_examples=100)
def test_the_compiled_form_gives_equal_bits(case):
    source, factors, value, share = case
    load_compiled("mean", source.dtype).join(timeout=60)
    no_data = NoData(values=(value,), share=share)
    shape = [-(-n // by) for n, by in zip(source.shape, factors, strict=True)]
    outs = [np.empty(shape, source.dtype) for _ in range(2)]
    for out, compiled in zip(outs, (False, True), strict=True):
        reduce_windows("mean", source, factors, out, no_data=no_data, compiled=compiled)
    assert bits(outs[0]) == bits(outs[1])


def test_a_block_of_data_alone_is_as_ever():
    source = np.random.default_rng(0).integers(1, 99, (8, 8)).astype("uint8")
    for method in METHODS_TAKING:
        found, plain = np.empty((4, 4), "uint8"), np.empty((4, 4), "uint8")
        reduce_windows(method, source, (2, 2), found, no_data=NoData(values=(0,)))
        reduce_windows(method, source, (2, 2), plain)
        assert (found == plain).all()


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (0.0, "uint16", 0),
        (-1, "uint16", None),
        (0.5, "uint16", None),
        (65536, "uint16", None),
        (math.nan, "int32", None),
        (math.inf, "int32", None),
        (2**63, "int64", None),
        (1e20, "float32", float(np.float32(1e20))),
        (70000, "float16", None),
        (10**400, "float64", None),
        (math.inf, "float64", None),
        (-0.0, "float64", 0.0),
    ],
)
def test_numbers_as_they_are_stored(value, dtype, expected):
    found = stored_number(value, dtype)
    assert repr(found) == repr(expected)
