"""The weights of a level of weighted means, found by the path that its record names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zarrpyramid.errors import AccessError, PyramidError
from zarrpyramid.plan import find_weights

from .findings import Check
from .origins import recipe_of, weights_in

if TYPE_CHECKING:
    from zarrpyramid.plan import WeightsLevel

    from .pyramid import FoundLevel, Pyramid


def found_weights(pyramid: Pyramid, level: FoundLevel) -> WeightsLevel | None:
    """Return what a level was weighed by, which need not be there; None where nothing weighs it."""
    path, number = weights_in(level.record), pyramid.paths.level(level.path)
    if not path or not number:
        return None
    return find_weights(pyramid.store, pyramid.path, path, number - 1)


def why_not_weighed(pyramid: Pyramid, level: FoundLevel, finer: FoundLevel) -> str:
    """Return why a level cannot be weighed again, or ""; one without weights need not be."""
    try:
        weights = found_weights(pyramid, level)
        before = recipe_of(finer)
        if weights is not None:
            weights.check(finer.array.shape, before[1] if before else ())
    except AccessError:
        raise
    except PyramidError as error:
        return str(error)
    return ""


def not_weighed(level: FoundLevel, reason: str) -> Check:
    """Return the check of a level whose weights are not there, of which no voxel is proved."""
    return Check(
        name="voxels",
        level=level.number,
        figure=f"not made again: {reason}",
        unexplained=f"level {level.number}: its voxels were held against nothing, as its weights "
        f"{weights_in(level.record)} cannot be read",
        proven=False,
    )
