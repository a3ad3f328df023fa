"""What a recipe says of voxels that are no data, so that a level can be made again by it alone.

The numbers that level 0 declares, where the method skips them, stand under `no_data`. What the
setting `nodata` gives stands under `nodata`: `values`, one or one a channel; `share`; and `axis`,
the number of the channel axis, where there are several.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarrpyramid.reduce import METHODS, NODATA_KINDS, NoData, kind_of, stored_number

from .json_numbers import parse_number, strict_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zarrpyramid.geometry import Shape

    Entries = dict[str, Any]


def no_data_entries(no_data: NoData, method: str) -> Entries:
    """Return what the recipe of a method says of voxels that are no data; {} where it takes all.

    >>> no_data_entries(NoData(values=(0,)), "mean"), no_data_entries(NoData(), "mean")
    ({'nodata': {'values': [0], 'share': 0.5}}, {})
    """
    if no_data.is_given:
        axis = {} if no_data.axis is None else {"axis": no_data.axis}
        values = [strict_number(value) for value in no_data.values]
        return {"nodata": {"values": values, "share": no_data.share, **axis}}
    skips = bool(no_data.declared) and METHODS[method].skips
    return {"no_data": [*no_data.declared]} if skips else {}


def no_data_of(recipe: Mapping[str, Any]) -> NoData:
    """Return what a recipe that `says_no_data` well says of voxels that are no data."""
    given = recipe.get("nodata")
    if given is None:
        return NoData(declared=tuple(recipe.get("no_data", ())))
    values = tuple(map(parse_number, given["values"]))
    return NoData(values=values, share=given["share"], axis=given.get("axis"))


def says_no_data(recipe: Mapping[str, Any]) -> bool:
    """Tell whether the entries of a recipe have the types of those of this package."""
    declared, given = recipe.get("no_data", []), recipe.get("nodata")
    if not isinstance(declared, list) or any(type(n) not in (int, float) for n in declared):
        return False
    if given is None:
        return True
    if not isinstance(given, dict) or not isinstance(given.get("values"), list):
        return False
    values, share, axis = given["values"], given.get("share", 0), given.get("axis")
    return (
        type(share) in (int, float)
        and 0 < share <= 1
        and (type(axis) is int or axis is None)
        and (len(values) == 1 if axis is None else len(values) > 1)
        and all(value is None or parse_number(value) is not None for value in values)
        and any(value is not None for value in values)
    )


def fits_no_data(no_data: NoData, method: str, factors: Shape, shape: Shape, dtype: str) -> bool:
    """Tell whether a method that takes a data type leaves these voxels of such an array out."""
    if not no_data.is_given:
        return True
    axis, values = no_data.axis, [value for value in no_data.values if value is not None]
    if not METHODS[method].takes_nodata or kind_of(dtype) not in NODATA_KINDS:
        return False
    if axis is not None:
        if not 0 <= axis < len(shape):
            return False
        if factors[axis] != 1 or shape[axis] != len(no_data.values):
            return False
    stored = [stored_number(value, dtype) for value in values]
    return all(a == b or (a != a and b != b) for a, b in zip(values, stored, strict=True))
