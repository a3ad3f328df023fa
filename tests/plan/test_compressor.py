"""`compressor: auto` is a fixed rule of data type and labels, written into documents as spelled."""

from __future__ import annotations

import json

import numcodecs
import numpy as np
import pytest
import zarr

from planned import base, plan
from zarrpyramid import build_pyramid

VOXELS = np.arange(16 * 16).reshape(16, 16) // 3


@pytest.mark.parametrize(
    ("dtype", "keys", "expected"),
    [
        ("bool", {}, "zstd"),
        ("uint8", {"labels": True}, "zstd"),
        ("uint32", {"labels": True}, "zstd"),
        ("uint8", {}, "zstd:1"),
        ("int8", {"method": "max"}, "zstd:1"),
        ("uint16", {}, "blosc-zstd:1"),
        ("uint32", {"method": "mode"}, "blosc-zstd:1"),  # nothing says that they are ids
        ("float32", {}, "blosc-zstd:1"),
        ("complex128", {}, "blosc-zstd:1"),
        ("uint8", {"method": "sum", "dtype": "uint16", "levels": 1}, "blosc-zstd:1"),
    ],
)
def test_the_rule(dtype, keys, expected):
    found = plan(base((16, 16), (8, 8), dtype=dtype), compressor="auto", **keys)
    (chosen,) = [decision for decision in found.decisions if decision.key == "compressor"]
    assert (chosen.value, chosen.given, found.image.compressor) == (expected, False, expected)
    assert found.asked.compressor == "auto"
    spelled = plan(base((16, 16), (8, 8), dtype=dtype), compressor=expected, **keys)
    assert found.pattern == spelled.pattern
    assert "compressor" not in [decision.key for decision in spelled.decisions]


@pytest.mark.filterwarnings("ignore::UserWarning")  # zarr-python's, of codecs of numcodecs
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_level_0_of_other_codecs_keeps_them(tmp_path, zarr_format):
    v3 = {"name": "numcodecs.zlib", "configuration": {"level": 1}}
    codec = numcodecs.Zlib(1) if zarr_format == 2 else v3
    group = zarr.create_group(tmp_path, zarr_format=zarr_format)
    group.create_array("0", data=VOXELS.astype("uint16"), chunks=(8, 8), compressors=codec)
    name = {2: ".zarray", 3: "zarr.json"}[zarr_format]
    assert "zlib" in (tmp_path / "0" / name).read_text()
    build_pyramid(tmp_path, levels=1, compressor="auto")
    assert "zlib" in (tmp_path / "0" / name).read_text()
    level = json.loads((tmp_path / "1" / name).read_text())
    found = level["compressor"] if zarr_format == 2 else level["codecs"][-1]["configuration"]
    assert (found["cname"], found["clevel"]) == ("zstd", 1)
    expected = np.rint(VOXELS.reshape(8, 2, 8, 2).mean((1, 3))).astype("uint16")
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "1")[...], expected)


def test_a_level_0_made_of_files_has_it_too(tmp_path):
    np.save(tmp_path / "a.npy", VOXELS.astype("uint16"))
    settings = {"axes": ["y", "x"], "voxel_size": [1, 1], "levels": 1}
    for compressor in ("auto", "blosc-zstd:1"):
        store = tmp_path / f"{compressor[:4]}.zarr"
        build_pyramid(store, source=tmp_path / "a.npy", compressor=compressor, **settings)
    for level in "01":
        codecs = [
            json.loads((tmp_path / f"{store}.zarr/{level}/zarr.json").read_text())["codecs"]
            for store in ("auto", "blos")
        ]
        assert codecs[0] == codecs[1]
        assert codecs[0][-1]["configuration"]["clevel"] == 1
