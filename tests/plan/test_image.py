"""An image in its store: found, its objects looked at, its sentinels held against it."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace

import numpy as np
import pytest
import zarr
from zarr.storage import MemoryStore

from zarrpyramid.config import image_config
from zarrpyramid.downsample import stale as staleness
from zarrpyramid.downsample.base import seal_base
from zarrpyramid.downsample.level import build_level
from zarrpyramid.downsample.publish import write_multiscales
from zarrpyramid.downsample.pyramid import build_pyramid
from zarrpyramid.errors import ConfigError, StoreError
from zarrpyramid.metadata.nodes import read_array
from zarrpyramid.metadata.record import write_sentinel
from zarrpyramid.plan import base_objects, preflight
from zarrpyramid.plan.base_objects import base_layout
from zarrpyramid.plan.image import check_declared, open_image
from zarrpyramid.plan.preflight import check_room
from zarrpyramid.plan.stored import Level, our_levels, record_of
from zarrpyramid.stores.files import TEMPORARY_SUFFIX
from zarrpyramid.stores.zarr_store import ZarrStore

VOXELS = (np.indices((11, 9)).sum(0) * 7 % 251).astype("uint8")


def make(path, **options):
    zarr.create_group(path).create_array("0", data=VOXELS, chunks=(4, 4), **options)
    return path


def opened(path, **keys):
    return open_image(image_config("image", {"store": str(path), **keys}))


def test_a_group_and_its_levels_have_names(tmp_path):
    zarr.create_group(tmp_path).create_group("raw").create_array("0", data=VOXELS)
    image = opened(tmp_path, field="raw", levels=1)
    assert image.level_path(1) == "raw/1"
    assert image.name(1) == f"{tmp_path}/raw/1"
    assert Level(image, 0).metadata.shape == VOXELS.shape
    with pytest.raises(StoreError, match=r"there is no array .*raw/1; expected level 1"):
        Level(image, 1).metadata  # noqa: B018


def test_a_store_object_is_opened_without_a_path():
    store = MemoryStore()
    make(store)
    config = image_config("image", {"store": "memory", "levels": 1})
    image = open_image(config, ZarrStore(store), "")
    assert image.plan.levels[1].shape == (6, 5)
    check_room(image, base_layout(image))


@pytest.mark.parametrize("shape", [(0,), (4, 0)])
def test_an_image_without_voxels_is_refused(tmp_path, shape):
    zarr.create_group(tmp_path).create_array("0", shape=shape, chunks=(2,) * len(shape), dtype="u1")
    with pytest.raises(StoreError, match=r"0 has no voxels, its shape is \["):
        opened(tmp_path)


def test_a_test_image_is_planned_before_it_is_made(tmp_path):
    made = {"shape": [20, 10], "chunks": [5, 5], "dtype": "int16"}
    image = opened(tmp_path / "absent", test_image=made, axes=["v", "u"])
    assert [level.shape for level in image.plan.levels] == [(20, 10), (10, 5), (5, 5)]
    assert [axis.name for axis in image.plan.axes] == ["v", "u"]
    assert not (tmp_path / "absent").exists()


DECLARED = {"shape": [11, 9], "chunks": [4, 4], "dtype": "uint8"}


def test_a_declared_level_0_is_planned_before_it_is_there(tmp_path):
    """The plan is the same before and after, with shards too."""
    for name, options in (("plain", {}), ("shards", {"shards": (8, 8)})):
        path = tmp_path / name
        shards = {key: list(value) for key, value in options.items()}
        before = opened(path, base={**DECLARED, **shards})
        assert not path.exists()
        make(path, **options)
        after = opened(path)
        assert before.plan.levels == after.plan.levels
        assert len(before.plan.levels) == 3
        image = opened(path, base={**DECLARED, **shards})
        check_declared(image, Level(image, 0).metadata)


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"shape": [12, 9]}, r"has shape \[11, 9\], base declares \[12, 9\]; correct base\.shape"),
        ({"chunks": [8, 8]}, r"has chunks \[4, 4\], base declares \[8, 8\]"),
        ({"shards": [8, 8]}, r"has shards none, base declares \[8, 8\]"),
        ({"dtype": "uint16"}, r"has dtype uint8, base declares uint16"),
    ],
)
def test_a_level_0_that_is_not_as_declared_is_refused(tmp_path, declared, message):
    make(tmp_path)
    with pytest.raises(ConfigError, match=message):
        opened(tmp_path, base={**DECLARED, **declared})
    # Where another rule may be about to make it anew, the first job says so.
    image = opened(tmp_path, base={**DECLARED, **declared}, base_ready="made.txt")
    with pytest.raises(ConfigError, match=message):
        seal_base(image)


def test_a_level_0_of_other_axes_than_planned_is_refused(tmp_path):
    make(tmp_path, dimension_names=("x", "y"))
    with pytest.raises(ConfigError, match=r"has axes \['x', 'y'\], .* \['y', 'x'\]; give axes: "):
        opened(tmp_path, base=DECLARED)
    assert opened(tmp_path, base=DECLARED, axes=["x", "y"]).plan.base.chunks == (4, 4)


def test_a_test_image_that_is_there_is_planned_from_what_is_there(tmp_path):
    image = opened(make(tmp_path), test_image={"shape": [64, 64], "chunks": [8, 8]})
    assert image.plan.levels[0].shape == VOXELS.shape


# Level 0's objects.


def test_a_copy_has_the_same_fingerprint_and_is_watched_anew(tmp_path):
    make(tmp_path / "a", compressors=None)
    before = base_layout(opened(tmp_path / "a"))
    assert before.stored_bytes == 9 * 16
    os.utime(tmp_path / "a/0/c/0/0", ns=(1, 1))
    touched = base_layout(opened(tmp_path / "a"))
    assert touched.fingerprint == before.fingerprint
    assert touched.watch != before.watch


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ("attributes", False),  # documents do not count
        ("litter", False),  # nor does what a kill left
        ("removed", True),
        ("added", True),
        ("grown", True),
        ("other level", False),
    ],
)
def test_what_changes_a_fingerprint(tmp_path, change, differs):
    make(tmp_path, compressors=None)
    before = base_layout(opened(tmp_path))
    chunk = tmp_path / "0/c/0/0"
    if change == "attributes":
        zarr.open_array(tmp_path / "0").attrs["a"] = 1
    elif change == "litter":
        (tmp_path / f"0/zarr.json.1-1{TEMPORARY_SUFFIX}").write_bytes(b"{")
    elif change == "removed":
        chunk.unlink()
    elif change == "added":
        chunk.with_name("9").write_bytes(b"1")
    elif change == "grown":
        chunk.write_bytes(chunk.read_bytes() + b"1")
    else:
        build_pyramid(tmp_path, levels=1)
    after = base_layout(opened(tmp_path))
    assert (after.fingerprint != before.fingerprint) is differs
    assert (after.watch != before.watch) is differs


# Levels that are ours.


def test_levels_with_our_record_are_ours(tmp_path):
    build_pyramid(make(tmp_path), levels=2)
    group = zarr.open_group(tmp_path)
    group.create_array("3", data=VOXELS)
    group.create_array("04", data=VOXELS).attrs["zarrpyramid"] = {"level": 4}
    group.create_array("5", data=VOXELS).attrs["zarrpyramid"] = "text"
    group.create_array("10", data=VOXELS).attrs["zarrpyramid"] = {"level": 10}
    image = opened(tmp_path, levels=2)
    assert [level.number for level in our_levels(image)] == [1, 2, 10]
    assert [level.number for level in our_levels(image, 2)] == [2, 10]
    assert record_of(read_array(image.store, "5")) is None
    assert record_of(None) is None


def test_room_is_asked_for_before_anything_is_written(tmp_path, monkeypatch):
    image = opened(make(tmp_path), levels=1)
    found = SimpleNamespace(f_bavail=3, f_frsize=10, f_files=9, f_favail=9)
    monkeypatch.setattr(preflight.os, "statvfs", lambda folder: found)
    needed = 6 * 5
    check_room(image, base_objects.BaseLayout(fingerprint="", watch="", stored_bytes=11 * 9))
    found.f_bavail = 2
    with pytest.raises(StoreError, match=r"has 2e-08 GB free, the levels of .* need about 3e-08"):
        check_room(image, base_objects.BaseLayout(fingerprint="", watch="", stored_bytes=11 * 9))
    assert needed == 30
    check_room(opened(tmp_path, levels=1, force_space=True), base_layout(image))
    found.f_bavail, found.f_favail = 99, 8
    with pytest.raises(StoreError, match=r"has 8 inodes free, the levels of .* need 9"):
        check_room(image, base_layout(image))
    found.f_files = 0  # a file system that counts none
    check_room(image, base_layout(image))
    # Levels that are there need none.
    monkeypatch.undo()
    build_pyramid(tmp_path, levels=1)
    monkeypatch.setattr(preflight.os, "statvfs", lambda folder: found)
    check_room(image, base_layout(image))


def test_a_store_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    image = opened(make(tmp_path), levels=1)
    monkeypatch.setattr(preflight.os, "access", lambda *_: False)
    with pytest.raises(StoreError, match="cannot be written; check its permissions"):
        check_room(image, base_layout(image))


# Sentinels that the store contradicts.


def built(tmp_path, **keys):
    """Return an image and its folder of sentinels, as a run leaves them."""
    image = opened(make(tmp_path / "s"), levels=2, **keys)
    folder = tmp_path / "results"
    records = [seal_base(image)]
    for level in (1, 2):
        records.append(build_level(image, level, records[-1], n_workers=1))
    for record in records:
        write_sentinel(folder / "levels" / f"{record['level']}.json", record)
    write_sentinel(folder / "multiscales.json", write_multiscales(image))
    return opened(tmp_path / "s", levels=2, **keys), folder


def stale(image, folder):
    found = staleness.stale_sentinels(image, folder, base_layout(image))
    return {str(path.relative_to(folder)): reason for path, reason in found.items()}


def test_a_finished_run_has_nothing_stale(tmp_path):
    assert stale(*built(tmp_path)) == {}


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("level 1 removed", {"levels/1.json": "absent or another level"}),
        ("level 2 of somebody else", {"levels/2.json": "absent or another level"}),
        ("record of another run", {"levels/1.json": "absent or another level"}),
        ("no record", {"levels/2.json": "it is no record"}),
        ("chunk of level 0 removed", {"levels/0.json": "other objects than were sealed"}),
        ("list removed", {"multiscales.json": "lists other levels, or lists them otherwise"}),
    ],
)
def test_what_the_store_contradicts_is_stale(tmp_path, damage, expected):
    image, folder = built(tmp_path)
    store = tmp_path / "s"
    if damage == "level 1 removed":
        (store / "1" / "zarr.json").unlink()
    elif damage == "level 2 of somebody else":
        zarr.open_group(store).create_array("2", data=VOXELS, overwrite=True)
    elif damage == "record of another run":
        record = json.loads((folder / "levels/1.json").read_text())
        write_sentinel(folder / "levels/1.json", {**record, "digest": "0"})
    elif damage == "no record":
        (folder / "levels/2.json").write_bytes(b"")
    elif damage == "chunk of level 0 removed":
        (store / "0/c/0/0").unlink()
    else:
        zarr.open_group(store).attrs.put({})
    found = stale(image, folder)
    assert set(found) == set(expected)
    for name, reason in expected.items():
        assert found[name].endswith(reason.replace("\\", "")), found


def test_another_recipe_makes_all_levels_stale(tmp_path):
    _, folder = built(tmp_path)
    image = opened(tmp_path / "s", levels=2, scale_factors=[2, 3])
    assert set(stale(image, folder)) == {"levels/1.json", "levels/2.json", "multiscales.json"}
    image = opened(tmp_path / "s", levels=1)
    assert set(stale(image, folder)) == {"multiscales.json"}


def test_stale_sentinels_are_set_aside(tmp_path):
    image, folder = built(tmp_path)
    zarr.open_group(tmp_path / "s").attrs.put({})
    found = staleness.stale_sentinels(image, folder, base_layout(image))
    staleness.set_aside(found)
    assert (folder / "set-aside" / "multiscales.json").exists()
    assert stale(image, folder) == {}


def test_an_owner_is_noted(tmp_path):
    image = opened(make(tmp_path / "s"))
    staleness.write_owner(image, tmp_path / "results")
    noted = json.loads((tmp_path / "results" / "image.json").read_text())
    assert {**noted, "watch": ""} == {"store": str(tmp_path / "s"), "field": "", "watch": ""}
    assert noted["watch"] == base_layout(image).watch


def test_what_of_level_0_is_watched(tmp_path, monkeypatch):
    make(tmp_path)

    def layouts():
        kinds = ("objects", "metadata", "none", "auto")
        return {kind: base_layout(opened(tmp_path, base_watch=kind)) for kind in kinds}

    before = layouts()
    assert before["auto"] == before["objects"]
    assert [before[kind].stored_bytes for kind in ("metadata", "none")] == [None, None]
    monkeypatch.setattr(base_objects, "MOST_COUNTED", 8)
    assert layouts()["auto"] == before["metadata"]
    monkeypatch.setattr(base_objects, "stored_objects", None)  # not one of them is looked at
    zarr.open_array(tmp_path / "0")[:] = 3
    assert base_layout(opened(tmp_path)) == before["metadata"]
    document = json.loads((tmp_path / "0/zarr.json").read_text())
    (tmp_path / "0/zarr.json").write_text(json.dumps({**document, "fill_value": 9}))
    assert base_layout(opened(tmp_path)) != before["metadata"]
    assert base_layout(opened(tmp_path, base_watch="none")) == before["none"]


def test_room_is_reckoned_from_a_few_objects_where_none_is_watched(tmp_path):
    make(tmp_path, compressors=None)
    image = opened(tmp_path, levels=1, base_watch="none")
    assert base_objects.sampled_bytes(image) == 9 * 16
    assert base_objects.stored_share(image) == 1.0
    n_others = 5  # its folders and document
    assert preflight.room_needed(image, base_layout(image)).n_objects == 4 + n_others


@pytest.mark.parametrize("separator", [".", "/"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_room_counts_every_file_and_folder(tmp_path, zarr_format, separator):
    encoding = {"name": "v2" if zarr_format == 2 else "default", "separator": separator}
    group = zarr.create_group(tmp_path, zarr_format=zarr_format)
    options = {"chunks": (4, 4, 4), "chunk_key_encoding": encoding}
    group.create_array("0", data=np.ones((40, 30, 20), "u1"), **options)
    before = len(list(tmp_path.rglob("*")))
    image = opened(tmp_path)
    needed = preflight.room_needed(image, base_layout(image)).n_objects
    build_pyramid(tmp_path, progress=False)
    assert len(list(tmp_path.rglob("*"))) - before == needed
