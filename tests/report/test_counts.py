"""Voxels of ids against numpy's unique, however many tables are spilled and merged."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zarrpyramid.report import counts
from zarrpyramid.report.counts import Counter, count_ids, merged_tables, without

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


def joined(tables):
    return tuple(np.concatenate(parts) for parts in zip(*tables, strict=True))


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


@pytest.mark.parametrize(
    ("limit", "least_spills"),
    [
        (1, 100),  # every table is a run
        (100, 40),
        (1000, 4),
        (10**6, 1),  # nothing spills before the end
    ],
)
@pytest.mark.parametrize("dtype", ["i4", "u8"])
def test_spills_do_not_show(tmp_path, limit, least_spills, dtype):
    voxels = np.random.default_rng(2).integers(0, 900, (100, 40)).astype(dtype)
    counter = Counter(tmp_path / "runs", voxels.dtype, limit)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda row: counter.add(count_ids(row)), voxels))
    run = counter.finish()
    assert counter.n_spills >= least_spills
    assert_equal(joined(run.tables(7)), np.unique(voxels, return_counts=True))
    # Only the last run is left.
    assert sorted(path.suffix for path in (tmp_path / "runs").iterdir()) == [".counts", ".ids"]


def test_nothing_counted(tmp_path):
    run = Counter(tmp_path / "runs", np.dtype("u2")).finish()
    assert (run.n_ids, list(run.tables())) == (0, [])


SETS = st.sets(st.integers(-20, 20))


def stream(ids, size):
    ids = np.array(sorted(ids), "i8")
    return ((ids[i : i + size], ids[i : i + size] ** 2 + 1) for i in range(0, ids.size, size))


@given(st.lists(SETS, max_size=4), st.integers(1, 9))
def test_streams_are_merged_in_order(sets, size):
    expected = {}
    for ids in sets:
        for name in ids:
            expected[name] = expected.get(name, 0) + name**2 + 1
    found = list(merged_tables([stream(ids, size) for ids in sets]))
    assert [name for ids, _ in found for name in ids.tolist()] == sorted(expected)
    assert {n: c for ids, n_all in found for n, c in zip(ids, n_all, strict=True)} == expected
    assert all(ids.size <= size * len(sets) for ids, _ in found)


@given(SETS, SETS, st.integers(1, 9), st.integers(1, 9))
def test_ids_that_another_stream_has_not(ours, others, size, other_size):
    found = list(without(stream(ours, size), stream(others, other_size)))
    assert [name for ids, _ in found for name in ids.tolist()] == sorted(ours - others)
    assert all((n == ids**2 + 1).all() for ids, n in found)


def peak_of_counting(folder, n_ids):
    """Return the bytes that numpy held at most while that many ids were counted and compared."""
    random = np.random.default_rng(3)
    tracemalloc.start()
    try:
        counter = Counter(folder, np.dtype("u8"), 2**14)
        for _ in range(n_ids // 1000):
            counter.add(count_ids(random.integers(0, 2**60, 1000).astype("u8")))
        run = counter.finish()
        n_left = sum(ids.size for ids, _ in without(run.tables(1000), run.tables(700)))
        return tracemalloc.get_traced_memory()[1], run.n_ids, counter.n_spills, n_left
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_number_of_ids(tmp_path):
    few, *_ = peak_of_counting(tmp_path / "few", 100_000)
    many, n_ids, n_spills, n_left = peak_of_counting(tmp_path / "many", 1_000_000)
    assert (n_ids, n_left) == (1_000_000, 0)
    assert n_spills > 60
    assert many < 1.3 * few
    assert many < n_ids * 16 / 4  # what a table of them all would take
