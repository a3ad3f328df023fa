"""Digests and statistics: golden ones, and what they must not depend on."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import dask
import numcodecs
import numpy as np
import pytest
import zarr
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from zarr.codecs import BloscCodec, BytesCodec, TransposeCodec

from strategies import DTYPES, LAYOUTS, blocks, laid_out
from zarrpyramid import build_pyramid, geometry
from zarrpyramid.metadata import digests
from zarrpyramid.metadata.digests import Tally
from zarrpyramid.plan import cut as tasks
from zarrpyramid.plan.levels import VOXEL_REVISION
from zarrpyramid.reduce.methods import METHODS
from zarrpyramid.reduce.moments import Moments, describe
from zarrpyramid.reduce.voxel_digest import chunk_digest

GOLDEN = Path(__file__).parents[1] / "data" / "golden_digests.json"
ADVICE = (
    "A voxel, a digest or a statistic of a level comes out different. If that is meant: give "
    "VOXEL_REVISION in plan/levels.py the next number, write a CHANGELOG entry under 'Voxel "
    "values' that says what changed and for whom, and run this file as a script to write the new "
    "golden file. If it is not meant, it is a bug."
)

# Shapes, chunks and factors of which nothing divides anything, and one that is usual.
FORMS = {
    "odd": ((13, 21, 18), (5, 7, 8), [2, 3, 2]),
    "usual": ((16, 32, 32), (8, 16, 16), [2, 2, 2]),
    "plane": ((45, 38), (7, 7), [2, 5]),
}


def made_of_integers(shape, dtype):
    """Return voxels of integer arithmetic alone, the same on every host, over the whole range."""
    z, y, x = np.indices((1,) * (3 - len(shape)) + shape, dtype=np.int64)
    number = ((3 * z + 5 * y + 7 * x) % 251).reshape(shape)
    if dtype == "bool":
        return number % 3 == 0
    kind, bits = np.dtype(dtype).kind, 8 * np.dtype(dtype).itemsize
    if kind == "f":
        voxels = (number - 125).astype(dtype) / np.dtype(dtype).type(8)
        flat = voxels.reshape(-1)
        flat[::97], flat[5::101], flat[7::103] = np.nan, np.inf, -np.inf
        return voxels
    shift = bits - 8
    voxels = number.astype(np.uint64) << np.uint64(shift) | number.astype(np.uint64)
    return voxels.astype(f"u{bits // 8}").view(dtype)


def golden_records(form, dtype, path):
    shape, chunks, factors = FORMS[form]
    group = zarr.create_group(path, zarr_format=2)
    group.create_array("0", data=made_of_integers(shape, dtype), chunks=chunks)
    records = build_pyramid(path, levels=2, scale_factors=factors)[1:]
    kept = ("digest", "min", "max", "sum", "mean", "n_nan", "n_inf", "source")
    return [{key: record[key] for key in kept} for record in records]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", FORMS)
def test_voxels_are_those_of_this_revision(form, dtype, tmp_path):
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert list(golden) == [str(VOXEL_REVISION)], ADVICE
    found = json.loads(json.dumps(golden_records(form, dtype, tmp_path)))
    for record in found:
        record["source"].pop("fingerprint", None)  # of compressed bytes: the codec's, not ours
        record["source"].pop("windows", None)  # see test_value_counts
    assert found == golden[str(VOXEL_REVISION)][form][dtype], ADVICE


VOXELS = made_of_integers((13, 21, 18), "int16")
SETTINGS = {
    "v2 raw": (2, {"compressors": None}),
    "v2 big-endian": (2, {"dtype": ">i2"}),
    "v2 order F": (2, {"order": "F", "compressors": numcodecs.Zstd()}),
    "v2 through zarr-python": (2, {"filters": [numcodecs.Delta(dtype="<i2")]}),
    "v2 slashes": (2, {"chunk_key_encoding": {"name": "v2", "separator": "/"}}),
    "v3": (3, {}),
    "v3 big-endian": (3, {"serializer": BytesCodec(endian="big")}),
    "v3 turned": (3, {"filters": TransposeCodec(order=(2, 0, 1))}),
    "v3 blosc": (3, {"compressors": BloscCodec()}),
    "v3 shards": (3, {"shards": (10, 14, 16)}),
    "v3 fill": (3, {"fill_value": -3}),
}
CHUNKS, FACTORS = (5, 7, 8), [2, 3, 2]


def build(path, name="v3", **keys):
    zarr_format, options = SETTINGS[name]
    group = zarr.create_group(path, zarr_format=zarr_format)
    options = {"dtype": VOXELS.dtype, **options}
    group.create_array("0", shape=VOXELS.shape, chunks=CHUNKS, **options)[...] = VOXELS
    records = build_pyramid(path, levels=2, scale_factors=FACTORS, **keys)
    return [essence(record) for record in records[1:]]


def essence(record):
    """Return a record without what may differ between stores of the same voxels."""
    source = {key: value for key, value in record["source"].items() if key != "fingerprint"}
    return {**record, "source": source, "shards": None, "stored_bytes": None}


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return build(tmp_path_factory.mktemp("reference"))


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", SETTINGS)
def test_records_know_nothing_of_format_codec_and_byte_order(tmp_path, name, reference):
    assert build(tmp_path, name) == reference


@pytest.mark.parametrize("n_workers", [1, 2, 7])
def test_records_know_nothing_of_workers(tmp_path, n_workers, reference):
    assert build(tmp_path, n_workers=n_workers) == reference


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_records_know_nothing_of_the_scheduler(tmp_path, scheduler, reference):
    with dask.config.set(scheduler=scheduler):
        assert build(tmp_path) == reference


@pytest.mark.parametrize("few", [0, 1000], ids=["processes, compiled", "threads, numpy"])
def test_records_know_nothing_of_the_form_of_kernel(tmp_path, few, monkeypatch, reference):
    monkeypatch.setattr(tasks, "FEW", few)
    monkeypatch.setattr("zarrpyramid.downsample.run.FEW", few)
    assert build(tmp_path) == reference


@pytest.mark.sampled(1)
@pytest.mark.parametrize("copied", [True, False], ids=["processes", "threads"])
@pytest.mark.parametrize("pays", [0, 1 << 60], ids=["compiled", "numpy"])
def test_records_know_nothing_of_processes(tmp_path, copied, pays, monkeypatch, reference):
    monkeypatch.setattr(tasks, "FEW", 0)
    monkeypatch.setattr("zarrpyramid.downsample.run.FEW", 0)
    monkeypatch.setitem(METHODS, "mean", replace(METHODS["mean"], numba_from=pays))
    monkeypatch.setattr("zarrpyramid.downsample.workers.can_fork", lambda: copied)
    assert build(tmp_path, n_workers=3) == reference


def test_records_know_nothing_of_the_order_of_visits(tmp_path, monkeypatch, reference):
    def backwards(*given):
        return reversed(list(forwards(*given)))

    forwards = geometry.iterate_units
    monkeypatch.setattr(geometry, "iterate_units", backwards)
    assert build(tmp_path, n_workers=1) == reference


@pytest.mark.parametrize("unit", [(1, 1, 1), (2, 1, 3)])
def test_records_know_nothing_of_the_extent_of_tasks(tmp_path, monkeypatch, unit, reference):
    def larger(target_unit, *others):
        return geometry.multiply(target_unit, unit)

    monkeypatch.setattr(geometry, "task_grid_unit", larger)
    assert build(tmp_path) == reference


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["uint8", "float32", "bool"])
def test_a_chunks_digest_knows_nothing_of_memory(layout, dtype):
    voxels = made_of_integers((5, 7, 8), dtype)
    has_nan = dtype == "float32"
    assert chunk_digest(laid_out(voxels, layout), has_nan=has_nan) == (
        chunk_digest(voxels, has_nan=has_nan)
    )


def test_a_chunks_digest_knows_one_nan_and_two_zeros():
    payloads = np.array([0x7FC00000, 0x7FC00001, 0xFFC00000], "uint32").view("float32")
    assert len({chunk_digest(payloads[n : n + 1], has_nan=True) for n in range(3)}) == 1
    zeros = np.array([0.0, -0.0], "float32")
    assert chunk_digest(zeros[:1]) != chunk_digest(zeros[1:])


def test_a_digest_knows_the_place_of_its_chunks():
    """Equal chunks in other places, and chunks that swap places, give other sums."""
    one, two = bytes(16), bytes([1]) * 16
    nothing = Moments(minimum=0, maximum=0, total=0)
    sums = set()
    for placed in (
        {(0, 0): one, (0, 1): two},
        {(0, 0): two, (0, 1): one},
        {(0, 0): one, (1, 0): two},
    ):
        tally = Tally()
        for index, digest in placed.items():
            tally.add(index, digest, nothing, 1)
        sums.add(tally.digest_sum)
    assert len(sums) == 3
    assert digests.placed((1,), one) != digests.placed((1, 0), one)


@pytest.mark.parametrize("key", ["dtype", "shape", "chunks"])
def test_a_digest_covers_its_header(key):
    header = {"dtype": "uint8", "shape": [4, 4], "chunks": [2, 2]}
    other = {**header, key: "int8" if key == "dtype" else [4, 2]}
    assert digests.seal_digest(header, 5) != digests.seal_digest(other, 5)
    assert digests.seal_digest(header, 5) == digests.seal_digest(dict(sorted(header.items())), 5)


@given(
    st.lists(blocks(shapes=hnp.array_shapes(max_dims=1, max_side=9)), min_size=1, max_size=6),
    st.data(),
)
def test_tallies_merge_in_any_order(pieces, data):
    """Chunks of one dtype, dealt out to tallies at random and merged at random."""
    dtype = pieces[0].dtype
    with np.errstate(all="ignore"):
        pieces = [piece.astype(dtype) for piece in pieces]
    whole, parts = Tally(), [Tally() for _ in range(3)]
    for number, piece in enumerate(pieces):
        seen = ((number,), chunk_digest(piece), describe(piece), piece.size)
        whole.add(*seen)
        whole.add_payload((number,), piece.tobytes())
        part = parts[data.draw(st.integers(0, 2))]
        part.add(*seen)
        part.add_payload((number,), piece.tobytes())
    merged = Tally()
    for part in data.draw(st.permutations(parts)):
        merged.merge(part)
    assert str(merged) == str(whole)  # as text, because NaN is not equal to itself
    assert merged.statistics(dtype=dtype.name) == whole.statistics(dtype=dtype.name)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
@example([1.7e308, 1.7e308, 5e-324])
@example([-1.7e308, -1.7e308])
def test_float_sums_are_rounded_once(values):
    tally = Tally()
    for number, value in enumerate(values):
        tally.add((number,), b"", Moments(minimum=value, maximum=value, total=value), 1)
    exact = sum(map(Fraction, values))
    try:
        expected = float(exact)
    except OverflowError:
        expected = math.inf if exact > 0 else -math.inf
    assert tally.total(is_float=True) == expected
    if math.isfinite(expected):
        assert tally.statistics(dtype="float64")["mean"] == float(exact / len(values))


@pytest.mark.parametrize(
    ("totals", "expected"),
    [
        ([math.inf, 1.0], "Infinity"),  # a chunk whose sum no double holds
        ([-math.inf, 1.0], "-Infinity"),
        ([math.inf, -math.inf], "NaN"),
        ([1.5e308, 1.5e308], "Infinity"),  # no chunk, but the sum of two
        ([1.5e308, 1.5e308, -1.5e308], 1.5e308),  # on the way only
    ],
)
def test_sums_beyond_doubles(totals, expected):
    tally = Tally()
    for number, total in enumerate(totals):
        tally.add((number,), b"", Moments(minimum=0.0, maximum=0.0, total=total), 1)
    found = tally.statistics(dtype="float64")
    assert found["sum"] == expected
    if isinstance(expected, str):
        assert found["mean"] == expected


def test_statistics_of_nothing_finite():
    tally = Tally()
    moments = Moments(minimum=None, maximum=None, total=0.0, n_nan=3)
    tally.add((0,), b"", moments, 3)
    expected = {"min": None, "max": None, "sum": 0.0, "mean": None, "n_nan": 3, "n_inf": 0}
    assert tally.statistics(dtype="float32") == expected


def test_large_integers_are_exact():
    tally = Tally()
    for number in range(3):
        moments = Moments(minimum=2**64 - 1, maximum=2**64 - 1, total=2**64 - 1)
        tally.add((number,), b"", moments, 1)
    found = tally.statistics(dtype="uint64")
    assert found["sum"] == str(3 * (2**64 - 1))
    assert found["max"] == str(2**64 - 1)
    assert found["mean"] == float(2**64 - 1)


def write_golden():
    import tempfile

    found = {}
    for form in FORMS:
        for dtype in DTYPES:
            with tempfile.TemporaryDirectory() as folder:
                records = golden_records(form, dtype, folder)
            for record in records:
                record["source"].pop("fingerprint", None)
                record["source"].pop("windows", None)
            found.setdefault(form, {})[dtype] = records
    GOLDEN.write_text(json.dumps({str(VOXEL_REVISION): found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_golden()
