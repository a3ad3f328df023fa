"""Images that grow along an axis that no level scales: what is new is made, and nothing else."""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr

from rebuilds import build, change, check_as_anew, make, objects, start_job
from zarrpyramid import build_pyramid
from zarrpyramid.downsample import level_job
from zarrpyramid.downsample.notes import Notes
from zarrpyramid.verify import Finding, pyramid_status, repair_pyramid, verify_pyramid

TCYX = {"axes": ["t", "c", "y", "x"], "levels": 2}
ONE = (1, 1, 16, 16)
"""Chunks that hold one time point each."""


def grow(store, shape, fill=None):
    """Give level 0 larger extents, and its new voxels values."""
    base = zarr.open_array(Path(store) / "raw/0")
    before = base.shape
    base.resize(shape)
    draw = np.random.default_rng(sum(shape))
    axis = next(n for n, (a, b) in enumerate(zip(before, shape, strict=True)) if a != b)
    new = tuple(slice(before[n] if n == axis else 0, shape[n]) for n in range(len(shape)))
    extents = tuple(s.stop - s.start for s in new)
    base[new] = (draw.random(extents) * 200).astype(base.dtype) if fill is None else fill


def written(store, level, before):
    after = objects(store, level)
    return {key for key in after if after[key] != before.get(key)}


FORMS = {
    "plain": ({"chunks": ONE}, {}, 1),
    "v2": ({"chunks": ONE, "zarr_format": 2}, {}, 1),
    "chunks of three": ({"chunks": (3, 1, 16, 16)}, {}, 3),
    "v2, chunks of three": ({"chunks": (3, 1, 16, 16), "zarr_format": 2}, {}, 3),
    "made of smaller ones": ({"chunks": ONE}, {"chunks": [3, 1, 16, 16]}, 3),
    "made of larger ones": ({"chunks": (3, 1, 16, 16)}, {"chunks": list(ONE)}, 1),
    "shards": ({"chunks": ONE, "shards": (1, 1, 32, 32)}, {}, 1),
    "shards of three": ({"chunks": ONE, "shards": (3, 1, 32, 32)}, {}, 3),
    "through zarr-python": (
        {"chunks": ONE, "zarr_format": 2, "filters": [numcodecs.Delta("u2")]},
        {},
        1,
    ),
    "left out": ({"chunks": (3, 1, 16, 16)}, {"write_empty_chunks": False}, 3),
    "parts": ({"chunks": (3, 1, 16, 16)}, {"part_size": 9000}, 3),
    "once": ({"chunks": (3, 1, 16, 16)}, {"rounding": "once"}, 3),
    "once, in parts": ({"chunks": ONE}, {"rounding": "once", "part_size": 9000}, 1),
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", FORMS)
@pytest.mark.filterwarnings("ignore:Numcodecs codecs:UserWarning")
def test_a_time_point_costs_itself_alone_and_equals_a_build_anew(tmp_path, name):
    form, keys, edge = FORMS[name]
    keys = {**TCYX, **keys}
    store, results = make(tmp_path / "movie.zarr", shape=(4, 2, 70, 50), **form), tmp_path / "r"
    records = build(store, results, **keys)
    assert len(records) == 3
    for before_times, n_times in ((4, 5), (5, 7)):
        before = [objects(store, level) for level in range(len(records))]
        grow(store, (n_times, 2, 70, 50))
        records = build(store, results, **keys)
        plain = {key: value for key, value in keys.items() if key != "part_size"}
        check_as_anew(store, records, tmp_path, **plain)
        if name == "made of larger ones":
            continue  # level 0's chunk of three is made again, and all that is made of it
        first = before_times // edge
        for level in range(1, len(records)):
            again = written(store, level, before[level])
            times = {int(key.removeprefix("c/").replace(".", "/").split("/")[0]) for key in again}
            assert times == set(range(first, 1 + (n_times - 1) // edge))


def seen_at_publication(monkeypatch, store):
    """Return what readers see of levels just before they are published, as it fills."""
    seen = []
    publish = level_job.publish_level

    def look_and_publish(level, record, *more):
        path = Path(store) / level.path
        there = [(path / name).exists() for name in ("zarr.json", ".zarray")]
        seen.append(zarr.open_array(path)[...] if any(there) else None)
        publish(level, record, *more)

    monkeypatch.setattr(level_job, "publish_level", look_and_publish)
    return seen


@pytest.mark.sampled(1)
@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_readers_see_the_old_extents_until_all_is_there(tmp_path, monkeypatch, parts, zarr_format):
    keys, shape, chunks = {**TCYX, "parts": parts}, (4, 2, 40, 40), (3, 1, 8, 8)
    form = {"shape": shape, "chunks": chunks, "zarr_format": zarr_format}
    store = make(tmp_path / "movie.zarr", **form)
    build(store, tmp_path / "r", **keys)
    old = [zarr.open_array(store / f"raw/{level}")[...] for level in (1, 2)]
    listed = zarr.open_group(store / "raw", mode="r").attrs.asdict()
    grow(store, (5, 2, 40, 40))
    seen = seen_at_publication(monkeypatch, store)
    records = build(store, tmp_path / "r", **keys)
    for before, level in zip(old, seen, strict=True):
        np.testing.assert_array_equal(before, level, strict=True)
    assert zarr.open_group(store / "raw", mode="r").attrs.asdict().keys() == listed.keys()
    check_as_anew(store, records, tmp_path, **TCYX)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("parts", [1, 3])
def test_voxels_that_change_as_well_hide_the_level(tmp_path, monkeypatch, caplog, parts):
    keys, shape, chunks = {**TCYX, "parts": parts}, (4, 2, 40, 40), (3, 1, 8, 8)
    store = make(tmp_path / "movie.zarr", shape=shape, chunks=chunks)
    build(store, tmp_path / "r", **keys)
    for n_times, place in ((5, (0, 0, 0, 0)), (6, (4, 1, 39, 39))):
        grow(store, (n_times, 2, 40, 40))
        change(store, place)
        before = objects(store, 1)
        caplog.clear()
        caplog.set_level("INFO")
        with monkeypatch.context() as patch:
            seen = seen_at_publication(patch, store)
            records = build(store, tmp_path / "r", **keys)
        assert seen == [None, None]
        assert "raw/1 is withdrawn while it grows" in caplog.text
        assert 0 < len(written(store, 1, before)) < len(before)
        check_as_anew(store, records, tmp_path, **TCYX)


@pytest.mark.slow
def test_a_shard_of_several_time_points_hides_the_level(tmp_path, monkeypatch):
    form = {"shape": (4, 2, 40, 40), "chunks": (1, 1, 8, 8), "shards": (3, 1, 16, 16)}
    store = make(tmp_path / "movie.zarr", **form)
    build(store, tmp_path / "r", **TCYX)
    for n_times, is_seen in ((5, False), (6, False), (7, True)):
        grow(store, (n_times, 2, 40, 40))
        with monkeypatch.context() as patch:
            seen = seen_at_publication(patch, store)
            records = build(store, tmp_path / "r", **TCYX)
        assert [level is not None for level in seen] == [is_seen] * 2
        check_as_anew(store, records, tmp_path, **TCYX)


OTHERWISE = {
    "shrunk": ((3, 2, 40, 40), "has shape [4, 2, 20, 20], and is to have [3, 2, 20, 20]"),
    "along a scaled axis": ((4, 2, 48, 40), "has shape [4, 2, 20, 20], and is to have [4, 2, 24,"),
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", OTHERWISE)
def test_what_has_not_only_grown_is_made_again(tmp_path, monkeypatch, caplog, name):
    shape, said = OTHERWISE[name]
    store = make(tmp_path / "movie.zarr", shape=(4, 2, 40, 40), chunks=(1, 1, 8, 8))
    build(store, tmp_path / "r", **TCYX)
    zarr.open_array(store / "raw/0").resize(shape)
    before = objects(store, 1)
    caplog.set_level("INFO")
    seen = seen_at_publication(monkeypatch, store)
    records = build(store, tmp_path / "r", **TCYX)
    assert seen == [None, None]
    assert f"{said}" in caplog.text
    assert "; it is made again" in caplog.text
    assert written(store, 1, before) == objects(store, 1).keys()
    check_as_anew(store, records, tmp_path, **TCYX)


@pytest.mark.slow
def test_an_inserted_time_point_makes_all_again(tmp_path, caplog):
    store = make(tmp_path / "movie.zarr", shape=(4, 2, 40, 40), chunks=(1, 1, 8, 8))
    build(store, tmp_path / "r", **TCYX)
    base = zarr.open_array(store / "raw/0")
    voxels = np.concatenate([base[1:2], base[...]])
    base.resize(voxels.shape)
    base[...] = voxels
    caplog.set_level("INFO")
    records = build(store, tmp_path / "r", **TCYX)
    assert "raw/1 is withdrawn while it grows: voxels that it had change" in caplog.text
    check_as_anew(store, records, tmp_path, **TCYX)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_channels_are_added_and_time_points_too(tmp_path, dtype):
    form = {"shape": (4, 2, 40, 40), "chunks": (2, 2, 8, 8)}
    store = make(tmp_path / "movie.zarr", dtype, **form)
    build(store, tmp_path / "r", **TCYX)
    for shape in ((4, 3, 40, 40), (5, 3, 40, 40), (7, 5, 40, 40)):
        grow(store, shape)
        check_as_anew(store, build(store, tmp_path / "r", **TCYX), tmp_path, **TCYX)


@pytest.mark.slow
def test_a_time_point_whose_voxels_come_later(tmp_path):
    """No object of level 0 is written when it grows: its new voxels are fill value at first."""
    store = make(tmp_path / "movie.zarr", shape=(4, 2, 40, 40), chunks=(3, 1, 8, 8))
    build(store, tmp_path / "r", **TCYX)
    base = zarr.open_array(store / "raw/0")
    base.resize((5, 2, 40, 40))
    check_as_anew(store, build(store, tmp_path / "r", **TCYX), tmp_path, **TCYX)
    base = zarr.open_array(store / "raw/0")
    base[4] = 7
    check_as_anew(store, build(store, tmp_path / "r", **TCYX), tmp_path, **TCYX)


def die(*_):
    raise KeyboardInterrupt


def findings(told):
    return [each for each in told if isinstance(each, Finding) and each.grade == "defect"]


UNDONE = {  # what is done after the growth is undone, and whether the killed job could note
    "run again": (None, True),
    "repaired": (repair_pyramid, True),
    "changed, and run again": (change, True),
    "changed, without notes of the growth": (change, False),
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", UNDONE)
def test_a_growth_that_was_killed_and_undone_leaves_nothing(tmp_path, monkeypatch, name):
    then, is_noted = UNDONE[name]
    store = make(tmp_path / "movie.zarr", shape=(4, 2, 40, 40), chunks=(1, 1, 8, 8))
    build(store, tmp_path / "r", **TCYX)
    grow(store, (7, 2, 40, 40))
    with monkeypatch.context() as patch:
        patch.setattr(level_job, "publish_level", die)
        if not is_noted:
            patch.setattr(Notes, "write", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            build(store, tmp_path / "r", **TCYX)
    assert len(objects(store, 1)) == 7 * 2 * 9
    base = zarr.open_array(store / "raw/0")
    base.resize((4, 2, 40, 40))
    faults = [found.line for found in findings(verify_pyramid(str(store / "raw")))]
    assert len(faults) == 11  # ten keys, and how many more
    assert all("is beyond the level's extents" in line and " --repair" in line for line in faults)
    told = pyramid_status(str(store / "raw")).levels
    assert [level.n_objects for level in told] == [200, 72, 32]
    if then is repair_pyramid:
        list(repair_pyramid(str(store / "raw")))
    else:
        if then is change:
            change(store, (0, 0, 0, 0))
        records = build(store, tmp_path / "r", **TCYX)
    assert len(objects(store, 1)) == 4 * 2 * 9
    assert not findings(verify_pyramid(str(store / "raw"), full=True))
    if then is change:
        check_as_anew(store, records, tmp_path, **TCYX)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("is_noted", [False, True])
def test_a_call_of_python_makes_what_is_new(tmp_path, monkeypatch, is_noted):
    keys = {**TCYX, "also": ["max"], "progress": False}
    if is_noted:
        keys["notes"] = tmp_path / "notes"
    store = make(tmp_path / "movie.zarr", shape=(4, 2, 40, 40), chunks=(3, 1, 8, 8))
    build_pyramid(store, "raw", **keys)
    for n_times in (5, 6):
        before = {level: objects(store, level) for level in (1, 2, "max/1", "max/2")}
        grow(store, (n_times, 2, 40, 40))
        with monkeypatch.context() as patch:
            seen = seen_at_publication(patch, store)
            records = build_pyramid(store, "raw", **keys)
        assert [len(level) for level in seen] == [n_times - 1] * 4
        for level, known in before.items():
            is_edge = {key.startswith("c/1/") for key in written(store, level, known)}
            assert is_edge == ({True} if is_noted else {True, False})
        check_as_anew(store, records, tmp_path, **TCYX, also=["max"])


@pytest.mark.slow
def test_a_call_of_python_without_notes_hides_what_else_changes(tmp_path, monkeypatch):
    store = make(tmp_path / "movie.zarr", shape=(4, 2, 40, 40), chunks=(1, 1, 8, 8))
    build_pyramid(store, "raw", progress=False, **TCYX)
    grow(store, (5, 2, 40, 40))
    change(store, (0, 0, 0, 0))
    seen = seen_at_publication(monkeypatch, store)
    records = build_pyramid(store, "raw", progress=False, **TCYX)
    assert seen == [None, None]
    check_as_anew(store, records, tmp_path, **TCYX)


N_KILLS = int(os.environ.get("ZARRPYRAMID_KILLS", "20")) // 10


@pytest.mark.slow
@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("edge", [1, 3])
def test_growth_that_is_killed_shows_old_or_new_extents_and_is_resumed(tmp_path, parts, edge):
    keys, store = {**TCYX, "parts": parts}, tmp_path / "movie.zarr"
    form = {"chunks": (edge, 1, 16, 16), "zarr_format": 2, "compressors": numcodecs.LZMA(preset=6)}
    make(store, shape=(2, 2, 96, 96), **form)
    build(store, tmp_path / "r", **keys)
    draw, n_times, seconds = random.Random(edge + parts), 2, 1.0
    for _ in range(N_KILLS):
        old = [zarr.open_array(store / f"raw/{level}")[...] for level in (1, 2)]
        n_times += 2
        grow(store, (n_times, 2, 96, 96))
        is_killed, start = True, time.monotonic()
        while is_killed:
            process = start_job(store, tmp_path / "r", keys)
            try:
                process.communicate(timeout=draw.uniform(0.5, 1.2) * seconds)
                assert process.returncode == 0
                is_killed = False
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                seconds *= 1.1  # a machine that has become slower comes to an end too
            for before, level in zip(old, (1, 2), strict=True):
                found = zarr.open_array(store / f"raw/{level}", mode="r")[...]
                assert len(found) in (len(before), n_times)
                np.testing.assert_array_equal(found[: len(before)], before, strict=True)
        print(f"{n_times} time points after {time.monotonic() - start:.1f} s")
        records = build(store, tmp_path / "r", **keys)
        check_as_anew(store, records, tmp_path, **TCYX)
