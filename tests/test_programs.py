"""Commands that messages name are found by the shell in which they are typed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from zarrpyramid import programs
from zarrpyramid.programs import command, extra_command, install_command

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


@pytest.mark.sampled(4)
@pytest.mark.parametrize("program", ["zarrpyramid", "python"])
@pytest.mark.parametrize(
    ("by_uv", "on_path", "is_short"),
    [(False, True, True), (False, False, False), (True, True, False), (True, False, False)],
)
def test_a_program_is_called_by_its_name_only_where_the_shell_finds_it(
    tmp_path, monkeypatch, program, by_uv, on_path, is_short
):
    monkeypatch.chdir(tmp_path)  # outside of the clone
    paths = f"{BIN}:" * on_path + "/usr/bin:/bin"
    monkeypatch.setenv("PATH", paths)
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    if by_uv:  # which itself puts the environment on the path, not on that of the shell
        monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")
        paths = "/usr/bin:/bin"
    line = command(program, "--version")
    assert (line == f"{program} --version") == is_short
    subprocess.run(["/bin/bash", "-c", line], env={"PATH": paths}, check=True)


@pytest.fixture
def fresh():
    """Forget which clone runs this process."""
    programs._clone.cache_clear()
    yield
    programs._clone.cache_clear()


PLACES = {
    # Folder below the clone or beside it, name of the project, where uv and pip are, the line.
    "in a clone": ("clone/docs", "zarrpyramid", True, "uv sync --inexact --extra mrc"),
    "elsewhere": (
        *(".", "zarrpyramid", True),
        "uv sync --inexact --extra mrc --project '{}/the clone'",
    ),
    "another project": ("clone", "other", True, "uv pip install --python {} {}"),
    "without uv": ("clone", "zarrpyramid", False, "{} -m pip install {}"),
}


@pytest.mark.parametrize(("folder", "name", "has_uv", "line"), PLACES.values(), ids=PLACES)
def test_an_extra_is_installed_into_what_runs_this_process(
    tmp_path, monkeypatch, fresh, folder, name, has_uv, line
):
    clone = tmp_path / "the clone"
    (clone / "docs").mkdir(parents=True)
    (clone / "pyproject.toml").write_text(f'[project]\nname = "{name}"\n')
    monkeypatch.setattr(sys, "prefix", str(clone / ".venv"))
    monkeypatch.setattr(programs, "find_spec", lambda module: None)
    monkeypatch.setattr(shutil, "which", lambda program: "/bin/uv" if has_uv else None)
    monkeypatch.chdir(tmp_path / folder.replace("clone", "the clone"))
    expected = line
    if "--project" in line:
        expected = line.format(tmp_path)
    elif "pip" in line:
        whole = install_command("zarrpyramid[mrc]")
        assert whole == line.format(sys.executable, "'zarrpyramid[mrc]'")
        expected = whole
    assert extra_command("mrc") == expected


def run(*words, folder=None, shell=False, **environment):
    names = ("VIRTUAL_ENV", "PYTHONPATH", "UV_PROJECT_ENVIRONMENT", "UV_RUN_RECURSION_DEPTH")
    kept = {key: value for key, value in os.environ.items() if key not in names}
    done = subprocess.run(
        words[0] if shell else words,
        shell=shell,
        cwd=folder,
        env={**kept, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def made(*words, folder=None):
    code, text = run(*words, folder=folder)
    assert code == 0, text


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A clone with the environment that `uv run` makes."""
    if not (ROOT / ".git").exists():
        pytest.skip("no clone")
    folder = tmp_path_factory.mktemp("extra") / "the clone"
    made("git", "clone", "--quiet", ROOT, folder)
    if (ROOT / "uv.lock").exists():
        shutil.copyfile(ROOT / "uv.lock", folder / "uv.lock")
    made("uv", "sync", "--quiet", folder=folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    "how", ["clone", "clone, elsewhere", "by uv", "by pip", "editable", "by its path"]
)
def test_the_way_out_of_a_missing_extra_installs_it(clone, tmp_path, how):
    """The line that is said is typed into a shell, in the folder of the call."""
    (tmp_path / "a.mrc").write_bytes(b"no image")
    folder, python, environment = tmp_path, tmp_path / "own/bin/python", {}
    if how.startswith("clone"):
        python = clone / ".venv/bin/python"
        made("uv", "pip", "uninstall", "--quiet", "--python", python, "mrcfile")
        folder = clone / "docs" if how == "clone" else tmp_path
    else:
        made("uv", "venv", "--quiet", *["--seed"] * (how == "by pip"), tmp_path / "own")
        package = ["-e", clone] if how == "editable" else [clone]
        made("uv", "pip", "install", "--quiet", "--python", python, *package)
    if how == "by its path":
        made("uv", "pip", "uninstall", "--quiet", "--python", python, "zarrpyramid")
        environment = {"PYTHONPATH": str(clone / "scripts")}
    call = (*(python, "-m", "zarrpyramid", "plan", "--config"), f"source={tmp_path}/a.mrc")
    call = (*call, f"store={tmp_path}/new.zarr")

    code, text = run(*call, folder=folder, **environment)
    assert code == 2, text
    line = text.strip().rpartition("that is not installed; install it: ")[2]
    code, text = run(line, folder=folder, shell=True, **environment)
    assert code == 0, (line, text)
    code, text = run(*call, folder=folder, **environment)
    assert "is not installed" not in text
    assert "a.mrc" in text
