"""What was built of many images, as one table and one page, in place of a report for each.

They come from the sentinels of the run; voxels are read of coarsest levels alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zarrpyramid.geometry import count
from zarrpyramid.metadata import read_sentinel
from zarrpyramid.plan import Level, times
from zarrpyramid.tables import markdown_table

from .contact_sheet import Contact
from .facts import number
from .page import LARGEST, as_bytes, page_template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zarrpyramid.metadata import Record
    from zarrpyramid.plan import Image, Run

_COLUMNS = ("image", "state", "shape", "levels", "voxels", "bytes", "mean", "method")
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
    head = f"# {run.title}\n\n{n_done} of {len(rows)} images are done.\n\n"
    return head + markdown_table(_COLUMNS, rows)


def report_images(run: Run, rows: Sequence[Sequence[str]]) -> str:
    """Return a page of all images of a run, at most `LARGEST` bytes of HTML, by their rows."""
    done = {row[0] for row in rows if row[1] == "done"}
    images = {name: run.images[name].image for name in run.images if name in done}
    n_left = max(0, len(rows) - _MOST_ROWS)
    contact = Contact(images)
    content = {
        "name": run.title,
        "where": run.config.get("container") or run.config.get("samples") or "",
        "is_complete": len(done) == len(rows),
        "verdict": f"{len(done)} of {len(rows)} images are done, each made from the level before, "
        "whose voxels were checked on the way.",
        "figures": _figures(images, len(rows)),
        "is_plate": contact.is_plate,
        "n_left_out": contact.n_left_out,
        "columns": _COLUMNS,
        "rows": rows[:_MOST_ROWS],
        "left": f"{n_left} more images stand in summary.md." if n_left else "",
    }
    template = page_template("images.html.jinja")
    for side in _SIDES:
        text = template.render(content, sheets=contact.sheets(side))
        if len(text.encode()) <= LARGEST:
            return text
    content |= {"rows": (), "left": "The table is in summary.md."}
    return template.render(content, sheets=())


def _figures(images: dict[str, Image], n_all: int) -> dict[str, str]:
    plans = [image.plan for image in images.values()]
    voxels = sum(count(plan.levels[0].shape) for plan in plans)
    raw = sum(level.raw_bytes for plan in plans for level in plan.levels[1:])
    return {
        "images": f"{len(images)} of {n_all}",
        "levels made": str(sum(len(plan.levels) - 1 for plan in plans)),
        "voxels of level 0": f"{voxels:,}",
        "voxels": ", ".join(sorted({plan.base.dtype for plan in plans})) or "-",
        "added by levels, raw": as_bytes(raw),
    }


def _row(run: Run, name: str, results: Path, failed: Mapping[str, str]) -> Sequence[str]:
    """Return the row of an image: done, failed and why, or absent."""
    run_image = run.images[name]
    if reason := run_image.refusal or failed.get(name):
        return (name, f"failed: {reason}", *("-" * (len(_COLUMNS) - 2)))
    image = run_image.image
    folder = results / name
    levels = image.plan.levels
    records = [read_sentinel(folder / "levels" / f"{level.level}.json") for level in levels]
    there = [record for record in records if record is not None]
    is_done = len(there) == len(levels) and (folder / "multiscales.json").exists()
    return (
        name,
        "done" if is_done else "absent",
        times(levels[0].shape),
        str(len(levels)),
        str(sum(count(level.shape) for level in levels)),
        number(_stored_bytes(image, there) if is_done else None),
        number(_mean(there)),
        image.plan.image.method if len(levels) > 1 else "-",
    )


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
