"""Pyramids that are rounded once: equal to level 0's means, however they are made or lost."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles import mean_of_base
from rebuilds import build, bytes_of, change, check_as_anew, image_of, make, objects
from strategies import ladders
from zarrpyramid import build_pyramid, geometry
from zarrpyramid.downsample.base import seal_base
from zarrpyramid.downsample.level import build_level
from zarrpyramid.errors import ConfigError, VoxelError
from zarrpyramid.metadata import fits
from zarrpyramid.plan import REMAINDERS
from zarrpyramid.stores import from_zarr

ONCE = {"rounding": "once", "progress": False}


@settings(max_examples=25)
@given(ladders(), st.sampled_from([2, 3]), st.booleans(), st.booleans(), st.integers(1, 2))
def test_every_voxel_is_the_mean_of_level_0(ladder, zarr_format, sharded, empty, n_workers):
    base, steps, chunks = ladder
    shape, ladder = base.shape, []
    for factors in steps:
        coarse = geometry.coarse_shape(shape, factors)
        ladder += [] if coarse == shape else [[*factors]]
        shape = coarse
    if not ladder:
        return
    store = zarr.storage.MemoryStore()
    group = zarr.open_group(store, mode="w", zarr_format=zarr_format)
    shards = {"shards": geometry.multiply(chunks, (2,) * base.ndim)}
    form = shards if sharded and zarr_format == 3 else {}
    group.create_array("0", data=base, chunks=chunks, **form)
    records = build_pyramid(
        store, scale_factors=ladder, write_empty_chunks=empty, n_workers=n_workers, **ONCE
    )
    downsampling = (1,) * base.ndim
    for level, factors in enumerate(ladder, start=1):
        downsampling = geometry.multiply(downsampling, tuple(factors))
        made = group[str(level)][...].astype(object)
        assert made.tolist() == mean_of_base(base, downsampling).tolist()
        for axis, step in enumerate(downsampling):  # as often as it stands for a voxel
            made = made.repeat(step, axis).take(range(base.shape[axis]), axis)
        assert records[level]["weighted_mean"] == int(made.sum()) / base.size
    assert not any(REMAINDERS in key for key in from_zarr(store).keys(""))


def left_in(store):
    return {path.parents[3].parent.name for path in store.rglob(f"{REMAINDERS}/c/*/*/*")}


def test_levels_carry_remainders_as_long_as_they_are_needed(tmp_path):
    store = make(tmp_path / "brain.zarr")
    image = image_of(store, levels=3, rounding="once")
    records, carried = [seal_base(image)], []
    for level in (1, 2, 3):
        records.append(build_level(image, level, records[-1], n_workers=1))
        carried.append(left_in(store))
        group = zarr.open_group(store / "raw", mode="r")  # which warns of what it does not know
        assert set(group.array_keys()) == {str(n) for n in range(level + 1)}
    assert carried == [{"1"}, {"2"}, set()]
    assert [record["digest"] for record in records[1:]] == [
        "af29d2da7619087e0074dc0290446513",
        "acdfed970e4ef58597d8613e46a08872",
        "55a003032bbc8868d089d434ada58b72",
    ]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("harm", ["lost", "some lost", "stale", "damaged"])
def test_remainders_that_are_lost_or_wrong_are_made_again(tmp_path, harm):
    store = make(tmp_path / "brain.zarr")
    image = image_of(store, levels=2, rounding="once")
    first = build_level(image, 1, seal_base(image), n_workers=1)
    folder = store / "raw/1" / REMAINDERS
    if harm == "lost":
        shutil.rmtree(folder)
    elif harm == "some lost":
        (folder / "c/0/1/0").unlink()
    elif harm == "damaged":
        (folder / "c/0/0/0").write_bytes(bytes(77))
    else:
        shutil.copyfile(folder / "c/1/1/1", folder / "c/0/0/0")
    records = [seal_base(image), first, build_level(image, 2, first, n_workers=1)]
    assert not left_in(store)
    from zarrpyramid.downsample.publish import write_multiscales

    write_multiscales(image)
    check_as_anew(store, records, tmp_path, levels=2, rounding="once")


def test_a_level_is_not_made_of_another_level_0_than_the_one_before(tmp_path):
    store = make(tmp_path / "brain.zarr")
    image = image_of(store, levels=2, rounding="once")
    first = build_level(image, 1, seal_base(image), n_workers=1)
    shutil.rmtree(store / "raw/1" / REMAINDERS)
    change(store, (0, 0, 0))
    with pytest.raises(VoxelError, match=r"/0 holds other voxels than .*/1 was made from"):
        build_level(image, 2, first, n_workers=1)


def test_a_change_that_means_do_not_show_is_carried_on(tmp_path):
    """Level 1 has the voxels that it had, and level 2 has others."""
    base = np.zeros((16, 16), "uint8")
    group = zarr.open_group(tmp_path / "a.zarr", mode="w").create_group("raw")
    array = group.create_array("0", data=base, chunks=(4, 4))
    results = tmp_path / "results"
    before = build(tmp_path / "a.zarr", results, levels=2, rounding="once")
    array[0:4:2, 0:4:2] = 1
    array[0, 1] = 1
    array[0:4:2, 0:4:2] = 2
    array[0, 1] = 1
    after = build(tmp_path / "a.zarr", results, levels=2, rounding="once")
    array[0:4, 0:4] = 0
    array[0:4:2, 0:4:2] = 2
    array[0, 0] = 1
    array[0, 1] = 1
    third = build(tmp_path / "a.zarr", results, levels=2, rounding="once")
    for records in (before, after, third):
        assert records[1]["remainders"] == records[2]["source"]["remainders"]
    assert len({records[1]["remainders"] for records in (before, after, third)}) > 1
    check_as_anew(tmp_path / "a.zarr", third, tmp_path, levels=2, rounding="once")


def test_other_rounding_makes_levels_again_and_says_so(tmp_path, caplog):
    store = make(tmp_path / "brain.zarr")
    each = build_pyramid(store, "raw", levels=2, progress=False)
    caplog.set_level("INFO")
    once = build_pyramid(store, "raw", levels=2, **ONCE)
    said = "made by another recipe, rounding each, and is to have rounding once; it is made again"
    assert f"raw/1 was {said}" in caplog.text
    assert once[1]["digest"] == each[1]["digest"]
    assert once[2]["digest"] != each[2]["digest"]
    assert not fits(each[1], {"recipe": once[1]["recipe"]})
    assert "remainders" not in each[1]
    assert build_pyramid(store, "raw", levels=2, progress=False) == each


def test_workers_and_parts_make_the_same_bytes(tmp_path):
    store = make(tmp_path / "brain.zarr")
    whole = None
    for keys in ({"n_workers": 1}, {"n_workers": 3}):
        build_pyramid(store, "raw", levels=3, **keys, **ONCE)
        whole = whole or bytes_of(store)
        assert bytes_of(store) == whole
        for level in (1, 2, 3):
            shutil.rmtree(store / f"raw/{level}")
    build(store, tmp_path / "results", levels=3, rounding="once", part_size=5000)
    assert bytes_of(store) == whole
    assert objects(store, 1)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("dtype", "keys", "what"),
    [
        ("uint16", {"method": "max"}, "for the method mean, this image takes max"),
        ("float32", {}, "for integers and bool, level 0 is of float32"),
        ("complex64", {}, "for integers and bool, level 0 is of complex64"),
        ("uint16", {"nodata": 0}, "takes all voxels, nodata leaves some out"),
        ("uint16", {"labels": True}, "for the method mean, this image takes mode"),
    ],
)
def test_what_cannot_be_rounded_once_is_refused(tmp_path, dtype, keys, what):
    store = make(tmp_path / "brain.zarr", dtype)
    before = bytes_of(store)
    with pytest.raises(ConfigError, match=rf"rounding once .*{what}.*give rounding: each"):
        build_pyramid(store, "raw", **keys, **ONCE)
    assert bytes_of(store) == before
