"""Paths of a level 0 beside its group: into the group above, and nowhere else."""

from __future__ import annotations

import pytest

from zarrpyramid.metadata.outer_list import is_reached, outer_base
from zarrpyramid.metadata.paths import reach

FAR = ["../../0", "../", "..", "../..", "../a/../../0", "../a\\0", "../a\0", "..//0", "/0", "0", 7]


@pytest.mark.parametrize("path", FAR)
def test_no_other_path_is_taken(path):
    attributes = {"zarrpyramid_level_0": {"path": path}}
    assert outer_base(attributes) is None
    assert is_reached(attributes, str(path)) == (str(path).isdecimal())


def test_at_the_top_of_a_store_there_is_nothing_above():
    assert outer_base({"zarrpyramid_level_0": {"path": "../0"}}) == "../0"
    assert reach("max", "../0") == "0"
    assert reach("", "../0") == "0"  # a path of the store, not of what is around it
