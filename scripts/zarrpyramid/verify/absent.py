"""What a pyramid lacks as a whole: levels that its list states, or all levels beside level 0."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from zarrpyramid.errors import PyramidError
from zarrpyramid.metadata import SPACE, axis_type, join, read_axes

from .findings import Finding
from .ways_out import making

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .pyramid import FoundLevel, Pyramid


def absent_levels(pyramid: Pyramid) -> Iterator[Finding]:
    """Yield levels that the list states and that are not there; one that it lists has its own."""
    every = (*pyramid.levels, *pyramid.others)
    known = {pyramid.paths.level(level.path) for level in every}
    n_stated = len(pyramid.stated_factors)
    absent = [number for number in range(1, n_stated + 1) if number not in known]
    way_out = making(pyramid) if absent else ""  # which plans the image some fifteen times
    for number in absent:
        yield Finding(
            what=f"level {number} of {n_stated} is not there",
            key=join(pyramid.where, pyramid.paths.path(number)),
            way_out=way_out,
        )


def stands_alone(pyramid: Pyramid) -> bool:
    """Tell whether level 0 is all that is there, and not all that a run makes.

    An image that is too small for another level is listed as such; one that cannot be listed is
    planned to find out.
    """
    if len(pyramid.levels) > 1:
        return False
    if pyramid.provenance is not None:
        return bool(pyramid.stated_factors)
    if not can_be_listed(pyramid, pyramid.levels[0]):
        from zarrpyramid.downsample import open_path  # with it comes all that makes levels

        with suppress(PyramidError):
            image = open_path(pyramid.where, storage_options=dict(pyramid.store.options))
            return len(image.plan.levels) > 1
    return True


def can_be_listed(pyramid: Pyramid, level: FoundLevel) -> bool:
    """Tell whether OME-NGFF can describe the image: it has 2 or 3 space axes, or names none.

    The document of `level` may name the axes.
    """
    if level.metadata is None:
        return False
    n_axes, names = len(level.metadata.shape), level.metadata.dimension_names
    if names is not None:
        return sum(axis_type(name or "") == SPACE for name in names) in (2, 3)
    axes = read_axes(pyramid.attributes, n_axes)
    return n_axes > 1 if axes is None else sum(axis.type == SPACE for axis in axes) in (2, 3)
