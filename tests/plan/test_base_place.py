"""Level 0 elsewhere than at `0`: what is said of it, the ways out, and what works afterwards."""

from __future__ import annotations

import re
import shlex
import subprocess

import numpy as np
import pytest
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.cli.program import main
from zarrpyramid.config import image_config
from zarrpyramid.downsample.base import seal_base
from zarrpyramid.downsample.level import build_level
from zarrpyramid.errors import ConfigError, PyramidError
from zarrpyramid.plan.image import open_image

VOXELS = (np.indices((40, 36)).sum(0) * 7 % 251).astype("uint8")
LADDER = {"s0": VOXELS, "s1": VOXELS[::2, ::2], "s2": VOXELS[::4, ::4]}


def make(path, arrays, **keys):
    group = zarr.create_group(path, **keys)
    for name, voxels in arrays.items():
        group.create_array(name, data=voxels, chunks=(8,) * voxels.ndim)
    return path


def tree(path):
    return {item: item.stat().st_mtime_ns for item in path.rglob("*") if item.is_file()}


CASES = [
    ({"s0": VOXELS}, 3, r"its one array is s0: give base_path: s0, or rename it: mv", "s1"),
    ({"s0": VOXELS}, 2, r"its one array is s0: give base_path: s0, or rename it: mv", "s1"),
    ({"full": VOXELS}, 3, r"array is full: give base_path: full, or rename it: mv", "1"),
    ({"s0": VOXELS[0]}, 3, r"its one array is s0: give base_path: s0, or", "s1"),
    (LADDER, 3, r"largest .* is s0: .* and overwrite: true \(s1, s2 are made anew\), or", "s1"),
    ({"a": VOXELS, "b": VOXELS}, 3, r"arrays a, b are equally large: .* base_path: a$", "1"),
    ({"a": VOXELS, "z": VOXELS[:0]}, 2, r"its one array is a: give base_path: a, or", "1"),
]


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("arrays", "zarr_format", "message", "level_1"), CASES, ids=["-".join(row[0]) for row in CASES]
)
def test_an_array_with_another_name_becomes_level_0(
    tmp_path, arrays, zarr_format, message, level_1
):
    store = make(tmp_path / "a b.zarr", arrays, zarr_format=zarr_format)
    before = tree(tmp_path)
    with pytest.raises(PyramidError, match=message) as told:
        build_pyramid(store)
    text = str(told.value)
    assert tree(tmp_path) == before
    assert main(["plan", str(store)]) != 0
    assert main(["status", str(store)]) != 0

    base = re.search(r"base_path: (\w+)", text)[1]
    keys = {"overwrite": "overwrite" in text, "levels": 1}
    records = build_pyramid(store, base_path=base, **keys)
    group = zarr.open_group(store)
    assert records[1]["shape"] == list(group[level_1].shape)
    assert np.array_equal(group[base], arrays[base])
    # From here on, no command needs the key.
    if arrays[base].ndim == 2:
        ome = group.attrs.get("ome", group.attrs)
        listed = [dataset["path"] for dataset in ome["multiscales"][0]["datasets"]]
        assert listed == [base, level_1]
        assert "zarrpyramid_base_path" not in group.attrs
        for command in ("plan", "status", "verify", "reproduce"):
            assert main([command, str(store)]) == 0, command
        assert main(["lint", str(store)]) in (0, 1)
    assert build_pyramid(store, **keys) == records
    assert main(["clean", str(store)]) == 0
    assert level_1 not in group
    assert main(["clean", str(store)]) == 0
    assert build_pyramid(store, base_path=base, **keys) == records

    if " mv " in text:
        other = make(tmp_path / "other.zarr", arrays)
        move = re.search(r"mv .*", text)[0].replace(str(store), str(other))
        subprocess.run(shlex.split(move), check=True)
        assert build_pyramid(other, levels=1)[1]["digest"] == records[1]["digest"]


def test_an_interrupted_run_is_known_to_every_command(tmp_path, capsys):
    store = make(tmp_path / "a.zarr", {"s0": VOXELS, "mask": VOXELS})
    config = image_config("a", {"store": str(store), "base_path": "s0", "levels": 2})
    image = open_image(config)
    build_level(image, 1, seal_base(image), n_workers=1)
    capsys.readouterr()
    assert main(["status", str(store)]) == 1
    assert "the group lists no levels" in capsys.readouterr().err
    assert main(["clean", str(store)]) == 0
    assert capsys.readouterr().out.startswith("removed levels: 1")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"base_path": "s1"}, r"no array s1 .*, which base_path names; its arrays are s0$"),
        ({"base_path": "s0", "source": "t"}, r"source has level 0 made as the array 0; keep one"),
        ({"base_path": "../s0"}, r"base_path '\.\./s0' must be a path inside the store, such as"),
    ],
)
def test_a_base_path_that_does_not_fit(tmp_path, keys, message):
    store = make(tmp_path / "a.zarr", {"s0": VOXELS})
    with pytest.raises(PyramidError, match=message):
        build_pyramid(store, **keys)


def test_a_group_that_lists_another_level_0(tmp_path):
    store = make(tmp_path / "a.zarr", {"0": VOXELS, "s0": VOXELS})
    build_pyramid(store, levels=1)
    with pytest.raises(ConfigError, match=r"base_path is s0, but .* lists 0 as level 0; leave"):
        build_pyramid(store, base_path="s0")


def test_a_folder_of_arrays_becomes_a_group(tmp_path):
    store = make(tmp_path / "a.zarr", {"0": VOXELS}, zarr_format=2)
    (store / ".zgroup").unlink()
    with pytest.raises(PyramidError, match=r"holds 0 but is no zarr group; make it one: ") as told:
        build_pyramid(store)
    way = shlex.split(re.search(r"python -c .*", str(told.value))[0])
    exec(way[2], {})
    assert len(build_pyramid(store, levels=1)) == 2


def test_the_root_of_bioformats2raw(tmp_path):
    make(tmp_path / "a.zarr", {})
    make(tmp_path / "a.zarr/0", {"0": VOXELS})
    with pytest.raises(PyramidError, match=r"0 is a group, .* have one: '0'; give one as field$"):
        build_pyramid(tmp_path / "a.zarr")
    assert len(build_pyramid(tmp_path / "a.zarr", "0", levels=1)) == 2


def test_a_source_with_another_name(tmp_path):
    source = make(tmp_path / "a.zarr", {"s0": VOXELS})
    with pytest.raises(PyramidError, match=r"has no array 0 .* an array, such as .*/s0$") as told:
        build_pyramid(tmp_path / "b.zarr", source=source)
    way = re.search(r"such as (.*)", str(told.value))[1]
    assert len(build_pyramid(tmp_path / "b.zarr", source=way, levels=1)) == 2


@pytest.mark.parametrize("command", ["status", "verify", "reproduce"])
def test_commands_that_look_name_the_build(tmp_path, capsys, command):
    store = make(tmp_path / "a.zarr", {"s0": VOXELS})
    assert main([command, str(store)]) == 2
    told = capsys.readouterr().err
    assert "its one array is s0: build its pyramid first: " in told
    built = shlex.split(told.partition("first: ")[2])
    assert main(built[built.index("zarrpyramid") + 1 :]) == 0
    assert main(["status", str(store)]) == 0


def test_a_command_that_changes_names_the_way_out_too(tmp_path, capsys):
    store = make(tmp_path / "a.zarr", {"s0": VOXELS})
    assert main(["clean", str(store)]) == 2
    told = capsys.readouterr().err
    assert "its one array is s0: give base_path: s0" in told
    moved = shlex.split(told.partition("or rename it: ")[2])
    assert moved[0] == "mv"
    subprocess.run(moved, check=True)
    assert main(["status", str(store)]) == 1  # no level yet
