"""Errors that a user can act on; every other exception is a bug.

Each is also the builtin that describes it, so that code which does not know this package catches it
as well. A message is one line: which image, level or key; what was expected; what was found; and
the way out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


_LONGEST = 4000
"""Characters of a message; the way out is at its end."""


class PyramidError(Exception):
    r"""Base of all errors that a user can act on; its text is one line, whatever it quotes.

    >>> print(PyramidError("no array a\n  \x1b[2Jb"))
    no array a \x1b[2Jb
    """

    def __str__(self) -> str:
        """Return the message as one line, whatever a document or a path put into it."""
        lines = super().__str__().splitlines()
        text = printable(" ".join(line.strip() for line in lines))
        if len(text) <= _LONGEST:
            return text
        return f"{text[: _LONGEST // 2]} [...] {text[-_LONGEST // 2 :]}"


class ConfigError(PyramidError, ValueError):
    """A setting has a value that cannot be used."""


class GeometryError(PyramidError, ValueError):
    """Shapes, chunks and factors do not fit together."""


class NoLevelError(GeometryError, IndexError):
    """A pyramid has no level of the number that is asked for."""


class MetadataError(PyramidError, ValueError):
    """A zarr metadata document is damaged, or describes an array that is not served."""


class StoreError(PyramidError, OSError):
    """A store, group or array is absent, foreign or cannot be read or written."""


class AccessError(StoreError, PermissionError):
    """The system refuses to have a file read or written: it is there, and nothing is said of it."""


class VoxelError(PyramidError, RuntimeError):
    """Voxels contradict what was recorded or computed of them."""


class ArgumentError(PyramidError, TypeError):
    """An argument of a Python function is of a kind that it does not take."""


class WorkerError(PyramidError, RuntimeError):
    """A worker process has ended unexpectedly."""


def printable(line: str) -> str:
    r"""Return a line with its control characters escaped, which could steer a terminal.

    >>> print(printable("a\x1b[2J\nb"))
    a\x1b[2J\nb
    """
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def missing_message(what: str) -> str:
    """Return the message about an object of level 0 that is missing where all must be there."""
    return (
        f"{what} is missing, but missing_chunks: error requires every object of level 0; "
        "restore it from a copy, or set missing_chunks: fill to have it read as fill value"
    )


def suggestion(word: str, known: Sequence[str]) -> str:
    """Return the end of a message about an unknown word: the nearest known one, or all of them.

    >>> suggestion("Metod", ["method", "levels"])
    "; did you mean 'method'?"
    """
    return nearest(word, known) or (f"; known are {', '.join(sorted(known))}" if known else "")


def nearest(word: str, known: Collection[str]) -> str:
    """Return the nearest known word as the end of a message, or nothing where none is near.

    A word is near where at most a third of the letters of the shorter one differ. An ending that
    both have, such as `.zarr`, counts for nothing. A mapping of words gives what they mean.

    >>> nearest("averge", {"mean": "mean", "average": "mean"})
    "; did you mean 'mean'?"
    """
    found = min(known, key=lambda item: _edits(word, item), default="")
    ending = PurePath(word).suffix
    n_alike = len(ending) if found.endswith(ending) else 0
    is_near = found and _edits(word, found) <= (min(len(word), len(found)) - n_alike) // 3
    meant = known[found] if isinstance(known, Mapping) and is_near else found
    return f"; did you mean {meant!r}?" if is_near else ""


def _edits(word: str, other: str) -> int:
    """Return how many letters lie between two words, which may differ in their case.

    A letter is left out, added, replaced, or changes places with the next one.

    >>> _edits("Metod", "method"), _edits("mena", "mean"), _edits("source", "store")
    (1, 1, 3)
    """
    word, other = word.lower(), other.lower()
    rows = [list(range(len(other) + 1))]
    for n, letter in enumerate(word, start=1):
        row = [n]
        for m, known in enumerate(other, start=1):
            row.append(min(rows[-1][m] + 1, row[-1] + 1, rows[-1][m - 1] + (letter != known)))
            if n > 1 and m > 1 and (letter, word[n - 2]) == (other[m - 2], known):
                row[-1] = min(row[-1], rows[-2][m - 2] + 1)
        rows.append(row)
    return rows[-1][-1]
