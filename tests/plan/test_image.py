"""An image in its store: found and planned, its sentinels held against it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import zarr
from zarr.storage import MemoryStore

from zarrpyramid.config import check_config, image_config
from zarrpyramid.downsample import stale as staleness
from zarrpyramid.downsample.base import seal_base
from zarrpyramid.downsample.level import build_level
from zarrpyramid.downsample.publish import write_multiscales
from zarrpyramid.errors import ConfigError, StoreError
from zarrpyramid.metadata.record import write_sentinel
from zarrpyramid.plan.base_objects import base_layout
from zarrpyramid.plan.image import check_declared, open_image
from zarrpyramid.plan.preflight import check_room
from zarrpyramid.plan.stored import Level
from zarrpyramid.stores.zarr_store import ZarrStore

VOXELS = (np.indices((11, 9)).sum(0) * 7 % 251).astype("uint8")


def make(path, **options):
    zarr.create_group(path).create_array("0", data=VOXELS, chunks=(4, 4), **options)
    return path


def opened(path, **keys):
    return open_image(image_config("image", {"store": str(path), **keys}))


def test_a_group_and_its_levels_have_names(tmp_path):
    zarr.create_group(tmp_path).create_group("raw").create_array("0", data=VOXELS)
    image = opened(tmp_path, field="raw", levels=1)
    assert image.level_path(1) == "raw/1"
    assert image.name(1) == f"{tmp_path}/raw/1"
    assert Level(image, 0).metadata.shape == VOXELS.shape
    with pytest.raises(StoreError, match=r"there is no array .*raw/1; expected level 1"):
        Level(image, 1).metadata  # noqa: B018


def test_a_store_object_is_opened_without_a_path():
    store = MemoryStore()
    make(store)
    config = image_config("image", {"store": "memory", "levels": 1})
    image = open_image(config, ZarrStore(store), "")
    assert image.plan.levels[1].shape == (6, 5)
    check_room(image, base_layout(image))


@pytest.mark.parametrize(
    ("keys", "sizes", "units"),
    [
        ({}, (1, 1), (None, None)),
        ({"voxel_size": [2, 0.5]}, (2, 0.5), (None, None)),
        ({"voxel_size": "[2, 0.5]", "unit": "micrometer"}, (2, 0.5), ("micrometer",) * 2),
        ({"voxel_size": {"x": 0.5}, "unit": {"y": "nanometer"}}, (1, 0.5), ("nanometer", None)),
        ({"axes": ["t", "x"], "voxel_size": [9, 3], "unit": "meter"}, (9, 3), (None, "meter")),
    ],
)
def test_voxel_sizes_and_units_by_axis_in_order_or_for_all(tmp_path, keys, sizes, units):
    axes = opened(make(tmp_path), **check_config(keys)).plan.axes
    assert tuple(axis.size for axis in axes) == sizes
    assert tuple(axis.unit for axis in axes) == units


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"voxel_size": [2, 1, 1]},
            r"voxel_size \[2\.0, 1\.0, 1\.0\] has 3 entries, level 0 has 2",
        ),
        ({"unit": "um"}, r"unit of axis 'y': .* found 'um'; did you mean 'micrometer'\?"),
    ],
)
def test_voxel_sizes_and_units_that_do_not_fit(tmp_path, keys, message):
    with pytest.raises(ConfigError, match=message):
        opened(make(tmp_path), **keys)


@pytest.mark.parametrize("shape", [(0,), (4, 0)])
def test_an_image_without_voxels_is_refused(tmp_path, shape):
    zarr.create_group(tmp_path).create_array("0", shape=shape, chunks=(2,) * len(shape), dtype="u1")
    with pytest.raises(
        StoreError, match=r"0 has no voxels, its shape is \[.*\]; expected at least"
    ):
        opened(tmp_path)


def test_a_test_image_is_planned_before_it_is_made(tmp_path):
    made = {"shape": [20, 10], "chunks": [5, 5], "dtype": "int16"}
    image = opened(tmp_path / "absent", test_image=made, axes=["v", "u"], levels=2)
    assert [level.shape for level in image.plan.levels] == [(20, 10), (10, 5), (5, 3)]
    assert [axis.name for axis in image.plan.axes] == ["v", "u"]
    assert not (tmp_path / "absent").exists()


DECLARED = {"shape": [11, 9], "chunks": [4, 4], "dtype": "uint8"}


def test_a_declared_level_0_is_planned_before_it_is_there(tmp_path):
    """The plan is the same before and after, with shards too."""
    for name, options in (("plain", {}), ("shards", {"shards": (8, 8)})):
        path = tmp_path / name
        shards = {key: list(value) for key, value in options.items()}
        before = opened(path, base={**DECLARED, **shards}, levels=2)
        assert not path.exists()
        make(path, **options)
        after = opened(path, levels=2)
        assert before.plan.levels == after.plan.levels
        assert len(before.plan.levels) == 3
        image = opened(path, base={**DECLARED, **shards})
        check_declared(image, Level(image, 0).metadata)


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"shape": [12, 9]}, r"has shape \[11, 9\], base declares \[12, 9\]; correct base\.shape"),
        ({"chunks": [8, 8]}, r"has chunks \[4, 4\], base declares \[8, 8\]"),
        ({"shards": [8, 8]}, r"has shards none, base declares \[8, 8\]"),
        ({"dtype": "uint16"}, r"has dtype uint8, base declares uint16"),
    ],
)
def test_a_level_0_that_is_not_as_declared_is_refused(tmp_path, declared, message):
    make(tmp_path)
    with pytest.raises(ConfigError, match=message):
        opened(tmp_path, base={**DECLARED, **declared})
    # Where another rule may be about to make it anew, the first job says so.
    image = opened(tmp_path, base={**DECLARED, **declared}, base_ready="made.txt")
    with pytest.raises(ConfigError, match=message):
        seal_base(image)


def test_a_level_0_of_other_axes_than_planned_is_refused(tmp_path):
    make(tmp_path, dimension_names=("x", "y"))
    with pytest.raises(
        ConfigError, match=r"has axes \[x, y\] .* with \[y, x\]; give axes: \[x, y\]"
    ):
        opened(tmp_path, base=DECLARED)
    assert opened(tmp_path, base=DECLARED, axes=["x", "y"]).plan.base.chunks == (4, 4)


def test_a_level_0_whose_voxels_choose_other_factors_than_planned_is_refused(tmp_path):
    make(tmp_path)
    scale = {"type": "scale", "scale": [40.0, 8.0]}
    axes = [{"name": name, "type": "space"} for name in "yx"]
    datasets = [{"path": "0", "coordinateTransformations": [scale]}]
    listed = {"axes": axes, "datasets": datasets}
    zarr.open_group(tmp_path).attrs["ome"] = {"version": "0.5", "multiscales": [listed]}
    message = (
        r"has scale_factors isotropic \(voxels of 40 x 8 differ .*\), base was planned with 2; "
    )
    with pytest.raises(ConfigError, match=f"{message}give scale_factors: 2, or voxel_size"):
        opened(tmp_path, base=DECLARED, levels=1)
    for keys in ({"scale_factors": 2}, {"voxel_size": {"y": 40, "x": 8}}):  # the ways out
        image = opened(tmp_path, base=DECLARED, levels=1, **keys)
        check_declared(image, Level(image, 0).metadata)


def test_a_level_0_of_labels_that_was_planned_as_an_image_is_refused(tmp_path):
    image = opened(tmp_path, base=DECLARED, base_ready="made.txt", levels=1)
    make(tmp_path)
    zarr.open_group(tmp_path).attrs["ome"] = {"version": "0.5", "image-label": {}}
    message = r"has labels true \(its group has image-label\), .* with false; give labels: true"
    with pytest.raises(ConfigError, match=message):
        check_declared(image, Level(image, 0).metadata)
    image = opened(tmp_path, base=DECLARED, labels=True, levels=1)  # the way out
    check_declared(image, Level(image, 0).metadata)


def test_what_is_shown_of_a_declared_image_may_change(tmp_path):
    """A first run writes `omero` into the group that the second finds."""
    make(tmp_path)
    channels = [{"window": {"start": 0, "end": 9, "min": 0, "max": 9}, "color": "FFFFFF"}]
    zarr.open_group(tmp_path).attrs["ome"] = {"version": "0.5", "omero": {"channels": channels}}
    assert opened(tmp_path, base=DECLARED, levels=1).plan.levels[1].shape == (6, 5)


def test_a_test_image_that_is_there_is_planned_from_what_is_there(tmp_path):
    image = opened(make(tmp_path), test_image={"shape": [64, 64], "chunks": [8, 8]})
    assert image.plan.levels[0].shape == VOXELS.shape


# Sentinels that the store contradicts.


def built(tmp_path, **keys):
    """Return an image and its folder of sentinels, as a run leaves them."""
    image = opened(make(tmp_path / "s"), levels=2, **keys)
    folder = tmp_path / "results"
    records = [seal_base(image)]
    for level in (1, 2):
        records.append(build_level(image, level, records[-1], n_workers=1))
    for record in records:
        write_sentinel(folder / "levels" / f"{record['level']}.json", record)
    write_sentinel(folder / "multiscales.json", write_multiscales(image))
    return opened(tmp_path / "s", levels=2, **keys), folder


def stale(image, folder):
    found = staleness.stale_sentinels(image, folder, base_layout(image))
    return {str(path.relative_to(folder)): reason for path, reason in found.items()}


def test_a_finished_run_has_nothing_stale(tmp_path):
    assert stale(*built(tmp_path)) == {}


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("level 1 removed", {"levels/1.json": "absent or another level"}),
        ("level 2 of somebody else", {"levels/2.json": "absent or another level"}),
        ("record of another run", {"levels/1.json": "absent or another level"}),
        ("no record", {"levels/2.json": "it is no record"}),
        ("chunk of level 0 removed", {"levels/0.json": "other objects than were sealed"}),
        ("list removed", {"multiscales.json": "lists other levels, or lists them differently"}),
    ],
)
def test_what_the_store_contradicts_is_stale(tmp_path, damage, expected):
    image, folder = built(tmp_path)
    store = tmp_path / "s"
    if damage == "level 1 removed":
        (store / "1" / "zarr.json").unlink()
    elif damage == "level 2 of somebody else":
        zarr.open_group(store).create_array("2", data=VOXELS, overwrite=True)
    elif damage == "record of another run":
        record = json.loads((folder / "levels/1.json").read_text())
        write_sentinel(folder / "levels/1.json", {**record, "digest": "0"})
    elif damage == "no record":
        (folder / "levels/2.json").write_bytes(b"")
    elif damage == "chunk of level 0 removed":
        (store / "0/c/0/0").unlink()
    else:
        zarr.open_group(store).attrs.put({})
    found = stale(image, folder)
    assert set(found) == set(expected)
    for name, reason in expected.items():
        assert found[name].endswith(reason.replace("\\", "")), found


def test_another_recipe_makes_all_levels_stale(tmp_path):
    _, folder = built(tmp_path)
    image = opened(tmp_path / "s", levels=2, scale_factors=[2, 3])
    assert set(stale(image, folder)) == {"levels/1.json", "levels/2.json", "multiscales.json"}
    image = opened(tmp_path / "s", levels=1)
    assert set(stale(image, folder)) == {"multiscales.json"}


def test_stale_sentinels_are_set_aside(tmp_path):
    image, folder = built(tmp_path)
    zarr.open_group(tmp_path / "s").attrs.put({})
    found = staleness.stale_sentinels(image, folder, base_layout(image))
    staleness.set_aside(found)
    assert (folder / "set-aside" / "multiscales.json").exists()
    assert stale(image, folder) == {}


def test_an_owner_is_noted(tmp_path):
    image = opened(make(tmp_path / "s"))
    staleness.write_owner(image, tmp_path / "results", base_layout(image))
    noted = json.loads((tmp_path / "results" / "image.json").read_text())
    assert {**noted, "watch": ""} == {"store": str(tmp_path / "s"), "field": "", "watch": ""}
    assert noted["watch"] == base_layout(image).watch
