"""What a run says last: why jobs failed, what is complete, and how to go on or to look at it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from zarrpyramid.downsample import failures, logs_since, outdate_report
from zarrpyramid.errors import PyramidError
from zarrpyramid.stores import write_aside

from .summary import (
    is_built,
    is_done,
    levels_done,
    near,
    reported_fault,
    success_lines,
    write_overview,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from zarrpyramid.downsample import Failure, Start
    from zarrpyramid.plan import Run

_MOST_SHOWN = 3
_MOST_LINES = 6


def close_run(start: Start, results: Path, logs: Path) -> None:
    """Write the table of all images, and say how the run ended.

    One that ended before its first job says so itself, unless all was there already.

    Parameters
    ----------
    results, logs
        Absolute folders of all images.
    """
    run = start.run
    known = {*run.images, run.title}
    failed = [job for job in failures(logs, since=start.since) if job.image in known]
    ran = [log for log in logs_since(logs, start.since) if log.parent.name in known]
    if start.has_begun or ran:
        batched = run.batches.names
        try:
            write_overview(run.found, run.refused, failed, results, logs, batched=batched)
            if failed and run.batches.sum_up:
                _sum_up(run, failed, results)
        except PyramidError as error:
            print(f"zarrpyramid: error: {error}", file=sys.stderr)
    if ran:
        _write_index(run, failed, results)
    if ran or (start.has_begun and start.has_succeeded):
        for line in _lines(start, failed, results, logs):
            print(line, file=sys.stderr)
    if start.has_begun or ran:
        try:
            _outdate_reports(run, failed, results)
        except OSError as error:
            print(f"zarrpyramid: error: {error}", file=sys.stderr)


def _outdate_reports(run: Run, failed: Sequence[Failure], results: Path) -> None:
    """Have reports of earlier runs say of which images this run has left no complete pyramid."""
    reasons = {job.image: job.reason for job in failed if not job.is_interrupt}
    for name, image in run.found.items():
        why = reasons.get(name, "")
        if image and not is_built(image, results):
            why = why or levels_done(image, results)
        if why:
            outdate_report(results / name, why.removesuffix("."))


def _sum_up(run: Run, failed: Sequence[Failure], results: Path) -> None:
    """Sum up the images that are there, whose job waits for all of them in vain."""
    from .images_page import image_rows, report_images, summarize_images

    rows = image_rows(run, results, {job.image: job.reason for job in failed})
    folder = results / run.title
    write_aside(folder / "report.html", report_images(run, rows).encode())
    write_aside(folder / "summary.md", summarize_images(run, rows).encode())


def _write_index(run: Run, failed: Sequence[Failure], results: Path) -> None:
    """Write the page of all images into the folder of results, or what leads to that page."""
    if len(run.images) < 2:
        return
    from .images_page import image_rows, pointer, report_images

    try:
        if run.batches.sum_up:
            text = pointer(run)
        else:
            rows = image_rows(run, results, {job.image: job.reason for job in failed})
            text = report_images(run, rows, above="")
        write_aside(results / "index.html", text.encode())
    except PyramidError as error:
        print(f"zarrpyramid: error: {error}", file=sys.stderr)


def _lines(start: Start, failed: Sequence[Failure], results: Path, logs: Path) -> list[str]:
    """Return a line a cause, then what is complete and how to go on."""
    causes = {(job.image, job.reason): job for job in failed if not job.is_interrupt}
    shown = list(causes.values())[:_MOST_SHOWN]
    lines = [job.line(near(job.log)) for job in shown]
    if len(causes) > len(shown):
        lines.append(f"zarrpyramid: and {len(causes) - len(shown)} more errors")
    if any(job.is_interrupt for job in failed):
        lines.append("zarrpyramid: interrupted")
    run, batched = start.run, start.run.batches.names
    open_ones = [
        name
        for name, image in run.found.items()
        if not image or not is_done(image, results, in_batch=name in batched)
    ]
    incomplete = {
        name: why
        for name, image in run.found.items()
        if image and name not in batched and (why := reported_fault(image, results))
    }
    if not failed and (start.has_succeeded or not open_ones):
        built = [each for each in run.built(results) if each.plan.image.name not in incomplete]
        if built and not start.is_quiet:
            title = run.title if run.batches.sum_up else ""
            lines += success_lines(built, results, logs, title=title)
            lines += _what_is_missing(run)
        lines += _what_is_incomplete(incomplete, results)
    elif open_ones or incomplete:
        n_named = _MOST_LINES - 1 - len(lines)
        left = [*incomplete, *(name for name in open_ones if name not in incomplete)]
        lines += _what_is_open(run, left, incomplete, results, n_named, is_mended=not causes)
    return lines


def _says_incomplete(why: str) -> str:
    return f"its report says Incomplete: {why}"


def _what_is_incomplete(incomplete: Mapping[str, str], results: Path) -> Iterator[str]:
    """Yield why reports say Incomplete, and how to have them made again."""
    if not incomplete:
        return
    shown = list(incomplete)[:_MOST_SHOWN]
    for name in shown:
        yield f"zarrpyramid: {name}: {_says_incomplete(incomplete[name])}"
    if n_more := len(incomplete) - len(shown):
        yield f"zarrpyramid: and {n_more} more reports that say Incomplete"
    what, where = "these reports again; summary", results / "summary.md"
    if len(incomplete) == 1:
        what, where = "that report again; report", results / shown[0] / "report.html"
    yield f"zarrpyramid: mend that, and the same command makes {what}: {near(where)}"


def _what_is_missing(run: Run) -> list[str]:
    """Return a line about images whose level 0 lacks objects, by what the plan has seen of it."""
    lacks = [(name, line) for name, each in run.images.items() if (line := each.missing)]
    if not lacks:
        return []
    (name, line), n_more = lacks[0], len(lacks) - 1
    more = f"; {n_more} more image{'s' * (n_more > 1)} lack{'s' * (n_more == 1)} objects too"
    return [f"zarrpyramid: warning: {name}: {line}{more * (n_more > 0)}"]


def _what_is_open(
    run: Run,
    names: Sequence[str],
    incomplete: Mapping[str, str],
    results: Path,
    n_named: int,
    *,
    is_mended: bool,
) -> Iterator[str]:
    """Yield how far some of the images are that are not complete, and how to go on."""
    for name in names[:n_named]:
        if why := incomplete.get(name):
            yield f"zarrpyramid: {name}: {_says_incomplete(why)}"
        elif image := run.found[name]:
            yield f"zarrpyramid: {name}: {levels_done(image, results)}"
    n_all, n_done = len(run.images), len(run.images) - len(names)
    counted = f"{n_done} of {n_all} images {'is' if n_done == 1 else 'are'} complete; "
    before = "" if is_mended else "fix that, and "
    yield (
        f"zarrpyramid: {counted if n_all > 1 else ''}{before}the same command goes on where this "
        f"run stopped; summary: {near(results / 'summary.md')}"
    )
