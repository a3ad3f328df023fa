"""Whole pyramids against a brute-force oracle, read back by zarr-python; order, kills, refusals."""

from __future__ import annotations

import json
import logging
import math
import struct
import subprocess
import sys
import tempfile
from fractions import Fraction
from itertools import product
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import xxhash
import zarr
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from zarr.codecs import BloscCodec, BytesCodec, GzipCodec, TransposeCodec, ZstdCodec
from zarr.storage import MemoryStore

from oracles import mean_by_hand
from strategies import DTYPES, blocks
from zarrpyramid import build_pyramid
from zarrpyramid.config import image_config
from zarrpyramid.downsample import task as reduction
from zarrpyramid.downsample.base import seal_base
from zarrpyramid.downsample.level import build_level
from zarrpyramid.downsample.publish import remove_levels, write_multiscales
from zarrpyramid.errors import StoreError, VoxelError
from zarrpyramid.plan.image import open_image
from zarrpyramid.stores.files import TEMPORARY_SUFFIX
from zarrpyramid.stores.local import LocalStore

pytestmark = pytest.mark.filterwarnings(
    # zarr-python says so of every array with a numcodecs filter and of consolidated v3 metadata;
    # both are what users have.
    "ignore:Numcodecs codecs are not in the Zarr version 3:UserWarning",
    "ignore:Consolidated metadata is currently not part:UserWarning",
)


def chunks_by_hand(voxels, chunks):
    """Yield the place and the voxels of every chunk."""
    grid = [range(-(-extent // edge)) for extent, edge in zip(voxels.shape, chunks, strict=True)]
    for index in product(*grid):
        region = (slice(i * edge, (i + 1) * edge) for i, edge in zip(index, chunks, strict=True))
        yield index, voxels[tuple(region)]


def digest_by_hand(voxels, chunks):
    """Follow the documentation of `digests` line by line."""
    total = 0
    for index, block in chunks_by_hand(voxels, chunks):
        if block.dtype.kind == "f":
            block = np.where(np.isnan(block), block.dtype.type(np.nan), block)
        stored = block.astype(block.dtype.newbyteorder("<")).tobytes()
        placed = struct.pack(f"<{len(index)}Q", *index) + xxhash.xxh3_128_digest(stored)
        total += int.from_bytes(xxhash.xxh3_128_digest(placed), "little")
    header = {"chunks": list(chunks), "dtype": voxels.dtype.name, "shape": list(voxels.shape)}
    text = json.dumps(header, separators=(",", ":")).encode()
    return xxhash.xxh3_128_hexdigest(text + (total % 2**128).to_bytes(16, "little"))


def rounded(exact):
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def statistics_by_hand(voxels, chunks):
    """Integers exactly; floats as fractions, rounded once a chunk and once over all chunks."""
    flat = voxels.ravel()
    if voxels.dtype.kind != "f":
        values = [int(value) for value in flat.tolist()]
        total, n_nan, n_inf = sum(values), 0, 0
        low, high, mean = min(values), max(values), float(Fraction(total, len(values)))
    else:
        n_nan, n_inf = int(np.isnan(flat).sum()), int(np.isinf(flat).sum())
        known = [value for value in flat.tolist() if value == value]
        low = min(known) + 0.0 if known else None
        high = max(known) + 0.0 if known else None
        sums = [
            rounded(sum(map(Fraction, block[np.isfinite(block)].tolist())))
            for _, block in chunks_by_hand(voxels, chunks)
        ]
        n_finite = flat.size - n_nan - n_inf
        overflow = [value for value in sums if math.isinf(value)]
        exact = sum(map(Fraction, sums)) if not overflow else None
        total = sum(overflow) if overflow else rounded(exact)
        mean = rounded(exact / n_finite) if n_finite and math.isfinite(total) else total
        mean = mean if n_finite else None
    found = {"min": low, "max": high, "sum": total, "mean": mean}
    return {**{key: strict(value) for key, value in found.items()}, "n_nan": n_nan, "n_inf": n_inf}


def strict(value):
    """JSON without NaN, infinity and integers that doubles cannot hold."""
    if value is None or (abs(value) <= 2**53 if isinstance(value, int) else math.isfinite(value)):
        return value
    if isinstance(value, int):
        return str(value)
    return "NaN" if value != value else {1: "Infinity", -1: "-Infinity"}[math.copysign(1, value)]


def same(left, right):
    """Tell whether voxels have equal bits, whatever the NaN that level 0 holds."""
    if left.dtype.kind == "f":
        left, right = (np.where(np.isnan(x), np.nan, x).astype(x.dtype) for x in (left, right))
    return (
        left.shape == right.shape
        and left.dtype == right.dtype
        and left.tobytes() == (right.tobytes())
    )


def check_pyramid(group, records, ladder):
    """Hold every level against the oracle: voxels, digests, statistics, record."""
    source = native(group["0"])
    for number, (record, factors) in enumerate(zip(records[1:], ladder, strict=True), start=1):
        array = group[str(number)]
        expected, found = mean_by_hand(source, factors), native(array)
        assert same(found, expected), number
        chunks = list(array.chunks)
        assert record["digest"] == digest_by_hand(expected, chunks)
        assert {**record, **statistics_by_hand(expected, chunks)} == record
        made_from = record["source"]
        source_chunks = list(group[str(number - 1)].chunks)
        assert made_from["digest"] == digest_by_hand(source, source_chunks)
        if number == 1:
            assert {**made_from, **statistics_by_hand(source, source_chunks)} == made_from
        assert array.attrs["zarrpyramid"] == record
        assert record["recipe"]["factors"] == list(factors)
        assert record["shape"] == list(expected.shape)
        source = expected


def native(array):
    voxels = array[...]
    return voxels.astype(voxels.dtype.newbyteorder("="))


def ladder_by_hand(shape, factors, n_levels):
    ladder = []
    for _ in range(n_levels):
        step = tuple(f if n > 1 else 1 for n, f in zip(shape, factors, strict=True))
        if max(step) == 1:
            return None
        ladder.append(step)
        shape = [-(-n // f) for n, f in zip(shape, step, strict=True)]
    return ladder


SIDES = {1: 40, 2: 12, 3: 7, 4: 4, 5: 3}
V2_COMPRESSORS = {
    "raw": None,
    "blosc": numcodecs.Blosc("lz4", 5, numcodecs.Blosc.BITSHUFFLE),
    "zstd": numcodecs.Zstd(1),
    "gzip": numcodecs.GZip(1),
    "bz2": numcodecs.BZ2(1),  # through zarr-python
}
V3_COMPRESSORS = {
    "raw": None,
    "blosc": BloscCodec(cname="lz4", shuffle="shuffle"),
    "zstd": ZstdCodec(level=1, checksum=True),
    "gzip": GzipCodec(level=1),
}


@st.composite
def images(draw):
    """Draw level 0 as settings of zarr-python, and settings of its pyramid."""
    n_axes = draw(st.integers(1, 5))
    shape = draw(hnp.array_shapes(min_dims=n_axes, max_dims=n_axes, max_side=SIDES[n_axes]))
    voxels = np.ascontiguousarray(draw(blocks(shapes=st.just(shape))))
    dtype, chunks, budget = voxels.dtype, [], 40
    for extent in shape:
        n_chunks = draw(st.integers(1, min(extent, 7, budget)))
        # Larger than the array too: what lies beyond the edge must not count.
        edge = -(-extent // n_chunks) + (draw(st.integers(0, 2)) if n_chunks == 1 else 0)
        chunks.append(edge)
        budget //= -(-extent // edge)
    zarr_format = draw(st.sampled_from([2, 3]))
    big = draw(st.booleans()) and dtype.itemsize > 1
    names = V2_COMPRESSORS if zarr_format == 2 else V3_COMPRESSORS
    array = {"chunks": tuple(chunks), "compressors": names[draw(st.sampled_from(sorted(names)))]}
    fills = [voxels.ravel()[0].item(), {"b": True, "f": -0.0}.get(dtype.kind, 7)]
    if dtype.kind == "f":
        fills += [math.nan, math.inf]
    if zarr_format == 2:
        array |= {"order": draw(st.sampled_from("CF")), "dtype": dtype.newbyteorder("<>"[big])}
        fills.append(None)
    else:
        array |= {"dtype": dtype}
        if big:
            array["serializer"] = BytesCodec(endian="big")
        if draw(st.booleans()):
            array["filters"] = TransposeCodec(order=draw(st.permutations(range(n_axes))))
        if draw(st.booleans()):
            array["shards"] = tuple(edge * draw(st.integers(1, 3)) for edge in chunks)
    array["fill_value"] = draw(st.sampled_from(fills))
    separator = draw(st.sampled_from("./"))
    kind = "v2" if zarr_format == 2 else draw(st.sampled_from(["v2", "default"]))
    array["chunk_key_encoding"] = {"name": kind, "separator": separator}
    factors = draw(st.tuples(*[st.integers(1, 5)] * n_axes))
    n_levels = draw(st.integers(1, 3))
    ladder = ladder_by_hand(shape, factors, n_levels)
    assume(ladder is not None)
    keys = {"scale_factors": list(factors), "levels": n_levels}
    keys["write_empty_chunks"] = draw(st.booleans())
    if draw(st.booleans()) and "shards" not in array:
        keys["chunks"] = [max(1, edge - 1) for edge in chunks]
    return voxels, zarr_format, array, keys, ladder, draw(st.sampled_from([0, 2, 3]))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(image=images(), in_memory=st.booleans(), n_workers=st.sampled_from([1, 3]))
def test_every_level_has_the_bits_of_the_means_by_hand(image, in_memory, n_workers):
    voxels, zarr_format, array, keys, ladder, every = image
    event(f"v{zarr_format}, {voxels.dtype.kind}")
    with tempfile.TemporaryDirectory() as folder:
        store = MemoryStore() if in_memory else folder
        group = zarr.create_group(store, zarr_format=zarr_format)
        array = {**array, "config": {"write_empty_chunks": True}}
        group.create_array("0", shape=voxels.shape, **array)[...] = voxels
        if every and not in_memory:
            objects = sorted(key for key in LocalStore(folder).keys("0") if "zarr" not in key)
            for key in objects[::every]:  # missing chunks hold the fill value
                (Path(folder) / "0" / key).unlink()
        records = build_pyramid(store, n_workers=n_workers, **keys)
        check_pyramid(zarr.open_group(store, mode="r"), records, ladder)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "chunks", "factors"),
    [
        ((13,), (5,), (3,)),  # 1-D, nothing divides
        ((9, 14), (7, 7), (2, 2)),  # chunk 7, factor 2: windows across chunks
        ((5, 6, 7), (2, 3, 7), (2, 2, 2)),  # clipped windows of every shape
        ((2, 3, 3, 5), (1, 3, 2, 2), (1, 4, 2, 5)),  # factors beyond the extents
        ((2, 1, 3, 3, 3), (1, 1, 2, 2, 2), (2, 5, 2, 2, 2)),  # an axis of extent 1
    ],
)
def test_constants_stay_constant(dtype, shape, chunks, factors):
    kind = np.dtype(dtype).kind
    values = {
        "b": [False, True],
        "f": [0.0, -1.5, 37.25, math.inf, -math.inf, math.nan],
        "i": [0, -1, np.iinfo(dtype).min, np.iinfo(dtype).max] if kind == "i" else [],
        "u": [0, 1, np.iinfo(dtype).max] if kind == "u" else [],
    }[kind]
    for value in values:
        store = MemoryStore()
        voxels = np.full(shape, value, dtype)
        group = zarr.create_group(store, zarr_format=2)
        group.create_array("0", shape=shape, chunks=chunks, dtype=dtype)[...] = voxels
        records = build_pyramid(store, levels=2, scale_factors=list(factors))
        for record in records[1:]:
            found = group[str(record["level"])][...]
            assert same(found, np.full_like(found, value))
            assert record["min"] == record["max"] == (None if value != value else strict(value + 0))


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("shape", "chunks", "factors"),
    [((40, 24), (4, 4), (2, 2)), ((30, 30), (7, 5), (2, 3))],
    ids=["whole windows in chunks", "windows across chunks"],
)
@pytest.mark.parametrize("dtype", ["uint16", "int64", "float32"])
def test_levels_of_many_tasks(tmp_path, dtype, shape, chunks, factors):
    voxels = np.arange(math.prod(shape)).reshape(shape).astype(dtype) * 3
    group = zarr.create_group(tmp_path)
    group.create_array("0", data=voxels, chunks=chunks)
    records = build_pyramid(tmp_path, levels=2, scale_factors=list(factors))
    check_pyramid(group, records, [factors] * 2)


FILTERS = [
    # v2 filters that only zarr-python runs
    (2, {"filters": [numcodecs.Delta(dtype="<u2")]}),
    (2, {"filters": [numcodecs.FixedScaleOffset(offset=0, scale=1, dtype="<u2", astype="u1")]}),
    (2, {"filters": [numcodecs.Shuffle(2)], "compressors": numcodecs.LZMA(preset=0)}),
    (3, {"filters": [{"name": "numcodecs.delta", "configuration": {"dtype": "uint16"}}]}),
]


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("zarr_format", "options"), FILTERS, ids=["delta", "scale", "lzma", "v3"])
def test_filters_go_through_zarr_python(tmp_path, zarr_format, options):
    voxels = (np.indices((11, 9)).sum(0) * 7 % 251).astype("uint16")
    group = zarr.create_group(tmp_path, zarr_format=zarr_format)
    group.create_array("0", data=voxels, chunks=(4, 3), **options)
    records = build_pyramid(tmp_path, levels=2)
    check_pyramid(group, records, [(2, 2)] * 2)
    assert group["1"].filters == group["0"].filters


@pytest.mark.parametrize("write_empty", [True, False])
@pytest.mark.parametrize("fill", [0, 5])
def test_empty_chunks_are_left_out_only_on_demand(tmp_path, write_empty, fill):
    voxels = np.full((16, 16), fill, "uint8")
    voxels[0, 0] = 200
    group = zarr.create_group(tmp_path)
    group.create_array("0", data=voxels, chunks=(4, 4), fill_value=fill)
    build_pyramid(tmp_path, levels=1, write_empty_chunks=write_empty)
    assert same(group["1"][...], mean_by_hand(voxels, (2, 2)))
    assert group["1"].nchunks_initialized == (4 if write_empty else 1)


def test_a_second_run_reads_no_voxel_and_writes_none(tmp_path, monkeypatch):
    first = build_pyramid(make(tmp_path), levels=2)
    before = snapshot(tmp_path)
    monkeypatch.setattr("zarrpyramid.downsample.level.run_blocks", None)
    assert build_pyramid(tmp_path, levels=2) == first
    assert snapshot(tmp_path) == before


def test_a_changed_voxel_of_level_0_rebuilds(tmp_path):
    build_pyramid(make(tmp_path), levels=2)
    zarr.open_array(tmp_path / "0")[3, 3] = 9999
    records = build_pyramid(tmp_path, levels=2)
    check_pyramid(zarr.open_group(tmp_path), records, [(2, 2)] * 2)


def test_other_settings_rebuild_and_fewer_levels_remove(tmp_path):
    build_pyramid(make(tmp_path), levels=3)
    records = build_pyramid(tmp_path, levels=2, scale_factors=[1, 3], chunks=[2, 2])
    group = zarr.open_group(tmp_path)
    check_pyramid(group, records, [(1, 3)] * 2)
    assert sorted(group.array_keys()) == ["0", "1", "2"]
    assert [item["path"] for item in listed(group)] == ["0", "1", "2"]


def test_dimension_names_are_added_to_level_0_alone_where_allowed(tmp_path, caplog):
    make(tmp_path)
    with caplog.at_level(logging.WARNING):
        build_pyramid(tmp_path, levels=1, edit_base=False)
    group = zarr.open_group(tmp_path)
    assert group["0"].metadata.dimension_names is None
    assert group["1"].metadata.dimension_names == ("y", "x")
    assert "has no dimension_names and edit_base is false" in caplog.text
    before = snapshot(tmp_path / "0" / "c")
    build_pyramid(tmp_path, levels=1)
    assert zarr.open_array(tmp_path / "0").metadata.dimension_names == ("y", "x")
    assert snapshot(tmp_path / "0" / "c") == before


def test_one_axis_gives_levels_without_a_list(tmp_path, caplog):
    zarr.create_group(tmp_path).create_array("0", data=np.arange(20), chunks=(5,))
    with caplog.at_level(logging.WARNING):
        build_pyramid(tmp_path, levels=2)
    group = zarr.open_group(tmp_path)
    assert group["2"].shape == (5,)
    assert dict(group.attrs) == {}
    assert caplog.text.count("OME-NGFF lists only images with two or three space axes") == 1


# Whatever contradicts.


def test_means_that_do_not_agree_name_the_block(tmp_path, monkeypatch):
    make(tmp_path)

    def broken(method, source, factors, out, **how):
        read = reduce_and_describe(method, source, factors, out, **how)
        out[out == out.max()] += 40
        return read

    reduce_and_describe = reduction.reduce_and_describe
    monkeypatch.setattr(reduction, "reduce_and_describe", broken)
    message = r"1: voxels made from \[0:8, 0:8\] of 0 by mean .* their mean is 1.*, of those read 1"
    with pytest.raises(VoxelError, match=message):
        build_pyramid(tmp_path, levels=1, n_workers=1)
    assert not (tmp_path / "1" / "zarr.json").exists()


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("float16", 60000),  # eps of half precision is large
        ("float32", 1e38),
        ("float64", 1e-310),  # subnormal
        ("float64", 1e300),
        ("float64", 1.7e308),  # sums overflow
        ("uint64", 2**64 - 1),
        ("int64", -(2**63)),
        ("bool", True),
    ],
)
def test_rounding_is_no_disagreement(dtype, value):
    store = MemoryStore()
    voxels = np.zeros((9, 9), dtype)
    voxels[::2] = value
    voxels[1::4, 1::3] = value / 3
    zarr.create_group(store).create_array("0", data=voxels, chunks=(5, 4))
    records = build_pyramid(store, levels=2)
    check_pyramid(zarr.open_group(store), records, [(2, 2)] * 2)


def test_a_level_that_changed_after_its_record_is_not_built_upon(tmp_path):
    make(tmp_path, compressors=None)
    build_pyramid(tmp_path, levels=2)
    remove_levels(opened(tmp_path, levels=2), 2)
    path = tmp_path / "1" / "c" / "0" / "0"
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)
    with pytest.raises(VoxelError, match=r"1 holds other voxels than its record says"):
        build_pyramid(tmp_path, levels=2)
    assert not (tmp_path / "2" / "zarr.json").exists()


def test_a_level_of_somebody_else_is_refused(tmp_path):
    group = zarr.open_group(make(tmp_path))
    group.create_array("2", data=np.ones((4, 4)))
    before = snapshot(tmp_path / "2")
    with pytest.raises(StoreError, match=r"2 is there already and was not made by this workflow"):
        build_pyramid(tmp_path, levels=2)
    assert snapshot(tmp_path / "2") == before
    assert listed(group) == []


def test_a_group_in_a_levels_place_is_refused(tmp_path):
    zarr.open_group(make(tmp_path)).create_group("1")
    with pytest.raises(
        StoreError, match=r"1 is a group, expected a level or nothing; move it away"
    ):
        build_pyramid(tmp_path, levels=1)


@pytest.mark.parametrize("alien", ["notes.txt", "c/0/0/notes", ".zattrs", "sub/.zgroup"])
def test_a_folder_with_something_else_is_refused(tmp_path, alien):
    make(tmp_path)
    path = tmp_path / "1" / alien
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    before = snapshot(tmp_path)
    image = opened(tmp_path, levels=1)
    with pytest.raises(StoreError, match=f"is no level but holds {alien}, which is not ours"):
        build_level(image, 1, {}, n_workers=1)
    assert snapshot(tmp_path) == before


LEFTOVERS = [
    "c/0/0",  # v3
    "c.0.0",  # v3, the other separator
    "0.0",  # v2
    "0/0",  # v2, the other separator
    f"c/0/0.123-456{TEMPORARY_SUFFIX}",  # being written by us
    "c/0/0.0123456789abcdef0123456789abcdef.partial",  # being written by zarr-python
]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("key", LEFTOVERS)
def test_what_a_killed_run_left_is_removed(tmp_path, key):
    make(tmp_path)
    left = tmp_path / "1" / key.replace("0", "77", 1)
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_bytes(b"torn")
    records = build_pyramid(tmp_path, levels=1)
    check_pyramid(zarr.open_group(tmp_path), records, [(2, 2)])
    assert not left.exists()


def test_a_finer_level_that_its_sentinel_does_not_know_is_refused(tmp_path):
    records = build_pyramid(make(tmp_path), levels=2)
    image = opened(tmp_path, levels=2)
    with pytest.raises(StoreError, match="1 is not the level that its sentinel records"):
        build_level(image, 2, {**records[1], "digest": "0"}, n_workers=1)


def test_a_list_of_absent_levels_is_not_written(tmp_path):
    build_pyramid(make(tmp_path), levels=1)
    with pytest.raises(StoreError, match=r"there is no array .*2; expected level 2"):
        write_multiscales(opened(tmp_path, levels=2))


# The order of writing, and kills.


class Killed(BaseException):
    """Ends a run wherever it stands; nothing in the library may catch it."""


class Watched(LocalStore):
    """Notes every change of a store, and dies at the n-th one."""

    def __init__(self, root, die_at=None):
        super().__init__(root)
        self.calls, self.die_at = [], die_at

    def _note(self, verb, key=""):
        self.calls.append((verb, key))
        if self.die_at is not None and len(self.calls) >= self.die_at:
            raise Killed

    def put(self, key, data):
        try:
            self._note("put", key)
        except Killed:
            partial = self.root / f"{key}.1-1{TEMPORARY_SUFFIX}"
            partial.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(bytes(data)[:3])
            raise
        super().put(key, data)

    def delete(self, key):
        self._note("delete", key)
        super().delete(key)

    def delete_tree(self, prefix):
        if self.die_at == len(self.calls) + 1:  # some of the files are gone
            for key in sorted(self.keys(prefix))[::2]:
                (self.root / prefix / key).unlink()
        self._note("delete_tree", prefix)
        super().delete_tree(prefix)

    def sync(self):
        self._note("sync")


def run(path, die_at=None, **keys):
    """Build with one thread through watched files; return the records and the calls."""
    store = Watched(path, die_at)
    config = image_config("image", {"store": str(path), **keys})
    image = open_image(config, store, "")
    try:
        records = [seal_base(image)]
        for level in range(1, len(image.plan.levels)):
            records.append(build_level(image, level, records[-1], n_workers=1))
        write_multiscales(image)
    except Killed:
        return None, store.calls
    return records, store.calls


FORMATS = {
    "v2": {"zarr_format": 2, "compressors": None},
    "v3": {"compressors": None, "dimension_names": ["y", "x"]},
    "v3 unnamed": {"compressors": None},  # its level 0 gets dimension_names
    "shards": {"shards": (8, 8), "chunks": (4, 4), "dimension_names": ["y", "x"]},
}


@pytest.mark.parametrize("name", ["v2", "v3", "shards"])
def test_objects_then_flush_then_documents_then_list(tmp_path, name):
    make(tmp_path, **FORMATS[name])
    zarr.consolidate_metadata(tmp_path)
    _, calls = run(tmp_path, levels=2)
    calls = [(verb, key) for verb, key in calls if verb in ("put", "sync")]
    documents = [".zattrs", ".zarray"] if name == "v2" else ["zarr.json"]
    about = [".zmetadata"] if name == "v2" else ["zarr.json"]
    for level in ("1", "2"):
        objects = [c for c in calls if c[1].startswith(f"{level}/") and c[1][2:] not in documents]
        n_objects = zarr.open_array(tmp_path / level)._nshards
        assert len(set(objects)) == len(objects) == n_objects  # every object once
        expected = [*objects, ("sync", ""), *(("put", f"{level}/{name}") for name in documents)]
        expected += [*(("put", name) for name in about), ("sync", "")]
        start = calls.index(objects[0])
        assert sorted(calls[start : start + n_objects]) == sorted(objects)
        assert calls[start + n_objects : start + len(expected)] == expected[n_objects:]
        calls = calls[:start] + calls[start + len(expected) :]
    group = [".zattrs", ".zmetadata"] if name == "v2" else ["zarr.json"]
    assert calls == [*(("put", key) for key in group), ("sync", "")]  # the list, last of all


def check_what_readers_see(path, allowed):
    """No reader, with consolidated metadata or without, opens a level with a hole in it."""
    plain = zarr.open_group(path, mode="r", use_consolidated=False)
    names = [item["path"] for item in listed(plain)]
    assert names == [str(number) for number in range(len(names))]
    consolidated = zarr.open_group(path, mode="r")
    for group in (plain, consolidated):
        for level, candidates in allowed.items():
            try:
                array = group[level]
            except KeyError:
                assert group is consolidated or level not in names
                continue
            assert array.nchunks_initialized == array.nchunks, level
            assert any(same(array[...], voxels) for voxels in candidates), level


def check_consolidated(path):
    """The consolidated metadata says of every level what its own documents say."""
    if (path / ".zmetadata").exists():
        told = json.loads((path / ".zmetadata").read_text())["metadata"]
        assert told == {key: json.loads((path / key).read_text()) for key in told}
        keys = {f"{level}/{name}" for level in "012" for name in (".zarray", ".zattrs")}
        assert keys <= set(told)
        return
    told = json.loads((path / "zarr.json").read_text())["consolidated_metadata"]["metadata"]
    assert told == {level: json.loads((path / level / "zarr.json").read_text()) for level in "012"}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("again", [False, True], ids=["new", "other recipe"])
@pytest.mark.parametrize("name", FORMATS)
def test_a_kill_at_any_write_shows_no_reader_a_part_and_a_rerun_mends(tmp_path, name, again):
    clean = tmp_path / "clean"
    voxels = make(clean, voxels=True, **FORMATS[name])
    zarr.consolidate_metadata(clean)
    one = mean_by_hand(voxels, (2, 2))
    allowed = {"1": [one], "2": [mean_by_hand(one, (2, 2))]}
    if again:
        other = mean_by_hand(voxels, (3, 2))
        allowed["1"] += [other]
        allowed["2"] += [mean_by_hand(other, (3, 2))]
    fresh = tmp_path / "fresh"
    copy(clean, fresh)
    records, calls = run(clean, levels=2)
    for n_calls in range(1, 60):
        store = tmp_path / str(n_calls)
        copy(fresh, store)
        if again:
            run(store, levels=2, scale_factors=[3, 2])
        died, _ = run(store, die_at=n_calls, levels=2)
        check_what_readers_see(store, allowed)
        # Killed once more, wherever the second run had work left to do.
        run(store, die_at=n_calls // 2 + 1, levels=2)
        check_what_readers_see(store, allowed)
        assert run(store, levels=2)[0] == records
        check_what_readers_see(store, allowed)
        check_consolidated(store)
        assert listed(zarr.open_group(store)) == listed(zarr.open_group(clean))
        assert sorted(zarr.open_group(store).array_keys()) == ["0", "1", "2"]
        assert not [path for path in store.rglob("[12]/**/*") if "partial" in path.name]
        if died is not None:
            assert n_calls > len(calls)
            return
    pytest.fail("the run has more changes than were tried")


def test_a_few_blocks_need_neither_dask_nor_numba_nor_zarr(tmp_path):
    make(tmp_path, shape=(64, 64), chunks=(16, 16), compressors=GzipCodec())
    code = f"""
import sys
from zarrpyramid.downsample.level import build_level
from zarrpyramid.downsample.base import seal_base
from zarrpyramid.downsample.publish import write_multiscales
from zarrpyramid.downsample.pyramid import find_image
image = find_image({str(tmp_path)!r}, "", {{"levels": 2}})
records = [seal_base(image)]
for level in (1, 2):
    records.append(build_level(image, level, records[-1], n_workers=2))
write_multiscales(image)
print(sorted({{"dask", "numba", "zarr"}} & set(sys.modules)), records[1]["n_nan"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(reduction.__file__).parents[2])},
    )
    assert done.stdout == "[] 0\n"
    assert zarr.open_array(tmp_path / "1").nchunks == 4


def make(path, *, shape=(11, 9), voxels=False, **options):
    """Write a small level 0; return the path, or its voxels."""
    values = (np.indices(shape).sum(0) * 37 % 251).astype("uint16")
    group = zarr.create_group(path, zarr_format=options.pop("zarr_format", 3))
    group.create_array("0", data=values, **{"chunks": (4, 4), **options})
    return values if voxels else path


def opened(path, **keys):
    return open_image(image_config("image", {"store": str(path), **keys}))


def listed(group):
    attributes = dict(group.attrs)
    multiscales = attributes.get("ome", attributes).get("multiscales", [{"datasets": []}])
    return multiscales[0]["datasets"]


def snapshot(path):
    """Return all that a write would change."""
    store = sorted(item for item in Path(path).rglob("*") if item.is_file())
    return [(str(item), item.stat().st_mtime_ns, item.stat().st_ino) for item in store]


def copy(source, target):
    for item in sorted(Path(source).rglob("*")):
        if item.is_file():
            there = target / item.relative_to(source)
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_bytes(item.read_bytes())
