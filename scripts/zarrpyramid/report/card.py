"""A pyramid in a few lines, whoever made it: as text, and as HTML for a notebook with a picture."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from zarrpyramid.errors import PyramidError, printable
from zarrpyramid.metadata import CHANNEL, SYMBOLS
from zarrpyramid.plan import shown_sizes, times
from zarrpyramid.tables import aligned_table, as_bytes

from .figures import as_url
from .markup import Child, Markup, tag
from .thumbnail import draw_thumbnail

if TYPE_CHECKING:
    from zarrpyramid.verify import FoundLevel, Pyramid

_COLUMNS = ("level", "shape", "voxel size", "chunks", "size")
# Text and lines take their colours from the page, so that they fit one that is dark. The class
# stands twice to outweigh what notebooks say of tables.
_STYLE = """
.zp.zp { display: flex; flex-wrap: wrap; gap: .8em 1.4em; align-items: flex-start;
  font-size: .93em; line-height: 1.45; }
.zp.zp img { width: auto; height: auto; max-width: 160px; max-height: 160px; margin: 0;
  background: #000; }
.zp.zp > div { flex: 1 1 24em; min-width: 0; overflow-x: auto; }
.zp.zp p { margin: 0 0 .5em; }
.zp.zp code { font-size: .95em; background: none; color: inherit; padding: 0;
  overflow-wrap: anywhere; }
.zp.zp .soft { opacity: .75; }
.zp.zp table { margin: 0; border: 0; border-collapse: collapse; font-size: 1em;
  font-variant-numeric: tabular-nums; }
.zp.zp tr:nth-child(n), .zp.zp tr:nth-child(n):hover { background: none; }
.zp.zp th, .zp.zp td { padding: .2em 1.4em .2em 0; text-align: left; border: 0;
  border-top: 1px solid rgba(128, 128, 128, .35); white-space: nowrap; vertical-align: top;
  max-width: none; color: inherit; background: none; }
.zp.zp thead th { border: 0; font-weight: normal; opacity: .75; }
.zp.zp :is(th, td):last-child { text-align: right; padding-right: 0; }
@media (max-width: 40rem) { .zp.zp :is(th, td) { white-space: normal; padding-right: .8em; } }
"""


def pyramid_text(pyramid: Pyramid) -> str:
    """Return what a pyramid is as lines: where, of what, and a table of its levels."""
    rows = [_row(pyramid, level) for level in pyramid.levels]
    table = [f"  {line}" for line in aligned_table(_COLUMNS, rows)]
    faults = [f"  {fault}" for fault in _faults(pyramid)]
    facts = f"  {', '.join(_facts(pyramid))}"
    lines = [f"Pyramid {pyramid.where}", facts, *table, *faults]
    return "\n".join(map(printable, lines))


def pyramid_card(pyramid: Pyramid) -> str:
    """Return what a pyramid is as HTML, which needs nothing but itself."""
    picture: Child = None
    try:
        drawn = draw_thumbnail(pyramid)  # shown smaller, for sharp screens
        fault = ""
    except PyramidError as error:
        drawn, fault = None, f"no picture: {error}"
    if drawn is not None:
        picture = tag("img", src=as_url(drawn, "png"), alt="middle plane of the image")
    told = filter(None, (*_faults(pyramid), fault))
    said: list[Child] = [tag("p", line, class_="soft") for line in told]
    rows: list[Child] = [
        tag("tr", [tag("td", cell.replace(" x ", " \u00d7 ")) for cell in _row(pyramid, level)])
        for level in pyramid.levels
    ]
    head = tag("tr", [tag("th", column, scope="col") for column in _COLUMNS])
    text = tag(
        "div",
        tag("p", tag("b", "Pyramid"), " ", tag("code", pyramid.where)),
        tag("p", " \u00b7 ".join(_facts(pyramid)), class_="soft"),
        tag("table", tag("thead", head), tag("tbody", rows)),
        said,
    )
    return tag("div", tag("style", Markup(_STYLE)), picture, text, class_="zp")


def _facts(pyramid: Pyramid) -> list[str]:
    """Return of what a pyramid is made, and how."""
    there = [level.metadata for level in pyramid.levels if level.metadata is not None]
    n_levels = len(pyramid.levels)
    names = [str(channel.get("label") or n) for n, channel in enumerate(pyramid.channels)]
    is_named = any(name.lower() not in (f"channel {n}", str(n)) for n, name in enumerate(names))
    method = (pyramid.provenance or {}).get("method")
    facts = [
        f"{n_levels} level{'s' * (n_levels > 1)}",
        there[0].dtype if there else "",
        f"axes {' '.join(axis.name for axis in pyramid.known_axes)}",
        f"channels {' / '.join(names)}" if len(names) > 1 and is_named else "",
        f"OME-NGFF {pyramid.version}" if pyramid.version else "",
        f"zarr v{pyramid.zarr_format}",
        f"{method} by zarrpyramid" if isinstance(method, str) and pyramid.ours else "",
    ]
    return [fact for fact in facts if fact]


def _faults(pyramid: Pyramid) -> list[str]:
    """Return a line for each level that cannot be read."""
    return [f"{level.name} {level.fault}" for level in pyramid.levels if level.fault]


def _row(pyramid: Pyramid, level: FoundLevel) -> tuple[str, ...]:
    if level.metadata is None:
        return (str(level.number), *["-"] * (len(_COLUMNS) - 1))
    array = level.array
    return (
        str(level.number),
        times(array.shape),
        _voxel_size(pyramid, level),
        times(array.chunks),
        as_bytes(math.prod(array.shape) * array.item_size),
    )


def _voxel_size(pyramid: Pyramid, level: FoundLevel) -> str:
    """Return the extents of a level's voxels, a dash where the group does not tell them."""
    scale, _ = pyramid.placement(level)
    if scale is None or len(scale) != len(pyramid.known_axes):
        return "-"
    axes = [
        replace(axis, size=size)
        for axis, size in zip(pyramid.known_axes, scale, strict=True)
        if axis.type != CHANNEL
    ]
    sizes = shown_sizes(axes, (1,) * len(axes))
    return " ".join(SYMBOLS.get(word, word) for word in sizes.split(" "))
