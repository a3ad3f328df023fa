"""A table of stores, each with its pyramid: voxels by hand, zarr-python and both validators."""

from __future__ import annotations

import math

import numcodecs
import numpy as np
import ome_zarr_models
import pytest
import yaozarrs
import zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, TransposeCodec, ZstdCodec

from oracles import mean_by_hand
from zarrpyramid import build_pyramid
from zarrpyramid.verify.status import pyramid_status

pytestmark = pytest.mark.filterwarnings(
    # zarr-python says so of every array with a numcodecs filter and of consolidated v3 metadata.
    "ignore:Numcodecs codecs are not in the Zarr version 3:UserWarning",
    "ignore:Consolidated metadata is currently not part:UserWarning",
)

SHAPE, CHUNKS = (13, 18, 11), (4, 5, 3)
DELTA = {"name": "numcodecs.delta", "configuration": {"dtype": "uint16"}}
# name: (zarr format, dtype, keywords of zarr.create_array)
STORES = {
    "v2": (2, "uint16", {}),
    "v2 without a codec": (2, "uint16", {"compressors": None}),
    "v2 in F order": (2, "int16", {"order": "F"}),
    "v2 big-endian": (2, ">i4", {"compressors": numcodecs.Blosc("zlib")}),
    "v2 big-endian floats in F order": (2, ">f8", {"order": "F"}),
    "v2 with slashes": (2, "bool", {"chunk_key_encoding": {"name": "v2", "separator": "/"}}),
    "v2 delta": (2, "uint16", {"filters": [numcodecs.Delta(dtype="<u2")]}),
    "v2 scale and offset": (
        2,
        "float32",
        {"filters": [numcodecs.FixedScaleOffset(offset=0, scale=64, dtype="<f4", astype="<i4")]},
    ),
    "v2 packed bits": (2, "bool", {"filters": [numcodecs.PackBits()]}),
    "v2 lzma": (2, "uint64", {"compressors": numcodecs.LZMA(preset=0)}),
    "v2 fill NaN": (2, "float32", {"fill_value": math.nan}),
    "v2 fill null": (2, "uint8", {"fill_value": None}),
    "v2 fill null, floats": (2, "float64", {"fill_value": None}),
    "v2 fill infinite": (2, "float64", {"fill_value": -math.inf}),
    "v3": (3, "uint16", {}),
    "v3 without a codec": (3, "uint8", {"compressors": None}),
    "v3 shards": (3, "uint16", {"shards": (8, 10, 6)}),
    "v3 shards of one chunk, checked": (
        3,
        "float16",
        {"shards": CHUNKS, "compressors": [ZstdCodec(checksum=True), Crc32cCodec()]},
    ),
    "v3 turned": (3, "int64", {"filters": TransposeCodec(order=(2, 0, 1))}),
    "v3 turned in shards": (
        3,
        "int8",
        {"filters": TransposeCodec(order=(2, 1, 0)), "shards": (4, 10, 9)},
    ),
    "v3 big-endian": (3, "float32", {"serializer": BytesCodec(endian="big")}),
    "v3 keys as in v2": (3, "uint16", {"chunk_key_encoding": {"name": "v2", "separator": "."}}),
    "v3 dots": (3, "uint16", {"chunk_key_encoding": {"name": "default", "separator": "."}}),
    "v3 delta": (3, "uint16", {"filters": [DELTA]}),
    "v3 delta in shards": (3, "uint16", {"filters": [DELTA], "shards": (8, 10, 6)}),
    "v3 blosc": (3, "uint32", {"compressors": BloscCodec(cname="lz4hc", shuffle="bitshuffle")}),
    "v3 fill NaN": (3, "float64", {"fill_value": math.nan}),
    "v3 fill NaN in shards": (3, "float32", {"fill_value": math.nan, "shards": (8, 10, 6)}),
    "v3 fill -0": (3, "float32", {"fill_value": -0.0}),
    "v3 fill 7": (3, "uint8", {"fill_value": 7}),
    "v3 named": (3, "uint16", {"dimension_names": ["z", "y", "x"]}),
}
# name: (whether metadata is consolidated, keys of the image)
FORMS = {
    "as level 0": (False, {}),
    "sparse, consolidated": (True, {"write_empty_chunks": False}),
    "zstd": (False, {"compressor": "zstd", "checksum": True, "chunks": [3, 7, 4]}),
}


def make(path, name, *, consolidated):
    """Write a store of the table, of which some chunks are missing; return what it holds."""
    zarr_format, dtype, options = STORES[name]
    group = zarr.create_group(path, zarr_format=zarr_format).create_group("raw")
    # Whole numbers and windows of 1, 2, 4 or 8 voxels: the oracle's means round nothing away.
    voxels = (np.indices(SHAPE).sum(0) * 37 % 101).astype(dtype)
    voxels[6:] = np.full((), options.get("fill_value", 0) or 0, dtype)
    array = group.create_array("0", shape=SHAPE, dtype=dtype, chunks=CHUNKS, **options)
    array[...] = voxels  # without the chunks that hold nothing but the fill value
    if consolidated:
        zarr.consolidate_metadata(path, zarr_format=zarr_format)
    return voxels.astype(voxels.dtype.newbyteorder("="))


@pytest.mark.sampled(7)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", STORES)
def test_every_store_gets_its_pyramid(tmp_path, name, form):
    path = tmp_path / "a.zarr"
    consolidated, keys = FORMS[form]
    finer = make(path, name, consolidated=consolidated)
    if "shards" in STORES[name][2] and "chunks" in keys:
        keys = {**keys, "shards": "none"}
    before = {item: item.read_bytes() for item in (path / "raw/0").rglob("*") if item.is_file()}
    build_pyramid(path, "raw", levels=2, **keys)
    for item, data in before.items():
        assert item.read_bytes() == data or item.name == "zarr.json"
    raw = zarr.open_group(path, mode="r")["raw"]
    assert sorted(raw.array_keys()) == ["0", "1", "2"]  # also in consolidated metadata
    for level in (1, 2):
        finer = mean_by_hand(finer, (2, 2, 2))
        found = raw[str(level)]
        assert found.metadata.fill_value == raw["0"].metadata.fill_value or math.isnan(
            found.metadata.fill_value
        )
        voxels = found[...].astype(finer.dtype)
        np.testing.assert_array_equal(voxels, finer, strict=True)
        assert found.filters == raw["0"].filters
        assert found.metadata.zarr_format == STORES[name][0]
    assert [status.fault for status in pyramid_status(str(path / "raw")).levels][1:] == ["", ""]
    version = "0.4" if STORES[name][0] == 2 else "0.5"
    opened = ome_zarr_models.open_ome_zarr(path / "raw", version=version)
    assert opened.ome_zarr_version == version
    yaozarrs.validate_zarr_store(path / "raw")
