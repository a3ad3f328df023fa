"""What a level was made from and how: the finer level, method, factors, rounding and weights.

Records tell this of levels that zarrpyramid made; of others, shapes and scales do.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from zarrpyramid.metadata import no_data_of
from zarrpyramid.plan import COPY_KEY, EACH, ONCE
from zarrpyramid.reduce import METHODS

CLOSE = 1e-6
"""Part of a voxel by which a place may be off, since documents hold decimals."""

if TYPE_CHECKING:
    from zarrpyramid.geometry import Shape
    from zarrpyramid.metadata import Record
    from zarrpyramid.reduce import NoData

    from .pyramid import FoundLevel, Pyramid


_LARGEST = 2**31
"""A factor that is longer than any axis, and still counts voxels in 64 bits."""


def finer_of(pyramid: Pyramid, level: FoundLevel) -> FoundLevel | None:
    """Return the level that a level was made from, None where it is not there.

    Of a level that zarrpyramid made that is the level of the number before, of others the level
    that stands before it in the list.
    """
    there = [other for other in pyramid.levels if other.metadata is not None]
    if level.record is not None:
        number = pyramid.paths.level(level.path)
        path = None if number is None else pyramid.paths.path(number - 1)
        return next((other for other in there if other.path == path), None)
    before = [other for other in there if other.number < level.number]
    return before[-1] if before else None


def recipe_of(level: FoundLevel) -> tuple[str, Shape] | None:
    """Return method and factors that a level's record names, or None where they mean nothing."""
    recipe = (level.record or {}).get("recipe")
    if level.metadata is None or not isinstance(recipe, dict):
        return None
    method, factors = recipe["method"], recipe["factors"]
    fit = method in METHODS and len(factors) == len(level.metadata.shape)
    return (method, tuple(factors)) if fit else None


def left_out_of(level: FoundLevel) -> NoData:
    """Return what a level's record names as no data, which its method left out."""
    return no_data_of((level.record or {}).get("recipe", {}))


def rounding_of(record: Record | None) -> str:
    """Return how the recipe in a record rounds."""
    return ONCE if (record or {}).get("recipe", {}).get("rounding") == ONCE else EACH


def weights_in(record: Record | None) -> str:
    """Return the path of the weights from the group, as the recipe in a record has it, or ""."""
    found = (record or {}).get("recipe", {}).get("weights", "")
    return found if isinstance(found, str) else ""


def method_name(level: FoundLevel) -> str:
    """Return the method of a level made here, as people call it; "" of others."""
    recipe = recipe_of(level)
    if recipe is None:
        return ""
    if weights := weights_in(level.record):
        return f"{recipe[0]}, weighed by {weights}"
    return f"{recipe[0]}, rounded once" if rounding_of(level.record) == ONCE else recipe[0]


def copied_record(level: FoundLevel) -> Record | None:
    """Return what level 0 records of the voxels that it was made of; None where that is nothing."""
    record = level.array.attributes.get(COPY_KEY) if level.metadata is not None else None
    return record if isinstance(record, dict) and isinstance(record.get("digest"), str) else None


def factors_between(
    finer: Shape,
    coarser: Shape,
    ratio: tuple[float, ...] | None,
    units: tuple[Shape, Shape] | None = None,
) -> Shape | None:
    """Return the whole factors that lead from one shape to another, or None where none do.

    Extents may be rounded up, or rounded down by a program that drops the voxels at the edge. A
    program that pads its arrays to whole objects states the factors by its scales alone.

    Parameters
    ----------
    ratio
        Of the two levels' scales, which decides where several factors fit; None where not known.
    units
        Extents of a stored object of each level.

    >>> factors_between((5, 7, 7), (3, 2, 7), None)
    (2, 4, 1)
    >>> factors_between((5, 7, 7), (3, 2, 7), (2.0, 3.0, 1.0))
    (2, 3, 1)
    >>> factors_between((10, 10), (10, 7), None)
    >>> factors_between((160, 64), (96, 64), (2.0, 1.0), ((32, 32), (32, 32)))
    (2, 1)
    """
    factors = []
    if 0 in coarser:
        return None
    for axis, (more, less) in enumerate(zip(finer, coarser, strict=True)):
        stated = min(round(ratio[axis]), _LARGEST) if ratio else 0
        likely = [stated, round(more / less), more // less, -(-more // less)]
        fits = [f for f in likely if f > 0 and less in (more // f, -(-more // f))]
        if units and ratio and stated not in fits and is_padded(
            more, less, ratio[axis], (units[0][axis], units[1][axis])
        ):  # fmt: skip
            fits = [stated]
        if not fits:
            return None
        factors.append(fits[0])
    return tuple(factors)


def is_padded(more: int, less: int, by: float, units: tuple[int, int]) -> bool:
    """Tell whether extents of whole objects hold images of which one is the other's by a factor.

    An array of whole objects may hold an image that ends anywhere in the last object.

    >>> is_padded(160, 96, 2.0, (32, 32)), is_padded(160, 128, 2.0, (32, 32))
    (True, False)
    """
    factor = round(by)
    if not 1 <= factor <= more or abs(by - factor) > CLOSE * factor:
        return False
    least = [
        n - unit + 1 if n % unit == 0 else n for n, unit in zip((more, less), units, strict=True)
    ]
    return least[0] // factor <= less and least[1] <= -(-more // factor)


def scale_ratio(
    pyramid: Pyramid, finer: FoundLevel, coarser: FoundLevel
) -> tuple[float, ...] | None:
    """Return how much larger the voxels of one level are than those of another, as listed.

    None where no scales of as many axes are listed, or scales so far apart that their ratio is no
    number.
    """
    size, larger = (pyramid.transformations(level)[0] for level in (finer, coarser))
    n_axes = len(coarser.array.shape)
    if size is None or larger is None or {len(size), len(larger)} != {n_axes}:
        return None
    ratio = tuple(b / a for a, b in zip(size, larger, strict=True))
    return ratio if all(0 < by < math.inf for by in ratio) else None
