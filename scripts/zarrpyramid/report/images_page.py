"""What was built of many images, as one table and one page, in place of a report for each.

They come from the sentinels of the run; voxels are read of coarsest levels alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zarrpyramid.geometry import count
from zarrpyramid.metadata import read_sentinel
from zarrpyramid.plan import Level, times
from zarrpyramid.programs import command, view_command
from zarrpyramid.reduce import METHODS
from zarrpyramid.stores import as_arguments
from zarrpyramid.tables import as_bytes, markdown_table

from .contact_sheet import Contact
from .facts import number
from .markup import (
    Child,
    Markup,
    command_line,
    definitions,
    page_text,
    table,
    tag,
    verdict,
)
from .page import LARGEST
from .summary import n_done_text, reported_fault, sizes_to_give

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zarrpyramid.metadata import Record
    from zarrpyramid.plan import Image, Run

    from .contact_sheet import Sheet, Strip

_COLUMNS = ("image", "state", "shape", "levels", "voxels", "bytes", "mean", "method")
_INCOMPLETE = "incomplete: "
_SIDES = (96, 64, 48, 32, 24, 16)
"""Pixels of a picture: the first whose page is small enough."""

_MOST_ROWS = 6000
"""Rows of the table in the page; the one in Markdown has all."""


def image_rows(
    run: Run, results: Path, failed: Mapping[str, str] | None = None
) -> list[Sequence[str]]:
    """Return a row of the table for each image of a run.

    Parameters
    ----------
    results
        Folder of all images' results.
    failed
        Why images failed that are not refused, by name.
    """
    return [_row(run, name, results, failed or {}) for name in run.images]


def summarize_images(run: Run, rows: Sequence[Sequence[str]]) -> str:
    """Return a table of all images of a run, by its rows."""
    n_done = sum(row[1] == "done" for row in rows)
    head = f"# {run.title}\n\n{n_done_text(n_done, len(rows))}.\n\n"
    return head + markdown_table(_COLUMNS, rows)


def report_images(run: Run, rows: Sequence[Sequence[str]], above: str = "../") -> str:
    """Return a page of all images of a run, at most `LARGEST` bytes of HTML, by their rows.

    Parameters
    ----------
    above
        The way from the page to the folder of results, where images have reports of their own.
    """
    done = {row[0] for row in rows if row[1] == "done"}
    images = {name: run.images[name].image for name in run.images if name in done}
    reported = {row[0] for row in rows if row[1].startswith(("done", _INCOMPLETE))}
    links = {name: f"{above}{name}/report.html" for name in reported - run.batches.names}
    contact = Contact(images)
    header, opening = _header(run, images, len(rows)), _opening(images)
    for side in _SIDES:
        sheets = _sheets(contact, contact.sheets(side), links)
        text = _page(run, header, sheets, opening, rows[:_MOST_ROWS], len(rows), links)
        if len(text.encode()) <= LARGEST:
            return text
    return _page(run, header, [], opening, [], len(rows), links)


def pointer(run: Run) -> str:
    """Return a page in the folder of results that leads to the page of all images."""
    place = f"{run.title}/report.html"
    return page_text(run.title, tag("main", tag("h1", tag("a", run.title, href=place))))


def _page(
    run: Run,
    header: Markup,
    sheets: list[Child],
    opening: list[Child],
    rows: Sequence[Sequence[str]],
    n_rows: int,
    links: Mapping[str, str],
) -> str:
    left = f"{n_rows - len(rows)} more images are in summary.md." if rows else ""
    cells = [
        [_name(row[0], links), row[1], row[2].replace(" x ", " \u00d7 "), *row[3:]] for row in rows
    ]
    main = tag(
        "main",
        sheets,
        tag("h2", "All images"),
        tag("p", left or "The table is in summary.md.") if n_rows > len(rows) else None,
        table("All images", _COLUMNS, cells, wraps=("state",), numbers=_COLUMNS[3:7])
        if rows
        else None,
        opening,
    )
    return page_text(f"{run.title}: pyramids", header, main)


def _opening(images: Mapping[str, Image]) -> list[Child]:
    """Return the commands that show and prove the first of the images that are done."""
    image = next((image for image in images.values() if image.plan.lists_levels), None)
    if image is None:
        return []
    options = as_arguments(image.store.options)
    where = image.plan.where
    calls = [command("zarrpyramid", word, where) + options for word in ("status", "verify")]
    if not image.store.is_remote:
        calls.insert(0, view_command(where) or command("zarrpyramid", "view", where))
    said = f"{image.plan.image.name}, as any other by its path: look at it, and prove its levels."
    return [tag("h2", "Open one"), tag("p", said, class_="soft"), *map(command_line, calls)]


def _header(run: Run, images: dict[str, Image], n_all: int) -> Markup:
    said = (
        f"{n_done_text(len(images), n_all)}. Each level is made from the one before, whose voxels "
        "were checked on the way."
    )
    where = run.config.get("container") or run.config.get("samples") or ""
    return tag(
        "header",
        tag("h1", run.title),
        tag("p", tag("code", str(where)), class_="soft") if where else None,
        verdict(said, is_complete=len(images) == n_all),
        [tag("p", f"{line}.") for line in sizes_to_give(list(images.values()))],
        definitions(_figures(images, n_all)),
    )


def _sheets(contact: Contact, sheets: Sequence[Sheet], links: Mapping[str, str]) -> list[Child]:
    """Return the small pictures, below their headings."""
    if not sheets:
        return []
    said = "The middle plane of the coarsest level"
    said += " of the first field of each well" if contact.is_plate else ""
    said += ", thinned to fit"
    said += ", all in one window of values." if contact.is_plate else ", in its channels' colours."
    said += f" {contact.n_left_out} more images are not shown." if contact.n_left_out else ""
    made: list[Child] = [
        tag("h2", "Plate" if contact.is_plate else "Images"),
        tag("p", said, class_="soft"),
    ]
    for sheet in sheets:
        title = sheet.title.capitalize()
        drawn = _plate(sheet) if sheet.columns else _gallery(sheet, links)
        label = title or "Pictures"
        made += [
            tag("h3", title) if title else None,
            tag("div", drawn, class_="sheet", role="region", aria_label=label, tabindex=0),
        ]
    return made


def _plate(sheet: Sheet) -> Markup:
    tracks = f"grid-template-columns: repeat({len(sheet.columns)}, 1fr)"
    heads = tag("div", *(tag("span", name) for name in sheet.columns), class_="heads", style=tracks)
    rows: list[Child] = [
        tag("tr", tag("th", strip.heading, scope="row"), tag("td", _picture(strip)))
        for strip in sheet.strips
    ]
    width = f"max-width: {max(2 * sheet.side, 96) * len(sheet.columns)}px"
    return tag("table", tag("tr", tag("td"), tag("td", heads)), rows, style=width)


def _gallery(sheet: Sheet, links: Mapping[str, str]) -> Markup:
    figures: list[Child] = [
        tag(
            "figure",
            _picture(strip),
            tag("figcaption", _name(strip.heading, links)),
            style=f"width: {sheet.side}px",
        )
        for strip in sheet.strips
    ]
    return tag("div", figures, class_="gallery")


def _picture(strip: Strip) -> Markup:
    return tag("img", src=strip.source, alt=strip.alt)


def _name(name: str, links: Mapping[str, str]) -> str:
    """Return the name of an image, which leads to its report where it has one."""
    return (tag("a", name, href=links[name])) if name in links else name


def _figures(images: dict[str, Image], n_all: int) -> dict[str, str]:
    plans = [image.plan for image in images.values()]
    voxels = sum(count(plan.levels[0].shape) for plan in plans)
    raw = sum(level.raw_bytes for plan in plans for level in plan.levels[1:])
    return {
        "images": f"{len(images)} of {n_all}",
        "levels made": str(sum(len(plan.levels) - 1 for plan in plans)),
        "voxels of level 0": f"{voxels:,}",
        "data type": ", ".join(sorted({plan.base.dtype for plan in plans})) or "-",
        "added by levels, raw": as_bytes(raw),
    }


def _row(run: Run, name: str, results: Path, failed: Mapping[str, str]) -> Sequence[str]:
    """Return the row of an image: done, failed and why, incomplete and why, or absent."""
    run_image = run.images[name]
    if reason := run_image.refusal or failed.get(name):
        return (name, f"failed: {reason}", *("-" * (len(_COLUMNS) - 2)))
    image = run_image.image
    folder = results / name
    levels = image.plan.levels
    records = [read_sentinel(folder / "levels" / f"{level.level}.json") for level in levels]
    there = [record for record in records if record is not None]
    is_done = len(there) == len(levels) and (folder / "multiscales.json").exists()
    wrong = "" if name in run.batches.names else reported_fault(image, results)
    state = f"{_INCOMPLETE}{wrong}" if wrong else "done" if is_done else "absent"
    return (
        name,
        state,
        times(levels[0].shape),
        str(len(levels)),
        f"{count(levels[0].shape):,}",
        _with_separators(_stored_bytes(image, there) if state == "done" else None),
        "-" if METHODS[image.plan.image.method].for_labels else number(_mean(there)),
        image.plan.image.method if len(levels) > 1 else "-",
    )


def _with_separators(n: int | None) -> str:
    return "-" if n is None else f"{n:,}"


def _stored_bytes(image: Image, records: Sequence[Record]) -> int | None:
    """Return the bytes of all levels, level 0 as it was sealed."""
    sealed = records[0].get("stored_bytes")
    if sealed is None:
        return None
    made = (Level(image, record["level"]).objects() for record in records[1:])
    return int(sealed) + sum(size for objects in made for _, size, _ in objects)


def _mean(records: Sequence[Record]) -> float | None:
    """Return the mean of level 0, which level 1's job has gathered."""
    mean = records[1].get("source", {}).get("mean") if len(records) > 1 else None
    return float(f"{mean:.6g}") if isinstance(mean, float | int) else None
