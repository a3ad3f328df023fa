"""Elements of a page as text; whatever is no `Markup` is escaped, so that no name becomes markup.

`page_text` puts a page's elements into `templates/page.html`, with its style and its script, the
only one that its policy lets run.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_TEMPLATES = Path(__file__).parent / "templates"
_VOID = frozenset({"img"})
_LINES = frozenset({"div", "figure", "h2", "h3", "li", "p", "section", "table", "tr"})
"""Elements that end a line of the page's text, for whoever reads that."""


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


Child = str | None | list["Child"]
"""What stands in an element: text, elements, nothing, or a list of these."""


def tag(name: str, *children: Child, **attributes: str | float | bool | None) -> Markup:
    """Return an element; an attribute that is None or False is left out.

    >>> tag("a", "1 < 2 & ", tag("b", "so"), href="x.md", class_="soft", aria_label=None)
    '<a href="x.md" class="soft">1 &lt; 2 &amp; <b>so</b></a>'
    """
    given = "".join(
        f" {key.rstrip('_').replace('_', '-')}"
        + ("" if value is True else f'="{escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    end = "" if name in _VOID else f"{join(*children)}</{name}>" + "\n" * (name in _LINES)
    return Markup(f"<{name}{given}>{end}")


def join(*children: Child) -> Markup:
    """Return elements and texts one after the other."""
    return Markup("".join(_texts(children)))


def _texts(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if isinstance(child, list):
            yield from _texts(child)
        elif child is not None:
            yield child if isinstance(child, Markup) else escape(child)


def table(
    label: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    wraps: Sequence[str] = (),
    numbers: Sequence[str] = (),
    is_named: bool = False,
) -> Markup:
    """Return a table, whose first column names the rows, in a box that scrolls where it must.

    Parameters
    ----------
    wraps, numbers
        Columns whose text may wrap, and those that line up at the right. On a narrow screen, the
        cells of a row of a table with text that may wrap stand one below the other, each behind
        the name of its column.
    is_named
        Whether the cells of any row stand so there, the first one behind the name of its column
        too.
    """
    kinds = [
        "wrap" if column in wraps else "number" if column in numbers else None for column in columns
    ]
    head = [
        tag("th", column, scope="col", class_=kind)
        for column, kind in zip(columns, kinds, strict=True)
    ]
    kind_of_table = "stacks" if wraps or is_named else None
    body: list[Child] = [
        tag(
            "tr",
            tag("th", row[0], scope="row", data_column=columns[0] if is_named else None),
            [
                tag("td", cell, class_=kind, data_column=column if kind_of_table else None)
                for cell, column, kind in zip(row[1:], columns[1:], kinds[1:], strict=True)
            ],
        )
        for row in rows
    ]
    made = tag("table", tag("thead", tag("tr", *head)), tag("tbody", *body), class_=kind_of_table)
    return tag("div", made, class_="scroll", role="region", aria_label=label, tabindex=0)


def command_line(text: str) -> Markup:
    """Return a command that can be copied; the script of the page puts a button beside it."""
    return tag("div", tag("pre", tag("code", text)), class_="command")


def verdict(*said: str, is_complete: bool) -> Markup:
    """Return what is to know first, each sentence in a line of the page's text."""
    word, span = tag("b", "Complete" if is_complete else "Incomplete"), tag("span", "\n".join(said))
    return tag("p", word, " ", span, class_="verdict" + " bad" * (not is_complete))


def definitions(figures: Mapping[str, str]) -> Markup:
    """Return figures with their names; an empty one is left out."""
    entries: list[Child] = [
        tag("div", tag("dt", key), tag("dd", value)) for key, value in figures.items() if value
    ]
    return tag("dl", entries, class_="figures")


def sentence(text: str) -> str:
    """Return a phrase as a sentence."""
    return f"{text[:1].upper()}{text[1:]}."


def page_text(title: str, *body: Child) -> str:
    """Return a page that loads nothing from elsewhere, whatever a name in it may say."""
    style, script = (
        (_TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.css", "page.js")
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Template((_TEMPLATES / "page.html").read_text(encoding="utf-8")).substitute(
        title=escape(title), digest=digest, style=style, body=join(*body), script=script
    )
