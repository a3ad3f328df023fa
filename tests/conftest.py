"""What all tests share: working directories for snakemake, and how much of a table a run takes.

A plain `pytest` covers each kind of thing and ends within minutes. `.ci/run` runs all that is
`slow` too, and draws more examples (`--hypothesis-profile many`).
"""

from __future__ import annotations

import gc
import os
import random
import shutil
import subprocess

import hypothesis
import pytest

import forked_snakemake
from workspaces import Workspace

# A plain run draws the same examples each time, so that it fails for a change alone.
hypothesis.settings.register_profile("few", max_examples=25, deadline=None, derandomize=True)
hypothesis.settings.register_profile("many", max_examples=200, deadline=None)
hypothesis.settings.load_profile("few")


# Messages name programs alike, however pytest was started: as in a shell of this environment.
os.environ.pop("UV_RUN_RECURSION_DEPTH", None)

# What is collected stays: looking for garbage in it meanwhile takes a fifth of the time.
gc.disable()


def pytest_collection_finish():
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark rows of tables with `sampled(n)` as slow, all but n that are drawn by a fixed seed."""
    tables = {}
    for item in items:
        marker = item.get_closest_marker("sampled")
        if marker and not item.get_closest_marker("slow"):
            table = (item.path, item.originalname)
            tables.setdefault(table, (marker.args[0], []))[1].append(item)
    for n_kept, rows in tables.values():
        kept = random.Random(0).sample(range(len(rows)), min(n_kept, len(rows)))
        for number in set(range(len(rows))) - set(kept):
            rows[number].add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def _forks():
    """End the process that runs of snakemake are forks of."""
    yield
    forked_snakemake.end()


@pytest.fixture(scope="session")
def new_workspace(tmp_path_factory):
    """Make a workspace; `name` is the folder's."""

    def make(name="work"):
        folder = tmp_path_factory.mktemp("workflow") / name
        folder.mkdir()
        return Workspace(folder)

    return make


@pytest.fixture(scope="session")
def images_once(tmp_path_factory):
    """Make the images that pages and examples speak of."""
    import pages

    folder = tmp_path_factory.mktemp("images") / "data"
    pages.make_images(folder)
    return folder


@pytest.fixture
def images(images_once, tmp_path):
    """A copy of these images in the folder of a test."""
    return shutil.copytree(images_once, tmp_path / "data")


@pytest.fixture
def workspace(new_workspace):
    return new_workspace()


@pytest.fixture
def mount(tmp_path):
    """Mount small file systems of their own, which needs root."""
    mounted = []

    def mount_tmpfs(size):
        place = tmp_path / f"mount{len(mounted)}"
        place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", place], check=True)
        mounted.append(place)
        return place

    yield mount_tmpfs
    for place in mounted:
        subprocess.run(["umount", "-l", place], check=True)
