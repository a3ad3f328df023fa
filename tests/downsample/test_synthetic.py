"""Images that are made: the same whatever the order of chunks, and never over other data."""

from __future__ import annotations

import json

import numpy as np
import pytest
import zarr

from strategies import DTYPES
from zarrpyramid.config import TestImage, image_config
from zarrpyramid.downsample.synthetic import draw, make_test_image
from zarrpyramid.errors import StoreError
from zarrpyramid.geometry import iterate_units, unit_region
from zarrpyramid.plan.image import open_image

MADE = {"shape": [20, 17], "chunks": [8, 8], "dtype": "uint16", "pattern": "noise", "seed": 3}


def image_at(path, field="", **changes):
    keys = {"store": str(path), "field": field, "test_image": {**MADE, **changes}}
    return open_image(image_config("image", keys))


def made_of(**keys):
    given = {**MADE, **keys}
    shape, chunks = tuple(given.pop("shape")), tuple(given.pop("chunks"))
    return TestImage(shape=shape, chunks=chunks, **given)


def whole(made):
    """Draw an image chunk by chunk, the last one first."""
    voxels = np.empty(made.shape, made.dtype)
    grid = [-(-n // edge) for n, edge in zip(made.shape, made.chunks, strict=True)]
    for index in reversed(list(iterate_units(tuple(grid)))):
        region = unit_region(index, made.chunks, made.shape)
        voxels[region] = draw(made, region)
    return voxels


@pytest.mark.sampled(4)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pattern", ["noise", "blobs"])
def test_what_is_made_is_what_is_drawn(tmp_path, dtype, pattern):
    image = image_at(tmp_path / "s", "a/b", dtype=dtype, pattern=pattern)
    record = make_test_image(image, n_workers=2)
    assert record == {**MADE, "dtype": dtype, "pattern": pattern}
    array = zarr.open_array(tmp_path / "s/a/b/0")
    expected = whole(made_of(dtype=dtype, pattern=pattern))
    assert array[...].tobytes() == expected.tobytes()
    assert array.nchunks_initialized == array.nchunks
    assert array.metadata.dimension_names == ("y", "x")
    assert sorted(zarr.open_group(tmp_path / "s").group_keys()) == ["a"]
    json.dumps(record)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("dtype", DTYPES)
def test_noise_fills_the_range(dtype):
    voxels = draw(made_of(shape=[64, 64], chunks=[64, 64], dtype=dtype), (slice(0, 64),) * 2)
    assert voxels.dtype == np.dtype(dtype)
    if dtype == "bool":
        assert 0.4 < voxels.mean() < 0.6
        return
    limits = np.iinfo(dtype) if "int" in dtype else None
    low, high = (0, 1) if limits is None else (int(limits.min), int(limits.max))
    span = high - low
    assert low <= voxels.min() < low + span / 20 + 1
    assert high - span / 20 - 1 < voxels.max() <= high


@pytest.mark.sampled(3)
@pytest.mark.parametrize("dtype", DTYPES)
def test_blobs_are_bright_spots_on_a_dark_ground(dtype):
    made = made_of(shape=[96, 96], chunks=[32, 32], dtype=dtype, pattern="blobs")
    voxels = whole(made).astype(float)
    assert voxels.min() >= 0
    if dtype != "bool":
        assert np.median(voxels) < voxels.max() / 3
    top = 1 if dtype == "bool" else min(4000, np.iinfo(dtype).max) if "int" in dtype else np.inf
    assert 0 < voxels.max() <= top
    # Smooth: neighbours resemble each other, which noise's do not.
    jumps = np.abs(np.diff(voxels)).mean()
    assert jumps < voxels.std()


def test_seeds_and_places_give_other_voxels():
    one, two = (whole(made_of(seed=seed)) for seed in (3, 4))
    assert (one != two).mean() > 0.9
    assert (one[:8, :8] != one[8:16, :8]).mean() > 0.9
    assert (whole(made_of()) == one).all()


def test_an_image_is_made_once(tmp_path):
    make_test_image(image_at(tmp_path), n_workers=1)
    before = [(p, p.stat().st_mtime_ns, p.stat().st_ino) for p in sorted(tmp_path.rglob("*"))]
    assert make_test_image(image_at(tmp_path), n_workers=1) == MADE
    after = [(p, p.stat().st_mtime_ns, p.stat().st_ino) for p in sorted(tmp_path.rglob("*"))]
    assert after == before


@pytest.mark.parametrize("what", ["array", "other seed"])
def test_other_data_is_never_written_over(tmp_path, what):
    if what == "array":
        zarr.create_group(tmp_path).create_array("0", data=np.ones((20, 17), "uint16"))
    else:
        make_test_image(image_at(tmp_path, seed=9), n_workers=1)
    before = zarr.open_array(tmp_path / "0")[...]
    with pytest.raises(StoreError, match="is there already and is not the test image asked for"):
        make_test_image(image_at(tmp_path), n_workers=1)
    assert (zarr.open_array(tmp_path / "0")[...] == before).all()


@pytest.mark.parametrize(
    ("field", "zarr_format", "found"),
    [("a/b", 2, "v2 group"), ("a", 2, "v2 group"), ("a/0", 3, "v3 array")],
)
def test_what_stands_in_the_way_is_named(tmp_path, field, zarr_format, found):
    root = zarr.create_group(tmp_path, zarr_format=zarr_format)
    root.create_group("a").create_array("0", data=np.ones((4, 4)))
    if field == "a":
        (tmp_path / "a" / "0" / ".zarray").unlink()
    image = image_at(tmp_path, field)
    with pytest.raises(StoreError, match=f"is a zarr {found}, expected a v3 group"):
        make_test_image(image, n_workers=1)


def test_groups_that_are_there_are_kept(tmp_path):
    zarr.create_group(tmp_path).attrs["a"] = 1
    make_test_image(image_at(tmp_path, "b"), n_workers=1)
    assert dict(zarr.open_group(tmp_path).attrs) == {"a": 1}
