"""Tables of text: in Markdown, and in columns that line up on a terminal."""

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
