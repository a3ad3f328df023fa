"""OME-NGFF 0.6 of its own writers: levels are built beside their level 0, and they read it back."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import zarr

from harms import verified
from readers.reading import described
from zarrpyramid import build_pyramid

HERE = Path(__file__).parent
# Each in an environment of its own, with a newer Python than ours may be where it needs one.
NEW = ("--python", ">=3.12")
ENVIRONMENTS = {
    "ome_zarr": (NEW, ["ome-zarr==0.21.*"]),
    "ngff_zarr": ((), ["ngff-zarr[validate]==0.50.*", "dask[array]"]),
    "ome_zarr_models": (NEW, ["ome-zarr-models>=1.8,<2"]),
    "napari_ome_zarr": (NEW, ["napari-ome-zarr>=0.11", "zarr>=3.1.6,<4"]),
}
READERS = {
    "ome_zarr": "read_ome_zarr_classes.py",
    "ngff_zarr": "read_ngff_zarr_06.py",
    "ome_zarr_models": "read_ome_zarr_models.py",
    "napari_ome_zarr": "read_napari_ome_zarr.py",
}
SIZE = np.array([2.0, 0.5, 0.25])
# Who writes level 0, and where its first voxel stands.
WRITERS = {"ome_zarr": (0, 0, 0), "ngff_zarr": (0, 100, -7), "zarrpyramid": (0, 0, 0)}


@pytest.fixture(scope="session")
def pythons(environment):
    """Make the environments of all programs, and return the Python of each."""
    return {
        name: environment(*needed, version=version)
        for name, (version, needed) in ENVIRONMENTS.items()
    }


def run(python, script, path):
    done = subprocess.run(
        [python, HERE / script, path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session", params=WRITERS)
def image(request, pythons, tmp_path_factory):
    """Make an image of 0.6 with two levels beside that of a writer; return its path and writer."""
    path = tmp_path_factory.mktemp("image") / "a.zarr"
    settings = {"levels": 2, "scale_factors": 2}
    if request.param == "zarrpyramid":
        voxels = np.random.default_rng(1).integers(0, 9000, (21, 34, 40)).astype("uint16")
        zarr.create_group(path).create_array("0", data=voxels, chunks=(8, 8, 8))
        settings |= {"ngff_version": "0.6", "voxel_size": SIZE.tolist(), "unit": "micrometer"}
    else:
        run(pythons[request.param], f"write_{request.param}.py", path)
    build_pyramid(path, **settings)
    return path, request.param


@pytest.mark.system
@pytest.mark.parametrize("reader", READERS)
def test_they_read_back_what_was_there_and_the_levels(image, pythons, reader):
    path, writer = image
    said = json.loads(run(pythons[reader], READERS[reader], path).splitlines()[-1])
    ome = zarr.open_group(path, mode="r").attrs["ome"]
    assert ome["version"] == "0.6"
    paths = [dataset["path"] for dataset in ome["multiscales"][0]["datasets"]]
    levels = said if isinstance(said, list) else said["levels"]
    assert len(levels) == len(paths) == 3
    for level, (seen, name) in enumerate(zip(levels, paths, strict=True)):
        expected = described(zarr.open_array(path / name, mode="r")[...])
        for key in ("shape", "dtype", "sha256"):
            assert seen[key] == expected[key], (level, key)
        if isinstance(said, list):  # napari takes the scale of level 0 for all
            assert seen["scale"] == (None if level else dict(zip("zyx", SIZE, strict=True)))
            continue
        where = np.array(WRITERS[writer]) + SIZE * (2**level - 1) / 2
        assert seen["scale"] == dict(zip("zyx", SIZE * 2**level, strict=True))
        assert list((seen["translation"] or dict.fromkeys("zyx", 0)).values()) == where.tolist()
    if isinstance(said, dict):
        assert said["units"] == dict.fromkeys("zyx", "micrometer")


@pytest.mark.system
def test_it_is_sound(image):
    report = verified(image[0], full=True)
    assert [found.line for found in report.findings] == []
