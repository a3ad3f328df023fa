"""Four readers that are not ours see every level; two, where it stands and its voxels' extents."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import zarr

from readers.reading import described
from zarrpyramid import build_pyramid

HERE = Path(__file__).parent
REQUIREMENTS = {
    "ome_zarr": ["ome-zarr>=0.12", "zarr>=3.1.6,<4"],
    "ngff_zarr": ["ngff-zarr[validate]>=0.50", "zarr>=3.1.6,<4", "dask[array]"],
    "napari_ome_zarr": ["napari-ome-zarr>=0.11", "zarr>=3.1.6,<4"],
    "tensorstore": ["tensorstore>=0.1.78", "numpy>=2.2"],
}
SHAPE, SIZE, OFFSET = (21, 34, 40), (2.0, 0.5, 0.25), (0.0, 100.0, -7.0)
# name: (zarr format, keys of level 0, keys of the image)
IMAGES = {
    "v2": (2, {}, {}),
    "v2 big-endian": (2, {"dtype": ">u2"}, {"compressor": "blosc-lz4"}),
    "v2 zstd": (2, {}, {"compressor": "zstd:1"}),
    "v2 gzip": (2, {}, {"compressor": "gzip:1"}),
    "v2 raw": (2, {}, {"compressor": "none"}),
    "v3": (3, {}, {}),
    "v3 blosc": (3, {}, {"compressor": "blosc-zstd:1:bitshuffle", "checksum": True}),
    "v3 raw": (3, {}, {"compressor": "none"}),
    "v3 in shards": (3, {"shards": (16, 16, 16)}, {"compressor": "zstd:5", "checksum": True}),
    "v3 other chunks": (3, {}, {"chunks": [5, 7, 9], "compressor": "gzip"}),
    "v3 sparse": (3, {"fill_value": 3}, {"write_empty_chunks": False}),
    "v3 strides": (3, {}, {"method": "stride"}),
    "v3 float": (3, {"dtype": "float32"}, {"method": "median", "scale_factors": [1, 2, 3]}),
}


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Make all images; return their paths by name."""
    folder = tmp_path_factory.mktemp("images")
    found = {name: folder / f"{number}.zarr" for number, name in enumerate(IMAGES)}
    for name, path in found.items():
        make(path, name)
    return found


@pytest.fixture(scope="module", params=REQUIREMENTS)
def seen_by(request, environment, paths):
    """Make the environment of a reader; return its name, what it says of each image, and errors."""
    # The reader of napari needs a newer Python than ours may be.
    version = ("--python", ">=3.12") if request.param == "napari_ome_zarr" else ()
    python = environment(*REQUIREMENTS[request.param], version=version)
    script = HERE / f"read_{request.param}.py"
    done = subprocess.run(
        [python, script, *paths.values()], capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("[{")]
    return request.param, dict(zip(paths, map(json.loads, lines), strict=False)), done.stderr


def make(path, name):
    """Make an image with its levels."""
    zarr_format, keys, settings = IMAGES[name]
    group = zarr.create_group(path, zarr_format=zarr_format)
    options = {"dtype": "uint16", "chunks": (8, 8, 8), **keys}
    voxels = np.random.default_rng(1).integers(0, 9000, SHAPE).astype(options["dtype"])
    voxels[:16, :16, :16] = options.get("fill_value", 0)
    group.create_array("0", shape=SHAPE, **options)[...] = voxels
    # An offset of level 0, as a microscope's stage gives it, is the levels' too.
    axes = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "zyx"]
    steps = [
        {"type": "scale", "scale": list(SIZE)},
        {"type": "translation", "translation": list(OFFSET)},
    ]
    dataset = {"path": "0", "coordinateTransformations": steps}
    listed = {"name": "image", "axes": axes, "datasets": [dataset]}
    if zarr_format == 2:
        group.attrs["multiscales"] = [{**listed, "version": "0.4"}]
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [listed]}
    build_pyramid(path, **{"levels": 2, "scale_factors": 2, **settings})


@pytest.mark.system
@pytest.mark.parametrize("name", IMAGES)
def test_a_reader_sees_every_level(paths, seen_by, name):
    kind, images, errors = seen_by
    assert name in images, errors
    found, group = images[name], zarr.open_group(paths[name], mode="r")
    assert len(found) == 3
    step = np.array(IMAGES[name][2].get("scale_factors", (2, 2, 2)))
    for level, seen in enumerate(found):
        expected = described(group[str(level)][...])
        for key in ("shape", "dtype", "sha256"):
            assert seen[key] == expected[key], (level, key)
        if kind == "tensorstore":
            continue
        if kind == "napari_ome_zarr":
            assert seen["scale"] == (None if level else dict(zip("zyx", SIZE, strict=True)))
            continue
        factors = step**level
        shift = 0 if IMAGES[name][2].get("method") == "stride" else 1
        assert seen["scale"] == dict(zip("zyx", SIZE * factors, strict=True))
        where = np.array(OFFSET) + shift * np.array(SIZE) * (factors - 1) / 2
        assert seen["translation"] == dict(zip("zyx", where, strict=True))
