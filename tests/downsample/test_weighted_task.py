"""Pyramids of weighted means: as the oracle has them, however they are made, changed or lost."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles import bits, reduce_by_hand, weighed_by_hand
from rebuilds import build, bytes_of, check_as_anew, image_of, make, objects
from zarrpyramid import build_pyramid, geometry
from zarrpyramid.downsample.base import seal_base
from zarrpyramid.downsample.level_job import LevelJob
from zarrpyramid.errors import ConfigError, StoreError, VoxelError

BY_MASS = {"weights": "mass", "progress": False}
SHAPE = (20, 18, 17)
TAKEN = ("bool", "int8", "uint16", "int32", "float16", "float32", "float64")


def weigh(store, chunks=(8, 8, 8), values=(0.0, 1.0, 2.5), keys=None, **more):
    """Write weights beside an image, build their levels, and return the path of their group."""
    shape = zarr.open_array(store / "raw/0", mode="r").shape
    voxels = np.random.default_rng(5).choice(values, shape)
    voxels[:6, :6, :6] = 0
    group = zarr.open_group(store).create_group("mass", overwrite=True)
    group.create_array("0", data=voxels, chunks=chunks, **more)
    build_pyramid(store, "mass", levels=3, progress=False, **(keys or {}))
    return store / "mass"


@st.composite
def pairs(draw):
    """Draw an image and its weights, chunks of both, and the factors of some levels."""
    n_axes = draw(st.integers(1, 3))
    extents = st.tuples(*[st.integers(1, 13)] * n_axes)
    shape, chunks = draw(extents), (draw(extents), draw(extents))
    if draw(st.booleans()):
        chunks = (chunks[0], chunks[0])
    dtype = np.dtype(draw(st.sampled_from(TAKEN)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    image = (rng.random(shape) * draw(st.sampled_from([2, 100]))).astype(dtype)
    weights = rng.choice(draw(st.lists(st.sampled_from([0.0, 1.0, 7.0, 0.25]), min_size=1)), shape)
    if dtype.kind == "f":
        for block in (image, weights):
            block[rng.random(shape) < draw(st.sampled_from([0, 0.1]))] = np.nan
    weights.flat[0] = 1  # not all are 0
    weights = weights.astype(draw(st.sampled_from(["float64", "float32"])))
    steps = draw(st.lists(st.tuples(*[st.integers(1, 4)] * n_axes), min_size=1, max_size=3))
    ladder = []
    for factors in steps:
        coarse = geometry.coarse_shape(shape, factors)
        ladder += [] if coarse == shape else [[*factors]]
        shape = coarse
    return (image, weights), chunks, ladder


@settings(max_examples=15)
@given(pairs(), st.sampled_from(["mean", "sum"]), st.sampled_from([2, 3]), st.integers(1, 2))
def test_every_level_is_weighed_by_the_level_of_the_weights(drawn, method, zarr_format, n_workers):
    blocks, chunks, ladder = drawn
    if not ladder:
        return
    store = zarr.storage.MemoryStore()
    group = zarr.open_group(store, mode="w", zarr_format=zarr_format)
    for name, block, cut in zip(("raw", "mass"), blocks, chunks, strict=True):
        group.create_group(name).create_array("0", data=block, chunks=cut)
    form = {"scale_factors": ladder, "n_workers": n_workers}
    build_pyramid(store, "mass", method=method, progress=False, **form)
    build_pyramid(store, "raw", **form, **BY_MASS)
    for level, factors in enumerate(ladder):
        finer, weights = (group[f"{name}/{level}"][...] for name in ("raw", "mass"))
        expected = weighed_by_hand(finer, weights, factors)
        assert bits(group[f"raw/{level + 1}"][...]) == bits(expected)


def test_by_sums_a_level_is_the_weighted_mean_of_level_0(tmp_path):
    """Also at clipped edges, where the means of weights count less than their voxels."""
    store = make(tmp_path / "brain.zarr", "float64", shape=(21, 18, 13))
    base = zarr.open_array(store / "raw/0")
    base[...] = np.random.default_rng(1).random(base.shape)
    weigh(store, keys={"method": "sum"})
    build_pyramid(store, "raw", levels=3, **BY_MASS)
    weights = zarr.open_array(store / "mass/0", mode="r")[...]
    weights[:6, :6, :6] = 0
    box = tuple(slice(8, None) for _ in range(3))  # a window of level 3 at the edge
    expected = np.average(base[box][:8, :8], weights=weights[box][:8, :8])
    made = zarr.open_array(store / "raw/3", mode="r")[1, 1, 1]
    assert made == pytest.approx(expected, rel=1e-14)


def test_workers_parts_and_pickled_tasks_make_the_same_bytes(tmp_path):
    store = make(tmp_path / "brain.zarr", "float32")
    weigh(store, chunks=(16, 8, 8))
    records, whole = build_pyramid(store, "raw", levels=3, n_workers=1, **BY_MASS), bytes_of(store)
    for made in (
        lambda: build_pyramid(store, "raw", levels=3, n_workers=3, **BY_MASS),
        lambda: build(store, tmp_path / "results", levels=3, weights="mass", part_size=5000),
    ):
        for level in (1, 2, 3):
            shutil.rmtree(store / f"raw/{level}")
        assert made() == records
        assert bytes_of(store) == whole
    image = image_of(store, levels=3, weights="mass")
    job = LevelJob(image=image, level=1, finer=seal_base(image))
    task = job.task(0)
    seen = pickle.loads(pickle.dumps(task))((0, 0, 0))
    assert [each.record for each in seen.values()] == [t.record for t in task((0, 0, 0)).values()]
    assert bytes_of(store) == whole


def test_a_change_of_the_weights_makes_what_is_above_it_again(tmp_path):
    store, results = make(tmp_path / "brain.zarr", shape=SHAPE), tmp_path / "results"
    weights = weigh(store)
    keys = {"levels": 3, "weights": "mass"}
    before, was = build(store, results, **keys), objects(store, 1)
    assert build(store, results, **keys) == before
    assert objects(store, 1) == was  # and nothing was made again
    array = zarr.open_array(weights / "0")
    array[16:18, 16:18, 16:17] = 9
    build_pyramid(store, "mass", levels=3, progress=False)
    after, now = build(store, results, **keys), objects(store, 1)
    assert [a["digest"] == b["digest"] for a, b in zip(before[1:], after[1:], strict=True)] == [
        False, False, False,
    ]  # fmt: skip
    assert {key for key in now if now[key] != was.get(key)} == {"c/1/1/1"}
    check_as_anew(store, after, tmp_path, **keys)


def test_notes_of_weighted_objects_carry_on(tmp_path):
    """A level that is lost but for its objects is published again, and no object is made again."""
    store, results = make(tmp_path / "brain.zarr", shape=SHAPE), tmp_path / "results"
    weigh(store)
    keys = {"levels": 2, "weights": "mass"}
    before, was = build(store, results, **keys), objects(store, 1)
    (store / "raw/1/zarr.json").unlink()
    assert build(store, results, **keys) == before
    assert objects(store, 1) == was
    (store / "raw/1/zarr.json").unlink()
    array = zarr.open_array(store / "mass/0")
    array[0, 0, 0] = 3  # an object above it is made again
    build_pyramid(store, "mass", levels=3, progress=False)
    after = build(store, results, **keys)
    assert {key for key in was if was[key] != objects(store, 1)[key]} == {"c/0/0/0"}
    check_as_anew(store, after, tmp_path, **keys)


def test_a_pair_that_grows_costs_what_is_new(tmp_path):
    store, results = tmp_path / "brain.zarr", tmp_path / "results"
    draw, chunks = np.random.default_rng(2), (1, 8, 8)
    for name in ("raw", "mass"):
        group = zarr.open_group(store, mode="a").create_group(name)
        group.create_array("0", data=draw.random((3, 16, 16)), chunks=chunks)
    keys = {"levels": 2, "axes": ["t", "y", "x"]}
    build_pyramid(store, "mass", progress=False, **keys)
    build(store, results, weights="mass", **keys)
    was = objects(store, 1)
    for name in ("raw", "mass"):
        zarr.open_array(store / name / "0").append(draw.random((1, 16, 16)))
    with pytest.raises(StoreError, match=r"mass/1 has shape \[3, 8, 8\], .* have \[4, 8, 8\]"):
        build_pyramid(store, "raw", **{**keys, **BY_MASS})
    build_pyramid(store, "mass", progress=False, **keys)  # the way out
    after, now = build(store, results, weights="mass", **keys), objects(store, 1)
    assert {key for key in now if now[key] != was.get(key)} == {"c/3/0/0"}
    check_as_anew(store, after, tmp_path, weights="mass", **keys)


def test_other_weights_are_another_recipe(tmp_path):
    store = make(tmp_path / "brain.zarr", shape=SHAPE)
    weigh(store)
    plain = build_pyramid(store, "raw", levels=2, progress=False)
    heavy = build_pyramid(store, "raw", levels=2, **BY_MASS)
    assert heavy[1]["recipe"] == {**plain[1]["recipe"], "weights": "../mass"}
    assert heavy[1]["digest"] != plain[1]["digest"]
    listed = zarr.open_group(store / "raw", mode="r").attrs["ome"]["multiscales"][0]
    assert listed["metadata"]["weights"] == "../mass"
    assert build_pyramid(store, "raw", levels=2, progress=False) == plain


def test_companions_of_a_weighted_image_are_not_weighed(tmp_path):
    store = make(tmp_path / "brain.zarr", shape=SHAPE)
    weigh(store)
    alone = build_pyramid(store, "raw", levels=1, **BY_MASS)
    shutil.rmtree(store / "raw/1")
    assert build_pyramid(store, "raw", levels=1, also=["max"], **BY_MASS) == alone
    made = zarr.open_array(store / "raw/max/1", mode="r")
    base = zarr.open_array(store / "raw/0", mode="r")[...]
    np.testing.assert_array_equal(made[...], reduce_by_hand("max", base, (2, 2, 2), base.dtype))
    assert "weights" not in made.attrs["zarrpyramid"]["recipe"]


def test_a_group_that_is_given_holds_both(tmp_path):
    store = make(tmp_path / "brain.zarr", shape=SHAPE)
    weigh(store)
    expected = build_pyramid(store, "raw", levels=1, **BY_MASS)
    outer = zarr.open_group(tmp_path / "outer.zarr", mode="w").create_group("run")
    shutil.copytree(store / "raw/0", tmp_path / "outer.zarr/run/raw/0")
    shutil.copytree(store / "mass", tmp_path / "outer.zarr/run/mass")
    outer.create_group("raw")
    assert build_pyramid(outer, "raw", levels=1, **BY_MASS) == expected


def test_windows_without_weight_are_no_data_where_that_is_given(tmp_path):
    store = make(tmp_path / "brain.zarr", shape=SHAPE)
    weigh(store, values=(1.0,))  # but for the corner of 6 x 6 x 6
    build_pyramid(store, "raw", levels=1, **BY_MASS)
    array = zarr.open_array(store / "raw/1", mode="r")
    voxels = zarr.open_array(store / "raw/0", mode="r")[...].astype(float)
    assert array[1, 1, 1] == np.rint(voxels[2:4, 2:4, 2:4].mean())
    build_pyramid(store, "raw", levels=1, nodata=777, **BY_MASS)
    made = zarr.open_array(store / "raw/1", mode="r")[...]
    assert (made[:3, :3, :3] == 777).all()
    assert (made == 777).sum() == 27


HARMS = [
    # what becomes of the weights, the dtype of the image, and what is said
    (lambda a: a.__setitem__((9, 2, 3), -0.5), "float32", r"mass/0 has weight -0.5 at \[9, 2, 3\]"),
    (lambda a: a.__setitem__((9, 2, 3), np.nan), "uint16", r"has weight nan at \[9, 2, 3\], expec"),
    (lambda a: a.__setitem__((9, 2, 3), 1e300), "int8", r"has weight 1e\+300 at \[9, 2, 3\]"),
    (lambda a: a.__setitem__(..., 0), "float64", "mass/0 holds no weight but 0, expected some"),
]


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("harm", "dtype", "what"), HARMS)
def test_weights_that_cannot_weigh_stop_the_job(tmp_path, harm, dtype, what):
    store = make(tmp_path / "brain.zarr", dtype, SHAPE)
    weights = weigh(store)
    array = zarr.open_array(weights / "0")
    was = array[...]
    with zarr.config.set({"array.write_empty_chunks": True}):  # none is left out, as if it was lost
        harm(zarr.open_array(weights / "0"))
    before = build_pyramid(store, "mass", levels=3, progress=False)
    for n_workers in (1, 2):
        with pytest.raises(VoxelError, match=what) as error:
            build_pyramid(store, "raw", levels=2, n_workers=n_workers, **BY_MASS)
    assert "\n" not in str(error.value)
    assert not (store / "raw/1/zarr.json").exists()
    array[...] = was  # the way out
    assert build_pyramid(store, "mass", levels=3, progress=False) != before
    build_pyramid(store, "raw", levels=2, **BY_MASS)


def test_levels_of_weights_that_are_not_those_of_the_levels_before_are_refused(tmp_path):
    store = make(tmp_path / "brain.zarr", shape=SHAPE)
    weights = weigh(store)
    array = zarr.open_array(weights / "0")
    array[0, 0, 0] = 11  # and the levels of the weights are not made again
    with pytest.raises(StoreError, match=r"mass/1 was made from other voxels than .*raw/0? ?.*"):
        build_pyramid(store, "raw", levels=2, **BY_MASS)
    shutil.rmtree(weights / "1")  # the way out
    build_pyramid(store, "mass", levels=3, progress=False)
    build_pyramid(store, "raw", levels=2, **BY_MASS)
    level = zarr.open_array(weights / "1")
    level[0, 0, 0] = level[0, 0, 0] + 1
    shutil.rmtree(store / "raw/2")
    with pytest.raises(VoxelError, match=r"mass/1 holds other voxels than its record says"):
        build_pyramid(store, "raw", levels=2, **BY_MASS)
    assert not (store / "raw/2/zarr.json").exists()
    shutil.rmtree(weights / "1")  # the way out
    build_pyramid(store, "mass", levels=3, progress=False)
    build_pyramid(store, "raw", levels=2, **BY_MASS)


REFUSED = [
    ("uint16", {"method": "max"}, "for the method mean, this image takes max", {"method": "mean"}),
    ("uint16", {"labels": True}, "for the method mean, this image takes mode", {"labels": False}),
    ("bool", {"labels": True, "method": "mean"}, "no label of labels", {"labels": False}),
    ("uint16", {"rounding": "once"}, "give rounding: each", {"rounding": "each"}),
    ("uint64", {}, "floats and integers of up to 32 bits", {"weights": ""}),
    ("uint16", {"weights": "raw"}, "is the image itself", {"weights": "mass"}),
    ("uint16", {"weights": "mess"}, "no array .*mess/0 to weigh", {"weights": "mass"}),
    ("uint16", {"weights": "../mass"}, "must be a path inside the store", {"weights": "mass"}),
    ("uint16", {"scale_factors": 3}, r"shape \[10, 9, 9\], .* have \[7, 6, 6\]",
     {"scale_factors": 2}),
    ("uint16", {"levels": 5}, "build the levels of the weights first", {"levels": 3}),
]  # fmt: skip


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("dtype", "keys", "what", "way_out"), REFUSED)
def test_what_cannot_be_weighed_is_refused_before_anything_is_written(
    tmp_path, dtype, keys, what, way_out
):
    store = make(tmp_path / "brain.zarr", dtype, SHAPE)
    weigh(store)
    before = bytes_of(store)
    asked = {"levels": 2, **BY_MASS, **keys}
    with pytest.raises((ConfigError, StoreError), match=what) as error:
        build_pyramid(store, "raw", **asked)
    assert "\n" not in str(error.value)
    assert bytes_of(store) == before
    build_pyramid(store, "raw", **{**asked, **way_out})


def test_weights_of_another_shape_or_kind_are_refused(tmp_path):
    store = make(tmp_path / "brain.zarr", shape=SHAPE)
    group = zarr.open_group(store)
    for name, shape, dtype in (("short", (20, 18, 16), "f4"), ("turned", SHAPE, "c8")):
        group.create_array(f"{name}/0", shape=shape, chunks=(8, 8, 8), dtype=dtype)
        zarr.open_group(store / name)
    for name, what in (("short", r"shape \[20, 18, 16\], .* have \[20, 18, 17\]"),
                       ("turned", "is of complex64, expected weights of real")):  # fmt: skip
        with pytest.raises(StoreError, match=what):
            build_pyramid(store, "raw", levels=1, weights=name, progress=False)
    assert not Path(store / "raw/1").exists()
