"""`--json`: one object, with the keys that the reference lists, and nothing that is no JSON."""

import json
import shutil

import numpy as np
import pytest
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.cli import main
from zarrpyramid.cli.program import make_parser

COMMANDS = make_parser().commands
ANSWERING = [name for name, command in COMMANDS.items() if command.keys]
SPELLED_OUT = {"digest": "digest {0}/0 {0}/1", "unpack": "unpack {0}.ozx {0}.copy"}
SPELLED_OUT["thumbnail"] = "thumbnail {0} --output {0}.png"
SPELLED_OUT["build"] = "build {0} --set levels=1"  # else it says that it removes level 1


def refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An image with what JSON has no numbers for."""
    voxels = np.random.default_rng(0).random((24, 20)).astype("float32")
    voxels[:3, :3] = np.nan
    voxels[9, 9] = np.inf
    store = tmp_path_factory.mktemp("made") / "a.zarr"
    zarr.create_group(store).create_array("0", data=voxels, chunks=(8, 8), dimension_names="yx")
    build_pyramid(store, levels=1, progress=False)
    assert main(["pack", str(store), f"{store}.ozx", "-q"]) == 0
    return store


@pytest.fixture
def image(made, tmp_path):
    shutil.copy2(f"{made}.ozx", tmp_path)
    return shutil.copytree(made, tmp_path / "a.zarr")


@pytest.mark.parametrize("name", ANSWERING)
def test_keys(image, name, capsys):
    words = SPELLED_OUT.get(name, f"{name} {{0}}").format(image).split()
    main([*words, "--json"])
    told = capsys.readouterr()
    found = json.loads(told.out, parse_constant=refuse)
    assert list(found) == list(COMMANDS[name].keys)
    assert found["command"] == name
    assert told.err == ""


@pytest.mark.parametrize("name", ANSWERING)
def test_quiet_says_the_same_by_its_exit_code(image, name, capsys):
    words = SPELLED_OUT.get(name, f"{name} {{0}}").format(image).split()
    if name in ("info", "reproduce"):  # whose exit code says nothing
        with pytest.raises(SystemExit):
            main([*words, "-q"])
        assert f"{name} does not know '-q'" in capsys.readouterr().err
        return
    code = main([*words, "-q"])
    assert capsys.readouterr() == ("", "")
    if name not in ("clean", "build", "pack", "unpack"):
        assert main(words) == code


def test_what_is_wrong_is_data(image, capsys):
    (image / "1/c/0/0").unlink()
    assert main(["status", str(image), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert "level 1 lacks 1 stored object" in found["faults"][0]
    assert [level["complete"] for level in found["levels"]] == [True, False]
    assert found["levels"][1]["objects_expected"] == 4
    assert main(["status", str(image), "-q"]) == 1
    assert capsys.readouterr() == ("", "")


def test_without_an_answer_there_is_no_json(tmp_path, capsys):
    for name in ("status", "info", "lint", "verify", "plan", "clean"):
        assert main([name, str(tmp_path / "absent.zarr"), "--json"]) == 2
        told = capsys.readouterr()
        assert told.out == ""
        assert len(told.err.splitlines()) == 1


def test_a_refused_plan_names_its_images(image, tmp_path, capsys):
    (tmp_path / "my.yaml").write_text(
        f"images:\n  a: {{store: {image}}}\n  b: {{store: {tmp_path}/absent.zarr}}\n"
    )
    assert main(["plan", "--configfile", str(tmp_path / "my.yaml"), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in found["images"]] == ["a"]
    assert list(found["refused"]) == ["b"]
    level = found["images"][0]["levels"][0]
    assert (level["shape"], level["chunks"], level["seconds"]) == ([24, 20], [8, 8], None)


@pytest.mark.slow
def test_a_plan_with_codecs(tmp_path, capsys):
    voxels = np.arange(66 * 64 * 64, dtype="uint16").reshape(66, 64, 64)
    zarr.create_group(tmp_path / "a.zarr").create_array("0", data=voxels, chunks=(33, 32, 32))
    assert main(["plan", str(tmp_path / "a.zarr"), "--codecs", "--json"]) == 0
    (image,) = json.loads(capsys.readouterr().out)["images"]
    best = [codec["compressor"] for codec in image["codecs"] if codec["recommended"]]
    assert len(best) == 1
    assert len(image["codecs"]) > 5
