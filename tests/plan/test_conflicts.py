"""Images of other programs: level 0 and others at paths of every kind, and what may be removed."""

from __future__ import annotations

import json
import shlex

import numpy as np
import ome_zarr_models
import pytest
import yaozarrs
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.cli.program import main
from zarrpyramid.config import image_config
from zarrpyramid.downsample.base import seal_base
from zarrpyramid.downsample.parts import open_level
from zarrpyramid.downsample.pyramid import clean
from zarrpyramid.downsample.stale import stale_sentinels
from zarrpyramid.errors import StoreError
from zarrpyramid.plan.base_objects import base_layout
from zarrpyramid.plan.conflicts import check_places, why_nested
from zarrpyramid.plan.image import open_image
from zarrpyramid.pyramid_sampler import Downsampler
from zarrpyramid.verify.findings import Finding
from zarrpyramid.verify.repair import repair_pyramid
from zarrpyramid.verify.status import pyramid_status
from zarrpyramid.verify.verify import verify_pyramid

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


def list_too(path, *names):
    """List more levels, as another program would."""
    document = json.loads((path / "zarr.json").read_text())
    datasets = document["attributes"]["ome"]["multiscales"][0]["datasets"]
    datasets += [dataset(name, 99.0, 99.0) for name in names]
    (path / "zarr.json").write_text(json.dumps(document))


def paths(path):
    return [item["path"] for item in listed(path)["datasets"]]


@pytest.mark.sampled(2)
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
    make(tmp_path, "scale0/image")
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
    list_too(tmp_path, "thumb")
    assert main(["status", str(tmp_path)]) == 1
    assert "thumb: is listed, but there is no array" in capsys.readouterr().err


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
    assert paths(tmp_path) == list(names[:2])
    yaozarrs.validate_zarr_store(str(tmp_path))
    clean(str(tmp_path))
    assert paths(tmp_path) == [names[0]]


def test_a_level_that_is_given_up_is_first_taken_out_of_the_list(tmp_path, monkeypatch):
    make(tmp_path, "s0", "s1", "s2", "s3")
    from zarrpyramid.downsample import level_job as levels
    from zarrpyramid.downsample import publish

    seen = []

    def looking(remove):
        def looked(store, path):
            seen.append((path, paths(tmp_path)))
            remove(store, path)

        return looked

    monkeypatch.setattr(levels, "hide_array", looking(levels.hide_array))
    monkeypatch.setattr(publish, "delete_array", looking(publish.delete_array))
    build_pyramid(tmp_path, levels=2, overwrite=True)
    assert seen == [("s1", ["s0", "s3"]), ("s2", ["s0", "s3"]), ("s3", ["s0"])]
    assert paths(tmp_path) == ["s0", "s1", "s2"]


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


# What a group lists beside level 0: (how it stands there, whether it goes from the store too).
LISTED = {
    "a number beyond the plan": ("7", True),
    "another name": ("thumb", True),
    "a name like that of level 0": ("scale9/image", True),
    "in a group of its own": ("extra/thumb", True),
    "an array that is not served": ("complex", True),
    "in level 0": ("0/thumb", False),
    "a group": ("cells", False),
    "a link": ("link", False),
    "in a link": ("away/0", False),
    "a file": ("notes.txt", False),
    "outside": ("../beside", False),
    "listed elsewhere too": ("shared", False),
}


def list_foreign(path, name):
    """Put something into a group that lists it beside levels of ours."""
    group = zarr.open_group(path, mode="a")
    beside = zarr.open_group(path.with_name("beside"), mode="a")
    if "0" not in beside:
        beside.create_array("0", data=VOXELS)
    if name == "cells":
        group.create_group(name).create_array("0", data=VOXELS)
    elif name == "link":
        (path / name).symlink_to(path.with_name("beside") / "0")
    elif name == "away/0":
        (path / "away").symlink_to(path.with_name("beside"))
    elif name == "notes.txt":
        (path / name).write_text("mine")
    elif name == "complex":
        group.create_array(name, shape=(3,), chunks=(3,), dtype="complex64")
    elif name == "0/thumb":
        (path / name).mkdir()
        (path / name / "zarr.json").write_bytes((path / "0/zarr.json").read_bytes())
    elif not name.startswith(".."):
        group.create_array(name, data=VOXELS[::4, ::4])
    list_too(path, name)
    if name == "shared":
        document = json.loads((path / "zarr.json").read_text())
        document["attributes"]["ome"]["multiscales"].append(MORE)
        (path / "zarr.json").write_text(json.dumps(document))


MORE = {"name": "more", "axes": AXES, "datasets": [dataset("shared", 1.0, 1.0)]}


def contents(path):
    return {item: item.read_bytes() for item in path.rglob("*") if item.is_file()}


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("name", "goes"), LISTED.values(), ids=LISTED)
@pytest.mark.parametrize("way", ["overwrite", "clean", "source"])
def test_what_others_list_is_no_level_of_ours(tmp_path, capsys, name, goes, way):
    """Refused before anything is written; each way out that is named leads on."""
    path = make(tmp_path / "a", "0")
    list_foreign(path, name)
    before = contents(tmp_path)
    with pytest.raises(StoreError, match="as a level, which was not made by this") as error:
        build_pyramid(path, levels=1)
    assert (path / name).as_posix() or name in str(error.value)
    assert contents(tmp_path) == before
    if way == "source":
        build_pyramid(tmp_path / "own", source=path, levels=1)
        assert paths(tmp_path / "own") == ["0", "1"]
        assert {key: before[key] for key in before} == {
            key: item for key, item in contents(tmp_path).items() if key in before
        }
        return
    if way == "overwrite":
        build_pyramid(path, levels=1, overwrite=True)
    else:
        words = shlex.split(str(error.value).rpartition(": ")[2])
        assert main(words[words.index("zarrpyramid") + 1 :]) == 0
        assert f"removed levels of other programs: {name}" in capsys.readouterr().out
        build_pyramid(path, levels=1)
    first, *more = zarr.open_group(path).attrs["ome"]["multiscales"]
    assert [item["path"] for item in first["datasets"]] == ["0", "1"]
    assert more == [MORE] * (name == "shared")
    left = {key for key in before if (path / name) in key.parents}
    assert all(key.exists() for key in left) != (goes and bool(left))
    assert contents(tmp_path / "beside") == {
        key: item for key, item in before.items() if (tmp_path / "beside") in key.parents
    }
    assert "extra" not in zarr.open_group(path), "an empty group goes with its array"


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_other_factors_leave_nothing_of_the_old_pyramid(tmp_path, zarr_format):
    path = make(tmp_path, "scale0/image", "scale1/image", "scale2/image", "scale3/image",
                zarr_format=zarr_format)  # fmt: skip
    build_pyramid(path, scale_factors=3, levels=2, overwrite=True)
    assert paths(path) == ["scale0/image", "scale1/image", "scale2/image"]
    assert sorted(zarr.open_group(path).group_keys()) == ["scale0", "scale1", "scale2"]
    assert [item["coordinateTransformations"][0]["scale"] for item in listed(path)["datasets"]] == [
        [2.0, 3.0], [6.0, 9.0], [18.0, 27.0],
    ]  # fmt: skip


def test_what_is_listed_and_nowhere_leaves_the_list(tmp_path):
    """It may be one of ours that somebody removed by hand."""
    make(tmp_path, "0")
    list_too(tmp_path, "3", "gone")
    build_pyramid(tmp_path, levels=2)
    assert paths(tmp_path) == ["0", "1", "2"]
    image = open_image(image_config("image", {"store": str(tmp_path), "levels": 2}))
    assert stale_sentinels(image, tmp_path / "results", base_layout(image)) == {}
    list_too(tmp_path, "3")
    (tmp_path / "results").mkdir()
    (tmp_path / "results/multiscales.json").write_text("{}")
    assert len(stale_sentinels(image, tmp_path / "results", base_layout(image))) == 1


def test_a_level_that_other_multiscales_list_is_never_replaced(tmp_path):
    make(tmp_path, "0", "1")
    document = json.loads((tmp_path / "zarr.json").read_text())
    document["attributes"]["ome"]["multiscales"].append({"axes": AXES, "datasets": [dataset("1")]})
    (tmp_path / "zarr.json").write_text(json.dumps(document))
    before = contents(tmp_path)
    with pytest.raises(StoreError, match=r"another multiscales .* lists it, which stays"):
        build_pyramid(tmp_path, levels=1, overwrite=True)
    assert contents(tmp_path) == before


def test_verify_names_the_run_that_takes_a_foreign_level_out(tmp_path):
    make(tmp_path, "0")
    build_pyramid(tmp_path, levels=1)
    zarr.open_group(tmp_path).create_array("thumb", data=VOXELS[::4, ::4])
    list_too(tmp_path, "thumb")
    found = [event.line for event in verify_pyramid(str(tmp_path)) if isinstance(event, Finding)]
    assert any(
        "thumb: is listed among levels of zarrpyramid, which did not make it" in line
        and line.endswith(f"--cores all --config store={tmp_path} overwrite=true levels=1")
        for line in found
    )
    with pytest.raises(StoreError, match="lists thumb as a level"):
        list(repair_pyramid(str(tmp_path)))
    build_pyramid(tmp_path, overwrite=True, levels=1)
    assert paths(tmp_path) == ["0", "1"]


def test_clean_leaves_nothing_that_we_wrote(tmp_path):
    """Of an image in `labels`, and of one with windows; what others wrote stays."""
    zarr.create_group(tmp_path).create_group("labels")
    for name, key in (("labels/cells", "image-label"), ("raw", "omero")):
        path = make(tmp_path / name, "0")
        before = dict(zarr.open_group(path).attrs)
        build_pyramid(path, levels=1)
        assert key in zarr.open_group(path).attrs["ome"]
        assert clean(str(path)) == [1]
        assert dict(zarr.open_group(path).attrs) == before
        build_pyramid(path, levels=1)
        ome = dict(zarr.open_group(path).attrs)["ome"]
        ome[key]["mine"] = 1
        zarr.open_group(path).attrs["ome"] = ome
        clean(str(path))
        assert zarr.open_group(path).attrs["ome"][key]["mine"] == 1


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
    assert {name: why_nested(image, images) for name, image in images.items()} == {
        "inner": f"image inner: its group {tmp_path}/a.zarr/{inner} lies in {level}, where a level "
        "of image outer is or will be; choose another store or field",
        "beside": "",
        "outer": "",
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
