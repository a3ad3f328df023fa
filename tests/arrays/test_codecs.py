"""Codecs against zarr-python: the same voxels from its objects, the same bytes into ours."""

import json
import math
import os
import pickle
import struct
import subprocess
import sys
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numcodecs
import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, TransposeCodec, ZstdCodec

from zarrpyramid.arrays.codecs import chunk_codec
from zarrpyramid.arrays.compressors import _zstd_size
from zarrpyramid.arrays.shards import MISSING, _morton_order, shard_codec
from zarrpyramid.errors import PyramidError, StoreError
from zarrpyramid.metadata.parsing import ITEM_SIZES, parse_array

SHAPE, CHUNKS, FILL = (7, 10, 5), (4, 4, 3), 7

BIG = BytesCodec(endian="big")
TURN = TransposeCodec(order=(2, 0, 1))
BLOSC = [
    BloscCodec(cname=cname, clevel=clevel, shuffle=shuffle)
    for cname, clevel, shuffle in [
        ("lz4", 5, "shuffle"),
        ("lz4hc", 9, "bitshuffle"),
        ("blosclz", 5, "noshuffle"),
        ("zlib", 1, "shuffle"),
        ("zstd", 5, "bitshuffle"),
        ("zstd", 0, None),
    ]
]
V3 = {
    "raw": {"compressors": None},
    "raw big": {"compressors": None, "serializer": BIG},
    "raw crc32c": {"compressors": Crc32cCodec()},
    "raw turned": {"compressors": None, "filters": TURN},
    "zstd": {"compressors": ZstdCodec()},
    "zstd checksum": {"compressors": ZstdCodec(level=5, checksum=True)},
    "zstd fast, big": {"compressors": ZstdCodec(level=-5), "serializer": BIG},
    "zstd crc32c": {"compressors": [ZstdCodec(level=1), Crc32cCodec()]},
    "zstd turned, big": {"compressors": ZstdCodec(), "filters": TURN, "serializer": BIG},
    "gzip": {"compressors": GzipCodec()},
    "gzip crc32c": {"compressors": [GzipCodec(level=9), Crc32cCodec()]},
    "gzip stored": {"compressors": GzipCodec(level=0)},
    "blosc block size": {"compressors": BloscCodec(blocksize=64, typesize=3)},
    **{
        f"blosc {getattr(codec.cname, 'value', codec.cname)} {codec.clevel}": {"compressors": codec}
        for codec in BLOSC
    },
}
V2 = {
    "raw": {"compressors": None},
    "raw F": {"compressors": None, "order": "F"},
    "zstd": {"compressors": numcodecs.Zstd(level=3)},
    "zstd F": {"compressors": numcodecs.Zstd(checksum=True), "order": "F"},
    "blosc": {"compressors": numcodecs.Blosc()},
    "blosc auto shuffle": {"compressors": numcodecs.Blosc(cname="zstd", clevel=3, shuffle=-1)},
    "blosc bits F": {"compressors": numcodecs.Blosc("lz4hc", 9, shuffle=2), "order": "F"},
    "gzip": {"compressors": numcodecs.GZip(level=6)},
    "zlib": {"compressors": numcodecs.Zlib(level=4)},
    "lz4": {"compressors": numcodecs.LZ4()},
    "lz4 faster F": {"compressors": numcodecs.LZ4(acceleration=9), "order": "F"},
}
CASES = [
    *((3, name, dtype) for name in V3 for dtype in ("uint8", "uint16", "float64")),
    *((3, name, dtype) for name in ("zstd", "raw big") for dtype in ITEM_SIZES),
    *((2, name, dtype) for name in V2 for dtype in ("|u1", "<u2", ">u2", "<f4", ">f8")),
    *((2, "zstd", dtype) for dtype in ("|b1", "|i1", "<i8", ">i8", ">f2")),
]


def make_voxels(shape, dtype, seed=0):
    """Few values, so that they compress; floats with all that a comparison could lose."""
    rng = np.random.default_rng(seed)
    voxels = rng.integers(0, 5, shape).astype(np.dtype(dtype).newbyteorder("="))
    if voxels.dtype.kind == "f":
        voxels[rng.random(shape) < 0.2] = np.nan
        voxels[rng.random(shape) < 0.2] = -0.0
        voxels[rng.random(shape) < 0.1] = np.inf
    return voxels


def write(path, voxels, **options):
    """Have zarr-python write an array; return its metadata as we read it."""
    options = {"chunks": CHUNKS, "dtype": voxels.dtype, "fill_value": FILL, **options}
    if np.dtype(options["dtype"]) == bool:
        options["fill_value"] = True
    zarr.create_array(path, shape=voxels.shape, **options)[...] = voxels
    return read_metadata(path)


def read_metadata(path):
    names = [".zarray"] if (path / ".zarray").exists() else ["zarr.json"]
    return parse_array({name: json.loads((path / name).read_text()) for name in names}, "a")


def padded_chunk(metadata, voxels, index):
    """Return one chunk as zarr-python encodes it: filled up beyond the array's edge."""
    chunk = np.full(metadata.chunks, metadata.fill_value, metadata.dtype)
    start = [i * extent for i, extent in zip(index, metadata.chunks, strict=True)]
    within = voxels[tuple(slice(s, s + e) for s, e in zip(start, metadata.chunks, strict=True))]
    chunk[tuple(slice(extent) for extent in within.shape)] = within
    return chunk


def grid(shape, chunks):
    return list(product(*(range(-(-s // c)) for s, c in zip(shape, chunks, strict=True))))


def without_time(name, data):
    """Blank gzip's time stamp, and the crc32c over it."""
    if "gzip" not in name:
        return data
    return data[:4] + bytes(4) + data[8 : -4 if "crc32c" in name else None]


@pytest.mark.sampled(14)
@pytest.mark.parametrize(("zarr_format", "name", "dtype"), CASES)
def test_zarr_python_reads_and_writes_the_same(tmp_path, zarr_format, name, dtype):
    voxels = make_voxels(SHAPE, dtype)
    options = {**(V2 if zarr_format == 2 else V3)[name], "dtype": dtype}
    metadata = write(tmp_path / "a", voxels, zarr_format=zarr_format, **options)
    codec = chunk_codec(metadata)
    assert codec is not None
    assert pickle.loads(pickle.dumps(codec)) == codec
    out = np.empty(CHUNKS, metadata.dtype)
    for index in grid(SHAPE, CHUNKS):
        stored = (tmp_path / "a" / metadata.object_key(index)).read_bytes()
        chunk = padded_chunk(metadata, voxels, index)
        out.view(np.uint8)[...] = 0xAA
        codec.decode(memoryview(b"x" + stored)[1:], out)
        assert out.tobytes() == chunk.tobytes()
        assert without_time(name, codec.encode(chunk)) == without_time(name, stored)
        viewed = codec.view(stored)
        assert viewed is None or viewed.tobytes() == chunk.tobytes()


@pytest.mark.parametrize(
    ("zarr_format", "key"),
    [(2, ("v2", ".")), (2, ("v2", "/")), *((3, k) for k in product(("v2", "default"), "./"))],
)
def test_separators(tmp_path, zarr_format, key):
    voxels = make_voxels(SHAPE, "uint16")
    encoding = {"name": key[0], "separator": key[1]}
    metadata = write(tmp_path / "a", voxels, zarr_format=zarr_format, chunk_key_encoding=encoding)
    out = np.empty(CHUNKS, "uint16")
    chunk_codec(metadata).decode(
        (tmp_path / "a" / metadata.object_key((1, 2, 1))).read_bytes(), out
    )
    assert (out == padded_chunk(metadata, voxels, (1, 2, 1))).all()


def test_what_zarr_python_gets_is_read_by_it(tmp_path):
    voxels = make_voxels(SHAPE, "uint16")
    metadata = write(tmp_path / "a", voxels, **V3["zstd turned, big"])
    other = make_voxels(SHAPE, "uint16", seed=1)
    for index in grid(SHAPE, CHUNKS):
        encoded = chunk_codec(metadata).encode(padded_chunk(metadata, other, index))
        (tmp_path / "a" / metadata.object_key(index)).write_bytes(encoded)
    assert (zarr.open_array(tmp_path / "a")[...] == other).all()


def test_one_codec_serves_many_threads(tmp_path):
    voxels = make_voxels((64, 64, 64), "uint16")
    metadata = write(tmp_path / "a", voxels, chunks=(64, 64, 64), compressors=BLOSC[4])
    codec = chunk_codec(metadata)
    encoded = codec.encode(voxels)

    def decode(_):
        out = np.empty(codec.shape, codec.dtype)
        codec.decode(encoded, out)
        return (out == voxels).all() and codec.encode(out) == encoded

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(decode, range(16)))


def test_importing_it_leaves_zarr_alone_and_blosc_without_threads():
    # zarr-python, which this process has imported, sets the same.
    code = (
        "import sys, zarrpyramid.arrays.codecs, numcodecs.blosc;"
        "sys.exit('zarr' in sys.modules or numcodecs.blosc.use_threads is not False)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


# Shards


def expected_chunks(metadata, voxels, shard, write_empty):
    """Return a shard's encoded inner chunks in C order, None where zarr-python stores none."""
    codec, inner = chunk_codec(metadata), grid(metadata.shards, metadata.chunks)
    per_shard = [s // c for s, c in zip(metadata.shards, metadata.chunks, strict=True)]
    encoded = []
    for local in inner:
        index = [i * n + j for i, n, j in zip(shard, per_shard, local, strict=True)]
        start = [i * c for i, c in zip(index, metadata.chunks, strict=True)]
        chunk = padded_chunk(metadata, voxels, index)
        outside = any(s >= e for s, e in zip(start, metadata.shape, strict=True))
        empty = (chunk == metadata.fill_value).all() and not write_empty
        encoded.append(None if outside or empty else codec.encode(chunk))
    return encoded


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", ["raw", "zstd", "zstd turned, big", "zstd crc32c", "blosc zstd 5"])
@pytest.mark.parametrize("location", ["start", "end"])
@pytest.mark.parametrize("write_empty", [True, False])
def test_shards(tmp_path, name, location, write_empty):
    shape, chunks, shards = (13, 9, 14), (2, 3, 4), (6, 12, 8)
    voxels = make_voxels(shape, "uint16")
    voxels[:6, :, :8] = FILL  # a whole shard
    voxels[6:8, 3:6, 4:8] = FILL  # an inner chunk
    metadata = write(
        tmp_path / "a",
        voxels,
        chunks=chunks,
        shards={"shape": shards, "index_location": location},
        config={"write_empty_chunks": write_empty},
        **V3[name],
    )
    shard, codec = shard_codec(metadata), chunk_codec(metadata)
    assert shard.grid == (3, 4, 2)
    assert pickle.loads(pickle.dumps(shard)) == shard
    out = np.empty(chunks, "uint16")
    for index in grid(shape, shards):
        path = tmp_path / "a" / metadata.object_key(index)
        expected = expected_chunks(metadata, voxels, index, write_empty)
        encoded = shard.encode_shard(expected)
        assert path.exists() == (encoded is not None)
        if encoded is None:
            continue
        stored = path.read_bytes()
        assert encoded == stored
        begin = len(stored) - shard.index_size if shard.index_at_end else 0
        entries = shard.decode_index(stored[begin : begin + shard.index_size], len(stored))
        assert entries.shape == (24, 2)
        for local, (offset, size), chunk in zip(
            grid(shards, chunks), entries.tolist(), expected, strict=True
        ):
            if chunk is None:
                assert (offset, size) == (MISSING, MISSING)
                continue
            codec.decode(memoryview(stored)[offset : offset + size], out)
            position = [i * n + j for i, n, j in zip(index, shard.grid, local, strict=True)]
            assert (out == padded_chunk(metadata, voxels, position)).all()


@pytest.mark.parametrize(
    "extents", [(1,), (7,), (4, 4), (1, 5), (5, 1, 3), (2, 9, 2), (8, 8, 8), (3, 1, 2, 5), (2,) * 5]
)
def test_order_of_inner_chunks_is_zarr_pythons(extents):
    indexing = zarr.core.indexing
    # zarr-python 3.4 has renamed it.
    order = getattr(indexing, "morton_order_coords", None) or indexing.morton_order_iter
    reference = [np.ravel_multi_index(c, extents) for c in order(extents)]
    assert _morton_order(extents).tolist() == reference


def test_one_inner_chunk_a_shard(tmp_path):
    voxels = make_voxels((4, 4), "uint8")
    metadata = write(tmp_path / "a", voxels, chunks=(4, 4), shards=(4, 4))
    encoded = shard_codec(metadata).encode_shard([chunk_codec(metadata).encode(voxels)])
    assert encoded == (tmp_path / "a/c/0/0").read_bytes()


@pytest.fixture
def shard(tmp_path):
    metadata = write(tmp_path / "a", make_voxels((4, 4), "uint8"), chunks=(2, 2), shards=(4, 4))
    return shard_codec(metadata)


def index_bytes(*entries):
    body = struct.pack("<8Q", *entries)
    return body + struct.pack("<I", numcodecs.checksum32.CRC32C.checksum(body))


@pytest.mark.parametrize(
    "entries",
    [
        (0, 10, 10, 10, 20, 10, 30, 71),
        (0, 10, 10, 10, 20, 10, 101, 0),
        (0, 10, MISSING, 10, 20, 10, 30, 10),
        (0, 10, 10, MISSING, 20, 10, 30, 10),
        (0, 10, 10, 10, 20, 10, 2**63, 2**63),
    ],
)
def test_an_index_that_points_out_of_the_shard(shard, entries):
    shard.decode_index(index_bytes(0, 10, 10, 10, MISSING, MISSING, 30, 70), 100)
    with pytest.raises(StoreError, match="inner chunk"):
        shard.decode_index(index_bytes(*entries), 100)


@pytest.mark.parametrize("size", [0, 3, 10, 67, 69])
def test_an_index_of_another_size(shard, size):
    with pytest.raises(StoreError, match="no shard"):
        shard.decode_index(bytes(size), 100)
    with pytest.raises(StoreError, match="no shard"):
        shard.decode_index(bytes(shard.index_size), size % 68)


def test_a_flipped_bit_in_an_index(shard):
    data = bytearray(index_bytes(0, 10, 10, 10, 20, 10, 30, 10))
    for bit in range(0, 8 * len(data), 5):
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises(StoreError, match="checksum"):
            shard.decode_index(data, 100)
        data[bit // 8] ^= 1 << bit % 8


# Damage


def codec_of(tmp_path, zarr_format, name, shape=CHUNKS):
    options = (V2 if zarr_format == 2 else V3)[name]
    voxels = make_voxels(shape, "uint16")
    return chunk_codec(
        write(tmp_path / "a", voxels, zarr_format=zarr_format, chunks=shape, **options)
    )


def decode_twice(codec, data):
    """Decode over two different fillings: what differs was never written."""
    outs = [np.full(codec.shape, value, codec.dtype) for value in (0, 0xFFFF)]
    for out in outs:
        codec.decode(data, out)
    assert outs[0].tobytes() == outs[1].tobytes()
    return outs[0]


EVERY = [*((3, name) for name in V3), *((2, name) for name in V2)]


@pytest.mark.sampled(8)
@pytest.mark.parametrize(("zarr_format", "name"), EVERY)
def test_truncated_extended_and_foreign_data(tmp_path, zarr_format, name):
    codec = codec_of(tmp_path, zarr_format, name)
    encoded = codec.encode(make_voxels(CHUNKS, "uint16"))
    rng = np.random.default_rng(1)
    small = codec_of(tmp_path / "small", zarr_format, name, (4, 4, 2))
    large = codec_of(tmp_path / "large", zarr_format, name, (8, 8, 3))
    foreign = [
        *(encoded[:stop] for stop in range(len(encoded))),
        encoded + b"x",
        small.encode(make_voxels((4, 4, 2), "uint16")),
        large.encode(make_voxels((8, 8, 3), "uint16")),
        *(rng.bytes(size) for size in (1, 4, 16, 17, 95, 97, 1000)),
        bytes(100),
    ]
    for data in foreign:
        out = np.empty(codec.shape, codec.dtype)
        with pytest.raises(StoreError):
            codec.decode(data, out)


@pytest.mark.sampled(8)
@pytest.mark.parametrize(("zarr_format", "name"), EVERY)
def test_flipped_bits(tmp_path, zarr_format, name):
    """Whoever has a checksum notices; nobody crashes or leaves voxels unwritten."""
    voxels = make_voxels(CHUNKS, "uint16")
    codec = codec_of(tmp_path, zarr_format, name)
    encoded = bytearray(codec.encode(voxels))
    checked = name.startswith(("gzip", "zlib")) or "checksum" in name or "crc32c" in name
    for bit in range(8 * len(encoded)):
        encoded[bit // 8] ^= 1 << bit % 8
        try:
            decoded = decode_twice(codec, encoded)
        except PyramidError:
            pass
        else:
            # Bits that mean nothing may flip: one of zstd's, gzip's time and system.
            assert not checked or (decoded == voxels).all()
        encoded[bit // 8] ^= 1 << bit % 8


def zstd_frame(n_blocks, *, size=None, block=1 << 17):
    """Hand-made frame of zeros in run-length blocks, with or without a declared size (RFC 8878)."""
    header = b"\x28\xb5\x2f\xfd" + (
        b"\x00\x58" if size is None else b"\x80\x58" + struct.pack("<I", size)
    )
    blocks = [
        struct.pack("<I", block << 3 | 1 << 1 | (i == n_blocks - 1))[:3] + b"\0"
        for i in range(n_blocks)
    ]
    return header + b"".join(blocks)


def test_zstd_frames(tmp_path):
    codec = codec_of(tmp_path, 3, "zstd")
    assert not decode_twice(codec, zstd_frame(1, block=96)).any()
    assert not decode_twice(codec, zstd_frame(1, block=96, size=96)).any()
    two = numcodecs.zstd.compress(bytes(40)) + numcodecs.zstd.compress(bytes(56))
    assert not decode_twice(codec, two).any()
    skippable = struct.pack("<II", 0x184D2A50, 3) + b"abc"
    assert not decode_twice(codec, skippable + zstd_frame(1, block=96, size=96)).any()
    for data in (
        two + two,
        numcodecs.zstd.compress(bytes(95)),
        numcodecs.zstd.compress(bytes(40)) * 2,
        skippable,
        zstd_frame(1, block=95),
        zstd_frame(1, block=97),
        zstd_frame(1, block=95, size=96),
        zstd_frame(1, block=96, size=95),
        zstd_frame(1, block=96, size=97),
    ):
        with pytest.raises(StoreError):
            decode_twice(codec, data)


@pytest.mark.parametrize("size", [1, 255, 256, 65791, 65792, 1 << 20])
def test_declared_size_of_a_zstd_frame(size):
    assert _zstd_size(memoryview(numcodecs.Zstd().encode(bytes(size)))) == size


def test_gzip_members(tmp_path):
    codec = codec_of(tmp_path, 3, "gzip")
    assert codec.encode(make_voxels(CHUNKS, "uint16"))[4:8] == bytes(4)
    member = numcodecs.GZip(level=1).encode
    assert not decode_twice(codec, member(bytes(40)) + member(bytes(56))).any()
    assert not decode_twice(codec, member(bytes(96)) + bytes(5)).any()
    for data in (
        member(bytes(95)) + member(bytes(2)),
        member(bytes(96)) + b"x",
        member(bytes(96)) * 2,
    ):
        with pytest.raises(StoreError):
            decode_twice(codec, data)


ZEROS = bytes(1 << 24)
BOMBS = {
    (3, "zstd"): [zstd_frame(8192), zstd_frame(8192, size=2**30), numcodecs.Zstd().encode(ZEROS)],
    (3, "blosc lz4 5"): [numcodecs.Blosc().encode(ZEROS)],
    (3, "gzip"): [
        numcodecs.GZip().encode(ZEROS),
        numcodecs.GZip().encode(bytes(96)) + numcodecs.GZip().encode(ZEROS),
    ],
    (2, "zlib"): [zlib.compress(ZEROS)],
    (2, "lz4"): [numcodecs.LZ4().encode(ZEROS)],
}


@pytest.mark.parametrize(("case", "data"), [(case, data) for case in BOMBS for data in BOMBS[case]])
def test_no_more_than_a_chunk_is_ever_decoded(tmp_path, case, data):
    codec = codec_of(tmp_path, *case)
    out = np.empty(codec.shape, codec.dtype)
    tracemalloc.start()
    try:
        with pytest.raises(StoreError):
            codec.decode(data, out)
        # Python 3.13's gzip reads in blocks of 128 KB, of which it holds a few.
        assert tracemalloc.get_traced_memory()[1] < 2 * len(data) + (1 << 19)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("shape", [(4, 4, 2), (4, 3, 4), (48,)])
def test_another_array_than_a_chunk_is_refused(tmp_path, shape):
    codec = codec_of(tmp_path, 3, "zstd")
    encoded = codec.encode(make_voxels(CHUNKS, "uint16"))
    for out in (np.empty(shape, "u2"), np.empty(CHUNKS, "i2"), np.empty(CHUNKS, "u2", order="F")):
        with pytest.raises(ValueError, match="C-contiguous"):
            codec.decode(encoded, out)


# What is not known here

LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
ZSTD = {"name": "zstd", "configuration": {"level": 0, "checksum": False}}


def v3_document(codecs, shards=None):
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(SHAPE),
        "data_type": "uint16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shards or list(CHUNKS)}},
        "chunk_key_encoding": {"name": "default"},
        "fill_value": 0,
        "codecs": codecs,
    }


def blosc(**changes):
    settings = {"cname": "lz4", "clevel": 5, "shuffle": "shuffle", "typesize": 2, "blocksize": 0}
    return {"name": "blosc", "configuration": {**settings, **changes}}


@pytest.mark.parametrize(
    "codecs",
    [
        [],
        [ZSTD],
        [ZSTD, LITTLE],
        ["bytes"],
        [{"name": "bytes", "configuration": {}}],
        [{"name": "bytes", "configuration": {"endian": "middle"}}],
        [{**LITTLE, "must_understand": False}],
        [LITTLE, {"name": "lzma"}],
        [LITTLE, {"name": "numcodecs.zlib", "configuration": {"level": 1}}],
        [LITTLE, {"name": "zlib", "configuration": {"level": 1}}],
        [LITTLE, ZSTD, ZSTD],
        [LITTLE, "crc32c", ZSTD],
        [LITTLE, ZSTD, "crc32c", "crc32c"],
        [LITTLE, {"name": "crc32c", "configuration": {"seed": 1}}],
        [LITTLE, {"name": "zstd", "configuration": {"level": 23}}],
        [LITTLE, {"name": "zstd", "configuration": {"level": True}}],
        [LITTLE, {"name": "zstd", "configuration": {"level": 1, "window": 20}}],
        [LITTLE, {"name": "gzip", "configuration": {"level": 10}}],
        [LITTLE, blosc(cname="snappier")],
        [LITTLE, blosc(clevel=10)],
        [LITTLE, blosc(shuffle="shift")],
        [LITTLE, blosc(shuffle=1)],
        [LITTLE, blosc(typesize=0)],
        [LITTLE, blosc(blocksize=-1)],
        [LITTLE, blosc(threads=2)],
        [{"name": "transpose", "configuration": {"order": [0, 1]}}, LITTLE],
        [{"name": "transpose", "configuration": {"order": [0, 1, 1]}}, LITTLE],
        [{"name": "transpose", "configuration": {"order": ["a", [], 1]}}, LITTLE],
        [{"name": "transpose", "configuration": {"order": "F"}}, LITTLE],
        [{"name": "transpose", "configuration": {"order": [0, 1, 2]}}],
        [{"name": "cast_value"}, LITTLE],
    ],
)
def test_unknown_to_v3(codecs):
    assert chunk_codec(parse_array({"zarr.json": v3_document([LITTLE, ZSTD])}, "a")) is not None
    assert chunk_codec(parse_array({"zarr.json": v3_document(codecs)}, "a")) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"filters": [{"id": "delta", "dtype": "<u2"}]},
        {"compressor": {"id": "bz2", "level": 1}},
        {"compressor": {"id": "zstd", "level": "1"}},
        {"compressor": {"id": "gzip", "level": -2}},
        {"compressor": {"id": "lz4", "acceleration": 1.5}},
        {"compressor": {"id": "blosc", "shuffle": 3}},
        {"compressor": {"id": "blosc", "shuffle": "shuffle"}},
        {"compressor": {"id": "lz4"}, "chunks": [2**15, 2**15, 1]},
        {"compressor": {"id": "blosc"}, "chunks": [2**15, 2**15, 1]},
    ],
)
def test_unknown_to_v2(changes):
    document = {
        "zarr_format": 2,
        "shape": list(SHAPE),
        "chunks": list(CHUNKS),
        "dtype": "<u2",
        "fill_value": 0,
        "order": "C",
        "filters": None,
        "compressor": None,
    }
    codec = chunk_codec(parse_array({".zarray": document}, "a"))
    assert codec.view(bytes(2 * math.prod(CHUNKS))).shape == CHUNKS
    with pytest.raises(StoreError, match="an uncompressed chunk has"):
        codec.view(b"")
    assert chunk_codec(parse_array({".zarray": {**document, **changes}}, "a")) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"index_codecs": [LITTLE, ZSTD]},
        {"index_codecs": [{"name": "bytes", "configuration": {"endian": "big"}}]},
        {"index_codecs": [LITTLE, "crc32c", "crc32c"]},
        {"index_codecs": []},
        {"index_location": "middle"},
        {"order": "hilbert"},
    ],
)
def test_unknown_shards(changes):
    def metadata(**changes):
        sharding = {
            "chunk_shape": list(CHUNKS),
            "codecs": [LITTLE],
            "index_codecs": [LITTLE, {"name": "crc32c"}],
            **changes,
        }
        codecs = [{"name": "sharding_indexed", "configuration": sharding}]
        return parse_array({"zarr.json": v3_document(codecs, [8, 8, 6])}, "a")

    assert shard_codec(metadata()).index_size == 132
    assert shard_codec(metadata(index_codecs=[LITTLE])).index_size == 128
    assert shard_codec(metadata(**changes)) is None


def test_an_array_without_shards_has_no_shard_codec():
    assert shard_codec(parse_array({"zarr.json": v3_document([LITTLE])}, "a")) is None
