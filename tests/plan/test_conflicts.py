"""Images of other programs: level 0 and others at paths of every kind, and what may be removed."""

from __future__ import annotations

import json

import numpy as np
import ome_zarr_models
import pytest
import yaozarrs
import zarr

from zarrpyramid.cli.program import main
from zarrpyramid.config import image_config
from zarrpyramid.downsample.base import seal_base
from zarrpyramid.downsample.parts import open_level
from zarrpyramid.downsample.pyramid import build_pyramid, clean
from zarrpyramid.downsample.stale import stale_sentinels
from zarrpyramid.errors import StoreError
from zarrpyramid.plan.base_objects import base_layout
from zarrpyramid.plan.conflicts import check_places, nested_images
from zarrpyramid.plan.image import open_image
from zarrpyramid.pyramid_sampler import Downsampler
from zarrpyramid.verify.status import pyramid_status

VOXELS = (np.indices((20, 19)).sum(0) * 37 % 251).astype("uint8")
AXES = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]


def dataset(path, *scale):
    return {"path": path, "coordinateTransformations": [{"type": "scale", "scale": list(scale)}]}


def make(path, *levels, zarr_format=3, **more):
    """Write an OME-Zarr of levels at some paths, each half of the one before."""
    group = zarr.create_group(path, zarr_format=zarr_format)
    options = {"dimension_names": ["y", "x"]} if zarr_format == 3 else {}
    for number, name in enumerate(levels):
        voxels = VOXELS[:: 2**number, :: 2**number]
        group.create_array(name, data=voxels, chunks=(4, 4), **options)
    listed = {
        "name": "theirs",
        "axes": AXES,
        "datasets": [dataset(name, 2.0 * 2**n, 3.0 * 2**n) for n, name in enumerate(levels)],
    }
    if zarr_format == 2:
        group.attrs.update({"multiscales": [{"version": "0.4", **listed}], **more})
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [listed], **more}
    return path


def listed(path):
    attributes = dict(zarr.open_group(path, mode="r").attrs)
    (found,) = attributes.get("ome", attributes)["multiscales"]
    return found


def paths(path):
    return [item["path"] for item in listed(path)["datasets"]]


@pytest.mark.sampled(4)
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the models leave a file open
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("0", ["0", "1", "2"]),
        ("s0", ["s0", "s1", "s2"]),
        ("scale0/image", ["scale0/image", "scale1/image", "scale2/image"]),
        ("a/b/00", ["a/b/00", "a/b/01", "a/b/02"]),
        ("full", ["full", "1", "2"]),
        ("images/full", ["images/full", "images/1", "images/2"]),
    ],
)
def test_paths_follow_those_of_level_0(tmp_path, zarr_format, base, expected):
    make(tmp_path / "a", base, zarr_format=zarr_format)
    zarr.create_group(tmp_path, zarr_format=zarr_format)
    make(tmp_path / "plain", "0", zarr_format=zarr_format)
    records = build_pyramid(tmp_path, "a", scale_factors=2, levels=2)
    assert records == build_pyramid(tmp_path, "plain", scale_factors=2, levels=2), (
        "records hold no path"
    )
    assert paths(tmp_path / "a") == expected
    group = zarr.open_group(tmp_path / "a", mode="r")
    plain = zarr.open_group(tmp_path / "plain", mode="r")
    assert set(dict(group.members(None))) >= set(expected)  # groups between have their documents
    for level, name in enumerate(expected):
        np.testing.assert_array_equal(group[name][...], plain[str(level)][...])
    found = listed(tmp_path / "a")
    assert (found["name"], found["axes"]) == ("theirs", AXES)
    assert [item["coordinateTransformations"][0]["scale"] for item in found["datasets"]] == [
        [2.0, 3.0], [4.0, 6.0], [8.0, 12.0],
    ]  # fmt: skip
    yaozarrs.validate_zarr_store(str(tmp_path / "a"))
    ome_zarr_models.open_ome_zarr(zarr.open_group(tmp_path / "a", mode="r"))

    before = sorted(tmp_path.rglob("*"))
    assert build_pyramid(tmp_path, "a", scale_factors=2, levels=2) == records
    assert sorted(tmp_path.rglob("*")) == before
    build_pyramid(tmp_path, "a", scale_factors=2, levels=1)
    assert paths(tmp_path / "a") == expected[:2]
    assert clean(str(tmp_path / "a")) == [1]
    assert paths(tmp_path / "a") == expected[:1]
    left = dict(zarr.open_group(tmp_path / "a", mode="r").members(None))
    assert [name for name in left if isinstance(left[name], zarr.Array)] == [base]
    if base == "scale0/image":
        assert not (tmp_path / "a" / "scale1").exists(), "an empty group of ours goes too"


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently")  # v3's has no spec yet
def test_nested_levels_in_consolidated_metadata(tmp_path, zarr_format):
    make(tmp_path, "scale0/image", zarr_format=zarr_format)
    zarr.consolidate_metadata(tmp_path, zarr_format=zarr_format)
    build_pyramid(tmp_path, levels=2)
    found = zarr.open_group(tmp_path, mode="r", use_consolidated=True)
    assert {"scale1", "scale1/image", "scale2/image"} <= set(dict(found.members(None)))
    clean(str(tmp_path))
    found = zarr.open_group(tmp_path, mode="r", use_consolidated=True)
    assert set(dict(found.members(None))) == {"scale0", "scale0/image"}


def test_what_is_known_of_levels_at_other_paths(tmp_path, capsys):
    make(tmp_path, "scale0/image", "thumb")
    build_pyramid(tmp_path, levels=2)
    found = pyramid_status(str(tmp_path)).levels
    assert [(status.level, status.path, status.listed) for status in found] == [
        (0, "scale0/image", True),
        (1, "scale1/image", True),
        (2, "scale2/image", True),
    ]
    assert main(["status", str(tmp_path)]) == 0
    capsys.readouterr()
    # A foreign path that is listed and absent is told, whatever its name.
    (tmp_path / "thumb" / "zarr.json").unlink()
    assert main(["status", str(tmp_path)]) == 1
    assert "level thumb is listed, and there is no array" in capsys.readouterr().err


# Levels of others.


@pytest.mark.parametrize("names", [("s0", "s1", "s2"), ("scale0/image", "scale1/image")])
def test_levels_of_others_are_kept_unless_given_up(tmp_path, names):
    make(tmp_path, *names)
    foreign = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    message = rf"{names[1]} is there already and was not made .* set overwrite: true"
    with pytest.raises(StoreError, match=message):
        build_pyramid(tmp_path, levels=2)
    assert clean(str(tmp_path)) == []
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == foreign

    make(tmp_path / "plain", names[0])
    records = build_pyramid(tmp_path, levels=1, overwrite=True)
    assert records == build_pyramid(tmp_path / "plain", levels=1)
    assert build_pyramid(tmp_path, levels=1) == records, "it is ours now"
    # Those beyond the plan stay where they are, and in the list.
    assert paths(tmp_path) == list(names)
    yaozarrs.validate_zarr_store(str(tmp_path))
    clean(str(tmp_path))
    assert paths(tmp_path) == [names[0], *names[2:]]


def test_a_level_that_is_given_up_is_first_taken_out_of_the_list(tmp_path, monkeypatch):
    make(tmp_path, "s0", "s1", "s2", "s3")
    from zarrpyramid.downsample import job as levels

    seen = []
    delete_array = levels.delete_array

    def looking(store, path):
        seen.append((path, paths(tmp_path)))
        delete_array(store, path)

    monkeypatch.setattr(levels, "delete_array", looking)
    build_pyramid(tmp_path, levels=2, overwrite=True)
    assert seen == [("s1", ["s0", "s3"]), ("s2", ["s0", "s3"])]
    assert paths(tmp_path) == ["s0", "s1", "s2", "s3"]


def test_overwrite_is_for_arrays_alone(tmp_path):
    for stands in ("group", "folder", "link", "link above", "array above", "file above"):
        path = tmp_path / stands
        make(path, "scale0/image")
        place = path / "scale1/image"
        if stands == "group":
            zarr.open_group(path).create_group("scale1/image")
        elif stands == "folder":
            place.mkdir(parents=True)
            (place / "notes.txt").write_text("mine")
        elif stands == "link":
            place.parent.mkdir()
            place.symlink_to(path / "scale0/image")
        elif stands == "link above":
            place.parent.symlink_to(path / "scale0")
        elif stands == "array above":
            zarr.open_group(path).create_array("scale1", data=VOXELS)
        else:
            place.parent.write_text("mine")
        before = sorted(path.rglob("*"))
        with pytest.raises(StoreError) as error:
            build_pyramid(path, levels=2, overwrite=True)
        assert "\n" not in str(error.value)
        assert sorted(path.rglob("*")) == before, stands


def test_an_array_that_is_not_served_may_be_given_up(tmp_path):
    make(tmp_path, "s0")
    zarr.open_group(tmp_path).create_array("s1", shape=(3,), chunks=(3,), dtype="complex64")
    assert len(build_pyramid(tmp_path, levels=1, overwrite=True)) == 2
    assert zarr.open_array(tmp_path / "s1").dtype == "uint8"


def test_foreign_datasets_with_numbers_stay_listed(tmp_path):
    """A number beyond our levels is nobody's but its maker's."""
    make(tmp_path, "0", "7", "thumb")
    build_pyramid(tmp_path, levels=3)
    assert paths(tmp_path) == ["0", "1", "7", "2", "thumb", "3"], "in the order of their scales"
    yaozarrs.validate_zarr_store(str(tmp_path))
    build_pyramid(tmp_path, levels=1)
    assert paths(tmp_path) == ["0", "1", "7", "thumb"]
    # One of ours that somebody removed by hand does not.
    build_pyramid(tmp_path, levels=3)
    (tmp_path / "3/zarr.json").unlink()
    build_pyramid(tmp_path, levels=2)
    assert paths(tmp_path) == ["0", "1", "7", "2", "thumb"]
    image = open_image(image_config("image", {"store": str(tmp_path), "levels": 2}))
    assert stale_sentinels(image, tmp_path / "results", base_layout(image)) == {}


def test_a_list_that_alone_tells_of_level_0_is_kept(tmp_path):
    make(tmp_path, "s0")
    build_pyramid(tmp_path, levels=1)
    build_pyramid(tmp_path, levels=1, axes=["c", "x"])  # which NGFF cannot list
    assert paths(tmp_path) == ["s0"]
    build_pyramid(tmp_path, levels=1, axes=["y", "x"])
    assert paths(tmp_path) == ["s0", "s1"]


def test_the_other_programs_api_finds_level_0(tmp_path):
    make(tmp_path, "s0")
    Downsampler(str(tmp_path), (2, 2), (20, 19), chunks=(4, 4)).downsample(3, "")
    assert paths(tmp_path) == ["s0", "s1", "s2"]


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ("s9", "lists s9 first, as level 0, but has no such array"),
        ("../b", r"lists '\.\./b' as level 0, expected the path of an array in the group"),
        ("/s0", "lists '/s0' as level 0, expected"),
    ],
)
def test_lists_that_name_no_level_0(tmp_path, first, message):
    make(tmp_path, "s0")
    document = json.loads((tmp_path / "zarr.json").read_text())
    document["attributes"]["ome"]["multiscales"][0]["datasets"][0]["path"] = first
    (tmp_path / "zarr.json").write_text(json.dumps(document))
    with pytest.raises(StoreError, match=message):
        open_image(image_config("image", {"store": str(tmp_path)}))


def test_fields_with_level_0_at_any_path_are_named(tmp_path):
    zarr.create_group(tmp_path)
    make(tmp_path / "a", "scale0/image")
    with pytest.raises(StoreError, match="groups below it that have one: 'a'; give one as field"):
        build_pyramid(tmp_path)
    with pytest.raises(StoreError, match=r"image is itself an array, level 0 of the image .*/a;"):
        build_pyramid(tmp_path, "a/scale0/image")


def test_nothing_is_in_the_way(tmp_path):
    image = open_image(
        image_config("image", {"store": str(make(tmp_path, "scale0/image")), "levels": 2})
    )
    check_places(image)


@pytest.mark.parametrize("inner", ["1", "1/raw", "0/deep/raw"])
def test_an_image_inside_a_level_of_another_is_refused(tmp_path, inner):
    """Though neither the level nor the other image is there yet."""
    make(tmp_path / "a.zarr", "0")
    make(tmp_path / "b.zarr", "0")
    outer = open_image(image_config("outer", {"store": str(tmp_path / "a.zarr"), "levels": 2}))
    keys = {"store": str(tmp_path / "a.zarr"), "source": str(tmp_path / "b.zarr")}
    images = {
        "inner": open_image(image_config("inner", {**keys, "field": inner})),
        "beside": open_image(image_config("beside", {**keys, "field": "10"})),
        "outer": outer,
    }
    level = tmp_path / "a.zarr" / inner[0]
    assert nested_images(images) == {
        "inner": f"image inner: its group {tmp_path}/a.zarr/{inner} lies in {level}, where a level "
        "of image outer is or will be; choose another store or field"
    }


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_clean_removes_what_a_killed_run_left(tmp_path, zarr_format):
    """Of level 1 there are objects and no document; of level 2 too, beside a file of others."""
    path = make(tmp_path / "a", "0", zarr_format=zarr_format)
    build_pyramid(path, levels=2, progress=False)
    for level in ("1", "2"):
        (path / level / (".zarray" if zarr_format == 2 else "zarr.json")).unlink()
    (path / "1" / "c.17-4.zarrpyramid-partial").write_bytes(b"half an object")
    (path / "2" / "notes.txt").write_text("mine")
    before = sorted((path / "2").rglob("*"))
    assert clean(str(path)) == [1]
    assert not (path / "1").exists()
    assert sorted((path / "2").rglob("*")) == before
    assert clean(str(path)) == []


def test_clean_removes_a_level_that_is_open_for_its_parts(tmp_path):
    path = make(tmp_path / "a", "scale0/image")
    image = open_image(image_config("a", {"store": str(path), "levels": 1}))
    open_level(image, 1, seal_base(image))
    (path / "scale1" / "image" / "c" / "0").mkdir(parents=True)
    (path / "scale1" / "image" / "c" / "0" / "0").write_bytes(b"an object of a part")
    assert clean(str(path)) == [1]
    assert sorted(child.name for child in path.iterdir()) == ["scale0", "zarr.json"]
