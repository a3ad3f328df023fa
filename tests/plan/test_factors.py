"""Factors of every level from the configuration: one entry a level, and isotropic."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarrpyramid.config import image_config
from zarrpyramid.errors import ConfigError, GeometryError
from zarrpyramid.metadata.multiscales import Axis, axis_type
from zarrpyramid.plan.factors import decide_factors, plan_ladder
from zarrpyramid.plan.ladder import SMALL


def ladder(shape, sizes=None, *, names="tczyx", units=None, sized=True, **keys):
    names = names[-len(shape) :]
    parts = zip(names, sizes or [1.0] * len(shape), units or [None] * len(shape), strict=True)
    axes = [Axis(name=n, type=axis_type(n), size=size, unit=unit) for n, size, unit in parts]
    image = image_config("a", {"store": "/s", **keys})
    factors = decide_factors(image, axes, sized=sized).value
    return plan_ladder(image, factors, shape, axes, sized=sized)


@pytest.mark.parametrize(
    ("shape", "given", "levels", "expected"),
    [
        ((64,) * 3, [[1, 2, 2], 2], "auto", [(1, 2, 2), (2, 2, 2)]),  # as many as entries
        ((64,) * 3, [[1, 2, 2], {"x": 3}], "auto", [(1, 2, 2), (1, 1, 3)]),
        ((64,) * 3, [{"z": 2}], "auto", [(2, 1, 1)]),  # one entry
        ((64,) * 3, [[1, 2, 2], 2, 2], 2, [(1, 2, 2), (2, 2, 2)]),  # cut
        ((3, 64, 64, 64), [2, [1, 1, 2, 2]], "auto", [(1, 2, 2, 2), (1, 1, 2, 2)]),  # c rests
        ((2, 64), [[2, 2], [2, 2]], "auto", [(2, 2), (1, 2)]),  # an axis of extent 1 rests
        ((8, 8), [[2, 2], [2, 2]], "auto", [(2, 2), (2, 2)]),  # below a chunk, as asked
        ((64, 64), [2, 3], 5, [(2, 3)] * 4 + [(2, 1)]),  # one an axis, as ever
    ],
)
def test_one_entry_a_level(shape, given, levels, expected):
    found = ladder(shape, scale_factors=given, levels=levels)
    assert found[: len(expected)] == expected
    if any(isinstance(entry, list | dict) for entry in given):
        assert len(found) == len(expected)


@pytest.mark.parametrize(
    ("shape", "sizes", "levels", "expected"),
    [
        # EM of 40 x 8 x 8 nm: 5 is nearer to 4 than to 8
        ((64, 512, 512), (40, 8, 8), 3, [(1, 2, 2), (1, 2, 2), (2, 2, 2)]),
        # MRI of 3 x 1 x 1 mm
        ((64, 512, 512), (3, 1, 1), 3, [(1, 2, 2), (1, 2, 2), (2, 2, 2)]),
        ((64, 64, 64), (1, 1, 1), 2, [(2, 2, 2)] * 2),  # is isotropic
        ((64, 64, 64), (1.4, 1, 1), 1, [(2, 2, 2)]),  # near enough
        ((64, 64), (math.sqrt(2), 1), 1, [(2, 2)]),  # the very limit
        ((64, 64), (1.5, 1), 2, [(1, 2), (2, 2)]),  # beyond it: 1.5 to 2 is nearer
        ((64, 64, 64), (1, 1.9, 4), 3, [(2, 1, 1), (2, 2, 1), (2, 2, 2)]),  # one after the other
        ((64, 64, 64), (1, 1.2, 1.6), 3, [(2, 2, 1), (2, 2, 2), (2, 2, 2)]),  # never all within it
        ((3, 64, 64), (5, 1, 1), 2, [(1, 2, 2), (1, 2, 2)]),  # channels have no size
        # Axes of extent 1 are done: no level is made that equals the one before.
        ((64, 1, 1), (40, 8, 8), 3, [(2, 1, 1)] * 3),
        ((64, 2, 1), (40, 8, 8), 4, [(1, 2, 1), (2, 1, 1), (2, 1, 1), (2, 1, 1)]),
        ((1, 64, 64), (40, 8, 8), 3, [(1, 2, 2)] * 3),  # the thick axis is done from the start
        ((4, 4096, 4096), (40, 8, 8), None, [(1, 2, 2)] * 2 + [(2, 2, 2)] * 2),
        ((64, 64, 64), (40, 8, 8), None, []),
        ((2, 1, 1), (40, 8, 8), 1, [(2, 1, 1)]),
    ],
)
def test_isotropic(shape, sizes, levels, expected):
    names = "cyx" if shape[0] == 3 and sizes[0] == 5 else "zyx"
    keys = {"scale_factors": "isotropic", "levels": levels or "auto"}
    assert ladder(shape, sizes, names=names, **keys) == expected


@given(st.lists(st.tuples(st.integers(1, 5000), st.floats(0.01, 100)), min_size=1, max_size=3))
def test_isotropic_ladders_are_sound(axes):
    shape, sizes = tuple(extent for extent, _ in axes), [size for _, size in axes]
    for step in ladder(shape, sizes, scale_factors="isotropic"):
        assert set(step) <= {1, 2}
        assert max(step) == 2
        assert math.prod(shape) > SMALL
        # No axis is scaled less than one with larger voxels, unless it cannot be.
        for axis, factor in enumerate(step):
            larger = [n for n, size in enumerate(sizes) if size > sizes[axis] * 1.0001]
            assert shape[axis] == 1 or all(factor >= step[n] for n in larger)
        shape = tuple(-(-extent // factor) for extent, factor in zip(shape, step, strict=True))
        sizes = [size * factor for size, factor in zip(sizes, step, strict=True)]
    assert math.prod(shape) <= SMALL  # the stop rule


@pytest.mark.parametrize(
    ("sizes", "keys", "value", "why"),
    [
        ((40, 8, 8), {}, "isotropic", "voxels of 40 x 8 x 8 nanometer differ by more than sqrt"),
        ((1.5, 1, 1), {}, "isotropic", "the smallest are scaled first"),
        ((1.4, 1, 1), {}, 2, "voxels of 1.4 x 1 x 1 nanometer are near cubes, within sqrt(2)"),
        ((math.sqrt(2), 1, 1), {}, 2, "near cubes"),
        ((40, 8, 8), {"sized": False}, 2, "nothing says how large voxels are"),
        ((40, 8, 8), {"units": ("nanometer", "micrometer", "micrometer")}, 2, "the units of the"),
    ],
)
def test_auto_is_isotropic_where_voxels_are_far_from_cubes(sizes, keys, value, why):
    units = keys.pop("units", ("nanometer",) * 3)
    parts = zip(("c", "z", "y", "x"), (1.0, *sizes), (None, *units), strict=True)
    axes = [Axis(name=n, type=axis_type(n), size=size, unit=unit) for n, size, unit in parts]
    found = decide_factors(image_config("a", {"store": "/s"}), axes, sized=keys.get("sized", True))
    assert (found.value, found.given) == (value, False)
    assert why in found.why
    given = image_config("a", {"store": "/s", "scale_factors": 2})
    assert decide_factors(given, axes, sized=True).row == ("scale_factors", "2", "given", "-")


@given(st.lists(st.floats(0.01, 100), min_size=2, max_size=3))
def test_isotropic_comes_within_sqrt_2_where_doubling_can(sizes):
    steps = ladder((2**40,) * len(sizes), sizes, scale_factors="isotropic", levels=20)
    assert steps[-1] == (2,) * len(sizes)
    best = min(
        max(values) / min(values)
        for values in (
            [size * 2 ** round(math.log2(base / size) + shift) for size in sizes]
            for base in sizes
            for shift in (-0.25, 0, 0.25, 0.499)
        )
    )
    final = [size * math.prod(step[axis] for step in steps) for axis, size in enumerate(sizes)]
    if best < 2**0.5 - 1e-6:
        assert max(final) / min(final) <= 2**0.5 + 1e-6


def test_sizes_that_no_ratio_can_hold():
    steps = ladder((64, 64), (1e300, 1e-300), scale_factors="isotropic", levels=7)
    assert steps == [(1, 2)] * 6 + [(2, 1)]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"scale_factors": [2, 2, 2, 2]},
            r"scale_factors \[2, 2, 2, 2\] has 4 entries, level 0 has 3 axes \['z', 'y', 'x'\]; "
            r"give one per axis, such as \[2, 2, 2\], or one per level as a list of lists or "
            r"mappings, such as \[\[2, 2, 2\], \[2, 2, 2\]\]",
        ),
        ({"scale_factors": [[2, 2], 2]}, r"scale_factors of level 1 \[2, 2\] has 2 entries"),
        ({"scale_factors": [2, {"w": 2}]}, "scale_factors of level 2 names axis 'w', axes are"),
        (
            {"scale_factors": [{"x": 2}, 2], "levels": 3},
            "has one entry per level, 2 of them, and levels is 3; add entries, or leave levels out",
        ),
        ({"scale_factors": "isotropic", "sized": False}, "needs the size of voxels, .*; give vox"),
        (
            {"scale_factors": "isotropic", "units": ["micrometer", "nanometer", "nanometer"]},
            "compares voxel sizes, whose units differ: .*; give voxel_size and unit in one unit",
        ),
        (
            {"scale_factors": "isotropic", "sizes": (0.0, 1.0, 1.0)},  # of a multiscales
            r"isotropic needs voxel sizes > 0, found \{'z': 0\.0, .*\}; give voxel_size, or fix",
        ),
    ],
)
def test_factors_that_do_not_fit(keys, message):
    with pytest.raises(ConfigError, match=f"^image a: .*{message}") as error:
        ladder((64,) * 3, **keys)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("shape", "keys", "message"),
    [
        ((9, 9), {"scale_factors": [[1, 1]]}, "level 1 would equal level 0.*all its factors are 1"),
        ((2, 9), {"scale_factors": [[2, 1], [2, 1]]}, "level 2 would equal .*; ask for other"),
        ((2, 2), {"scale_factors": "isotropic", "levels": 2}, "level 2 would equal level 1"),
    ],
)
def test_a_level_that_equals_the_one_before_is_an_error(shape, keys, message):
    with pytest.raises(GeometryError, match=f"^image a: {message}"):
        ladder(shape, **keys)
