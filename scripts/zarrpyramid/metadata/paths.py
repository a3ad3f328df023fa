"""Keys in a store, and the paths of an image's levels, which follow from that of level 0."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


ABOVE = "../"
"""What the path of a level 0 begins with that stands beside its group."""


def join(*parts: str) -> str:
    """Join parts of a key; a part may be empty.

    >>> join("", "raw", "0")
    'raw/0'
    """
    return "/".join(part for part in parts if part)


def reach(group: str, path: str) -> str:
    """Return the key of a node at a path in a group, or beside the group where it says ``../``.

    >>> reach("raw/max", "1"), reach("raw/max", "../0")
    ('raw/max/1', 'raw/0')
    """
    if path.startswith(ABOVE):
        return join(group.rpartition("/")[0], path[len(ABOVE) :])
    return join(group, path)


def groups_above(path: str) -> list[str]:
    """Return the paths of the groups above a node, from the top of the store on.

    >>> groups_above("scans/raw/0")
    ['', 'scans', 'scans/raw']
    """
    steps = path.split("/") if path else []
    return ["/".join(steps[:depth]) for depth in range(len(steps))]


def is_inside(path: str) -> bool:
    r"""Tell whether a path from a document stays inside its group, on any operating system.

    >>> is_inside("scale0/image"), is_inside("../0"), is_inside("/0"), is_inside("0\\0")
    (True, False, False, False)
    """
    has_bytes = "\0" not in path and not re.search("[\ud800-\udfff]", path)
    return has_bytes and "\\" not in path and {"", ".", ".."}.isdisjoint(path.split("/"))


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelPaths:
    """The paths of all levels, which follow from that of level 0 and from nothing else.

    1. The last number of the path that is 0 counts the levels, else the last that is 1, else a last
       name that is a number, in as many digits: ``s0`` is followed by ``s1``, ``scale0/image`` by
       ``scale1/image``, ``c1/00`` by ``c1/01``, ``level1`` by ``level2``, ``7`` by ``8``.
    2. Where there is none, as in ``full`` and ``raw488``, levels are numbers beside level 0: ``1``,
       ``2``, ...
    3. Where level 0 stands beside the group, they are numbers in the group.

    >>> paths = LevelPaths(base="scale0/image")
    >>> paths.path(2), paths.level("scale2/image"), paths.level("scale2/labels")
    ('scale2/image', 2, None)
    """

    base: str = "0"

    def path(self, level: int) -> str:
        """Return the path of a level."""
        if level == 0:
            return self.base
        before, number, after = self._parts
        return f"{before}{str(int(number or 0) + level).zfill(len(number))}{after}"

    def level(self, path: str) -> int | None:
        """Return the level that has a path, or None where none has it."""
        if path == self.base:
            return 0
        before, number, after = self._parts
        found = re.fullmatch(rf"{re.escape(before)}(\d+){re.escape(after)}", path, re.ASCII)
        level = int(found[1]) - int(number or 0) if found else 0
        return level if level > 0 and self.path(level) == path else None

    @property
    def folder(self) -> str:
        """The path below which names differ from level to level; "" is the group itself."""
        return self._parts[0].rpartition("/")[0]

    def levels(self, names: Iterable[str]) -> list[int]:
        """Return the levels beside level 0 whose paths begin with a name in `folder`, in order."""
        folder, tail = self.folder, self._parts[2].partition("/")[2]
        paths = ["/".join(part for part in (folder, name, tail) if part) for name in names]
        return sorted(level for level in map(self.level, paths) if level)

    @property
    def _parts(self) -> tuple[str, str, str]:
        """The text before the number that counts the levels, the number, and the text after it."""
        return _parts_of(self.base)


@lru_cache(maxsize=64)
def _parts_of(base: str) -> tuple[str, str, str]:
    if base.startswith(ABOVE):
        return "", "", ""
    numbers = list(re.finditer(r"[0-9]+", base))
    for first in (0, 1):
        for number in reversed(numbers):
            if int(number[0]) == first:
                return base[: number.start()], number[0], base[number.end() :]
    folder, slash, name = base.rpartition("/")
    is_number = name.isascii() and name.isdecimal()
    return f"{folder}{slash}", name if is_number else "", ""
