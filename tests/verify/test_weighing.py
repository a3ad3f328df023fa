"""Levels of weighted means: named, proved with their weights, mended and made again."""

from __future__ import annotations

import errno
import os
import shutil

import numpy as np
import pytest
import zarr

from rebuilds import bytes_of, make
from zarrpyramid import build_pyramid
from zarrpyramid.config import image_configs
from zarrpyramid.config.files import read_config
from zarrpyramid.errors import AccessError, StoreError
from zarrpyramid.stores.local import LocalStore
from zarrpyramid.verify import Finding, Report, repair_pyramid, reproduce, verify_pyramid


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    store = make(tmp_path_factory.mktemp("built") / "brain.zarr", "float32", (20, 18, 17))
    weights = np.random.default_rng(5).random((20, 18, 17))
    zarr.open_group(store).create_group("mass").create_array("0", data=weights, chunks=(8, 8, 8))
    build_pyramid(store, "mass", levels=2, progress=False)
    build_pyramid(store, "raw", levels=2, weights="mass", progress=False)
    return store


@pytest.fixture
def store(built, tmp_path):
    return shutil.copytree(built, tmp_path / "brain.zarr")


def seen(path, **scope):
    report = Report(path=str(path))
    report.gather(verify_pyramid(str(path), **scope))
    return report, "\n".join(event.line for event in report.checks)


@pytest.mark.parametrize("closed", ["zarr.json", "0/zarr.json", "0/c/0/0/0", "1/c/0/0/0"])
def test_nothing_is_said_of_weights_that_may_not_be_read(store, monkeypatch, closed):
    """They are there; read again, they weigh."""
    place, read = str(store / "mass" / closed), os.open

    def refused(path, *how, **more):
        if str(path) == place:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), place)
        return read(path, *how, **more)

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(AccessError, match="Permission denied; check its permissions"):
        seen(store / "raw", full=True)
    monkeypatch.undo()
    assert seen(store / "raw", full=True)[0].is_proven


@pytest.mark.parametrize("scope", [{}, {"full": True}])
def test_levels_are_made_again_with_their_weights(store, scope):
    report, lines = seen(store / "raw", **scope)
    assert report.findings == []
    assert "made by zarrpyramid (mean, weighed by ../mass)" in lines
    assert "voxels made again by mean of 2 x 2 x 2, weighed by ../mass, 0 chunks differ" in lines
    assert report.is_proven


def test_what_cannot_be_held_without_the_weights_is_said(store, tmp_path):
    (store / "mass").rename(tmp_path / "away")
    whole = bytes_of(store)
    report, lines = seen(store / "raw", full=True)
    assert report.findings == []
    assert not report.is_proven
    assert "not made again: there is no array" in lines
    assert "decoded    level 2   all objects decoded, 0 damaged" in lines
    said = "level 1: its voxels were held against nothing, as its weights ../mass cannot be read"
    assert "raw: not proven; " in report.verdict
    assert said in report.verdict
    list(repair_pyramid(str(store / "raw")))  # which withdraws no sound level
    assert bytes_of(store) == whole
    (tmp_path / "away").rename(store / "mass")  # the way out
    assert seen(store / "raw", full=True)[0].is_proven


def test_a_pair_in_a_folder_that_is_no_group(store, tmp_path):
    folder = tmp_path / "plain"
    folder.mkdir()
    for name in ("raw", "mass"):
        shutil.copytree(store / name, folder / name)
    report, _ = seen(folder / "raw", full=True)
    assert report.findings == []
    assert "../mass" in report.verdict
    assert not report.is_proven
    with pytest.raises(StoreError, match=r"'../mass' of .*plain/raw lead out of .*; make the"):
        reproduce(str(folder / "raw"))
    zarr.create_group(folder)  # the way out
    report, _ = seen(folder / "raw", full=True)
    assert report.findings == []
    assert report.is_proven
    reproduce(str(folder / "raw"))


LEADS_OUT = ["../../mass", "../../../secret", "../../../../../etc", "../a\\b", "../a\0b"]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("path", LEADS_OUT)
def test_no_weights_are_read_outside_the_store(store, tmp_path, monkeypatch, path):
    """A stranger's record may name any path."""
    shutil.copytree(store / "mass", tmp_path / "mass")  # where one of them leads
    shutil.copytree(store / "mass", tmp_path.parent / f"{tmp_path.name}-secret")
    path = path.replace("secret", f"{tmp_path.name}-secret")
    for level in (1, 2):
        array = zarr.open_array(store / f"raw/{level}")
        record = array.attrs["zarrpyramid"]
        record["recipe"]["weights"] = path
        array.attrs["zarrpyramid"] = record
    read, get = [], LocalStore.get_into

    def watched(self, key, buffer, *rest):
        read.append(self.root / key)
        return get(self, key, buffer, *rest)

    monkeypatch.setattr(LocalStore, "get_into", watched)
    report, lines = seen(store / "raw", full=True)
    assert not report.is_proven
    assert "lead out of" in lines
    whole = bytes_of(store)
    for look in (reproduce, lambda where: list(repair_pyramid(where, full=True))):
        with pytest.raises(StoreError, match="lead out of"):
            look(str(store / "raw"))
    assert bytes_of(store) == whole
    assert all(place.is_relative_to(store / "raw") for place in read)


def test_a_wrong_voxel_and_changed_weights_are_found_and_mended(store):
    whole = bytes_of(store)
    level = zarr.open_array(store / "raw/2")
    level[3, 2, 4] = level[3, 2, 4] + 1
    report, _ = seen(store / "raw", full=True)
    assert {finding.level for finding in report.findings} == {2}
    list(repair_pyramid(str(store / "raw")))
    assert bytes_of(store) == whole
    weights = zarr.open_array(store / "mass/0")
    weights[0, 0, 0] = 5
    report, _ = seen(store / "raw", full=True)
    whats = [finding.what for finding in report.findings]
    assert any("digest of the weights that it was made with" in what for what in whats)
    build_pyramid(store, "mass", levels=2, progress=False)
    report, _ = seen(store / "raw")
    assert any("was not made with the weights" in finding.what for finding in report.findings)
    events = list(repair_pyramid(str(store / "raw"), full=True))
    assert not [event for event in events if isinstance(event, Finding)]
    assert seen(store / "raw", full=True)[0].findings == []


def test_negative_weights_are_a_finding(store):
    zarr.open_array(store / "mass/0")[0, 0, 0] = -1
    report, _ = seen(store / "raw", full=True)
    assert any("has weight -1.0 at [0, 0, 0]" in finding.what for finding in report.findings)


def test_a_record_that_lost_its_weights_is_outvoted(store):
    whole = bytes_of(store)
    level = zarr.open_array(store / "raw/2")
    record = level.attrs["zarrpyramid"]
    del record["recipe"]["weights"]
    level.attrs["zarrpyramid"] = record
    report, _ = seen(store / "raw")
    assert any("its record's weights is not what the other" in f.what for f in report.findings)
    list(repair_pyramid(str(store / "raw")))
    assert bytes_of(store) == whole


def test_the_configuration_of_a_pyramid_names_its_weights_too(store, tmp_path):
    text = reproduce(str(store / "raw"))
    path = tmp_path / "again.yaml"
    path.write_text(text, encoding="utf-8")
    raw, mass = image_configs(read_config(path))
    assert (raw.field, raw.weights, mass.field, mass.weights) == ("raw", "mass", "mass", None)
    assert raw.store == mass.store == str(store)
