"""Which images a container has: what documents list, and what is found where nothing is listed."""

from __future__ import annotations

import shutil

import pytest
import zarr

from plates import change_document, make_image, make_plate, write_group
from zarrpyramid.metadata.container import find_members
from zarrpyramid.stores import open_store


def members(path, inside="", **keys):
    return list(find_members(open_store(str(path)), inside, **keys))


def paths(path, inside="", **keys):
    found = members(path, inside, **keys)
    assert [member for member in found if member.fault] == []
    return [member.path for member in found]


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_plate_has_the_images_that_its_wells_list(tmp_path, zarr_format):
    made = make_plate(tmp_path / "p.zarr", zarr_format=zarr_format)
    make_image(tmp_path / "p.zarr/C/01/0", zarr_format=zarr_format)  # which nobody lists
    assert paths(tmp_path / "p.zarr") == list(made)
    assert paths(tmp_path / "p.zarr", "B/02") == ["B/02/0", "B/02/1"]


def test_what_is_damaged_is_a_member_with_a_fault(tmp_path):
    make_plate(tmp_path / "p.zarr", n_fields=1)
    (tmp_path / "p.zarr/A/01/zarr.json").write_text("{")
    shutil.rmtree(tmp_path / "p.zarr/A/02")
    shutil.rmtree(tmp_path / "p.zarr/B/01/0")  # listed, so that its plan will say that it is gone
    change_document(tmp_path / "p.zarr/B/02/zarr.json", lambda found: found["attributes"].clear())
    found = {member.path: member.fault for member in members(tmp_path / "p.zarr")}
    assert list(found) == ["A/01", "A/02", "B/01/0", "B/02"]
    assert "A/01/zarr.json" in found["A/01"]
    assert found["A/02"].startswith("there is no well ")
    assert found["B/01/0"] == ""
    assert found["B/02"].startswith("no document says `well` of ")


@pytest.mark.parametrize("listed", [False, True])
def test_series_of_bioformats2raw_are_those_of_OME_or_counted(tmp_path, listed):  # noqa: N802
    root = write_group(tmp_path / "s.zarr", {"bioformats2raw.layout": 3})
    for number in range(11):
        make_image(tmp_path / f"s.zarr/{number}", (24, 20))
    make_image(tmp_path / "s.zarr/more", (24, 20))
    if listed:
        write_group(tmp_path / "s.zarr/OME", {"series": ["10", "2", "9/9", "../0"]})
        assert paths(tmp_path / "s.zarr") == ["10", "2", "9/9"]
    else:
        assert paths(tmp_path / "s.zarr") == [str(number) for number in range(11)]
    assert root.attrs["ome"]["bioformats2raw.layout"] == 3


def test_labels_follow_their_image_by_list_and_by_children(tmp_path):
    make_image(tmp_path / "i.zarr/raw")
    group = write_group(tmp_path / "i.zarr/raw/labels", {"labels": ["b", "gone"]})
    for name in ("a", "b"):
        make_image(tmp_path / f"i.zarr/raw/labels/{name}", (24, 20), dtype="uint32")
    group.create_group("empty")
    found = members(tmp_path / "i.zarr")
    assert [(member.path, member.image) for member in found] == [
        ("raw", None),
        ("raw/labels/b", "raw"),
        ("raw/labels/gone", "raw"),
        ("raw/labels/a", "raw"),
    ]


def test_other_groups_and_folders_are_looked_through_in_natural_order(tmp_path):
    for name in ("a2.zarr/x", "a10.zarr", "b/c.zarr/deep/raw"):
        make_image(tmp_path / name, (24, 20), listed=name != "a10.zarr")
    make_image(tmp_path / "a10.zarr/inside", (24, 20))  # of an image nothing else is looked at
    zarr.create_array(tmp_path / "array.zarr", shape=(4, 4), dtype="u1")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/again").symlink_to(tmp_path)  # which would never end
    (tmp_path / "b/same.zarr").symlink_to(tmp_path / "a10.zarr")
    assert paths(tmp_path) == ["a2.zarr/x", "a10.zarr", "b/c.zarr/deep/raw"]


def test_base_path_tells_level_0_of_groups_that_list_nothing(tmp_path):
    zarr.create_group(tmp_path / "g/x").create_array("s0", shape=(4, 4), dtype="u1")
    assert paths(tmp_path / "g") == []
    assert paths(tmp_path / "g", base="s0") == ["x"]
