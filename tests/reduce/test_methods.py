"""Methods from the configuration to the store: what is refused, and whole pyramids of each."""

from __future__ import annotations

import json
import math
import re
from fractions import Fraction
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zarr.codecs import BloscCodec, BytesCodec, GzipCodec, TransposeCodec
from zarr.storage import MemoryStore

from oracles import COMPLEX, TAKEN, bits, out_dtype, reduce_by_hand
from strategies import DTYPES
from zarrpyramid import build_pyramid
from zarrpyramid.config.schema import json_schema
from zarrpyramid.config.settings import IMAGE
from zarrpyramid.errors import ConfigError
from zarrpyramid.metadata.digests import Tally
from zarrpyramid.plan import cut as tasks
from zarrpyramid.plan.levels import VOXEL_REVISION
from zarrpyramid.reduce.dtypes import ITEM_SIZES, kind_of, limits, parse_fill, spell_fill
from zarrpyramid.reduce.loading import compiled_is_ready, load_compiled
from zarrpyramid.reduce.mean import describe
from zarrpyramid.reduce.methods import METHODS, level_dtype
from zarrpyramid.reduce.voxel_digest import chunk_digest
from zarrpyramid.reduce.windows import reduce_windows

GOLDEN = Path(__file__).parents[1] / "data" / "golden_methods.json"
DOCS = Path(__file__).parents[2] / "docs"


def test_the_schema_lists_the_methods_and_their_dtypes():
    properties = json_schema()["$defs"]
    assert properties["method"]["enum"] == ["auto", *METHODS]
    served = {dtype for dtype in ITEM_SIZES if dtype not in ("bool", "float16")}
    assert set(properties["dtype"]["enum"]) == served | {"same"}


SHAPE = (100, 100, 100)
# method, dtype of level 0, dtype asked for, levels of 2x2x2, what the message says
REFUSED = [
    ("mode", "float32", None, 1, "does not take level 0's dtype float32, .*; choose median, mean"),
    ("mode_nonzero", "float64", None, 1, "does not take level 0's dtype float64"),
    ("mode", "complex64", None, 1, "complex64, expected bool, int, uint; choose mean, sum or"),
    ("median", "complex64", None, 1, "does not take .* complex64, .*; choose mean, sum or stride"),
    ("min", "complex128", None, 1, "does not take level 0's dtype complex128"),
    ("nanmean", "complex64", None, 1, "does not take level 0's dtype complex64"),
    ("mean", "uint8", "uint16", 1, "dtype uint16 is only for method sum, mean keeps .* uint8;"),
    ("sum", "uint8", None, 1, r"overflow uint8: .* may reach 2040; give dtype: uint16$"),
    ("sum", "uint8", None, 3, "a voxel of level 3 adds up to 512 voxels .*; give dtype: uint32$"),
    ("sum", "uint8", "uint16", 3, "overflow uint16: .* give dtype: uint32$"),
    ("sum", "int8", None, 1, r"may overflow int8: .* may reach -1024; give dtype: int16$"),
    ("sum", "int8", "uint64", 1, "may overflow uint64: .*; give dtype: int16$"),
    ("sum", "bool", None, 1, "may overflow bool: .*; give dtype: uint8$"),
    ("sum", "bool", "bool", 1, "may overflow bool: .*; give dtype: uint8$"),
    ("sum", "uint16", "float32", 5, "may overflow float32: .*; give dtype: uint32$"),
    ("sum", "uint8", "complex64", 1, "may overflow complex64: .*; give dtype: uint16$"),
    ("sum", "uint32", "float32", 8, "may overflow float32: .*; give dtype: uint64$"),
    ("sum", "uint32", "uint32", 3, "give dtype: uint64$"),
    ("sum", "int64", None, 1, "no dtype holds; choose mean, or a level 0 of a narrower one"),
    ("sum", "uint64", "float64", 1, "no dtype holds; choose mean"),
    ("sum", "float16", None, 1, "float16 takes float32 or wider .*; give dtype: float32"),
    ("sum", "float64", "float32", 1, "float64 takes float64 .*; give dtype: float64"),
    ("sum", "float32", "uint64", 1, "float32 takes .*, found uint64; give dtype: float32"),
    ("sum", "complex128", "complex64", 1, "wider complex types, .*; give dtype: complex128"),
    ("sum", "float32", "complex64", 1, "or wider float types, .*; give dtype: float32"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "dtype", "given", "n_levels", "message"), REFUSED)
def test_what_a_dtype_cannot_take_is_refused_in_one_line(method, dtype, given, n_levels, message):
    with pytest.raises(ConfigError, match=message) as error:
        level_dtype("brain", method, dtype, given, SHAPE, [(2, 2, 2)] * n_levels)
    assert str(error.value).startswith("image brain: ")
    assert "\n" not in str(error.value)


def test_levels_that_fit_are_counted():
    ladder = [(1000, 1000, 1000)] * 2
    shape = (10**6,) * 3
    assert level_dtype("a", "sum", "uint32", "uint64", shape, ladder[:1]) == "uint64"
    with pytest.raises(ConfigError, match=r"no dtype holds; give levels: 1 with dtype: uint64$"):
        level_dtype("a", "sum", "uint32", "uint64", shape, ladder)


def test_an_image_too_small_for_a_level_has_no_sums_to_overflow():
    assert level_dtype("a", "sum", "uint8", None, (3, 3), []) == "uint8"
    assert level_dtype("a", "sum", "uint8", "uint16", (3, 3), []) == "uint16"


@pytest.mark.parametrize(("method", "dtype"), TAKEN)
def test_what_a_method_takes_keeps_its_dtype(method, dtype):
    if method != "sum":
        assert level_dtype("a", method, dtype, None, SHAPE, [(2, 2, 2)]) == dtype


@given(
    st.sampled_from([dtype for dtype in DTYPES if "float" not in dtype]),
    st.sampled_from([dtype for dtype in ITEM_SIZES if dtype not in ("bool", "float16")]),
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=4),
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
)
def test_sums_are_allowed_where_the_largest_fit(dtype, given, ladder, shape):
    """By hand: an image of nothing but its type's extremes, down to the last level."""
    for extreme in limits(dtype):
        covered = [Fraction(extreme)]
        for axis, extent in enumerate(shape):
            window = math.prod(step[axis] for step in ladder)
            covered.append(Fraction(min(window, extent)))
        largest = math.prod(covered)
        low, high = limits(given)
        if kind_of(given) == "complex" or not low <= largest <= high:
            with pytest.raises(ConfigError, match="method sum may overflow"):
                level_dtype("a", "sum", dtype, given, shape, ladder)
            return
    assert level_dtype("a", "sum", dtype, given, shape, ladder) == given


@pytest.mark.parametrize(
    ("stored", "dtype", "value"),
    [
        ([1, "NaN"], "complex64", complex(1, math.nan)),
        (["-Infinity", 2.5], "complex128", complex(-math.inf, 2.5)),
        (["0x3fc00000", "0x7fc00000"], "complex64", complex(1.5, math.nan)),
        (None, "complex64", 0j),
        (3, "complex64", 3 + 0j),
        ("0x7ff8000000000000", "float64", math.nan),
    ],
)
def test_fill_values_are_read_and_spelled(stored, dtype, value):
    found = parse_fill(stored, dtype)
    assert type(found) is type(value)
    assert str(found) == str(value)
    again = parse_fill(json.loads(json.dumps(spell_fill(found, dtype), allow_nan=False)), dtype)
    assert str(again) == str(value)


def voxels_of(dtype, shape, seed=0):
    """Return voxels of few values, so that modes and ties occur, with NaN among floats."""
    random = np.random.default_rng(seed)
    if kind_of(dtype) in ("float", "complex"):
        values = np.array([np.nan, -0.0, 0.0, 1.5, -2.25, 1000, np.inf], dtype)
        if dtype in COMPLEX:
            values = values + np.array([0, 1, 2, 3, np.nan, -1, 0]) * np.array(1j, dtype)
        return random.choice(values, shape, p=[0.1, 0.2, 0.1, 0.2, 0.2, 0.15, 0.05]).astype(dtype)
    values = np.array([0, 0, 1, 1, 1], dtype)
    if dtype != "bool":
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        values = np.array([0, 0, 3, 3, 7, low, high], dtype)
    return random.choice(values, shape)


def statistics_by_hand(voxels):
    """Of integers and bool by hand; of floats and complex, what can be said without their sums."""
    if voxels.dtype.kind in "iub":
        flat = [int(value) for value in voxels.ravel().tolist()]
        return {"min": min(flat), "max": max(flat), "sum": sum(flat), "n_nan": 0, "n_inf": 0}
    n_nan = int(np.isnan(voxels).sum())
    found = {"n_nan": n_nan, "n_inf": int(np.isinf(voxels).sum())}
    if voxels.dtype.kind == "c":
        found["n_inf"] = int((np.isinf(voxels) & ~np.isnan(voxels)).sum())
        found["min"] = found["max"] = None
    return found


def plain_numbers(record):
    return {
        key: int(item) if isinstance(item, str) and item.lstrip("-").isdigit() else item
        for key, item in record.items()
    }


V2 = {
    "raw": {"compressors": None},
    "blosc": {"compressors": numcodecs.Blosc("lz4")},
    "F order": {"order": "F", "compressors": numcodecs.Zstd()},
    "no fill": {"fill_value": None},
}
V3 = {
    "shards": {"shards": (8, 12)},
    "blosc": {"compressors": BloscCodec(cname="lz4", shuffle="shuffle")},
    "turned": {"filters": TransposeCodec(order=(1, 0)), "compressors": GzipCodec(level=1)},
    "plain": {},
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("method", "dtype"), TAKEN)
@settings(
    deadline=None,
    max_examples=6,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_levels_of_every_method_and_dtype(method, dtype, data):
    """Whole pyramids of odd extents with missing chunks, in stores of many kinds."""
    zarr_format = data.draw(st.sampled_from([2, 3]))
    known = V2 if zarr_format == 2 else V3
    array = dict(known[data.draw(st.sampled_from(sorted(known)))])
    big = data.draw(st.booleans()) and np.dtype(dtype).itemsize > 1
    voxels = voxels_of(dtype, data.draw(st.tuples(st.integers(2, 21), st.integers(2, 21))))
    order = ">" if big else "="
    if big and zarr_format == 3:
        array["serializer"] = BytesCodec(endian="big")
        order = "="
    fill = voxels.ravel()[0].item()
    array = {
        "fill_value": fill,
        "chunks": (4, 6),
        "dtype": np.dtype(dtype).newbyteorder(order),
    } | array
    wanted = out_dtype(method, dtype)
    if method == "sum" and dtype in ("int64", "uint64"):
        return
    keys = {"method": method, "levels": 1, "dtype": wanted if method == "sum" else "same"}
    factors = data.draw(st.sampled_from([(2, 2), (2, 3), (3, 5), (1, 4)]))
    store = MemoryStore()
    group = zarr.create_group(store, zarr_format=zarr_format)
    base = group.create_array("0", shape=voxels.shape, **array)
    base[: max(1, voxels.shape[0] // 2)] = voxels[: max(1, voxels.shape[0] // 2)]
    source = base[...].astype(dtype)
    (_, record) = build_pyramid(
        store,
        scale_factors=list(factors),
        write_empty_chunks=data.draw(st.booleans()),
        **keys,
    )
    expected = reduce_by_hand(method, source, factors, wanted)
    found = zarr.open_group(store, mode="r")["1"]
    assert found.dtype.newbyteorder("=") == wanted
    assert found.dtype.str[0] == base.dtype.str[0] or 1 in (
        found.dtype.itemsize,
        base.dtype.itemsize,
    )
    assert bits(found[...].astype(wanted)) == bits(expected)
    assert {**plain_numbers(record), **statistics_by_hand(expected)} == plain_numbers(record)
    json.dumps(record, allow_nan=False)


def test_sums_go_on_over_levels_in_their_dtype(tmp_path):
    voxels = np.full((13, 17), 255, "uint8")
    group = zarr.create_group(tmp_path, zarr_format=2)
    group.create_array("0", data=voxels, chunks=(4, 4))
    records = build_pyramid(tmp_path, method="sum", dtype="uint32", levels=3)
    for level in (1, 2, 3):
        array = group[str(level)]
        assert array.dtype == "uint32"
        assert array[...].sum() == voxels.sum(dtype=int) == records[level]["sum"]
    assert [record["dtype"] for record in records] == ["uint8", "uint32", "uint32", "uint32"]
    again = build_pyramid(tmp_path, method="sum", dtype="uint64", levels=3)
    assert [record["dtype"] for record in again] == ["uint8", "uint64", "uint64", "uint64"]


def test_sums_of_floats_end_at_infinity(tmp_path):
    zarr.create_group(tmp_path).create_array("0", data=np.full((9, 9), 3e38, "f4"), chunks=(4, 4))
    _, record, _ = build_pyramid(tmp_path, method="sum", levels=2)
    assert (record["n_inf"], record["max"]) == (24, "Infinity")  # not the corner of one voxel


def test_filters_are_bound_to_their_dtype(tmp_path):
    group = zarr.create_group(tmp_path, zarr_format=2)
    voxels = np.arange(99, dtype="uint8").reshape(9, 11)
    group.create_array("0", data=voxels, chunks=(4, 4), filters=[numcodecs.Delta(dtype="u1")])
    with pytest.raises(ConfigError, match=r"dtype uint16 does not go through .*\['delta'\]"):
        build_pyramid(tmp_path, method="sum", dtype="uint16", levels=1)
    build_pyramid(tmp_path, method="max", levels=1)
    assert (group["1"][...] == reduce_by_hand("max", voxels, (2, 2), "uint8")).all()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("few", [0, 1000], ids=["processes, compiled", "threads, numpy"])
@pytest.mark.parametrize("method", [method for method in METHODS if method != "mean"])
def test_both_forms_make_equal_records(tmp_path, monkeypatch, method, few):
    monkeypatch.setattr(tasks, "FEW", few)
    monkeypatch.setattr("zarrpyramid.downsample.run.FEW", few)
    if few == 0 and METHODS[method].numba_from is not None:
        load_compiled(method, np.dtype("uint16")).join(timeout=60)
        assert compiled_is_ready(method, np.dtype("uint16"))
    assert golden_record(method, "uint16", tmp_path) == golden(method, "uint16")


def golden(method, dtype):
    found = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert list(found) == [str(VOXEL_REVISION)]
    assert (found[str(VOXEL_REVISION)].get(method) or {}).keys() >= {dtype}, (
        f"{GOLDEN.name} has no {method} of {dtype}: `uv run python tests/reduce/test_methods.py` "
        "writes it anew; see to it that only new entries appear"
    )
    return found[str(VOXEL_REVISION)][method][dtype]


def golden_record(method, dtype, path):
    voxels = voxels_of(dtype, (7, 11, 13), seed=5)
    group = zarr.create_group(path, zarr_format=2)
    group.create_array("0", data=voxels, chunks=(4, 4, 4))
    wide = (
        {"uint16": "uint64", "float16": "float32"}.get(dtype, dtype) if method == "sum" else "same"
    )
    records = build_pyramid(path, levels=2, scale_factors=[2, 3, 2], method=method, dtype=wide)
    kept = ("digest", "dtype", "min", "max", "sum", "mean", "n_nan", "n_inf")
    return [{key: record[key] for key in kept} for record in records[1:]]


GOLDEN_CASES = [
    (method, dtype)
    for method, known in METHODS.items()
    for dtype in ("uint16", "float16", "float32", "complex64")
    if kind_of(dtype) in known.kinds
]


@pytest.mark.parametrize(("method", "dtype"), GOLDEN_CASES)
def test_voxels_of_every_method_are_those_of_this_revision(method, dtype, tmp_path):
    assert golden_record(method, dtype, tmp_path) == golden(method, dtype)


@pytest.mark.parametrize(
    "text",
    [
        (DOCS / "reference" / "methods.md").read_text(encoding="utf-8"),
        (DOCS / "design" / "0006-meaning-of-the-methods.md").read_text(encoding="utf-8"),
        IMAGE["method"].meaning,
        re.sub(r"\b([a-z_]+)\b", r"`\1`", reduce_windows.__doc__),
    ],
    ids=["methods.md", "design 0006", "the setting", "reduce_windows"],
)
def test_every_method_is_explained(text):
    assert {method for method in METHODS if f"`{method}`" not in text} == set()


@pytest.mark.parametrize("dtype", COMPLEX)
def test_statistics_of_complex_voxels(dtype):
    values = [1 + 2j, -3 + 0.5j, complex(math.nan, 9), complex(7, -math.inf), 0.25j]
    block = np.array(values, dtype)
    moments = describe(block)
    assert (moments.n_nan, moments.n_inf, moments.total) == (1, 1, -2 + 2.75j)
    assert (moments.minimum, moments.maximum) == (-math.inf, 7)
    tallies = [Tally(), Tally()]
    for number, tally in enumerate(tallies):
        tally.add((number,), chunk_digest(block, has_nan=True), moments, 5)
    tallies[0].merge(tallies[1])
    assert tallies[0].statistics(dtype=dtype) == {
        "min": None, "max": None, "sum": [-4.0, 5.5], "mean": [-2 / 3, 5.5 / 6],
        "n_nan": 2, "n_inf": 2,
    }  # fmt: skip


def test_a_complex_digest_knows_one_nan_in_each_part():
    quiet, other = np.array([np.nan]), np.array([0x7FF8000000000001], "u8").view("f8")
    blocks = [np.zeros(3, "c16") for _ in range(3)]
    blocks[0].imag[1], blocks[1].imag[1], blocks[2].real[1] = quiet[0], other[0], quiet[0]
    digests = [chunk_digest(block, has_nan=True) for block in blocks]
    assert digests[0] == digests[1] != digests[2]


def write_golden():
    import tempfile

    found = {}
    for method, dtype in GOLDEN_CASES:
        with tempfile.TemporaryDirectory() as folder:
            found.setdefault(method, {})[dtype] = golden_record(method, dtype, folder)
    GOLDEN.write_text(json.dumps({str(VOXEL_REVISION): found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_golden()
