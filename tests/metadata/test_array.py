"""Documents of arrays against zarr-python, and what of them is refused."""

from __future__ import annotations

import json
import math
from itertools import product

import numcodecs
import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, BytesCodec
from zarr.storage import MemoryStore

from zarrpyramid.arrays.foreign import open_array
from zarrpyramid.errors import MetadataError
from zarrpyramid.metadata.parsing import parse_array
from zarrpyramid.reduce.dtypes import ITEM_SIZES
from zarrpyramid.stores.zarr_store import ZarrStore

V2 = {
    "zarr_format": 2,
    "shape": [10, 20],
    "chunks": [4, 5],
    "dtype": "<u2",
    "compressor": None,
    "fill_value": 0,
    "order": "C",
    "filters": None,
}
HUGE = {"name": "regular", "configuration": {"chunk_shape": [2**20, 2**20]}}
V3 = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [10, 20],
    "data_type": "uint16",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 6]}},
    "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
    "fill_value": 0,
    "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
    "attributes": {"a": 1},
}


def sharded(inner, **index):
    codec = {"chunk_shape": inner, "codecs": ["bytes"], "index_codecs": ["bytes"], **index}
    return {**V3, "codecs": [{"name": "sharding_indexed", "configuration": codec}]}


def parse(document, attributes=None):
    if document.get("zarr_format") == 3:
        return parse_array({"zarr.json": document}, "here")
    given = {".zarray": document} | ({".zattrs": attributes} if attributes is not None else {})
    return parse_array(given, "here")


@pytest.mark.sampled(24)
@pytest.mark.parametrize("dtype", ITEM_SIZES)
@pytest.mark.parametrize(
    ("zarr_format", "options"),
    [
        (2, {}),
        (2, {"order": "F", "chunk_key_encoding": {"name": "v2", "separator": "/"}}),
        (3, {"dimension_names": ["y", None]}),
        (3, {"shards": (8, 12), "chunk_key_encoding": {"name": "v2", "separator": "."}}),
        (3, {"chunk_key_encoding": {"name": "default", "separator": "."}}),
    ],
)
def test_what_zarr_python_writes(dtype, zarr_format, options):
    store = MemoryStore()
    array = zarr.create_array(
        store, shape=(10, 20), chunks=(4, 6), dtype=dtype, zarr_format=zarr_format, **options
    )
    array[...] = np.ones((10, 20), dtype)
    array.attrs["a"] = 1
    opened = ZarrStore(store)
    names = ["zarr.json"] if zarr_format == 3 else [".zarray", ".zattrs"]
    found = parse_array({name: json.loads(opened.get(name)) for name in names}, "here")
    assert (found.shape, found.chunks, found.shards) == (array.shape, array.chunks, array.shards)
    assert found.dtype == array.dtype.name
    assert found.item_size == array.dtype.itemsize
    assert found.attributes == {"a": 1}
    assert found.write_shape == (array.shards or array.chunks)
    assert found.fill_value == array.fill_value
    grid = [range(-(-n // edge)) for n, edge in zip(array.shape, found.write_shape, strict=True)]
    keys = {found.object_key(index) for index in product(*grid)}
    assert keys == {key for key in opened.keys("") if key not in (*names, ".zattrs")}
    # The documents are those that came in, attributes apart from the rest.
    assert found.documents() == {name: json.loads(opened.get(name)) for name in reversed(names)}


WIDER = [
    ("bool", "uint8", True),
    ("uint8", "uint32", 200),
    ("int16", "int64", -5),
    ("uint16", "float64", 7),
    ("float16", "float32", np.nan),
    ("float32", "float64", np.inf),
    ("complex64", "complex128", 1.5 - 2j),
]


@pytest.mark.parametrize(("dtype", "wider", "fill"), WIDER)
@pytest.mark.parametrize(
    ("zarr_format", "options"),
    [
        (2, {}),
        (2, {"compressors": numcodecs.Blosc("zstd")}),
        (3, {}),
        (3, {"shards": (8, 12)}),
        (3, {"serializer": BytesCodec(endian="big"), "compressors": BloscCodec(shuffle="shuffle")}),
    ],
)
def test_another_dtype_is_what_zarr_python_would_write(dtype, wider, fill, zarr_format, options):
    """The document of a wider type, as zarr-python reads it and as it writes it itself."""
    form = {"shape": (10, 20), "chunks": (4, 6), "zarr_format": zarr_format, **options}
    names = ["zarr.json"] if zarr_format == 3 else [".zarray"]
    documents = []
    for name, value in ((dtype, fill), (wider, np.array(fill, dtype).astype(wider).item())):
        store = MemoryStore()
        zarr.create_array(store, dtype=name, fill_value=value, **form)
        documents.append({key: json.loads(ZarrStore(store).get(key)) for key in names})
    found, expected = (parse_array(document, "here") for document in documents)
    derived = found.derive(
        shape=(10, 20), chunks=(4, 6), shards=found.shards, attributes={}, dtype=wider
    )
    if ITEM_SIZES[dtype] == 1 and zarr_format == 3 and "serializer" in options:
        return  # one byte has no order, which zarr-python does not keep
    assert derived.document == expected.document
    array = open_array(ZarrStore(MemoryStore()), "", derived, write_empty_chunks=True)
    assert array.dtype == wider
    np.testing.assert_array_equal(array[:2, :2], np.full((2, 2), fill, wider))


@pytest.mark.parametrize(
    ("document", "names"),
    [
        (V3, []),
        ({**V2, "filters": [{"id": "delta", "dtype": "<u2"}]}, ["delta"]),
        ({**V3, "codecs": [{"name": "transpose"}, {"name": "numcodecs.delta"}, "bytes"]},
         ["numcodecs.delta"]),
        ({**V3, "codecs": [{"name": "unheard of"}]}, ["unheard of"]),
    ],
)  # fmt: skip
def test_filters_are_named(document, names):
    assert parse(document).filters == names


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({**V2, "dtype": ">u2"}, "big"),
        ({**V2, "dtype": "|u1"}, "little"),
        (V3, "little"),
        ({**V3, "codecs": [BytesCodec(endian="big").to_dict()]}, "big"),
        ({**V3, "codecs": ["bytes"]}, "little"),  # the short form
        (sharded([2, 3]), "little"),
        (sharded([2, 3], codecs=[{"name": "bytes", "configuration": {"endian": "big"}}]), "big"),
    ],
)
def test_byte_order(document, expected):
    [codec] = [codec for codec in parse(document).codecs if codec["name"] == "bytes"]
    assert codec.get("configuration", {}).get("endian", "little") == expected


NAN_WITH_PAYLOAD = "0x7fc00123"


@pytest.mark.parametrize(
    ("dtype", "stored", "expected"),
    [
        ("uint8", 7, 7),
        ("int64", -(2**63), -(2**63)),
        ("uint64", 2**64 - 1, 2**64 - 1),  # beyond what a double holds
        ("bool", True, True),
        ("float32", 1.5, 1.5),
        ("float32", 1, 1.0),
        ("float32", "NaN", math.nan),
        ("float64", "Infinity", math.inf),
        ("float16", "-Infinity", -math.inf),
        ("float32", "0x3fc00000", 1.5),  # v3's hex form
        ("float16", "0x3e00", 1.5),
        ("float64", "0x3ff8000000000000", 1.5),
        ("float32", NAN_WITH_PAYLOAD, math.nan),
    ],
)
def test_fill_values(dtype, stored, expected):
    found = parse({**V3, "data_type": dtype, "fill_value": stored}).fill_value
    assert type(found) is type(expected)
    assert found == expected or (math.isnan(found) and math.isnan(expected))


@pytest.mark.parametrize(("dtype", "expected"), [("|u1", 0), ("<f8", 0.0)])
def test_null_fills_with_zero_in_v2(dtype, expected):
    assert parse({**V2, "dtype": dtype, "fill_value": None}).fill_value == expected


def test_a_payload_of_nan_is_kept():
    fill = parse({**V3, "data_type": "float32", "fill_value": NAN_WITH_PAYLOAD}).fill_value
    assert np.array(fill, "float32").view("uint32") == 0x7FC00123


@pytest.mark.parametrize("document", [V2, {**V2, "dimension_separator": "/"}, V3, sharded([2, 3])])
def test_a_level_is_level_0_with_another_shape(document):
    base = parse(document, {"a": 1})
    shards = None if base.shards is None else (2, 6)
    level = base.derive(shape=(5, 9), chunks=(2, 3), shards=shards, attributes={"b": 2})
    (document_name,) = set(level.documents()) - {".zattrs"}
    again = parse_array(level.documents(), "there")
    assert again == level
    assert (again.shape, again.chunks, again.shards) == ((5, 9), (2, 3), shards)
    assert again.attributes == {"b": 2}
    changed = {"shape", "chunks", "chunk_grid", "attributes"} | ({"codecs"} if shards else set())
    old, new = base.documents()[document_name], level.documents()[document_name]
    assert {key for key in {**old, **new} if old.get(key) != new.get(key)} <= changed
    if shards:
        old, new = old["codecs"][0]["configuration"], new["codecs"][0]["configuration"]
        assert {**old, "chunk_shape": [2, 3]} == new
    assert parse(document, {"a": 1}) == base  # untouched


def test_a_document_makes_an_array_exist_last():
    assert list(parse(V2, {}).documents()) == [".zattrs", ".zarray"]


GRID = "chunk_grid"
DAMAGED = [
    ({**V3, "shape": [10, -1]}, "shape must be a list of integers >= 0"),
    ({**V3, "shape": [10, 2.5]}, "shape must be a list of integers >= 0"),
    ({**V3, "shape": [10, True]}, "shape must be a list of integers >= 0"),
    ({**V3, "shape": [10, 2**63]}, "shape must be a list of integers >= 0"),
    ({**V3, "shape": 10}, "shape must be a list of integers >= 0"),
    ({**V3, "shape": []}, "has 0 dimensions; 1 to 5 are served"),
    ({**V2, "shape": [1] * 6, "chunks": [1] * 6}, "has 6 dimensions; 1 to 5 are served"),
    ({**V3, "shape": [10]}, r"shape \(10,\) and chunks \(4, 6\) differ in length"),
    ({**V2, "chunks": [4]}, r"shape \(10, 20\) and chunks \(4,\) differ in length"),
    ({**V2, "chunks": [4, 0]}, "chunks must be a list of integers >= 1"),
    ({**V3, GRID: {"name": "rectilinear"}}, "chunk grid 'rectilinear' is not served"),
    ({**V3, "storage_transformers": [{"name": "x"}]}, "storage transformers are not served"),
    ({**V3, "data_type": "complex256"}, "data type 'complex256' has no mean"),
    ({**V3, "data_type": "string"}, "data type 'string' has no mean"),
    ({**V3, "data_type": {"name": "numpy.datetime64"}}, "data type 'numpy.datetime64' has no"),
    ({**V3, "data_type": ["a"]}, "damaged"),
    ({**V2, "dtype": "|O"}, r"data type '\|O' has no mean"),
    ({**V2, "dtype": "<U8"}, "data type '<U8' has no mean"),
    ({**V2, "dtype": "<M8[ns]"}, r"data type '<M8\[ns\]' has no mean"),
    ({**V2, "dtype": "<f16"}, "data type '<f16' has no mean"),
    ({**V2, "dtype": [["a", "<u2"]]}, "has no mean"),
    (sharded([3, 3]), r"chunks \(3, 3\) do not divide its shards \(4, 6\)"),
    (sharded([2]), r"shape \(10, 20\) and chunks \(2,\) differ in length"),
    (sharded([2, 0]), "the shards' chunk_shape must be a list of integers >= 1"),
    ({**V3, "dimension_names": ["x"]}, "1 dimension_names for 2 dimensions"),
    ({**V3, "dimension_names": 3}, "damaged: TypeError"),
    ({**V3, "dimension_names": ["y", 3]}, r"dimension_names \('y', 3\) are not all texts or null"),
    ({**V3, "codecs": None}, "damaged: TypeError"),
    ({**V2, "filters": {"id": "delta"}}, "damaged: TypeError"),
    ({**V2, "filters": [None]}, "'None' is no description of a codec"),
    ({**V3, GRID: []}, "damaged: TypeError"),
    ({**V3, "chunk_key_encoding": None}, "damaged: TypeError"),
    ({**V3, "attributes": 3}, "damaged: TypeError"),
    ({**V3, "fill_value": float("nan")}, "damaged: ValueError"),
    ({**V3, "fill_value": float("inf")}, "damaged: ValueError"),
    ({**V3, "fill_value": 2**16}, "damaged: ValueError fill value '65536' of uint16"),
    ({**V3, "fill_value": "seven"}, "damaged: ValueError fill value 'seven' of uint16"),
    ({**V3, "data_type": "float32", "fill_value": [0]}, "damaged: ValueError fill value"),
    ({**V3, "data_type": "bool", "fill_value": "no"}, "damaged: ValueError fill value 'no' of"),
    ({**V3, "shape": [2**40, 2**40]}, r"shape \(\d+, \d+\) has 2\^63 voxels or more"),
    ({**V3, GRID: HUGE},
     "a chunk of 2199023255552 bytes, expected at most 8589934592"),
    ({**sharded([2, 2]), GRID: HUGE},
     "274877906944 chunks in a shard, expected at most 16777216"),
    ({**V3, "codecs": ["bytes", {"name": "gzip", "configuration": [5]}]}, "no description of"),
    ({**V3, "codecs": [{"name": 5}]}, "no description of a codec"),
    ({**V3, "codecs": [{"name": "sharding_indexed"}, "crc32c"]}, "damaged: KeyError"),
    ({**V3, "codecs": ["numcodecs.pickle"]}, "codec 'numcodecs.pickle' makes objects"),
    ({**V3, "chunk_key_encoding": {"name": "v3"}}, "damaged: KeyError 'v3'"),
    ({**V3, "chunk_key_encoding": {"name": "v2", "configuration": {"separator": ["/"]}}},
     r"separator of chunk keys \"\['/'\]\", expected '.' or '/'"),
    ({**V3, "fill_value": 1.5}, "damaged: ValueError fill value '1.5' of uint16"),
    ({**V3, "fill_value": None}, "fill_value is null"),
    ({**V3, "storage_transformers": 0}, "storage transformers are not served"),
    ({**V3, "chunk_key_encoding": {"name": "default", "configuration": {"a": 1}}}, "says more"),
    ({**V3, "extra": 1}, "key 'extra' is none of zarr v3"),
    ({**V3, "extra": {"must_understand": True}}, "key 'extra' is none of zarr v3"),
    ({**V3, "extra": {"name": "x"}}, "key 'extra' is none of zarr v3.*; take it out"),
    ({**V2, "fill_value": 1.5}, "damaged: ValueError fill value '1.5' of uint16"),
    ({**V2, "filters": 0}, "damaged: TypeError"),
    ({**V2, "zarr_format": 4}, "zarr_format of .zarray is not 2"),
    ({**V2, "order": "A"}, "order 'A', expected 'C' or 'F'"),
    ({**V2, "compressor": "zstd"}, "'zstd' is no description of a codec"),
    ({**V2, "compressor": {"level": 1}}, "is no description of a codec"),
    ({**V2, "filters": [{"id": "pickle"}]}, "codec 'pickle' makes objects"),
    ({**V2, "compressor": {"id": "vlen-bytes"}}, "codec 'vlen-bytes' makes objects"),
    ({**V2, "dimension_separator": "x"}, "separator of chunk keys 'x'"),
    ({**V3, "data_type": "float32", "fill_value": "0xzz"}, "damaged: ValueError"),
    ({**V3, "data_type": "float32", "fill_value": "0x" + "f" * 9}, "damaged: OverflowError"),
    ({**V3, "data_type": "float32", "fill_value": "nothing"}, "damaged: KeyError"),
    *(({k: v for k, v in V3.items() if k != key}, f"damaged: KeyError '{key}'")
      for key in ("shape", GRID, "data_type", "codecs", "chunk_key_encoding", "fill_value")),
    *(({k: v for k, v in V2.items() if k != key}, f"damaged: KeyError '{key}'")
      for key in ("shape", "chunks", "dtype")),
    ({k: v for k, v in V2.items() if k != "fill_value"}, "has no fill_value, which may be null"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "message"), DAMAGED)
def test_what_is_damaged_or_not_served_gives_one_line(document, message):
    with pytest.raises(MetadataError, match=f"^here: .*{message}") as error:
        parse(document)
    assert "\n" not in str(error.value)
