"""What a rebuild keeps and makes, equal to a build without notes; damaged notes, and kills."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numcodecs
import pytest
import zarr

from rebuilds import (
    build,
    bytes_of,
    change,
    check_as_anew,
    image_of,
    make,
    objects,
    start_job,
)
from strategies import DTYPES
from zarrpyramid import build_pyramid
from zarrpyramid.downsample import made_from
from zarrpyramid.downsample.base import seal_base
from zarrpyramid.downsample.level import build_level
from zarrpyramid.downsample.parts import build_part, gather_level, open_level
from zarrpyramid.downsample.publish import write_multiscales
from zarrpyramid.errors import VoxelError
from zarrpyramid.stores.files import TEMPORARY_SUFFIX

FORMS = {
    "plain": ({}, {}),
    "v2": ({"zarr_format": 2}, {}),
    "shards": ({"shards": (16, 16, 16)}, {}),
    "across": ({}, {"chunks": [5, 6, 7], "scale_factors": 3}),
    "across in shards": ({"shards": (16, 16, 16)}, {"chunks": [3, 4, 5], "shards": [6, 8, 10]}),
    "through zarr-python": ({"zarr_format": 2, "filters": [numcodecs.Delta("u2")]}, {}),
    "left out": ({}, {"write_empty_chunks": False}),
    "parts": ({}, {"part_size": 9000}),
    "nodata": ({}, {"nodata": 7, "nodata_share": 0.9}),
    "once": ({}, {"rounding": "once"}),
    "once, in parts and shards": (
        {"shards": (16, 16, 16)},
        {"rounding": "once", "part_size": 9000, "write_empty_chunks": False},
    ),
    "once, across, through zarr-python": (
        {"zarr_format": 2, "filters": [numcodecs.Delta("u2")]},
        {"rounding": "once", "chunks": [5, 6, 7], "scale_factors": 3},
    ),
    "factors": ({}, {"scale_factors": [[1, 2, 3], [3, 1, 2]]}),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", FORMS)
@pytest.mark.filterwarnings("ignore:Numcodecs codecs:UserWarning")
def test_a_rebuild_after_a_change_equals_a_build_anew(tmp_path, name):
    form, keys = FORMS[name]
    store, results = make(tmp_path / "brain.zarr", **form), tmp_path / "results"
    build(store, results, **keys)
    for place in [(0, 0, 0), (39, 35, 32)], [(20, 17, 9)]:
        change(store, *place)
        before = objects(store, 1)
        records = build(store, results, **keys)
        after = objects(store, 1)
        again = [key for key in after if after[key] != before.get(key)]
        assert 0 < len(again) < len(after) or len(after) <= 2
        plain = {key: value for key, value in keys.items() if key != "part_size"}
        check_as_anew(store, records, tmp_path, **plain)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("dtype", [*DTYPES, "complex64", "complex128"])
def test_statistics_of_every_dtype_come_out_of_the_notes(tmp_path, dtype):
    shards = {"shards": (16, 16)} if dtype in ("float64", "complex128", "uint64") else {}
    store = make(tmp_path / "brain.zarr", dtype, (37, 29), (8, 8), **shards)
    build(store, tmp_path / "results")
    change(store, (0, 0))
    check_as_anew(store, build(store, tmp_path / "results"), tmp_path)


@pytest.mark.slow
def test_only_ancestors_of_a_change_are_made_again(tmp_path, caplog):
    store, results = make(tmp_path / "brain.zarr", shape=(64, 64, 64), chunks=(4, 4, 4)), tmp_path
    build(store, results, levels=3)
    before = [objects(store, level) for level in range(4)]
    change(store, (0, 0, 0), (63, 0, 63))
    caplog.set_level("INFO")
    build(store, results, levels=3)
    for level, n_all in ((1, 512), (2, 64), (3, 8)):
        after = objects(store, level)
        again = {key for key in after if after[key] != before[level][key]}
        n = 8 // 2 ** (level - 1) - 1
        assert again == {"c/0/0/0", f"c/{n}/0/{n}"}
        assert f"raw/{level}: 2 of {n_all} objects are made" in caplog.text


def test_a_lost_object_alone_is_made_again(tmp_path):
    store = make(tmp_path / "brain.zarr")
    records = build(store, tmp_path / "results", levels=2)
    whole, before = bytes_of(store), objects(store, 1)
    (store / "raw/1/c/1/1/1").unlink()
    assert build(store, tmp_path / "results", levels=2) == records
    after = objects(store, 1)
    assert {key for key in after if after[key] != before[key]} == {"c/1/1/1"}
    assert bytes_of(store) == whole


def test_an_object_that_somebody_wrote_is_not_kept(tmp_path):
    store = make(tmp_path / "brain.zarr")
    build(store, tmp_path / "results", levels=2)
    whole = bytes_of(store)
    (store / "raw/1/c/0/0/0").unlink()
    shutil.copyfile(store / "raw/1/c/1/1/1", store / "raw/1/c/0/1/0")
    os.utime(store / "raw/1/c/0/1/0", (2**33, 2**33))  # a time in the future
    build(store, tmp_path / "results", levels=2)
    assert bytes_of(store) == whole


def test_a_level_made_without_notes_is_not_taken_for_the_one_before(tmp_path):
    """The notes of level 1 are of other voxels then than level 1 holds."""
    store, results = make(tmp_path / "brain.zarr"), tmp_path / "results"
    build(store, results, levels=2)
    change(store, (0, 0, 0))
    build_pyramid(store, "raw", levels=1, progress=False)
    records = build(store, results, levels=2)
    check_as_anew(store, records, tmp_path, levels=2)


def test_notes_that_the_level_before_contradicts_cost_a_build(tmp_path, caplog, monkeypatch):
    store, results = make(tmp_path / "brain.zarr"), tmp_path / "results"

    def build_two():
        image = image_of(store, levels=2)
        records = [seal_base(image)]
        records.append(build_level(image, 1, records[0], n_workers=1, results=results))
        with monkeypatch.context() as patch:
            # As if all source objects had one digest: what was made of the old ones is kept.
            patch.setattr(made_from, "source_digest", lambda parts: bytes(16))
            records.append(build_level(image, 2, records[1], n_workers=1, results=results))
        write_multiscales(image)
        return records

    build_two()
    change(store, (0, 0, 0))
    records = build_two()
    assert "its notes contradict the finer level; the whole level is made again" in caplog.text
    check_as_anew(store, records, tmp_path, levels=2)


def test_a_gather_whose_parts_trusted_wrong_notes_says_to_run_again(tmp_path, monkeypatch):
    """The level before is not called wrong, and the way out is taken."""
    store, results = make(tmp_path / "brain.zarr"), tmp_path / "results"
    keys = {"levels": 2, "parts": 2}

    def build_two():
        image = image_of(store, **keys)
        finer = build_level(image, 1, seal_base(image), n_workers=1, results=results)
        with monkeypatch.context() as patch:
            # As if all source objects had one digest: what was made of the old ones is kept.
            patch.setattr(made_from, "source_digest", lambda parts: bytes(16))
            opening = open_level(image, 2, finer, results=results)
            made = [
                build_part(image, 2, part, finer, opening, n_workers=1, results=results)
                for part in (1, 2)
            ]
            gather_level(image, 2, finer, made, results=results)

    build_two()
    change(store, (0, 0, 0))
    with pytest.raises(VoxelError, match=r"the parts of .*/2 saw other .*; run again, "):
        build_two()
    records = build(store, results, 2, **keys)
    check_as_anew(store, records, tmp_path, levels=2)


@pytest.mark.slow
def test_another_recipe_keeps_nothing(tmp_path):
    store, results = make(tmp_path / "brain.zarr"), tmp_path / "results"
    build(store, results, levels=2)
    once = {"rounding": "once"}
    for keys in ({"method": "max"}, {"chunks": [4, 4, 4]}, {}, once, {"compressor": "none"}):
        records = build(store, results, levels=2, **keys)
        check_as_anew(store, records, tmp_path, levels=2, **keys)


FLAT = {"dtype": "uint8", "shape": (16,), "chunks": (4,)}
N_SPOILED = 40


def spoiled(data, number):
    """Return bytes that are cut short, or have a flipped bit, at one place of many."""
    place = (number // 2) * len(data) // N_SPOILED * 2 + number % 89
    if number % 2:
        return data[:place]
    return data[:place] + bytes([data[place] ^ (1 << number % 8)]) + data[place + 1 :]


def test_damaged_notes_cost_no_voxel(tmp_path):
    """What damage may do to a single note is in `test_notes.py`."""
    store, results = make(tmp_path / "brain.zarr", **FLAT), tmp_path / "results"
    path = results / "levels/1.sqlite"
    build(store, results, levels=1)
    expected = {}
    for number in range(N_SPOILED):
        change(store, 0)
        path.write_bytes(spoiled(path.read_bytes(), number))
        records = build(store, results, levels=1)
        found = zarr.open_array(store / "raw/1")[...].tolist()
        assert expected.setdefault(number % 2, (records[1], found)) == (records[1], found)
        if number < 2:
            check_as_anew(store, records, tmp_path, levels=1)


def test_a_ledger_of_an_earlier_release_is_removed(tmp_path):
    store, results = make(tmp_path / "brain.zarr", **FLAT), tmp_path / "results"
    records = build(store, results, levels=1)
    for name in ("1.sqlite", "1.ledger"):
        (results / "levels" / name).write_bytes(b"zpledgr1" + bytes(100))
    (store / "raw/1/c/0").unlink()
    assert build(store, results, levels=1) == records
    assert sorted(path.name for path in (results / "levels").iterdir()) == ["1.sqlite"]


N_KILLS = int(os.environ.get("ZARRPYRAMID_KILLS", "20"))


def slow_store(store):
    """Write a level 0 whose codec makes a level take a while."""
    codec = numcodecs.LZMA(preset=6)
    return make(store, shape=(48, 48, 48), chunks=(8, 8, 8), zarr_format=2, compressors=codec)


def check_killed(tmp_path, n_kills, kill=signal.SIGKILL, seed=11, **more):
    """Kill builds at random moments; return how many runs found objects to keep."""
    draw = random.Random(seed)
    plain, store = slow_store(tmp_path / "plain.zarr"), tmp_path / "brain.zarr"
    forms = [{"levels": 2, **more}, {"levels": 2, "part_size": 40000, **more}]
    expected = build(plain, tmp_path / "results", levels=2, **more)[1:]
    whole, found = bytes_of(plain), []
    store_of_0 = tmp_path / "zero.zarr"
    slow_store(store_of_0)
    start = time.monotonic()
    process = start_job(slow_store(store), tmp_path / "timed", forms[0])
    process.communicate()
    assert process.returncode == 0
    seconds = time.monotonic() - start
    killed = round_number = 0
    while killed < n_kills:
        results = tmp_path / f"results-{round_number}"
        keys = forms[round_number % 2]
        shutil.rmtree(store)
        shutil.copytree(store_of_0, store)
        round_number += 1
        # A machine that has become slower would else never let a run come to its end.
        n_left = min(4, n_kills - killed)
        while True:
            process = start_job(store, results, keys)
            moment = draw.uniform(0.3, 1.3) * seconds if n_left else None
            n_left -= bool(n_left)
            try:
                process.communicate(timeout=moment)
            except subprocess.TimeoutExpired:
                process.send_signal(kill)
                process.communicate(timeout=60)
                killed += 1
                continue
            assert process.returncode == 0
            break
        text = Path(f"{results}.log").read_text(encoding="utf-8")
        found.append("are made, the others are kept" in text)
        records = [
            json.loads((store / f"raw/{level}/.zattrs").read_bytes())["zarrpyramid"]
            for level in (1, 2)
        ]
        assert records == expected
        assert bytes_of(store) == whole
        assert not [
            path for path in results.rglob("*") if "partial" in path.name or "journal" in path.name
        ]
    return killed, sum(found)


@pytest.mark.slow
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_level_killed_at_random_moments_is_resumed(tmp_path, kill):
    killed, _ = check_killed(tmp_path, 1, kill)
    assert killed


@pytest.mark.slow
def test_a_level_that_is_rounded_once_is_resumed_too(tmp_path):
    killed, _ = check_killed(tmp_path, N_KILLS // 4, rounding="once")
    assert killed


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_was_made_is_noted_when_a_job_is_ended(tmp_path, number):
    store, results = slow_store(tmp_path / "brain.zarr"), tmp_path / "results"
    process = start_job(store, results, {"levels": 1}, 1000, str(int(number)))
    process.communicate()
    assert process.returncode
    process = start_job(store, results, {"levels": 1})
    process.communicate()
    text = Path(f"{results}.log").read_text(encoding="utf-8")
    # Threads may have made more than the five objects that were noted when the signal came.
    assert int(re.search(r"(\d+) of 27 objects are made, the others are kept", text)[1]) <= 22


def test_what_killed_parts_left_aside_is_removed(tmp_path):
    image = image_of(make(tmp_path / "brain.zarr"), levels=1, parts=2)
    base = seal_base(image)
    opening = open_level(image, 1, base)
    # As zarr-python names them, and as we do.
    names = ("1.1.96f6cf392a3643a4a1ee8c3cdbc141d6.partial", f"c/0/0/1.77-78{TEMPORARY_SUFFIX}")
    aside = [tmp_path / "brain.zarr/raw/1" / name for name in names]
    for path in aside:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    parts = [build_part(image, 1, n, base, opening, n_workers=1) for n in (1, 2)]
    gather_level(image, 1, base, parts)
    assert not any(path.exists() for path in aside)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(N_KILLS // 10))
def test_a_level_killed_at_random_moments_is_resumed_each_time(tmp_path, seed):
    killed, n_resumed = check_killed(tmp_path, 10, seed=seed)
    print(f"{killed} kills, {n_resumed} last runs resumed")
