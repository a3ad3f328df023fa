"""What groups of labels and the group around them say, in 0.4 and in 0.5."""

import pytest

from zarrpyramid.metadata.label_image import (
    is_label_image,
    labels_group,
    with_label_image,
    with_label_listed,
)

COLORS = [{"label-value": 1, "rgba": [255, 0, 0, 255]}]
KEY = "image-label"
# name: (zarr format, path, attributes, attributes that are expected)
GROUPS = {
    "0.4": (2, "", {KEY: {"colors": COLORS}}, {KEY: {"colors": COLORS, "version": "0.4"}}),
    "0.4 of 0.3": (2, "", {KEY: {"version": "0.3"}}, {KEY: {"version": "0.4"}}),
    "0.5": (
        3,
        "",
        {"ome": {"version": "0.5", KEY: {"colors": COLORS}}},
        {"ome": {"version": "0.5", KEY: {"colors": COLORS}}},
    ),
    "0.5 with the version of 0.4": (
        3,
        "",
        {"ome": {"version": "0.5", KEY: {"version": "0.4"}}},
        {"ome": {"version": "0.5", KEY: {"version": "0.5"}}},
    ),
    "0.4 in v3, whose list has moved": (
        3,
        "",
        {KEY: {"colors": COLORS, "version": "0.4"}, "ome": {"version": "0.5"}, "mine": 1},
        {"ome": {"version": "0.5", KEY: {"colors": COLORS, "version": "0.5"}}, "mine": 1},
    ),
    "none": (3, "", {"ome": {"version": "0.5"}}, {"ome": {"version": "0.5"}}),
    "none, in labels": (
        3,
        "raw/labels/cells",
        {"ome": {"version": "0.5"}},
        {"ome": {"version": "0.5", KEY: {"source": {"image": "../../"}}}},
    ),
    "none, below labels, 0.4": (
        2,
        "labels/of/cells",
        {"mine": 1},
        {"mine": 1, KEY: {"source": {"image": "../../../"}, "version": "0.4"}},
    ),
    "no mapping": (2, "labels/a", {KEY: "cells"}, {KEY: "cells"}),
}


@pytest.mark.parametrize(
    ("zarr_format", "expected"),
    [(2, {KEY: {"version": "0.4"}}), (3, {"ome": {KEY: {}}})],
)
def test_what_its_owner_calls_labels_is_marked(zarr_format, expected):
    assert with_label_image({}, zarr_format, "raw", marked=True) == expected
    assert with_label_image({}, zarr_format, "raw") == {}


@pytest.mark.parametrize("name", GROUPS)
def test_image_label_stands_where_it_belongs(name):
    zarr_format, path, before, expected = GROUPS[name]
    assert with_label_image(before, zarr_format, path) == expected
    assert with_label_image(expected, zarr_format, path) == expected
    is_said = isinstance({**expected, **expected.get("ome", {})}.get(KEY), dict)
    assert is_label_image(expected) == is_said


LISTS = {
    "none, 0.4": (2, {"mine": 1}, {"mine": 1, "labels": ["cells"]}),
    "others, 0.4": (2, {"labels": ["nuclei"]}, {"labels": ["nuclei", "cells"]}),
    "none, 0.5": (3, {"mine": 1}, {"mine": 1, "ome": {"version": "0.5", "labels": ["cells"]}}),
    "others, 0.5": (
        3,
        {"ome": {"version": "0.5", "labels": ["nuclei"], "theirs": 2}},
        {"ome": {"version": "0.5", "labels": ["nuclei", "cells"], "theirs": 2}},
    ),
    "listed": (3, {"ome": {"labels": ["cells"]}}, {"ome": {"labels": ["cells"]}}),
    "no list": (2, {"labels": 7}, {"labels": ["cells"]}),
}


@pytest.mark.parametrize("name", LISTS)
def test_labels_are_listed_once(name):
    zarr_format, before, expected = LISTS[name]
    assert with_label_listed(before, zarr_format, "cells") == expected
    assert with_label_listed(expected, zarr_format, "cells") == expected


def test_a_path_tells_its_labels_group():
    assert labels_group("labels/cells") == ("labels", "cells")
    assert labels_group("a/labels/b/labels/c/d") == ("a/labels/b/labels", "c/d")
    assert labels_group("mylabels/cells") is None
