"""Runs with other methods than the mean, and what becomes of levels when the method changes."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

from oracles import reduce_by_hand

RAW = "image.zarr/raw"


def translation(workspace, level):
    listed = zarr.open_group(workspace / RAW).attrs.asdict()["ome"]["multiscales"][0]
    steps = listed["datasets"][level]["coordinateTransformations"]
    return listed["type"], [step["translation"] for step in steps if step["type"] == "translation"]


@pytest.mark.slow
def test_a_run_of_modes_then_of_strides(workspace):
    labels = workspace.make(RAW, (21, 18, 13), dtype="uint32") % 3
    zarr.open_array(workspace / f"{RAW}/0")[...] = labels
    outcome = workspace.run(store="image.zarr", field="raw", method="mode", levels=2)
    assert {"1", "2"} <= set(outcome.jobs)
    expected = labels
    for level in (1, 2):
        expected = reduce_by_hand("mode", expected, (2, 2, 2), "uint32")
        np.testing.assert_array_equal(workspace.voxels(f"{RAW}/{level}"), expected, strict=True)
        assert workspace.array(f"{RAW}/{level}").attrs["zarrpyramid"]["recipe"]["method"] == "mode"
    assert translation(workspace, 2) == ("mode", [[1.5, 1.5, 1.5]])

    outcome = workspace.run(store="image.zarr", field="raw", method="stride", levels=2)
    assert {"1", "2", "list"} <= set(outcome.jobs)
    np.testing.assert_array_equal(workspace.voxels(f"{RAW}/2"), labels[::4, ::4, ::4], strict=True)
    assert translation(workspace, 2) == ("stride", [])


@pytest.mark.slow
def test_a_run_of_sums(workspace):
    voxels = workspace.make(RAW, (21, 18, 13), dtype="uint8")
    settings = {"store": "image.zarr", "field": "raw", "method": "sum", "dtype": "uint32"}
    workspace.run(**settings, levels=2)
    expected = voxels
    for level in (1, 2):
        expected = reduce_by_hand("sum", expected, (2, 2, 2), "uint32")
        np.testing.assert_array_equal(workspace.voxels(f"{RAW}/{level}"), expected, strict=True)
        assert workspace.array(f"{RAW}/{level}")[...].sum() == voxels.sum(dtype=int)
    assert workspace.run(**settings, levels=2).jobs == []
