"""Chunks and shards of the new levels: those of level 0, or near-cubes where they are extreme."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planned import base, plan
from zarrpyramid.plan.chunks import near_cube, why_extreme
from zarrpyramid.plan.cut import task_bytes, task_extents


def decided(found, key):
    (decision,) = [decision for decision in found.decisions if decision.key == key]
    return decision


SLICES = (200, 1024, 1024)


@pytest.mark.parametrize(
    ("shape", "chunks", "expected", "why"),
    [
        (SLICES, (1, 1024, 1024), (64, 64, 64), "have an edge of 1 beside one of 1024"),
        (SLICES, (200, 1, 1024), (64, 64, 64), "have an edge of 1 beside one of 1024"),
        ((3000, 1500, 1500), (3000, 1500, 1500), (64, 64, 64), "6,750,000,000 voxels in one"),
        ((20000, 20000), (20000, 20000), (512, 512), "400,000,000 voxels in one"),
        ((512, 512, 512), (8, 8, 8), (64, 64, 64), "512 voxels in one"),
        # 1 along time and channels; no longer than level 1.
        ((5, 3, 9, 2048, 2048), (1, 1, 1, 2048, 2048), (1, 1, 8, 128, 256), "an edge of 1"),
        # Larger slices are not taken together by the gigabyte: chunks are flatter.
        ((2000, 2048, 2048), (1, 2048, 2048), (16, 128, 128), "an edge of 1"),
        ((2000, 8192, 8192), (1, 8192, 8192), (2, 256, 512), "an edge of 1"),
        # Usual ones.
        (SLICES, (64, 64, 64), (64, 64, 64), ""),
        (SLICES, (1, 256, 256), (1, 256, 256), ""),
        (SLICES, (16, 16, 16), (16, 16, 16), ""),
        ((1, 4096, 4096), (1, 1024, 1024), (1, 1024, 1024), ""),  # one slice
        ((50, 3, 4096, 4096), (1, 1, 1024, 1024), (1, 1, 1024, 1024), ""),  # a film, t c y x
        ((40, 40, 40), (8, 8, 8), (8, 8, 8), ""),  # a small image
    ],
)
def test_extreme_chunks_are_left_to_level_0(shape, chunks, expected, why):
    axes = {4: {"axes": ["t", "c", "y", "x"]}}.get(len(shape), {})
    found = plan(base(shape, chunks, dtype="uint8" if shape[0] == 3000 else "uint16"), **axes)
    chosen = decided(found, "chunks")
    assert (chosen.value, chosen.given) == (expected, False)
    assert why in chosen.why
    assert bool(why) == ("level 0's [" in chosen.why)
    assert found.levels[0].chunks == chunks
    assert {level.chunks for level in found.levels[1:]} <= {expected}
    for given_chunks, kept in (("same", chunks), (list(chunks), chunks)):
        assert decided(plan(found.base, chunks=given_chunks, **axes), "chunks").value == kept


@pytest.mark.parametrize(
    ("shards", "keys", "expected"),
    [
        (None, {}, ((64, 64, 64), "none", "level 0 has none")),
        # As many voxels as level 0's, in whole chunks.
        ((1, 1024, 1024), {}, ((64, 64, 64), (64, 128, 128), "about as large as level 0's")),
        ((64, 512, 512), {}, ((64, 64, 64), (64, 512, 512), "those of level 0")),
        ((1, 1024, 1024), {"shards": "none"}, ((64, 64, 64), "none", "")),
        ((1, 1024, 1024), {"shards": [128, 64, 64]}, ((64, 64, 64), (128, 64, 64), "")),
        # Given shards that near-cubes do not divide keep the chunks of level 0.
        ((1, 1024, 1024), {"shards": [2, 1024, 512]}, ((1, 512, 512), (2, 1024, 512), "")),
    ],
)
def test_shards_of_chosen_chunks(shards, keys, expected):
    found = plan(base(SLICES, (1, 512, 512) if shards else (1, 1024, 1024), shards=shards), **keys)
    chunks, wanted, why = expected
    assert decided(found, "chunks").value == chunks
    assert (decided(found, "shards").value, wanted) == (wanted, wanted)
    assert why in decided(found, "shards").why
    assert all(math.prod(level.chunks) <= math.prod(level.write_shape) for level in found.levels)


def test_chunks_inside_shards_of_other_codecs_stay():
    found = plan(base(SLICES, (1, 512, 512), shards=(1, 1024, 1024), nested=True))
    assert found.levels[1].chunks == found.base.chunks


def test_each_slice_is_decoded_once_in_bounded_memory():
    for extent in (512, 1000, 1024, 2048, 4096):
        found = plan(base((200, extent, extent), (1, extent, extent)))
        finer, coarser = found.levels[:2]
        _, unit = task_extents(finer, coarser, coarser.factors, 0)
        assert all(
            (edge * factor) % chunk == 0 or edge * factor >= whole
            for edge, factor, chunk, whole in zip(
                unit, coarser.factors, finer.chunks, finer.shape, strict=True
            )
        )
        assert sum(task_bytes(finer, coarser, coarser.factors, 0)) < 1 << 29


EXTENTS = st.tuples(st.integers(1, 3000), st.integers(1, 3000))


@given(st.lists(EXTENTS, min_size=3, max_size=3))
def test_what_is_chosen_is_never_extreme(axes):
    shape, chunks = zip(*axes, strict=True)
    chunks = tuple(map(min, chunks, shape))
    if math.prod(chunks) > 1 << 31:
        chunks = (1, *chunks[1:])
    found = plan(base(shape, chunks))
    extreme = why_extreme(chunks, shape, (0, 1, 2))
    for level in found.levels[1:]:
        assert (level.chunks == chunks) >= (not extreme)
        assert not extreme or level.chunks != chunks
        if level.level == 1 and extreme:
            assert not why_extreme(level.chunks, level.shape, (0, 1, 2)), level.chunks
            assert all(edge & (edge - 1) == 0 for edge in level.chunks)
    assert found.levels[0].chunks == chunks


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=3))
def test_near_cubes(shape):
    space = range(len(shape))
    edges = near_cube(1 << 18, tuple(shape), space)
    assert math.prod(edges) <= 1 << 18
    assert all(edge < 2 * extent for edge, extent in zip(edges, shape, strict=True))
    free = [edge for edge, extent in zip(edges, shape, strict=True) if edge < extent]
    assert not free or math.prod(edges) == 1 << 18
    assert max(free, default=1) <= 2 * min(free, default=1)
