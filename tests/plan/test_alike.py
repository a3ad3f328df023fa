"""Images that are alike share a plan, which is the one that each would have alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import zarr

from planned import base
from zarrpyramid.config import check_config, image_config
from zarrpyramid.plan import alike
from zarrpyramid.plan.alike import plan_alike
from zarrpyramid.plan.levels import plan_image
from zarrpyramid.plan.run import Run
from zarrpyramid.stores.local import LocalStore


@pytest.fixture(autouse=True)
def planned(monkeypatch):
    """Return the names of the images that are planned, one after the other."""
    made = []

    def planning(image, *arguments):
        made.append(image.name)
        return plan_image(image, *arguments)

    monkeypatch.setattr(alike, "_PLANS", {})
    monkeypatch.setattr(alike, "plan_image", planning)
    return made


def config(name, **keys):
    return image_config(name, check_config({"store": "/s", "field": f"A/{name}", **keys}))


AXES = [{"name": name, "type": "space"} for name in ("y", "x")]
ARRAY = base((64, 48), names=["y", "x"])
LISTED = {"multiscales": [{"axes": AXES, "datasets": [{"path": "0"}]}], "scale": 1}


def written(array, **entries):
    return replace(array, document={**array.document, **entries})


OTHERS = {  # why the plan of another image is its own: what differs
    "a setting": (config("b", levels=2), ARRAY, LISTED, ""),
    "the spelling of a setting": (config("b", nodata=0), ARRAY, LISTED, ""),
    "its level 0": (config("b"), base((64, 49), names=["y", "x"]), LISTED, ""),
    "the spelling of a number": (config("b"), written(ARRAY, fill_value=0.0), LISTED, ""),
    "the order of a document": (
        config("b"),
        replace(ARRAY, document=dict(reversed(ARRAY.document.items()))),
        LISTED,
        "",
    ),
    "attributes of level 0": (config("b"), replace(ARRAY, attributes={"a": 1}), LISTED, ""),
    "attributes of the group": (config("b"), ARRAY, {**LISTED, "scale": True}, ""),
    "a group of labels": (config("b"), ARRAY, LISTED, "A/labels/b"),
    "weights": (config("b", weights="w"), ARRAY, LISTED, ""),
}


@pytest.mark.parametrize("what", OTHERS)
def test_an_image_that_differs_has_its_own_plan(planned, what):
    plan_alike(config("a"), ARRAY, LISTED, "A/a")
    given = OTHERS[what]
    assert plan_alike(*given) == plan_image(*given)
    assert planned == ["a", "b"]


def test_images_that_differ_in_their_places_share_a_plan(planned):
    first = plan_alike(config("a"), ARRAY, LISTED, "A/a")
    given = config("b"), base((64, 48), names=["y", "x"]), LISTED, "B/b"
    second = plan_alike(*given)
    assert second == plan_image(*given)
    assert (first.where, second.where) == ("/s/A/a", "/s/A/b")
    assert second.levels is first.levels
    assert planned == ["a"]


def test_a_refusal_names_its_own_image():
    for name in ("a", "b"):
        with pytest.raises(ValueError, match=f"image {name}: .*chunks"):
            plan_alike(config(name, chunks=[1, 2, 3]), ARRAY, LISTED, "")


def test_few_plans_are_kept():
    for number in range(40):
        plan_alike(config("a"), ARRAY, {**LISTED, "n": number}, "")
    assert len(alike._PLANS) == alike._MOST


def test_planning_a_container_reads_each_document_twice(tmp_path, planned, monkeypatch):
    """Once to find the images, and once to plan one and to see that it can be built."""
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        group = zarr.create_group(tmp_path / "plate.zarr" / name)
        group.create_array("0", shape=(64, 48), chunks=(16, 16), dtype="uint16")
    asked, read = [], LocalStore._read

    def reading(self, key, *arguments):
        asked.append(key)
        return read(self, key, *arguments)

    monkeypatch.setattr(LocalStore, "_read", reading)
    run = Run(
        {"container": str(tmp_path / "plate.zarr"), "levels": 1},
        results="out",
        folder=tmp_path / "out",
        logs=tmp_path / "logs",
    )
    run.check()
    assert run.refused == {}
    assert len(run.targets()) == 3
    assert planned == ["a"]
    for name in "bc":  # the first is opened to see what kind of store it is in
        found = [key.removeprefix(f"{name}/") for key in asked if key.startswith(f"{name}/")]
        assert found.count("zarr.json") == found.count("0/zarr.json") == 2
        assert len(found) <= 8  # the others are absent: labels, and a level
