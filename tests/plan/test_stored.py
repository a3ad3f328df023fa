"""Levels as they stand in a store."""

from __future__ import annotations

import numpy as np
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.config import image_config
from zarrpyramid.metadata.nodes import read_array
from zarrpyramid.plan.image import open_image
from zarrpyramid.plan.stored import our_levels, record_of

VOXELS = (np.indices((11, 9)).sum(0) * 7 % 251).astype("uint8")


def make(path, **options):
    zarr.create_group(path).create_array("0", data=VOXELS, chunks=(4, 4), **options)
    return path


def opened(path, **keys):
    return open_image(image_config("image", {"store": str(path), **keys}))


def test_levels_with_our_record_are_ours(tmp_path):
    build_pyramid(make(tmp_path), levels=2)
    group = zarr.open_group(tmp_path)
    group.create_array("3", data=VOXELS)
    group.create_array("04", data=VOXELS).attrs["zarrpyramid"] = {"level": 4}
    group.create_array("5", data=VOXELS).attrs["zarrpyramid"] = "text"
    group.create_array("10", data=VOXELS).attrs["zarrpyramid"] = {"level": 10}
    image = opened(tmp_path, levels=2)
    assert [level.number for level in our_levels(image)] == [1, 2, 10]
    assert [level.number for level in our_levels(image, 2)] == [2, 10]
    assert record_of(read_array(image.store, "5")) is None
    assert record_of(None) is None
