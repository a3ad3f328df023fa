"""Pyramids of every version of OME-NGFF: read, built on, and written back as they were."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import zarr

from ngff_versions import (
    AXES,
    COSEM,
    MOVE,
    SCALE,
    VERSIONS,
    WORLD,
    make,
    place,
    plain,
    read,
    sequence,
    systems,
)
from zarrpyramid import build_pyramid
from zarrpyramid.downsample.pyramid import clean
from zarrpyramid.errors import ConfigError
from zarrpyramid.metadata.multiscales import read_axes, read_multiscales


@pytest.mark.sampled(4)
@pytest.mark.parametrize("case", VERSIONS)
def test_the_place_of_level_0_and_the_version_stay(tmp_path, case):
    zarr_format, version, listed = VERSIONS[case]
    before = make(tmp_path, listed, version, zarr_format)
    original = copy.deepcopy(listed)
    build_pyramid(tmp_path, levels=2, scale_factors=[2, 3])
    after, stated = read(tmp_path)
    assert stated == (version or "0.4")
    assert ("version" in after) == (zarr_format == 2)
    described = listed.get("coordinateSystems", [{"axes": AXES}])
    assert after.get("coordinateSystems", [{"axes": after.get("axes")}]) == described
    assert after.get("coordinateTransformations") == original.get("coordinateTransformations")
    assert [dataset["path"] for dataset in after["datasets"]] == ["s0", "s1", "s2"]
    # By hand: a voxel of a level stands at the middle of those of level 0 that it covers.
    whole = case.endswith("whole")
    moved = [100.0, 7.0] if case != "0.5, whole" else [200.0, 3.5]
    assert place(after, 0, (0, 0)) == moved
    assert place(after, 0, (1, 1)) == [moved[0] + 2.0, moved[1] + 0.5]
    assert place(after, 1, (0, 0)) == pytest.approx([moved[0] + 1.0, moved[1] + 0.5])
    assert place(after, 2, (1, 1)) == pytest.approx([moved[0] + 3 + 8, moved[1] + 2 + 4.5])
    steps = [dataset["coordinateTransformations"] for dataset in after["datasets"]]
    if "coordinateSystems" in listed:
        base = original["datasets"][0]["coordinateTransformations"]
        assert steps[0] == base
        is_draft = isinstance(base[0]["input"], str)
        for number, (step,) in enumerate(steps):
            path = f"s{number}"
            assert step["input"] == (path if is_draft else {"path": path})
            assert step["output"] == base[0]["output"]
    elif not whole and case != "COSEM":
        assert steps[0] == original["datasets"][0]["coordinateTransformations"]
    # A second build changes nothing, and neither does one after the levels have gone.
    build_pyramid(tmp_path, levels=2, scale_factors=[2, 3])
    assert read(tmp_path)[0] == after
    clean(str(tmp_path))
    build_pyramid(tmp_path, levels=2, scale_factors=[2, 3])
    assert read(tmp_path)[0] == after
    holder = before.get("ome", before)
    assert {*holder} <= {*dict(zarr.open_group(tmp_path).attrs).get("ome", after), *before}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("case", VERSIONS)
def test_a_voxel_size_is_what_readers_get(tmp_path, case):
    zarr_format, version, listed = VERSIONS[case]
    make(tmp_path, listed, version, zarr_format)
    wanted = {
        "levels": 1,
        "scale_factors": 2,
        "voxel_size": {"y": 0.3, "x": 0.7},
        "unit": "nanometer",
    }
    build_pyramid(tmp_path, **wanted)
    after, _ = read(tmp_path)
    first, second = (np.array(place(after, 0, voxel)) for voxel in ((0, 0), (1, 1)))
    assert second - first == pytest.approx([0.3, 0.7])
    axes = read_axes(dict(zarr.open_group(tmp_path).attrs), 2)
    assert [axis.size for axis in axes] == pytest.approx([0.3, 0.7])
    assert {axis.unit for axis in axes} == {"nanometer"}
    if case == "COSEM":
        transform = after["datasets"][1]["transform"]
        assert transform["scale"] == pytest.approx([0.6, 1.4])
        assert transform["units"] == ["nanometer"] * 2
        assert transform["translate"] == pytest.approx([100.15, 7.35])
    build_pyramid(tmp_path, **wanted)
    build_pyramid(tmp_path, levels=1, scale_factors=2)
    assert read(tmp_path)[0] == after


def test_cosems_transforms_go_on(tmp_path):
    make(tmp_path, VERSIONS["COSEM"][2], None, 2)
    build_pyramid(tmp_path, levels=1, scale_factors=2)
    first, second = (dataset["transform"] for dataset in read(tmp_path)[0]["datasets"])
    assert first == COSEM
    assert second == {**COSEM, "scale": [4, 1], "translate": [101, 7.25]}


def test_a_system_that_counts_voxels(tmp_path):
    """Axes and sizes are those of the system to which it leads on; `voxel_size` sets both."""
    counted = [{"name": f"dim_{n}", "type": "array"} for n in range(2)]
    onward = {"type": "scale", "scale": [2.0, 0.5], "input": {"name": "intrinsic"},
              "output": {"name": "world"}}  # fmt: skip
    make(tmp_path, systems({"type": "identity"}, onward, axes=counted), "0.6")
    document = json.loads((tmp_path / "s0/zarr.json").read_text())
    names = [axis["name"] for axis in counted]
    (tmp_path / "s0/zarr.json").write_text(json.dumps({**document, "dimension_names": names}))
    build_pyramid(tmp_path, levels=1, scale_factors=2)
    after, _ = read(tmp_path)
    assert after["coordinateTransformations"] == [onward]
    (step,) = after["datasets"][1]["coordinateTransformations"]
    assert [inner[inner["type"]] for inner in step["transformations"]] == [[2, 2], [0.5, 0.5]]
    axes = read_axes(dict(zarr.open_group(tmp_path).attrs), 2)
    assert [(axis.name, axis.size, axis.unit) for axis in axes] == [
        ("y", 2.0, "meter"),
        ("x", 0.5, "meter"),
    ]
    assert after["coordinateSystems"][1]["axes"] == counted
    for level in ("s0", "s1"):
        assert list(zarr.open_array(tmp_path / level).metadata.dimension_names) == names


@pytest.mark.parametrize(
    ("case", "wanted"),
    [("0.5", "0.6"), ("0.5, whole", "0.6"), ("0.6, its only system", "0.5"), ("0.6.dev4", "0.6"),
     ("0.6.dev2", "0.6"), ("0.5 of spatialdata", "0.5")],
)  # fmt: skip
def test_another_version_is_written_when_asked_for(tmp_path, case, wanted):
    zarr_format, version, listed = VERSIONS[case]
    make(tmp_path, listed, version, zarr_format)
    before = place(read(tmp_path)[0], 0, (3, 4))
    build_pyramid(tmp_path, levels=1, scale_factors=2, ngff_version=wanted)
    after, stated = read(tmp_path)
    assert stated == wanted
    assert place(after, 0, (3, 4)) == before
    assert place(after, 1, (0, 0)) == place(after, 0, (0.5, 0.5))
    if wanted == "0.6":
        assert "axes" not in after
        for dataset in after["datasets"]:
            (step,) = dataset["coordinateTransformations"]
            assert step["input"] == {"path": dataset["path"]}
            assert step["output"]["name"] in [each["name"] for each in after["coordinateSystems"]]
    else:
        assert after["axes"] == AXES
        assert "coordinateSystems" not in after
    build_pyramid(tmp_path, levels=1, scale_factors=2)
    assert read(tmp_path) == (after, stated)


def test_a_new_group_gets_what_is_asked_for(tmp_path):
    for wanted, stated in (("same", "0.5"), ("0.6", "0.6"), (0.6, "0.6"), ("0.5", "0.5")):
        path = tmp_path / f"{type(wanted)}{wanted}.zarr"
        zarr.create_group(path).create_array("0", data=np.ones((16, 12), "uint8"), chunks=(8, 8))
        build_pyramid(
            path, levels=1, scale_factors=2, ngff_version=wanted, voxel_size={"x": 3}, unit="meter"
        )
        after, found = read(path)
        assert found == stated
        (axis,) = [axis for axis in read_axes({"multiscales": [after]}, 2) if axis.name == "x"]
        assert (axis.size, axis.unit) == (3.0, "meter")
    assert after["axes"][1] == {"name": "x", "type": "space", "unit": "meter"}


def test_a_second_image_is_described_in_the_same_way(tmp_path):
    make(tmp_path, plain(SCALE, MOVE), "0.5")
    group = zarr.open_group(tmp_path)
    ome = dict(group.attrs["ome"])
    thumbnail = {**plain(SCALE), "name": "thumbnail"}
    group.attrs["ome"] = {**ome, "multiscales": [*ome["multiscales"], thumbnail]}
    build_pyramid(tmp_path, levels=1, scale_factors=2)
    assert group.update_attributes({}).attrs["ome"]["multiscales"][1] == thumbnail
    build_pyramid(tmp_path, levels=1, scale_factors=2, ngff_version="0.6")
    second = zarr.open_group(tmp_path).attrs["ome"]["multiscales"][1]
    assert second["name"] == "thumbnail"
    assert read_axes({"multiscales": [second]}, 2) == read_axes({"multiscales": [thumbnail]}, 2)
    assert second["coordinateSystems"] == [{"name": "physical", "axes": AXES}]


@pytest.mark.sampled(8)
@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize("case", VERSIONS)
def test_a_source_brings_its_version(tmp_path, case, link):
    zarr_format, version, listed = VERSIONS[case]
    source = copy.deepcopy(listed)
    if "coordinateTransformations" in source and case.startswith("0.6"):
        source["coordinateTransformations"] += [
            {"type": "identity", "input": {"name": "intrinsic"},
             "output": {"path": "labels/cells", "name": "intrinsic"}}
        ]  # fmt: skip
    make(tmp_path / "source.zarr", source, version, zarr_format)
    more = {"link_base": True} if link else {}
    build_pyramid(
        tmp_path / "own.zarr",
        source=str(tmp_path / "source.zarr"),
        levels=1,
        scale_factors=2,
        **more,
    )
    after, stated = read(tmp_path / "own.zarr")
    assert stated == (version or "0.4")
    assert [dataset["path"] for dataset in after["datasets"]] == ["0", "1"]
    own = read(tmp_path / "source.zarr")[0]
    assert place(after, 0, (3, 4)) == (place(own, 0, (3, 4)) if case != "COSEM" else [106, 9])
    assert after.get("coordinateTransformations") == listed.get("coordinateTransformations")
    if "coordinateSystems" in after:
        step = after["datasets"][0]["coordinateTransformations"][0]
        assert step["input"] in ("0", {"path": "0"})


REFUSED = {
    "a rotation": ("0.6", systems({"type": "rotation", "rotation": [[0, 1], [1, 0]]}), "rotation"),
    "an affine": ("0.6", systems(sequence(SCALE, {"type": "affine", "affine": []})), "affine"),
    "a whole affine": (
        "0.5", plain(SCALE, coordinateTransformations=[{"type": "affine", "affine": []}]), "affine"
    ),
    "a whole scale of 0": (
        "0.5",
        plain(SCALE, coordinateTransformations=[{"type": "scale", "scale": [1, 0]}]),
        r"\[1.0, 0.0\]",
    ),
    "a file": ("0.5", plain({"type": "scale", "path": "numbers"}), "numbers"),
    "one number": ("0.5", plain({"type": "scale", "scale": [2]}), r"\[2.0\]"),
    "no number": ("0.5", plain({"type": "scale", "scale": ["a", 2]}), "'a'"),
    "0.7": ("0.7", plain(SCALE), "'0.7'"),
    "0.9.dev1": ("0.9.dev1", systems(SCALE), "'0.9.dev1'"),
    "latest": ("latest", plain(SCALE), "'latest'"),
    "[]": ([], plain(SCALE), r"'\[\]'"),
}  # fmt: skip


@pytest.mark.sampled(7)
@pytest.mark.parametrize("taken", [False, True])
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_understood_is_refused_and_the_way_out_leads_on(tmp_path, case, taken):
    version, listed, named = REFUSED[case]
    make(tmp_path / "a.zarr", listed, version)
    document = (tmp_path / "a.zarr/zarr.json").read_bytes()
    more = {"source": str(tmp_path / "a.zarr")} if taken else {}
    store = tmp_path / ("b.zarr" if taken else "a.zarr")
    with pytest.raises(ConfigError, match=named) as told:
        build_pyramid(store, levels=1, scale_factors=2, **more)
    assert (tmp_path / "a.zarr/zarr.json").read_bytes() == document
    assert sorted(item.name for item in (tmp_path / "a.zarr").iterdir()) == ["s0", "zarr.json"]
    assert not (tmp_path / "b.zarr").exists()
    array = str(told.value).rpartition("(source: ")[2].removesuffix(")")
    build_pyramid(
        tmp_path / "b.zarr", source=array, levels=1, scale_factors=2, axes=["y", "x"],
        voxel_size=[2, 0.5], unit="micrometer",
    )  # fmt: skip
    after, stated = read(tmp_path / "b.zarr")
    assert stated == "0.5"
    assert place(after, 1, (0, 0)) == [1.0, 0.25]


def test_a_version_of_another_format_or_without_room_is_refused(tmp_path):
    make(tmp_path / "v2.zarr", plain(SCALE), "0.4", 2)
    make(tmp_path / "v3.zarr", plain(SCALE), "0.5")
    make(tmp_path / "v6.zarr", VERSIONS["0.6"][2], "0.6")
    make(tmp_path / "spatialdata.zarr", VERSIONS["0.5 of spatialdata"][2], "0.5-dev-spatialdata")
    for store, wanted, told in (
        ("v2", "0.5", "give ngff_version: 0.4"),
        ("v2", "0.6", "give ngff_version: 0.4"),
        ("v3", "0.4", "give ngff_version: 0.5 or 0.6"),
        ("v6", "0.5", "no room for 'world'"),
        ("spatialdata", "0.6", "no room for 'global'"),
        ("v3", "0.7", "expected same, 0.4, 0.5 or 0.6"),
    ):
        with pytest.raises(ConfigError, match=told):
            build_pyramid(
                tmp_path / f"{store}.zarr", levels=1, scale_factors=2, ngff_version=wanted
            )
    for store in ("v2", "v3", "v6", "spatialdata"):
        build_pyramid(tmp_path / f"{store}.zarr", levels=1, scale_factors=2)


@pytest.mark.parametrize("place", ["a/labels", ""])
def test_one_version_in_a_hierarchy(tmp_path, place):
    root = zarr.create_group(tmp_path / "h.zarr")
    make(tmp_path / "h.zarr/a", plain(SCALE), "0.5")
    around = root.require_group(place) if place else root
    around.attrs["ome"] = {"version": "0.5", "labels": []}
    with pytest.raises(ConfigError, match=r"is of 0\.5; OME-NGFF wants one version"):
        build_pyramid(tmp_path / "h.zarr", "a", levels=1, scale_factors=2, ngff_version="0.6")
    build_pyramid(tmp_path / "h.zarr", "a", levels=1, scale_factors=2, ngff_version="0.5")
    assert read(tmp_path / "h.zarr/a")[1] == "0.5"


def test_axes_of_another_number_are_refused_and_can_be_given(tmp_path):
    make(tmp_path, {**plain(SCALE), "axes": AXES[:1]}, "0.5")
    with pytest.raises(ConfigError, match=r"lists axes \['y'\], level 0 has 2 axes") as told:
        build_pyramid(tmp_path, levels=1, scale_factors=2)
    given = str(told.value).rpartition("axes: [")[2].removesuffix("]").split(", ")
    build_pyramid(tmp_path, levels=1, scale_factors=2, axes=given)
    assert [axis["name"] for axis in read(tmp_path)[0]["axes"]] == ["y", "x"]


def test_renamed_axes_keep_their_sizes_and_units(tmp_path):
    make(tmp_path, plain(SCALE, MOVE), "0.5")
    build_pyramid(tmp_path, levels=1, scale_factors=2, axes=["lat", "lon"])
    after, _ = read(tmp_path)
    assert after["axes"] == [
        {**axis, "name": n} for axis, n in zip(AXES, ("lat", "lon"), strict=True)
    ]
    assert place(after, 0, (1, 1)) == [102.0, 7.5]


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_unit_of_null_is_none(tmp_path, zarr_format):
    axes = [{**axis, "unit": None, "type": None} for axis in AXES]
    make(tmp_path, {**plain(SCALE), "axes": axes}, None, zarr_format)
    build_pyramid(tmp_path, levels=1, scale_factors=2)
    assert read(tmp_path)[0]["axes"] == [{"name": name, "type": "space"} for name in "yx"]


def test_what_a_program_of_its_own_says_of_axes_stays(tmp_path):
    axes = [{**axis, "discrete": False, "longName": "of the stage", "orientation": {"type": "a"}}
            for axis in AXES]  # fmt: skip
    make(tmp_path, systems(SCALE, axes=axes), "0.6")
    build_pyramid(tmp_path, levels=1, scale_factors=2)
    assert read(tmp_path)[0]["coordinateSystems"] == [WORLD, {"name": "intrinsic", "axes": axes}]


def test_the_transform_of_an_array_without_a_list(tmp_path):
    group = zarr.create_group(tmp_path / "a.zarr", zarr_format=2)
    array = group.create_array("s0", data=np.ones((16, 12), "uint8"), chunks=(8, 8))
    array.attrs["transform"] = COSEM
    build_pyramid(tmp_path / "a.zarr", levels=1, scale_factors=2, base_path="s0")
    build_pyramid(
        tmp_path / "b.zarr", levels=1, scale_factors=2, source=str(tmp_path / "a.zarr/s0")
    )
    for store in ("a.zarr", "b.zarr"):
        after, _ = read(tmp_path / store)
        assert after["axes"] == AXES
        assert place(after, 0, (1, 1)) == [102.0, 7.5]
    array.attrs["transform"] = {**COSEM, "scale": [1]}
    with pytest.raises(ConfigError, match="places level 0 by"):
        build_pyramid(
            tmp_path / "c.zarr", levels=1, scale_factors=2, source=str(tmp_path / "a.zarr/s0")
        )


DIMENSIONS = {
    "xarray": ({"_ARRAY_DIMENSIONS": ["time", "y", "x"]}, {}),
    "NCZarr": ({"_nczarr_array": {"dimension_references": ["/time", "/y", "/x"]}}, {}),
    "NCZarr of old": ({}, {"_NCZARR_ARRAY": {"dimrefs": ["/time", "/y", "/x"]}}),
}


@pytest.mark.parametrize("case", DIMENSIONS)
def test_dimensions_of_v2_arrays_are_named_by_attributes(tmp_path, case):
    attributes, more = DIMENSIONS[case]
    group = zarr.create_group(tmp_path, zarr_format=2)
    voxels = np.broadcast_to(np.arange(6, dtype="f4")[:, None, None], (6, 12, 9))
    group.create_array("air", data=np.ascontiguousarray(voxels), chunks=(3, 4, 4))
    (tmp_path / "air/.zattrs").write_text(json.dumps({**attributes, "units": "K"}))
    document = json.loads((tmp_path / "air/.zarray").read_text())
    (tmp_path / "air/.zarray").write_text(json.dumps({**document, **more}))
    build_pyramid(tmp_path, levels=2, base_path="air")
    after, _ = read(tmp_path)
    assert [(axis["name"], axis["type"]) for axis in after["axes"]] == [
        ("time", "time"), ("y", "space"), ("x", "space"),
    ]  # fmt: skip
    for name, shape in (("1", (6, 6, 5)), ("2", (6, 3, 3))):
        level = zarr.open_array(tmp_path / name)
        assert level.shape == shape
        assert level[:, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
        assert level.attrs["_ARRAY_DIMENSIONS"] == ["time", "y", "x"]  # so that xarray opens it
    assert json.loads((tmp_path / "air/.zattrs").read_text()) == {**attributes, "units": "K"}


@pytest.mark.parametrize("named", [["y"], "yx", ["y", 3], [["y", "x"]], None])
def test_names_that_do_not_fit_are_none(tmp_path, named):
    group = zarr.create_group(tmp_path, zarr_format=2)
    array = group.create_array("0", data=np.ones((16, 12), "uint8"), chunks=(8, 8))
    array.attrs["_ARRAY_DIMENSIONS"] = named
    build_pyramid(tmp_path, levels=1, scale_factors=2)
    assert read_multiscales(dict(zarr.open_group(tmp_path).attrs))["axes"][0]["name"] == "y"
    assert "_ARRAY_DIMENSIONS" not in zarr.open_array(tmp_path / "1").attrs
