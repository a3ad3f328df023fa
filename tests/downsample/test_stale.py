"""What a run finds by itself, whatever happened since the last and whatever was lost of it."""

from __future__ import annotations

import json
import os
import shutil

import numcodecs
import numpy as np
import pytest
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.config import image_configs
from zarrpyramid.downsample.base import seal_base
from zarrpyramid.downsample.level import build_level
from zarrpyramid.downsample.publish import write_multiscales
from zarrpyramid.downsample.stale import stale_sentinels, write_owner
from zarrpyramid.errors import ConfigError, StoreError
from zarrpyramid.metadata.record import proofs, read_sentinel, write_sentinel
from zarrpyramid.plan.base_objects import base_layout
from zarrpyramid.plan.image import open_image
from zarrpyramid.report.markup import verdict
from zarrpyramid.stores.local import LocalStore
from zarrpyramid.verify.status import pyramid_status

VOXELS = (np.arange(12 * 10).reshape(12, 10) * 7 % 251).astype("uint16")


def make(path, **settings):
    group = zarr.open_group(path, mode="w", zarr_format=settings.pop("zarr_format", 3))
    group.create_array("0", data=VOXELS, chunks=(4, 4), **{"compressors": None, **settings})
    return path


def opened(path, **keys):
    (config,) = image_configs({"store": str(path), "levels": 2, **keys})
    return open_image(config)


def built(path, **keys):
    """Build as the rules do, sentinels and all, and return the folder of results."""
    image, folder = opened(path, **keys), path.with_suffix(".results")
    records = [seal_base(image)]
    write_owner(image, folder, base_layout(image))
    write_sentinel(folder / "levels/0.json", records[0])
    for level in range(1, len(image.plan.levels)):
        records.append(build_level(image, level, records[-1], n_workers=1))
        write_sentinel(folder / f"levels/{level}.json", records[-1])
    write_sentinel(folder / "multiscales.json", write_multiscales(image))
    assert stale(path, folder, **keys) == set()
    return folder


def stale(path, folder, **keys):
    image = opened(path, **keys)
    found = stale_sentinels(image, folder, base_layout(image))
    return {str(path.relative_to(folder)) for path in found}


def test_a_voxel_of_the_same_size_and_an_old_time(tmp_path):
    folder = built(make(tmp_path / "s"))
    chunk = tmp_path / "s/0/c/0/0"
    before = chunk.stat()
    chunk.write_bytes(bytes(reversed(chunk.read_bytes())))
    os.utime(chunk, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert stale(tmp_path / "s", folder) == {"levels/0.json", "levels/1.json"}


@pytest.mark.parametrize("key", ["fill_value", "codecs"])
def test_another_meaning_of_the_same_bytes(tmp_path, key):
    path = make(tmp_path / "s")
    (path / "0/c/0/0").unlink()
    folder = built(path)
    before = zarr.open_array(path / "1")[...]
    document = json.loads((path / "0/zarr.json").read_text())
    if key == "fill_value":
        document[key] = 700
    else:
        document[key][0]["configuration"]["endian"] = "big"
    (path / "0/zarr.json").write_text(json.dumps(document))
    assert "levels/0.json" in stale(path, folder)
    build_pyramid(path, levels=2)
    assert not np.array_equal(zarr.open_array(path / "1")[...], before)


def test_settings_of_the_list(tmp_path):
    folder = built(make(tmp_path / "s"))
    voxels_of_3_x_1 = {"voxel_size": {"y": 3}}
    found = stale(tmp_path / "s", folder, scale_factors=2, **voxels_of_3_x_1)
    assert found == {"multiscales.json"}
    assert stale(tmp_path / "s", folder, unit={"y": "micrometer"}) == {"multiscales.json"}
    # By default, voxels that are far from squares choose other factors.
    assert stale(tmp_path / "s", folder, **voxels_of_3_x_1) == {
        *("levels/1.json", "levels/2.json", "multiscales.json"),
    }


def test_a_level_that_lacks_an_object_is_made_again(tmp_path):
    path = make(tmp_path / "s")
    folder = built(path)
    before = zarr.open_array(path / "1")[...]
    (path / "1/c/0/0").unlink()
    assert not pyramid_status(str(path)).levels[1].complete
    assert stale(path, folder) == {"levels/1.json"}
    build_pyramid(path, levels=2)
    assert np.array_equal(zarr.open_array(path / "1")[...], before)
    assert pyramid_status(str(path)).levels[1].complete


def test_levels_take_a_new_form_of_level_0(tmp_path):
    path = make(tmp_path / "s")
    folder = built(path)
    shutil.rmtree(path / "0")
    zarr.open_group(path).create_array("0", data=VOXELS, chunks=(4, 4), fill_value=9)
    names = stale(path, folder)
    assert {"levels/0.json", "levels/1.json"} <= names
    build_pyramid(path, levels=2)
    levels = zarr.open_group(path)
    assert {levels[name].fill_value for name in levels.array_keys()} == {9}


def test_other_axes_rename_those_that_were_guessed(tmp_path):
    path = tmp_path / "s"
    group = zarr.open_group(path, mode="w")
    group.create_array("0", data=VOXELS.reshape(3, 4, 5, 2), chunks=(2, 2, 2, 2))
    build_pyramid(path, levels=1)
    assert zarr.open_array(path / "0").metadata.dimension_names == ("c", "z", "y", "x")
    build_pyramid(path, levels=1, axes=["t", "z", "y", "x"])
    for level in "01":
        found = zarr.open_array(path / level).metadata.dimension_names
        assert found == ("t", "z", "y", "x")
    with pytest.raises(ConfigError, match="edit_base: true"):
        build_pyramid(path, levels=1, axes=["c", "z", "y", "x"], edit_base=False)


@pytest.mark.parametrize(
    "filters",
    [
        [numcodecs.FixedScaleOffset(offset=0, scale=10, dtype="f8", astype="i4")],
        [numcodecs.Quantize(digits=1, dtype="f8")],
    ],
    ids=["scale", "quantize"],
)
def test_filters_that_round(tmp_path, filters):
    path = tmp_path / "s"
    group = zarr.open_group(path, mode="w", zarr_format=2)
    array = group.create_array("0", shape=(40, 40), dtype="f8", chunks=(8, 8), filters=filters)
    array[...] = np.random.default_rng(0).random((40, 40)) * 100
    records = build_pyramid(path, levels=3)
    assert build_pyramid(path, levels=3) == records
    level = zarr.open_array(path / "2")[...]
    assert records[2]["max"] == level.max()


def test_one_group_under_two_names(tmp_path):
    make(tmp_path / "s")
    (tmp_path / "link").symlink_to(tmp_path / "s")
    images = {"a": {"store": str(tmp_path / "s")}, "b": {"store": str(tmp_path / "link")}}
    with pytest.raises(ConfigError, match=r"images\.b and images\.a are the same group"):
        image_configs({"images": images})
    above = {"a": {"store": str(tmp_path), "field": "s"}, "b": {"store": str(tmp_path / "s")}}
    with pytest.raises(ConfigError, match="are the same group"):
        image_configs({"images": above})


def test_two_at_once_are_refused(tmp_path):
    image = opened(make(tmp_path / "s"))
    record = seal_base(image)
    with (
        LocalStore(tmp_path / "s").hold("0"),
        pytest.raises(StoreError, match="another process is building the levels beside"),
    ):
        build_level(image, 1, record, n_workers=1)
    assert not (tmp_path / "s/1").exists()
    build_level(image, 1, record, n_workers=1)


@pytest.mark.parametrize(
    ("store", "field"), [("~/s.zarr", ""), ("s.zarr", "raw/"), ("s.zarr/", "raw")]
)
def test_names_do_not_depend_on_how_a_path_is_written(tmp_path, monkeypatch, store, field):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    group = zarr.open_group(tmp_path / "s.zarr", mode="w")
    for name in ("0", "raw/0"):
        group.create_array(name, data=VOXELS, chunks=(4, 4))
    (first,) = image_configs({"store": store, "field": field}, tmp_path / "results")
    image = open_image(first)
    write_owner(image, tmp_path / "results" / first.name, base_layout(image))
    (second,) = image_configs({"store": store, "field": field}, tmp_path / "results")
    assert first == second
    assert first.name == ("s-raw" if field else "s")


def test_what_others_list_is_kept(tmp_path):
    path = make(tmp_path / "s", zarr_format=2)
    axes = [{"name": "y", "type": "space", "longName": "row"}, {"name": "x", "type": "space"}]
    datasets = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [2, 3]}]}]
    first = {"version": "0.4", "axes": axes, "datasets": datasets}
    other = {"version": "0.4", "name": "other", "axes": axes, "datasets": [{"path": "thumb"}]}
    zarr.open_group(path).attrs["multiscales"] = [first, other]
    build_pyramid(path, levels=2)
    listed = zarr.open_group(path).attrs["multiscales"]
    assert listed[1] == other
    assert [dataset["path"] for dataset in listed[0]["datasets"]] == ["0", "1", "2"]
    assert listed[0]["axes"][0] == axes[0]
    assert listed[0]["datasets"][1]["coordinateTransformations"][0]["scale"] == [4.0, 3.0]


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently")  # v3's has no spec yet
def test_all_groups_of_a_consolidated_store_stay_readable(tmp_path, zarr_format):
    root = zarr.open_group(tmp_path / "s", mode="w", zarr_format=zarr_format)
    for name in ("a", "b/c", "z"):
        root.create_group(name).create_array("0", data=VOXELS, chunks=(4, 4))
    zarr.consolidate_metadata(tmp_path / "s")
    for name in ("b/c", "a"):
        build_pyramid(tmp_path / "s", name, levels=2)
        read = zarr.open_group(tmp_path / "s", mode="r", use_consolidated=True)
        for member in ("a/0", "b/c/0", "b/c/1", "z/0", *(["a/1"] if name == "a" else [])):
            assert read[member].shape[0] in (12, 6)
        assert {"a/0", "b/c/0", "b/c/1", "z/0"} <= set(dict(read.members(max_depth=None)))


def test_a_report_of_labels_is_of_the_levels_that_are_there(tmp_path):
    folder = built(make(tmp_path / "s"))
    keys = {"label_report": True, "labels": False}
    records = [read_sentinel(folder / f"levels/{level}.json") for level in range(3)]
    counted = {"levels": [{"proof": proof} for proof in proofs(records)]}
    write_sentinel(folder / "labels.json", counted)
    assert stale(tmp_path / "s", folder, **keys) == set()
    for changed in (
        {},
        {"levels": counted["levels"][:2]},
        {"levels": [{}, *counted["levels"][1:]]},
    ):
        write_sentinel(folder / "labels.json", changed)
        assert stale(tmp_path / "s", folder, **keys) == {"labels.json"}
        assert stale(tmp_path / "s", folder) == set()  # nobody asks for it


def test_what_tells_the_voxels_of_levels():
    made = [{"fingerprint": "f"}, {"digest": "b", "source": {"digest": "a"}}, {"digest": "c"}]
    assert proofs(made) == ["a", "b", "c"]
    assert proofs(made[:1]) == ["f"]


def test_a_report_that_says_incomplete_is_made_again(tmp_path):
    path = make(tmp_path / "s")
    folder = built(path)
    for is_complete, expected in ((True, set()), (False, {"summary.md"})):
        (folder / "summary.md").write_text("# s")
        (folder / "report.html").write_text(verdict("Level 1 is odd.", is_complete=is_complete))
        assert stale(path, folder) == expected
