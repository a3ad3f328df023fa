"""The direct engine against zarr-python's: the same bytes written, the same voxels read."""

from __future__ import annotations

import math
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, BytesCodec, GzipCodec, ShardingCodec, TransposeCodec, ZstdCodec
from zarr.storage import MemoryStore

from zarrpyramid import geometry
from zarrpyramid.arrays.chunks import (
    chunk_region,
    chunks_of_object,
    is_fill,
    read_chunk,
    scratch,
)
from zarrpyramid.arrays.direct import DirectChunks
from zarrpyramid.arrays.engine import open_chunks
from zarrpyramid.arrays.foreign import ForeignChunks
from zarrpyramid.errors import StoreError
from zarrpyramid.metadata.nodes import read_array
from zarrpyramid.metadata.tree import write_array
from zarrpyramid.stores.local import LocalStore
from zarrpyramid.stores.zarr_store import ZarrStore

V3, V2 = {"zarr_format": 3}, {"zarr_format": 2}
LEFT = {"order": "F"}
FORMATS = {
    "v2 raw": {**V2, "compressors": None},
    "v2 F": {**V2, **LEFT, "compressors": None},
    "v2 big-endian": {**V2, "dtype": ">i2", "compressors": None},
    "v2 blosc": {**V2, "compressors": numcodecs.Blosc("zstd", 1)},
    "v2 zstd, null": {**V2, "compressors": numcodecs.Zstd(1), "fill_value": None},
    "v2 lz4, slashes": {
        **V2,
        "compressors": numcodecs.LZ4(),
        "chunk_key_encoding": {"name": "v2", "separator": "/"},
    },
    "v3 raw": {**V3, "compressors": None},
    "v3 zstd, big-endian": {**V3, "serializer": BytesCodec(endian="big")},
    "v3 blosc": {**V3, "compressors": BloscCodec(cname="lz4", shuffle="bitshuffle")},
    "v3 gzip": {**V3, "compressors": GzipCodec(level=1)},
    "v3 turned": {**V3, "filters": TransposeCodec(order=(1, 0))},
    "v3 dots": {**V3, "chunk_key_encoding": {"name": "default", "separator": "."}},
    "shards": {**V3, "shards": (8, 9)},
    "shards, raw": {**V3, "shards": (8, 9), "compressors": None},
    "shards, checksum": {**V3, "shards": (4, 9), "compressors": ZstdCodec(checksum=True)},
    "shards, one chunk": {**V3, "shards": (4, 3)},
    "shards, index first": {
        **V3,
        "chunks": (8, 9),
        "serializer": ShardingCodec(chunk_shape=(4, 3), index_location="start"),
        "compressors": None,
    },
}
SHAPES = {
    "edges": (10, 11),  # nothing divides
    "whole": (8, 9),
    "small": (2, 2),  # within one chunk
}


def make(path, name, shape, *, fill=0):
    """Return metadata and voxels of an array, in which some chunks hold nothing but fill."""
    options = {"dtype": "int16", "chunks": (4, 3), "fill_value": fill, **FORMATS[name]}
    voxels = (np.arange(math.prod(shape)).reshape(shape) * 37 % 251 - 100).astype("int16")
    voxels[: shape[0] // 2] = fill
    zarr.create_array(path, shape=shape, **options)
    return read_array(LocalStore(path), ""), voxels


def write(chunks, metadata, voxels):
    for place in geometry.iterate_units(geometry.grid_shape(metadata.shape, metadata.write_shape)):
        payloads = [
            chunks.encode(index, voxels[chunk_region(metadata, index)])
            for index in chunks_of_object(metadata, place)
        ]
        chunks.put(place, payloads)


def read(chunks, metadata):
    voxels = np.full(metadata.shape, -1, "int16")
    for index in geometry.iterate_units(geometry.grid_shape(metadata.shape, metadata.chunks)):
        payload = chunks.payload(index)
        region = chunk_region(metadata, index)
        voxels[region] = metadata.fill_value if payload is None else chunks.decode(index, payload)
    return voxels


def objects(store, name):
    """Return all objects by key, without gzip's time stamps."""
    found = {key: store.get(f"a/{key}") for key in store.keys("a")}
    if "gzip" in name:
        found = {key: data[:4] + bytes(4) + data[8:] for key, data in found.items()}
    return found


@pytest.mark.sampled(8)
@pytest.mark.parametrize("write_empty", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", FORMATS)
def test_both_engines_write_the_same_bytes_and_read_each_others(tmp_path, name, shape, write_empty):
    metadata, voxels = make(tmp_path / "made", name, SHAPES[shape])
    stores = {kind: LocalStore(tmp_path / kind.__name__) for kind in (DirectChunks, ForeignChunks)}
    for kind, store in stores.items():
        if kind is DirectChunks:
            engine = open_chunks(store, "a", metadata, write_empty=write_empty)
            assert type(engine) is DirectChunks
        else:
            engine = ForeignChunks(store, "a", metadata, write_empty)
        write(engine, metadata, voxels)
        write_array(store, "a", metadata)
    direct, foreign = (objects(store, name) for store in stores.values())
    assert sorted(direct) == sorted(foreign)
    assert direct == foreign
    for store in stores.values():
        for engine in (
            open_chunks(store, "a", metadata),
            ForeignChunks(store, "a", metadata, True),
        ):
            assert read(engine, metadata).tobytes() == voxels.tobytes()
        assert (zarr.open_array(store.root / "a")[...] == voxels).all()


@pytest.mark.parametrize(
    ("fill", "dtype"), [(math.nan, "float32"), (-0.0, "float64"), (0.0, "float64"), (True, "bool")]
)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_empty_is_what_has_the_bits_of_the_fill_value(tmp_path, zarr_format, fill, dtype):
    """Four chunks: the fill value, twice what resembles it, and between them half of each."""
    kept = {}
    like = {"float32": math.inf, "float64": -fill, "bool": False}[dtype]
    voxels = np.full((8,), fill, dtype)
    voxels[2:5] = voxels[6:] = like
    for name in ("direct", "foreign"):
        zarr.create_array(
            tmp_path / name / "a", shape=(8,), chunks=(2,), dtype=dtype, fill_value=fill,
            zarr_format=zarr_format, compressors=None,
        )  # fmt: skip
        store = LocalStore(tmp_path / name)
        metadata = read_array(store, "a")
        if name == "direct":
            engine = open_chunks(store, "a", metadata, write_empty=False)
        else:
            engine = ForeignChunks(store, "a", metadata, False)
        write(engine, metadata, voxels)
        assert zarr.open_array(tmp_path / name / "a")[...].tobytes() == voxels.tobytes()
        kept[name] = {key: store.get(f"a/{key}") for key in store.keys("a") if "z" not in key}
    assert kept["direct"] == kept["foreign"]
    assert len(kept["direct"]) == 3


@pytest.mark.parametrize("fill", [0, 7])
def test_what_became_empty_is_removed(tmp_path, fill):
    metadata, voxels = make(tmp_path, "v3 zstd, big-endian", (8, 9), fill=fill)
    store = LocalStore(tmp_path)
    write(open_chunks(store, "a", metadata), metadata, voxels)
    assert len(list(store.keys("a"))) == 6
    write(open_chunks(store, "a", metadata, write_empty=False), metadata, voxels * 0 + fill)
    assert list(store.keys("a")) == []


def test_missing_chunks_and_shards(tmp_path):
    metadata, voxels = make(tmp_path, "shards", (10, 11))
    store = LocalStore(tmp_path)
    engine = open_chunks(store, "a", metadata, write_empty=False)
    write(engine, metadata, voxels)
    store.delete("a/c/1/1")
    for index in geometry.iterate_units((3, 4)):
        empty = (voxels[chunk_region(metadata, index)] == 0).all()
        gone = index[0] >= 2 and index[1] >= 3
        engine = open_chunks(store, "a", metadata)
        assert (engine.payload(index) is None) == (empty or gone), index


def test_unknown_codecs_go_through_zarr_python(tmp_path):
    zarr.create_array(
        tmp_path, shape=(4,), chunks=(2,), dtype="int16", zarr_format=2, compressors=numcodecs.BZ2()
    )
    metadata = read_array(LocalStore(tmp_path), "")
    assert type(open_chunks(LocalStore(tmp_path), "", metadata)) is ForeignChunks


@pytest.mark.parametrize("store", ["local", "memory"])
def test_a_foreign_shards_bytes_count_once(tmp_path, store):
    """The fingerprint adds up payloads: each stored object must come once, none twice."""
    metadata, voxels = make(tmp_path / "made", "shards", (10, 11))
    files = LocalStore(tmp_path / "b") if store == "local" else ZarrStore(MemoryStore())
    engine = ForeignChunks(files, "a", metadata, True)
    write(engine, metadata, voxels)
    payloads = [engine.payload(index) for index in product(range(3), range(4))]
    assert sorted(data for data in payloads if data) == sorted(
        files.get(f"a/{key}") for key in files.keys("a")
    )


@pytest.mark.parametrize("name", ["v3 gzip", "shards", "v2 blosc"])
@pytest.mark.parametrize("damage", [b"", b"\0" * 7, b"\xff" * 300])
def test_damage_names_the_object(tmp_path, name, damage):
    metadata, voxels = make(tmp_path, name, (10, 11))
    store = LocalStore(tmp_path)
    write(open_chunks(store, "a", metadata), metadata, voxels)
    key = metadata.object_key((0, 0))
    store.put(f"a/{key}", damage)
    engine = open_chunks(store, "a", metadata)
    with pytest.raises(StoreError, match=f"a/{key}") as error:
        engine.decode((0, 0), engine.payload((0, 0)))
    assert "\n" not in str(error.value)


def test_damage_that_zarr_python_meets_names_the_chunk(tmp_path):
    metadata, voxels = make(tmp_path, "v3 gzip", (10, 11))
    store = LocalStore(tmp_path)
    engine = ForeignChunks(store, "a", metadata, True)
    write(engine, metadata, voxels)
    store.put("a/c/0/0", b"\0\1\2\3")
    with pytest.raises(StoreError, match=r"a, chunk \[0, 0\] cannot be read"):
        engine.decode((0, 0), engine.payload((0, 0)))


@pytest.mark.parametrize(
    ("block", "fill", "expected"),
    [
        (np.zeros((2, 3), "uint8"), 0, True),
        (np.array([0, 0, 1], "uint8"), 0, False),
        (np.array([1, 0, 0], "uint8"), 0, False),
        (np.array([0.0, -0.0]), 0.0, False),  # other bits
        (np.array([-0.0, -0.0]), -0.0, True),
        (np.array([np.nan, np.nan], "float16"), math.nan, True),
        (np.array([2**64 - 1], "uint64"), 2**64 - 1, True),  # exact
        (np.array([True, True]), True, True),
        (np.zeros((4, 6), "int32")[::2, ::3], 0, True),  # strides
    ],
)
def test_is_fill(block, fill, expected):
    assert is_fill(block, fill) is expected


def test_each_thread_has_its_own_buffers():
    first = scratch("test", (2, 2), np.dtype("int16"))
    assert scratch("test", (2, 2), np.dtype("int16")) is first
    others = []
    thread = threading.Thread(
        target=lambda: others.append(scratch("test", (2, 2), np.dtype("int16")))
    )
    thread.start()
    thread.join()
    assert others[0] is not first
    assert scratch("test", (3, 2), np.dtype("int16")).shape == (3, 2)
    assert scratch("test", (3, 2), np.dtype("int8")).dtype == np.dtype("int8")


class CountedShards(LocalStore):
    """Files that count how often a shard is opened, and every other look at one."""

    def __init__(self, root):
        super().__init__(root)
        self.opens, self.looks = Counter(), Counter()

    def opened(self, key):
        self.opens[key] += 1
        return super().opened(key)

    def _read(self, key, *arguments):
        self.looks[key] += 1
        return super()._read(key, *arguments)

    def version(self, key):
        self.looks[key] += 1
        return super().version(key)

    def get_into(self, key, *arguments):
        self.looks[key] += 1
        return super().get_into(key, *arguments)


def n_open_files():
    return len(list(Path("/dev/fd").iterdir()))


def sharded(path):
    voxels = np.arange(64 * 32, dtype="uint16").reshape(64, 32)
    zarr.create_array(path / "a", data=voxels, chunks=(4, 4), shards=(16, 16))
    return voxels


@pytest.mark.parametrize("n_threads", [1, 8])
def test_a_shard_is_opened_once(tmp_path, n_threads):
    voxels = sharded(tmp_path)
    before = n_open_files()
    store = CountedShards(tmp_path)
    metadata = read_array(store, "a")
    store.looks.clear()
    chunks = open_chunks(store, "a", metadata)
    places = list(geometry.iterate_units((16, 8)))
    with ThreadPoolExecutor(n_threads) as pool:
        read = [*pool.map(lambda chunks, at: read_chunk(chunks, at).copy(), [chunks] * 128, places)]
    for index, block in zip(places, read, strict=True):
        np.testing.assert_array_equal(block, voxels[chunk_region(metadata, index)])
    assert store.opens == {f"a/c/{y}/{x}": 1 for y in range(4) for x in range(2)}
    assert not store.looks
    assert n_open_files() == before + 8
    del chunks
    assert n_open_files() == before


def test_a_shard_is_read_to_its_end_while_another_takes_its_place(tmp_path):
    """Its index says nothing of the other one's bytes."""
    voxels = sharded(tmp_path)
    chunks = open_chunks(LocalStore(tmp_path), "a", read_array(LocalStore(tmp_path), "a"))
    read_chunk(chunks, (0, 0))
    zarr.open_array(tmp_path / "a")[:16, :16] = np.random.default_rng(0).integers(0, 99, (16, 16))
    np.testing.assert_array_equal(read_chunk(chunks, (3, 3)), voxels[12:16, 12:16])
    again = open_chunks(LocalStore(tmp_path), "a", chunks.metadata)
    assert (read_chunk(again, (3, 3)) != voxels[12:16, 12:16]).any()
