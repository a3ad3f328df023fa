"""Messages name the reason that is there, and a way out that leads out."""

from __future__ import annotations

import json
import re
import shlex
import zipfile
from pathlib import Path

import numpy as np
import pytest
import zarr

from zarrpyramid import build_pyramid, open_pyramid
from zarrpyramid.cli.program import main
from zarrpyramid.errors import StoreError
from zarrpyramid.share import unpack

VOXELS = np.arange(16 * 16, dtype="uint16").reshape(16, 16)
DELTA = [{"name": "numcodecs.delta", "configuration": {"dtype": "uint16"}}]
pytestmark = pytest.mark.filterwarnings(
    "ignore:Numcodecs codecs are not in the Zarr version 3:UserWarning"
)


def make(path, **form):
    zarr.create_group(path).create_array(
        "0", data=VOXELS, chunks=(8, 8), dimension_names=["y", "x"], **form
    )
    return path


def archived(folder, file, *, without=()):
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(folder.rglob("*")):
            key = path.relative_to(folder).as_posix()
            if path.is_file() and key not in without:
                archive.write(path, key)
    return file


def cut(path):
    path.write_bytes(path.read_bytes()[:-4])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent.ozx", "there is no file .*absent.ozx; check the path"),
        ("absent.txt", "there is no file .*absent.txt; check the path"),
        ("notes.txt", r"is no file that ends with \.ozx or \.zip"),
        ("folder", r"is no file that ends with \.ozx or \.zip"),
    ],
)
def test_why_nothing_is_unpacked(tmp_path, name, reason):
    (tmp_path / "notes.txt").write_text("a")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match=reason):
        unpack(tmp_path / name)


@pytest.mark.parametrize(
    ("form", "key"),
    [({}, "0/c/0/0"), ({"shards": (16, 16)}, "0/c/0/0"), ({"filters": DELTA}, "0/c/0/0")],
    ids=["chunk", "shard", "through zarr-python"],
)
def test_a_damaged_object_is_deleted_in_no_archive(tmp_path, capsys, form, key):
    folder = make(tmp_path / "a.zarr", **form)
    cut(folder / key)
    file = archived(folder, tmp_path / "a.ozx")
    assert main(["digest", f"{folder}/0"]) == 2
    told = capsys.readouterr().err
    assert "a.zarr/0" in told
    assert main(["digest", f"{file}/0"]) == 2
    told = capsys.readouterr().err
    assert "a.ozx/0" in told
    assert "delete it" not in told
    if not form:
        assert f"copy or download {file} again, or pack it again" in told


def test_a_damaged_chunk_that_is_deleted_is_fill_value(tmp_path, capsys):
    folder = make(tmp_path / "a.zarr")
    cut(folder / "0/c/0/0")
    assert main(["digest", f"{folder}/0"]) == 2
    assert "restore it from a copy, or delete it" in capsys.readouterr().err
    (folder / "0/c/0/0").unlink()
    assert main(["digest", f"{folder}/0"]) == 0


def test_a_damaged_document_in_an_archive(tmp_path, capsys):
    folder = make(tmp_path / "a.zarr")
    cut(folder / "0/zarr.json")
    assert main(["status", str(archived(folder, tmp_path / "a.ozx"))]) == 2
    assert f"copy or download {tmp_path}/a.ozx again" in capsys.readouterr().err


def test_an_archive_without_a_group_is_unpacked_to_get_one(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = archived(make(tmp_path / "a.zarr"), tmp_path / "b.ozx", without=("zarr.json",))
    assert main(["info", str(file)]) == 2
    told = capsys.readouterr().err
    assert "holds 0 but is no zarr group, of which a single file holds one; unpack it" in told
    words = shlex.split(told.rpartition(": ")[2])
    assert main(words[words.index("unpack") :]) == 0
    capsys.readouterr()
    # The folder has the way out of a folder.
    assert main(["info", "NEW.zarr"]) == 2
    code = shlex.split(capsys.readouterr().err.rpartition("; make it one: ")[2])[-1]
    exec(code, {})
    assert main(["info", "NEW.zarr"]) == 0


def test_a_path_that_climbs_out_is_no_link(tmp_path):
    make(tmp_path / "a.zarr")
    make(tmp_path / "b.zarr")
    with pytest.raises(StoreError, match=r"b\.zarr is outside of .*a\.zarr; give the store"):
        open_pyramid(tmp_path / "a.zarr", "../b.zarr")
    (tmp_path / "a.zarr/b").symlink_to(tmp_path / "b.zarr")
    with pytest.raises(StoreError, match=r"leads through a symbolic link to .*follow_links: true"):
        open_pyramid(tmp_path / "a.zarr", "b")
    assert open_pyramid(tmp_path / "b.zarr").levels[0].array.shape == (16, 16)


@pytest.mark.parametrize(
    ("name", "code"), [("t.jpg", 2), ("t.tif", 2), ("t.png", 0), ("T.PNG", 0), ("t", 0)]
)
def test_a_picture_is_png(tmp_path, capsys, name, code):
    path = make(tmp_path / "a.zarr")
    asked = ["thumbnail", str(path), "--output", str(tmp_path / name)]
    assert main(asked) == code
    told = capsys.readouterr().err
    assert (tmp_path / name).exists() == (code == 0)
    if code:
        (other,) = re.findall(r"written as PNG; give (\S+)$", told.strip())
        assert main([*asked[:-1], other]) == 0
        assert Path(other).read_bytes()[:4] == b"\x89PNG"


def test_every_command_says_of_an_unknown_version_that_it_is(tmp_path, capsys):
    """Where levels lie by a later version nobody here knows: none is called complete alone."""
    path = make(tmp_path / "a.zarr")
    build_pyramid(path, levels=1)
    document = json.loads((path / "zarr.json").read_text())
    document["attributes"]["ome"]["version"] = "0.9"
    (path / "zarr.json").write_text(json.dumps(document))
    what = "OME-NGFF 0.9 is not one whose rules are known here"
    told = {}
    for name in ("status", "info", "verify", "build", "plan"):
        code = main([name, str(path)])
        output = capsys.readouterr()
        told[name] = (code, output.out + output.err)
    assert {name: code for name, (code, _) in told.items()} == {
        **dict.fromkeys(("status", "info", "verify"), 0),
        **dict.fromkeys(("build", "plan"), 2),
    }
    for name in ("status", "info", "verify"):
        assert re.search(f"(?i)warning.*{re.escape(what)}", told[name][1])
        assert "a run refuses it: use a release that knows the version" in told[name][1]
    assert "not proven, 1 warning" in told["verify"][1]
    assert "is of OME-NGFF '0.9', expected one of" in told["build"][1]
