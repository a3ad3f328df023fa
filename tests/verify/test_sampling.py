"""Blocks are drawn from the grid, each once, corners and high edges among them."""

from __future__ import annotations

import itertools
import random

import pytest

from zarrpyramid import geometry
from zarrpyramid.verify.sampling import MOST_EDGES, all_blocks, draw_sample


@pytest.mark.parametrize("grid", [(1,), (7,), (3, 1), (4, 5), (3, 4, 2), (1, 1, 1), (2, 2, 2, 2)])
@pytest.mark.parametrize("n_random", [0, 1, 1000])
def test_a_sample(grid, n_random):
    sample = draw_sample(grid, n_random, random.Random(4))
    everywhere = set(itertools.product(*map(range, grid)))
    corners = {place for place in everywhere
               if all(i in (0, n - 1) for i, n in zip(place, grid, strict=True))}  # fmt: skip
    edges = {place for place in everywhere
             if any(i == n - 1 > 0 for i, n in zip(place, grid, strict=True))}  # fmt: skip
    assert corners <= set(sample.places) <= everywhere
    assert list(sample.places) == sorted(set(sample.places))
    assert (sample.n_corners, sample.n_all_edges) == (len(corners), len(edges))
    assert edges <= set(sample.places)  # there are fewer than MOST_EDGES of them
    assert sample.n_random == min(n_random, len(everywhere))
    if n_random > len(everywhere):
        assert sample.figure == all_blocks(len(everywhere))


def test_edges_of_a_large_grid_are_drawn_evenly():
    sample = draw_sample((1 << 20, 1 << 20), 0, random.Random(1))
    assert sample.n_edges == MOST_EDGES
    at = [sum(place[axis] == (1 << 20) - 1 for place in sample.places) for axis in (0, 1)]
    assert min(at) > MOST_EDGES // 4


def test_half_of_the_random_ones_are_likely():
    likely = [(0, i) for i in range(50)]
    sample = draw_sample((1, 100_000), 10, random.Random(0), likely)
    assert {(0, i) for i in range(5)} <= set(sample.places)
    assert sample.n_random <= 10


def test_equal_seeds_draw_equally():
    draws = [draw_sample((99, 99), 20, random.Random(seed)).places for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_places_by_number():
    grid = (2, 3, 4)
    assert list(geometry.iterate_units(grid, range(24))) == list(
        itertools.product(*map(range, grid))
    )
