"""Companions: pyramids by other methods of one level 0, equal to those that are built alone."""

from __future__ import annotations

import json
import re
import shutil

import numcodecs
import numpy as np
import pytest
import zarr

from rebuilds import bytes_of, change, make, objects
from zarrpyramid import build_pyramid
from zarrpyramid.arrays.direct import DirectChunks
from zarrpyramid.cli import main
from zarrpyramid.config import image_config, image_configs
from zarrpyramid.config.files import read_config
from zarrpyramid.downsample.base import seal_base
from zarrpyramid.downsample.level import build_level
from zarrpyramid.downsample.parts import build_part, gather_level, open_level
from zarrpyramid.downsample.publish import write_multiscales
from zarrpyramid.downsample.pyramid import clean
from zarrpyramid.errors import ConfigError, PyramidError, StoreError
from zarrpyramid.plan import companions, open_image
from zarrpyramid.report.summary import success_lines
from zarrpyramid.stores.local import LocalStore
from zarrpyramid.verify import pyramid_status, reproduce
from zarrpyramid.verify.findings import Report
from zarrpyramid.verify.verify import verify_pyramid

FORMS = {
    "plain": ({}, {}),
    "v2": ({"zarr_format": 2}, {}),
    "shards": ({"shards": (16, 16, 16)}, {}),
    "across": ({}, {"chunks": [5, 6, 7], "scale_factors": 3}),
    "across in shards": ({"shards": (16, 16, 16)}, {"chunks": [3, 4, 5], "shards": [6, 8, 10]}),
    "through zarr-python": ({"zarr_format": 2, "filters": [numcodecs.Delta("u2")]}, {}),
    "left out": ({}, {"write_empty_chunks": False}),
    "nodata": ({}, {"nodata": 7, "nodata_share": 0.9}),
    "once": ({}, {"rounding": "once"}),
    "factors": ({}, {"scale_factors": [[1, 2, 3], [3, 1, 2]]}),
    "floats": ({"dtype": "float32"}, {"method": "nanmean"}),
    "bool": ({"dtype": "bool"}, {}),
    "of a minimum": ({}, {"method": "min", "also": ["max", "mean", "median", "mode", "stride"]}),
    "one space axis": ({"shape": (500,), "chunks": (7,)}, {}),
    "flat": ({"shape": (90, 81), "chunks": (16, 16)}, {}),
}


def records(group):
    """Return the records of all levels of a group but level 0, by name."""
    levels = dict(zarr.open_group(group, mode="r").arrays())
    found = {name: dict(level.attrs) for name, level in levels.items()}
    return {name: held for name, held in found.items() if "zarrpyramid" in held}


def alone(store, folder, method, keys):
    """Return the records of a pyramid that is built by one method alone, of a copy of level 0."""
    shutil.copytree(store / "raw/0", folder / "raw/0")
    zarr.open_group(folder, zarr_format=zarr.open_group(store, mode="r").metadata.zarr_format)
    zarr.create_group(folder / "raw", zarr_format=zarr.open_group(folder).metadata.zarr_format)
    own = {"rounding": "each"} if "rounding" in keys else {}
    build_pyramid(folder, "raw", **{**keys, **own, "also": "none", "method": method})
    return records(folder / "raw")


def report(path):
    made = Report(path=str(path))
    made.gather(verify_pyramid(str(path), full=True), lambda line: None)
    return made


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", FORMS)
@pytest.mark.filterwarnings("ignore:Numcodecs codecs:UserWarning")
def test_companions_equal_pyramids_of_their_own(tmp_path, name):
    form, keys = FORMS[name]
    keys = {"also": ["max", "min"], "levels": 2, "progress": False, **keys}
    store = make(tmp_path / "brain.zarr", **form)
    bare = tmp_path / "bare.zarr"
    shutil.copytree(store, bare)
    build_pyramid(store, "raw", **keys)
    build_pyramid(bare, "raw", **{**keys, "also": "none"})
    assert records(store / "raw") == records(bare / "raw")
    for method in keys["also"]:
        expected = alone(store, tmp_path / f"{method}.zarr", method, keys)
        assert len(expected) == 2
        assert records(store / "raw" / method) == expected
        found = report(store / "raw" / method)
        assert found.is_sound, found.findings
    assert report(store / "raw").is_sound


def test_the_group_of_a_companion(tmp_path):
    store = make(tmp_path / "brain.zarr")
    how = {"also": ["max"], "voxel_size": {"z": 2.0, "y": 0.5, "x": 0.5}, "unit": "micrometer"}
    build_pyramid(store, "raw", levels=2, scale_factors=2, **how)
    attributes = json.loads((store / "raw/max/zarr.json").read_text())["attributes"]
    listed = attributes["ome"]["multiscales"][0]
    assert [each["path"] for each in listed["datasets"]] == ["1", "2"]
    assert listed["datasets"][0]["coordinateTransformations"] == [
        {"type": "scale", "scale": [4.0, 1.0, 1.0]},
        {"type": "translation", "translation": [1.0, 0.25, 0.25]},
    ]
    assert listed["type"] == "max"
    assert {axis["unit"] for axis in listed["axes"]} == {"micrometer"}
    assert attributes["zarrpyramid_level_0"]["path"] == "../0"
    found = pyramid_status(str(store / "raw/max"))
    assert [level.level for level in found.levels] == [0, 1, 2]
    assert not found.faults
    assert found.levels[1].voxel_size == (4.0, 1.0, 1.0)
    assert clean(str(store / "raw/max")) == [1, 2]
    assert report(store / "raw").is_sound


def test_a_second_build_makes_nothing_again(tmp_path, caplog):
    store = make(tmp_path / "brain.zarr")
    build_pyramid(store, "raw", levels=2)
    before = records(store / "raw")
    build_pyramid(store, "raw", levels=2, also=["max"])  # of which level 1 is made alone
    assert records(store / "raw") == before
    made = {path: path.stat().st_mtime_ns for path in store.rglob("*") if path.is_file()}
    build_pyramid(store, "raw", levels=2, also=["max"])
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*") if path.is_file()} == made


def test_a_companion_that_is_built_as_an_image_of_its_own(tmp_path):
    """Then nobody has looked at level 0 before it."""
    store = make(tmp_path / "brain.zarr")
    build_pyramid(store, "raw", levels=2, also=["max"])
    change(store, (slice(0, 8),) * 3)
    build_pyramid(store, "raw/max", levels=2, method="max")
    assert report(store / "raw/max").is_sound
    there = bytes_of(store)
    with pytest.raises(ConfigError, match=r"raw/max is a companion itself, and has none; .*give"):
        build_pyramid(store, "raw/max", levels=2, method="max", also=["min"])
    assert bytes_of(store) == there
    build_pyramid(store, "raw", levels=2, also=["max", "min"])  # the way out
    assert report(store / "raw/min").is_sound


@pytest.mark.sampled(1)
@pytest.mark.parametrize("weighs", [False, True])
def test_the_configuration_of_a_companion_is_that_of_its_image(tmp_path, weighs):
    store, keys = make(tmp_path / "brain.zarr"), {"levels": 2, "also": ["max"], "nodata": 7}
    bare = shutil.copytree(store, tmp_path / "bare" / "brain.zarr")
    if weighs:
        keys["weights"] = "mass"
        for place in (store, bare):
            shutil.copytree(place / "raw", place / "mass")
        build_pyramid(store, "mass", levels=2)
    build_pyramid(store, "raw", **keys)
    text = reproduce(str(store / "raw/max")).replace(str(store), str(bare))
    (tmp_path / "again.yaml").write_text(text, encoding="utf-8")
    configs = image_configs(read_config(tmp_path / "again.yaml"))
    assert [each.also for each in configs] == [("max",), None][: 1 + weighs]
    for config in reversed(configs):  # weights first
        image = open_image(config)
        for each in (image, *companions(image)):
            finer = seal_base(each)
            for level in (1, 2):
                finer = build_level(each, level, finer, n_workers=1)
            write_multiscales(each)
    assert bytes_of(bare / "raw/max") == bytes_of(store / "raw/max")
    build_pyramid(store, "raw", **{**keys, "also": "none"}, chunks=[4, 4, 4])
    with pytest.raises(StoreError, match=r"made with chunks .*8.*, its image .* build both anew"):
        reproduce(str(store / "raw/max"))
    build_pyramid(store, "raw", **keys, chunks=[4, 4, 4])  # the way out
    assert "chunks: [4, 4, 4]" in reproduce(str(store / "raw/max"))


def test_an_image_at_the_root_of_a_store(tmp_path):
    group = zarr.create_group(tmp_path / "root.zarr")
    group.create_array("0", data=np.arange(8**3, dtype="uint8").reshape(8, 8, 8), chunks=(4, 4, 4))
    build_pyramid(tmp_path / "root.zarr", also=["max"], levels=1)
    expected = np.arange(8**3, dtype="uint8").reshape(4, 2, 4, 2, 4, 2).max((1, 3, 5))
    assert (zarr.open_array(tmp_path / "root.zarr/max/1")[:] == expected).all()
    assert report(tmp_path / "root.zarr/max").is_sound


REFUSED = {
    "its own": ({"also": ["mean"]}, ConfigError, "mean is the image's own", {"also": ["max"]}),
    "its own by auto": ({"also": ["mean"], "method": "auto"}, ConfigError, "own method", {}),
    "twice": ({"also": ["max", "max"]}, ConfigError, r"names a method twice", {"also": ["max"]}),
    "unknown": ({"also": ["min", "maxx"]}, ConfigError, r"did you mean 'max'\?", {"also": ["max"]}),
    "sum": ({"also": ["sum"]}, ConfigError, r"also: expected none, or a list of methods", {}),
    "nodata": (
        {"also": ["mode"], "nodata": 7},
        ConfigError,
        r"also mode: method mode takes no nodata, .*; give nodata: auto",
        {"also": ["mode"], "nodata": "auto"},
    ),
    "labels": (
        {"also": ["max"], "labels": True},
        ConfigError,
        r"also max: level 0 holds labels, which have no companions; leave also out",
        {"labels": True},
    ),
    "no level": (
        {"also": ["max"], "levels": "auto"},
        ConfigError,
        r"also max: the image gets no level .*; give levels: 1",
        {"also": ["max"], "levels": 1},
    ),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_writes_nothing_and_its_way_out_works(tmp_path, name):
    keys, error, message, way_out = REFUSED[name]
    store = make(tmp_path / "brain.zarr")
    there = sorted(store.rglob("*"))
    with pytest.raises(error, match=message) as told:
        build_pyramid(store, "raw", **{"levels": 1, **keys})
    assert "\n" not in str(told.value)
    assert sorted(store.rglob("*")) == there
    build_pyramid(store, "raw", **{"levels": 1, **way_out})


def test_a_type_that_a_method_does_not_take(tmp_path):
    store = make(tmp_path / "brain.zarr", dtype="float32")
    with pytest.raises(
        ConfigError, match=r"also mode: method mode does not take .*; choose median"
    ):
        build_pyramid(store, "raw", levels=1, also=["mode"])
    build_pyramid(store, "raw", levels=1, also=["median"])


@pytest.mark.parametrize("what", ["group", "array", "image"])
def test_what_stands_in_a_companions_place_stays(tmp_path, what):
    store = make(tmp_path / "brain.zarr")
    group = zarr.open_group(store / "raw")
    if what == "array":
        group.create_array("max", data=np.ones((4, 4, 4)))
    else:
        held = group.create_group("max", attributes={"mine": 1})
        if what == "image":
            held.create_array("0", data=np.ones((4, 4, 4)))
    there = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    with pytest.raises(StoreError, match=r"also max: .*raw/max is there already .*; move it away"):
        build_pyramid(store, "raw", levels=1, also=["max"])
    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == there
    (store / "raw/max").rename(tmp_path / "elsewhere")
    build_pyramid(store, "raw", levels=1, also=["max"])


def test_levels_that_stand_where_a_companion_would(tmp_path):
    store = make(tmp_path / "brain.zarr")
    (store / "raw/0").rename(store / "raw/max")
    with pytest.raises(ConfigError, match=r"also max: .* where levels of the image are; leave max"):
        build_pyramid(store, "raw", levels=1, base_path="max", also=["max", "min"])
    build_pyramid(store, "raw", levels=1, base_path="max", also=["min"])
    assert report(store / "raw/min").is_sound


def test_a_companion_that_was_moved_away_from_its_level_0(tmp_path):
    store = make(tmp_path / "brain.zarr")
    build_pyramid(store, "raw", levels=1, also=["max"])
    shutil.move(store / "raw/max", tmp_path / "max.zarr")
    with pytest.raises(PyramidError, match=re.escape("../0")):
        build_pyramid(tmp_path / "max.zarr", levels=1)
    assert not report(tmp_path / "max.zarr").is_sound


def build(store, results, **keys):
    """Build an image and its companions as the workflow does, and return all records by name."""
    image = open_image(image_config("brain", {"store": str(store), "field": "raw", **keys}))
    made = {}
    for each in (image, *companions(image)):
        folder = results / each.plan.image.name
        found = [seal_base(each)]
        for level in range(1, len(each.plan.levels)):
            finer, how = found[-1], {"results": folder}
            cut = each.plan.cut(level)
            if cut.n_parts == 1:
                found.append(build_level(each, level, finer, n_workers=1, **how))
                continue
            opening = open_level(each, level, finer, **how)
            parts = [
                build_part(each, level, n + 1, finer, opening, n_workers=1, **how)
                for n in range(cut.n_parts)
            ]
            found.append(gather_level(each, level, finer, json.loads(json.dumps(parts)), **how))
        write_multiscales(each)
        made[each.plan.image.name] = found
    return made


def told(caplog, what):
    found = [record.getMessage() for record in caplog.records if what in record.getMessage()]
    caplog.clear()
    return found


WAYS = {
    "one job": {},
    "parts": {"part_size": 9000},
    "once in parts": {"part_size": 9000, "rounding": "once"},
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("way", WAYS)
def test_one_read_makes_level_1_of_all(tmp_path, caplog, way):
    caplog.set_level("INFO")
    keys = {"levels": 2, **WAYS[way]}
    store = make(tmp_path / "brain.zarr")
    bare = shutil.copytree(store, tmp_path / "bare.zarr")
    made = build(store, tmp_path / "results", also=("max", "min"), **keys)
    assert list(made) == ["brain", "brain-max", "brain-min"]
    messages = [record.getMessage() for record in caplog.records]
    for method in ("max", "min"):
        level = store / "raw" / method / "1"
        assert f"{level} is made by the same read of level 0" in messages
        assert f"{level} is up to date: same recipe, same source" in messages
        alone = build_pyramid(bare, "raw", levels=2, method=method, progress=False)
        assert made[f"brain-{method}"][1:] == alone[1:]
    assert not list(tmp_path.glob("results/*/parts/*.sqlite"))


def test_level_0_is_read_once(tmp_path, monkeypatch):
    store, read = make(tmp_path / "brain.zarr"), []
    get = LocalStore.get_into

    def counted(self, key, buffer, *rest):
        read.append(key)
        return get(self, key, buffer, *rest)

    monkeypatch.setattr(LocalStore, "get_into", counted)
    build(store, tmp_path / "results", also=("max", "min", "median"), levels=1)
    of_level_0 = [key for key in read if key.startswith("raw/0/c/")]
    assert len(of_level_0) == len(set(of_level_0)) == 5 * 5 * 5


@pytest.mark.sampled(1)
@pytest.mark.parametrize("way", WAYS)
def test_a_job_that_goes_on_leaves_companions_to_their_own(tmp_path, caplog, monkeypatch, way):
    caplog.set_level("INFO")
    keys = {"levels": 2, "also": ("max", "min"), **WAYS[way]}
    store, results = make(tmp_path / "brain.zarr"), tmp_path / "results"
    expected = build(shutil.copytree(store, tmp_path / "other.zarr"), tmp_path / "other", **keys)
    put, left = DirectChunks.put, [40]

    def stopped(self, index, payloads):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return put(self, index, payloads)

    monkeypatch.setattr(DirectChunks, "put", stopped)
    with pytest.raises(KeyboardInterrupt):
        build(store, results, **keys)
    monkeypatch.setattr(DirectChunks, "put", put)
    caplog.clear()
    assert build(store, results, **keys) == expected
    assert told(caplog, "is left to a job of its own")
    for method in ("max", "min"):
        assert report(store / "raw" / method).is_sound
    change(store, (slice(0, 8),) * 3)
    again = build(store, results, **keys)
    fresh = shutil.copytree(store, tmp_path / "fresh.zarr")
    for name in ("1", "2", "max", "min"):
        shutil.rmtree(fresh / "raw" / name)
    assert again == build(fresh, tmp_path / "fresh", **keys)


def test_a_companion_that_is_added_later_is_made_by_its_own_job(tmp_path, caplog):
    caplog.set_level("INFO")
    store, results = make(tmp_path / "brain.zarr"), tmp_path / "results"
    first = build(store, results, levels=2)["brain"]
    there = objects(store, 1)
    made = build(store, results, levels=2, also=("max",))
    assert made["brain"] == first
    assert objects(store, 1) == there
    assert not told(caplog, "same read")
    shutil.rmtree(store / "raw/1")
    shutil.rmtree(results)
    assert build(store, results, levels=2, also=("max",)) == made


@pytest.mark.sampled(1)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_companion_is_shown_as_its_image(tmp_path, zarr_format):
    """Others' `omero` is taken over, and stays where the companion has got one of its own."""
    store = make(tmp_path / "brain.zarr", zarr_format=zarr_format)
    window = {"min": 0, "max": 9, "start": 1, "end": 8}
    omero = {"channels": [{"label": "DAPI", "color": "00FF00", "window": window}], "id": 7}
    build_pyramid(store, "raw", levels=2, also=["max"], progress=False)
    group = zarr.open_group(store / "raw")
    ours = ome(group)
    group.attrs.update({"omero": omero} if zarr_format == 2 else {"ome": {**ours, "omero": omero}})
    build_pyramid(store, "raw", levels=2, also=["max", "min"], progress=False)
    for method in ("max", "min"):
        companion = zarr.open_group(store / "raw" / method)
        assert ome(companion)["omero"] == omero
        assert report(store / "raw" / method).is_sound
    changed = {**ome(companion), "omero": {**omero, "id": 8}}
    companion.attrs.update(changed if zarr_format == 2 else {"ome": changed})
    build_pyramid(store, "raw", levels=2, also=["max", "min"], progress=False)
    assert ome(zarr.open_group(store / "raw/min"))["omero"]["id"] == 8
    assert report(store / "raw/min").is_sound


def ome(group):
    """Return where a group says how it is shown."""
    return group.attrs.asdict().get("ome", group.attrs.asdict())


def test_names_of_channels_from_a_source_are_those_of_companions(tmp_path):
    store = make(tmp_path / "brain.zarr", shape=(2, 8, 8, 8), chunks=(1, 4, 4, 4))
    group = zarr.open_group(store / "raw")
    group.attrs["zarrpyramid_channels"] = ["DAPI", "GFP"]
    how = {"axes": ["c", "z", "y", "x"], "levels": 1, "also": ["max"], "progress": False}
    build_pyramid(store, "raw", **how)
    shown = [ome(zarr.open_group(store / path))["omero"] for path in ("raw", "raw/max")]
    assert shown[0] == shown[1]
    assert [channel["label"] for channel in shown[1]["channels"]] == ["DAPI", "GFP"]
    assert report(store / "raw/max").is_sound


def test_clean_removes_the_group_of_a_companion(tmp_path):
    store = make(tmp_path / "brain.zarr")
    build_pyramid(store, "raw", levels=2, also=["max", "min"], progress=False)
    zarr.open_group(store / "raw/min").create_group("kept")
    for method in ("max", "min"):
        assert clean(str(store / "raw" / method)) == [1, 2]
    assert not (store / "raw/max").exists()
    assert "kept" in zarr.open_group(store / "raw/min")  # not ours, so the group stays
    build_pyramid(store, "raw", levels=2, also=["max", "min"], progress=False)
    assert report(store / "raw/max").is_sound
    assert report(store / "raw/min").is_sound


def test_the_commands_say_where_level_0_of_a_companion_is(tmp_path, capsys):
    store = make(tmp_path / "brain.zarr")
    build_pyramid(store, "raw", levels=2, also=["max"], progress=False)
    assert main(["status", str(store / "raw/max")]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert "no: ../0" in " ".join(rows[1])
    assert "yes" in rows[2]
    image = open_image(
        image_config("raw", {"store": str(store), "field": "raw", "levels": 2, "also": ["max"]})
    )
    line = success_lines(companions(image), tmp_path, tmp_path)[0]
    assert re.search(r"raw-max: levels? 1.* complete in .*brain.zarr/raw/max ", line), line
