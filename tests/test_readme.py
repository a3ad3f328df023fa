"""The README's commands do what it says; how blocks are marked stands in `pages`."""

import os
import sys

import pytest

import pages
from processes import finish

INSTALL = "python3 -m pip install uv && "


def blocks(language):
    """Return the bodies of the blocks of a language that are to be run."""
    found = pages.blocks(pages.ROOT / "README.md")
    return [block.body for block in found if block.language == language and block.is_run]


def test_commands_that_set_up_begin_with_the_install():
    starts = [body for body in blocks("bash") if "pip install" in body]
    assert [body.startswith((INSTALL, "python3 -m venv")) for body in starts] == [True] * 3


@pytest.mark.slow
def test_commands(images, tmp_path):
    (tmp_path / "clone").mkdir()
    folder, told = pages.checkout(tmp_path / "clone"), []
    for body in blocks("bash"):
        if "venv" in body or "pytest" in body:
            continue  # the first is test_a_clean_clone's, the second runs this test
        command = body.removeprefix(INSTALL).replace("uv run", f"{pages.UV} run")
        command = command.replace("/data/", f"{images}/")
        told.append(pages.run(command, folder, **pages.ENVIRONMENT))
    demo, slices, own = told
    assert "levels 0 to 3 are complete in" in demo
    assert f"are complete in {images}/slices.zarr" in slices
    assert f"levels 0 to 1 are complete in {images}/brain.zarr/raw" in own


@pytest.mark.slow
def test_a_clean_clone(tmp_path):
    """In an empty home and a fresh clone, with nothing but Python and git."""
    (tmp_path / "home").mkdir()
    pages.run(f"git clone -q {pages.ROOT} clone", tmp_path)
    (body,) = [body for body in blocks("bash") if "venv" in body]
    kept = {key: os.environ[key] for key in os.environ if not key.startswith(("UV", "VIRTUAL_ENV"))}
    path = [part for part in kept["PATH"].split(":") if not part.startswith(sys.prefix)]
    environment = {**kept, "HOME": str(tmp_path / "home"), "PATH": ":".join(path)}
    told = finish(["bash", "-euc", body], tmp_path / "clone", environment)
    done, _report, look = told.splitlines()[-3:]
    assert "levels 0 to 3 are complete in" in done
    assert "uv run --extra view zarrpyramid view " in look
