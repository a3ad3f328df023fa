"""Cuts of a level: every task in one part, parts near equal, the same in every job."""

from __future__ import annotations

import itertools

import zarr
from hypothesis import given
from hypothesis import strategies as st

from zarrpyramid import geometry
from zarrpyramid.config import image_config
from zarrpyramid.plan.cut import MOST_PARTS, PART_VOXELS, even_bounds, wanted_parts
from zarrpyramid.plan.image import open_image

extents = st.lists(st.tuples(st.integers(1, 14), st.integers(1, 6)), min_size=1, max_size=4)


@given(extents, st.data())
def test_parts_are_whole_units_near_equal_in_voxels(axes, data):
    shape, unit = zip(*axes, strict=True)
    grid = geometry.grid_shape(shape, unit)
    voxels = [
        geometry.count(geometry.region_shape(geometry.unit_region(index, unit, shape)))
        for index in geometry.iterate_units(grid)
    ]
    n_parts = data.draw(st.integers(1, len(voxels)))
    bounds = even_bounds(shape, unit, n_parts)
    assert (bounds[0], bounds[-1], len(bounds)) == (0, len(voxels), n_parts + 1)
    sizes = [sum(voxels[start:stop]) for start, stop in itertools.pairwise(bounds)]
    assert all(start < stop for start, stop in itertools.pairwise(bounds))
    # No part has more than its share and a unit at either end, but where one unit is a part.
    share = geometry.count(shape) / n_parts
    for size, start, stop in zip(sizes, bounds, bounds[1:], strict=False):
        assert stop - start == 1 or size <= share + max(voxels)


@given(extents, st.data())
def test_numbers_of_units_are_their_places_in_c_order(axes, data):
    shape, unit = zip(*axes, strict=True)
    grid = geometry.grid_shape(shape, unit)
    every = list(geometry.iterate_units(grid))
    start = data.draw(st.integers(0, len(every)))
    stop = data.draw(st.integers(start, len(every)))
    assert list(geometry.iterate_units(grid, range(start, stop))) == every[start:stop]
    before = [geometry.unit_region(index, unit, shape) for index in every[:start]]
    expected = sum(geometry.count(geometry.region_shape(region)) for region in before)
    assert geometry.voxels_before(start, unit, shape) == expected


def test_parts_by_size():
    assert wanted_parts(PART_VOXELS, PART_VOXELS, None) == 1
    assert wanted_parts(PART_VOXELS + 1, PART_VOXELS + 1, None) == 2
    assert wanted_parts(2**50, 2**50, None) == MOST_PARTS
    assert wanted_parts(100, 2**50, 30) == 4
    assert sum(wanted_parts(2 ** (50 - 3 * level), 2**50, None) for level in range(10)) < 2400


def test_chunks_across_chunks_stay_whole_tasks(tmp_path):
    zarr.create_group(tmp_path).create_array("0", shape=(70, 70), chunks=(7, 7), dtype="u1")
    keys = {"store": str(tmp_path), "levels": 1, "chunks": [5, 5], "parts": 4}
    plan = open_image(image_config("image", keys)).plan
    cut = plan.cut(1)
    assert cut.n_parts == 4
    assert [number for part in (1, 2, 3, 4) for number in cut.tasks(part)] == list(
        range(geometry.count(cut.grid))
    )
    assert cut == plan.cut(1)
