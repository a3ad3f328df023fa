"""Level 0 of files of another format: every voxel, its digest, resumption, parts, changes."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import tifffile
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.cli.program import main
from zarrpyramid.config import image_config
from zarrpyramid.downsample import base_task, clean
from zarrpyramid.downsample.base import seal_base
from zarrpyramid.downsample.base_copy import copy_base
from zarrpyramid.downsample.level import build_level
from zarrpyramid.downsample.parts import build_part, gather_level, open_level
from zarrpyramid.downsample.publish import write_multiscales
from zarrpyramid.errors import ConfigError, PyramidError, StoreError, VoxelError
from zarrpyramid.inputs import raw_array
from zarrpyramid.plan.image import open_image
from zarrpyramid.plan.slabs import Slab

VOXELS = np.random.default_rng(5).integers(0, 4000, (40, 36, 33)).astype("uint16")
CHUNKS = [8, 8, 8]


def image_of(tmp_path, **keys):
    keys = {"source": str(tmp_path / "a.npy"), "chunks": CHUNKS, "levels": 1, **keys}
    return open_image(image_config("a", {"store": str(tmp_path / "new.zarr"), **keys}))


def saved(tmp_path, voxels=VOXELS):
    np.save(tmp_path / "a.npy", voxels)
    return tmp_path


def build(tmp_path, results=None, **keys):
    """Take level 0 as the workflow does, and return its record."""
    image = image_of(tmp_path, **keys)
    n_parts = image.plan.cut(0).n_parts
    if n_parts == 1:
        return copy_base(image, n_workers=1, results=results)
    opening = open_level(image, 0, {}, results=results)
    parts = [
        build_part(image, 0, part + 1, {}, opening, n_workers=1, results=results)
        for part in range(n_parts)
    ]
    return gather_level(image, 0, {}, parts, results=results)


def objects(tmp_path):
    folder = tmp_path / "new.zarr/0"
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "zarr.json"
    }


FORMS = {
    "plain": {},
    "v2": {"ngff_version": "0.4"},
    "shards": {"shards": [16, 16, 16]},
    "blosc": {"compressor": "blosc-lz4"},
    "checksum": {"checksum": True},
    "parts": {"parts": 3},
    "cropped": {"crop": {"z": [3, 30], "x": [5, 33]}},
    "another order": {"transpose": [2, 0, 1], "axes": ["y", "x", "z"]},
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("form", FORMS)
def test_level_0_holds_the_voxels_of_the_file(tmp_path, form, capsys):
    keys = FORMS[form]
    record = build(saved(tmp_path), **keys)
    expected = VOXELS
    if form == "cropped":
        expected = VOXELS[3:30, :, 5:33]
    elif form == "another order":
        expected = VOXELS.transpose(2, 0, 1)
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "new.zarr/0", mode="r"), expected)
    assert (record["min"], record["max"], record["sum"]) == (
        expected.min(),
        expected.max(),
        expected.sum(),
    )
    # The level that is made of it has read the same voxels.
    image = image_of(tmp_path, **keys)
    level = build_level(image, 1, seal_base(image), n_workers=1)
    assert level["source"]["digest"] == record["digest"]
    assert level["source"]["fingerprint"] == record["fingerprint"]
    write_multiscales(image)
    assert main(["verify", "--full", str(tmp_path / "new.zarr")]) == 0
    assert (
        "digest of all 47,520 voxels, as they were" in capsys.readouterr().out or form == "cropped"
    )


@pytest.mark.parametrize("dtype", ["bool", "uint8", ">i2", "float16", ">f8", "complex64", "int64"])
def test_data_types_are_kept(tmp_path, dtype):
    voxels = (VOXELS[:9, :9, :9] % 3).astype(dtype)
    build(saved(tmp_path, voxels))
    found = zarr.open_array(tmp_path / "new.zarr/0", mode="r")
    assert found.dtype == voxels.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, voxels)


@pytest.mark.parametrize(("shape", "n_levels"), [((50,), 2), ((1,), 1), ((1, 1), 1), ((3, 70), 2)])
def test_few_axes_and_voxels(tmp_path, shape, n_levels):
    """Of one axis OME-NGFF has no list, so none is made of what a file says."""
    saved(tmp_path, VOXELS.ravel()[: np.prod(shape)].reshape(shape))
    levels = n_levels - 1 or "auto"
    source, store = tmp_path / "a.npy", tmp_path / "new.zarr"
    assert len(build_pyramid(store, source=source, levels=levels, progress=False)) == n_levels
    np.testing.assert_array_equal(zarr.open_array(store / "0", mode="r"), np.load(source))
    assert ("ome" in zarr.open_group(store, mode="r").attrs) == (len(shape) > 1)


def test_a_digest_does_not_depend_on_slabs_workers_and_parts(tmp_path, monkeypatch):
    saved(tmp_path)
    records = [build(tmp_path)]
    for keys in ({"parts": 4}, {"parts": 2}):
        clean(str(tmp_path / "new.zarr"), base=True)
        records.append(build(tmp_path, tmp_path / "results", **keys))
    clean(str(tmp_path / "new.zarr"), base=True)
    monkeypatch.setattr(
        "zarrpyramid.plan.levels.choose_slab", lambda *_: Slab(extents=(8, 16, 40), decodes=1.0)
    )
    records.append(copy_base(image_of(tmp_path), n_workers=3))
    assert records == [records[0]] * 4


def test_a_box_of_a_file_stays_in_its_place(tmp_path):
    """Also by sizes that the file does not have."""
    saved(tmp_path)
    keys = {"crop": {"y": [4, 36]}, "voxel_size": {"y": 0.5}, "levels": 1, "progress": False}
    build_pyramid(tmp_path / "new.zarr", source=tmp_path / "a.npy", **keys)
    (listed,) = zarr.open_group(tmp_path / "new.zarr", mode="r").attrs["ome"]["multiscales"]
    scale, moved = listed["datasets"][0]["coordinateTransformations"]
    assert (scale["scale"][1], moved["translation"]) == (0.5, [0, 2, 0])


def test_what_is_there_is_not_read_again(tmp_path, monkeypatch):
    record, before = build(saved(tmp_path)), objects(tmp_path)
    monkeypatch.setattr(raw_array.RawInput, "read", None)
    assert build(tmp_path) == record
    # A file that was touched may hold other voxels: it is read.
    os.utime(tmp_path / "a.npy", ns=(1, 1))
    with pytest.raises(TypeError, match="NoneType"):
        build(tmp_path)
    monkeypatch.undo()
    assert build(tmp_path) == record
    assert objects(tmp_path) == before


@pytest.mark.parametrize("harm", ["bit", "missing", "other crop"])
def test_a_changed_level_0_is_made_again(tmp_path, harm):
    record = build(saved(tmp_path))
    stored = tmp_path / "new.zarr/0/c/0/0/0"
    before, keys = stored.read_bytes(), {}
    if harm == "bit":
        stored.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    elif harm == "missing":
        stored.unlink()
    else:
        keys = {"crop": {"z": [1, 40]}}
    made = build(tmp_path, **keys)
    assert (made == record) == (not keys)
    np.testing.assert_array_equal(
        zarr.open_array(tmp_path / "new.zarr/0", mode="r"), VOXELS[1 if keys else 0 :]
    )


@pytest.mark.parametrize("parts", [1, 2])
def test_a_run_that_fails_keeps_its_objects(tmp_path, monkeypatch, parts):
    """The task that fails is made again, and so is that whose voxels are another file's."""
    saved(tmp_path)
    monkeypatch.setattr(
        "zarrpyramid.plan.levels.choose_slab", lambda *_: Slab(extents=(8, 40, 40), decodes=1.0)
    )
    results, read, asked = tmp_path / "results", raw_array.RawInput.read, []

    def reading(self, region):
        asked.append(region[0].start)
        if len(asked) == 4:
            raise StoreError("the disk is gone")
        return read(self, region)

    monkeypatch.setattr(raw_array.RawInput, "read", reading)
    with pytest.raises(StoreError, match="the disk is gone"):
        build(tmp_path, results, parts=parts)
    assert not (tmp_path / "new.zarr/0/zarr.json").exists()
    record = build(tmp_path, results, parts=parts)
    assert [asked.count(start) for start in (0, 8, 16)] == [1, 1, 1]
    assert len(asked) in (6, 7)  # the fifth may have been read beside the fourth
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "new.zarr/0", mode="r"), VOXELS)
    monkeypatch.undo()
    clean(str(tmp_path / "new.zarr"), base=True)
    assert build(tmp_path) == record


@pytest.mark.parametrize("parts", [1, 2])
def test_of_a_level_0_that_is_whole_a_changed_slice_is_read_again(tmp_path, monkeypatch, parts):
    slices = tmp_path / "slices"
    slices.mkdir()
    for number, voxels in enumerate(VOXELS):
        tifffile.imwrite(slices / f"{number:02}.tif", voxels)
    keys, asked = {"source": str(slices), "parts": parts}, []
    build(tmp_path, tmp_path / "results", **keys)
    tifffile.imwrite(slices / "17.tif", VOXELS[17] + 1)
    make = base_task.BaseTask.__call__
    monkeypatch.setattr(
        base_task.BaseTask, "__call__", lambda self, place: asked.append(place) or make(self, place)
    )
    build(tmp_path, tmp_path / "results", **keys)
    assert [tuple(place) for place in asked] == [(2, 0, 0)]
    expected = VOXELS.copy()
    expected[17] += 1
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "new.zarr/0", mode="r"), expected)


def test_a_source_that_changes_while_it_is_read_is_not_published(tmp_path, monkeypatch):
    saved(tmp_path)
    slab = Slab(extents=(40, 40, 40), decodes=1.0)  # the reader itself looks before each
    monkeypatch.setattr("zarrpyramid.plan.levels.choose_slab", lambda *_: slab)
    read = raw_array.RawInput.read

    def reading(self, region):
        voxels = read(self, region)
        np.save(tmp_path / "a.npy", VOXELS + 1)
        return voxels

    monkeypatch.setattr(raw_array.RawInput, "read", reading)
    with pytest.raises(VoxelError, match=r"a\.npy has changed while it was read, .* run again"):
        build(tmp_path)
    assert not (tmp_path / "new.zarr/0/zarr.json").exists()
    monkeypatch.undo()
    build(tmp_path)
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "new.zarr/0", mode="r"), VOXELS + 1)


def test_a_file_that_is_another_one_since_it_was_opened_is_not_read(tmp_path):
    """Its header said what its bytes mean."""
    image = image_of(saved(tmp_path))
    np.save(tmp_path / "a.npy", VOXELS.astype("int32"))
    with pytest.raises(StoreError, match=r"a\.npy has changed since the image was opened"):
        copy_base(image, n_workers=1)
    assert not (tmp_path / "new.zarr/0/zarr.json").exists()


def test_a_reader_that_returns_something_else_is_caught(tmp_path, monkeypatch):
    image, read = image_of(saved(tmp_path)), raw_array.RawInput.read
    monkeypatch.setattr(
        raw_array.RawInput, "read", lambda self, region: read(self, region).astype("int32")
    )
    with pytest.raises(StoreError, match=r"was read as int32 of shape .* expected uint16 of"):
        copy_base(image, n_workers=1)


REFUSED = [
    ({"link_base": True}, "level 0 cannot be a link to"),
    ({"chunks": [8, 8]}, r"chunks \[8, 8\] has 2 entries, level 0 has the axes \['z', 'y', 'x'\]"),
    ({"crop": {"q": [0, 1]}}, "image a: crop speaks of axis 'q'"),
    ({"shards": [16, 16, 16], "ngff_version": "0.4"}, "zarr v2 has none"),
    ({"chunks": [8, 8, 8], "shards": [12, 16, 16]}, "do not divide"),
    ({"crop": {"z": [4, 4]}}, "crop.z: expected a start and a larger stop"),
]


@pytest.mark.parametrize(("keys", "message"), REFUSED)
def test_what_cannot_be_is_refused_before_anything_is_written(tmp_path, keys, message):
    saved(tmp_path)
    with pytest.raises((ConfigError, StoreError), match=message):
        image_of(tmp_path, **keys)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def test_a_source_that_is_gone_is_needed_no_more(tmp_path):
    """Also where it was one of several images in a file."""
    saved(tmp_path)
    keys = {"source": tmp_path / "a.npy", "levels": 1, "progress": False}
    records = build_pyramid(tmp_path / "new.zarr", **keys)
    (tmp_path / "a.npy").unlink()
    for more in ({}, {"series": 1}):
        with pytest.raises(StoreError, match=r"a\.npy is not there; check .* leave source out"):
            build_pyramid(tmp_path / "new.zarr", **keys, **more)
    del keys["source"]
    for path in (tmp_path / "new.zarr/1").glob("c/**/*"):
        path.unlink() if path.is_file() else None
    assert build_pyramid(tmp_path / "new.zarr", **keys)[1] == records[1]
    assert main(["verify", "--full", str(tmp_path / "new.zarr")]) == 0


def test_an_image_without_voxels_is_refused(tmp_path):
    saved(tmp_path, VOXELS[:0])
    with pytest.raises(StoreError, match="has no voxels, its shape is"):
        image_of(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def test_a_whole_pyramid_in_one_call(tmp_path):
    np.save(tmp_path / "a.npy", VOXELS)
    records = build_pyramid(
        tmp_path / "new.zarr", "raw", source=tmp_path / "a.npy", levels=2, progress=False
    )
    assert len(records) == 3
    group = zarr.open_group(tmp_path / "new.zarr/raw", mode="r")
    assert [axis["name"] for axis in group.attrs["ome"]["multiscales"][0]["axes"]] == [*"zyx"]
    assert main(["status", str(tmp_path / "new.zarr/raw")]) == 0


@pytest.mark.parametrize("how", ["--full", "--sample=1000"])
def test_verify_names_the_file_as_the_way_out_of_damage(tmp_path, how, capsys):
    saved(tmp_path)
    store, keys = tmp_path / "new.zarr", {"chunks": CHUNKS, "progress": False}
    build_pyramid(store, source=tmp_path / "a.npy", **keys)
    (store / "0/c/0/0/0").write_bytes(b"no zstd")
    assert main(["verify", how, str(store)]) == 1
    told = capsys.readouterr().out
    assert "run the workflow, which reads the source again" in told
    assert "fill value" not in told
    build_pyramid(store, source=tmp_path / "a.npy", **keys)
    assert main(["verify", how, str(store)]) == 0


@pytest.mark.sampled(2)
@pytest.mark.parametrize("levels", ["auto", 1])
@pytest.mark.parametrize("harm", ["other voxels", "missing"])
def test_verify_sees_what_is_not_as_it_was_read(tmp_path, levels, harm, capsys):
    """Also of an image that is too small for another level."""
    saved(tmp_path)
    image = image_of(tmp_path, levels=levels)
    store = str(tmp_path / "new.zarr")
    keys = {"source": tmp_path / "a.npy", "chunks": CHUNKS, "levels": levels, "progress": False}
    build_pyramid(store, **keys)
    assert main(["verify", "--full", store]) == 0
    assert "as they were read from the source" in capsys.readouterr().out
    if harm == "missing":
        (tmp_path / "new.zarr/0/c/1/1/1").unlink()
    else:
        zarr.open_array(tmp_path / "new.zarr/0")[0, 0, 0] += 1
    assert main(["verify", "--full", store]) == 1
    told = capsys.readouterr().out
    assert ("lacks 1 of the objects" if harm == "missing" else "digest of the voxels") in told
    build_pyramid(store, **keys)  # the way out
    assert main(["verify", "--full", store]) == 0
    assert image.input is not None


PLACES = {
    # What stands before; the field; whether the store is there after a build that failed.
    "no store": (None, "", False),
    "no store, field": (None, "raw/a", False),
    "empty store": ("", "", True),
    "a group above": ("raw", "raw/a", True),
    "another image": ("other", "raw/a", True),
    "files of others": ("readme.txt", "raw", True),
}


@pytest.mark.parametrize(("there", "field", "stays"), PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("harm", ["truncated", "of another shape"])
def test_a_build_of_a_damaged_source_leaves_what_was_there(tmp_path, there, field, stays, harm):
    store, slices = tmp_path / "new.zarr", tmp_path / "slices"
    if there == "readme.txt":
        store.mkdir()
        (store / there).write_text("mine")
    elif there is not None:
        zarr.open_group(store, mode="w", path=there)
    before = {path: path.is_file() and path.read_bytes() for path in store.rglob("*")}
    slices.mkdir()
    for z, voxels in enumerate(VOXELS[:20]):
        tifffile.imwrite(slices / f"z{z:04}.tif", voxels)
    last = slices / "z0019.tif"
    if harm == "truncated":
        os.truncate(last, last.stat().st_size // 2)
    else:
        tifffile.imwrite(last, VOXELS[0, :9])
    keys = {"source": slices, "chunks": CHUNKS, "levels": 1, "progress": False}
    with pytest.raises(PyramidError, match=r"z0019.tif"):
        build_pyramid(store, field, **keys)
    assert store.exists() == stays
    after = {path: path.is_file() and path.read_bytes() for path in store.rglob("*")}
    if there == "readme.txt":  # in what has become a group
        assert json.loads(after.pop(store / "zarr.json"))["node_type"] == "group"
    assert after == before
    tifffile.imwrite(last, VOXELS[19])
    build_pyramid(store, field, **keys)
    found = zarr.open_array(store, path=f"{field}/0".lstrip("/"))[...]
    np.testing.assert_array_equal(found, VOXELS[:20])


def test_a_level_0_that_is_there_stays_where_a_level_fails(tmp_path, monkeypatch):
    def fail(*given, **more):
        raise StoreError("no space")

    saved(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("zarrpyramid.downsample.pyramid.build_level", fail)
        with pytest.raises(StoreError, match="no space"):
            build_pyramid(tmp_path / "new.zarr", source=tmp_path / "a.npy", levels=1)
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "new.zarr/0")[...], VOXELS)
