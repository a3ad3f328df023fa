"""Contrast windows are quantiles of the first voxels of level 0's windows, however it is cut."""

import itertools
import pickle
import tracemalloc

import numpy as np
import pytest
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.config import image_config
from zarrpyramid.downsample.value_counts import ValueCounts
from zarrpyramid.plan import open_image

EXACT = ("bool", "uint8", "int8", "uint16", "int16", "float16")
WIDE = ("uint32", "int32", "uint64", "int64", "float32", "float64")


def draw(dtype, shape=(30, 28, 26), seed=0):
    """Return voxels with a bright tail; floats with NaN, infinities and zeros of both signs."""
    kind, draws = np.dtype(dtype), np.random.default_rng(seed)
    voxels = draws.gamma(2.0, 30.0, shape)
    if kind.kind == "b":
        return voxels > 150
    if kind.kind == "f":
        voxels = (voxels - 40).astype(kind)
        voxels[::4, ::4] = np.nan
        voxels[2, 2], voxels[4, 4], voxels[6, 6], voxels[8, 8] = np.inf, -np.inf, 0.0, -0.0
        return voxels
    limits = np.iinfo(kind)
    spread = 1 if kind.itemsize == 1 else 100
    shifted = voxels * spread - (4000 if limits.min and kind.itemsize > 1 else 0)
    return np.clip(shifted, limits.min, limits.max).astype(kind)


def quantiles(voxels, factors=(2, 2, 2)):
    sample = voxels[tuple(slice(None, None, step) for step in factors)].ravel()
    numbers = sample.astype(np.float64)
    numbers = numbers[np.isfinite(numbers)]
    return np.quantile(numbers, [0.001, 0.999], method="inverted_cdf").tolist()


def counted(voxels, factors=(2, 2, 2), **keys):
    counts = ValueCounts()
    counts.add(voxels, factors, (0,) * voxels.ndim, **keys)
    return counts


@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize("factors", [(2, 2, 2), (1, 3, 2)])
def test_windows_of_narrow_types_are_quantiles(dtype, factors):
    voxels = draw(dtype)
    assert counted(voxels, factors).windows(dtype, 1) == [quantiles(voxels, factors)]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("dtype", EXACT + WIDE)
def test_the_compiled_form_counts_the_same(dtype):
    shapes = (60, 50), (10, 10, 4, 6), (99, 99, 1)
    whole = draw(dtype)
    more = [draw(dtype, shape) for shape in shapes]
    for voxels in (whole, np.asfortranarray(whole)[1:, ::-1], whole.ravel()[3:], *more):
        factors = (2,) * voxels.ndim
        found, expected = (counted(voxels, factors, compiled=form) for form in (True, False))
        assert found.encode() == expected.encode()
        assert expected.n_voxels == voxels[tuple(slice(None, None, 2) for _ in factors)].size


@pytest.mark.parametrize("dtype", WIDE)
def test_windows_of_wide_types_are_less_than_a_percent_off(dtype):
    voxels = draw(dtype)
    (found,) = counted(voxels).windows(dtype, 1)
    for place, expected in zip(found, quantiles(voxels), strict=True):
        assert abs(place) <= abs(expected)  # nearer to 0
        assert abs(place - expected) < 0.01 * abs(expected)
        assert isinstance(place, float if np.dtype(dtype).kind == "f" else int)


@pytest.mark.parametrize("dtype", ["uint32", "int32", "int64", "float64"])
def test_small_integers_of_wide_types_are_exact(dtype):
    voxels = (np.arange(-256 if dtype[0] != "u" else 0, 257) // 2 * 2).astype(dtype)
    (window,) = counted(voxels, (1,)).windows(dtype, 1)
    assert window == quantiles(voxels, (1,))


def test_what_is_no_number_is_left_out():
    assert counted(np.full((4, 4), np.nan, "float32"), (2, 2)).windows("float32", 1) == [None]
    voxels = np.array([np.nan, np.inf, 3.0, -np.inf, 1e300], "float64")
    assert counted(voxels, (1,)).windows("float64", 1) == [[3.0, 3.0]]
    assert str(counted(np.array([-0.0, 0.0]), (1,)).windows("float64", 1)) == "[[0.0, 0.0]]"


@pytest.mark.sampled(8)
@pytest.mark.parametrize("dtype", [*EXACT, *WIDE])
@pytest.mark.parametrize("axis", [None, 0])
def test_any_cut_and_any_order_give_the_same_counts(dtype, axis):
    voxels, draws = draw(dtype), np.random.default_rng(2)
    whole = counted(voxels, channel_axis=axis)
    edges = [[0, *sorted(draws.choice(range(1, n), 3, replace=False)), n] for n in voxels.shape]
    pieces = []
    for box in itertools.product(*(itertools.pairwise(edge) for edge in edges)):
        piece = ValueCounts()
        block = voxels[tuple(slice(*pair) for pair in box)]
        piece.add(block, (2, 2, 2), [start for start, _ in box], channel_axis=axis)
        pieces.append(piece)
    merged = ValueCounts()
    for number in draws.permutation(len(pieces)):
        piece = pieces[number]
        merged.merge(pickle.loads(pickle.dumps(piece)) if number % 2 else piece)
    assert merged.encode() == whole.encode()
    assert ValueCounts.decode(whole.encode()).encode() == whole.encode()
    n_channels = 1 if axis is None else voxels.shape[0]
    assert merged.windows(dtype, n_channels) == whole.windows(dtype, n_channels)
    step = (1 if axis == 0 else 2, 2, 2)
    sample = voxels[tuple(slice(None, None, n) for n in step)]
    assert merged.n_voxels == sample.size


@pytest.mark.parametrize("dtype", [*EXACT, *WIDE])
def test_a_flat_block_is_counted_as_any_other(dtype):
    voxels = np.full((5, 4, 3), 1, dtype)
    assert counted(voxels, flat=True).encode() == counted(voxels).encode()
    assert counted(voxels[:0], flat=True).n_voxels == 0


CUTS = {
    "one job": {},
    "other chunks": {"chunks": [5, 7, 4]},
    "shards": {"chunks": [4, 4, 4], "shards": [8, 8, 8]},
    "factors": {"scale_factors": [1, 3, 2]},
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", CUTS)
def test_level_1_records_the_windows_of_level_0(tmp_path, name):
    voxels = draw("uint16")
    voxels[:10] = 7  # flat chunks, and some that are missing
    group = zarr.create_group(tmp_path / "a.zarr")
    base = group.create_array(
        "0", shape=voxels.shape, chunks=(5, 6, 7), dtype="uint16", fill_value=7
    )
    base[...] = voxels
    record = build_pyramid(tmp_path / "a.zarr", levels=1, **CUTS[name])[1]
    expected = quantiles(voxels, CUTS[name].get("scale_factors", (2, 2, 2)))
    assert record["source"]["windows"] == [expected]


def test_complex_numbers_and_very_many_channels_have_no_windows(tmp_path):
    group = zarr.create_group(tmp_path / "a.zarr")
    group.create_array("0", data=np.ones((4, 4), "complex64"), chunks=(2, 2))
    record = build_pyramid(tmp_path / "a.zarr", levels=1)[1]
    assert "windows" not in record["source"]
    many = zarr.create_group(tmp_path / "b.zarr")
    many.create_array(
        "0", data=np.ones((65, 4, 4), "u1"), chunks=(65, 2, 2), dimension_names=["c", "y", "x"]
    )
    record = build_pyramid(tmp_path / "b.zarr", levels=1)[1]
    assert "windows" not in record["source"]
    config = image_config("b", {"store": str(tmp_path / "b.zarr")})
    (decided,) = (d for d in open_image(config).plan.decisions if d.key == "omero")
    assert (decided.value, decided.why) == (False, "there are more than 64 channels")


def test_a_large_chunk_is_counted_in_little_memory():
    voxels = np.arange(1 << 22, dtype="u2").astype("u1").reshape(4, 1024, 1024)
    counts = ValueCounts()
    tracemalloc.start()
    counts.add(voxels, (1, 1, 1), (0, 0, 0), None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert counts.__getstate__()[0][1].tolist() == [1 << 14] * 256
    assert peak < 2 * voxels.nbytes
