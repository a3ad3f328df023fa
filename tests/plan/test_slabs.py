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


def axis():
    return st.tuples(st.integers(1, 40), st.integers(1, 12), st.integers(1, 40))


@given(st.lists(axis(), min_size=1, max_size=3), st.integers(1, 4000))
def test_decodes_are_counted_by_hand(axes, most):
    shape, unit, blocks = zip(*axes, strict=True)
    slab = choose_slab(shape, unit, blocks, 1, most)
    assert all(edge % of == 0 for edge, of in zip(slab.extents, unit, strict=True))
    decodes = 1.0
    for extent, edge, block in zip(shape, slab.extents, blocks, strict=True):
        n_read = sum(
            len(range(start // block, -(-min(start + edge, extent) // block)))
            for start in range(0, extent, edge)
        )
        decodes *= n_read / -(-extent // block)
    assert slab.decodes == pytest.approx(decodes, abs=0.01 * decodes**2)
    cut = cut_base(shape, slab, 3)
    n_tasks = math.prod(-(-n // edge) for n, edge in zip(shape, slab.extents, strict=True))
    assert cut.bounds[-1] == n_tasks
    assert cut.n_parts == min(3, n_tasks)
