"""Type checkers know every public name, as the installed package tells them."""

import ast
import subprocess
import sys

import pytest

import zarrpyramid

PROGRAM = """
from pathlib import Path

import zarr

import zarrpyramid
from zarrpyramid import (
    VOXEL_REVISION,
    Downsampler,
    Level,
    Pyramid,
    PyramidError,
    __version__,
    build_pyramid,
    initialize_test_image,
    open_pyramid,
)

revision: int = VOXEL_REVISION
version: str = __version__

initialize_test_image("a.zarr", "raw", (64, 64, 64), chunks=16, dtype="uint8")
sampler = Downsampler("a.zarr", 2, (64, 64, 64), chunks=(16, 16, 16))
sampler.downsample(3, "raw")

try:
    pyramid: Pyramid = build_pyramid(
        Path("a.zarr"), "raw", levels=2, scale_factors={"x": 2}, voxel_size=[1.0, 2.0, 2.0]
    )
except PyramidError as error:
    message: str = str(error)

opened: Pyramid = open_pyramid("s3://bucket/a.zarr", storage_options={"region": "eu-north-1"})
digests: list[str] = [record["digest"] for record in opened[1:]]
where: str = opened.path
names: tuple[str, ...] = opened.axes
units: tuple[str | None, ...] = opened.units
group: zarr.Group = opened.group
level: Level = opened.levels[1]
shape: tuple[int, ...] = level.shape
shards: tuple[int, ...] | None = level.shards
scale: tuple[float, ...] | None = level.scale
size: int = level.nbytes + level.number
dtype: str = level.dtype + level.path
extent: int = level.array.shape[0]
mean: float = float(level.dask().mean().compute()) + float(opened.dask(-1).max().compute())
labels: list[object] = [opened.xarray(1).dims, level.xarray().name, opened.datatree().name]
is_sound: bool = opened.verify(full=True).is_sound
written: Path = opened.report("report.html")
picture: bytes | None = opened.thumbnail(128)
module: str = zarrpyramid.__name__
"""


def test_the_program_names_all():
    taken = {
        alias.name
        for node in ast.walk(ast.parse(PROGRAM))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert set(zarrpyramid.__all__) <= taken


@pytest.mark.slow
def test_mypy_finds_nothing(tmp_path):
    pytest.importorskip("mypy", reason="of the group lint")
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "mypy", "--strict", "program.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "Success: no issues found in 1 source file\n", done.stdout + done.stderr
