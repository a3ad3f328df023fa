"""Which image weighs the means of another one: what is asked for, and what a recipe says of it."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import ConfigError
from zarrpyramid.reduce import ITEM_SIZES, kind_of

from .decision import Decision
from .remainders import ONCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.config import ImageConfig
    from zarrpyramid.metadata import ArrayMetadata, Record

    from .levels import LevelPlan
    from .run_image import RunImage

WEIGHT_KINDS = ("bool", "float", "int", "uint")
"""Kinds of data type that weights have."""


def check_weights(image: ImageConfig, base: ArrayMetadata) -> None:
    """See that level 0 can be averaged with weights, where that is asked for.

    Raises
    ------
    ConfigError
        If the method, the rounding or the data type does not take them, or it would weigh itself.
    """
    if image.weights is None:
        return
    where = f"image {image.name}: weights {image.weights}"
    if image.method != "mean":
        raise ConfigError(
            f"{where} is for the method mean, this image takes {image.method}; give method: mean, "
            "or leave weights out"
        )
    if image.labels:
        raise ConfigError(f"{where} makes no label of labels; leave weights out")
    if image.rounding == ONCE:
        raise ConfigError(
            f"{where} and rounding: once do not go together: weighted sums are no integers; give "
            "rounding: each, or leave weights out"
        )
    if kind_of(base.dtype) in ("int", "uint") and ITEM_SIZES[base.dtype] > 4:
        raise ConfigError(
            f"{where} is for floats and integers of up to 32 bits, level 0 is of {base.dtype}, "
            "which no float64 holds; store it as one of these, or leave weights out"
        )
    if image.weights == image.field:
        raise ConfigError(
            f"{where} is the image itself; name another image of the store, or leave weights out"
        )


def weights_decisions(image: ImageConfig) -> tuple[Decision[Any], ...]:
    """Return the row of `weights`, where an image has some."""
    if image.weights is None:
        return ()
    why = "level n is weighed by level n - 1 of it"
    return (Decision(key="weights", value=image.weights, given=True, why=why),)


def weights_path(image: ImageConfig) -> str:
    """Return the path of an image's weights from its own group, "" where it has none.

    Pairs of groups that are moved together keep it.
    """
    if image.weights is None:
        return ""
    return posixpath.relpath(f"/{image.weights}", f"/{image.field}")


def weights_entries(path: str) -> Record:
    """Return what a recipe says of weights: nothing where there are none."""
    return {"weights": path} if path else {}


def why_not_weighed(image: RunImage, path: str | None) -> str:
    """Return why the voxels of an image cannot be weighed in a run, or "".

    Parameters
    ----------
    image
        One whose level 0 can be planned.
    path
        That of its weights, as it is given.
    """
    before, weights = [image], image.weights
    where = f"image {image.name}: weights {path}"
    if path and weights is None:
        way_out = image.near_weights or "; name it in images, with the same store and its field"
        return f"{where} is no image of this run{way_out}"
    while weights is not None:
        if weights in before:
            return f"{where}: images weigh each other; leave weights out of one of them"
        if reason := weights.why_unplanned:
            return f"{where}: image {weights.name} is not built: {reason}"
        before.append(weights)
        weights = weights.weights
    if image.weights is not None:
        return _why_no_weights(where, image.image.plan.levels, image.weights.image.plan.levels)
    return ""


def _why_no_weights(where: str, levels: Sequence[LevelPlan], weights: Sequence[LevelPlan]) -> str:
    """Return why the levels of one image cannot weigh those of another, or "".

    Parameters
    ----------
    where
        What messages call it.
    levels, weights
        Of the image, and of its weights; the base first.
    """
    finer = levels[:-1]
    for level, other in zip(finer, weights, strict=False):
        if level.shape != other.shape or level.factors != other.factors:
            return (
                f"{where} has level {other.level} of shape {list(other.shape)} and factors "
                f"{list(other.factors)}, the image {list(level.shape)} and {list(level.factors)}; "
                "give both the same shape and scale_factors"
            )
        if kind_of(other.dtype) not in WEIGHT_KINDS:
            return f"{where} is of {other.dtype}, expected real numbers; give other weights"
    if len(weights) < len(finer):
        return (
            f"{where} has {len(weights) - 1} levels, the image {len(finer)}; give both the same "
            "number of levels"
        )
    return ""
