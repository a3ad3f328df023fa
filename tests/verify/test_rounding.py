"""Levels that are rounded once: named, proved from level 0, mended and made again."""

from __future__ import annotations

import shutil

import pytest
import zarr

from rebuilds import bytes_of, make
from zarrpyramid import build_pyramid
from zarrpyramid.config import check_config
from zarrpyramid.config.files import read_config
from zarrpyramid.plan import REMAINDERS
from zarrpyramid.verify import Finding, repair_pyramid, reproduce, rounding, verify_pyramid


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    store = make(tmp_path_factory.mktemp("built") / "brain.zarr")
    build_pyramid(store, "raw", levels=3, rounding="once", progress=False)
    return store


@pytest.fixture
def store(built, tmp_path):
    return shutil.copytree(built, tmp_path / "brain.zarr")


def seen(path, **scope):
    events = list(verify_pyramid(str(path / "raw"), **scope))
    found = [event for event in events if isinstance(event, Finding)]
    return found, "\n".join(event.line for event in events if event not in found)


def test_which_rounding_a_pyramid_has_is_said(store):
    for scope in ({}, {"full": True}):
        found, lines = seen(store, **scope)
        assert found == []
        assert "made by zarrpyramid (mean, rounded once)" in lines
        assert "voxels made again by mean of 2 x 2 x 2, rounded once, 0 chunks differ" in lines


def test_a_voxel_that_is_one_off_is_found_and_mended(store):
    whole = bytes_of(store)
    level = zarr.open_array(store / "raw/2")
    level[3, 2, 1] = level[3, 2, 1] + 1
    found, _ = seen(store, full=True)
    assert {finding.level for finding in found} == {2}
    assert any("1 of 512 voxels" in finding.what for finding in found)
    list(repair_pyramid(str(store / "raw")))
    assert bytes_of(store) == whole


def test_a_level_of_means_of_means_is_no_level_that_is_rounded_once(store, tmp_path):
    each = shutil.copytree(store, tmp_path / "each.zarr")
    build_pyramid(each, "raw", levels=3, progress=False)
    shutil.rmtree(store / "raw/2/c")
    shutil.copytree(each / "raw/2/c", store / "raw/2/c")
    found, _ = seen(store, full=True)
    assert any("voxels of chunk" in finding.what and finding.level == 2 for finding in found)


def test_a_lost_level_and_what_a_killed_run_left_are_mended(store):
    whole = bytes_of(store)
    (store / "raw/2/zarr.json").unlink()
    left = store / "raw/1" / REMAINDERS / "c/0/0/0"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"left")
    found, _ = seen(store)
    assert any(left.name in finding.key and "a run that died" in finding.what for finding in found)
    list(repair_pyramid(str(store / "raw")))
    assert bytes_of(store) == whole


def test_a_sample_reads_no_more_of_level_0_than_it_may(store, monkeypatch):
    monkeypatch.setattr(rounding, "_MOST_READ", 40000)
    found, lines = seen(store)
    assert found == []
    assert "of 1 blocks, as each is made of much of level 0" in lines


def test_the_configuration_of_a_pyramid_says_it(store, tmp_path):
    text = reproduce(str(store / "raw"))
    assert "rounding: once" in text
    path = tmp_path / "again.yaml"
    path.write_text(text, encoding="utf-8")
    assert check_config(read_config(path))["rounding"] == "once"
