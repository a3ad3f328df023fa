"""A level that lost bytes is not current: it is told, and made again as it was."""

from __future__ import annotations

import json

import numpy as np
import pytest
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.cli.program import main
from zarrpyramid.verify.status import pyramid_status
from zarrpyramid.verify.verify import verify_pyramid

VOXELS = np.random.default_rng(7).integers(0, 900, (48, 40)).astype("uint16")
DELTA = [{"name": "numcodecs.delta", "configuration": {"dtype": "uint16"}}]
STORES = {
    "v3": (3, {}, {}),
    "v2": (2, {}, {}),
    "raw": (3, {"compressors": None}, {}),
    "shards": (3, {"shards": (16, 16)}, {}),
    "sparse": (3, {}, {"write_empty_chunks": False}),
    "through zarr-python": (3, {"filters": DELTA}, {}),
    "once": (3, {}, {"rounding": "once"}),
}
pytestmark = pytest.mark.filterwarnings(
    "ignore:Numcodecs codecs are not in the Zarr version 3:UserWarning"
)


def make(path, name="v3"):
    zarr_format, form, settings = STORES[name]
    group = zarr.create_group(path, zarr_format=zarr_format)
    array = group.create_array("0", shape=VOXELS.shape, dtype="uint16", chunks=(8, 8), **form)
    array[...] = VOXELS
    return {"levels": 2, "scale_factors": 2, **settings}


def objects(path):
    return {
        each.relative_to(path): each.read_bytes()
        for each in sorted(path.rglob("*"))
        if each.is_file()
    }


def one_of(level):
    names = ("zarr.json", ".zarray", ".zattrs")
    return next(key for key in objects(level) if key.name not in names)


def halve(data):
    return data[: len(data) // 2]


def cut(data):
    return data[:-1]


def extend(data):
    return data + b"\0"


@pytest.mark.sampled(6)
@pytest.mark.parametrize("harm", [halve, cut, extend])
@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("name", STORES)
@pytest.mark.parametrize("is_noted", [True, False])
def test_an_object_of_another_size_is_told_and_made_again(
    tmp_path, capsys, name, level, harm, is_noted
):
    path = tmp_path / "a.zarr"
    settings = make(path, name) | ({"notes": tmp_path / "notes"} if is_noted else {})
    build_pyramid(path, **settings)
    before, harmed = objects(path), path / str(level) / one_of(path / str(level))
    assert pyramid_status(str(path)).faults == []
    harmed.write_bytes(harm(harmed.read_bytes()))
    [fault] = pyramid_status(str(path)).faults
    sizes = [size for key, size in sizes_of(before).items() if key.parts[0] == str(level)]
    assert fault.startswith(f"level {level} has ")
    assert f" bytes in {len(sizes)} stored objects, and {sum(sizes)} were written" in fault
    assert main(["status", str(path)]) == 1
    told = [each.what for each in verify_pyramid(str(path)) if getattr(each, "what", "")]
    assert "has objects of other sizes than were written" in told
    build_pyramid(path, **settings)
    assert objects(path) == before
    assert pyramid_status(str(path)).faults == []


def sizes_of(files):
    names = ("zarr.json", ".zarray", ".zattrs")
    return {key: len(data) for key, data in files.items() if key.name not in names}


def test_a_killed_build_adds_up_what_it_keeps(tmp_path, monkeypatch):
    """The objects that notes keep count with their sizes."""
    path = tmp_path / "a.zarr"
    settings = make(path) | {"notes": tmp_path / "notes"}
    record = build_pyramid(path, **settings)[1]
    (path / "1" / one_of(path / "1")).unlink()
    assert build_pyramid(path, **settings)[1] == record
    assert record["stored_bytes"] == sum(sizes_of(objects(path / "1")).values())


def test_a_record_of_an_earlier_release_says_no_sizes(tmp_path):
    path = tmp_path / "a.zarr"
    settings = make(path)
    build_pyramid(path, **settings)
    document = json.loads((path / "1/zarr.json").read_text())
    del document["attributes"]["zarrpyramid"]["stored_bytes"]
    (path / "1/zarr.json").write_text(json.dumps(document))
    assert pyramid_status(str(path)).faults == []
    times = [each.stat().st_mtime_ns for each in sorted((path / "1").rglob("*"))]
    build_pyramid(path, **settings)
    assert [each.stat().st_mtime_ns for each in sorted((path / "1").rglob("*"))] == times
