"""Blocks in threads: what is noted when one of them fails, and which error ends the run."""

from __future__ import annotations

import time

import pytest

from zarrpyramid.downsample.run import run_blocks


def failing(first_failure):
    """Return what computes blocks, of which the later ones take no time beside the first."""

    def compute(place):
        if place == (0,):
            time.sleep(0.01)
        if place[0] >= first_failure:
            raise ValueError(place[0])
        return place[0]

    return compute


def run(first_failure, n_workers):
    noted = []
    blocks = run_blocks(
        failing(first_failure), (4,), n_workers=n_workers, shared=False, note=noted.append
    )
    with pytest.raises(ValueError, match=r"^\d$") as raised:
        list(blocks)
    return noted, int(str(raised.value))


def test_the_first_of_many_errors_ends_the_run():
    assert {run(0, n_workers=1)[1] for _ in range(20)} == {0}


def test_what_is_made_is_noted_before_an_error_ends_the_run():
    for _ in range(20):
        noted, failed = run(2, n_workers=1)
        assert (noted, failed) == ([0, 1], 2)
