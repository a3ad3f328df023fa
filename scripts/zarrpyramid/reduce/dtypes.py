"""Data types of voxels by their names: sizes, ranges, and how documents spell their values.

Planning imports it, so that it does without numpy.
"""

from __future__ import annotations

import math
import struct

ITEM_SIZES = {
    "bool": 1,
    **{f"{kind}{bits}": bits // 8 for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": bits // 8 for bits in (16, 32, 64)},
    **{f"complex{bits}": bits // 8 for bits in (64, 128)},
}
"""Bytes a voxel of each data type that is served."""

_CODES = {"float16": ">e", "float32": ">f", "float64": ">d"}
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def kind_of(dtype: str) -> str:
    """Return the kind of a data type: "bool", "int", "uint", "float" or "complex"."""
    return dtype.rstrip("0123456789")


def limits(dtype: str) -> tuple[int, int]:
    """Return the least and the largest integer between which a type holds every integer.

    For integers and bool that is their range; for floats, what their significand holds.

    >>> limits("int8"), limits("bool"), limits("float32")
    ((-128, 127), (0, 1), (-16777216, 16777216))
    """
    kind, bits = kind_of(dtype), 8 * ITEM_SIZES[dtype]
    if kind == "bool":
        return 0, 1
    if kind == "uint":
        return 0, 2**bits - 1
    if kind == "int":
        return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    exact: int = 2 ** {16: 11, 32: 24, 64: 53}[bits // 2 if kind == "complex" else bits]
    return -exact, exact


def stored_number(value: float, dtype: str) -> int | float | None:
    """Return a number as a data type of integers or floats stores it; None where it has none.

    Floats take the nearest that they have, and zero without a sign; NaN is a number to them, and
    infinity is none.

    >>> stored_number(7.0, "uint8"), stored_number(-1, "uint8"), stored_number(0.1, "float32")
    (7, None, 0.10000000149011612)
    """
    if kind_of(dtype) != "float":
        least, largest = limits(dtype)
        return int(value) if least <= value <= largest and value % 1 == 0 else None
    try:
        number: float = struct.unpack(_CODES[dtype], struct.pack(_CODES[dtype], value))[0]
    except (OverflowError, struct.error):
        return None
    return None if math.isinf(number) else number + 0.0


def parse_fill(value: object, dtype: str) -> bool | int | float | complex:
    """Return a document's fill value as a number; v2's null counts as 0.

    It is a JSON number, a name or v3's hex form; for complex types a pair of these.

    Raises
    ------
    ValueError, LookupError, TypeError
        If it is no value of the data type.
    """
    kind = kind_of(dtype)
    if kind == "bool":
        if value not in (None, False, True):
            raise ValueError(f"fill value {str(value)[:40]!r} of {dtype}")
        return bool(value)
    if kind == "complex":
        part = _part(dtype)
        if isinstance(value, list):
            real, imaginary = value
            return complex(_parse_float(real, part), _parse_float(imaginary, part))
        return complex(_parse_float(value, part))
    if kind == "float":
        return _parse_float(value, dtype)
    number = 0 if value is None else value
    least, largest = limits(dtype)
    if not isinstance(number, int | float) or not least <= number <= largest or number % 1:
        raise ValueError(f"fill value {str(value)[:40]!r} of {dtype}")
    return int(number)


def _part(dtype: str) -> str:
    return f"float{4 * ITEM_SIZES[dtype]}"


def _parse_float(value: object, dtype: str) -> float:
    if isinstance(value, str) and value.startswith("0x"):
        stored = int(value, 16).to_bytes(ITEM_SIZES[dtype], "big")
        number: float = struct.unpack(_CODES[dtype], stored)[0]
        return number
    if isinstance(value, str):
        return _SPECIAL[value]
    if not isinstance(value, int | float | None):
        raise ValueError(f"fill value {str(value)[:40]!r} of {dtype}")  # noqa: TRY004
    return 0.0 if value is None else float(value)


def spell_fill(value: bool | int | float | complex, dtype: str) -> object:
    """Return a number as a document of a data type spells its fill value.

    >>> spell_fill(False, "uint32"), spell_fill(7, "float64"), spell_fill(1j, "complex128")
    (0, 7.0, [0.0, 1.0])
    """
    if isinstance(value, complex):
        return [spell_fill(value.real, _part(dtype)), spell_fill(value.imag, _part(dtype))]
    if kind_of(dtype) != "float":
        return int(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return float(value)


MOST_PACKED = 7
"""The largest absolute remainder that fits half a byte."""


def remainder_dtype(largest_count: int) -> str:
    """Return the data type of remainders, by the most voxels of level 0 that a voxel stands for.

    >>> [remainder_dtype(count) for count in (1, 255, 256, 2**16, 2**32)]
    ['int8', 'int8', 'int16', 'int32', 'int64']
    """
    for bits in (8, 16, 32):
        if largest_count // 2 < 1 << (bits - 1):
            return f"int{bits}"
    return "int64"
