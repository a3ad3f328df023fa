"""The setting `durability`: whether a level is on the disk before a reader can open it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.config import image_config
from zarrpyramid.downsample import build_level, seal_base
from zarrpyramid.errors import StoreError
from zarrpyramid.plan import open_image
from zarrpyramid.stores import files

FLUSHED = pytest.mark.parametrize(
    ("keys", "is_flushed"),
    [({}, True), ({"durability": "flush"}, True), ({"durability": "none"}, False)],
    ids=["default", "flush", "none"],
)


@pytest.fixture
def image(tmp_path):
    """An image of which level 1 has 9 objects and level 2 has 4."""
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    voxels = np.random.default_rng(0).integers(0, 999, (40, 36), "uint16")
    group.create_array("0", data=voxels, chunks=(8, 8), dimension_names=["y", "x"])
    return tmp_path / "a.zarr"


def build(image, **keys):
    return build_pyramid(image, levels=2, n_workers=1, progress=False, **keys)


def present(image):
    """Return how many objects each level has, and which levels have their document."""
    counts = [sum(path.is_file() for path in (image / name / "c").rglob("*")) for name in "12"]
    return counts, [name for name in "12" if (image / name / "zarr.json").exists()]


@FLUSHED
def test_a_level_is_flushed_when_its_objects_are_there_and_before_its_document(
    image, monkeypatch, keys, is_flushed
):
    seen = []
    monkeypatch.setattr(files, "SYNCFS", lambda descriptor: seen.append(present(image)) or 0)
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append("a file"))
    build(image, **keys)
    assert present(image) == ([9, 4], ["1", "2"])
    expected = [
        *(([9, 0], []), ([9, 0], ["1"])),
        *(([9, 4], ["1"]), ([9, 4], ["1", "2"])),
        ([9, 4], ["1", "2"]),  # the list, last of all
    ]
    assert seen == (expected if is_flushed else [])


def test_a_job_flushes_objects_once_before_it_notes_them(image, monkeypatch, tmp_path):
    opened, seen = open_image(image_config("image", {"store": str(image), "levels": 2})), []
    notes = tmp_path / "results" / "levels" / "1.sqlite"
    notes.parent.mkdir(parents=True)

    def flushed(descriptor):
        seen.append((*present(image), notes.exists()))
        return 0

    monkeypatch.setattr(files, "SYNCFS", flushed)
    sealed = seal_base(opened)
    build_level(opened, 1, sealed, n_workers=1, results=tmp_path / "results")
    assert seen == [([9, 0], [], False), ([9, 0], ["1"], True)]
    (image / "1" / "zarr.json").unlink()
    seen.clear()
    build_level(opened, 1, sealed, n_workers=1, results=tmp_path / "results")
    # What is kept may be of a run that did not flush it.
    assert seen == [([9, 0], [], True), ([9, 0], ["1"], True)]


@FLUSHED
def test_where_a_system_flushes_no_file_system_each_file_is_flushed(
    image, monkeypatch, keys, is_flushed
):
    flushed, renamed = [], []
    monkeypatch.setattr(files, "SYNCFS", None)
    monkeypatch.setattr(
        os, "fsync", lambda number: flushed.append(Path(f"/dev/fd/{number}").readlink().name)
    )

    def rename(old, new, *arguments, rename=os.rename, **keywords):
        renamed.append((Path(old).name, len(flushed)))
        return rename(old, new, *arguments, **keywords)

    monkeypatch.setattr(os, "rename", rename)
    build(image, **keys)
    assert len(renamed) >= 9 + 4 + 2 + 1  # objects, documents, the list
    if not is_flushed:
        assert flushed == []
        return
    # Each under its temporary name, right before it gets its own.
    assert flushed == [name for name, _ in renamed]
    assert [n_flushed for _, n_flushed in renamed] == list(range(1, len(renamed) + 1))


@FLUSHED
def test_a_level_that_cannot_be_flushed_is_not_published(image, monkeypatch, keys, is_flushed):
    monkeypatch.setattr(files, "SYNCFS", lambda descriptor: -1)
    if is_flushed:
        with pytest.raises(StoreError, match="cannot flush"):
            build(image, **keys)
        assert present(image) == ([9, 0], [])
    else:
        build(image, **keys)
        assert present(image) == ([9, 4], ["1", "2"])


def test_levels_are_the_same_with_and_without(image):
    flushed = build(image)
    files = {path: path.read_bytes() for path in image.rglob("*") if path.is_file()}
    for name in "12":
        (image / name / "zarr.json").unlink()
    assert build(image, durability="none") == flushed
    assert {path: path.read_bytes() for path in image.rglob("*") if path.is_file()} == files
