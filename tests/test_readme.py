"""The README's blocks do what it says.

`no-run` marks those that need what a test machine lacks (a cluster, somebody's array).
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
import zarr

from zarrpyramid.config import image_configs

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"^```(\w+)([ \w-]*)\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
INSTALL = "python3 -m pip install uv && "


def blocks(language):
    """Return the blocks of a language that are to be run."""
    return [body for name, mark, body in BLOCKS if name == language and "no-run" not in mark]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """Copy what git tracks, so that runs leave nothing in the repository."""
    folder = tmp_path_factory.mktemp("checkout")
    tracked = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=True, text=True
    )
    for name in filter(None, tracked.stdout.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def run(command, folder, **environment):
    """Run a block as bash does, and return all that it printed."""
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_commands_that_set_up_begin_with_the_install():
    starts = [body for body in blocks("bash") if "pip install" in body]
    assert [body.startswith((INSTALL, "python3 -m venv")) for body in starts] == [True] * 3


def test_commands(checkout, tmp_path):
    store = tmp_path / "brain.zarr"
    array = zarr.create_group(store).create_array("raw/0", shape=(20, 18, 16), dtype="u1")
    array[...] = np.arange(20 * 18 * 16).reshape(20, 18, 16) % 251
    # With the environment that runs this test, and without another look at what it holds.
    uv = os.environ.get("UV", "uv")
    environment = {"UV_NO_SYNC": "1", "UV_PROJECT_ENVIRONMENT": sys.prefix}
    told = []
    for body in blocks("bash"):
        if "venv" in body or "pytest" in body:
            continue  # the first is test_a_clean_clone's, the second runs this test
        command = body.removeprefix(INSTALL).replace("uv run", f"{uv} run")
        told.append(run(command.replace("/data/brain.zarr", str(store)), checkout, **environment))
    assert "levels 0 to 3 are complete in" in told[0].splitlines()[-1]
    assert "napari" in told[0].splitlines()[-1]
    assert f"level 0 is small enough to stand alone in {store}/raw" in told[1].splitlines()[-1]
    assert "removed levels: 1, 2, 3" in told[-1]


def test_python(tmp_path):
    program = "\n".join(blocks("python"))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(zarr.open_group(tmp_path / "example.zarr/field").array_keys()) == ["0", "1", "2"]


@pytest.mark.parametrize("body", blocks("yaml"))
def test_configurations(body):
    assert image_configs(yaml.safe_load(body))


def test_links():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / target).exists(), target


@pytest.mark.slow
def test_a_clean_clone(tmp_path):
    """In an empty home and a fresh clone, with nothing but Python and git."""
    (tmp_path / "home").mkdir()
    run(f"git clone -q {ROOT} clone", tmp_path)
    (body,) = [body for body in blocks("bash") if "venv" in body]
    kept = {key: os.environ[key] for key in os.environ if not key.startswith(("UV", "VIRTUAL_ENV"))}
    path = [part for part in kept["PATH"].split(":") if not part.startswith(sys.prefix)]
    environment = {**kept, "HOME": str(tmp_path / "home"), "PATH": ":".join(path)}
    done = subprocess.run(
        ["bash", "-euc", body],
        cwd=tmp_path / "clone",
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "levels 0 to 3 are complete in" in done.stdout.splitlines()[-1]
