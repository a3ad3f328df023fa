"""Scale and translation in every spelling that documents have, and what is neither."""

from __future__ import annotations

import pytest

from zarrpyramid.metadata.multiscales import placed, read_axes
from zarrpyramid.metadata.placement import (
    outer_transformations,
    read_transformations,
    unread,
    unread_outer,
)

SCALE = {"type": "scale", "scale": [2, 3]}
MOVE = {"type": "translation", "translation": [10, -1]}
TO_WORLD = {"input": {"path": "0"}, "output": {"name": "world"}}


def sequence(*steps, **more):
    return {"type": "sequence", "transformations": list(steps), **more}


READ = {
    "none": ([], None, None),
    "0.4": ([SCALE, MOVE], [2, 3], [10, -1]),
    "0.4, a scale": ([SCALE], [2, 3], None),
    "0.4, a translation": ([MOVE], None, [10, -1]),
    "the other order": ([MOVE, SCALE], [2, 3], [20, -3]),
    "twice": ([SCALE, MOVE, SCALE, MOVE], [4, 9], [30, -4]),
    "identity": ([{"type": "identity"}], None, None),
    "0.6": ([sequence(SCALE, MOVE, **TO_WORLD)], [2, 3], [10, -1]),
    "0.6, a scale": ([{**SCALE, **TO_WORLD}], [2, 3], None),
    "0.6, nested": ([sequence(sequence(SCALE), {"type": "identity"}, MOVE)], [2, 3], [10, -1]),
    "0.6, another system": (
        [{**SCALE, **TO_WORLD}, {**SCALE, "output": {"name": "atlas"}}], [2, 3], None
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_what_a_dataset_lists_is_one_scale_and_one_translation(case):
    steps, scale, translation = READ[case]
    dataset = {"path": "0", "coordinateTransformations": steps}
    assert read_transformations(dataset) == (scale, translation)
    assert unread(dataset, 2) == ""


UNREAD = [
    {"type": "rotation", "rotation": [[0, 1], [1, 0]]},
    {"type": "affine", "affine": [[1, 0, 0], [0, 1, 0]]},
    {"type": "mapAxis", "mapAxis": [1, 0]},
    {"type": "scale", "path": "somewhere"},
    {"type": "scale", "scale": ["2", 3]},
    {"type": "scale", "scale": [None, 3]},
    {"type": "scale", "scale": [float("nan"), 3]},
    {"type": "scale", "scale": [1e300, 3]},
    {"type": "scale", "scale": [2]},
    {"type": "scale", "scale": [2, 3, 4]},
    {"type": "translation", "translation": 1},
    {"type": ["scale"], "scale": [2, 3]},
    {"scale": [2, 3]},
    {},
    "scale",
    sequence(SCALE, {"type": "affine"}),
    sequence(SCALE, {"type": "translation", "translation": [1, 2, 3]}),
]


@pytest.mark.parametrize("step", UNREAD, ids=str)
def test_what_is_no_scale_and_no_translation_is_named(step):
    for steps in ([step], [SCALE, step], [sequence(SCALE, step)]):
        dataset = {"path": "0", "coordinateTransformations": steps}
        assert unread(dataset, 2)
        assert len(unread(dataset, 2)) <= 80
        assert unread_outer(dataset, 2)
        assert read_axes({"multiscales": [{"axes": ["y", "x"], "datasets": [dataset]}]}, 2)
    assert unread({"coordinateTransformations": step}, 2)  # no list at all


COSEM = {"axes": ["z", "x"], "units": ["nm", "nm"], "scale": [4, 8], "translate": [2, 1]}


@pytest.mark.parametrize(
    ("transform", "names", "scale", "translation", "units"),
    [
        (COSEM, "zx", [4, 8], [2, 1], ["nanometer"] * 2),
        ({**COSEM, "order": "C"}, "zx", [4, 8], [2, 1], ["nanometer"] * 2),
        ({**COSEM, "order": "F", "units": ["nm", "um"]}, "xz", [8, 4], [1, 2],
         ["micrometer", "nanometer"]),
        ({"axes": ["z", "x"], "scale": [4, 8]}, "zx", [4, 8], None, [None, None]),
        ({**COSEM, "units": ["parsec"]}, "zx", [4, 8], [2, 1], ["parsec", None]),
    ],
)  # fmt: skip
def test_a_transform_of_cosem(transform, names, scale, translation, units):
    attributes = {"multiscales": [{"datasets": [{"path": "s0", "transform": transform}]}]}
    axes = read_axes(attributes, 2)
    assert [axis.name for axis in axes] == list(names)
    assert [axis.size for axis in axes] == scale
    assert [axis.offset for axis in axes] == (translation or [None, None])
    assert [axis.unit for axis in axes] == units


def systems(*outer, onto="intrinsic", types=("space", "space")):
    """Return a multiscales of 0.6 with two coordinate systems."""
    axes = [{"name": name, "type": kind} for name, kind in zip("ab", types, strict=True)]
    named = [{"name": name, "type": "space", "unit": "meter"} for name in "yx"]
    step = sequence(SCALE, MOVE, input={"path": "0"}, output={"name": onto})
    return {
        "coordinateSystems": [
            {"name": "world", "axes": named},
            {"name": "intrinsic", "axes": axes},
        ],
        "datasets": [{"path": "0", "coordinateTransformations": [step]}],
        "coordinateTransformations": list(outer),
    }


BY_10 = {"type": "scale", "scale": [10, 100]}
LEADS = {"input": {"name": "intrinsic"}, "output": {"name": "world"}}
DRAFT = {"input": "intrinsic", "output": "world"}
COUNTED = ("array", "array")


@pytest.mark.parametrize(
    ("multiscales", "names", "scale", "translation"),
    [
        # Up to 0.5, what the whole multiscales lists comes after what each dataset lists.
        ({"axes": ["y", "x"], "coordinateTransformations": [BY_10]}, "yx", [20, 300], [100, -100]),
        (
            {"axes": ["y", "x"], "coordinateTransformations": [BY_10, MOVE]},
            "yx", [20, 300], [110, -101],
        ),
        # In 0.6 it leads to other coordinate systems, and so it does in what spatialdata writes.
        (systems({**BY_10, **LEADS}), "ab", [2, 3], [10, -1]),
        (systems({"type": "affine", **LEADS}), "ab", [2, 3], [10, -1]),
        (
            {"axes": ["y", "x"], "coordinateTransformations": [{**BY_10, **LEADS}]},
            "yx", [2, 3], [10, -1],
        ),
        (systems(onto="world"), "yx", [2, 3], [10, -1]),
        (systems(onto="nowhere"), "yx", [2, 3], [10, -1]),
        # A system that counts voxels has no sizes: what leads on from it has them.
        (systems({**BY_10, **LEADS}, types=COUNTED), "yx", [20, 300], [100, -100]),
        (systems({**BY_10, **DRAFT}, types=COUNTED), "yx", [20, 300], [100, -100]),
        (systems({"type": "affine", **LEADS}, types=COUNTED), "ab", [2, 3], [10, -1]),
        (
            systems({"type": "affine", **LEADS}, {**BY_10, **LEADS}, types=COUNTED),
            "yx", [20, 300], [100, -100],
        ),
    ],
)  # fmt: skip
def test_what_comes_after_the_datasets(multiscales, names, scale, translation):
    listed = {"datasets": systems()["datasets"], **multiscales}
    dataset = listed["datasets"][0]
    assert placed(listed, dataset, 2) == (scale, translation)
    axes = read_axes({"multiscales": [listed]}, 2)
    assert [(a.name, a.size, a.offset) for a in axes] == list(
        zip(names, scale, translation, strict=True)
    )
    assert not unread_outer(listed, 2)


def test_only_what_counts_is_unread():
    affine = {"type": "affine", "affine": [[1, 0, 0], [0, 1, 0]]}
    assert unread_outer({"coordinateTransformations": [affine]}, 2)
    assert outer_transformations({"coordinateTransformations": [affine]}) == (None, None)
    assert not unread_outer(systems({**affine, **LEADS}), 2)
