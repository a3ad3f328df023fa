"""Ledgers: what a rebuild keeps and makes, equal to a build without them; damage and kills."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr

from strategies import DTYPES
from zarrpyramid import levels, resumption
from zarrpyramid.config import image_config
from zarrpyramid.digests import Tally
from zarrpyramid.images import open_image
from zarrpyramid.ledgers import Entry, LedgerForm, make_ledger, open_ledger
from zarrpyramid.levels import build_level
from zarrpyramid.listing import seal_base, write_multiscales
from zarrpyramid.parts import build_part, gather_level, open_level
from zarrpyramid.pyramid import build_pyramid
from zarrpyramid.reduction import BlockResult

SHAPE, CHUNKS = (40, 36, 33), (8, 8, 8)


def make(store, dtype="uint16", shape=SHAPE, chunks=CHUNKS, zarr_format=3, **settings):
    draw = np.random.default_rng(3)
    voxels = (draw.random(shape) * 200).astype(dtype)
    if np.dtype(dtype).kind in "fc":
        voxels[..., :2] = np.nan
    group = zarr.open_group(store, mode="w", zarr_format=zarr_format).create_group("raw")
    group.create_array("0", data=voxels, chunks=chunks, **settings)
    return store


def image_of(store, **keys):
    return open_image(image_config("brain", {"store": str(store), "field": "raw", **keys}))


def build(store, results, n_parts=1, **keys):
    """Build all levels as the workflow does, and return their records."""
    results = Path(results)
    results.mkdir(exist_ok=True)
    image = image_of(store, **keys)
    records = [seal_base(image)]
    for level in range(1, len(image.plan.levels)):
        cut = image.plan.cut(level)
        if cut.n_parts == 1:
            made = build_level(image, level, records[-1], n_workers=1, results=results)
        else:
            opening = open_level(image, level, records[-1], results=results)
            parts = [
                build_part(image, level, n + 1, records[-1], opening, n_workers=1, results=results)
                for n in range(cut.n_parts)
            ]
            made = gather_level(image, level, records[-1], parts, results=results)
        records.append(made)
    write_multiscales(image)
    return records


def objects(store, level):
    """Return the objects of a level, each with what tells whether it was written again."""
    folder = Path(store) / f"raw/{level}"
    return {
        str(path.relative_to(folder)): path.stat().st_ino
        for path in folder.rglob("*")
        if path.is_file() and path.name != "zarr.json" and not path.name.startswith(".z")
    }


def bytes_of(store):
    return {
        str(path.relative_to(store)): path.read_bytes()
        for path in Path(store).rglob("*")
        if path.is_file()
    }


def change(store, *places):
    base = zarr.open_array(Path(store) / "raw/0")
    for place in places:
        value = base[place]
        base[place] = ~value if base.dtype.kind in "uib" else value + 1


def check_as_anew(store, records, tmp_path, **keys):
    """Hold a pyramid against one that is built in a copy of level 0, to the byte."""
    copy = tmp_path / f"anew-{time.monotonic_ns()}.zarr"
    shutil.copytree(store, copy)
    for level in range(1, len(records)):
        shutil.rmtree(copy / f"raw/{level}")
    assert build_pyramid(copy, "raw", progress=False, **keys)[1:] == records[1:]
    mine, anew = bytes_of(store), bytes_of(copy)
    assert mine == anew


FORMS = {
    "plain": ({}, {}),
    "v2": ({"zarr_format": 2}, {}),
    "shards": ({"shards": (16, 16, 16)}, {}),
    "across": ({}, {"chunks": [5, 6, 7], "scale_factors": 3}),
    "across in shards": ({"shards": (16, 16, 16)}, {"chunks": [3, 4, 5], "shards": [6, 8, 10]}),
    "through zarr-python": ({"zarr_format": 2, "filters": [numcodecs.Delta("u2")]}, {}),
    "left out": ({}, {"write_empty_chunks": False}),
    "parts": ({}, {"part_size": 9000}),
    "factors": ({}, {"scale_factors": [[1, 2, 3], [3, 1, 2]]}),
}


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


@pytest.mark.parametrize("dtype", [*DTYPES, "complex64", "complex128"])
def test_statistics_of_every_dtype_come_out_of_the_ledger(tmp_path, dtype):
    shards = {"shards": (16, 16)} if dtype in ("float64", "complex128", "uint64") else {}
    store = make(tmp_path / "brain.zarr", dtype, (37, 29), (8, 8), **shards)
    build(store, tmp_path / "results")
    change(store, (0, 0))
    check_as_anew(store, build(store, tmp_path / "results"), tmp_path)


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


def test_a_level_made_without_a_ledger_is_not_taken_for_the_one_before(tmp_path):
    """The ledger of level 1 is of other voxels then than level 1 holds."""
    store, results = make(tmp_path / "brain.zarr"), tmp_path / "results"
    build(store, results, levels=2)
    change(store, (0, 0, 0))
    build_pyramid(store, "raw", levels=1, progress=False)
    records = build(store, results, levels=2)
    check_as_anew(store, records, tmp_path, levels=2)


def test_a_ledger_that_the_level_before_contradicts_costs_a_build(tmp_path, caplog, monkeypatch):
    store, results = make(tmp_path / "brain.zarr"), tmp_path / "results"
    build(store, results, levels=2)
    change(store, (0, 0, 0))
    # As if two source objects had one digest: what was made of the old one is kept.
    monkeypatch.setattr(resumption, "source_digest", lambda parts: bytes(16))
    build(store, results, levels=1)
    shutil.rmtree(results)
    for path in (store / "raw/1").rglob("*"):
        if path.name == "zarr.json":
            path.unlink()
    build(store, results, levels=2)
    change(store, (39, 0, 0))
    image = image_of(store, levels=2)
    base = seal_base(image)
    monkeypatch.undo()
    first = build_level(image, 1, base, n_workers=1, results=results)
    monkeypatch.setattr(resumption, "source_digest", lambda parts: bytes(16))
    second = build_level(image, 2, first, n_workers=1, results=results)
    assert "its ledger contradicts the level before; all is made" in caplog.text
    write_multiscales(image)
    check_as_anew(store, [base, first, second], tmp_path, levels=2)


def test_another_recipe_keeps_nothing(tmp_path):
    store, results = make(tmp_path / "brain.zarr"), tmp_path / "results"
    build(store, results, levels=2)
    for keys in ({"method": "max"}, {"chunks": [4, 4, 4]}, {}, {"compressor": "none"}):
        records = build(store, results, levels=2, **keys)
        check_as_anew(store, records, tmp_path, levels=2, **keys)


def small(tmp_path):
    store = make(tmp_path / "brain.zarr", "uint8", (16, 16), (4, 4))
    build(store, tmp_path / "results", levels=2)
    change(store, (0, 0))
    return store, tmp_path / "results", tmp_path / "results/levels/1.ledger"


def spoil_each(tmp_path, spoiled):
    store, results, path = small(tmp_path)
    whole = path.read_bytes()
    kept = tmp_path / "kept"
    shutil.copytree(store, kept)
    expected = build(store, results, levels=2)
    for data in spoiled(whole):
        # Objects are new ones after a copy: so they must be noted as they are now.
        change(store, (0, 0))
        build(store, results, levels=2)
        change(store, (0, 0))
        fresh = path.read_bytes()
        path.write_bytes(data(fresh))
        assert build(store, results, levels=2) == expected


def test_a_ledger_truncated_at_any_byte(tmp_path):
    spoil_each(
        tmp_path,
        lambda whole: [lambda data, n=n: data[:n] for n in range(len(whole))],
    )


def test_a_ledger_with_any_byte_flipped(tmp_path):
    def flipped(data, n, bit):
        return data[:n] + bytes([data[n] ^ bit]) + data[n + 1 :]

    spoil_each(
        tmp_path,
        lambda whole: [
            lambda data, n=n: flipped(data, n, 1 << (n % 8)) for n in range(len(whole))
        ],
    )
