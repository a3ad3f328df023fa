"""The printed configuration makes the very same pyramid, in documents and digests."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import yaml
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.cli.program import main
from zarrpyramid.config import image_configs
from zarrpyramid.downsample.pyramid import clean
from zarrpyramid.errors import StoreError
from zarrpyramid.verify.reproduction import reproduce

SHAPE, CHUNKS = (37, 22, 29), (8, 8, 8)
ODD = {
    "defaults": ({}, {}),
    "v2": ({"zarr_format": 2}, {"compressor": "zstd:7", "scale_factors": [1, 2, 3], "levels": 2}),
    "v2, no codec": ({"zarr_format": 2}, {"compressor": "none", "chunks": [7, 8, 9]}),
    "shards": (
        {"shards": (16, 16, 16)},
        {"shards": [32, 16, 8], "chunks": [4, 4, 4], "checksum": True},
    ),
    "shards taken away": ({"shards": (16, 16, 16)}, {"shards": "none", "method": "stride"}),
    "shards larger than a level": ({}, {"shards": [64, 64, 64]}),
    "codecs": ({"dtype": "float32"}, {"compressor": "blosc-zstd", "checksum": True}),
    "gzip": ({}, {"compressor": "gzip", "checksum": True}),
    "blosc spelled": ({"dtype": "uint8"}, {"compressor": "blosc-lz4hc:9:shuffle"}),
    "gzip:1": ({"zarr_format": 2}, {"compressor": "gzip:1"}),
    "auto": ({}, {"compressor": "auto"}),
    "negative zstd": ({}, {"compressor": "zstd:-7"}),
    "sums": ({"dtype": "uint8"}, {"method": "sum", "dtype": "uint64", "write_empty_chunks": False}),
    "sums of floats": ({"dtype": "float32"}, {"method": "sum", "dtype": "float64"}),
    "factors a level": ({}, {"scale_factors": [{"x": 3}, [4, 1, 2], 2], "method": "median"}),
    "isotropic": ({}, {"scale_factors": "isotropic", "voxel_size": {"z": 2.0, "y": 1e-7}}),
    "places": (
        {"dimension_names": ["n", "no", "y"]},
        {"voxel_size": {"n": 0.1, "no": 1e-9}, "unit": {"n": "micrometer", "y": "nanometer"}},
    ),
    "left as it is": ({}, {"edit_base": False, "axes": ["c", "b", "a"]}),
    "time": (
        {"shape": (2, 3, 20, 21), "chunks": (1, 1, 8, 8)},
        {"axes": ["t", "c", "y", "x"], "unit": {"t": "second"}},
    ),
    "one axis": ({"shape": (50,), "chunks": (8,)}, {"method": "max"}),
}


def make(path, *, shape=SHAPE, chunks=CHUNKS, dtype="uint16", zarr_format=3, **settings):
    voxels = np.random.default_rng(3).integers(0, 200, shape).astype(dtype)
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format).create_group("raw")
    group.create_array("0", data=voxels, chunks=chunks, **settings)
    return path


def files(store):
    return {
        str(path.relative_to(store)): path.read_bytes()
        for path in store.rglob("*")
        if path.is_file() and (path.name in ("zarr.json", ".zarray", ".zattrs", ".zgroup"))
    }


@pytest.mark.sampled(3)
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("made", "settings"), ODD.values(), ids=ODD)
def test_a_build_by_it_in_a_copy_is_equal(tmp_path, made, settings):
    store = make(tmp_path / "image.zarr", **made)
    bare = shutil.copytree(store, tmp_path / "copy.zarr")
    records = build_pyramid(store, "raw", progress=False, **{"levels": 2, **settings})
    config = yaml.safe_load(reproduce(str(store / "raw")))
    (image,) = image_configs(config)  # fits the schema, and names the image
    assert (image.store, image.field) == (str(store), "raw")
    assert config.pop("store") == str(store)
    assert config.pop("field") == "raw"
    again = build_pyramid(bare, "raw", progress=False, **config)
    assert [record.get("digest") for record in again] == [r.get("digest") for r in records]
    assert again == records
    assert files(bare) == files(store)
    # Nor does it change the pyramid that it came from.
    assert build_pyramid(store, "raw", progress=False, **config) == records
    assert files(bare) == files(store)


def test_what_level_0_says_of_its_place_stays(tmp_path):
    store = make(tmp_path / "image.zarr", shape=(40, 40), chunks=(8, 8))
    steps = [
        {"type": "scale", "scale": [0.3, 0.7]},
        {"type": "translation", "translation": [-1.5, 2.0]},
    ]
    listed = {
        "axes": [{"name": name, "type": "space", "unit": "meter"} for name in "yx"],
        "datasets": [{"path": "0", "coordinateTransformations": steps}],
        "name": "the left one",
    }
    zarr.open_group(store / "raw").attrs["ome"] = {"version": "0.5", "multiscales": [listed]}
    records = build_pyramid(store, "raw", progress=False, levels=2)
    copy = shutil.copytree(store, tmp_path / "copy.zarr")
    clean(str(copy / "raw"))
    config = yaml.safe_load(reproduce(str(store / "raw")))
    del config["store"], config["field"]
    assert build_pyramid(copy, "raw", progress=False, **config) == records
    assert files(copy) == files(store)


def test_the_command_prints_it(tmp_path, capsys):
    store = make(tmp_path / "image.zarr")
    assert main(["reproduce", str(store / "raw")]) == 2
    assert "has no level that was made here" in capsys.readouterr().err
    build_pyramid(store, "raw", progress=False, method="max", levels=2)
    assert main(["reproduce", str(store / "raw")]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["method"] == "max"


def test_the_group_says_how_its_levels_were_made(tmp_path):
    store = make(tmp_path / "image.zarr")
    build_pyramid(store, "raw", progress=False, levels=1, scale_factors=[1, 2, 3])
    (listed,) = zarr.open_group(store / "raw").attrs["ome"]["multiscales"]
    assert listed["type"] == "mean"
    digest = listed["metadata"].pop("omero")
    assert len(bytes.fromhex(digest)) == 16
    assert listed["metadata"] == {
        "method": "mean",
        "rounding": "half to even",
        "factors": [[1, 2, 3]],
        "software": "zarrpyramid",
        "voxel_revision": 1,
    }


def edit(path, change):
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda raw: shutil.rmtree(raw / "1"), "lacks some of its levels"),
        (lambda raw: shutil.rmtree(raw / "0"), "has no level 0"),
        (
            lambda raw: edit(
                raw / "2/zarr.json",
                lambda d: d["attributes"]["zarrpyramid"]["recipe"].update(method="min"),
            ),
            "was made by methods ['mean', 'min']",
        ),
        (
            lambda raw: edit(raw / "0/zarr.json", lambda d: d["codecs"].insert(0, {"name": "xor"})),
            "is encoded differently than when its levels were made",
        ),
    ],
)
def test_what_no_configuration_makes_is_refused(tmp_path, harm, message):
    store = make(tmp_path / "image.zarr")
    build_pyramid(store, "raw", progress=False, levels=2)
    harm(store / "raw")
    with pytest.raises(StoreError) as raised:
        reproduce(str(store / "raw"))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
