"""What a level's job reads of the store: every document once, the group again before it changes."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from contextlib import ExitStack

import numpy as np
import pytest
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.config import image_config
from zarrpyramid.downsample import build_part, gather_level, open_level, seal_base
from zarrpyramid.downsample.level import build_level
from zarrpyramid.downsample.level_job import LevelJob
from zarrpyramid.plan.image import open_image
from zarrpyramid.stores.local import LocalStore

DOCUMENTS = {"zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata"}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    path = tmp_path_factory.mktemp("built") / "s"
    group = zarr.create_group(path, zarr_format=3)
    group.create_array("0", data=np.arange(4096, dtype="uint16").reshape(64, 64), chunks=(8, 8))
    return path, build_pyramid(path, levels=3)


@pytest.fixture
def pyramid(built, tmp_path):
    path, records = built
    return shutil.copytree(path, tmp_path / "s"), records


@pytest.fixture
def reads(monkeypatch):
    """Count how often each document that is there is read."""
    counted = Counter()
    read = LocalStore._read

    def counting(self, key, *arguments):
        data = read(self, key, *arguments)
        if data is not None and key.rpartition("/")[2] in DOCUMENTS:
            counted[key] += 1
        return data

    monkeypatch.setattr(LocalStore, "_read", counting)
    return counted


def opened(path, looks=None, **keys):
    config = image_config("image", {"store": str(path), "levels": 3, **keys})
    return open_image(config, looks=looks)


@pytest.mark.parametrize("results", [False, True])
def test_a_job_reads_each_document_once(pyramid, reads, tmp_path, results):
    path, records = pyramid
    folder = tmp_path / "results" if results else None
    if folder:
        (folder / "levels").mkdir(parents=True)
    shutil.rmtree(path / "2")
    assert build_level(opened(path), 2, records[1], n_workers=1, results=folder) == records[2]
    # The group is read while planning, and anew under each lock: as the level leaves the list and
    # its documents go, and as they come.
    assert reads == {"zarr.json": 3, "0/zarr.json": 1, "1/zarr.json": 1, "3/zarr.json": 1}


def test_a_job_of_level_1_keeps_what_planning_has_read(pyramid, reads):
    path, records = pyramid
    shutil.rmtree(path / "1")
    with ExitStack() as looks:
        image = opened(path, levels=1, looks=looks)
        assert build_level(image, 1, records[0], n_workers=1, looks=looks) == records[1]
    assert reads == {"zarr.json": 3, "0/zarr.json": 1, "2/zarr.json": 1, "3/zarr.json": 1}


def test_a_job_with_nothing_to_do_reads_its_level_twice(pyramid, reads):
    path, records = pyramid
    assert build_level(opened(path), 2, records[1], n_workers=1) == records[2]
    # The second time under the lock, to tell the groups above what is there.
    assert reads == {"zarr.json": 2, "0/zarr.json": 1, "1/zarr.json": 1, "2/zarr.json": 2}


def test_attributes_that_others_write_meanwhile_stay(pyramid):
    """A job changes the group as it is then, not as it was when the image was opened."""
    path, records = pyramid
    shutil.rmtree(path / "2")
    image = opened(path)
    zarr.open_group(path).attrs["theirs"] = 7
    build_level(image, 2, records[1], n_workers=1)
    assert json.loads((path / "zarr.json").read_text())["attributes"]["theirs"] == 7


def test_a_level_that_comes_after_the_image_was_opened_is_seen(pyramid):
    path, records = pyramid
    shutil.move(path / "2", path.with_name("aside"))
    image = opened(path)
    job = LevelJob(image=image, level=2, finer=records[1])
    assert job.current_record() is None
    shutil.move(path.with_name("aside"), path / "2")
    assert job.current_record() is None  # what a job has seen stays
    assert LevelJob(image=image, level=2, finer=records[1]).current_record() == records[2]


def test_level_0_is_listed_once_to_seal_it(pyramid, tmp_path, monkeypatch):
    path, records = pyramid
    listed, stats = [], LocalStore.stats

    def counting(self, prefix):
        listed.append(prefix)
        return stats(self, prefix)

    monkeypatch.setattr(LocalStore, "stats", counting)
    sealed = seal_base(opened(path), tmp_path / "results")
    assert (sealed, listed) == (records[0], ["0"])
    assert json.loads((tmp_path / "results" / "image.json").read_text())["store"] == str(path)


@pytest.mark.parametrize("notes", [False, True])
def test_a_pyramid_lists_level_0_as_it_begins_and_when_level_1_is_made(
    tmp_path, monkeypatch, notes
):
    group = zarr.create_group(tmp_path / "s", zarr_format=3)
    group.create_array("0", data=np.ones((64, 64), "uint16"), chunks=(8, 8))
    listed, stats = [], LocalStore.stats

    def counting(self, prefix):
        listed.append(prefix)
        return stats(self, prefix)

    monkeypatch.setattr(LocalStore, "stats", counting)
    build_pyramid(tmp_path / "s", levels=2, notes=tmp_path / "notes" if notes else None)
    assert listed.count("0") == 2


def test_the_jobs_of_a_level_in_parts_read_each_document_once(pyramid, reads, tmp_path):
    path, records = pyramid
    given = {"parts": 2, "levels": 1, "method": "max"}
    image = opened(path, **given)
    opening = open_level(image, 1, records[0])
    parts = []
    for part in (1, 2):
        reads.clear()
        with ExitStack() as looks:
            image = opened(path, looks=looks, **given)
            held = {"n_workers": 1, "looks": looks}
            parts.append(build_part(image, 1, part, records[0], opening, **held))
        assert reads == {"zarr.json": 1, "0/zarr.json": 1}
    reads.clear()
    with ExitStack() as looks:
        image = opened(path, looks=looks, **given)
        gather_level(image, 1, records[0], parts, looks=looks)
    assert reads == {"zarr.json": 2, "0/zarr.json": 1}  # the group again as the level is told of
