"""A table of images, one a row, as it is usual beside a Snakefile."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import ConfigError, suggestion

from .declare import Settings
from .names import checked_name, short_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .declare import Setting

_NAME = "sample"
_MISSING = ("", "NA", "NaN", "nan")
"""What a cell without a value holds, as pandas writes it."""


def read_samples(path: Path, settings: Mapping[str, Setting]) -> dict[str, dict[str, Any]]:
    """Return the settings of the images of a table, by name, in the order of its rows.

    Parameters
    ----------
    settings
        Of an image, by name: what columns may be.

    Raises
    ------
    ConfigError
        If the table cannot be read, has an unknown column, or a row that is no image.
    """
    header, *rows = _read_rows(path)
    columns = [name.strip() for name in header]
    for name in columns:
        if name not in (_NAME, *settings):
            hint = suggestion(name, [_NAME, *settings])
            raise ConfigError(f"{path}: unknown column {name!r}{hint}")
        if columns.count(name) > 1:
            raise ConfigError(f"{path}: column {name!r} appears twice; keep one of them")
    form, found, lines = Settings(settings), dict[str, dict[str, Any]](), dict[str, int]()
    for number, row in enumerate(rows, start=2):
        where = f"{path}, row {number}"
        if len(row) > len(columns):
            raise ConfigError(f"{where}: {len(row)} cells, expected at most {len(columns)}")
        cells = dict(zip(columns, (cell.strip() for cell in row), strict=False))
        given = {key: cell for key, cell in cells.items() if cell not in _MISSING}
        name = given.pop(_NAME, "")
        where += f" ({name})" if name else ""
        if "store" not in given:
            raise ConfigError(f"{where}: store is missing; give the path of the image's zarr store")
        own = form.fit(given, where, "the settings of an image")
        name = name or short_name(own["store"], own.get("field", ""))
        if name in found:
            raise ConfigError(
                f"{path}: rows {lines[name]} and {number} are both called {name}; give each its "
                f"own name in the column {_NAME}"
            )
        found[checked_name(name)], lines[name] = own, number
    if not found:
        raise ConfigError(f"{path}: it lists no image; add one row per image")
    return found


def _read_rows(path: Path) -> list[list[str]]:
    """Return the rows of a table that say something, the header first."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise ConfigError(f"samples: {path} cannot be read as a table: {error}") from error
    comma = path.suffix.lower() == ".csv"
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    try:
        rows = list(csv.reader(lines, delimiter="," if comma else "\t", strict=True))
    except csv.Error as error:
        raise ConfigError(f"samples: {path} cannot be read as a table: {error}") from error
    found = [row for row in rows if any(cell.strip() for cell in row)]
    if not found:
        raise ConfigError(f"{path}: is empty; expected a header with {_NAME} and store")
    if len(found[0]) == 1 and ("," in found[0][0] or ";" in found[0][0]) and not comma:
        raise ConfigError(f"{path}: columns are not separated by tabs; use tabs, or name it .csv")
    return found
