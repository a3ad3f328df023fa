"""Multiscales against JSON written by hand from OME-NGFF 0.4 and 0.5, and against validators."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path

import numpy as np
import ome_zarr_models
import pytest
import yaozarrs
import zarr
from hypothesis import given
from hypothesis import strategies as st

from zarrpyramid import build_pyramid
from zarrpyramid.metadata import multiscales
from zarrpyramid.metadata.listing import with_levels, without_paths
from zarrpyramid.metadata.multiscales import (
    CHANNEL,
    SPACE,
    TIME,
    Axis,
    read_axes,
)

DATA = Path(__file__).parents[1] / "data"
VOXEL_SIZE = {"z": 2.0, "y": 0.5, "x": 0.25}
UNIT = {"z": "micrometer", "y": "micrometer", "x": "micrometer", "t": "second"}


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_pyramid_is_described_as_by_hand(tmp_path, zarr_format):
    """The golden file is the specification's rules followed by hand, not what came out."""
    golden = json.loads((DATA / f"golden_multiscales_v{zarr_format}.json").read_text())
    voxels = np.zeros((2, 2, 5, 20, 33), "uint8")
    group = zarr.create_group(tmp_path, zarr_format=zarr_format).create_group("cells")
    group.create_array("0", data=voxels, chunks=(1, 1, 5, 10, 10))
    build_pyramid(
        tmp_path,
        "cells",
        levels=2,
        scale_factors=[1, 1, 1, 2, 3],
        voxel_size={**VOXEL_SIZE, "t": 1.5},
        unit=UNIT,
    )
    assert dict(zarr.open_group(tmp_path / "cells").attrs) == golden


AXES = {
    "yx": "yx",
    "zyx": "zyx",
    "cyx": "cyx",
    "czyx": "czyx",
    "tyx": "tyx",
    "tczyx": "tczyx",
    "xyz": "xyz",  # any order of space axes
    "time": ["time", "channel", "lat", "lon"],
}


@pytest.mark.sampled(3)
@pytest.mark.filterwarnings(
    # The models leave a file open; yaozarrs warns of SHOULD sentences (such as a missing unit).
    "ignore::ResourceWarning",
)
@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_both_validators_accept_it(tmp_path, zarr_format, axes):
    names = list(AXES[axes])
    shape = tuple(5 + 2 * number for number in range(len(names)))
    options = {"dimension_names": names} if zarr_format == 3 else {}
    root = zarr.create_group(tmp_path, zarr_format=zarr_format)
    root.create_array("0", data=np.ones(shape, "uint8"), chunks=(3,) * len(names), **options)
    build_pyramid(tmp_path, levels=2, axes=names, unit={names[-1]: "micrometer"})
    yaozarrs.validate_zarr_store(str(tmp_path))
    image = ome_zarr_models.open_ome_zarr(zarr.open_group(tmp_path, mode="r"))
    (described,) = (image.ome_attributes if zarr_format == 3 else image.attributes).multiscales
    assert [axis.name for axis in described.axes] == names
    assert [dataset.path for dataset in described.datasets] == ["0", "1", "2"]


def described(axes, downsamplings, attributes=None, zarr_format=3):
    """Return the multiscales that attributes get."""
    changed = with_levels(
        attributes or {},
        zarr_format=zarr_format,
        name="image",
        axes=axes,
        paths=[str(level) for level in range(len(downsamplings))],
        downsamplings=downsamplings,
        metadata={"method": "mean"},
    )
    return multiscales.read_multiscales(changed)


def test_strides_shift_nothing():
    """Their voxels are the first ones of their windows, which stand where they stood."""
    for offset, expected in ((None, []), (5.0, [[5.0, 0.0]])):
        axes = [Axis(name="y", type=SPACE, size=2.0, offset=offset), Axis(name="x", type=SPACE)]
        changed = with_levels(
            {},
            zarr_format=3,
            name="image",
            axes=axes,
            paths=["0", "1"],
            downsamplings=[(1, 1), (4, 2)],
            metadata={"method": "stride"},
            shifts=False,
        )
        for dataset, scale in zip(
            multiscales.read_multiscales(changed)["datasets"], ([2.0, 1.0], [8.0, 2.0]), strict=True
        ):
            first, *rest = dataset["coordinateTransformations"]
            assert first["scale"] == scale
            assert [step["translation"] for step in rest] == expected


@given(
    st.lists(
        st.tuples(st.floats(1e-3, 1e3), st.none() | st.floats(-1e3, 1e3), st.integers(1, 64)),
        min_size=2,
        max_size=5,
    )
)
def test_a_voxel_stands_at_the_centre_of_those_that_it_covers(cases):
    """Position of a level's first voxel: the mean of the positions of F voxels of level 0."""
    axes = [Axis(name=f"a{n}", type=SPACE, size=size, offset=offset)
            for n, (size, offset, _) in enumerate(cases)]  # fmt: skip
    factors = tuple(factor for *_, factor in cases)
    base, level = described(axes, [(1,) * len(cases), factors])["datasets"]
    scale, *rest = level["coordinateTransformations"]
    assert [step["type"] for step in rest] in ([], ["translation"])
    moved = rest[0]["translation"] if rest else [0] * len(cases)
    for place, (size, offset, factor) in enumerate(cases):
        assert scale["scale"][place] == size * factor
        centres = [(offset or 0) + size * n for n in range(factor)]
        expected = math.fsum(centres) / factor
        assert moved[place] == pytest.approx(expected, rel=1e-12, abs=1e-9)
    has_offset = any(axis.offset is not None for axis in axes)
    assert len(base["coordinateTransformations"]) == 1 + has_offset
    assert base["coordinateTransformations"][0]["scale"] == [axis.size for axis in axes]


YX = (Axis(name="y", type=SPACE), Axis(name="x", type=SPACE))


def listing(*, ome=False, **keys):
    base = {"axes": ["y", "x"], "datasets": [{"path": "0"}], **keys}
    return {"ome": {"multiscales": [base]}} if ome else {"multiscales": [base]}


def transformed(*steps, path="0"):
    return [{"path": path, "coordinateTransformations": list(steps)}]


SCALED = {"type": "scale", "scale": [2, 0.5]}
MOVED = {"type": "translation", "translation": [1, -3]}
FULL = [
    {"name": "y", "type": "space", "unit": "micrometer"},
    {"name": "x", "type": "space"},
]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, None),
        (listing(), YX),  # 0.3: names alone
        (listing(axes=["t", "x"]), (Axis(name="t", type=TIME), YX[1])),
        (listing(axes=["z", "y", "x"]), None),  # of another image
        (listing(axes=["y", ""]), None),
        (listing(axes=["y", None]), None),
        (listing(axes=[{"type": "space"}, "x"]), None),
        (listing(axes=None), None),  # 0.1 and 0.2
        (
            listing(axes=FULL),  # 0.4
            (Axis(name="y", type=SPACE, unit="micrometer"), YX[1]),
        ),
        (
            listing(ome=True, axes=FULL, datasets=transformed(SCALED, MOVED)),  # 0.5
            (
                Axis(name="y", type=SPACE, unit="micrometer", size=2.0, offset=1.0),
                Axis(name="x", type=SPACE, size=0.5, offset=-3.0),
            ),
        ),
        (
            listing(axes=[{"name": "c", "type": "channel"}, {"name": "x", "type": "phase"}]),
            (Axis(name="c", type=CHANNEL), Axis(name="x", type=CHANNEL)),  # custom: no space
        ),
        (listing(axes=[{"name": "y", "type": "Space"}, {"name": "x", "type": None}]), YX),
        (listing(axes=[{"name": "c"}, {"name": "x"}]), (Axis(name="c", type=CHANNEL), YX[1])),
        (listing(datasets=[{"path": "0"}, *transformed(SCALED, path="1")]), YX),  # another level's
        (
            listing(datasets=transformed(SCALED, path="s0")),  # level 0 is what is listed first
            (Axis(name="y", type=SPACE, size=2.0), Axis(name="x", type=SPACE, size=0.5)),
        ),
        (listing(datasets=transformed({"type": "scale", "scale": [2]})), YX),  # unfit
        (listing(datasets=transformed({"type": "scale", "scale": ["a", 2]})), YX),
        (listing(datasets=transformed({"type": "scale", "scale": [None, 2]})), YX),
        (listing(datasets=transformed({"type": "scale", "path": "file"})), YX),
        (listing(datasets=transformed({"type": "identity"}, "text")), YX),
        (listing(datasets=None), YX),
        ({"multiscales": []}, None),
        ({"multiscales": {"axes": ["y", "x"]}}, None),
        ({"multiscales": ["text"]}, None),
        ({"ome": "text", **listing()}, YX),
        ({"ome": {"version": "0.5"}, **listing()}, YX),
    ],
)
def test_axes_of_what_others_wrote(attributes, expected):
    assert read_axes(attributes, 2) == expected


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_what_is_not_ours_survives(zarr_format):
    ours = {"coordinateTransformations": [{"type": "scale", "scale": [1, 1]}], "name": "theirs"}
    before = listing(ome=zarr_format == 3, omero={"channels": []}, **ours)
    before["labels"] = ["cells"]
    if zarr_format == 3:
        before["ome"]["labels"] = ["cells"]
    original = copy.deepcopy(before)
    found = with_levels(
        before,
        zarr_format=zarr_format,
        name="image",
        axes=YX,
        paths=["0", "1"],
        downsamplings=[(1, 1), (2, 2)],
        metadata={"method": "mean"},
    )
    assert before == original  # untouched
    assert found["labels"] == ["cells"]
    inside = multiscales.read_multiscales(found)
    assert inside["name"] == "theirs"
    assert inside["omero"] == {"channels": []}
    assert inside["coordinateTransformations"] == ours["coordinateTransformations"]
    if zarr_format == 3:
        assert found["ome"]["labels"] == ["cells"]
        assert found["ome"]["version"] == "0.5"
        assert "version" not in inside
    else:
        assert inside["version"] == "0.4"
    again = read_axes(found, 2)
    assert again == YX
    same = with_levels(
        found,
        zarr_format=zarr_format,
        name="other",
        axes=again,
        paths=["0", "1"],
        downsamplings=[(1, 1), (2, 2)],
        metadata={"method": "mean"},
    )
    assert same == found


@pytest.mark.parametrize("ome", [False, True])
def test_levels_are_withdrawn(ome):
    datasets = [{"path": path} for path in ("0", "1", "2", "10", "s3", "labels/1", None)]
    before = listing(ome=ome, datasets=datasets)
    second = {"datasets": [{"path": "2"}]}
    (before["ome"] if ome else before)["multiscales"].append(second)
    original = copy.deepcopy(before)
    found = without_paths(before, ["2", "10"])
    assert before == original
    assert multiscales.listed_paths(found) == ["0", "1", "s3", "labels/1", "None"]
    assert (found["ome"] if ome else found)["multiscales"][1] == second
    assert without_paths(found, ["2", "10"]) == found


@pytest.mark.parametrize("attributes", [{}, {"a": 1}, {"ome": {}}, {"multiscales": []}])
def test_nothing_is_withdrawn_where_nothing_is_listed(attributes):
    assert without_paths(attributes, ["1"]) == attributes
    assert multiscales.listed_paths(attributes) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [("t", TIME), ("Time", TIME), ("c", CHANNEL), ("channel", CHANNEL), ("z", SPACE), ("p", SPACE)],
)
def test_types_by_name(name, expected):
    assert multiscales.axis_type(name) == expected


def test_scales_of_an_existing_image_are_the_default(tmp_path):
    """Level 0 listed by another program: its scale, unit and offset go on to the levels."""
    group = zarr.create_group(tmp_path, zarr_format=2)
    group.create_array("0", data=np.ones((9, 8), "uint8"), chunks=(4, 4))
    axes = [{"name": name, "type": "space", "unit": "nanometer"} for name in "yx"]
    group.attrs.update(listing(axes=axes, datasets=transformed(SCALED, MOVED), version="0.4"))
    build_pyramid(tmp_path, levels=1, scale_factors=2, voxel_size={"x": 4})
    (found,) = zarr.open_group(tmp_path).attrs["multiscales"]
    assert found["axes"] == axes
    scale, translation = found["datasets"][1]["coordinateTransformations"]
    assert scale["scale"] == [4.0, 8.0]
    assert translation["translation"] == [1 + 2 / 2, -3 + 4 / 2]
