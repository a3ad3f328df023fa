"""The order of axes that OME-NGFF wants, and how an array of another order gets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zarrpyramid.config import group_path
from zarrpyramid.errors import ConfigError
from zarrpyramid.metadata import CHANNEL, DEFAULT_AXES, SPACE, TIME, axis_type
from zarrpyramid.programs import source_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.config import ImageConfig
    from zarrpyramid.metadata import Axis

    from .levels import ImagePlan

_ORDER = (TIME, CHANNEL, SPACE)
"""The types of axes in the order in which OME-NGFF has them."""
_USUAL = "zyx"
"""Names of axes of space that every program knows."""


def check_order(image: ImageConfig, axes: Sequence[Axis]) -> None:
    """Refuse axes that OME-NGFF does not know, and say how the array gets an order that it knows.

    0.4 and 0.5: the axes MUST be ordered by type: time, channel, space.
    """
    names, places = [axis.name for axis in axes], [_ORDER.index(axis.type) for axis in axes]
    numbers = [places.count(place) for place in range(len(_ORDER))]
    if places == sorted(places) and numbers[0] <= 1 and numbers[1] <= 1 and numbers[2] <= 3:
        return
    way_out = "name them with axes: [...]"
    if numbers[0] <= 1 and numbers[1] <= 1 and numbers[2] <= 3:
        way_out = f"if these are its axes, {_put_right(image, names)}; else {way_out}"
    raise ConfigError(
        f"image {image.name}: axes {names} break OME-NGFF's order: at most one time axis, then "
        f"at most one channel axis, then two or three space axes; {way_out}"
    )


def check_meant(image: ImageConfig, there: Sequence[str], where: str) -> None:
    """Refuse settings that give one axis of several a name that no program knows: it is mistyped.

    A usual name says what the axis is, and names that are all others are meant.

    Parameters
    ----------
    there, where
        Names of the axes as they are found, and what has them.

    Raises
    ------
    ConfigError
        If so.
    """
    names = image.axes or ()
    is_kept = any(name.lower() == found.lower() for name, found in zip(names, there, strict=False))
    for name, found in zip(names, there, strict=False):
        is_usual = name in _USUAL or axis_type(name) != SPACE
        if is_kept and len(names) == len(there) and not is_usual and name not in there:
            raise ConfigError(
                f"image {image.name}: axes {list(names)} call axis {found!r} {name!r}, {where} has "
                f"{list(there)}; did you mean {found!r}? Leave axes out to keep its names, or "
                "rename the axis there first"
            )


def is_ordered(names: Sequence[str]) -> bool:
    """Tell whether axes of these names are in OME-NGFF's order.

    >>> is_ordered("tcyx"), is_ordered("yxc")
    (True, False)
    """
    places = [_ORDER.index(axis_type(name)) for name in names]
    return places == sorted(places)


def _put_right(image: ImageConfig, names: Sequence[str]) -> str:
    """Say how an image whose axes have these names gets them into order."""
    source = image.source or group_path(image.store, image.field)
    how = source_words(f"source={source}", f"axes=[{','.join(names)}]")
    return f"give the image as source of a new store, which gets them in order: {how}"


def check_axes(plan: ImagePlan) -> None:
    """Refuse an image whose axes nothing names, and whose last axis may be one of channels.

    Colours often stand last, as in 512 x 512 x 3. Taken for space, they would be averaged.

    Raises
    ------
    ConfigError
        If the last axis has 2 to 4 voxels beside two others of at least 64, or level 0's metadata
        calls it a channel.
    """
    image, shape = plan.image, plan.base.shape
    if not any(decision.key == "axes" and decision.guessed for decision in plan.decisions):
        return
    last = (plan.base.dimension_names or (None,))[-1]
    is_named = last is not None and axis_type(last) == CHANNEL
    is_flat = len(shape) > 2 and 2 <= shape[-1] <= 4 and sum(n >= 64 for n in shape[:-1]) >= 2
    if not (is_flat or is_named):
        return
    names = DEFAULT_AXES[len(shape) - 1]
    first = int(len(shape) == 5)  # after time
    found = [*names[:first], *"zyx"[-(len(shape) - 1 - first) :], "c"]
    raise ConfigError(
        f"image {image.name}: level 0 has shape {list(shape)} and nothing names its axes, the last "
        f"of which looks like channels or colours; if it is one of space, give axes: "
        f"[{', '.join(names)}]; if it holds channels, {_put_right(image, found)}"
    )
