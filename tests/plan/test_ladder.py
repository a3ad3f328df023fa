"""Factors of each step from a level to the next, as a table with reasons, and by what they are."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarrpyramid.errors import GeometryError
from zarrpyramid.plan.ladder import SMALL, scale_ladder


@pytest.mark.parametrize(
    ("shape", "factors", "n_levels", "expected"),
    [
        ((512, 512), (2, 2), None, []),  # small enough already
        ((513, 512), (2, 2), None, [(2, 2)]),  # one voxel too many
        ((200, 1024, 1024), (2, 2, 2), None, [(2, 2, 2)] * 4),  # 13 x 64 x 64
        ((3000, 1500, 1500), (2, 2, 2), None, [(2, 2, 2)] * 5),  # 94 x 47 x 47
        ((3, 5000, 5000), (2, 2, 2), None, [(2, 2, 2)] * 2 + [(1, 2, 2)] * 2),  # 1 rests, 2 not
        ((3, 5000, 5000), (1, 2, 2), None, [(1, 2, 2)] * 5),  # as given
        ((10**7,), (3,), None, [(3,)] * 4),  # 123,457
        ((2**20, 2), (5, 2), None, [(5, 2)]),  # unequal factors
        ((7, 10**6), (1, 1), None, []),  # nothing to scale
        ((10**6, 2), (1, 2), None, [(1, 2)]),  # nothing is left to scale
        ((8, 8), (2, 2), 2, [(2, 2), (2, 2)]),  # N asks for more levels than are needed
        ((9, 2), (2, 2), 3, [(2, 2), (2, 1), (2, 1)]),  # an axis of extent 1 rests
        ((2, 9), (5, 1), 1, [(5, 1)]),  # a factor beyond the extent
        ((9,), (3,), 2, [(3,), (3,)]),  # down to one voxel
    ],
)
def test_scale_ladder(shape, factors, n_levels, expected):
    assert scale_ladder(shape, factors, n_levels) == expected


def test_time_and_channels_do_not_count():
    shape, factors = (100, 4, 512, 512), (1, 1, 2, 2)
    assert scale_ladder(shape, factors, None, space=(2, 3)) == []
    assert scale_ladder(shape, factors, None) == [(1, 1, 2, 2)] * 5  # all axes count
    only_time = scale_ladder((4, 1024, 1024), (2, 1, 1), None, space=(1, 2))
    assert only_time == [(2, 1, 1)] * 2  # until nothing is left


AXES = st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 5)), min_size=1, max_size=5)


@given(AXES, st.integers(1, 12))
def test_auto_is_small_or_cannot_go_on_and_a_number_is_its_prefix(axes, n_levels):
    shape, factors = zip(*axes, strict=True)
    steps = scale_ladder(shape, factors, None)
    sizes = [shape]
    for step in steps:
        # Every axis that still can is scaled by its own factor: no two steps differ otherwise.
        assert step == tuple(f if n > 1 else 1 for n, f in zip(sizes[-1], factors, strict=True))
        sizes.append(tuple(-(-n // f) for n, f in zip(sizes[-1], step, strict=True)))
    cannot = all(n == 1 or f == 1 for n, f in zip(sizes[-1], factors, strict=True))
    assert math.prod(sizes[-1]) <= SMALL or cannot
    assert all(math.prod(size) > SMALL for size in sizes[:-1])  # and no level too many
    try:
        asked = scale_ladder(shape, factors, n_levels)
    except GeometryError:
        assert len(steps) < n_levels
    else:
        shared = min(n_levels, len(steps))
        assert asked[:shared] == steps[:shared]
        assert len(asked) == n_levels


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
        scale_ladder(shape, factors, n_levels)
