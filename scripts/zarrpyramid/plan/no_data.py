"""Which voxels of an image are no data: what the setting `nodata` gives, or level 0 declares."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import ConfigError
from zarrpyramid.metadata import no_data_values
from zarrpyramid.reduce import METHODS, NODATA_KINDS, NoData, kind_of, stored_number

from .axes import channel_axis, n_channels
from .decision import Decision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.config import ImageConfig
    from zarrpyramid.geometry import Shape
    from zarrpyramid.metadata import ArrayMetadata, Axis

_INSTEAD = {
    "nanmean": "choose mean, which leaves nodata out as nanmean does NaN, or give nodata: auto",
    "mode": "give nodata: auto; of labels, method: mode_nonzero leaves out 0",
    "mode_nonzero": "give nodata: auto; mode_nonzero leaves out 0 as it is",
}
_OTHERWISE = "give nodata: auto, or choose mean"
"""The way out for methods that do not take `nodata`."""


def plan_no_data(
    image: ImageConfig, base: ArrayMetadata, axes: Sequence[Axis], ladder: Sequence[Shape]
) -> NoData:
    """Return what stands for no data in an image whose method is decided.

    Raises
    ------
    ConfigError
        If the method, the data type, the channels or the factors do not take the `nodata` given.
    """
    declared = NoData(declared=no_data_values(base.attributes, base.dtype))
    where = f"image {image.name}"
    if image.nodata is None:
        if image.nodata_share != NoData().share:
            raise ConfigError(
                f"{where}: nodata_share {image.nodata_share:g} is for nodata, which is auto; give "
                "nodata: NUMBER, or leave nodata_share out"
            )
        return declared
    if not METHODS[image.method].takes_nodata:
        takers = ", ".join(name for name, method in METHODS.items() if method.takes_nodata)
        raise ConfigError(
            f"{where}: method {image.method} takes no nodata, expected one of {takers}; "
            f"{_INSTEAD.get(image.method, _OTHERWISE)}"
        )
    if kind_of(base.dtype) not in NODATA_KINDS:
        raise ConfigError(
            f"{where}: nodata is for integers and floats, level 0 is of {base.dtype}; leave it out"
        )
    is_list = isinstance(image.nodata, tuple)
    given: Sequence[Any] = image.nodata if isinstance(image.nodata, tuple) else (image.nodata,)
    if is_list and len(given) != n_channels(axes, base.shape):
        raise ConfigError(
            f"{where}: nodata has {len(given)} entries, level 0 has "
            f"{n_channels(axes, base.shape)} channels; give one for each, or one number for all"
        )
    axis = channel_axis(axes) if is_list else None
    values = tuple(_stored(value, base.dtype, where) for value in given)
    found = NoData.of_channels(values, axis, float(image.nodata_share))
    if found.axis is not None and any(step[found.axis] > 1 for step in ladder):
        raise ConfigError(
            f"{where}: nodata has a value for each channel, scale_factors mix channels; give one "
            "number for all, or a factor of 1 along channels"
        )
    return found if found.is_given else declared


def _stored(value: float | str | None, dtype: str, where: str) -> int | float | None:
    """Return a value of `nodata` as level 0's data type has it."""
    if value is None:
        return None
    found = stored_number(math.nan if isinstance(value, str) else value, dtype)
    if found is None:
        finite = "a finite number or nan" if kind_of(dtype) == "float" else "an integer"
        raise ConfigError(
            f"{where}: nodata {value} is no number of level 0's dtype {dtype}, expected {finite} "
            "that it holds; give the number that stands for no data in level 0"
        )
    return found


def no_data_decisions(
    image: ImageConfig, base: ArrayMetadata, no_data: NoData
) -> tuple[Decision[Any], ...]:
    """Return the rows of `nodata` and `nodata_share`, where the configuration gives a value."""
    if not no_data.is_given:
        return ()
    why = "only the data in a window counts"
    others = [n for n in no_data_values(base.attributes, base.dtype) if n not in no_data.values]
    if others:
        said = ", ".join(map(str, others))
        why += f"; level 0 declares {said} as no data, a number as others here"
    values = image.nodata if isinstance(image.nodata, tuple) else (image.nodata,)
    shown = tuple("null" if value is None else value for value in values)
    return (
        Decision(
            key="nodata",
            value=shown if isinstance(image.nodata, tuple) else shown[0],
            given=True,
            why=why,
        ),
        Decision(
            key="nodata_share",
            value=no_data.share,
            given=no_data.share != NoData().share,
            why="a voxel of which a smaller part is data is no data",
        ),
    )
