"""Voxels of ids against numpy's unique, however many tables are added up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zarrpyramid.report import counts
from zarrpyramid.report.counts import Counter, TooManyIdsError, count_ids, without

INTEGERS = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]
ENDS = [
    np.array([0, 2**64 - 1, 2**63, 2**63 - 1, 2**64 - 1], "u8"),  # sorted
    np.array([2**63 + 1, 2**63 - 1, 2**63, 2**63], "u8"),  # counted by number, across 2^63
    np.array([-(2**63), 2**63 - 1, -1, -1], "i8"),
    np.array([-128, 127, 127, 0], "i1"),
    np.array([5], "u4"),
    np.array([True, True, False]),
]


def assert_equal(found, expected):
    for array, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(array, other, strict=False)


@given(hnp.arrays(st.sampled_from(INTEGERS), hnp.array_shapes(max_dims=4, max_side=9)))
def test_ids_of_any_block(block):
    assert_equal(count_ids(block), np.unique(block, return_counts=True))
    assert_equal(count_ids(block.T), np.unique(block, return_counts=True))


@pytest.mark.parametrize("block", ENDS, ids=str)
def test_ids_at_the_ends_of_their_type(block):
    assert_equal(count_ids(block), np.unique(block, return_counts=True))
    assert_equal(count_ids(np.repeat(block, 9)), np.unique(np.repeat(block, 9), return_counts=True))


@pytest.mark.parametrize("spread", [4, 10**6, 10**12])
@pytest.mark.parametrize("length", [1, 9])
def test_a_block_of_many_slabs(monkeypatch, spread, length):
    monkeypatch.setattr(counts, "_SLAB", 1000)
    random = np.random.default_rng(1)
    block = np.repeat(random.integers(0, spread, 900), length)
    assert_equal(count_ids(block), np.unique(block, return_counts=True))


@pytest.mark.parametrize("pending", [1, 100, 10**6])  # tables that wait to be merged
@pytest.mark.parametrize("dtype", ["i4", "u8"])
def test_tables_of_many_threads_are_added_up(monkeypatch, pending, dtype):
    monkeypatch.setattr(counts, "_PENDING", pending)
    voxels = np.random.default_rng(2).integers(0, 900, (100, 40)).astype(dtype)
    counter = Counter(voxels.dtype)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda row: counter.add(count_ids(row)), voxels))
    assert_equal(counter.finish(), np.unique(voxels, return_counts=True))


def test_nothing_counted():
    counter = Counter(np.dtype("u2"))
    counter.add((np.empty(0, "u2"), np.empty(0, "i8")))
    assert [part.size for part in counter.finish()] == [0, 0]


def test_one_id_too_many():
    counter = Counter(np.dtype("u4"), 5)
    counter.add(count_ids(np.arange(5, dtype="u4")))
    assert counter.finish()[0].size == 5
    counter.add(count_ids(np.arange(6, dtype="u4")))
    with pytest.raises(TooManyIdsError):
        counter.finish()


SETS = st.sets(st.integers(-20, 20))


def table(ids):
    ids = np.array(sorted(ids), "i8")
    return ids, ids**2 + 1


@given(SETS, SETS)
def test_ids_that_another_table_has_not(ours, others):
    ids, n = without(table(ours), table(others))
    assert ids.tolist() == sorted(ours - others)
    assert (n == ids**2 + 1).all()
