"""What the arguments of Python functions may be; the command line checks its own."""

from __future__ import annotations

import operator
import os
from pathlib import Path
from typing import Any

from zarrpyramid.errors import ArgumentError
from zarrpyramid.metadata import NODE_DOCUMENTS


def whole_number(name: str, value: Any, *, least: int, example: int) -> int:
    """Return an argument that is a whole number, also one of numpy.

    >>> whole_number("side", 64, least=1, example=256)
    64

    Raises
    ------
    ArgumentError
        If it is none, or less than `least`.
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least:
        raise ArgumentError(
            f"{name} is {value!r}, expected a whole number of at least {least}; "
            f"give {name}={example}"
        )
    return number


def group_field(field: Any) -> str:
    """Return the argument that is a path in a store; None is its root."""
    if not isinstance(field, str | None):
        raise ArgumentError(
            f"field is {field!r}, expected the path of a group in the store; give field='raw', or "
            "leave it out for the root"
        )
    return field or ""


def page_path(path: Any) -> Path:
    """Return the argument that is the path of a page, which is no object of a zarr store."""
    if not isinstance(path, str | os.PathLike) or not Path(path).name or Path(path).is_dir():
        raise ArgumentError(
            f"path is {path!r}, expected the path of a file; give path='report.html'"
        )
    target = Path(path)
    for folder in reversed(target.absolute().parents):
        if any((folder / name).exists() for name in NODE_DOCUMENTS):
            raise ArgumentError(
                f"path is {str(path)!r}, which is inside the zarr hierarchy {folder}, where a page "
                f"is no object of the store; give path={str(folder.parent / target.name)!r}"
            )
    return target
