"""The settings of a level 0 that is not there yet: the workflow makes it, or other rules do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zarrpyramid.reduce import ITEM_SIZES

from .declare import setting
from .forms import Choice, Integer, ListOf

if TYPE_CHECKING:
    from zarrpyramid.geometry import Shape

EXTENTS = ListOf(Integer(1), most=5)
"""One number for each axis of an image."""

ONE_PER_AXIS = "a list of integers >= 1 (one for each axis)"


@dataclass(frozen=True, kw_only=True, slots=True)
class TestImage:
    """A level 0 that the workflow makes."""

    __test__ = False  # a name that pytest would collect

    shape: Shape = setting(
        EXTENTS,
        "Size of the test image along each axis.",
        expected="a list of 1 to 5 integers >= 1",
        unit="voxels",
        default=[256, 256, 256],
    )
    chunks: Shape = setting(
        EXTENTS,
        "Size of its chunks along each axis.",
        expected=ONE_PER_AXIS,
        unit="voxels",
        default=[64, 64, 64],
    )
    dtype: str = setting(
        Choice(*(dtype for dtype in ITEM_SIZES if not dtype.startswith("complex"))),
        "Its data type.",
        expected="bool, or an integer or float type such as uint16",
        default="uint16",
    )
    pattern: str = setting(
        Choice("blobs", "noise"),
        "What it shows. `blobs` are smooth bright spots with noise, which compress like a "
        "micrograph. `noise` is uniform over the range of the data type, or from 0 to 1, and does "
        "not compress.",
        default="blobs",
    )
    seed: int = setting(
        Integer(0),
        "Seed of its random numbers. Equal seeds give equal voxels.",
        default=0,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class DeclaredBase:
    """A level 0 that other rules make; `shards` is None where it has none."""

    shape: Shape = setting(
        EXTENTS,
        "Size of level 0 along each axis.",
        expected="a list of 1 to 5 integers >= 1",
        unit="voxels",
    )
    chunks: Shape = setting(
        EXTENTS,
        "Size of its chunks along each axis; in an array with shards, of its inner chunks.",
        expected=ONE_PER_AXIS,
        unit="voxels",
    )
    dtype: str = setting(
        Choice(*ITEM_SIZES),
        "Its data type.",
        expected="bool, or an integer, float or complex type such as uint16",
    )
    shards: Shape | None = setting(
        Choice("none") | EXTENTS,
        "Size of its shards along each axis, a multiple of its chunks. `none` stands for an array "
        "without shards.",
        expected=f"none or {ONE_PER_AXIS}",
        unit="voxels",
        absent="none",
    )
