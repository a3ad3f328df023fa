"""What CF conventions say of an array's numbers: which of them are no data, and how they unpack.

Packed numbers times `scale_factor` plus `add_offset` are what was measured. xarray, GDAL and other
readers of such arrays apply it, and show no data where `_FillValue` or `missing_value` stands.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
from typing import TYPE_CHECKING, Any

from zarrpyramid.reduce import kind_of, limits

if TYPE_CHECKING:
    from .documents import Document

NO_DATA_KEYS = ("_FillValue", "missing_value")
"""CF 2.5.1: `_FillValue` is one number, `missing_value` one or several."""

_KEYS = (*NO_DATA_KEYS, "scale_factor", "add_offset", "_Unsigned")


def packing(attributes: Document) -> Document:
    """Return what an array says of its packing, which holds for its levels as well."""
    return {key: attributes[key] for key in _KEYS if key in attributes}


def no_data_values(attributes: Document, dtype: str) -> tuple[int | float, ...]:
    """Return the numbers that stand for no data in an array, as it stores them.

    Numbers that its data type does not have say nothing, and NaN is no data in any case.

    >>> no_data_values({"_FillValue": -1, "missing_value": [-1, 300, "x"]}, "int16")
    (-1, 300)
    """
    if kind_of(dtype) not in ("int", "uint", "float"):
        return ()
    found: list[Any] = []
    for key in NO_DATA_KEYS:
        value = attributes.get(key)
        found += value if isinstance(value, list) else [value]
    is_float = kind_of(dtype) == "float"
    numbers = [_number(value, is_float=is_float) for value in found]
    stored = [n for n in numbers if n is not None and (is_float or _is_within(n, dtype))]
    return tuple(dict.fromkeys(stored))


def _number(value: object, *, is_float: bool) -> int | float | None:
    """Return a number; xarray spells those of floats in zarr v3 as base64 of a double."""
    if isinstance(value, str) and is_float:
        try:
            value = struct.unpack("<d", base64.b64decode(value, validate=True))[0]
        except (binascii.Error, struct.error):
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    if is_float:
        return number if math.isfinite(number) else None
    return int(value) if number.is_integer() else None


def _is_within(number: int | float, dtype: str) -> bool:
    """Tell whether integers of a data type have a number."""
    least, largest = limits(dtype)
    return least <= number <= largest
