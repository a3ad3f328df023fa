"""A small picture of a pyramid that anybody made, of few chunks of one of its coarser levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zarrpyramid.errors import GeometryError
from zarrpyramid.metadata import SPACE

from .channels import find_channels
from .facts import shows_labels
from .figures import as_png, colour_pixels, label_pixels
from .slices import read_first_slices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.verify import FoundLevel, Pyramid

    from .slices import Slice

SIDE = 256
"""Pixels along the longer edge of a picture, unless another number is asked for."""

_MOST_SIDE = 4096

_BUDGET = 32 * 2**20
"""Bytes of voxels that are decoded for a picture."""


def draw_thumbnail(pyramid: Pyramid, side: int = SIDE) -> bytes | None:
    """Return the middle plane of an image as PNG, `side` pixels along its longer edge.

    Channels are in the colours and windows that the group gives them, ids in a colour each. Voxels
    are as long and as wide as they are in space. The picture comes from the coarsest level that has
    as many pixels, or from the finest one whose plane lies in 32 MB of chunks; None where there is
    no such level or fewer than two space axes.

    Raises
    ------
    PyramidError
        If the level is damaged, or `side` is not 1 to 4096.
    """
    if not 1 <= side <= _MOST_SIDE:
        raise GeometryError(f"side is {side}, expected 1 to {_MOST_SIDE} pixels; give another one")
    for level in _by_fitness(pyramid, side):
        slices = read_first_slices(pyramid, level, _BUDGET)
        if slices:
            return _drawn(pyramid, level, slices, side)
    return None


def _by_fitness(pyramid: Pyramid, side: int) -> list[FoundLevel]:
    """Return the coarsest level with enough pixels first, then those that are coarser."""
    axes = pyramid.known_axes
    found = [level for level in pyramid.levels if level.metadata is not None]
    there = [
        level
        for level in found
        if len(level.array.shape) == len(axes) and 0 not in level.array.shape
    ]
    spaces = [n for n, axis in enumerate(axes) if axis.type == SPACE]
    longest = [max((level.array.shape[n] for n in spaces[-2:]), default=0) for level in there]
    enough = [n for n, extent in enumerate(longest) if extent >= side]
    return there[max(enough, default=0) :]


def _drawn(pyramid: Pyramid, level: FoundLevel, slices: Sequence[Slice], side: int) -> bytes:
    size = _size(pyramid, level, slices[0], side)
    if shows_labels(pyramid):
        return as_png(label_pixels(slices[0].pixels, side), size, is_labels=True)
    channels = [each for each in find_channels(pyramid, slices) if each.is_active]
    picture = colour_pixels(
        [each.parts(slices)[0].pixels for each in channels],
        [each.window for each in channels],
        [each.colour for each in channels],
        2 * side,  # pixels that are not multiples of each other are averaged once more
    )
    return as_png(picture, size, is_labels=False)


def _size(pyramid: Pyramid, level: FoundLevel, shown: Slice, side: int) -> tuple[int, int]:
    """Return width and height of a picture, in which voxels are as they are in space."""
    axes = pyramid.known_axes
    columns, rows = axes[shown.columns], axes[shown.rows]
    scale = pyramid.placement(level)[0] if columns.unit == rows.unit else None
    sizes = [1.0] * len(axes) if scale is None else scale
    width = shown.pixels.shape[1] * (abs(sizes[shown.columns]) or 1.0)
    height = shown.pixels.shape[0] * (abs(sizes[shown.rows]) or 1.0)
    pixel = max(width, height) / side
    return max(1, round(width / pixel)), max(1, round(height / pixel))
