"""Wrong arguments are refused in one line, which names one that is right and works."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import zarr

from zarrpyramid import build_pyramid, open_pyramid
from zarrpyramid.errors import NoLevelError, PyramidError


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("arguments") / "a.zarr"
    group = zarr.create_group(path).create_group("raw")
    group.create_array("0", data=np.ones((24, 16), "uint8"), chunks=(8, 8))
    build_pyramid(path, "raw", levels=1)
    return path


CALLS = {
    "n_workers": (
        lambda store, given: build_pyramid(store, "raw", levels=1, n_workers=given),
        ("x", 1.5, 0, -3, True, [2]),
    ),
    "field": (lambda store, given: open_pyramid(store, given), (5, ["raw"], 1.5, b"raw")),
    "field of a build": (
        lambda store, given: build_pyramid(store, given, levels=1),
        (5, ["raw"], b"raw"),
    ),
    "sample": (
        lambda store, given: open_pyramid(store, "raw").verify(sample=given),
        (-1, "x", 1.5, True),
    ),
    "seed": (
        lambda store, given: open_pyramid(store, "raw").verify(seed=given),
        ("x", 1.5, -1, False),
    ),
    "side": (
        lambda store, given: open_pyramid(store, "raw").thumbnail(given),
        (1.5, "x", 0, -2, None, True),
    ),
    "chunks": (
        lambda store, given: open_pyramid(store, "raw").dask(0, chunks=given),
        ((0, 0), (0, 0, 0), (5,), "x", 0, 1.5, (1.5, 2)),
    ),
    "path": (
        lambda store, given: open_pyramid(store, "raw").report(given),
        ("", ".", 5, None, "STORE", "STORE/raw/0", "STORE/r.html", "STORE/raw/0/c/r.html"),
    ),
}
ROWS = [(name, given) for name, (_, wrong) in CALLS.items() for given in wrong]


@pytest.mark.parametrize(("name", "given"), ROWS)
def test_a_wrong_argument_is_refused_with_one_that_works(store, tmp_path, monkeypatch, name, given):
    monkeypatch.chdir(tmp_path)
    call, word = CALLS[name][0], name.partition(" ")[0]
    given = given.replace("STORE", str(store)) if isinstance(given, str) else given
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    with pytest.raises(PyramidError, match=rf"^{word} is .*; give {word}=") as refused:
        call(store, given)
    assert isinstance(refused.value, TypeError)
    assert "\n" not in str(refused.value)
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == before
    right = re.search(rf"give {word}=('[^']*'|\([^)]*\)|\d+)", str(refused.value))[1]
    call(store, eval(right))


@pytest.mark.parametrize("number", [7, -9, "x", 1.5, None])
def test_a_level_that_is_not_there(store, number):
    pyramid = open_pyramid(store, "raw")
    for call in (lambda: pyramid.levels[number], lambda: pyramid.dask(number)):
        with pytest.raises(NoLevelError, match=r"no level .*; give one of 0 to 1"):
            call()
    assert pyramid.levels[-1].number == 1
    assert [level.number for level in pyramid.levels[:1]] == [0]


def test_right_arguments_of_numpy(store, tmp_path):
    pyramid = build_pyramid(store, "raw", levels=1, n_workers=np.int64(2))
    assert pyramid.verify(sample=np.uint8(1), seed=np.int32(3)).is_sound
    assert pyramid.thumbnail(np.int16(64)) is not None
    assert pyramid.dask(np.int8(1), chunks=(np.int64(4), 4)).chunksize == (4, 4)
    assert pyramid.report(Path(tmp_path / "r.html")).exists()
