"""Entries of OME-NGFF's documents: what stands under a key, and whether it has to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .findings import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from zarrpyramid.metadata import Document


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """What a value has to be, for people and as a test."""

    name: str
    fits: Callable[[Any], bool]


def is_integer(value: Any) -> bool:
    """Tell whether a value is a whole number; JSON has no other integers."""
    return type(value) is int or (type(value) is float and value.is_integer())


def are_mappings(value: Any) -> bool:
    """Tell whether a value is a list of mappings."""
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _is_byte(value: Any) -> bool:
    return is_integer(value) and 0 <= value <= 255


def _matches(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and bool(re.fullmatch(pattern, value))


TEXT = Form(name="a text", fits=lambda value: isinstance(value, str))
TRUTH = Form(name="true or false", fits=lambda value: isinstance(value, bool))
NUMBER = Form(name="a number", fits=lambda value: type(value) in (int, float))
INTEGER = Form(name="an integer", fits=is_integer)
INDEX = Form(name="an integer from 0", fits=lambda value: is_integer(value) and value >= 0)
COUNT = Form(name="a positive integer", fits=lambda value: is_integer(value) and value > 0)
COLOR = Form(name="six hexadecimal digits", fits=_matches("[0-9A-Fa-f]{6}"))
RGBA = Form(
    name="four integers from 0 to 255",
    fits=lambda value: isinstance(value, list) and len(value) == 4 and all(map(_is_byte, value)),
)
ALPHANUMERIC = Form(name="only letters and digits", fits=_matches("[A-Za-z0-9]+"))
NODE_NAME = Form(
    name="letters, digits and _ . -, not periods alone, and not __ first",
    fits=_matches(r"(?!\.+$)(?!__)[A-Za-z0-9_.-]+"),
)
MAPPING = Form(name="a mapping", fits=lambda value: isinstance(value, dict))
MAPPINGS = Form(name="a list of mappings", fits=are_mappings)
FILLED = Form(
    name="a list of at least one mapping", fits=lambda value: are_mappings(value) and bool(value)
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One key of a mapping.

    Attributes
    ----------
    rule
        The sentence of the specification that asks for it.
    needed
        Severity of its absence; None where it may be absent.
    """

    key: str
    form: Form
    rule: str
    needed: str | None = None


def check_entries(holder: Document, where: str, entries: Iterable[Entry]) -> Iterator[Finding]:
    """Yield which entries of a mapping, which messages call `where`, are absent or of no such form.

    Parameters
    ----------
    holder
        The mapping.
    """
    for entry in entries:
        if entry.key not in holder:
            if entry.needed:
                what = f"{where} has no {entry.key}"
                yield Finding(what=what, grade=entry.needed, rule=entry.rule)
        elif not entry.form.fits(holder[entry.key]):
            yield Finding(
                what=f"{entry.key} of {where}",
                expected=entry.form.name,
                found=repr(holder[entry.key])[:80],
                rule=entry.rule,
            )


def each(holder: Document, key: str, where: str) -> list[tuple[str, Document]]:
    """Return the mappings that a list under a key holds, each with its name for messages."""
    found = holder.get(key)
    listed = found if isinstance(found, list) else []
    return [
        (f"{where}.{key}[{number}]", item)
        for number, item in enumerate(listed)
        if isinstance(item, dict)
    ]


def check_unique(holder: Document, key: str, name: str, where: str, rule: str) -> Iterator[Finding]:
    """Yield where mappings of a list under a key share what they have under `name`."""
    known: set[str] = set()
    for _, item in each(holder, key, where):
        value = repr(item[name]) if name in item else None
        if value in known:
            what = f"several {key} of {where} have one {name}"
            yield Finding(what=what, found=str(value)[:80], rule=rule)
            return
        known |= {value} if value else set()
