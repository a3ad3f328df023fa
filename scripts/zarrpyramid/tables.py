"""Text for people: tables in Markdown, columns that line up on a terminal, amounts of bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def markdown_table(columns: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    r"""Return a table in Markdown, which ends with a line break.

    >>> print(markdown_table(("level", "shape"), [(0, "9 x 5"), (1, "a | b")]), end="")
    | level | shape |
    | --- | --- |
    | 0 | 9 x 5 |
    | 1 | a \| b |
    """
    lines = (columns, ("---",) * len(columns), *rows)
    texts = ((str(cell).replace("|", "\\|") for cell in line) for line in lines)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in texts)


def aligned_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table whose columns line up, the head first.

    >>> aligned_table(("level", "shape"), [("0", "9 x 5"), ("1", "5 x 3")])
    ['level  shape', '0      9 x 5', '1      5 x 3']
    """
    lines = [columns, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def as_bytes(size: int) -> str:
    """Return bytes for people.

    >>> as_bytes(999), as_bytes(25_113_866), as_bytes(999_999)
    ('999 B', '25.1 MB', '1 MB')
    """
    value, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB", "PB"):
        if value < 999.5:  # which are shown as 1e+03
            break
        value, unit = value / 1000, larger
    return f"{value:.3g} {unit}"
