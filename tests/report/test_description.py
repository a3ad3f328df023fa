"""What `info` tells of images, whoever made them, and where pages on the web show them."""

from __future__ import annotations

import json
from urllib.parse import unquote

import numpy as np
import pytest
import zarr

from plates import make_plate
from servers import web_server
from zarrpyramid import build_pyramid
from zarrpyramid.cli import main
from zarrpyramid.metadata import locate
from zarrpyramid.report.description import describe
from zarrpyramid.report.web_links import web_links

VOXELS = np.random.default_rng(0).integers(100, 900, (2, 24, 20)).astype("uint16")


@pytest.fixture
def image(tmp_path):
    group = zarr.create_group(tmp_path / "a.zarr", attributes={"zarrpyramid_channels": ["a", "b"]})
    group.create_array("0", data=VOXELS, chunks=(1, 8, 8), shards=(1, 16, 16))
    settings = {
        "axes": ["c", "y", "x"],
        "voxel_size": {"y": 0.5, "x": 0.25},
        "unit": {"y": "micrometer", "x": "micrometer"},
        "scale_factors": 2,
    }
    build_pyramid(group, levels=1, progress=False, **settings)
    return tmp_path / "a.zarr"


def test_an_image(image, capsys):
    found = describe(str(image))
    assert found["format"] == {"version": "0.5", "zarr_format": 3}
    assert found["axes"][1] == {
        "name": "y",
        "type": "space",
        "unit": "micrometer",
        "extent": 24,
        "voxel_size": 0.5,
    }
    level = found["levels"][1]
    assert (level["shape"], level["chunks"]) == ((2, 12, 10), (1, 8, 8))
    assert level["shards"] == (1, 16, 16)
    assert (level["scale"], level["translation"]) == ((1.0, 1.0, 0.5), (0.0, 0.25, 0.125))
    assert (level["codecs"], level["method"], level["objects"]) == (["zstd"], "mean", 2)
    sizes = (path.stat().st_size for path in image.rglob("c/**/*") if path.is_file())
    assert found["bytes"] == sum(sizes)
    assert [channel["label"] for channel in found["channels"]] == ["a", "b"]
    assert (found["faults"], found["labels"], found["links"]) == ([], [], {})
    assert main(["info", str(image)]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"{image}: uint16 image, 2 levels, OME-Zarr 0.5, zarr v3, ")
    assert "complete, by names and sizes; " in told
    (image / "1/c/0/0/0").unlink()
    assert main(["info", str(image)]) == 0
    assert "NOT COMPLETE" in capsys.readouterr().out


def test_arrays_that_nobody_lists(tmp_path, capsys):
    zarr.create_group(tmp_path / "a.zarr", zarr_format=2).create_array("0", data=VOXELS)
    found = describe(str(tmp_path / "a.zarr"))
    assert (found["format"]["version"], found["axes"], found["links"]) == (None, [], {})
    assert main(["info", str(tmp_path / "a.zarr")]) == 0
    assert "uint16 image, 1 level, not listed as OME-Zarr, zarr v2" in capsys.readouterr().out


def test_a_plate_and_a_damaged_image_of_it(tmp_path, capsys):
    make_plate(tmp_path / "p.zarr", columns=("01", "02"), n_fields=1)
    next((tmp_path / "p.zarr/B/02/0").glob("z*.json")).write_text("{")
    found = describe(str(tmp_path / "p.zarr"))
    assert found["levels"] is None
    assert [bool(each["fault"]) for each in found["images"]].count(True) == 1
    assert main(["info", str(tmp_path / "p.zarr")]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == f"{tmp_path}/p.zarr: a group of {len(found['images'])} images"
    one = told[-1].partition("zarrpyramid ")[2]
    assert main(one.split()) == 0


def test_labels_are_named(tmp_path):
    group = zarr.create_group(tmp_path / "a.zarr")
    group.create_array("0", data=VOXELS, chunks=(1, 8, 8))
    cells = group.create_group("labels", attributes={"ome": {"labels": ["cells"]}})
    cells.create_group("cells").create_array("0", data=VOXELS, chunks=(1, 8, 8))
    assert describe(str(tmp_path / "a.zarr"))["labels"] == ["cells"]


def test_on_the_web_its_documents_are_all_that_is_read(image, capsys):
    requests = []
    with web_server(image.parent, requests) as url:
        found = describe(f"{url}/a.zarr")
        assert (found["bytes"], found["faults"]) == (None, None)
        assert {path.rpartition("/")[2] for _, path in requests} <= {
            *("zarr.json", ".zattrs", ".zgroup", ".zarray"),
        }
        assert found["links"] == {}  # by http, which pages that came by https may not read
        assert main(["info", f"{url}/a.zarr"]) == 0
    assert "nobody knows" in capsys.readouterr().out


def test_pages_on_the_web(image):
    store, path = locate(str(image), "")
    assert web_links(store, path) == {}
    store.web_address = "https://images.org/my%20lab"
    links = web_links(store, path)
    assert links["vizarr"].endswith("/vizarr/?source=https://images.org/my%2520lab")
    assert links["validator"].startswith("https://ome.github.io/ome-ngff-validator/?source=")
    site, _, state = links["neuroglancer"].partition("#!")
    assert site.startswith("https://")
    layers = json.loads(unquote(state))["layers"]
    assert [layer["name"] for layer in layers] == ["a", "b"]
    assert layers[0]["source"] == "https://images.org/my%20lab/|zarr3:"
