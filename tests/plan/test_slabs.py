"""Slabs in which files are read: whole objects, and each block decoded as often as is said."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarrpyramid.plan.slabs import choose_slab, cut_base

MB = 1 << 20
SLABS = [
    ((2000, 1024, 1024), (64, 64, 64), (1, 1024, 1024), (64, 1024, 1024), "slices to cubes"),
    ((2000, 1024, 1024), (1, 1024, 1024), (1, 1024, 1024), (1, 1024, 1024), "slices to slices"),
    ((999, 999, 999), (64, 64, 64), (64, 64, 64), (64, 64, 64), "chunks of the same grid"),
    ((100, 90, 80), (64, 64, 64), (100, 90, 80), (128, 128, 128), "one block"),
    ((999, 9000, 9000), (64, 64, 64), (1, 64, 9000), (64, 64, 9024), "strips"),
]


@pytest.mark.parametrize(("shape", "unit", "blocks", "expected", "reason"), SLABS)
def test_each_block_is_decoded_once(shape, unit, blocks, expected, reason):
    slab = choose_slab(shape, unit, blocks, 2)
    assert (slab.extents, slab.decodes) == (expected, 1.0), reason


def test_what_does_not_fit_is_decoded_more_than_once():
    slab = choose_slab((999, 9000, 9000), (64, 64, 64), (1, 9000, 9000), 2)
    assert slab.decodes == 21
    assert math.prod(map(min, slab.extents, (999, 9000, 9000))) * 2 <= 512 * MB
    # One object alone may be larger than that: it is read at once all the same.
    assert choose_slab((4096, 4096), (4096, 4096), (1, 4096), 2, most=MB).extents == (4096, 4096)


def test_a_box_that_begins_inside_a_block_is_read_in_larger_ones_or_says_so():
    """A crop begins anywhere."""
    at_once = choose_slab((96, 96), (32, 32), (32, 32), 1, (5, 0))
    assert (at_once.extents, at_once.decodes) == ((96, 32), 1.0)
    assert choose_slab((96, 96), (32, 32), (32, 32), 1, (5, 0), most=1024).decodes == 1.5


def axis():
    whole = st.tuples(
        st.integers(1, 40), st.integers(1, 12), st.integers(1, 40), st.integers(0, 99)
    )
    return whole.map(lambda axis: (*axis[:3], axis[3] % axis[2]))


@given(st.lists(axis(), min_size=1, max_size=3), st.integers(1, 4000))
def test_decodes_are_counted_by_hand(axes, most):
    shape, unit, blocks, starts = zip(*axes, strict=True)
    slab = choose_slab(shape, unit, blocks, 1, starts, most)
    assert all(edge % of == 0 for edge, of in zip(slab.extents, unit, strict=True))
    decodes = 1.0
    for extent, edge, block, begin in zip(shape, slab.extents, blocks, starts, strict=True):
        end = begin + extent
        n_read = sum(
            len(range(start // block, -(-min(start + edge, end) // block)))
            for start in range(begin, end, edge)
        )
        decodes *= n_read / -(-end // block)
    assert slab.decodes == pytest.approx(decodes, abs=0.01 * decodes**2)
    cut = cut_base(shape, slab, 3)
    n_tasks = math.prod(-(-n // edge) for n, edge in zip(shape, slab.extents, strict=True))
    assert cut.bounds[-1] == n_tasks
    assert cut.n_parts == min(3, n_tasks)
