"""What a finished pyramid looks like, as one page that needs nothing but a browser.

Pictures and histograms come from few chunks, all else from records, timings and documents.
"""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zarrpyramid.errors import PyramidError
from zarrpyramid.metadata import SPACE
from zarrpyramid.plan import missing_line
from zarrpyramid.tables import as_bytes
from zarrpyramid.verify import NOTE, read_pyramid

from .charts import histogram_chart
from .facts import holds_labels
from .faults import compared_levels, find_faults
from .frames import crosses, voxel_text
from .level_tables import levels_section, times_section
from .making import labels_section, making_section
from .markup import Child, Markup, definitions, page_text, sentence, tag, verdict
from .pictures import pictures_section
from .slices import read_previews
from .summary import level_names, size_to_give
from .viewer_rules import lint
from .ways_to_open import opening_section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.metadata import Record
    from zarrpyramid.plan import Image
    from zarrpyramid.verify import Finding, Pyramid

    from .facts import LevelFacts
    from .slices import Edges, Preview

logger = logging.getLogger(__name__)

LARGEST = 2_000_000
"""Bytes of a report, at most."""

_SIDES = (512, 384, 288, 176, 96, 48)
"""Pixels along the longer edge of a picture: the first whose report is small enough."""


_HEADING = re.compile(r'<h2 id="(\w+)">(.*?)</h2>')


def report_pyramid(
    image: Image,
    records: Sequence[Record],
    facts: Sequence[LevelFacts],
    *,
    n_workers: int = 1,
) -> str:
    """Return the report of a pyramid, an HTML page of at most `LARGEST` bytes.

    Parameters
    ----------
    records, facts
        Of all levels, level 0 first.
    """
    pyramid = read_pyramid(image.store, image.path)
    is_labels = holds_labels(pyramid, image.plan.image.method) or bool(image.plan.image.labels)
    previews, edges = read_previews(image, records, histograms=not is_labels, n_workers=n_workers)
    try:
        findings = lint(pyramid)
    except PyramidError:  # which the verdict says
        findings = []
    for finding in findings:
        logger.info("%s", finding.line)
    rest = [
        *levels_section(image, facts, is_labels=is_labels),
        *_values(previews, edges),
        *labels_section(image),
        *times_section(facts),
        *opening_section(image, findings),
        *making_section(image),
    ]
    shown = [preview for preview in previews if preview.slices]
    absent: list[Child] = [
        tag("p", f"{preview.absent} Level {shown[0].level} is the finest one here.")
        for preview in previews
        if preview.absent and shown
    ]
    header = _header(image, pyramid, facts, previews, findings)
    title = f"{image.plan.image.name}: pyramid"
    if shown:
        has_ids = is_labels and not image.plan.base.dtype.startswith(("float", "complex"))
        for side in _SIDES:
            pictures = pictures_section(image, shown, pyramid, side, is_labels=has_ids)
            text = _page(title, header, [*pictures, *absent, *rest])
            if len(text.encode()) <= LARGEST:
                return text
    return _page(title, header, rest)


def _page(title: str, header: Markup, sections: Sequence[Child]) -> str:
    main = tag("main", list(sections))
    links: list[Child] = [
        tag("a", Markup(name), href=f"#{place}") for place, name in _HEADING.findall(main)
    ]
    return page_text(title, header, tag("nav", links, aria_label="Sections"), main)


def _header(
    image: Image,
    pyramid: Pyramid,
    facts: Sequence[LevelFacts],
    previews: Sequence[Preview],
    findings: Sequence[Finding],
) -> Markup:
    """Return name, verdict and figures."""
    plan = image.plan
    faults, warnings = find_faults(image, pyramid, facts, previews)
    seconds = [level.seconds for level in facts if level.seconds is not None]
    n_files = sum(level.n_objects or 0 for level in facts[1:])
    added = sum(level.stored_bytes or 0 for level in facts[1:])
    size = facts[0].stored_bytes
    unknown = {axis.name for axis in plan.axes if axis.type == SPACE} <= {*plan.unsized}
    figures = {
        "shape": f"{crosses(plan.levels[0].shape)} ({''.join(axis.name for axis in plan.axes)})",
        "voxel size": "" if unknown else voxel_text(image, 0, SPACE),
        "data type": plan.base.dtype,
        "levels": str(len(facts)),
        "method": plan.image.method if len(facts) > 1 else "",
        "weighed by": plan.image.weights or "",
        "level 0": "" if size is None else as_bytes(size),
        "levels add": f"{as_bytes(added)} in {n_files:,} file{'s' * (n_files != 1)}"
        if n_files
        else "",
        "jobs took": f"{sum(seconds):.3g} s" if seconds else "",
    }
    return tag(
        "header",
        tag("h1", plan.image.name),
        tag("p", tag("code", plan.where), class_="soft"),
        verdict(
            *(
                map(sentence, faults)
                if faults
                else [_verdict(image, facts, compared_levels(facts, previews), warnings, findings)]
            ),
            is_complete=not faults,
        ),
        definitions(figures),
        _dated(facts),
    )


def _dated(facts: Sequence[LevelFacts]) -> Markup:
    """Return when the last level was made, by the file of its job's times; else what day it is.

    Files of a store may have been copied since the levels were made.
    """
    ended = [level.ended for level in facts if level.ended is not None]
    what = "Levels made " if ended else "Report written "
    when = datetime.fromtimestamp(max(ended), UTC) if ended else datetime.now(UTC)
    shown = tag("time", f"{when:%Y-%m-%d %H:%M} UTC", datetime=f"{when:%Y-%m-%dT%H:%MZ}")
    return tag("p", what, shown, class_="soft")


def _verdict(
    image: Image,
    facts: Sequence[LevelFacts],
    compared: Sequence[int],
    warnings: Sequence[str],
    findings: Sequence[Finding],
) -> str:
    """Return what is to know first of a pyramid without faults."""
    last = len(facts) - 1
    made = f"levels 1 to {last}" if last > 1 else "level 1"
    said = (
        f"Every stored object of {made} is there, made from the level before, whose voxels "
        "were checked on the way."
        if last
        else "The image is small enough to stand alone: it needs no level beside level 0."
    )
    if last:
        said += _compared(len(facts), compared)
    if missing := missing_line(facts[0].n_objects, facts[0].plan.n_objects):
        said = f"{sentence(missing)} {said}"
    said += "".join(f" {sentence(warning)}" for warning in warnings)
    bad = sum(finding.grade != NOTE for finding in findings)
    if bad:
        said += f" Viewers: {bad} thing{'s' * (bad > 1)} to know before you open it, below."
    if unsized := size_to_give(image):
        said += f" {sentence(unsized)}"
    return said


def _compared(n_levels: int, compared: Sequence[int]) -> str:
    """Return which levels were held against their records, and which were not.

    >>> _compared(3, [0, 1, 2])
    ' The voxels of levels 0 to 2 were read for this report and are those of the records.'
    """
    left = [level for level in range(n_levels) if level not in compared]
    said = ""
    if compared:
        names = level_names(compared)
        said += f" The voxels of {names} were read for this report and are those of the records."
    if left:
        said += (
            f" Not all voxels of {level_names(left)} were read: zarrpyramid verify tells whether "
            "they are still as they were then."
        )
    return said


def _values(previews: Sequence[Preview], edges: Edges) -> list[Child]:
    """Return the histograms, where any level was read whole."""
    counts = {
        preview.level: preview.counts.tolist() for preview in previews if preview.counts is not None
    }
    if not counts:
        return []
    whole = "Shares of all voxels, for the finest level with at most 256³ voxels and those below."
    return [
        tag("h2", "Values", id="values"),
        tag("p", whole, class_="soft"),
        histogram_chart(edges.tolist(), counts),
    ]
