"""Imaris files, in whose layout h5py writes here: attributes letter by letter, padded datasets."""

import pickle

import h5py
import numpy as np
import pytest

from imaris_files import CHUNKS, letters, write_imaris
from zarrpyramid.errors import ConfigError, StoreError
from zarrpyramid.inputs import arrange, open_input

VOXELS = np.random.default_rng(1).integers(1, 4000, (2, 3, 10, 20, 30)).astype("u2")


@pytest.fixture
def path(tmp_path):
    return write_imaris(tmp_path / "cells.ims", VOXELS)


def test_what_it_says(path):
    form = pickle.loads(pickle.dumps(open_input(str(path)))).form
    assert form.shape == VOXELS.shape
    assert (form.dtype, form.axes) == ("uint16", ("t", "c", "z", "y", "x"))
    assert form.blocks == (1, 1, *CHUNKS)
    assert form.voxel_size == {"x": 0.25, "y": 0.5, "z": 2.0}
    assert form.unit == dict.fromkeys("xyz", "micrometer")
    assert form.channels == ("dye 0", "dye 1", "dye 2")


def test_voxels(path):
    image = open_input(str(path))
    np.testing.assert_array_equal(image.read(tuple(slice(0, n) for n in VOXELS.shape)), VOXELS)
    draw = np.random.default_rng(2)
    for _ in range(10):
        starts = [int(draw.integers(0, n)) for n in VOXELS.shape]
        stops = [
            int(draw.integers(a + 1, n + 1)) for a, n in zip(starts, VOXELS.shape, strict=True)
        ]
        region = tuple(map(slice, starts, stops))
        np.testing.assert_array_equal(image.read(region), VOXELS[region])
    one = arrange(image, channel="dye 2")
    np.testing.assert_array_equal(one.read(tuple(map(slice, one.form.shape))), VOXELS[:, 2])


def test_a_unit_that_is_none_is_left_out(tmp_path):
    form = open_input(str(write_imaris(tmp_path / "a.ims", VOXELS, unit="pixel"))).form
    assert (form.unit, form.voxel_size["z"]) == ({}, 2.0)


def damage(file, kind):
    if kind == "no layout":
        del file["DataSetInfo"]
    elif kind == "no extent":
        file["DataSetInfo/Image"].attrs["Y"] = letters("many")
    elif kind == "no channel":
        del file["DataSet/ResolutionLevel 0/TimePoint 1/Channel 2"]
    elif kind == "small":
        file["DataSetInfo/Image"].attrs["X"] = letters(99)
    elif kind == "other type":
        group = file["DataSet/ResolutionLevel 0/TimePoint 1/Channel 1"]
        del group["Data"]
        group["Data"] = np.zeros((12, 32, 32), "u1")


DAMAGED = {
    "no layout": "expected an Imaris file of version 5.5 or later",
    "no extent": "attribute Y of DataSetInfo/Image is 'many', expected the number of voxels",
    "no channel": "TimePoint 1/Channel 2/Data is not there",
    "small": r"has the shape \[12, 32, 32\], expected at least \[10, 20, 99\]",
    "other type": "Channel 1/Data is of uint8, expected uint16 as the first channel",
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file(kind, path):
    with h5py.File(path, "a") as file:
        damage(file, kind)
    with pytest.raises(StoreError, match=DAMAGED[kind]):
        open_input(str(path))


def test_what_changes_after_it_was_opened(path):
    image = open_input(str(path))
    with h5py.File(path, "a") as file:
        damage(file, "other type")
    with pytest.raises(StoreError, match="has changed since it was opened"):
        image.read(tuple(slice(0, extent) for extent in VOXELS.shape))


def test_a_path_inside_or_a_series_is_refused(path):
    for source, series in ((f"{path}::DataSet", None), (str(path), 1)):
        with pytest.raises(ConfigError, match="is an Imaris file, which has one image"):
            open_input(source, series)
