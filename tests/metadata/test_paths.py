"""Paths of levels by that of level 0."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarrpyramid.metadata.paths import LevelPaths


@pytest.mark.parametrize(
    ("base", "first", "eleventh"),
    [
        ("0", "1", "11"),
        ("s0", "s1", "s11"),
        ("scale0/image", "scale1/image", "scale11/image"),
        ("c0/s0", "c0/s1", "c0/s11"),  # the last 0 counts
        ("scale0/image2", "scale1/image2", "scale11/image2"),
        ("t10/s0/x1", "t10/s1/x1", "t10/s11/x1"),
        ("00", "01", "11"),  # in as many digits
        ("level1", "level2", "level12"),  # no 0: from 1 on
        ("level_01/a", "level_02/a", "level_12/a"),
        ("7", "8", "18"),  # "2" as level 2 would be level 0 itself
        ("a5/7", "a5/8", "a5/18"),
        ("full", "1", "11"),  # no number that counts
        ("raw488", "1", "11"),
        ("images/full", "images/1", "images/11"),
        ("s\N{SUPERSCRIPT TWO}", "1", "11"),  # a digit to Unicode alone
    ],
)
def test_patterns(base, first, eleventh):
    paths = LevelPaths(base=base)
    assert [paths.path(level) for level in (0, 1, 11)] == [base, first, eleventh]
    assert [paths.level(path) for path in (base, first, eleventh)] == [0, 1, 11]


@pytest.mark.parametrize(
    ("base", "path"),
    [
        ("0", "01"),
        ("0", "-1"),
        ("0", "1/0"),
        ("0", "thumb"),
        ("s0", "1"),
        ("s0", "s1x"),
        ("00", "1"),
        ("level1", "level0"),
        ("scale0/image", "scale1"),
        ("full", "0"),
        ("0", "\N{ARABIC-INDIC DIGIT ONE}"),
    ],
)
def test_paths_of_no_level(base, path):
    assert LevelPaths(base=base).level(path) is None


@given(st.from_regex(r"[a0-3]{1,3}(/[a0-3]{1,3}){0,2}", fullmatch=True), st.integers(0, 12))
def test_a_path_tells_its_level(base, level):
    paths = LevelPaths(base=base)
    path = paths.path(level)
    assert paths.level(path) == level
    assert (path == base) is (level == 0)
    # The name below the folder is enough to find the level again.
    if level:
        inside = path.removeprefix(f"{paths.folder}/" if paths.folder else "")
        assert paths.levels([inside.partition("/")[0], "other"]) == [level]
