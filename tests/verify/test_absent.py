"""What is not there: `status`, `verify` and `info` name one way out, and it leads out."""

from __future__ import annotations

import json
import re
import shlex
import shutil

import numpy as np
import pytest
import zarr

from zarrpyramid import build_pyramid, open_pyramid
from zarrpyramid.cli import main
from zarrpyramid.errors import PyramidError

VOXELS = np.random.default_rng(0).integers(0, 99, (16, 16, 16)).astype("uint8")
SETTINGS = {"levels": 2, "voxel_size": [1, 2, 3], "progress": False}
NO_LIST = "the group lists no levels, so that no OME-Zarr viewer finds them"
DIED = "objects and no array: a run died while it made it"


def killed_in(level):
    """Leave half of a level's objects and no document of it, and nothing of those after it."""

    def harm(path):
        for later in range(level + 1, 3):
            shutil.rmtree(path / str(later))
        (path / str(level) / "zarr.json").unlink()
        objects = sorted(file for file in (path / str(level)).rglob("*") if file.is_file())
        for file in objects[len(objects) // 2 :]:
            file.unlink()

    return harm


def without(*levels):
    return lambda path: [shutil.rmtree(path / str(level)) for level in levels]


def listing(n_levels):
    """Have the group list the first levels alone, as a run does before it makes others again."""

    def harm(path):
        document = json.loads((path / "zarr.json").read_text())
        if n_levels is None:
            document["attributes"] = {}
        else:
            del document["attributes"]["ome"]["multiscales"][0]["datasets"][n_levels:]
        (path / "zarr.json").write_text(json.dumps(document))

    return harm


def lost_chunk(path):
    (path / "1/c/0/0/0").unlink()


def lost_record(*levels):
    """Have levels lose the records that they carry."""

    def harm(path):
        for level in levels:
            document = json.loads((path / f"{level}/zarr.json").read_text())
            document["attributes"] = {}
            (path / f"{level}/zarr.json").write_text(json.dumps(document))

    return harm


def folder_for_chunk(path):
    lost_chunk(path)
    (path / "1/c/0/0/0").mkdir()


# What was done to a pyramid, what is said first, the exit code of verify, and the way out.
STATES = {
    "first run, in level 1": ((killed_in(1), listing(None)), DIED, 2, "build"),
    "first run, in level 2": ((killed_in(2), listing(None)), NO_LIST, 1, "build"),
    "first run, before level 2": ((without(2), listing(None)), NO_LIST, 1, "build"),
    "first run, before the list": ((listing(None),), NO_LIST, 1, "build"),
    "later run, in level 1": ((killed_in(1), listing(1)), DIED, 2, "build"),
    "later run, in level 2": ((killed_in(2), listing(2)), "2: level 2 of 2 is not", 1, "build"),
    "later run, before level 1": (
        (without(1, 2), listing(1)),
        "no level stands beside",
        2,
        "build",
    ),
    "later run, before level 2": ((without(2), listing(2)), "2: level 2 of 2 is not", 1, "build"),
    "later run, before the list": ((listing(2),), "2: is there and not listed", 1, "repair"),
    "removed": ((without(2),), "2: is listed, but there is no array", 1, "repair"),
    "removed and halved": ((killed_in(2),), "2: is listed, but there is no array", 1, "repair"),
    "a lost object": ((lost_chunk,), "level 1 lacks 1 stored object", 1, "repair"),
    "a folder for an object": ((folder_for_chunk,), "level 1 lacks 1 stored", 1, "repair"),
    "a lost record": ((lost_record(1),), "1: is listed as made here, and has no", 1, "repair"),
    "the last record lost": ((lost_record(2),), "2: is listed as made here", 1, "repair"),
    "all records lost": ((lost_record(1, 2),), "1: is listed as made here", 1, "repair"),
    "never built": ((without(1, 2), listing(None)), "no level stands beside level 0; ", 2, "build"),
}


def commands(text):
    """Return the ways out of a text: what is to be repaired, or built."""
    repairs = re.findall(r"zarrpyramid verify (\S+) --repair(?: |$)", text, re.MULTILINE)
    builds = re.findall(r"snakemake --cores all --config (store=.+?)(?:; |$)", text, re.MULTILINE)
    return {("repair", path) for path in repairs} | {("build", words) for words in builds}


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("harms", "said", "code", "way_out"), STATES.values(), ids=STATES)
def test_one_way_out(tmp_path, capsys, monkeypatch, request, harms, said, code, way_out):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.zarr"
    zarr.create_group(path).create_array("0", data=VOXELS, chunks=(4, 4, 4))
    build_pyramid(path, **SETTINGS)
    for harm in harms:
        harm(path)

    told = {}
    for command, expected in (("status", 1), ("verify", code), ("info", 0)):
        assert main([command, str(path)]) == expected
        told[command] = "\n".join(capsys.readouterr())
    first = next(line for line in told["status"].splitlines() if line.startswith("zarrpyramid: "))
    fault = first.removeprefix("zarrpyramid: ")
    assert said in fault
    assert f"NOT COMPLETE: {fault}" in told["info"]
    meant = commands(fault)
    assert next(iter(meant - {("repair", str(path))} or meant))[0] == way_out
    assert commands(told["status"]) == commands(told["verify"])
    assert commands(told["info"]) <= commands(told["status"])

    is_told = not request.node.callspec.id.startswith("first run")  # how many levels it is to have
    for kind, words in meant:
        copy = shutil.copytree(path, tmp_path / f"{kind}.zarr")
        if kind == "build":
            from snakemake.cli import parse_config

            given = parse_config(shlex.split(words))
            assert given.pop("store") == str(path)
            build_pyramid(copy, **{**SETTINGS, **given})
        else:
            assert words == str(path)
            main(["verify", str(copy), "--repair"])
        assert main(["status", str(copy)]) == 0
        assert main(["verify", str(copy)]) == 0
        capsys.readouterr()
        n_levels = len(list(copy.glob("*/zarr.json")))
        assert n_levels == 3 or (way_out, kind) == ("build", "repair") or not is_told


# Settings of a build, and the words by which a command goes on with them.
SETTINGS_TOLD = {
    "number": ({}, "levels=2"),
    "method": ({"method": "max"}, "levels=2 method=max"),
    "factors": ({"scale_factors": [1, 2, 2]}, "levels=2 'scale_factors=[1,2,2]'"),
    "factors of each": (
        {"scale_factors": [[1, 2, 2], [2, 2, 2]]},
        "levels=2 'scale_factors=[[1,2,2],[2,2,2]]'",
    ),
    "voxel size": ({"voxel_size": [4, 1, 1], "unit": "micrometer"}, "levels=2"),
    "nodata": ({"nodata": 0, "nodata_share": 1}, "levels=2 nodata_share=1.0 nodata=0"),
    "rounding": ({"rounding": "once"}, "levels=2 rounding=once"),
    "dtype": ({"method": "sum", "dtype": "uint32"}, "levels=2 method=sum dtype=uint32"),
    "chunks": ({"chunks": [8, 8, 8]}, "levels=2 'chunks=[8,8,8]'"),
    "shards": ({"shards": [4, 4, 4]}, "levels=2 'shards=[4,4,4]'"),
    "codec": (
        {"compressor": "gzip:3", "checksum": True},
        "levels=2 compressor=gzip:3 checksum=true",
    ),
    "empty": ({"write_empty_chunks": False}, "levels=2 write_empty_chunks=false"),
}


def files_of(path):
    found = (file for file in sorted(path.rglob("*")) if file.is_file())
    return {str(file.relative_to(path)): file.read_bytes() for file in found}


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("settings", "words"), SETTINGS_TOLD.values(), ids=SETTINGS_TOLD)
def test_a_build_that_failed_goes_on_as_it_was(tmp_path, capsys, monkeypatch, settings, words):
    monkeypatch.chdir(tmp_path)
    store, field = tmp_path / "a.zarr", "raw"
    group = zarr.create_group(store).create_group(field)
    names = ("z", "y", "x")
    group.create_array("0", data=VOXELS, chunks=(4, 4, 4), dimension_names=names)
    given = {"levels": 2, "progress": False, **settings}
    build_pyramid(store, field, **given)
    before = files_of(store)

    chunk = store / field / "0/c/0/0/0"
    chunk.write_bytes(chunk.read_bytes()[:-1])
    with pytest.raises(PyramidError):
        build_pyramid(store, field, **given)
    chunk.write_bytes(before[f"{field}/0/c/0/0/0"])

    assert main(["status", str(store / field)]) == 1
    told = re.findall(r"snakemake --cores all --config (.+)", capsys.readouterr().err)
    assert set(told) == {f"store={store} field={field} {words}"}
    mended = shutil.copytree(store, tmp_path / "mended/a.zarr")
    assert main(["verify", str(mended / field), "--repair", "-q"]) == 0  # as told of level 2
    assert files_of(mended) == before
    from snakemake.cli import parse_config

    build_pyramid(**parse_config(shlex.split(told[0])), progress=False)
    assert main(["status", str(store / field), "-q"]) == 0
    assert files_of(store) == before


def test_a_run_of_fewer_levels_removes_what_a_killed_one_left(tmp_path):
    path = tmp_path / "a.zarr"
    zarr.create_group(path).create_array("0", data=VOXELS, chunks=(4, 4, 4))
    build_pyramid(path, **SETTINGS)
    (path / "1/zarr.json").unlink()
    build_pyramid(path, progress=False)  # which needs no other level
    assert [place.name for place in path.iterdir() if place.is_dir()] == ["0"]
    assert main(["status", str(path)]) == 0


def test_a_level_that_is_a_link_is_put_back_by_the_words(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.zarr"
    zarr.create_group(path).create_array("0", data=VOXELS, chunks=(4, 4, 4))
    build_pyramid(path, **SETTINGS)
    before = files_of(path)
    (path / "2").rename(tmp_path / "elsewhere")
    (path / "2").symlink_to(tmp_path / "elsewhere")
    for command in ("status", "info", "verify"):
        assert main([command, str(path)]) == 2  # which is no verdict
        told = "\n".join(capsys.readouterr())
        assert "only followed with follow_links: true, by verify with --follow-links" in told
    assert "remove the link, or put the level itself there, and build the levels again" in told
    assert commands(told) == {("repair", str(path))}
    assert main(["verify", str(path), "--follow-links"]) == 0
    (path / "2").unlink()
    assert main(["verify", str(path), "--repair"]) == 0
    assert files_of(path) == before


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("is_named", [True, False])
def test_axes_that_no_run_takes_are_told_with_the_command_that_does(
    tmp_path, capsys, monkeypatch, zarr_format, is_named
):
    monkeypatch.chdir(tmp_path)
    path, voxels = tmp_path / "rgb.zarr", np.zeros((64, 80, 3), "uint8")
    group = zarr.create_group(path, zarr_format=zarr_format)
    more = {"dimension_names": ("y", "x", "c")} if is_named and zarr_format == 3 else {}
    array = group.create_array("0", data=voxels, chunks=(64, 80, 3), **more)
    if is_named and zarr_format == 2:
        array.attrs["_ARRAY_DIMENSIONS"] = ["y", "x", "c"]
    for command, code in (("status", 1), ("verify", 2), ("info", 0)):
        assert main([command, str(path)]) == code
        told = "\n".join(capsys.readouterr())
        assert "snakemake" not in told
        (words,) = set(
            re.findall(r"zarrpyramid (build NEW\.zarr [^;]+?)(?:$|;)", told, re.MULTILINE)
        )
        assert main([*shlex.split(words), "--set", "levels=1", "-q"]) == 0
        assert main(["status", "NEW.zarr", "-q"]) == 0
        shutil.rmtree("NEW.zarr")


def test_a_store_in_memory_is_built_from_python():
    group = zarr.create_group({})
    group.create_array("0", data=VOXELS, chunks=(4, 4, 4))
    assert "; build it with build_pyramid, with" in open_pyramid(group).verify().verdict
    build_pyramid(group, levels=1, progress=False)
    assert open_pyramid(group).verify().is_sound
