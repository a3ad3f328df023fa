"""Numbers of records, which every JSON reader takes as they are."""

from __future__ import annotations

import math

_LARGEST_EXACT = 2**53
"""Readers that know only doubles lose digits of larger integers."""


def strict_number(value: int | float | None) -> int | float | str | None:
    """Return a number that every JSON reader takes as it is; any other as text.

    >>> strict_number(float("nan")), strict_number(2**60), strict_number(1.5)
    ('NaN', '1152921504606846976', 1.5)
    """
    if isinstance(value, int):
        return value if abs(value) <= _LARGEST_EXACT else str(value)
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def parse_number(value: object) -> int | float | None:
    """Return the number, finite or NaN, that `strict_number` spells; None for anything else.

    >>> parse_number("1152921504606846976"), parse_number(0.5), parse_number("0.5")
    (1152921504606846976, 0.5, None)
    """
    if isinstance(value, str):
        digits = value.removeprefix("-")
        is_integer = digits.isascii() and digits.isdecimal() and len(digits) <= 20
        return math.nan if value == "NaN" else int(value) if is_integer else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None
