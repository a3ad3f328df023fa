"""What jobs need: planned figures held against those of real jobs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
import zarr

import zarrpyramid
from zarrpyramid import geometry
from zarrpyramid.config import image_config
from zarrpyramid.plan.image import open_image
from zarrpyramid.plan.needs import (
    DEFAULT_RATE,
    level_need,
    measured_rate,
    peak_memory,
    read_timing,
)

COPY = """\
import json, sys
from zarrpyramid.config import image_config
from zarrpyramid.plan.image import open_image
from zarrpyramid.downsample.base_copy import copy_base
from zarrpyramid.downsample.log import job_log

store, n_workers, keys = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
with job_log(f"{store}.log", f"{store}.json") as told:
    told.update(n_workers=n_workers, voxels=0)
    image = open_image(image_config("image", {"store": store, "levels": 1, **keys}))
    copy_base(
        image,
        n_workers=n_workers,
        on_block=lambda n_voxels: told.update(voxels=told["voxels"] + n_voxels),
    )
"""

JOB = """\
import sys
from zarrpyramid.config import image_config
from zarrpyramid.plan.image import open_image
from zarrpyramid.downsample.level import build_level
from zarrpyramid.downsample.base import seal_base
from zarrpyramid.downsample.log import job_log

store, n_workers = sys.argv[1], int(sys.argv[2])
with job_log(f"{store}.log", f"{store}.json") as told:
    told.update(n_workers=n_workers, voxels=0)
    image = open_image(image_config("image", {"store": store, "levels": 1}))
    build_level(
        image,
        1,
        seal_base(image),
        n_workers=n_workers,
        on_block=lambda n_voxels: told.update(voxels=told["voxels"] + n_voxels),
    )
"""

FORMS = {
    "many small chunks": ((256, 256, 256), 64, {"dtype": "uint16"}, 2),
    "one worker": ((256, 256, 256), 64, {"dtype": "uint16"}, 1),
    "float64": ((256, 256, 192), 64, {"dtype": "float64"}, 2),
    "large chunks": ((256, 512, 256), 128, {"dtype": "uint8"}, 2),
    "few large chunks of 8 bytes": ((256, 256, 256), 128, {"dtype": "uint64"}, 2),
    "windows across chunks": ((250, 250, 250), 25, {"dtype": "float32"}, 2),
    "shards": ((256, 256, 256), 32, {"dtype": "uint16", "shards": (128,) * 3}, 2),
    "one large shard": ((256, 256, 256), 32, {"dtype": "float32", "shards": (256,) * 3}, 2),
    "flat": ((4096, 8192), 512, {"dtype": "uint16"}, 4),
}


def run_job(store, n_workers, code=JOB, *more):
    subprocess.run(
        [sys.executable, "-c", code, str(store), str(n_workers), *more],
        check=True,
        env={"PYTHONPATH": str(Path(zarrpyramid.__file__).parents[1]), "OPENBLAS_NUM_THREADS": "1"},
    )
    return read_timing(Path(f"{store}.json"))


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", FORMS)
def test_a_job_takes_the_memory_that_was_planned(name, tmp_path):
    shape, chunk, form, n_workers = FORMS[name]
    random = np.random.default_rng(0)
    store = tmp_path / "image.zarr"
    array = zarr.create_group(store).create_array(
        "0", shape=shape, chunks=(chunk,) * len(shape), fill_value=0, **form
    )
    for start in range(0, shape[0], 64):
        here = (min(64, shape[0] - start), *shape[1:])
        array[start : start + 64] = random.integers(0, 255, here).astype(form["dtype"])
    image = open_image(image_config("image", {"store": str(store), "levels": 1}))
    planned = level_need(image, 1, n_workers, measured_rate(image, tmp_path))
    told = run_job(store, n_workers)
    measured = peak_memory(told)
    assert told["voxels"] == array.size
    assert measured / 2 < planned.memory < measured * 2, (planned, told)


VOXELS = np.random.default_rng(1).integers(0, 4000, (128, 512, 512)).astype("uint16")


def save_slices(folder):
    folder.mkdir()
    for number, voxels in enumerate(VOXELS):
        tifffile.imwrite(folder / f"{number:03}.tif", voxels)
    return str(folder)


def save_chunk(path):
    """Write all of it as one compressed chunk, which is decoded whole."""
    with h5py.File(path, "w") as file:
        file.create_dataset("entry", data=VOXELS, chunks=VOXELS.shape, compression="lzf")
    return f"{path}::/entry"


def save_array(path):
    np.save(path.with_suffix(".npy"), VOXELS.reshape(8, 16, 512, 512))
    return str(path.with_suffix(".npy"))


SOURCES = {
    "one large chunk": (save_chunk, {}, 2),
    "a crop of it": (save_chunk, {"crop": {"z": [0, 32]}, "chunks": [32, 64, 64]}, 1),
    "slices": (save_slices, {}, 2),
    "slices in shards": (save_slices, {"chunks": [64] * 3, "shards": [128, 512, 512]}, 1),
    "chosen channels": (save_array, {"axes": [*"czyx"], "channel": [0, 2, 5]}, 2),
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", SOURCES)
def test_a_copy_of_files_takes_no_more_than_was_planned(name, tmp_path):
    save, keys, n_workers = SOURCES[name]
    keys = {"source": save(tmp_path / "source"), **keys}
    store = tmp_path / "image.zarr"
    image = open_image(image_config("image", {"store": str(store), "levels": 1, **keys}))
    planned = level_need(image, 0, n_workers, measured_rate(image, tmp_path))
    told = run_job(store, n_workers, COPY, json.dumps(keys))
    assert told["voxels"] == geometry.count(image.plan.base.shape)
    assert peak_memory(told) < 1.25 * planned.memory < 5 * peak_memory(told), (planned, told)


def test_a_part_needs_the_same_however_large_its_level_is(tmp_path):
    def need(shape, n_parts):
        path = tmp_path / f"{shape[0]}"
        zarr.create_group(path).create_array(
            "0", shape=shape, chunks=(64,) * 3, shards=(256,) * 3, dtype="u2"
        )
        keys = {"store": str(path), "levels": 1, "parts": n_parts}
        return level_need(open_image(image_config("image", keys)), 1, 4, 1e8)

    small, large = need((2**11,) * 3, 2), need((2**14, 2**14, 2**14), 2 * 2**9)
    assert small == large
    assert need((2**12, 2**12, 2**12), 1).memory > small.memory, "a whole level is listed"


def test_resources_are_whole_numbers_with_room(tmp_path):
    zarr.create_group(tmp_path).create_array("0", shape=(64, 64), chunks=(16, 16), dtype="u1")
    need = level_need(
        open_image(image_config("image", {"store": str(tmp_path), "levels": 1})), 1, 2, 1e8
    )
    assert all(isinstance(amount, int) for amount in need.resources.values())
    assert need.memory < need.resources["mem_mb"] * 1e6 < 1.3 * need.memory
    assert need.resources["runtime"] == 6
    assert need.resources["disk_mb"] == 1


def test_the_rate_is_that_of_the_last_run_where_it_read_enough(tmp_path):
    zarr.create_group(tmp_path / "a").create_array("0", shape=(64, 64), chunks=(16, 16), dtype="u2")
    image = open_image(image_config("image", {"store": str(tmp_path / "a")}))
    assert measured_rate(image, tmp_path / "absent") == DEFAULT_RATE / 2
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "1.json").write_text('{"voxels": 8000000, "seconds": 2.0, "n_workers": 4}')
    (logs / "2.json").write_text('{"voxels": 1000, "seconds": 2.0, "n_workers": 4}')
    (logs / "3.json").write_text("no JSON")
    assert measured_rate(image, logs) == 1_000_000
