"""Units as OME-NGFF spells them, for what files of other formats write."""

from __future__ import annotations

from zarrpyramid.metadata import UNITS, meant_unit


def unit_named(text: object) -> str | None:
    """Return the unit that a file's text stands for, or None where it stands for none.

    >>> unit_named("um"), unit_named(b"nm"), unit_named("Micron"), unit_named("pixel")
    ('micrometer', 'nanometer', 'micrometer', None)
    """
    name = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    name = name.strip().rstrip("\0")
    for written in (name, name.lower()):
        unit = written if written in UNITS else meant_unit(written)
        if unit is not None:
            return unit
    return None
