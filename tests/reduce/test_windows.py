"""Every method against an oracle of a few lines; its two forms against each other by bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from oracles import COMPLEX, TAKEN, bits, out_dtype, reduce_by_hand
from strategies import LAYOUTS, blocks, laid_out
from zarrpyramid.reduce import networks, pieces, windows
from zarrpyramid.reduce import numba_windows as compiled_windows
from zarrpyramid.reduce.dtypes import kind_of
from zarrpyramid.reduce.methods import METHODS
from zarrpyramid.reduce.moments import describe

# numba compiles a kernel anew for each dtype, which takes seconds: a plain run compiles those alone
# that hypothesis draws.
COMPILED = pytest.param(True, marks=pytest.mark.slow, id="compiled")
FORMS = pytest.mark.parametrize("compiled", [pytest.param(False, id="numpy"), COMPILED])
OUT_LAYOUTS = [layout for layout in LAYOUTS if layout != "read-only"]


def reduce(method, source, factors, layout="C", *, compiled=False, dtype=None):
    shape = [-(-extent // factor) for extent, factor in zip(source.shape, factors, strict=True)]
    out = laid_out(np.zeros(shape, dtype or out_dtype(method, source.dtype.name)), layout)
    windows.reduce_windows(method, source, factors, out, compiled=compiled)
    return out


@st.composite
def cases(draw):
    method, dtype = draw(st.sampled_from(TAKEN))
    shapes = hnp.array_shapes(min_dims=1, max_dims=4, max_side=7)
    if dtype in COMPLEX:
        source = draw(blocks(shapes=shapes, dtypes=[f"float{4 * np.dtype(dtype).itemsize}"]))
        source = source * np.array(1 + 0j, dtype) if source.size % 2 else source.astype(dtype)
    else:
        source = draw(blocks(shapes=shapes, dtypes=[dtype]))
    if method == "sum" and np.dtype(dtype).kind in "iu" and np.dtype(dtype).itemsize == 8:
        source = source // 1024  # as of a level whose sums fit: no window holds 1024 voxels here
    halves = st.just((2,) * source.ndim)
    factors = draw(halves | st.tuples(*[st.integers(1, 5)] * source.ndim))
    return method, source, factors


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered:RuntimeWarning")
@given(case=cases(), layout=st.sampled_from(OUT_LAYOUTS))
def test_both_forms_give_the_bits_of_the_oracle(case, layout):
    method, source, factors = case
    expected = reduce_by_hand(method, source, factors, out_dtype(method, source.dtype.name))
    found = reduce(method, source, factors, layout)
    assert bits(found) == bits(expected)
    if method != "stride":
        assert found.tobytes() == canonical(found).tobytes()
    assert reduce(method, source, factors, layout, compiled=True).tobytes() == found.tobytes()


def canonical(block):
    """Return voxels with every NaN made the quiet one."""
    copy = np.ascontiguousarray(block)
    parts = copy.view(f"f{block.itemsize // 2}") if block.dtype.kind == "c" else copy
    if parts.dtype.kind == "f":
        parts[np.isnan(parts)] = np.nan
    return copy


@pytest.mark.sampled(40)
@FORMS
@pytest.mark.parametrize(("method", "dtype"), TAKEN)
@pytest.mark.parametrize("factors", [(2, 2, 2), (5, 1, 3), (3, 3, 300)])
def test_larger_blocks_in_every_dtype(method, dtype, factors, compiled):
    """Rows longer than a tile, and windows larger than a network."""
    random = np.random.default_rng(1)
    if kind_of(dtype) in ("float", "complex"):
        source = random.normal(scale=100, size=(4, 3, 605)).astype(dtype)
        source[0, 0, ::7], source[1, :, 3::11] = np.nan, -0.0
        source = source * np.array(1 - 2j, dtype) if dtype in COMPLEX else source
    else:
        source = random.integers(0, 4, (4, 3, 605)).astype(dtype)
        source[2:] = 2 if dtype != "bool" else True
    found = reduce(method, source, factors, compiled=compiled)
    expected = reduce_by_hand(method, source, factors, found.dtype)
    assert bits(found) == bits(expected)


TABLE = [
    ("mode", "uint8", [3, 1, 3, 1], 1, "a tie goes to the smallest"),
    ("mode", "int8", [0, -1, -1, 0], -1, "a tie goes to the smallest, which is negative"),
    ("mode", "uint64", [2**64 - 1, 2**64 - 1, 2**64 - 2], 2**64 - 1, "no float is on the way"),
    ("mode", "bool", [True, False], False, "a tie is False"),
    ("mode", "uint32", [0, 0, 0, 9], 0, "background may win"),
    ("mode_nonzero", "uint32", [0, 0, 0, 9], 9, "background never wins over a label"),
    ("mode_nonzero", "uint32", [9, 7, 0, 0, 0], 7, "a tie of labels"),
    ("mode_nonzero", "int32", [0, -5, -5, 3, 3], -5, "labels below the background"),
    ("mode_nonzero", "uint32", [0, 0], 0, "all background"),
    ("mode_nonzero", "bool", [False, False, True], True, "one True is enough"),
    ("median", "uint8", [4, 1, 3, 2], 2, "the lower of the two in the middle"),
    ("median", "bool", [True, False], False, "the lower of two"),
    ("median", "int64", [2**63 - 1, -(2**63), 2**63 - 2], 2**63 - 2, "no float is on the way"),
    ("median", "float32", [np.nan, 1, 2], np.nan, "NaN has no place in an order"),
    ("median", "float16", [0.0, -0.0], -0.0, "minus zero is less"),
    ("median", "float64", [np.inf, -np.inf, 5], 5, "infinities have a place"),
    ("min", "float32", [np.nan, -0.0, 0.0], -0.0, "NaN loses, minus zero is less"),
    ("max", "float32", [-np.nan, -0.0, 0.0], 0.0, "NaN of either sign loses"),
    ("max", "float16", [-np.inf, np.nan], -np.inf, "infinity wins over NaN"),
    ("min", "float64", [np.inf, np.nan], np.inf, "infinity wins over NaN"),
    ("min", "float32", [np.nan, np.nan], np.nan, "nothing but NaN"),
    ("max", "uint64", [2**64 - 2, 2**64 - 1], 2**64 - 1, "no float is on the way"),
    ("nanmean", "float16", [np.nan, 1, 2], 1.5, "NaN is left out"),
    ("nanmean", "float32", [np.nan, np.nan], np.nan, "nothing but NaN, and no warning"),
    ("nanmean", "float32", [np.nan, -0.0], -0.0, "minus zero stays"),
    ("nanmean", "uint8", [1, 2, 2, 2], 2, "the mean, where there is no NaN"),
    ("nanmean", "float64", [np.inf, -np.inf, np.nan], np.nan, "as IEEE 754 says"),
    ("sum", "float32", [3e38, 3e38], np.inf, "overflow to infinity"),
    ("sum", "float32", [3e38, 3e38, -3e38], np.float32(3e38), "on the way only: added as doubles"),
    ("sum", "float64", [1, np.nan], np.nan, "NaN propagates"),
    ("sum", "complex64", [1 + 2j, 3 - 5j], 4 - 3j, "each part of its own"),
    ("mean", "complex64", [1 + 2j, 3 - 5j], 2 - 1.5j, "each part of its own"),
    ("mean", "complex128", [complex(1, np.nan), 3], complex(2, np.nan), "and NaN in one of them"),
    ("stride", "float32", [np.nan, 1], np.nan, "the first, whatever it is"),
    ("stride", "complex128", [5j, 1], 5j, "the first"),
]  # fmt: skip


@FORMS
@pytest.mark.parametrize(("method", "dtype", "window", "expected", "reason"), TABLE)
def test_single_windows(method, dtype, window, expected, reason, compiled):
    source = np.array(window, dtype)
    found = reduce(method, source, source.shape, compiled=compiled)
    assert found.shape == (1,)
    assert bits(found) == bits(np.array([expected], found.dtype)), reason


@FORMS
@pytest.mark.parametrize("method", METHODS)
def test_edges_hold_what_is_there(method, compiled):
    """The last window along each axis is cut: nothing is mirrored, repeated or filled in."""
    source = np.array([[1, 1, 9], [1, 1, 9], [5, 5, 200]], "uint8")
    found = reduce(method, source, (2, 2), compiled=compiled, dtype="uint8")
    four = {"sum": [[4, 18], [10, 200]]}
    assert found.tolist() == four.get(method, [[1, 9], [5, 200]])


@FORMS
@pytest.mark.parametrize("method", [method for method in METHODS if method != "sum"])
@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_64_bits_are_exact_over_the_whole_range(method, dtype, compiled):
    limits = np.iinfo(dtype)
    for value in (limits.min, limits.max, limits.max - 1):
        found = reduce(method, np.full((3, 4, 5), value, dtype), (2, 2, 2), compiled=compiled)
        assert (found == value).all()


@FORMS
@pytest.mark.parametrize(
    ("dtype", "out", "value"),
    [
        ("uint8", "uint16", 255),
        ("int8", "int16", -128),
        ("uint16", "float32", 65535),
        ("uint32", "uint64", 2**32 - 1),
        ("int32", "int64", -(2**31)),
        ("uint64", "uint64", 2**57 + 1),
        ("uint64", "float64", 2**40 + 1),
        ("bool", "uint8", True),
        ("float16", "float32", 60000.0),
        ("float32", "float64", 3e38),
        ("complex64", "complex128", 3e38 - 3e38j),
    ],
)
def test_sums_in_a_wider_dtype(dtype, out, value, compiled):
    found = reduce("sum", np.full((4, 4, 4), value, dtype), (4, 4, 4), compiled=compiled, dtype=out)
    assert found.dtype == out
    assert found.item() == 64 * np.array(value, dtype).item()


@FORMS
@pytest.mark.parametrize("method", METHODS)
def test_slabs_of_large_blocks_do_not_show(method, compiled, monkeypatch):
    source = np.random.default_rng(3).integers(0, 3, (1, 21, 9, 8)).astype("int32")
    whole = reduce(method, source, (1, 2, 2, 2), compiled=compiled)
    monkeypatch.setattr(pieces, "_SLAB_VOXELS", 100)
    assert reduce(method, source, (1, 2, 2, 2), compiled=compiled).tobytes() == whole.tobytes()


def test_voxels_outside_the_out_view_are_left_alone():
    for method in METHODS:
        block = np.full((6, 6, 6), 7, "uint16")
        source = np.zeros((4, 4, 4), "uint16")
        windows.reduce_windows(method, source, (2, 2, 2), block[1:3, 2:4, 3:5], compiled=True)
        block[1:3, 2:4, 3:5] += 7
        assert (block == 7).all()


@pytest.mark.parametrize("out", [np.empty((2, 2), "uint8"), np.empty((3, 2), "int8")])
def test_arrays_that_do_not_belong_together_are_refused(out):
    with pytest.raises(ValueError, match="expected out of uint8"):
        windows.reduce_windows("max", np.zeros((5, 4), "uint8"), (2, 2), out)


def test_what_is_compiled():
    """What is not served has the numpy form: other methods, and large windows of the modes."""
    for method, known in METHODS.items():
        windows_of_5 = compiled_windows.serves(method, (5, 5, 5))
        assert windows_of_5 == (known.numba_from is not None and method != "mean")
    assert not compiled_windows.serves("mode", (5, 5, 6))
    assert compiled_windows.serves("nanmean", (50, 50, 60))


@pytest.mark.parametrize("size", [*range(1, 13), 27, 64, 125, networks.LARGEST])
def test_networks_sort_and_select(size):
    """By the zero-one principle: what sorts all sequences of 0 and 1 sorts everything."""
    if size <= 12:
        rows = np.array([[number >> bit & 1 for bit in range(size)] for number in range(2**size)])
    else:
        rows = np.random.default_rng(2).integers(0, 9, (200, size))
    for place in (None, (size - 1) // 2):
        pairs = networks.sorting_network(size)
        pairs = pairs if place is None else networks.selecting_network(size, place)
        columns = list(rows.T.copy())
        for low, high in pairs:
            assert low < high
            columns[low], columns[high] = (
                np.minimum(columns[low], columns[high]),
                np.maximum(columns[low], columns[high]),
            )
        chosen = slice(None) if place is None else slice(place, place + 1)
        expected = np.sort(rows, axis=1)[:, chosen]
        assert (np.stack(columns, axis=1)[:, chosen] == expected).all()


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered:RuntimeWarning")
@given(case=cases(), compiled=st.booleans())
def test_describing_at_once_changes_nothing(case, compiled):
    method, source, factors = case
    shape = [-(-extent // factor) for extent, factor in zip(source.shape, factors, strict=True)]
    out = np.empty(shape, out_dtype(method, source.dtype.name))
    found = windows.reduce_and_describe(method, source, factors, out, compiled=compiled)
    assert repr(found) == repr(describe(source))
    assert out.tobytes() == reduce(method, source, factors, compiled=compiled).tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_of_floats_are_described_as_by_numpy(dtype):
    random = np.random.default_rng(3)
    for n_rows in (1, 2, 3, 4, 5, 7, 8, 11):
        voxels = (random.standard_normal(n_rows * 256) * 1e7).astype(dtype)
        assert repr(describe(voxels, compiled=True)) == repr(describe(voxels))
        for row in range(n_rows):
            for odd in (-0.0, 3e38, -3e38, np.inf, -np.inf, np.nan):
                block = voxels.copy()
                block[row * 256 + 5 * row] = odd
                found = describe(block, compiled=True)
                assert repr(found) == repr(describe(block)), (n_rows, row, odd)
                if np.isfinite(odd):
                    assert (found.minimum, found.maximum) == (block.min(), block.max())
