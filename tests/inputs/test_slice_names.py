"""The order of slices by their names, and what names are refused."""

from __future__ import annotations

import random
from itertools import product

import pytest

from zarrpyramid.errors import ConfigError, StoreError
from zarrpyramid.inputs.slice_names import in_order


def numbered(form, numbers):
    return [form.format(n) for n in numbers]


# Names in the order that is expected, the files along each axis, and the axes.
ORDERS = {
    "no zeros before them": (numbered("z{}.tif", range(8, 12)), (4,), ("z",)),
    "zeros before them": (numbered("a_{:04}.tif", (0, 1, 2)), (3,), ("",)),
    "both": (["s8.tif", "s09.tif", "s10.tif"], (3,), ("",)),
    "steps": (numbered("z{:03}um.tif", (0, 25, 50, 75)), (4,), ("z",)),
    "a constant number": (numbered("day3_{}.tif", (1, 2, 3)), (3,), ("",)),
    "no numbers": (["bottom.tif", "middle.tif", "top.tif"], (3,), ("",)),
    "times with holes": (
        numbered("i_20260101{}.tif", (120301, 120733, 121002, 130955)),
        (4,),
        ("",),
    ),
    "a slice and its time": (["z1_t17.tif", "z2_t29.tif", "z3_t55.tif"], (3,), ("z",)),
    "channels of slices": (
        [f"c{c}_z{z:03}.tif" for c, z in product((1, 2), range(9, 12))],
        (2, 3),
        ("c", "z"),
    ),
    "words in full": (
        [f"x4 Channel {c} Slice {z}.tiff" for c, z in product((0, 1), (1, 2))],
        (2, 2),
        ("c", "z"),
    ),
    "folders": ([f"T{t}/{z}z.tif" for t, z in product((1, 2), (0,))], (2,), ("t",)),
    "three of them": (
        [f"t{t}c{c}z{z}.tif" for t, c, z in product(range(2), range(2), range(3))],
        (2, 2, 3),
        ("t", "c", "z"),
    ),
    "one file": (["a7.tif"], (1,), ("",)),
}


@pytest.mark.parametrize("case", ORDERS)
def test_order(case):
    names, shape, axes = ORDERS[case]
    mixed = random.Random(case).sample(names, len(names))
    found = in_order(mixed, "here")
    assert (list(found.names), found.shape, found.axes) == (names, shape, axes)


REFUSED = {
    "a slice is missing": (StoreError, ["z6.tif", "z8.tif", "z9.tif"], "has no z7.tif, expected"),
    "a step is missing": (StoreError, ["00", "10", "20", "40"], "has no 30, expected between 20"),
    "one of a grid is missing": (
        StoreError,
        ["c1z1", "c1z2", "c1z3", "c2z1", "c2z3"],
        "has no c2z2, expected 2 x 3 files along c, z, 5 are there",
    ),
    "a slice of all channels": (
        StoreError,
        [f"c{c}z{z}" for c, z in product((1, 2), (1, 2, 4))],
        "has no c1z3, expected between c1z2 and c1z4",
    ),
    "two kinds": (ConfigError, ["z1.tif", "z2.tif", "mask1.tif"], "such as 'z*.tif'"),
    "two ends": (ConfigError, ["z1.tif", "z2.tif", "z3.TIF"], "2 kinds of names"),
    "two numbers without words": (ConfigError, ["1_1", "1_2", "2_1", "2_2"], "cannot be told"),
    "one number twice": (ConfigError, ["z1", "z01", "z2"], "which have the same number"),
    "one number, twice": (ConfigError, ["z1", "z01"], "which have the same number"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    kind, names, said = REFUSED[case]
    with pytest.raises(kind) as caught:
        in_order(names, "here")
    assert said in str(caught.value)
