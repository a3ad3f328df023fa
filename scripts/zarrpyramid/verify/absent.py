"""What a pyramid lacks as a whole: levels that its list states, or all levels beside level 0."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from zarrpyramid.errors import PyramidError

from .documents import can_be_listed

if TYPE_CHECKING:
    from .pyramid import Pyramid


def absent_levels(pyramid: Pyramid) -> list[str]:
    """Return a line about each level that has to be there and is not; a listed one has its own."""
    if stands_alone(pyramid):
        return ["no level stands beside level 0, and no list made here says that none has to"]
    every = (*pyramid.levels, *pyramid.others)
    known = {pyramid.paths.level(level.path) for level in every}
    n_stated = len(_stated(pyramid))
    return [
        f"level {number} of {n_stated} is not there"
        for number in range(1, n_stated + 1)
        if number not in known
    ]


def stands_alone(pyramid: Pyramid) -> bool:
    """Tell whether level 0 is all that is there, and not all that a run makes.

    An image that is too small for another level is listed as such; one that cannot be listed is
    planned to find out.
    """
    if len(pyramid.levels) > 1:
        return False
    if pyramid.provenance is not None:
        return bool(_stated(pyramid))
    if not can_be_listed(pyramid, pyramid.levels[0]):
        from zarrpyramid.downsample import open_path  # with it comes all that makes levels

        with suppress(PyramidError):
            image = open_path(pyramid.where, storage_options=dict(pyramid.store.options))
            return len(image.plan.levels) > 1
    return True


def _stated(pyramid: Pyramid) -> list[object]:
    """Return the factors of all levels that the list of zarrpyramid states."""
    factors = (pyramid.provenance or {}).get("factors")
    return factors if isinstance(factors, list) else []
