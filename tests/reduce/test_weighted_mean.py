"""Weighted means: equal to five lines of Python, and to numpy's own average."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles import bits, weighed, weighed_by_hand
from strategies import LAYOUTS, blocks, laid_out
from zarrpyramid.reduce import NoData, reduce_weighted

TAKEN = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "float16", "float32")
TAKEN += ("float64",)
HEAVY = st.sampled_from(["float64", "float32", "float16", "uint8", "int64", "bool"])


@st.composite
def windows(draw):
    source = draw(blocks(dtypes=TAKEN))
    factors = draw(st.tuples(*[st.integers(1, 4)] * source.ndim))
    values = [0, 0, 1, 2.5, 3, 1e-30] + ([math.nan] if source.dtype.kind == "f" else [])
    values = np.array(draw(st.lists(st.sampled_from(values), min_size=1, max_size=4)))
    picked = np.random.default_rng(draw(st.integers(0, 99))).choice(values, source.shape)
    dtype = np.dtype(draw(HEAVY))
    picked = picked if dtype.kind == "f" else np.nan_to_num(picked)
    return source, laid_out(picked.astype(dtype), draw(st.sampled_from(LAYOUTS))), factors


@given(windows())
def test_it_is_the_oracle_to_the_bit(drawn):
    source, weights, factors = drawn
    expected = weighed_by_hand(source, weights, factors)
    out = np.empty_like(expected)
    reduce_weighted(source, weights, factors, out)
    assert bits(out) == bits(expected)


@given(windows(), st.sampled_from([0, 1, 5, math.nan]), st.sampled_from([0.25, 0.5, 1]))
def test_no_data_is_left_out(drawn, value, share):
    source, weights, factors = drawn
    if source.dtype == np.bool_ or (value != value and source.dtype.kind != "f"):
        return
    value = source.dtype.type(value)
    out = np.empty([-(-n // by) for n, by in zip(source.shape, factors, strict=True)], source.dtype)
    no_data = NoData(values=(value.item(),), share=share)
    reduce_weighted(source, weights, factors, out, no_data=no_data)
    for index in np.ndindex(*out.shape):
        cells = tuple(slice(i * f, (i + 1) * f) for i, f in zip(index, factors, strict=True))
        x, w = source[cells].ravel(), weights[cells].ravel()
        known = ~np.isnan(x) if value != value else x != value
        x, w = x[known].tolist(), w[known].tolist()
        expected = np.array(value)
        if len(x) >= share * known.size and any(w):
            with np.errstate(all="ignore"):
                expected = np.array(weighed(x, w, source.dtype.kind)).astype(source.dtype)
            if expected == value:  # then it is the next number
                assert out[index] != value
                assert abs(float(out[index]) - float(value)) <= 1
                continue
        assert bits(np.array(out[index])) == bits(expected), (index, x, w)


def test_it_is_numpys_average():
    draw = np.random.default_rng(0)
    source, weights = draw.normal(size=(8, 6, 4)), draw.random((8, 6, 4))
    out = np.empty((4, 3, 2))
    reduce_weighted(source, weights, (2, 2, 2), out)
    cut = [x.reshape(4, 2, 3, 2, 2, 2) for x in (source, weights)]
    assert np.allclose(out, np.average(cut[0], axis=(1, 3, 5), weights=cut[1]), rtol=1e-13)


def test_complex_voxels_are_weighed_part_by_part():
    out = np.empty(1, np.complex64)
    reduce_weighted(np.array([1 + 2j, 3 - 2j], np.complex64), np.array([3, 1]), (2,), out)
    assert out[0] == 1.5 + 1j


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((None, 0), [[2, 0], [6, 6]]),  # in channel 1 the 0 is no data, whatever it weighs
        ((0, None), [[2, 0], [3, 6]]),
    ],
)
def test_each_channel_has_its_own_no_data(values, expected):
    source = np.array([[1, 3, 0, 0], [0, 6, 6, 6]], np.uint8)
    out = np.empty((2, 2), np.uint8)
    no_data = NoData(values=values, axis=0)
    reduce_weighted(source, np.ones((2, 4)), (1, 2), out, no_data=no_data)
    assert out.tolist() == expected


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"weights of shape \(4,\), found \(3,\)"):
        reduce_weighted(np.zeros(4), np.zeros(3), (2,), np.zeros(2))
