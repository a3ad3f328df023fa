"""Puts files of slices in order by the numbers in their names, and finds those that are missing.

z2 comes before z10. Names with two numbers that count, such as c1_z0001, make two axes.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise, product
from typing import TYPE_CHECKING

from zarrpyramid.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.geometry import Shape

_NUMBER = re.compile(r"(\d+)")
_MEANT = {
    "c": ("c", "ch", "chan", "channel", "w"),
    "t": ("t", "tp", "time", "timepoint"),
    "z": ("z", "slice", "section", "sec", "plane"),
}
"""Words before a number, by the axis that it counts."""
_WORD = re.compile(r"([a-z]+)[ _=\-.]*$")
_MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceNames:
    """Files in their order.

    Attributes
    ----------
    names
        In C order of `shape`.
    shape
        Files along each axis that their names count.
    axes
        Names of these axes: t, c or z, "" for one that no word names.
    """

    names: tuple[str, ...]
    shape: Shape
    axes: tuple[str, ...]


def in_order(names: Sequence[str], where: str) -> SliceNames:
    """Return the names of slices in their order.

    Parameters
    ----------
    where
        What messages call the folder or pattern.

    Raises
    ------
    StoreError
        If a number is missing between others.
    ConfigError
        If names are of several kinds, or count in a way that cannot be told.

    >>> in_order(["z10.tif", "z9.tif"], "a").names
    ('z9.tif', 'z10.tif')
    """
    split = {name: _NUMBER.split(name) for name in names}
    ordered = sorted(names, key=lambda name: _natural(split[name]))
    kinds = Counter(_kind(parts) for parts in split.values())
    usual, n_usual = kinds.most_common(1)[0]
    if len(kinds) > 1:
        if n_usual == 1:  # no two names differ in numbers alone
            return SliceNames(names=tuple(ordered), shape=(len(names),), axes=("",))
        shown = [next(n for n in ordered if _kind(split[n]) == kind) for kind in kinds]
        raise ConfigError(
            f"{where} holds files with {len(kinds)} kinds of names, such as "
            f"{', '.join(shown[:_MOST_NAMED])}; give a pattern that only the slices fit, such as "
            f"'{usual.replace('#', '*')}'"
        )
    # A number's text may differ where its value does not: z1 and z01.
    numbers = [tuple(int(text) for text in split[name][1::2]) for name in ordered]
    counting = [n for n in range(len(numbers[0])) if len({row[n] for row in numbers}) > 1]
    if not counting:
        if len(names) > 1:
            raise ConfigError(
                f"{where} holds {ordered[0]} and {ordered[1]}, which have the same number; take "
                "one of them out, or give a pattern"
            )
        return SliceNames(names=tuple(ordered), shape=(1,), axes=("",))
    columns = [[row[n] for row in numbers] for n in counting]
    if (one := _only_count(columns)) is not None:
        template = split[ordered[0]]
        _check_gaps(columns[one], template, counting[one], where)
        axes = (_axis(template, counting[one]),)
        return SliceNames(names=tuple(ordered), shape=(len(names),), axes=axes)
    return _grid(ordered, numbers, counting, split, where)


def _natural(parts: Sequence[str]) -> list[tuple[str, int, str]]:
    pairs = zip(parts[::2], [*parts[1::2], ""], strict=True)
    return [(text, int(number or 0), number) for text, number in pairs]


def _kind(parts: Sequence[str]) -> str:
    return "#".join(parts[::2])


def _only_count(columns: Sequence[Sequence[int]]) -> int | None:
    """Return the number that alone tells files apart and by which they are in order."""
    for n, column in enumerate(columns):
        if all(a < b for a, b in pairwise(column)):
            return n
    return None


def _axis(template: Sequence[str], number: int) -> str:
    found = _WORD.search(template[2 * number].lower())
    word = found[1] if found else ""
    return next((axis for axis, words in _MEANT.items() if word in words), "")


def _named(template: Sequence[str], values: dict[int, int]) -> str:
    """Return a name with other numbers, as wide as those of another name."""
    parts = list(template)
    for number, value in values.items():
        parts[2 * number + 1] = str(value).zfill(len(template[2 * number + 1]))
    return "".join(parts)


def _check_gaps(column: Sequence[int], template: Sequence[str], number: int, where: str) -> None:
    steps = [b - a for a, b in pairwise(column)]
    step = math.gcd(*steps) if steps else 1
    n_missing = (column[-1] - column[0]) // step + 1 - len(column)
    if not 0 < n_missing <= len(column):  # numbers with more holes than files count nothing
        return
    missing = [value for a, b in pairwise(column) for value in range(a + step, b, step)]
    first, before = missing[0], max(value for value in column if value < missing[0])
    after = min(value for value in column if value > first)
    named = [_named(template, {number: value}) for value in (first, before, after)]
    more = f" ({n_missing} are missing in all)" if n_missing > 1 else ""
    raise StoreError(
        f"{where} has no {named[0]}, expected between {named[1]} and {named[2]}{more}; restore "
        "it, or give links with running numbers if there never was one"
    )


def _grid(
    ordered: Sequence[str],
    numbers: Sequence[tuple[int, ...]],
    counting: Sequence[int],
    split: dict[str, list[str]],
    where: str,
) -> SliceNames:
    """Return files whose names count along several axes."""
    template = split[ordered[0]]
    axes = tuple(_axis(template, n) for n in counting)
    if len({*numbers}) == len(numbers) and ("" in axes or len({*axes}) < len(axes)):
        raise ConfigError(
            f"names in {where} count by {len(counting)} numbers, from {ordered[0]} to "
            f"{ordered[-1]}, and what each of them counts cannot be told; give a pattern that "
            "fits one value of all but one of them, or put t, c or z before each number"
        )
    if len({*numbers}) < len(numbers):
        same = next(n for n, row in enumerate(numbers) if row in numbers[:n])
        first = ordered[numbers.index(numbers[same])]
        raise ConfigError(
            f"{where} holds {first} and {ordered[same]}, which have the same number; take one of "
            "them out, or give a pattern"
        )
    values = [sorted({row[n] for row in numbers}) for n in counting]
    there = {
        tuple(row[n] for n in counting): name for row, name in zip(numbers, ordered, strict=True)
    }
    names = []
    for place in product(*values):
        if place not in there:
            name = _named(template, dict(zip(counting, place, strict=True)))
            raise StoreError(
                f"{where} has no {name}, expected {' x '.join(str(len(v)) for v in values)} files "
                f"along {', '.join(axes)}, {len(there)} are there; restore it, or give a pattern "
                "that leaves its neighbours out"
            )
        names.append(there[place])
    for n, axis_values in zip(counting, values, strict=True):
        _check_gaps(axis_values, template, n, where)
    return SliceNames(names=tuple(names), shape=tuple(map(len, values)), axes=axes)
