"""Labels are found by what their groups say, and no id is made that nobody drew."""

import json

import numpy as np
import pytest
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.config import image_config
from zarrpyramid.errors import ConfigError
from zarrpyramid.plan import open_image


def make(path, field="", *, dtype="uint16", zarr_format=3, says=None, named=False):
    """Make an image, and return the voxels of two objects that touch."""
    voxels = np.zeros((64, 64), dtype)
    voxels[7:41, 5:39] = 90
    voxels[41:57, 5:39] = 30
    group = zarr.create_group(path, zarr_format=zarr_format)
    for step in filter(None, field.split("/")):
        group = group.create_group(step)
    group.create_array("0", data=voxels, chunks=(16, 16))
    listed = {"name": "n", "datasets": []}
    axes = [{"name": axis, "type": "space"} for axis in "yx"]
    steps = [{"type": "scale", "scale": [1.0, 1.0]}]
    listed |= {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": steps}]}
    if says is not None and zarr_format == 2:
        group.attrs.update({"multiscales": [{**listed, "version": "0.4"}], "image-label": says})
    elif says is not None:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [listed], "image-label": says}
    return voxels


def plan_of(path, field="", **keys):
    return open_image(image_config("a", {"store": str(path), "field": field, **keys})).plan


def decided(path, field="", **keys):
    plan = plan_of(path, field, **keys)
    found = {decision.key: decision for decision in plan.decisions}
    assert (plan.image.method, plan.image.labels) == (found["method"].value, found["labels"].value)
    assert {level.method for level in plan.levels} == {plan.image.method}
    return found


# name: (how it is made, settings, labels, method, a word of the reason)
IMAGES = {
    "an image": ({}, {}, False, "mean", "image"),
    "image-label": ({"says": {}}, {}, True, "mode", "image-label"),
    "image-label, 0.4": ({"says": {"version": "0.4"}, "zarr_format": 2}, {}, True, "mode", ""),
    "in labels": ({"field": "labels/cells"}, {}, True, "mode", "labels group"),
    "below labels": ({"field": "raw/labels/of/cells"}, {}, True, "mode", "labels group"),
    "other labels": ({"field": "labels2/cells"}, {}, False, "mean", "nothing"),
    "labels alone": ({"field": "labels"}, {}, False, "mean", "nothing"),
    "said": ({}, {"labels": True}, True, "mode", ""),
    "denied": ({"says": {}}, {"labels": False}, False, "mean", ""),
    "label_report": ({}, {"label_report": True}, True, "mode", "label_report"),
    "label_report of no labels": (
        {},
        {"label_report": True, "labels": False},
        False,
        "mean",
        "",
    ),
    "bool": ({"dtype": "bool", "says": {}}, {}, True, "mode", "image-label"),
    "floats in labels": ({"dtype": "f4", "field": "labels/p"}, {}, False, "mean", "float32"),
    "stride": ({"says": {}}, {"method": "stride"}, True, "stride", ""),
    "max": ({"says": {}}, {"method": "max"}, True, "max", ""),
    "means of bool": ({"dtype": "bool", "says": {}}, {"method": "mean"}, True, "mean", ""),
    "means of no labels": ({"says": {}}, {"method": "mean", "labels": False}, False, "mean", ""),
}


@pytest.mark.sampled(6)
@pytest.mark.parametrize("name", IMAGES)
def test_labels_decide_the_method(tmp_path, name):
    keys, settings, labels, method, word = IMAGES[name]
    make(tmp_path / "a.zarr", **keys)
    found = decided(tmp_path / "a.zarr", keys.get("field", ""), **settings)
    assert (found["labels"].value, found["method"].value) == (labels, method)
    assert word in found["labels"].why or word in found["method"].why
    assert found["labels"].given == ("labels" in settings)
    assert found["method"].given == ("method" in settings)
    assert found["omero"].value == (not labels)


@pytest.mark.parametrize("method", ["mean", "nanmean", "sum", "median"])
def test_what_mixes_ids_is_refused_and_the_ways_out_work(tmp_path, method):
    make(tmp_path / "a.zarr", says={})
    with pytest.raises(
        ConfigError, match=rf"^image a: method {method} makes .*; give method: mode"
    ):
        plan_of(tmp_path / "a.zarr", method=method, dtype="same")
    assert plan_of(tmp_path / "a.zarr", method="mode").image.labels
    if method != "sum":
        plan = plan_of(tmp_path / "a.zarr", method=method, labels=False)
        assert (plan.image.method, plan.image.labels) == (method, False)


def test_numbers_that_are_no_ids_are_no_labels(tmp_path):
    make(tmp_path / "a.zarr", dtype="f4")
    with pytest.raises(ConfigError, match=r"labels: true .* found float32; leave labels out"):
        plan_of(tmp_path / "a.zarr", labels=True)
    assert not plan_of(tmp_path / "a.zarr").image.labels


@pytest.mark.parametrize(("dtype", "may_be_ids"), [("u2", False), ("i4", True), ("u8", True)])
def test_wide_integers_are_averaged_with_a_word(tmp_path, dtype, may_be_ids):
    make(tmp_path / "a.zarr", dtype=dtype)
    found = decided(tmp_path / "a.zarr")["method"]
    assert (found.value, "give labels: true" in found.why) == ("mean", may_be_ids)
    assert decided(tmp_path / "a.zarr", labels=True)["method"].value == "mode"


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_labels_keep_their_ids_and_are_listed(tmp_path, zarr_format):
    path = tmp_path / "a.zarr"
    voxels = make(path, "labels/cells", zarr_format=zarr_format)
    build_pyramid(path, "labels/cells", levels=3)
    for level in "123":
        found = zarr.open_array(path / "labels/cells" / level)[...]
        assert set(np.unique(found)) <= set(np.unique(voxels))
        assert len(np.unique(found)) == 3
    name = ".zattrs" if zarr_format == 2 else "zarr.json"
    above, group = (
        json.loads((path / place / name).read_text()) for place in ("labels", "labels/cells")
    )
    if zarr_format == 3:
        above, group = above["attributes"]["ome"], group["attributes"]["ome"]
    assert above["labels"] == ["cells"]
    version = {"version": "0.4"} if zarr_format == 2 else {}
    assert group["image-label"] == {"source": {"image": "../../"}, **version}
    assert "omero" not in group
    assert group["multiscales"][0]["type"] == "mode"


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_source_tells_that_it_holds_labels(tmp_path, zarr_format):
    make(tmp_path / "a.zarr", says={"colors": []}, zarr_format=zarr_format)
    keys = {"source": str(tmp_path / "a.zarr"), "levels": 1}
    assert decided(tmp_path / "b.zarr", **keys)["method"].value == "mode"
    build_pyramid(tmp_path / "b.zarr", **keys)
    attributes = dict(zarr.open_group(tmp_path / "b.zarr", mode="r").attrs)
    assert {**attributes, **attributes.get("ome", {})}["image-label"]["colors"] == []


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_what_the_configuration_calls_labels_says_so_itself_after_the_run(tmp_path, zarr_format):
    make(tmp_path / "a.zarr", "cells", zarr_format=zarr_format)
    build_pyramid(tmp_path / "a.zarr", "cells", levels=1, labels=True)
    found = decided(tmp_path / "a.zarr", "cells")
    assert found["labels"].why == "its group has image-label"
    assert found["method"].value == "mode"
