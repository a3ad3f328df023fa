"""Block means and moments against sums by hand, compared by bytes."""

from __future__ import annotations

import math
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oracles import mean_by_hand
from strategies import DTYPES, LAYOUTS, blocks, laid_out
from zarrpyramid.reduce import numba_mean as compiled
from zarrpyramid.reduce import pieces
from zarrpyramid.reduce.mean import mean_and_describe, reduce_mean
from zarrpyramid.reduce.moments import Moments, describe

INTEGERS = [dtype for dtype in DTYPES if "int" in dtype]
FLOATS = [dtype for dtype in DTYPES if "float" in dtype]
FORMS = pytest.mark.parametrize("compiled", [False, True], ids=["numpy", "compiled"])
# numba compiles a kernel anew for each dtype, which takes seconds.
COMPILED = pytest.param(True, marks=pytest.mark.slow, id="compiled")
FORMS_OF_EVERY_DTYPE = pytest.mark.parametrize(
    "compiled", [pytest.param(False, id="numpy"), COMPILED]
)
OUT_LAYOUTS = [layout for layout in LAYOUTS if layout != "read-only"]


def reduce(source, factors, layout="C", **form):
    shape = [-(-extent // factor) for extent, factor in zip(source.shape, factors, strict=True)]
    out = laid_out(np.zeros(shape, source.dtype), layout)
    total = reduce_mean(source, factors, out, **form)
    return out, total


@st.composite
def cases(draw):
    source = draw(blocks())
    halves = [(2,) * source.ndim, (1,) * (source.ndim - 2) + (2,) * min(2, source.ndim)]
    halves.append((1,) * (source.ndim - 3) + (2,) * min(3, source.ndim))
    any_factors = st.tuples(*[st.integers(1, 5)] * source.ndim)
    return source, draw(st.sampled_from(halves) | any_factors)


@given(case=cases(), layout=st.sampled_from(OUT_LAYOUTS))
def test_both_forms_give_the_bits_of_the_sums_by_hand(case, layout):
    source, factors = case
    expected = mean_by_hand(source, factors)
    total = None if source.dtype.kind == "f" else sum(source.ravel().tolist())
    for form in (False, True):
        found, found_total = reduce(source, factors, layout, compiled=form)
        assert found.tobytes() == expected.tobytes()
        assert found_total == total
        assert found_total is None or type(found_total) is int


@pytest.mark.sampled(24)
@FORMS_OF_EVERY_DTYPE
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("factors", [(2, 2, 2), (1, 2, 2), (3, 1, 2), (4, 4, 4)])
def test_larger_blocks_in_every_dtype(dtype, factors, compiled):
    random = np.random.default_rng(1)
    if "float" in dtype:
        source = random.normal(scale=1000, size=(9, 13, 70)).astype(dtype)
    else:
        source = random.integers(0, 256, (9, 13, 70 * 8), np.uint8).view(np.uint64)
        source = source.astype(dtype)
    found, _ = reduce(source, factors, compiled=compiled)
    assert found.tobytes() == mean_by_hand(source, factors).tobytes()


@pytest.mark.sampled(12)
@FORMS_OF_EVERY_DTYPE
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_constant_stays_constant(dtype, compiled):
    if dtype == "bool":
        values = [False, True]
    elif dtype in INTEGERS:
        values = [np.iinfo(dtype).min, 0, 1, 127, np.iinfo(dtype).max]
    else:
        # Of full 53-bit significands the sum is rounded: such a float64 may move by one ulp.
        third = np.float32(1 / 3)
        values = [np.finfo(dtype).smallest_subnormal, -0.0, third, 65504.0, np.inf, np.nan]
    for value in values:
        for factors in [(2, 2, 2), (1, 2, 2), (3, 2, 5), (1, 1, 1)]:
            source = np.full((5, 6, 7), value, dtype)
            found, _ = reduce(source, factors, compiled=compiled)
            assert found.tobytes() == np.full(found.shape, value, dtype).tobytes()


@FORMS_OF_EVERY_DTYPE
@pytest.mark.parametrize(
    ("window", "mean", "reason"),
    [
        ([0, 1], 0, "tie to even below"),
        ([1, 2], 2, "tie to even above"),
        ([-1, 0], 0, "negative tie to even above"),
        ([-2, -1], -2, "negative tie to even below"),
        ([-3, -2], -2, "negative tie to even above"),
        ([-128, -127], -128, "tie at the lowest value"),
        ([126, 127], 126, "tie at the highest value"),
        ([0, 0, 1], 0, "a third"),
        ([0, 1, 1], 1, "two thirds"),
        ([0, 0, -1], 0, "minus a third"),
        ([0, -1, -1], -1, "minus two thirds"),
        ([1, 0, 0, 1], 0, "half of four"),
        ([3, 1, 1, 1], 2, "one and a half of four"),
        ([-3, -1, -1, -1], -2, "minus one and a half of four"),
        ([1, 1, 1, 0, 0, 0], 0, "half of six"),
        ([2, 2, 2, 1, 1, 1], 2, "one and a half of six"),
        ([-2, -2, -2, -1, -1, -1], -2, "minus one and a half of six"),
        ([4, 0, 0, 0, 0, 0, 0, 0], 0, "half of eight"),
        ([5, 0, 0, 0, 0, 0, 0, 0], 1, "more than half of eight"),
        ([12, 0, 0, 0, 0, 0, 0, 0], 2, "one and a half of eight"),
    ],
)
def test_integers_round_half_to_even(window, mean, reason, compiled):
    for dtype in INTEGERS:
        if min(window) >= 0 or dtype.startswith("int"):
            source = np.array(window, dtype)
            shapes = {4: (2, 2), 8: (2, 2, 2)}
            source = source.reshape(shapes.get(len(window), (1, len(window))))
            found, total = reduce(source, source.shape, compiled=compiled)
            assert found.tolist() == np.full(found.shape, mean).tolist(), reason
            assert total == sum(window)


@pytest.mark.sampled(5)
@FORMS
@pytest.mark.parametrize(
    ("window", "majority"),
    [([0, 1], False), ([1, 1], True), ([1, 1, 0], True), ([1, 1, 0, 0], False),
     ([1, 1, 1, 0], True), ([1, 1, 1, 1, 0, 0, 0, 0], False), ([1, 1, 1, 1, 1, 0, 0, 0], True)],
)  # fmt: skip
def test_bool_is_a_majority_and_a_tie_is_false(window, majority, compiled):
    shape = {4: (2, 2), 8: (2, 2, 2)}.get(len(window), (len(window),))
    found, total = reduce(np.array(window, bool).reshape(shape), shape, compiled=compiled)
    assert found.item() is majority
    assert total == sum(window)


@FORMS_OF_EVERY_DTYPE
@pytest.mark.parametrize("dtype", ["uint64", "int64"])
@pytest.mark.parametrize("factors", [(2, 2, 2), (3, 3, 3), (1, 2, 2), (2, 3, 4), (7, 7, 7)])
def test_sums_beyond_64_bits_are_exact(dtype, factors, compiled):
    limits, random = np.iinfo(dtype), np.random.default_rng(2)
    for low, high in [
        (limits.max - 3, limits.max),
        (limits.min, limits.min + 3),
        (limits.min, limits.max),
        (limits.max // 8 - 1, limits.max // 8 + 1),
        (2**32 - 2, 2**32 + 1),
    ]:
        source = random.integers(low, high, (7, 7, 7), dtype, endpoint=True)
        found, total = reduce(source, factors, compiled=compiled)
        assert found.tobytes() == mean_by_hand(source, factors).tobytes()
        assert total == sum(source.ravel().tolist())


@FORMS_OF_EVERY_DTYPE
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(2, 2, 2), (1, 2, 2), (1, 1, 3)])
def test_floats_propagate_what_ieee_754_says(dtype, shape, compiled):
    def mean_of(*values):
        source = np.zeros(shape, dtype)
        source.flat[: len(values)] = values
        return reduce(source, shape, compiled=compiled)[0]

    quiet = np.array(np.nan, dtype).tobytes()
    payload = np.frombuffer(b"\xff" * np.dtype(dtype).itemsize, dtype)[0]
    assert mean_of(np.nan).tobytes() == quiet
    assert mean_of(payload).tobytes() == quiet
    assert mean_of(1, payload).tobytes() == quiet
    assert mean_of(np.inf, -np.inf).tobytes() == quiet
    assert mean_of(np.inf, 1).item() == np.inf
    assert mean_of(-np.inf, np.finfo(dtype).max).item() == -np.inf
    assert np.isfinite(mean_of(np.finfo(dtype).max, np.finfo(dtype).max)) == (dtype != "float64")


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_copy_has_the_one_nan(dtype):
    source = np.frombuffer(b"\xff" * 4 * np.dtype(dtype).itemsize, dtype)
    found, total = reduce(source, (1,))
    assert found.tobytes() == np.full(4, np.nan, dtype).tobytes()
    assert total is None


@FORMS
def test_floats_are_added_in_c_order(compiled):
    # A voxel of 1 is lost beside 1e16 (a tie, to even) and kept after it has gone.
    source = np.array([1e16, 1, 1, -1e16, 1, 1, 1, 1]).reshape(2, 2, 2)
    assert reduce(source, (2, 2, 2), compiled=compiled)[0].item() == 4 / 8
    transposed = reduce(source.transpose(), (2, 2, 2), compiled=compiled)[0]
    assert transposed.item() == mean_by_hand(source.transpose(), (2, 2, 2)).item()


def test_float16_is_rounded_once():
    # The mean is 1 + 2**-11 + 2**-26: float32 would drop the last term, and the tie go to 1.
    source = np.array([[2 + 2**-9, 2], [2**-24, 0]], "float16")
    assert reduce(source, (2, 2))[0].item() == 1 + 2**-10


@FORMS
@given(case=cases(), data=st.data())
def test_pieces_cut_at_window_boundaries_equal_the_whole(case, data, compiled):
    source, factors = case
    whole, total = reduce(source, factors, compiled=compiled)
    axis = data.draw(st.integers(0, source.ndim - 1))
    cut = data.draw(st.integers(0, whole.shape[axis]))
    pieces, totals = [], []
    for cells in (slice(0, cut * factors[axis]), slice(cut * factors[axis], None)):
        piece = source[(slice(None),) * axis + (cells,)]
        if piece.size:
            found, found_total = reduce(piece, factors, compiled=compiled)
            pieces.append(found)
            totals.append(found_total)
    assert np.concatenate(pieces, axis).tobytes() == whole.tobytes()
    assert total is None or sum(totals) == total


def test_slabs_of_large_blocks_do_not_show(monkeypatch):
    source = np.random.default_rng(3).normal(size=(1, 21, 9, 8)).astype("float32")
    whole, _ = reduce(source, (1, 2, 2, 2))
    monkeypatch.setattr(pieces, "_SLAB_VOXELS", 100)
    assert reduce(source, (1, 2, 2, 2))[0].tobytes() == whole.tobytes()
    voxels = (source * 100).astype("int16")
    found, total = reduce(voxels, (1, 3, 2, 2))
    assert found.tobytes() == mean_by_hand(voxels, (1, 3, 2, 2)).tobytes()
    assert total == sum(voxels.ravel().tolist())


def test_voxels_outside_the_out_view_are_left_alone():
    block = np.full((6, 6, 6), 7, "uint16")
    reduce_mean(np.zeros((4, 4, 4), "uint16"), (2, 2, 2), block[1:3, 2:4, 3:5], compiled=True)
    block[1:3, 2:4, 3:5] += 7
    assert (block == 7).all()


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        (np.empty((2, 2), "uint8"), "a shape rounded down"),
        (np.empty((3, 2, 1), "uint8"), "an axis too many"),
        (np.empty((3, 2), "int8"), "another dtype"),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(out, reason):
    with pytest.raises(ValueError, match="expected out of uint8"):
        reduce_mean(np.zeros((5, 4), "uint8"), (2, 2), out)


def test_compiled_serves_halved_windows_only():
    served = [(2, 2), (1, 2, 2), (2, 2, 2), (1, 1, 2, 2, 2), (1, 1, 1, 2, 2)]
    others = [(2,), (1, 1, 2), (2, 2, 1), (3, 2, 2), (2, 1, 2, 2), (2, 2, 2, 2)]
    assert all(compiled.serves(np.dtype("uint8"), window) for window in served)
    assert not any(compiled.serves(np.dtype("uint8"), window) for window in others)
    assert not any(compiled.serves(np.dtype("float16"), window) for window in served)


def sum_by_columns(block):
    voxels = [value if math.isfinite(value) else 0.0 for value in block.ravel().tolist()]
    n_whole = len(voxels) // 256 * 256
    columns = [0.0] * 256
    for i in range(n_whole):
        columns[i % 256] += voxels[i]
    return math.fsum(columns + voxels[n_whole:])


@given(block=blocks())
@example(block=np.array([-0.0, 0.0]))
def test_moments_of_any_block(block):
    found, voxels = describe(block), block.ravel().tolist()
    if block.dtype.kind == "f":
        numbers = [value for value in voxels if value == value]
        assert found.n_nan == len(voxels) - len(numbers)
        assert found.n_inf == sum(map(math.isinf, numbers))
        exact = sum(Fraction(value) for value in numbers if math.isfinite(value))
        try:
            assert math.isclose(found.total, exact, rel_tol=1e-9, abs_tol=1e290)
        except OverflowError:
            assert math.isinf(found.total)
            assert (found.total > 0) == (exact > 0)
    else:
        numbers = voxels
        assert type(found.total) is int
        assert found.total == sum(voxels)
        assert describe(block, total=found.total) == found
    assert found.minimum == min(numbers, default=None)
    assert found.maximum == max(numbers, default=None)
    assert not re.search(r"-0\.0[,)]", repr(found))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("size", [255, 256, 257, 40 * 256 + 3])
def test_float_totals_are_sums_by_columns(dtype, size):
    voxels = np.random.default_rng(4).normal(size=size).astype(dtype)
    assert describe(voxels).total == sum_by_columns(voxels)
    assert describe(voxels.reshape(1, -1).T).total == sum_by_columns(voxels)
    voxels[::50] = np.nan
    voxels[1::50] = np.inf
    found = describe(voxels)
    assert found.total == sum_by_columns(voxels)
    assert (found.n_nan, found.n_inf) == (-(-size // 50), -(-(size - 1) // 50))
    assert found.minimum == min(value for value in voxels.tolist() if value == value)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "uint16"])
def test_moments_follow_c_order_whatever_the_strides(dtype, layout):
    voxels = (
        (np.random.default_rng(5).normal(size=(7, 11, 13)) * 1000).astype("int16").astype(dtype)
    )
    assert describe(laid_out(voxels, layout)) == describe(voxels)


def test_float_totals_beyond_float64():
    largest = np.finfo("float64").max
    assert describe(np.full(1000, largest)).total == np.inf
    assert describe(np.full(3, -largest)).total == -np.inf
    cancelling = np.repeat([largest, -largest], 512)
    assert describe(cancelling).total == 0.0
    assert describe(np.append(cancelling, 2.0**1000)).total == 2.0**1000


@pytest.mark.parametrize("dtype", ["uint64", "int64", "uint8", "int8", "uint16", "uint32", "bool"])
def test_integer_totals_of_extreme_blocks(dtype):
    limits = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    for value in limits:
        block = np.full((3, 70_001), value, dtype)
        found = describe(block)
        assert (found.minimum, found.maximum, found.total) == (value, value, value * block.size)
    mixed = np.resize(np.array(limits, dtype), 99_999)
    assert describe(mixed).total == sum(mixed.tolist())


def test_a_block_of_nan_has_no_extremes():
    found = describe(np.full((2, 3), np.nan, "float32"))
    assert found == Moments(minimum=None, maximum=None, total=0.0, n_nan=6)


@given(blocks(), st.data())
def test_reducing_and_describing_at_once_changes_nothing(block, data):
    factors = data.draw(
        st.sampled_from([(1, 2, 2)[-block.ndim :], (2, 2, 2)[-block.ndim :], (2,) * block.ndim])
        if block.ndim <= 3
        else st.just((1,) * (block.ndim - 3) + (2, 2, 2))
    )
    shape = tuple(-(-n // f) for n, f in zip(block.shape, factors, strict=True))
    apart, at_once = np.empty(shape, block.dtype), np.empty(shape, block.dtype)
    total = reduce_mean(block, factors, apart)
    moments = mean_and_describe(block, factors, at_once, compiled=True)
    assert at_once.tobytes() == apart.tobytes()
    assert repr(moments) == repr(describe(block, total))


@pytest.mark.sampled(2)
@pytest.mark.parametrize("dtype", [*INTEGERS, "bool", "float32"])
@pytest.mark.parametrize("factors", [(1, 2, 2), (2, 2, 2)])
def test_whole_windows_are_reduced_and_described_at_once(dtype, factors):
    block = np.arange(4 * 6 * 8).reshape(4, 6, 8) * 37 % 251 - 100
    block = block.astype(dtype)
    shape = tuple(n // f for n, f in zip(block.shape, factors, strict=True))
    apart, at_once = np.empty(shape, dtype), np.empty((5, 5, 5), dtype)[: shape[0], : shape[1], 1:]
    at_once = at_once[:, :, : shape[2]]
    total = reduce_mean(block, factors, apart)
    moments = mean_and_describe(block, factors, at_once, compiled=True)
    assert at_once.tobytes() == apart.tobytes()
    assert moments == describe(block, total)
