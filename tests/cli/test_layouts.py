"""The workflow's files in a folder of the user's."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from zarrpyramid.cli.layouts import lay_out
from zarrpyramid.cli.program import main
from zarrpyramid.errors import StoreError

ROOT = Path(__file__).parents[2]
NAMES = ["Snakefile", "config.yaml", "environment.yml", "profiles", "scripts", "workflow"]


def files(folder):
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}


def test_the_layout_is_the_repository_less_the_library(tmp_path):
    assert lay_out(tmp_path / "new" / "folder") == NAMES
    laid = files(tmp_path / "new" / "folder")
    kept = {name for name in files(ROOT) if name.partition("/")[0] in NAMES}
    kept = {name for name in kept if "__pycache__" not in name}
    packages = ("scripts/zarrpyramid/", "scripts/snakemake_logger_plugin_zarrpyramid/")
    assert set(laid) == {name for name in kept if not name.startswith(packages)}
    for name, path in laid.items():
        assert path.read_bytes() == (ROOT / name).read_bytes(), name


@pytest.mark.parametrize("taken", NAMES)
def test_nothing_is_written_over(tmp_path, taken):
    (tmp_path / taken).write_text("mine")
    with pytest.raises(StoreError, match=f"found {taken}; name another folder"):
        lay_out(tmp_path)
    assert files(tmp_path).keys() == {taken}
    assert (tmp_path / taken).read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be laid out: Not a directory; name another"):
        lay_out(tmp_path / "file" / "inside")


def test_the_command_says_what_comes_next(tmp_path, capsys):
    assert main(["workflow", "--copy", str(tmp_path / "new")]) == 0
    assert f"now: cd {tmp_path}/new && snakemake --cores all" in capsys.readouterr().out
    assert main(["workflow", "--copy", str(tmp_path / "new")]) == 2
    assert "name another folder" in capsys.readouterr().err


def test_the_wheel_takes_every_file_that_is_laid_out():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packed = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    scripts = {f"scripts/{path.name}" for path in (ROOT / "scripts").glob("*.py")}
    wanted = scripts | set(NAMES) - {"scripts"}
    assert {name: place for name, place in packed.items() if "layout" in place} == {
        name: f"zarrpyramid/layout/{name}" for name in wanted
    }
