"""One report on the pyramids of many images, which names those that are not sound."""

from __future__ import annotations

import json

import pytest
import zarr

from plates import make_plate
from zarrpyramid import build_pyramid
from zarrpyramid.config import check_config, image_config
from zarrpyramid.errors import VoxelError
from zarrpyramid.verify import assure_images


def test_all_images_are_looked_at_before_one_fails(tmp_path):
    voxels = make_plate(tmp_path / "p.zarr", rows="A", n_fields=2)
    configs = []
    for path in voxels:
        build_pyramid(tmp_path / "p.zarr", path, levels=1, progress=False)
        given = check_config({"store": str(tmp_path / "p.zarr"), "field": path})
        configs.append(image_config(path.replace("/", "."), given))
    report = json.loads(assure_images(configs))
    assert {name: found["sound"] for name, found in report.items()} == dict.fromkeys(
        (config.name for config in configs), True
    )
    for path in ("A/01/1", "A/02/0"):
        zarr.open_array(tmp_path / "p.zarr" / path / "1")[0, 0, 0] += 1
    with pytest.raises(VoxelError, match=r"^2 of 4 images; the first: .*A/01/1: NOT SOUND"):
        assure_images(configs)
