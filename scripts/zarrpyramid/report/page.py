"""HTML of a page that stands alone: escaped text, tables, pictures inside it, one style.

Knows nothing of pyramids. Loads nothing from anywhere: pictures are in the page, fonts are the
reader's.
"""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_STYLE = """
:root { --ink: #1f2733; --soft: #5b6472; --line: #e2e5ea; --page: #f7f8fa; --card: #fff;
  --good: #0f766e; --bad: #b3261e; --warn: #9a6700; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); line-height: 1.5;
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  -webkit-text-size-adjust: 100%; }
main { max-width: 72rem; margin: 0 auto; padding: 2.2rem 1.25rem 4rem; }
header { margin-bottom: 2rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .15rem; letter-spacing: -.015em;
  overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.6rem 0 .3rem; letter-spacing: -.005em; }
h3 { font-size: .95rem; margin: 1.2rem 0 .5rem; color: var(--soft); font-weight: 600; }
p { margin: .3rem 0 .8rem; max-width: 46rem; }
.soft { color: var(--soft); }
code { font: .88em ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  overflow-wrap: anywhere; }
.verdict { display: flex; gap: .7rem; align-items: baseline; margin: 1rem 0 0; padding: .7rem 1rem;
  background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--good);
  border-radius: 6px; max-width: none; }
.verdict b { color: var(--good); white-space: nowrap; }
.verdict.bad { border-left-color: var(--bad); } .verdict.bad b { color: var(--bad); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .75rem;
  margin: 1rem 0 0; padding: 0; }
.figures div { background: var(--card); border: 1px solid var(--line); border-radius: 6px;
  padding: .55rem .9rem; }
.figures dt { color: var(--soft); font-size: .8rem; }
.figures dd { margin: 0; font-size: 1.15rem; font-weight: 600; font-variant-numeric: tabular-nums;
  overflow-wrap: anywhere; }
.cards { display: grid; gap: 1rem; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 20.5rem), 1fr)); }
.card { margin: 0; background: #14171c; color: #d7dbe2; border-radius: 8px; padding: .8rem; }
.card figcaption { display: flex; justify-content: space-between; flex-wrap: wrap; gap: 0 .8rem;
  font-size: .85rem; margin-bottom: .6rem; color: #9aa3b0; font-variant-numeric: tabular-nums; }
.card figcaption b { color: #f2f4f7; }
.views { display: grid; gap: 3px; margin: 0 auto; }
.view { position: relative; min-width: 0; background: #000; }
.view img { display: block; width: 100%; height: 100%; }
.view img.coarse { image-rendering: pixelated; }
.view i { position: absolute; top: .25rem; left: .4rem; font: 600 .72rem ui-monospace, monospace;
  color: #fff; text-shadow: 0 0 3px #000, 0 0 2px #000; }
.bar { position: absolute; left: .5rem; bottom: .5rem; border-bottom: 3px solid #fff; color: #fff;
  font-size: .75rem; line-height: 1.5; white-space: nowrap; min-width: 2px;
  text-shadow: 0 0 3px #000, 0 0 2px #000; filter: drop-shadow(0 0 1px #000); }
.chart { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .7rem;
  margin: .4rem 0 0; overflow-x: auto; }
.chart img { display: block; width: 100%; min-width: 34rem; height: auto; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; }
table { border-collapse: collapse; width: 100%; font-size: .86rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: .45rem .75rem; text-align: left; white-space: nowrap;
  border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; color: var(--soft); font-size: .78rem; }
tr:last-child td { border-bottom: 0; }
td.wrap { white-space: normal; min-width: 15rem; overflow-wrap: anywhere; }
.findings { list-style: none; margin: .6rem 0 0; padding: 0; }
.findings li { background: var(--card); border: 1px solid var(--line); border-radius: 6px;
  padding: .6rem .9rem; margin-bottom: .5rem; overflow-wrap: anywhere; }
.tag { display: inline-block; font-size: .74rem; font-weight: 600; border-radius: 4px;
  padding: 0 .4rem; margin-right: .3rem; color: var(--soft); border: 1px solid var(--line); }
.tag.defect { color: #fff; background: var(--bad); border-color: var(--bad); }
.tag.warning { color: #fff; background: var(--warn); border-color: var(--warn); }
details { margin-top: 1rem; } summary { cursor: pointer; color: var(--soft); }
details .scroll { margin-top: .6rem; }
a { color: #0b5fae; }
@media (max-width: 40rem) { main { padding: 1.2rem .85rem 3rem; } h1 { font-size: 1.5rem; }
  .verdict { flex-direction: column; gap: .1rem; } .figures { grid-template-columns: 1fr 1fr; } }
@media print { body { background: #fff; } .card { break-inside: avoid; } }
"""


def page(title: str, body: Iterable[str]) -> str:
    """Return a whole document; `title` is text, `body` are pieces of HTML."""
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en">',
            '<head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            # Nothing outside the page is loaded, whatever a name in it may say.
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
            "img-src data:; style-src 'unsafe-inline'\">",
            f"<title>{escape(title)}</title>",
            f"<style>{_STYLE}</style></head>",
            "<body><main>",
            *body,
            "</main></body></html>\n",
        )
    )


def element(name: str, text: str, **attributes: str) -> str:
    """Return an element that holds text; an attribute `class_` is its class."""
    return f"{_tag(name, attributes)}{escape(text)}</{name}>"


def box(name: str, pieces: Iterable[str], **attributes: str) -> str:
    """Return an element that holds pieces of HTML."""
    return f"{_tag(name, attributes)}{''.join(pieces)}</{name}>"


def picture(data: bytes, kind: str, alt: str, **attributes: str) -> str:
    """Return a picture that is in the page; `kind` is its media type without ``image/``."""
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return _tag("img", {"src": source, "alt": alt, **attributes})


def table(
    label: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, wrap: int | None = None
) -> str:
    """Return a table of text that scrolls sideways where it is too wide; column `wrap` wraps."""
    head = box("tr", (element("th", column, scope="col") for column in columns))
    body = (
        box(
            "tr",
            (
                element("td", cell, **({"class_": "wrap"} if number == wrap else {}))
                for number, cell in enumerate(row)
            ),
        )
        for row in rows
    )
    inner = box("table", (box("thead", (head,)), box("tbody", body)))
    region = {"role": "region", "aria-label": label, "tabindex": "0"}
    return box("div", (inner,), class_="scroll", **region)


def _tag(name: str, attributes: dict[str, str]) -> str:
    given = (f' {key.rstrip("_")}="{escape(value)}"' for key, value in attributes.items())
    return f"<{name}{''.join(given)}>"
