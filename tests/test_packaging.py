"""Wheel and sdist install in clean environments, and snakemake runs what they lay out."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
UV = os.environ.get("UV", "uv")


def run(*command, folder, **environment):
    kept = {
        key: value
        for key, value in os.environ.items()
        if key not in ("VIRTUAL_ENV", "PYTHONPATH", "UV_PROJECT_ENVIRONMENT")
    }
    done = subprocess.run(
        command,
        cwd=folder,
        env={**kept, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build both forms of what git tracks; the wheel is made from the sdist, as uv does."""
    folder = tmp_path_factory.mktemp("built")
    run(UV, "build", "--quiet", "--out-dir", folder, folder=ROOT)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("form", ["*.whl", "*.tar.gz"])
def test_an_installed_package_runs_the_workflow(built, tmp_path, form):
    (package,) = built.glob(form)
    run(UV, "venv", "--quiet", "venv", folder=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    run(
        *(UV, "pip", "install", "--quiet", "--python", python, f"{package}[workflow]"),
        folder=tmp_path,
    )
    path = f"{python.parent}:{os.environ['PATH']}"
    assert run("zarrpyramid", "--version", folder=tmp_path, PATH=path).startswith("zarrpyramid ")
    run("zarrpyramid", "workflow", "--copy", "pyramids", folder=tmp_path, PATH=path)
    assert not (tmp_path / "pyramids/scripts/zarrpyramid").exists()
    told = run("snakemake", "--cores", "2", folder=tmp_path / "pyramids", PATH=path)
    built, report, look = told.splitlines()[-3:]
    assert "levels 0 to 3 are complete in" in built
    assert (tmp_path / "pyramids" / report.removeprefix("  report: ")).exists()
    store = tmp_path / "pyramids/demo/demo.zarr/blobs"
    assert look == "  zarrpyramid status demo/demo.zarr/blobs"
    assert "40x32x32" in run(*look.split(), folder=tmp_path / "pyramids", PATH=path)
    assert "sound" in run("zarrpyramid", "verify", store, folder=tmp_path, PATH=path)
