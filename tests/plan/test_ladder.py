"""Factors of each step from a level to the next, as a table with reasons."""

from __future__ import annotations

import pytest

from zarrpyramid.errors import GeometryError
from zarrpyramid.plan.ladder import scale_ladder


@pytest.mark.parametrize(
    ("shape", "chunks", "factors", "n_levels", "expected"),
    [
        ((64, 64), (64, 64), (2, 2), None, []),  # small enough already
        ((65, 64), (64, 64), (2, 2), None, [(2, 1)]),  # one voxel too many
        ((100, 20), (16, 16), (2, 2), None, [(2, 2), (2, 1), (2, 1)]),  # done axes rest
        ((100, 100), (10, 50), (2, 2), None, [(2, 2)]),  # the longest chunk edge counts
        ((9, 100, 100), (1, 50, 50), (1, 2, 2), None, [(1, 2, 2)]),  # of scaled axes alone
        ((9, 100), (500, 50), (1, 2), None, [(1, 2)]),  # a long unscaled edge does not
        ((243,), (1,), (3,), None, [(3,)] * 5),  # floor(log 243 / log 3) is 4 in doubles
        ((1000, 1000), (8, 8), (5, 2), None, [(5, 2)] * 3 + [(1, 2)] * 4),  # unequal factors
        ((7, 7), (4, 4), (1, 1), None, []),  # nothing to scale
        ((1, 1), (1, 1), (2, 2), None, []),  # one voxel
        ((8, 8), (64, 64), (2, 2), 2, [(2, 2), (2, 2)]),  # N asks for levels below a chunk
        ((9, 2), (4, 4), (2, 2), 3, [(2, 2), (2, 1), (2, 1)]),  # an axis of extent 1 rests
        ((2, 9), (4, 4), (5, 1), 1, [(5, 1)]),  # a factor beyond the extent
        ((9,), (4,), (3,), 2, [(3,), (3,)]),  # down to one voxel
    ],
)
def test_scale_ladder(shape, chunks, factors, n_levels, expected):
    assert scale_ladder(shape, chunks, factors, n_levels) == expected


@pytest.mark.parametrize(
    ("shape", "factors", "n_levels", "message"),
    [
        ((9,), (3,), 3, r"level 3 would equal level 2, whose shape is \(1,\): nothing is left"),
        ((9, 9), (1, 1), 1, r"level 1 would equal level 0.*all its factors are 1"),
        ((1, 9), (2, 1), 1, r"level 1 would equal level 0.*ask for levels: auto, or"),
    ],
)
def test_a_level_that_equals_the_one_before_is_an_error(shape, factors, n_levels, message):
    with pytest.raises(GeometryError, match=message):
        scale_ladder(shape, (4,) * len(shape), factors, n_levels)
