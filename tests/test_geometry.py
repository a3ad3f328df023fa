"""Shapes and ladders as tables; regions against counting every voxel."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarrpyramid import geometry


@pytest.mark.parametrize(
    ("shape", "factors", "expected"),
    [
        ((8,), (2,), (4,)),  # divides
        ((9, 7), (2, 2), (5, 4)),  # rounds up
        ((1, 1), (5, 2), (1, 1)),  # never below 1
        ((10, 10, 10), (1, 3, 10), (10, 4, 1)),  # a factor an axis
        ((2**62 + 1,), (2,), (2**61 + 1,)),  # beyond what a double holds
    ],
)
def test_coarse_shape(shape, factors, expected):
    assert geometry.coarse_shape(shape, factors) == expected


@pytest.mark.parametrize(
    ("shards", "chunks", "shape", "expected"),
    [
        ((256, 256), (64, 64), (130, 1000), (192, 256)),  # whole chunks that cover it
        ((256,), (64,), (64,), (64,)),  # one chunk
        ((256,), (64,), (1,), (64,)),  # less than one
        ((256,), (64,), (257,), (256,)),  # never larger than level 0's
    ],
)
def test_shrunk_shards(shards, chunks, shape, expected):
    found = geometry.shrunk_shards(shards, chunks, shape)
    assert found == expected
    assert all(shard % chunk == 0 for shard, chunk in zip(found, chunks, strict=True))


@pytest.mark.parametrize(
    ("unit", "source", "factors", "most", "expected"),
    [
        ((64, 64), (64, 256), (2, 2), 0, (64, 128)),  # two objects a source chunk
        ((64,), (64,), (2,), 10**9, (64,)),  # one object spans two source chunks
        ((64,), (100,), (1,), 0, (128,)),  # factor 1, chunks that do not divide
        ((7,), (50,), (2,), 0, (28,)),  # fewest objects that span one chunk
        ((32,) * 3, (64,) * 3, (2,) * 3, 10**9, (32,) * 3),  # smaller, and aligned
        ((128,) * 3, (64,) * 3, (2,) * 3, 10**9, (128,) * 3),  # larger, and aligned
        ((96, 64, 50), (64,) * 3, (2,) * 3, 96 * 64 * 800, (96, 64, 800)),  # no chunk is cut
        ((96, 64, 50), (64,) * 3, (2,) * 3, 96 * 64 * 799, (96, 64, 600)),  # cut less often
        ((50, 50), (64, 64), (2, 2), 40000, (200, 200)),  # axes alike
        ((50,), (64,), (2,), 49, (50,)),  # one object may be more than the most
        ((5,), (64,), (1,), 10**9, (320,)),  # a source chunk larger than an object
        ((600,), (64,), (2,), 10**9, (1200,)),  # two objects cover the level
    ],
)
def test_task_grid_unit(unit, source, factors, most, expected):
    shape = (1000,) * len(unit)
    assert geometry.task_grid_unit(unit, source, factors, shape, most) == expected


@st.composite
def levels(draw):
    n_axes = draw(st.integers(1, 3))
    extents = st.tuples(*[st.integers(1, 13)] * n_axes)
    factors = draw(st.tuples(*[st.integers(1, 5)] * n_axes))
    return draw(extents), factors, draw(extents), draw(extents)


@given(levels(), st.sampled_from([0, 30, 10**6]))
def test_tasks_cover_every_voxel_of_both_levels_once(level, most):
    shape, factors, source_chunks, target_unit = level
    target_shape = geometry.coarse_shape(shape, factors)
    unit = geometry.task_grid_unit(target_unit, source_chunks, factors, target_shape, most)
    read, written = np.zeros(shape, int), np.zeros(target_shape, int)
    objects = []
    for place in geometry.iterate_units(geometry.grid_shape(target_shape, unit)):
        region = geometry.unit_region(place, unit, target_shape)
        written[region] += 1
        span = geometry.finer_region(region, factors, shape)
        assert read[span].shape == geometry.region_shape(span)  # within the array
        read[span] += 1
        objects += geometry.covering_units(region, target_unit)
    assert (read == 1).all()
    assert (written == 1).all()
    # No two tasks touch the same stored object.
    grid = geometry.grid_shape(target_shape, target_unit)
    assert sorted(objects) == list(product(*map(range, grid)))


@given(levels(), st.data())
def test_units_of_a_region_are_those_that_share_a_voxel(level, data):
    shape, _, unit, _ = level
    bounds = [sorted(data.draw(st.tuples(*[st.integers(0, n)] * 2))) for n in shape]
    region = tuple(slice(low, max(low + 1, high)) for low, high in bounds)
    expected = []
    for index in product(*(range(2 + n // edge) for n, edge in zip(shape, unit, strict=True))):
        boxes = zip(index, unit, region, strict=True)
        if all(i * edge < r.stop and (i + 1) * edge > r.start for i, edge, r in boxes):
            expected.append(index)
    assert list(geometry.covering_units(region, unit)) == expected


@given(levels())
def test_a_region_in_another_and_what_they_share(level):
    shape, _, unit, other = level
    voxels = np.arange(math.prod(shape)).reshape(shape)
    whole = geometry.unit_region((0,) * len(shape), shape, shape)
    assert geometry.region_shape(whole) == shape
    for left in product(*(range(n) for n in geometry.grid_shape(shape, unit))):
        region = geometry.unit_region(left, unit, shape)
        for right in geometry.covering_units(region, other):
            box = geometry.unit_region(right, other, shape)
            shared = geometry.intersection(region, box)
            expected = np.intersect1d(voxels[region], voxels[box])
            assert voxels[shared].ravel().tolist() == expected.tolist()
            inside = voxels[region][geometry.relative_region(shared, region)]
            assert (inside == voxels[shared]).all()


def test_batches_lose_nothing():
    indices = list(geometry.iterate_units((3, 4)))
    found = list(geometry.batches(iter(indices), 5))
    assert [len(batch) for batch in found] == [5, 5, 2]
    assert [index for batch in found for index in batch] == indices
    assert geometry.count((3, 4)) == 12
