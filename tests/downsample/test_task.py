"""One task: what it reads, what it writes, and the check of the mean."""

from __future__ import annotations

import math
import pickle
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from oracles import TAKEN, out_dtype
from strategies import blocks
from zarrpyramid import geometry
from zarrpyramid.downsample.task import LevelTask
from zarrpyramid.errors import StoreError
from zarrpyramid.metadata.digests import Tally
from zarrpyramid.metadata.nodes import read_array
from zarrpyramid.metadata.tree import write_array
from zarrpyramid.reduce.check import SourceSums, disagreement, weighted_sum
from zarrpyramid.reduce.mean import reduce_mean
from zarrpyramid.reduce.methods import METHODS
from zarrpyramid.reduce.moments import describe
from zarrpyramid.reduce.windows import reduce_windows
from zarrpyramid.stores.local import LocalStore

SHAPE, CHUNKS, FACTORS = (21, 18), (5, 4), (2, 3)
VOXELS = (np.indices(SHAPE).sum(0) * 37 % 251).astype("uint16")


def task(path, *, factors=FACTORS, chunks=CHUNKS, shards=None):
    """Return the task of level 1, and the means that it has to write."""
    group = zarr.create_group(path)
    group.create_array("0", data=VOXELS, chunks=CHUNKS, shards=shards)
    store = LocalStore(path)
    source = read_array(store, "0")
    shape = geometry.coarse_shape(SHAPE, factors)
    target = source.derive(shape=shape, chunks=chunks, shards=shards, attributes={})
    expected = np.empty(shape, "uint16")
    reduce_mean(VOXELS, factors, expected)
    whole = LevelTask(
        store=store,
        source_path="0",
        source=source,
        target_path="1",
        target=target,
        factors=factors,
        write_empty=True,
    )
    return whole, expected


CASES = {
    "chunks across windows": {},
    "chunks of whole windows": {"factors": (5, 2)},
    "tasks that cut chunks": {"factors": (5, 2), "chunks": (2, 3)},
    "one axis": {"factors": (1, 4)},
    "other chunks": {"chunks": (3, 7)},
    "larger chunks": {"chunks": (50, 50)},
    "shards": {"shards": (10, 8), "chunks": (5, 4)},
}


def test_a_task_of_one_step_starts_no_thread(tmp_path, monkeypatch):
    whole, _ = task(tmp_path)
    whole = replace(whole, n_threads=2, block_bytes=1 << 20)
    monkeypatch.setattr("zarrpyramid.downsample.task.ThreadPoolExecutor", None)
    assert all(map(whole, geometry.iterate_units(whole.grid)))


@pytest.mark.sampled(5)
@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("block_bytes", [0, 100, 1 << 20])
@pytest.mark.parametrize("name", CASES)
def test_tasks_write_every_object_and_count_every_chunk_once(
    tmp_path, name, block_bytes, n_threads
):
    whole, expected = task(tmp_path, **CASES[name])
    whole = replace(whole, n_threads=n_threads, block_bytes=block_bytes)
    read, written, objects = Tally(), Tally(), []
    for place in geometry.iterate_units(whole.grid):
        before = set(whole.store.keys("1"))
        result = whole(list(place))  # as dask hands it over
        objects += set(whole.store.keys("1")) - before
        for seen in result.values():
            read.merge(seen.source)
            written.merge(seen.target)
    write_array(whole.store, "1", whole.target)
    assert (zarr.open_array(tmp_path / "1")[...] == expected).all()
    grid = geometry.grid_shape(expected.shape, whole.target.write_shape)
    assert len(objects) == len(set(objects)) == geometry.count(grid)
    assert (read.n_voxels, read.units) == (VOXELS.size, int(VOXELS.sum()))
    assert (written.n_voxels, written.units) == (expected.size, int(expected.sum()))
    assert read.n_chunks == geometry.count(geometry.grid_shape(SHAPE, CHUNKS))
    assert written.n_chunks == geometry.count(
        geometry.grid_shape(expected.shape, whole.target.chunks)
    )


class CountingFiles(LocalStore):
    """Files that count how often each object of level 0 is read."""

    def __init__(self, root):
        super().__init__(root)
        self.reads = Counter()

    def get_into(self, key, *arguments):
        if key.startswith("0/"):
            self.reads[key] += 1
        return super().get_into(key, *arguments)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("chunks", "shards", "factors", "block_bytes", "once"),
    [
        ((2, 4), None, (2, 2), 0, True),  # smaller, and aligned
        ((8, 12), None, (2, 2), 0, True),  # larger, and aligned
        ((3, 5), None, (2, 2), 0, False),  # across each other
        ((3, 5), None, (2, 2), 2 * 6 * 10, True),  # where there is room for it
        ((3, 5), None, (2, 2), 2 * 6 * 10 - 1, False),  # and not a byte less
        ((3, 5), None, (3, 2), 1 << 20, True),  # windows across chunks
        ((3, 5), (6, 10), (2, 2), 1 << 20, True),  # in shards that lie across too
    ],
)
def test_how_often_a_chunk_is_decoded(tmp_path, chunks, shards, factors, block_bytes, once):
    group = zarr.create_group(tmp_path)
    group.create_array("0", data=np.arange(48 * 40, dtype="uint16").reshape(48, 40), chunks=(4, 4))
    store = CountingFiles(tmp_path)
    source = read_array(store, "0")
    shape = geometry.coarse_shape(source.shape, factors)
    whole = LevelTask(
        store=store,
        source_path="0",
        source=source,
        target_path="1",
        target=source.derive(shape=shape, chunks=chunks, shards=shards, attributes={}),
        factors=factors,
        write_empty=True,
        block_bytes=block_bytes,
    )
    for place in geometry.iterate_units(whole.grid):
        whole(place)
    assert len(store.reads) == 120
    assert (max(store.reads.values()) == 1) is once


def test_a_task_travels(tmp_path):
    whole, _ = task(tmp_path)
    copy = pickle.loads(pickle.dumps(whole))
    assert copy.grid == whole.grid
    assert copy((0, 0)) == whole((0, 0))


def test_a_worker_that_does_not_see_the_store_is_told(tmp_path):
    whole, _ = task(tmp_path)
    elsewhere = replace(whole, store=LocalStore(tmp_path / "elsewhere"))
    with pytest.raises(StoreError, match="all workers must see the same file system"):
        elsewhere((0, 0))
    assert not (tmp_path / "elsewhere").exists()


def test_a_damaged_source_chunk_is_named(tmp_path):
    whole, _ = task(tmp_path)
    whole.store.put("0/c/0/0", b"torn")
    with pytest.raises(StoreError, match="0/c/0/0 is damaged"):
        whole((0, 0))


def disagree(source, means, factors):
    """Run the check of the mean alone."""
    sums = SourceSums()
    sums.add(describe(source))
    found = weighted_sum(means, describe(means).total, source.shape, factors)
    return sums.disagrees(found, source.size, math.prod(factors), means.dtype)


@given(
    blocks(shapes=hnp.array_shapes(max_dims=3, max_side=7))
    | hnp.arrays("float64", (3, 4), elements=st.sampled_from([1.7e308, -1.7e308, 9e307, 1e306, 3])),
    st.data(),
)
def test_right_means_always_agree(source, data):
    factors = data.draw(st.tuples(*[st.integers(1, 5)] * source.ndim))
    out = np.empty(geometry.coarse_shape(source.shape, factors), source.dtype)
    reduce_mean(source, factors, out)
    assert not disagree(source, out, factors)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_windows_may_lose_more(dtype):
    """A sum of 0.1 drifts by 2e-12 over 100,000 voxels, which is no disagreement."""
    source = np.full(10**5, 0.1, dtype)
    out = np.empty(1, dtype)
    reduce_mean(source, (10**5,), out)
    assert not disagree(source, out, (10**5,))


@pytest.mark.parametrize("dtype", ["uint8", "int32", "uint64", "float32", "float64"])
def test_a_wrong_mean_disagrees(dtype):
    source = (np.arange(30 * 30).reshape(30, 30) % 200).astype(dtype)
    out = np.empty((8, 6), dtype)
    reduce_mean(source, (4, 5), out)
    assert not disagree(source, out, (4, 5))
    for wrong in (out * 0, out[::-1, ::-1] + out.dtype.type(20)):
        assert disagree(source, wrong, (4, 5))


def test_the_sum_of_means_weighs_clipped_windows():
    source = np.arange(35, dtype="int64").reshape(5, 7)
    means = np.empty((2, 3))
    reduce_mean(source.astype("float64"), (3, 3), means)
    found = weighted_sum(means, float(means.sum()), (5, 7), (3, 3))
    assert math.isclose(found, source.sum(), rel_tol=1e-12)


def contradiction(method, source, block, factors):
    """Run the check of a block alone, as a task does."""
    read, written = SourceSums(), SourceSums()
    half = max(1, len(source) // 2)
    for piece in (source[:half], source[half:]):
        if piece.size:
            read.add(describe(piece))
    written.add(describe(block))
    return disagreement(method, read, written, block, source.shape, factors)


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered:RuntimeWarning")
@given(st.sampled_from(TAKEN), st.data())
def test_what_a_method_makes_never_contradicts_its_source(case, data):
    method, dtype = case
    shapes = hnp.array_shapes(max_dims=3, max_side=7)
    if dtype.startswith("complex"):
        source = data.draw(blocks(shapes=shapes, dtypes=["float64"])).astype(dtype)
        source = source * source.dtype.type(1 - 2j)
    else:
        source = data.draw(blocks(shapes=shapes, dtypes=[dtype]))
    if method == "sum" and dtype in ("int64", "uint64"):
        source = source // 1024
    factors = data.draw(st.tuples(*[st.integers(1, 5)] * source.ndim))
    out = np.empty(geometry.coarse_shape(source.shape, factors), out_dtype(method, dtype))
    reduce_windows(method, source, factors, out)
    assert contradiction(method, source, out, factors) == ""


@pytest.mark.parametrize("dtype", ["uint8", "int32", "uint64", "float32", "complex64"])
@pytest.mark.parametrize("method", METHODS)
def test_what_no_method_makes_contradicts_its_source(method, dtype):
    if (method, dtype) not in TAKEN:
        return
    source = (np.arange(30 * 30).reshape(30, 30) % 100 + 3).astype(dtype)
    source = source * source.dtype.type(1 + 1j) if dtype == "complex64" else source
    out = np.empty((8, 6), out_dtype(method, dtype))
    reduce_windows(method, source, (4, 5), out)
    assert contradiction(method, source, out, (4, 5)) == ""
    for wrong in (out * 0, out + out.dtype.type(120)):
        assert contradiction(method, source, wrong, (4, 5))


def test_nan_comes_of_nan_alone():
    source = np.arange(16, dtype="float32").reshape(4, 4)
    for method in ("min", "max"):
        out = np.empty((2, 2), "float32")
        reduce_windows(method, source, (2, 2), out)
        out[0, 1] = np.nan
        assert contradiction(method, source, out, (2, 2)) == "some are NaN, of those read none is"
    source[0, 0] = np.nan
    assert "their min is" in contradiction("min", source, np.full((2, 2), np.nan, "f4"), (2, 2))


def test_one_voxel_too_many_in_a_sum_of_integers_is_seen():
    source = np.full((400, 400), 2**31, "uint32")
    out = np.empty((100, 100), "uint64")
    reduce_windows("sum", source, (4, 4), out)
    out[50, 50] += 1
    assert contradiction("sum", source, out, (4, 4)).startswith("their sum is")
