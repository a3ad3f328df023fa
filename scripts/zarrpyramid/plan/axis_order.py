"""The order of axes that OME-NGFF wants, and how an array of another order gets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zarrpyramid.errors import ConfigError
from zarrpyramid.metadata import CHANNEL, SPACE, TIME, axis_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.config import ImageConfig
    from zarrpyramid.metadata import Axis

    from .levels import ImagePlan

_ORDER = (TIME, CHANNEL, SPACE)
"""The types of axes in the order in which OME-NGFF has them."""

DEFAULT_AXES = ("x", "yx", "zyx", "czyx", "tczyx")
"""Names of the axes of an array that names none, by their number."""


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
        order = sorted(range(len(axes)), key=places.__getitem__)
        put_right = _transposed(order, [names[n] for n in order])
        way_out = f"if these are its axes, {put_right}; else {way_out}"
    raise ConfigError(
        f"image {image.name}: axes {names} break OME-NGFF's order: at most one time axis, then "
        f"at most one channel axis, then two or three space axes; {way_out}"
    )


def _transposed(order: Sequence[int], names: Sequence[str]) -> str:
    """Say how an array gets its axes into an order."""
    return (
        f"write it with axes ({', '.join(names)}) into another store, as numpy.transpose(array, "
        f"({', '.join(map(str, order))})) gives it, and give axes: [{', '.join(names)}]"
    )


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
    order = [*range(first), len(shape) - 1, *range(first, len(shape) - 1)]
    space = "zyx"[-(len(shape) - 1 - first) :]
    raise ConfigError(
        f"image {image.name}: level 0 has shape {list(shape)} and nothing names its axes, the last "
        f"of which looks like channels or colours; if it is one of space, give axes: "
        f"[{', '.join(names)}]; if it holds channels, "
        f"{_transposed(order, [*names[:first], 'c', *space])}"
    )
