"""What a killed run leaves: `status`, `verify` and `info` name one way out, and it leads out."""

from __future__ import annotations

import json
import re
import shlex
import shutil

import numpy as np
import pytest
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.cli import main

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
    "a lost object": ((lost_chunk,), "level 1 lacks 1 stored objects", 1, "repair"),
    "never built": ((without(1, 2), listing(None)), "no level stands beside level 0; ", 2, "build"),
}


def commands(text):
    """Return the ways out of a text: what is to be repaired, or built."""
    repairs = re.findall(r"zarrpyramid verify (\S+) --repair(?: |$)", text, re.MULTILINE)
    builds = re.findall(r"snakemake --cores all --config (store=.+?)(?:; |$)", text, re.MULTILINE)
    return {("repair", path) for path in repairs} | {("build", words) for words in builds}


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("harms", "said", "code", "way_out"), STATES.values(), ids=STATES)
def test_one_way_out(tmp_path, capsys, monkeypatch, harms, said, code, way_out):
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

    for kind, words in meant:
        copy = shutil.copytree(path, tmp_path / f"{kind}.zarr")
        if kind == "build":
            from snakemake.cli import parse_config

            given = parse_config(shlex.split(words))
            assert given.pop("store") == str(path)
            build_pyramid(copy, **given, **SETTINGS)
        else:
            assert words == str(path)
            main(["verify", str(copy), "--repair"])
        assert main(["status", str(copy)]) == 0
        assert main(["verify", str(copy)]) == 0
        capsys.readouterr()
        n_levels = len(list(copy.glob("*/zarr.json")))
        assert n_levels == 3 or (way_out, kind) == ("build", "repair")
