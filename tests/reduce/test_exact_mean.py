"""Means that are rounded once, carried from level to level, against Python's integers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles import mean_of_base
from strategies import ladders
from zarrpyramid import geometry
from zarrpyramid.reduce import (
    add_sums,
    exact_mean,
    exact_total,
    extremes,
    pack,
    reduce_once,
    remainder_dtype,
    remainders_of,
    unpack,
    voxel_counts,
)


def counts_of(shape, downsampling, base):
    axes = zip(shape, downsampling, base, strict=True)
    return tuple(voxel_counts(0, extent, step, whole) for extent, step, whole in axes)


@settings(max_examples=60)
@given(ladders(), st.sampled_from([1 << 29, 1]))
def test_every_level_is_the_mean_of_level_0(ladder, most_split):
    """The second number has sums that do not fit 64 bits added as Python's integers."""
    base, steps, chunks = ladder
    level, left, downsampling = base, None, (1,) * base.ndim
    total = sum(map(int, base.flat))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact_mean, "_MOST_SPLIT", most_split)
        for factors in steps:
            counts = counts_of(level.shape, downsampling, base.shape)
            downsampling = geometry.multiply(downsampling, factors)
            most = math.prod(map(min, downsampling, base.shape))
            made = np.empty(geometry.coarse_shape(level.shape, factors), base.dtype)
            over = np.empty(made.shape, remainder_dtype(most))
            found = reduce_once(level, left, counts, factors, made, over)
            assert found == (total, sum(map(int, level.flat)))
            assert made.astype(object).tolist() == mean_of_base(base, downsampling).tolist()
            counts = counts_of(made.shape, downsampling, base.shape)
            means = sum(map(int, made.flat))
            assert exact_total(made, means, sum(map(int, over.flat)), counts) == total % (1 << 64)
            sums = np.zeros(made.shape, np.int64)
            for place in geometry.iterate_units(geometry.grid_shape(base.shape, chunks)):
                box = geometry.unit_region(place, chunks, base.shape)
                start = tuple(axis.start for axis in box)
                add_sums(base[box], start, downsampling, (0,) * base.ndim, sums)
            assert remainders_of(made, sums, counts).tolist() == over.tolist()
            level, left = made, over


def test_remainders_have_room():
    for count in (1, 2, 255, 256, 65535, 65536, 2**32 - 1, 2**32):
        assert np.iinfo(remainder_dtype(count)).max >= count // 2


@pytest.mark.sampled(4)
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "uint32", "int64"])
@pytest.mark.parametrize(("shape", "factors"), [((4, 6, 8), (2, 2, 2)), ((3, 4, 5), (1, 2, 3))])
@pytest.mark.parametrize("count", [None, 1, 2, 3, 4, 16])
def test_the_compiled_form_has_the_same_bits(dtype, shape, factors, count):
    """The third number is how many voxels a voxel stands for along each axis."""
    generator = np.random.default_rng(1)
    kind = np.iinfo("uint8" if dtype == "bool" else dtype)
    limits = (0, 2) if dtype == "bool" else (max(kind.min, -(2**45)), min(kind.max, 2**45))
    most = (count or 1) ** 3
    sums = generator.integers(limits[0] * most, (limits[1] - 1) * most + 1, shape)
    source = ((sums + most // 2) // most).astype(dtype)
    rest = None if count is None else sums - most * source.astype("int64")
    made = []
    for compiled in (False, True):
        out = np.empty(geometry.coarse_shape(shape, factors), dtype)
        left = np.empty(out.shape, remainder_dtype(most * math.prod(factors)))
        carried = None if rest is None else rest.astype(remainder_dtype(most))
        counts = ((count or 1,) * 2,) * 3
        total = reduce_once(source, carried, counts, factors, out, left, compiled=compiled)
        made.append((total, out.tolist(), left.tolist()))
    assert made[0] == made[1]


@given(st.integers(1, 40), st.booleans())
def test_nibbles_come_back(extent, compiled):
    block = np.random.default_rng(extent).integers(-7, 8, (2, 3, extent)).astype("int8")
    packed = pack(block, compiled=compiled)
    assert (packed.shape, packed.dtype) == ((2, 3, -(-extent // 2)), "uint8")
    assert packed.tolist() == pack(block).tolist()
    assert unpack(packed, extent, compiled=compiled).tolist() == block.tolist()


@pytest.mark.sampled(4)
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "uint64"])
@pytest.mark.parametrize("step", [1, 2])
def test_extremes_are_those_of_numpy(dtype, step):
    block = np.random.default_rng(2).integers(0, 100, (5, 6, 8)).astype(dtype)[..., ::step]
    for compiled in (False, True):
        assert extremes(block, compiled=compiled) == (block.min(), block.max())
