"""Units of length and time as OME-NGFF spells them, and what else people write for them.

Each unit has its size in metres or seconds.
"""

from __future__ import annotations

from functools import lru_cache

_PREFIXES = (
    *("yotta", "zetta", "exa", "peta", "tera", "giga", "mega", "kilo", "hecto", "deca", "", "deci"),
    *("centi", "milli", "micro", "nano", "pico", "femto", "atto", "zepto", "yocto"),
)
_EXPONENTS = (*range(24, 2, -3), 2, 1, 0, -1, -2, *range(-3, -25, -3))
_METRES = {
    "angstrom": 1e-10,
    "foot": 0.3048,
    "inch": 0.0254,
    "mile": 1609.34,
    "parsec": 3.0856775814913673e16,
    "yard": 0.9144,
}
_SECONDS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0}

UNITS = {
    f"{prefix}{unit}": (10.0**exponent, unit[0])
    for prefix, exponent in zip(_PREFIXES, _EXPONENTS, strict=True)
    for unit in ("meter", "second")
}
UNITS |= {unit: (size, "m") for unit, size in _METRES.items()}
UNITS |= {unit: (size, "s") for unit, size in _SECONDS.items()}
"""Size and base (m or s) of each unit, except some calendar ones."""

SYMBOLS = {
    "micrometer": "µm",
    "nanometer": "nm",
    "millimeter": "mm",
    "meter": "m",
    "angstrom": "Å",
    "centimeter": "cm",
    "kilometer": "km",
    "picometer": "pm",
    "second": "s",
    "millisecond": "ms",
    "microsecond": "µs",
    "hour": "h",
    "minute": "min",
}
_OTHERS = {symbol.replace("µ", micro): unit for unit, symbol in SYMBOLS.items() for micro in "uµμ"}
_OTHERS |= {"micron": "micrometer", "microns": "micrometer", "sec": "second"}


@lru_cache(maxsize=256)  # thousands of images have the same few
def meant_unit(unit: str) -> str | None:
    """Return the unit that a misspelled one stands for; None if it is a unit, or like none.

    >>> meant_unit("um"), meant_unit("Micrometres"), meant_unit("nanometer"), meant_unit("kpc")
    ('micrometer', 'micrometer', None, None)
    """
    if unit in UNITS:
        return None
    from difflib import get_close_matches  # 4 ms, which a unit that is spelled right saves

    near = get_close_matches(unit.lower(), UNITS, n=1, cutoff=0.85)
    return _OTHERS.get(unit, near[0] if near else None)
