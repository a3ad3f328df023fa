"""Compressors, checksums and shards of new levels: the documents that zarr-python writes."""

from __future__ import annotations

import json

import numcodecs
import numpy as np
import pytest
import zarr
from zarr.codecs import (
    BloscCodec,
    BytesCodec,
    Crc32cCodec,
    GzipCodec,
    TransposeCodec,
    ZstdCodec,
)

from zarrpyramid import build_pyramid
from zarrpyramid.errors import ConfigError
from zarrpyramid.metadata.encodings import encoded_as
from zarrpyramid.metadata.parsing import parse_array

VOXELS = (np.indices((19, 14)).sum(0) * 37 % 251).astype("uint16")

# compressor, checksum: what zarr.create_array takes for it
V3 = {
    ("zstd", False): ZstdCodec(),
    ("zstd:7", False): ZstdCodec(level=7),
    ("zstd:-5", True): ZstdCodec(level=-5, checksum=True),
    ("zstd", True): ZstdCodec(checksum=True),
    ("blosc-lz4", False): BloscCodec(cname="lz4"),
    ("blosc-zstd", False): BloscCodec(cname="zstd"),
    ("blosc-zstd", True): [BloscCodec(cname="zstd"), Crc32cCodec()],
    ("blosc-lz4:9", False): BloscCodec(cname="lz4", clevel=9),
    ("blosc-zstd:1:bitshuffle", False): BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle"),
    ("blosc-zlib:noshuffle", False): BloscCodec(cname="zlib", shuffle="noshuffle"),
    ("gzip:9", False): GzipCodec(level=9),
    ("gzip", False): GzipCodec(),
    ("gzip", True): [GzipCodec(), Crc32cCodec()],
    ("none", False): None,
    ("none", True): [Crc32cCodec()],
    ("same", True): [GzipCodec(level=2), Crc32cCodec()],
    ("same", False): GzipCodec(level=2),
}
V2 = {
    ("zstd", False): numcodecs.Zstd(),
    ("zstd:7", False): numcodecs.Zstd(7),
    ("zstd:22", True): numcodecs.Zstd(22, checksum=True),
    ("blosc-lz4", False): numcodecs.Blosc("lz4"),
    ("blosc-zstd", False): numcodecs.Blosc("zstd"),
    ("blosc-lz4hc:9:noshuffle", False): numcodecs.Blosc("lz4hc", 9, shuffle=0),
    ("blosc-zstd:1", False): numcodecs.Blosc("zstd", 1),
    ("blosc-blosclz:bitshuffle", False): numcodecs.Blosc("blosclz", shuffle=2),
    ("gzip", False): numcodecs.GZip(5),
    ("gzip:1", False): numcodecs.GZip(1),
    ("none", False): None,
    ("same", False): numcodecs.GZip(2),
}
CASES = [(2, *case) for case in V2] + [(3, *case) for case in V3]


def text(document):
    """Return a document as zarr-python writes it, keys in their order, without the attributes."""
    return json.dumps({key: item for key, item in document.items() if key != "attributes"})


@pytest.mark.sampled(5)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "bool", "float64"])
@pytest.mark.parametrize(("zarr_format", "compressor", "checksum"), CASES)
def test_levels_have_zarr_pythons_documents(tmp_path, dtype, zarr_format, compressor, checksum):
    gzip = numcodecs.GZip(2) if zarr_format == 2 else GzipCodec(level=2)
    names = {} if zarr_format == 2 else {"dimension_names": ["y", "x"]}
    group = zarr.create_group(tmp_path / "a", zarr_format=zarr_format)
    group.create_array("0", data=VOXELS.astype(dtype), chunks=(4, 5), compressors=gzip, **names)
    build_pyramid(tmp_path / "a", levels=1, compressor=compressor, checksum=checksum)
    codec = (V2 if zarr_format == 2 else V3)[compressor, checksum]
    zarr.create_array(
        tmp_path / "b",
        shape=(10, 7),
        dtype=dtype,
        chunks=(4, 5),
        compressors=codec,
        zarr_format=zarr_format,
        **names,
    )
    name = ".zarray" if zarr_format == 2 else "zarr.json"
    written = json.loads((tmp_path / "a/1" / name).read_text())
    assert text(written) == text(json.loads((tmp_path / "b" / name).read_text()))
    # And zarr-python reads them back, checksums and all.
    plain = np.empty((10, 7), dtype)
    build_pyramid(tmp_path / "a", levels=1)
    plain[...] = zarr.open_array(tmp_path / "a/1")[...]
    build_pyramid(tmp_path / "a", levels=1, compressor=compressor, checksum=checksum)
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a/1")[...], plain, strict=True)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("before", "keys", "expected"),
    [
        (None, {"shards": [8, 10]}, {"shards": (8, 10)}),  # new ones
        (None, {"shards": [100, 100]}, {"shards": (12, 10)}),  # cut down to the level
        ((8, 10), {"shards": "none"}, {}),  # none left
        ((8, 10), {"shards": [4, 5]}, {"shards": (4, 5)}),  # others
        ((8, 10), {"shards": [4, 4], "chunks": [2, 4]}, {"shards": (4, 4), "chunks": (2, 4)}),
        ((8, 10), {"compressor": "gzip"}, {"shards": (8, 10), "compressors": GzipCodec()}),
        (
            None,
            {"compressor": "none", "checksum": True, "shards": [8, 10]},
            {"shards": (8, 10), "compressors": Crc32cCodec()},
        ),
    ],
)
def test_shards_have_zarr_pythons_documents(tmp_path, before, keys, expected):
    names = {"dimension_names": ["y", "x"]}
    group = zarr.create_group(tmp_path / "a")
    group.create_array("0", data=VOXELS, chunks=(4, 5), shards=before, **names)
    (record,) = build_pyramid(tmp_path / "a", levels=1, **keys)[1:]
    options = {"chunks": (4, 5), **expected}
    zarr.create_array(tmp_path / "b", shape=(10, 7), dtype="uint16", **options, **names)
    written = json.loads((tmp_path / "a/1/zarr.json").read_text())
    assert text(written) == text(json.loads((tmp_path / "b/zarr.json").read_text()))
    assert record["shards"] == (list(expected["shards"]) if "shards" in expected else None)
    padded = np.pad(VOXELS, ((0, 1), (0, 0)), mode="edge").reshape(10, 2, 7, 2)
    found = zarr.open_array(tmp_path / "a/1")[...]
    np.testing.assert_array_equal(found, np.rint(padded.mean((1, 3))).astype("uint16"))


def test_filters_and_the_byte_order_stay(tmp_path):
    zarr.create_array(
        tmp_path / "a",
        shape=(8, 8),
        chunks=(4, 4),
        dtype="uint16",
        filters=TransposeCodec(order=(1, 0)),
        serializer=BytesCodec(endian="big"),
        compressors=[BloscCodec(), Crc32cCodec()],
    )
    base = parse_array({"zarr.json": json.loads((tmp_path / "a/zarr.json").read_text())}, "a")
    names = [codec["name"] for codec in encoded_as(base, "gzip", checksum=False, where="").codecs]
    assert names == ["transpose", "bytes", "gzip"]  # the old checksum goes with its compressor
    assert encoded_as(base, "gzip", checksum=False, where="").codecs[1] == base.codecs[1]
    assert base.codecs[1]["configuration"] == {"endian": "big"}
    kept = encoded_as(base, "same", checksum=True, where="")
    assert kept == base  # which has one already


def test_a_flipped_bit_is_found(tmp_path):
    zarr.create_group(tmp_path).create_array("0", data=VOXELS, chunks=(19, 14), compressors=None)
    build_pyramid(tmp_path, levels=1, checksum=True)
    path = tmp_path / "1/c/0/0"
    data = bytearray(path.read_bytes())
    data[5] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="checksum"):
        zarr.open_array(tmp_path / "1")[...]


NO_BYTES = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [8, 8],
    "data_type": "uint16",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 4]}},
    "chunk_key_encoding": {"name": "default"},
    "fill_value": 0,
    "codecs": [{"name": "numcodecs.pcodec", "configuration": {}}],
}


@pytest.mark.parametrize(
    ("compressor", "checksum", "message"),
    [
        ("zstd", False, "a: compressor 'zstd' has no place among level 0's codecs .*pcodec"),
        ("same", True, "a: checksum has no place among level 0's codecs"),
    ],
)
def test_codecs_that_hide_the_bytes(compressor, checksum, message):
    base = parse_array({"zarr.json": NO_BYTES}, "a")
    assert encoded_as(base, "same", checksum=False, where="a") is base
    with pytest.raises(ConfigError, match=message):
        encoded_as(base, compressor, checksum=checksum, where="a")


@pytest.mark.parametrize(("compressor", "found"), [("gzip", "'gzip'"), ("none", "none")])
def test_v2_has_a_checksum_for_zstd_alone(tmp_path, compressor, found):
    group = zarr.create_group(tmp_path, zarr_format=2)
    group.create_array("0", data=VOXELS, chunks=(4, 4))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match=f"the compressor is {found}; give compressor: zstd"):
        build_pyramid(tmp_path, compressor=compressor, checksum=True, levels=2)
    assert sorted(tmp_path.rglob("*")) == before
