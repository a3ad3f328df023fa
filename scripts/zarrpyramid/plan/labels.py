"""Whether an image holds labels, and what follows: the method of its levels, and its `omero`.

Labels are ids of objects. A mean of ids is an id that nobody drew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import ConfigError
from zarrpyramid.metadata import is_label_image, labels_group, no_data_values, others_omero
from zarrpyramid.reduce import ITEM_SIZES, METHODS, kind_of

from .axes import n_channels
from .decision import Decision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.config import ImageConfig
    from zarrpyramid.metadata import ArrayMetadata, Axis

AUTO = "auto"

MOST_CHANNELS = 64
"""Channels, at most, of an image that gets contrast windows: counts of one take 0.5 MB."""


def decide_labels(
    image: ImageConfig, base: ArrayMetadata, attributes: dict[str, Any], path: str
) -> Decision[bool]:
    """Return whether level 0 holds labels.

    Parameters
    ----------
    attributes
        Of the image's group, or of the group that level 0 is taken from.
    path
        Of the image's group in its store.

    Raises
    ------
    ConfigError
        If the configuration says that numbers are labels which cannot be.
    """
    can_be = kind_of(base.dtype) in METHODS["mode"].kinds
    if image.labels is not None:
        if image.labels and not can_be:
            raise ConfigError(
                f"image {image.name}: labels: true says that level 0 holds ids, which are integers "
                f"or bool, found {base.dtype}; leave labels out"
            )
        return Decision(key="labels", value=image.labels, given=True)
    reasons = {
        "its group has image-label": is_label_image(attributes),
        "its group is in a labels group": labels_group(path) is not None,
        "label_report counts its ids": image.label_report,
    }
    why = next((reason for reason, holds in reasons.items() if holds), "")
    if not can_be:
        return Decision(key="labels", value=False, why=f"level 0 is of {base.dtype}")
    return Decision(key="labels", value=bool(why), why=why or "nothing says that it holds labels")


def decide_method(image: ImageConfig, base: ArrayMetadata, labels: bool) -> Decision[str]:
    """Return the method of the levels.

    Raises
    ------
    ConfigError
        If the configuration asks for means of labels.
    """
    if image.method != AUTO:
        # A mean of bool is what most voxels are.
        if labels and METHODS[image.method].mixes and base.dtype != "bool":
            raise ConfigError(
                f"image {image.name}: method {image.method} makes ids of labels that level 0 does "
                "not have; give method: mode, or labels: false if these are no labels"
            )
        why = _why_no_data(image, base, image.method)
        return Decision(key="method", value=image.method, given=True, why=why)
    if labels:
        return Decision(key="method", value="mode", why="a mean of labels is no label")
    why = "level 0 is an image"
    if kind_of(base.dtype) in ("int", "uint") and ITEM_SIZES[base.dtype] > 2:
        why = f"{base.dtype} may be ids, which would be averaged here: give labels: true for labels"
    return Decision(key="method", value="mean", why=_why_no_data(image, base, "mean") or why)


def _why_no_data(image: ImageConfig, base: ArrayMetadata, method: str) -> str:
    """Return what a method makes of numbers that level 0 declares to be no data, or ""."""
    values = ", ".join(map(str, no_data_values(base.attributes, base.dtype)))
    if not values or image.nodata is not None:  # of which the row of nodata tells
        return ""
    if METHODS[method].skips:
        return f"no data ({values}) is left out"
    said = f"level 0 declares {values} as no data, a number as others here: nanmean leaves it out"
    return f"{said}, and so does mean with nodata" if METHODS[method].takes_nodata else said


def decide_omero(
    image: ImageConfig,
    base: ArrayMetadata,
    axes: Sequence[Axis],
    attributes: dict[str, Any],
    labels: bool,
) -> Decision[bool]:
    """Return whether the group gets an `omero` of ours."""
    if not image.omero:
        return Decision(key="omero", value=False, given=True)
    reasons = {
        "viewers give labels a colour each": labels,
        "the group has one, which stays": others_omero(attributes),
        "complex numbers have no order": not may_have_windows(base, axes),
    }
    if n_channels(axes, base.shape) > MOST_CHANNELS:
        reasons = {f"there are more than {MOST_CHANNELS} channels": True}
    why = next((reason for reason, holds in reasons.items() if holds), "")
    given = "windows from the 0.1 % to the 99.9 % quantile of each channel"
    return Decision(key="omero", value=not why, why=why or given)


def may_have_windows(base: ArrayMetadata, axes: Sequence[Axis]) -> bool:
    """Tell whether level 0's values are counted, for contrast windows."""
    return kind_of(base.dtype) != "complex" and n_channels(axes, base.shape) <= MOST_CHANNELS
