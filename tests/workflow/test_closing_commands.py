"""The commands that a run names at its end, called as they stand, where the run was made."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from processes import finish

REPOSITORY = Path(__file__).parents[2]
MODULE = """
module pyramid:
    snakefile: SNAKEFILE
    config: {"store": "image.zarr", "levels": 1}

use rule * from pyramid
"""


def run(folder, *words, environment):
    return finish(words, folder, environment).splitlines()


OTHERS = ("  report: ", "  voxel size unknown ")
"""What stands beside commands."""


def closing_commands(lines):
    """Return the commands that follow the line of a pyramid."""
    start = next(n for n, line in enumerate(lines) if " levels 0 to 1 are complete in " in line)
    return [line.strip() for line in lines[start + 1 :] if not line.startswith(OTHERS)]


@pytest.fixture
def bare(tmp_path):
    """Return a Python that has what the library needs, and neither the library nor its program."""
    venv.create(tmp_path / "bare", with_pip=False)
    (packages,) = (tmp_path / "bare").glob("lib/python*/site-packages")
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return tmp_path / "bare/bin/python"


@pytest.mark.slow
@pytest.mark.parametrize("place", ["clone", "copied", "module"])
def test_the_closing_commands_work(workspace, place, bare):
    workspace.make("image.zarr", (20, 18))
    image = ("--config", f"store={workspace / 'image.zarr'}", "levels=1")
    python, folder = str(bare), workspace.folder
    if place == "clone":
        python, folder = sys.executable, REPOSITORY
        image = ("--directory", str(workspace.folder), *image)
    elif place == "copied":
        folder = workspace.copy_code()
    else:
        text = MODULE.replace("SNAKEFILE", repr(str(REPOSITORY / "Snakefile")))
        workspace.write("Snakefile", text)
        image = ()
    environment = {**os.environ, "PATH": f"{Path(python).parent}:{os.environ['PATH']}"}
    snakemake = (python, "-m", "snakemake", "--cores", "1", *image)
    lines = run(folder, *snakemake, environment=environment)
    # The default profile asks for the logger where it is installed, and only there.
    assert ("Building DAG of jobs..." in lines) == (place != "clone")
    found = closing_commands(lines)
    if place == "copied":
        there = {**environment, "PYTHONPATH": "scripts"}
        _, said, *again = run(folder, *snakemake, environment=there)
        assert said.startswith("Nothing to be done")
        assert again[1].startswith("  report: ")
    assert found
    if place == "clone" and shutil.which("uv"):
        assert found[0].startswith("uv run --extra view zarrpyramid view ")
        # The server would stay, and the extra may be absent.
        found[0] = found[0].replace("--extra view", "--no-sync").replace(" view ", " status ")
    else:
        assert found[-1].startswith(f"PYTHONPATH={folder if place == 'copied' else REPOSITORY}")
    for command in found:
        told = run(folder, "bash", "-c", command, environment=environment)
        assert "10x9" in "".join(told)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("uv") is None, reason="uv makes the environment of a clone")
def test_the_closing_commands_of_a_clone_work_in_another_folder(workspace):
    workspace.make("my image.zarr", (20, 18))
    snakemake = ("uv", "run", "--no-sync", "--project", str(REPOSITORY), "snakemake")
    where = ("--snakefile", str(REPOSITORY / "Snakefile"), "--cores", "1")
    image = ("--config", "store=my image.zarr", "levels=1")
    # The path of a shell in which nobody has activated the environment.
    paths = [p for p in os.environ["PATH"].split(":") if not p.startswith(sys.prefix)]
    environment = {**os.environ, "PATH": ":".join(paths)}
    lines = run(workspace.folder, *snakemake, *where, *image, environment=environment)
    for command in closing_commands(lines):
        told = run(workspace.folder, "bash", "-c", command, environment=environment)
        assert "10x9" in "".join(told)
