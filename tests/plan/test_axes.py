"""Axes in an order that is not OME-NGFF's, and channels that nothing names: said, and put right."""

from __future__ import annotations

import re
import shlex

import numpy as np
import pytest
import zarr

from zarrpyramid import Downsampler, build_pyramid
from zarrpyramid.cli.program import main
from zarrpyramid.config import image_config
from zarrpyramid.errors import ConfigError, PyramidError
from zarrpyramid.plan.axis_order import check_axes
from zarrpyramid.plan.image import open_image
from zarrpyramid.plan.levels import made_base, plan_image

SPACES = {"axes": [{"name": name, "type": "space"} for name in "zyx"], "datasets": [{"path": "0"}]}


def make(path, shape, names=None, **keys):
    """Write an image of few stored bytes; voxels are the sum of their indices."""
    voxels = np.indices(shape, sparse=True)
    voxels = (sum(voxels) * 7 % 251).astype("uint8")
    chunks = tuple(min(64, extent) for extent in shape)
    group = zarr.create_group(path, **keys)
    more = {} if names is None else {"dimension_names": names}
    group.create_array("0", data=voxels, chunks=chunks, **more)
    return voxels


def checked(path, **keys):
    check_axes(open_image(image_config("image", {"store": str(path), **keys})).plan)


GUESSED = [
    # shape, dimension_names, the transposition that the message names
    ((70, 64, 3), None, ("c", "y", "x"), (2, 0, 1)),
    ((64, 64, 2), (None, None, None), ("c", "y", "x"), (2, 0, 1)),
    ((64, 90, 4), ("y", "x", None), ("c", "y", "x"), (2, 0, 1)),
    ((5, 64, 64, 3), None, ("c", "z", "y", "x"), (3, 0, 1, 2)),
    ((64, 64, 5, 3), None, ("c", "z", "y", "x"), (3, 0, 1, 2)),
    ((2, 2, 64, 64, 3), None, ("t", "c", "z", "y", "x"), (0, 4, 1, 2, 3)),
    ((8, 9, 3), (None, None, "c"), ("c", "y", "x"), (2, 0, 1)),
    ((8, 9, 7), (None, "x", "rgb"), ("c", "y", "x"), (2, 0, 1)),
]


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("shape", "names", "axes", "order"), GUESSED)
def test_channels_last_without_a_name(tmp_path, capsys, shape, names, axes, order):
    voxels = make(tmp_path / "a.zarr", shape, names)
    document = (tmp_path / "a.zarr/0/zarr.json").read_bytes()
    with pytest.raises(ConfigError, match=r"nothing names its axes.* like channels") as told:
        build_pyramid(tmp_path / "a.zarr", levels=1)
    assert main(["plan", str(tmp_path / "a.zarr")]) == 1
    assert str(told.value).partition(": ")[2] in capsys.readouterr().err
    assert (tmp_path / "a.zarr/0/zarr.json").read_bytes() == document
    assert sorted(item.name for item in (tmp_path / "a.zarr").iterdir()) == ["0", "zarr.json"]
    take_the_way_out(tmp_path, str(told.value), voxels, axes, order)
    # The other one: all axes are of space, or those that are usual.
    given = re.search(r"of space, give axes: \[([^]]*)\]", str(told.value))[1].split(", ")
    if not any(names or ()):  # else level 0 would be renamed
        (_, level_1) = build_pyramid(tmp_path / "a.zarr", levels=1, axes=given)
        factors = [1 if name in "tc" else 2 for name in given]
        assert level_1["recipe"]["factors"] == factors


def take_the_way_out(folder, text, voxels, axes, order):
    """Give the image as source as the message says, and see that channels are not averaged."""
    way = shlex.split(re.search(r"--config (source=.* store=NEW\.zarr)", text)[1])
    keys = dict(pair.split("=") for pair in way)
    keys["axes"] = keys["axes"].strip("[]").split(",")
    assert keys.pop("store") == "NEW.zarr"
    (_, level_1) = build_pyramid(folder / "b.zarr", levels=1, scale_factors=2, **keys)
    group = zarr.open_group(folder / "b.zarr", mode="r")
    np.testing.assert_array_equal(group["0"], np.transpose(voxels, order))
    listed = group.attrs["ome"]["multiscales"][0]["axes"] if len(order) > 2 else []
    assert [axis["name"] for axis in listed] == [*axes]
    factors = [2 if name in "zyx" else 1 for name in axes]
    assert level_1["recipe"]["factors"] == factors


SURE = [
    ((64, 64, 3), "zyx", {}),
    ((64, 64, 3), "yxz", {}),
    ((64, 64, 3), None, {"axes": ("z", "y", "x")}),
    ((64, 63, 3), None, {}),
    ((64, 64, 1), None, {}),
    ((64, 64, 5), None, {}),
    ((3, 64, 64), None, {}),
    ((64, 3), None, {}),
    ((5, 3, 64, 4), None, {}),
    ((3, 64, 64), "cyx", {}),
]


@pytest.mark.parametrize(("shape", "names", "keys"), SURE)
def test_no_false_alarm(tmp_path, shape, names, keys):
    make(tmp_path, shape, names)
    checked(tmp_path, **keys)


def test_what_a_group_or_a_configuration_says_of_axes_is_sure(tmp_path):
    make(tmp_path / "a.zarr", (64, 64, 3), attributes={"ome": {"multiscales": [SPACES]}})
    checked(tmp_path / "a.zarr")
    form = {"shape": [64, 64, 3], "chunks": [64, 64, 3], "dtype": "uint8"}
    for key in ("base", "test_image"):
        config = image_config("image", {"store": "absent", key: form})
        check_axes(plan_image(config, made_base(getattr(config, key))))


def test_the_seed_s_interface_takes_any_array(tmp_path):
    make(tmp_path / "a.zarr", (64, 64, 3))
    Downsampler(tmp_path / "a.zarr", (2, 2, 1), (64, 64, 3), (16, 16, 3)).downsample(2, "")
    assert zarr.open_array(tmp_path / "a.zarr/1").shape == (32, 32, 3)


NAMED = [
    (("y", "x", "c"), ("c", "y", "x"), (2, 0, 1)),
    (("y", "x", "rgb"), ("rgb", "y", "x"), (2, 0, 1)),
    (("x", "y", "z", "c"), ("c", "z", "y", "x"), (3, 2, 1, 0)),
    (("z", "y", "x", "t"), ("t", "z", "y", "x"), (3, 0, 1, 2)),
    (("c", "t", "y", "x"), ("t", "c", "y", "x"), (1, 0, 2, 3)),
    (("y", "x", "Channel", "time"), ("time", "Channel", "y", "x"), (3, 2, 0, 1)),
]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("by", ["dimension_names", "axes"])
@pytest.mark.parametrize(("names", "axes", "order"), NAMED)
def test_a_wrong_order_names_the_transposition(tmp_path, names, axes, order, by):
    shape = (9, 8, 7, 6)[: len(names)]
    voxels = make(tmp_path / "a.zarr", shape, names if by == "dimension_names" else None)
    keys = {} if by == "dimension_names" else {"axes": names}
    with pytest.raises(
        ConfigError, match=r"break OME-NGFF's order.* if these are its axes"
    ) as told:
        build_pyramid(tmp_path / "a.zarr", levels=1, **keys)
    text = str(told.value)
    assert text.endswith("; else name them with axes: [...]")
    take_the_way_out(tmp_path, text, voxels, axes, order)


@pytest.mark.parametrize(
    "axes", [["t", "time", "y", "x"], ["c", "rgb", "y", "x"], ["a", "b", "y", "x"]]
)
def test_axes_that_no_order_makes_right(tmp_path, axes):
    make(tmp_path, (4, 4, 4, 4))
    with pytest.raises(PyramidError, match=r"space axes; name them with axes: \[\.\.\.\]$"):
        checked(tmp_path, axes=axes)


@pytest.mark.parametrize("name", ["rgb", "RGBA", "colour", "ch", "channels"])
def test_names_of_channels_are_known(tmp_path, name):
    make(tmp_path, (3, 8, 8), (name, "y", "x"))
    (_, level_1) = build_pyramid(tmp_path, levels=1)
    assert level_1["recipe"]["factors"] == [1, 2, 2]


SURE_TYPES = {"c": "channel"}
LISTED = {
    # Names in the list, in level 0, those given, and what is asked.
    "mistyped": ("zyx", None, "zyq", "axis 'x' 'q', the group's multiscales has"),
    "mistyped, with names": ("zyx", "zyx", "zyq", "axis 'x' 'q', the group's multiscales has"),
    "the first": ("zyx", None, "ayx", "axis 'z' 'a', "),
    "names alone": (None, "zyx", "zyq", "axis 'x' 'q', level 0's dimension_names has"),
    "of two": ("yx", None, ("y", "lon"), "axis 'x' 'lon', "),
    "another case": ("zyx", None, "zyX", "axis 'x' 'X', "),
    "channels": ("cyx", None, "dyx", "axis 'c' 'd', "),
    "as they are": ("zyx", "zyx", "zyx", ""),
    "time": ("zyx", None, "tyx", ""),
    "a channel": ("zyx", "zyx", "cyx", ""),
    "all of them": ("yx", None, ("lat", "lon"), ""),
    "a usual one": (("a", "y", "x"), None, "zyx", ""),
    "nothing is named": (None, None, "zyq", ""),
    "some have no name": (None, ("z", None, "x"), "zyx", ""),
}


@pytest.mark.sampled(10)
@pytest.mark.parametrize("taken", ["in place", "as source"])
@pytest.mark.parametrize(("listed", "names", "given", "asked"), LISTED.values(), ids=LISTED)
def test_one_axis_of_several_is_not_renamed_by_a_slip(tmp_path, listed, names, given, asked, taken):
    path, new = tmp_path / "a.zarr", tmp_path / "new.zarr"
    attributes = {}
    if listed:
        axes = [{"name": name, "type": SURE_TYPES.get(name, "space")} for name in listed]
        scale = [{"type": "scale", "scale": [2.0] * len(axes)}]
        datasets = [{"path": "0", "coordinateTransformations": scale}]
        listing = {"axes": axes, "datasets": datasets}
        attributes = {"ome": {"version": "0.5", "multiscales": [listing]}}
    make(path, (8, 9, 10)[-len(given) :], names, attributes=attributes)
    keys = {"levels": 1, "scale_factors": 2, "axes": [*given]}
    where, more = (path, {}) if taken == "in place" else (new, {"source": str(path)})
    if not asked:
        build_pyramid(where, **keys, **more)
        return
    before = {item: item.read_bytes() for item in tmp_path.rglob("*") if item.is_file()}
    with pytest.raises(ConfigError, match=re.escape(asked)) as told:
        build_pyramid(where, **keys, **more)
    assert {item: item.read_bytes() for item in tmp_path.rglob("*") if item.is_file()} == before
    kept = re.search(
        r"did you mean '(\w+)'\? Leave axes out .*, or rename the axis there", str(told.value)
    )
    mended = [name if name in (listed or names) else kept[1] for name in given]
    assert mended == [*(listed or names)]
    # Each way out: the name that is meant, none, and the axis renamed there first.
    if taken == "as source":
        build_pyramid(where, **{**keys, "axes": mended}, **more)
        return
    build_pyramid(where, **{**keys, "axes": mended})
    build_pyramid(where, levels=1, scale_factors=2)
    group = zarr.open_group(path)
    ome = group.attrs["ome"]
    for axis, name in zip(ome["multiscales"][0]["axes"], given, strict=True):
        axis["name"] = name
    group.attrs["ome"] = ome
    if asked != "axis 'c' 'd', ":  # which is of space by its name, and a channel by its type
        build_pyramid(where, **keys)
        assert zarr.open_array(path / "1").metadata.dimension_names == tuple(given)
