"""Level 0's objects, looked at without reading them, and the room that levels need by them."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace

import numpy as np
import pytest
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.config import image_config
from zarrpyramid.errors import StoreError
from zarrpyramid.plan import base_objects, preflight, stored
from zarrpyramid.plan.base_objects import base_layout
from zarrpyramid.plan.image import open_image
from zarrpyramid.plan.preflight import check_room
from zarrpyramid.stores.files import TEMPORARY_SUFFIX

VOXELS = (np.indices((11, 9)).sum(0) * 7 % 251).astype("uint8")


def make(path, **options):
    zarr.create_group(path).create_array("0", data=VOXELS, chunks=(4, 4), **options)
    return path


def opened(path, **keys):
    return open_image(image_config("image", {"store": str(path), **keys}))


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
    monkeypatch.setattr(stored, "stored_objects", None)  # not one of them is looked at
    zarr.open_array(tmp_path / "0")[:] = 3
    assert base_layout(opened(tmp_path)) == before["metadata"]
    document = json.loads((tmp_path / "0/zarr.json").read_text())
    (tmp_path / "0/zarr.json").write_text(json.dumps({**document, "fill_value": 9}))
    assert base_layout(opened(tmp_path)) != before["metadata"]
    assert base_layout(opened(tmp_path, base_watch="none")) == before["none"]


def test_room_is_asked_for_before_anything_is_written(tmp_path, monkeypatch):
    image = opened(make(tmp_path), levels=1)
    found = SimpleNamespace(f_bavail=3, f_frsize=10, f_files=9, f_favail=9)
    monkeypatch.setattr(preflight.os, "statvfs", lambda folder: found)
    needed = 6 * 5
    check_room(image, base_objects.BaseLayout(fingerprint="", watch="", stored_bytes=11 * 9))
    found.f_bavail = 2
    with pytest.raises(StoreError, match=r"has 20 B free, the levels of .* need about 30 B"):
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


def test_room_is_reckoned_from_a_few_objects_where_none_is_watched(tmp_path):
    make(tmp_path, compressors=None)
    image = opened(tmp_path, levels=1, base_watch="none")
    assert base_objects.sampled_bytes(image) == 9 * 16
    assert base_objects.stored_share(image) == 1.0
    n_others = 5  # its folders and document
    assert preflight.room_needed(image, base_layout(image))[0].n_objects == 4 + n_others


@pytest.mark.sampled(1)
@pytest.mark.parametrize("separator", [".", "/"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_room_counts_every_file_and_folder(tmp_path, zarr_format, separator):
    encoding = {"name": "v2" if zarr_format == 2 else "default", "separator": separator}
    group = zarr.create_group(tmp_path, zarr_format=zarr_format)
    options = {"chunks": (4, 4, 4), "chunk_key_encoding": encoding}
    group.create_array("0", data=np.ones((40, 30, 20), "u1"), **options)
    before = len(list(tmp_path.rglob("*")))
    image = opened(tmp_path, levels=2)
    needed = preflight.room_needed(image, base_layout(image))[0].n_objects
    build_pyramid(tmp_path, progress=False, levels=2)
    assert len(list(tmp_path.rglob("*"))) - before == needed
