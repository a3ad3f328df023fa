"""The Python API: arguments in any form, what is there, and its removal."""

from __future__ import annotations

import re
import shutil
from types import MappingProxyType

import numpy as np
import pytest
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.cli.program import main
from zarrpyramid.downsample.pyramid import clean, plain
from zarrpyramid.errors import ArgumentError, ConfigError, GeometryError, PyramidError, StoreError

VOXELS = (np.indices((9, 11, 7)).sum(0) * 37 % 251).astype("uint8")


@pytest.fixture
def store(tmp_path):
    group = zarr.create_group(tmp_path / "brain.zarr").create_group("raw")
    group.create_array("0", data=VOXELS, chunks=(4, 4, 4))
    return tmp_path / "brain.zarr"


def shapes(store):
    group = zarr.open_group(store / "raw")
    return [group[name].shape for name in sorted(group.array_keys())]


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, [(9, 11, 7)]),  # auto: small enough
        ({"levels": 2}, [(9, 11, 7), (5, 6, 4), (3, 3, 2)]),
        ({"levels": 1}, [(9, 11, 7), (5, 6, 4)]),
        ({"levels": np.int64(1)}, [(9, 11, 7), (5, 6, 4)]),
        ({"levels": 1, "scale_factors": (1, 2, 3)}, [(9, 11, 7), (9, 6, 3)]),
        ({"levels": 1, "scale_factors": np.array([1, 2, 3])}, [(9, 11, 7), (9, 6, 3)]),
        ({"levels": 1, "scale_factors": {"y": np.int8(2)}}, [(9, 11, 7), (9, 6, 7)]),
        (
            {"levels": 1, "scale_factors": {"c": 2}, "axes": ("c", "y", "x")},
            [(9, 11, 7), (5, 11, 7)],
        ),
    ],
)
def test_arguments_in_any_form(store, keys, expected):
    records = build_pyramid(store, "raw", **keys)
    assert shapes(store) == expected
    assert [tuple(record["shape"]) for record in records] == expected


def test_an_array_in_the_place_of_a_store(tmp_path, monkeypatch):
    """The message says how it is written and built, and that works."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        PyramidError, match=r"found a numpy\.ndarray; .* and give 'NEW\.zarr'"
    ) as told:
        build_pyramid(VOXELS)
    assert isinstance(told.value, TypeError)
    assert list(tmp_path.iterdir()) == []
    way = re.search(r"as in (.*), and give", str(told.value))[1]
    eval(way, {"zarr": zarr, "array": VOXELS, "CHUNKS": (4, 4, 4)})
    assert len(build_pyramid("NEW.zarr", levels=1)) == 2
    with pytest.raises(PyramidError, match=r"found a zarr.*Array; give the group that") as told:
        build_pyramid(zarr.open("NEW.zarr/0"))
    way = str(told.value).partition("new store: ")[2].replace("NEW", "OWN")
    assert len(eval(way, {"build_pyramid": build_pyramid, "PATH": "NEW.zarr/0"})) == 1
    # The same way out is that of the array's path.
    with pytest.raises(PyramidError, match=r"mine\.zarr is itself an array") as told:
        build_pyramid(shutil.copytree("NEW.zarr/0", "mine.zarr"))
    way = str(told.value).partition("in Python ")[2].replace("NEW", "THIRD")
    assert len(eval(way, {"build_pyramid": build_pyramid})) == 1


@pytest.mark.parametrize(
    ("keys", "error", "message"),
    [
        ({"levels": 0}, ConfigError, "levels: expected auto or an integer >= 1, found 0"),
        ({"levels": 9}, GeometryError, "would equal level"),
        (
            {"scale_factors": 2.0},
            ConfigError,
            "scale_factors: expected auto, isotropic, an integer >= 1",
        ),
        ({"method": "medium"}, ConfigError, "method: expected auto, mean, .* found 'medium'"),
        ({"chunks": [4]}, ConfigError, r"chunks \[4\] has 1 entries"),
        ({"notes": 3}, ArgumentError, "notes is 3, expected a folder's path; give notes='results'"),
        ({"voxel_size": {"x": -1}}, ConfigError, "voxel_size.x: expected a number > 0"),
        ({"field": "rwa"}, StoreError, "fields of .*: 'raw'"),
    ],
)
def test_arguments_that_do_not_fit(store, keys, error, message):
    before = sorted(store.rglob("*"))
    with pytest.raises(error, match=message) as raised:
        build_pyramid(store, **{"field": "raw", **keys})
    assert "\n" not in str(raised.value)
    assert sorted(store.rglob("*")) == before


def test_plain_values():
    given = {"a": np.arange(2), "b": (1, np.float64(2)), "c": None, "d": {"e": np.bool_(True)}}
    assert plain(given) == {"a": [0, 1], "b": [1, 2.0], "d": {"e": True}}
    assert plain(MappingProxyType({"a": 1})) == {"a": 1}


def test_clean_removes_our_levels_alone(store):
    build_pyramid(store, "raw", levels=2)
    group = zarr.open_group(store / "raw")
    group.create_array("3", data=VOXELS)
    assert clean(str(store / "raw")) == [1, 2]
    assert sorted(group.array_keys()) == ["0", "3"]
    (listed,) = zarr.open_group(store / "raw").attrs["ome"]["multiscales"]
    assert [item["path"] for item in listed["datasets"]] == ["0"]
    assert (group["0"][...] == VOXELS).all()
    assert not (store / "raw" / "1").exists()
    assert clean(str(store / "raw")) == []


@pytest.mark.parametrize("progress", [True, False, None])
def test_the_bar_counts_voxels(store, capsys, progress):
    build_pyramid(store, "raw", levels=1, progress=progress)
    text = capsys.readouterr().err
    if progress:
        assert "level 1: 100%" in text
        assert "693/693" in text.replace(".0", "")
    else:
        assert text == ""


@pytest.mark.sampled(4)
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("axes", ["tx", "cx", "tcx", "x", "t"])
def test_what_ome_ngff_cannot_list_is_complete_after_its_build(tmp_path, axes, zarr_format, capsys):
    """Nothing but the levels themselves can say which axes they have."""
    voxels = np.arange(24 ** len(axes)).reshape((24,) * len(axes)).astype("uint16")
    group = zarr.create_group(tmp_path / "a.zarr", zarr_format=zarr_format)
    group.create_array("0", data=voxels, chunks=(6,) * len(axes))
    settings = {"levels": 1, "axes": list(axes), "scale_factors": {axes[-1]: 2}}
    build_pyramid(tmp_path / "a.zarr", **settings)
    assert main(["status", str(tmp_path / "a.zarr")]) == 0
    assert main(["verify", str(tmp_path / "a.zarr")]) == 0
    told = capsys.readouterr()
    assert "not listed" not in told.err
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "a.zarr/1").rglob("*")}
    build_pyramid(tmp_path / "a.zarr", **settings)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "a.zarr/1").rglob("*")} == times
