"""The plan: axes, factors, chunks and levels as integers, and every setting that does not fit."""

from __future__ import annotations

import json

import pytest
import zarr

from planned import base, plan
from zarrpyramid.config import TestImage
from zarrpyramid.errors import ConfigError, GeometryError
from zarrpyramid.metadata.multiscales import CHANNEL, SPACE, TIME
from zarrpyramid.metadata.parsing import parse_array
from zarrpyramid.plan.levels import (
    VOXEL_REVISION,
    made_base,
    provenance,
)
from zarrpyramid.plan.preflight import space_needed


def test_the_levels_of_a_usual_image():
    found = plan(base((197, 233, 189), (64, 64, 64)), levels=2)
    assert [level.level for level in found.levels] == [0, 1, 2]
    assert [level.shape for level in found.levels] == [(197, 233, 189), (99, 117, 95), (50, 59, 48)]
    assert [level.downsampling for level in found.levels] == [(1,) * 3, (2,) * 3, (4,) * 3]
    assert [level.factors for level in found.levels] == [(1,) * 3, (2,) * 3, (2,) * 3]
    assert [level.n_objects for level in found.levels] == [4 * 4 * 3, 2 * 2 * 2, 1]
    assert found.levels[2].raw_bytes == 50 * 59 * 48 * 2
    assert found.where == "/s"


def test_what_is_expected_of_a_level():
    level = plan(base((64, 64), shards=(32, 32)), levels=1, write_empty_chunks=False).levels[1]
    assert level.expected == {
        "level": 1,
        "shape": [32, 32],
        "chunks": [8, 8],
        "shards": [32, 32],
        "dtype": "uint16",
        "recipe": {
            "method": "mean",
            "factors": [2, 2],
            "voxel_revision": VOXEL_REVISION,
            "write_empty_chunks": False,
        },
    }


AXES = [{"name": name, "type": "space"} for name in ("z", "y", "x")]


def listing(*names):
    return {"multiscales": [{"axes": list(names), "datasets": [{"path": "0"}]}]}


@pytest.mark.parametrize(
    ("n_axes", "names", "attributes", "given", "expected"),
    [
        (1, None, None, "auto", "x"),
        (2, None, None, "auto", "yx"),
        (3, None, None, "auto", "zyx"),
        (4, None, None, "auto", "czyx"),
        (5, None, None, "auto", "tczyx"),
        (3, ["c", "y", "x"], None, "auto", "cyx"),  # dimension_names
        (3, ["c", "y", "x"], listing("c", "y", "x"), "auto", "cyx"),
        (3, None, listing("t", "y", "x"), "auto", "tyx"),  # an existing multiscales
        (3, None, listing("y", "x"), "auto", None),  # of another rank
        (3, None, listing("y", "x"), ["z", "y", "x"], "zyx"),
        (3, ["c", None, "x"], None, "auto", "zyx"),  # not all are named
        (3, ["x", "x", "x"], listing("a", "y", "x"), ["x", "x", "x"], None),
        (3, None, listing("t", "y", "x"), ["c", "y", "x"], "cyx"),  # as given
        (3, None, None, ["a", "b", "c"], None),  # a channel after space
    ],
)
def test_axes(n_axes, names, attributes, given, expected):
    array = base((20,) * n_axes, names=names)
    if expected is None:
        with pytest.raises(ConfigError):
            plan(array, attributes, axes=given)
    else:
        assert "".join(axis.name for axis in plan(array, attributes, axes=given).axes) == expected


def test_types_and_sizes_of_axes():
    found = plan(base((20,) * 5), voxel_size={"x": 0.5}, unit={"t": "second"}).axes
    assert [axis.type for axis in found] == [TIME, CHANNEL, SPACE, SPACE, SPACE]
    assert [axis.size for axis in found] == [1, 1, 1, 1, 0.5]
    assert [axis.unit for axis in found] == ["second", None, None, None, None]


@pytest.mark.parametrize(
    ("n_axes", "given", "expected"),
    [
        (3, 2, (2, 2, 2)),
        (4, 2, (1, 2, 2, 2)),  # channels are not scaled
        (5, 3, (1, 1, 3, 3, 3)),  # nor is time
        (4, [2, 1, 2, 2], (2, 1, 2, 2)),  # unless asked
        (4, {"c": 2, "x": 3}, (2, 1, 1, 3)),
        (1, 5, (5,)),
    ],
)
def test_factors(n_axes, given, expected):
    assert plan(base((20,) * n_axes), scale_factors=given, levels=1).levels[1].factors == expected


@pytest.mark.parametrize(
    ("array", "chunks", "expected"),
    [
        (base((64, 64)), "same", [((8, 8), None)] * 3),
        (base((64, 64)), [4, 16], [((8, 8), None), ((4, 16), None), ((4, 16), None)]),
        (
            base((65, 64), (8, 8), shards=(32, 32)),
            "same",
            [((8, 8), (32, 32)), ((8, 8), (32, 32)), ((8, 8), (24, 16))],  # whole chunks that cover
        ),
        (
            base((65, 64), (8, 8), shards=(32, 32)),
            [4, 16],
            [((8, 8), (32, 32)), ((4, 16), (32, 32)), ((4, 16), (20, 16))],
        ),
    ],
)
def test_chunks_and_shards(array, chunks, expected):
    found = plan(array, levels=2, chunks=chunks).levels
    assert [(level.chunks, level.shards) for level in found] == expected


@pytest.mark.parametrize(
    ("shape", "chunks", "coarsest"),
    [
        ((200, 1024, 1024), (1, 1024, 1024), (13, 64, 64)),  # each was "small enough" by its chunks
        ((3000, 1500, 1500), (3000, 1500, 1500), (94, 47, 47)),
        ((200, 1024, 1024), (8, 8, 8), (13, 64, 64)),
        ((5, 3, 50, 1024, 1024), (1, 1, 1, 64, 64), (5, 3, 7, 128, 128)),  # of one time and channel
        ((64, 64, 64), (8, 8, 8), (64, 64, 64)),  # small enough
    ],
)
def test_auto_depends_on_the_image_and_not_on_its_chunks(shape, chunks, coarsest):
    found = plan(base(shape, chunks, dtype="uint8"))
    assert found.levels[-1].shape == coarsest
    decided = {decision.key: decision for decision in found.decisions}
    assert (decided["levels"].value, decided["levels"].given) == (len(found.levels) - 1, False)
    assert f"level {len(found.levels) - 1} holds" in decided["levels"].why
    assert "at most 262,144 are enough" in decided["levels"].why


def test_known_voxel_sizes_choose_the_factors():
    given = plan(base((64, 512, 512)), voxel_size={"z": 40, "y": 8, "x": 8})
    assert [level.factors for level in given.levels[1:]] == [(1, 2, 2), (1, 2, 2), (2, 2, 2)]
    for keys in ({}, {"scale_factors": 2, "voxel_size": {"z": 40, "y": 8, "x": 8}}):
        found = plan(base((64, 512, 512)), **keys)
        assert [level.factors for level in found.levels[1:]] == [(2, 2, 2)] * 2


@pytest.mark.parametrize(
    ("array", "keys", "message"),
    [
        (base((9, 9)), {"axes": ["x"]}, r"axes \['x'\] name 1 axes, level 0 has 2; its shape is"),
        (
            base((9, 9), names=["y", "x"]),
            {"axes": ["u", "v"], "edit_base": False},
            r"differ from level 0's dimension_names \['y', 'x'\], which OME-NGFF forbids",
        ),
        (base((9, 9)), {"axes": ["x", "t"]}, "break OME-NGFF's order"),
        (base((9, 9, 9)), {"axes": ["c", "channel", "x"]}, "break OME-NGFF's order"),
        (base((9,) * 4), {"axes": ["a", "z", "y", "x"]}, "break OME-NGFF's order"),  # four of space
        (base((9, 9)), {"scale_factors": [2]}, r"scale_factors \[2\] has 1 entries, level 0 has 2"),
        (
            base((9, 9)),
            {"scale_factors": {"z": 2}},
            r"scale_factors names axis 'z', axes are \['y', 'x'\]$",
        ),
        (
            base((9, 9)),
            {"scale_factors": {"width": 2}, "axes": ["height", "widht"]},
            "names axis 'width', .*; did you mean 'widht'",
        ),
        (base((9, 9)), {"voxel_size": {"z": 2}}, "voxel_size names axis 'z'"),
        (base((9, 9)), {"unit": {"z": "m"}}, "unit names axis 'z'"),
        (base((9, 9)), {"chunks": [4]}, r"chunks \[4\] has 1 entries, level 0 has 2 axes"),
        (
            base((9, 9), shards=(16, 16)),
            {"chunks": [4, 5]},
            r"chunks \[4, 5\] do not divide level 0's shards \[16, 16\]",
        ),
        (
            base((9, 9)),
            {"chunks": [2**20, 2**20]},
            r"a chunk \[1048576, 1048576\] of \w+ has \d+ bytes, expected at most 2147483647; give",
        ),
    ],
)
def test_settings_that_do_not_fit_the_array(array, keys, message):
    with pytest.raises(ConfigError, match=f"^image a: .*{message}") as error:
        plan(array, **keys)
    assert "\n" not in str(error.value)


def test_too_many_levels():
    with pytest.raises(GeometryError, match=r"^image a: level 4 would equal level 3"):
        plan(base((8, 8)), levels=4)


@pytest.mark.parametrize(
    ("n_axes", "names", "expected"),
    [(1, None, False), (2, None, True), (3, None, True), (5, None, True), (2, ["c", "x"], False)],
)
def test_what_ngff_can_describe(n_axes, names, expected):
    assert plan(base((9,) * n_axes, names=names)).lists_levels is expected


def test_provenance():
    found = provenance(plan(base((40, 3), (8, 8)), scale_factors=[2, 3], levels=3))
    assert found["factors"] == [[2, 3], [2, 1], [2, 1]]
    assert found["method"] == "mean"
    assert found["voxel_revision"] == VOXEL_REVISION


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (0, 100 * 2 // 4),  # nothing there yet: as raw
        (200, 50),  # does not compress
        (50, 13),  # a quarter, rounded up
        (1000, 50),  # never more than raw
    ],
)
def test_room_for_the_levels(stored, expected):
    found = plan(base((10, 10)), levels=1)
    assert space_needed(found.base, list(found.levels[1:]), stored) == expected


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "float32"])
def test_the_metadata_of_a_test_image_is_what_zarr_python_writes(tmp_path, dtype):
    made = TestImage(shape=(9, 8), chunks=(4, 4), dtype=dtype, pattern="noise", seed=0)
    found = made_base(made)
    zarr.create_array(
        tmp_path, shape=(9, 8), chunks=(4, 4), dtype=dtype, dimension_names=["y", "x"]
    )
    assert found.documents()["zarr.json"] == json.loads((tmp_path / "zarr.json").read_text())
    assert parse_array(found.documents(), "a") == found
    assert made_base(made, ("u", "v")).dimension_names == ("u", "v")
