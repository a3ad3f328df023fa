"""Configurations in files: what is wrong with one is said with its line and the way out."""

from __future__ import annotations

import os

import numpy as np
import pytest
import zarr

from zarrpyramid.cli import main
from zarrpyramid.config import check_twice, read_config
from zarrpyramid.errors import ConfigError

GOOD = "store: s.zarr\nlevels: 1\n"
BAD = {
    # What a file holds, what is said of it, and what it holds once the way out is taken.
    "tab": ("store: s.zarr\n\tlevels: 1\n", ", line 2: a tab before or between words", GOOD),
    "tab in a list": ("levels: 1\nstore:\n\t- s", ", line 3: a tab before or between words", GOOD),
    "open list": ("store: s.zarr\nlevels: [1\nfield: ''\n", ", line 3: is no YAML: expected", GOOD),
    "open text": ("levels: 1\nstore: 's.zarr\n", ", line 2: is no YAML: found unexpected", GOOD),
    "two in a line": ("store: s.zarr levels: 1\n", ": is no YAML: mapping values are not", GOOD),
    "a control character": (
        "levels: 1\nstore: s\x07\n",
        ", line 2: a control character, expected",
        GOOD,
    ),
    "no date": ("since: 2026-99-99", " is no YAML: month must be in 1..12; quote it", GOOD),
    "other indentation": ("a:\n    x: 1\n  y: 2\n", ", line 3: is no YAML: ", GOOD),
    "empty": ("", " is empty, expected settings such as store: ", GOOD),
    "comments": ("# levels: 1\n\n", " is empty, expected settings such as store: ", GOOD),
    "a list": ("- s.zarr\n", ": expected a mapping of settings such as store: ", GOOD),
    "a word": ("s.zarr\n", ": expected a mapping of settings such as store: ", GOOD),
    "no UTF-8": (b"levels: 1\nstore: \xff\xfe\n", ", line 2: is no text in UTF-8; save it", GOOD),
    "twice": (f"{GOOD}store: t\n", ", line 3: store is given twice, first in line 1; keep", GOOD),
    "twice below": (
        "images:\n  a: {store: s.zarr, levels: 1}\n  a: {store: t}\n",
        ", line 3: a is given twice, first in line 2; keep one of them",
        GOOD,
    ),
    "twice in braces": (
        "{store: s, levels: 1, store: t}",
        ": store is given twice, first in",
        GOOD,
    ),
    "twice in JSON": ('{"store": "s", "a": {"b": 1, "b": 2}}', ": b is given twice; keep", GOOD),
    "twice in a list": ("a:\n- {x: 1}\n- x: 1\n  x: 2\n", ", line 4: x is given twice", GOOD),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    group = zarr.create_group("s.zarr")
    group.create_array("0", data=np.ones((8, 8), "u1"), chunks=(4, 4))
    return tmp_path


@pytest.mark.sampled(6)
@pytest.mark.parametrize(("text", "said", "mended"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_one_line(folder, capsys, text, said, mended):
    path = folder / "my.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert main(["plan", "--configfile", "my.yaml"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"zarrpyramid: error: my.yaml{said}")
    path.write_text(mended)
    assert main(["plan", "--configfile", "my.yaml"]) == 0


def test_a_file_that_is_not_there(folder, capsys):
    (folder / "brain.yaml").write_text(GOOD)
    for given, way_out in {
        "brian.yaml": "there is no such file; did you mean 'brain.yaml'?",
        "elsewhere/my.yaml": "there is no such file; give the path of a configuration",
    }.items():
        assert main(["plan", "--configfile", given]) == 2
        assert capsys.readouterr().err == f"zarrpyramid: error: {given}: {way_out}\n"
    assert main(["plan", "--configfile", "brain.yaml"]) == 0
    (folder / "a").mkdir()
    assert main(["plan", "--configfile", "a"]) == 2
    assert "a is a folder; give the path of a file in it" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read(folder):
    (folder / "my.yaml").write_text(GOOD)
    (folder / "my.yaml").chmod(0)
    with pytest.raises(ConfigError, match=r"my\.yaml cannot be read: Permission denied"):
        read_config(folder / "my.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "a: &a {x: 1}\nb: {<<: *a, x: 2}\n",
        "a: &a {x: 1}\nb: &b {<<: *a, x: 2}\nc: {<<: [*a, *b], x: 3}\n",
        "a: &a {<<: {x: 1}, x: 2}\nb: {<<: *a}\nc: *a\n",
        "a: {1: x, '1': y}\n",
        '{\n\t"a": {"x": 1},\n\t"b": {"x": 1}\n}',
    ],
)
def test_what_is_no_key_twice(folder, text):
    (folder / "my.yaml").write_text(text)
    assert set(read_config(folder / "my.yaml")) <= {"a", "b", "c"}
    check_twice([folder / "my.yaml"])


def test_numbers_of_json_are_numbers(folder):
    """Snakemake tries JSON first; to YAML 1.1 this is a word."""
    (folder / "my.json").write_text('{"levels": 1e0}')
    assert read_config(folder / "my.json") == {"levels": 1.0}
