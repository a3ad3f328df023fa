"""Axes put in order, boxes and channels: each against numpy on the whole array."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarrpyramid.errors import ConfigError
from zarrpyramid.inputs.arrangement import arrange
from zarrpyramid.inputs.image_input import InputForm


@dataclass(frozen=True)
class Held:
    """An input that is an array in memory, and a file for each place along its first axis."""

    voxels: np.ndarray
    form: InputForm = field(init=False)
    axes: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    name: str = "held"

    def __post_init__(self):
        shape = self.voxels.shape
        form = InputForm(
            shape=shape,
            dtype=self.voxels.dtype.name,
            axes=self.axes,
            blocks=(1, *shape[1:]),
            channels=self.channels,
        )
        object.__setattr__(self, "form", form)

    def read(self, region):
        return self.voxels[region]

    def files(self, region=None):
        places = range(self.voxels.shape[0])
        return [Path(str(place)) for place in places[region[0] if region else slice(None)]]


def held(axes, *extents, channels=()):
    return Held(np.arange(np.prod(extents)).reshape(extents), tuple(axes), channels)


ORDERS = [
    ("zyx", None, "zyx", "as it is"),
    ("xyz", None, "zyx", "as NIfTI has it"),
    ("yxc", None, "cyx", "colours last"),
    ("ztyx", None, "tzyx", "time comes first"),
    ("zqyx", None, "qzyx", "an axis of no known name stands before z"),
    ("yxc", ["y", "x", "c"], "yxc", "a given order"),
    ("yxc", [2, 0, 1], "cyx", "a given order, by number"),
]


@pytest.mark.parametrize(("axes", "transpose", "expected", "reason"), ORDERS)
def test_the_order_of_axes(axes, transpose, expected, reason):
    image = held(axes, *range(2, 2 + len(axes)))
    found = arrange(image, transpose=transpose)
    assert found.form.axes == tuple(expected), reason
    order = [axes.index(name) for name in expected]
    whole = image.voxels.transpose(order)
    assert found.form.shape == whole.shape
    assert found.form.blocks == tuple(image.form.blocks[axis] for axis in order)
    everything = tuple(slice(0, extent) for extent in whole.shape)
    np.testing.assert_array_equal(found.read(everything), whole)


@given(st.data())
def test_a_region_is_that_of_the_whole(data):
    extents = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple))
    names = data.draw(st.permutations("tczyx"[-len(extents) :]))
    image = held(names, *extents)
    crop, cut = {}, [slice(None)] * len(extents)
    for axis, extent in enumerate(extents):
        if data.draw(st.booleans()):
            start = data.draw(st.integers(0, extent - 1))
            crop[names[axis]] = (start, data.draw(st.integers(start + 1, extent)))
            cut[axis] = slice(*crop[names[axis]])
    whole, picked = image.voxels[tuple(cut)], None
    if "c" in names and data.draw(st.booleans()):
        axis = names.index("c")
        there = range(extents[axis])[cut[axis]]
        one = data.draw(st.booleans())
        picked = data.draw(st.lists(st.sampled_from(there), min_size=1, max_size=4))
        whole = np.take(image.voxels, picked, axis)[
            tuple(slice(None) if number == axis else box for number, box in enumerate(cut))
        ]
        picked = picked[0] if one else picked
        whole = np.take(whole, 0, axis) if one else whole
        names = [name for name in names if name != "c" or not one]
    found = arrange(image, crop=crop, channel=picked)
    order = [names.index(name) for name in found.form.axes]
    whole = whole.transpose(order)
    assert found.form.shape == whole.shape
    if whole.ndim:
        starts = [data.draw(st.integers(0, extent - 1)) for extent in whole.shape]
        ends = [
            data.draw(st.integers(start + 1, extent))
            for start, extent in zip(starts, whole.shape, strict=True)
        ]
        region = tuple(map(slice, starts, ends))
        np.testing.assert_array_equal(found.read(region), whole[region])


def test_channels_by_name_keep_their_names():
    image = held("cyx", 3, 4, 5, channels=("DAPI", "GFP", "RFP"))
    some = arrange(image, channel=["RFP", 0])
    assert (some.form.channels, some.form.shape) == (("RFP", "DAPI"), (2, 4, 5))
    one = arrange(image, channel="GFP")
    assert (one.form.channels, one.form.axes) == (("GFP",), ("y", "x"))
    np.testing.assert_array_equal(one.read((slice(0, 4), slice(0, 5))), image.voxels[1])


def test_files_are_those_of_the_box():
    image = held("zyx", 9, 4, 5)
    found = arrange(image, crop={"z": (2, 7)})
    assert [*map(str, found.files())] == ["2", "3", "4", "5", "6"]
    assert [*map(str, found.files((slice(1, 3), slice(0, 4), slice(0, 5))))] == ["3", "4"]
    assert pickle.loads(pickle.dumps(found)).form == found.form


WRONG = [
    ({"axes": ["y", "x"]}, r"axes \['y', 'x'\] name 2 axes, held has 3, of shape \[3, 4, 5\]"),
    ({"crop": {"z": (0, 1)}}, r"crop speaks of axis 'z', held has the axes \['c', 'y', 'x'\]"),
    ({"crop": {"y": (0, 9)}}, r"crop of axis 'y' is \[0, 9\], expected .* within the 4 voxels"),
    ({"channel": "GPF"}, r"channel 'GPF' is not in held, .* named DAPI, GFP; did you mean 'GFP'"),
    ({"channel": 3}, r"channel 3 is not in held, which has 3 channels"),
    ({"transpose": ["y", "x"]}, r"transpose is \['y', 'x'\], expected each of the axes"),
    ({"transpose": ["y", "x", "z"]}, "transpose speaks of axis 'z'"),
    ({"transpose": [0, 1, 1]}, "expected each of the axes"),
    ({"axes": ["z", "y", "x"], "channel": 0}, "channel speaks of axis 'c'"),
]


@pytest.mark.parametrize(("keys", "message"), WRONG)
def test_what_does_not_fit_is_named(keys, message):
    with pytest.raises(ConfigError, match=message):
        arrange(held("cyx", 3, 4, 5, channels=("DAPI", "GFP", "")[:2]), **keys)


def test_more_axes_than_have_usual_names_are_refused():
    with pytest.raises(ConfigError, match="has 6 axes"):
        arrange(Held(np.zeros((1, 1, 1, 1, 1, 1))))
