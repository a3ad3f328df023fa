"""Names, numbers and precedence of keys, as people type them."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import zarr

DEMO = {"demo": json.dumps({"shape": [20, 18, 16], "chunks": [8, 8, 8]}), "levels": 2}


def names(outcome):
    lines = [line for line in outcome.lines if line.startswith("zarrpyramid: ")]
    return [line.split(": ")[1] for line in lines]


@pytest.mark.slow
def test_the_demo_is_made_while_no_image_is_named(workspace):
    outcome = workspace.run(**DEMO)
    assert outcome.jobs == ["make", "0", "1", "2", "list", "summary"]
    assert names(outcome) == ["demo"]
    assert str(workspace / "demo/demo.zarr/blobs") in outcome.lines[-3]
    assert workspace.array("demo/demo.zarr/blobs/2").shape == (5, 5, 4)
    voxels = workspace.tree("demo/demo.zarr/blobs/0/c")

    # Its voxels are anybody's data once they are there: another form of it is refused.
    other = {"demo": json.dumps({"shape": [20, 18, 16], "chunks": [8, 8, 8], "seed": 8})}
    refused = workspace.run(**other, code=1)
    assert any("none is ever made over other data" in line for line in refused.lines[-10:])
    assert workspace.tree("demo/demo.zarr/blobs/0/c") == voxels
    assert workspace.run(**DEMO).jobs[0] == "make"
    assert workspace.tree("demo/demo.zarr/blobs/0/c") == voxels


@pytest.mark.slow
def test_names_of_digits_and_of_two_stores(workspace):
    """Numbers come back as strings, and two stores of one stem have names of their own."""
    workspace.make("2024/1", (20, 9))
    outcome = workspace.run(store="2024", field="1", levels=2)
    assert names(outcome) == ["2024-1"]
    (workspace / "elsewhere").mkdir()
    (workspace / "2024").rename(workspace / "elsewhere/2024")
    workspace.make("2024/1", (20, 9), dtype="uint8")
    first = workspace.tree("results/2024-1")

    (other,) = names(workspace.run(store=workspace / "elsewhere/2024", field="1", levels=2))
    stem, _, digits = other.rpartition("-")
    assert stem == "2024-1"
    assert len(digits) == 6
    assert int(digits, 16) >= 0
    assert workspace.tree("results/2024-1") == first
    # The first name stays with the path that it was given to.
    again = workspace.run("-n", store="2024", field="1", levels=2)
    assert again.jobs == ["0", "1", "2", "list", "summary"]
    assert "Building level 1 of 2024-1: factors" in again.text


@pytest.mark.slow
def test_images_of_a_config_file(workspace):
    """Keys of an image win over those for all; a test image stands beside data that is there."""
    workspace.make("mine.zarr", (20, 18, 16))
    made = {"shape": [20, 18], "chunks": [8, 8], "dtype": "int8", "pattern": "noise", "seed": 3}
    images = {
        "mine": {"store": "mine.zarr", "chunks": "same"},
        "made": {"store": "made.zarr", "field": "a/b", "levels": 1, "test_image": made},
    }
    config = {"images": images, "levels": 2, "scale_factors": {"y": 2}, "chunks": [4, 4]}
    path = workspace.write("my.yaml", json.dumps(config))
    outcome = workspace.run("--configfile", str(path))
    assert sorted(outcome.jobs) == sorted([*"01201", "make", *["list", "summary"] * 2])
    assert names(outcome) == ["the pyramids of 2 images are complete (3 levels made); all of them"]
    assert not (workspace / "demo").exists(), "the demo stays out of a user's run"
    assert workspace.array("mine.zarr/2").shape == (20, 5, 16)
    assert workspace.array("mine.zarr/2").chunks == (8, 8, 8)
    assert workspace.array("made.zarr/a/b/1").shape == (10, 18)
    assert workspace.array("made.zarr/a/b/1").chunks == (4, 4)
    assert workspace.voxels("made.zarr/a/b/0").dtype == np.int8
    assert np.unique(workspace.voxels("made.zarr/a/b/0")).size > 100

    # The short form wins over images, on top of the same file.
    workspace.make("short.zarr/raw", (20, 18))
    outcome = workspace.run("-n", "--configfile", str(path), store="short.zarr", field="raw")
    assert outcome.jobs == ["0", "1", "2", "list", "summary"]
    assert "short-raw" in outcome.text

    # No test image is made over data that is there.
    images["over"] = {"store": "mine.zarr", "test_image": made}
    del images["mine"], images["made"]
    path = workspace.write("my.yaml", json.dumps({"images": images}))
    voxels = workspace.tree("mine.zarr")
    refused = workspace.run("--configfile", str(path), code=1)
    assert any("none is ever made over other data" in line for line in refused.lines[-10:])
    assert workspace.tree("mine.zarr") == voxels


@pytest.mark.slow
@pytest.mark.filterwarnings(
    # Consolidated metadata is an extension of zarr v3 that zarr-python warns of when it writes it.
    "ignore:Consolidated metadata is currently not part in the Zarr format 3"
)
def test_consolidated_metadata_keeps_in_step(workspace):
    for name, zarr_format in (("v2", 2), ("v3", 3)):
        workspace.make(f"{name}.zarr/a/raw", (20, 18, 16), zarr_format=zarr_format)
        zarr.open_group(workspace / f"{name}.zarr/a", mode="r+").attrs["lab"] = "kept"
        for group in (f"{name}.zarr/a/raw", f"{name}.zarr"):
            zarr.consolidate_metadata(workspace / group)
    images = {name: {"store": f"{name}.zarr/a", "field": "raw"} for name in ("v2", "v3")}

    for levels in (2, 1):
        workspace.run(images=json.dumps(images), levels=levels)
        for name, (top, inside) in itertools.product(images, ((".", "a/raw"), ("a/raw", "."))):
            place = workspace / f"{name}.zarr/{top}"
            root = zarr.open_group(place, mode="r", use_consolidated=True)
            assert root.metadata.consolidated_metadata is not None
            group = root if inside == "." else root[inside]
            arrays = dict(group.arrays())
            assert sorted(arrays) == [str(level) for level in range(levels + 1)]
            plain = zarr.open_group(workspace / f"{name}.zarr/a/raw", use_consolidated=False)
            assert dict(group.attrs) == dict(plain.attrs)
            for level, array in arrays.items():
                assert array.metadata == plain[level].metadata
                np.testing.assert_array_equal(array[...], plain[level][...])
        assert zarr.open_group(workspace / f"{name}.zarr/a", mode="r").attrs["lab"] == "kept"


@pytest.mark.slow
def test_a_base_that_may_not_be_edited(workspace):
    workspace.make(shape=(9, 9))
    base = workspace.files("image.zarr/raw/0")
    outcome = workspace.run(store="image.zarr", field="raw", levels=1, edit_base="false")
    assert outcome.text.count("has no dimension_names and edit_base is false") == 1
    assert workspace.files("image.zarr/raw/0") == base
    # Allowed, the document alone is written again.
    workspace.run(store="image.zarr", field="raw", levels=1)
    after = workspace.files("image.zarr/raw/0")
    assert {path for path in base if after[path] != base[path]} == {"zarr.json"}
    assert workspace.array("image.zarr/raw/0").metadata.dimension_names == ("y", "x")
