"""Tables of what was built, of one image and of all images of a run, and the lines that end a run.

They come from records and timings; no voxel is read.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from zarrpyramid.downsample import failures
from zarrpyramid.geometry import count
from zarrpyramid.plan import (
    DECISION_COLUMNS,
    decision_rows,
    level_timings,
    read_timing,
    times,
)
from zarrpyramid.stores import as_arguments, write_aside
from zarrpyramid.tables import markdown_table

from .facts import number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zarrpyramid.plan import Image

    from .facts import LevelFacts

_COLUMNS = (
    "level", "factors", "shape", "voxel size", "chunks", "objects", "bytes",
    "mean", "min", "max", "jobs", "seconds", "planned", "MB a job", "planned MB", "digest",
)  # fmt: skip
_TOLD = 20
_IMAGE_COLUMNS = ("image", "state", "levels", "shape", "voxels", "seconds", "where, or why not")


def summarize_pyramid(image: Image, facts: Sequence[LevelFacts]) -> str:
    """Return a table of the levels, level 0 first, and a table of what was decided."""
    plan = image.plan
    levels = markdown_table(_COLUMNS, map(_row, facts)) + _missing(facts[0])
    decisions = markdown_table(DECISION_COLUMNS, decision_rows(plan.decisions))
    return f"# {plan.image.name}\n\n`{plan.where}`\n\n{levels}\n{decisions}"


def _missing(base: LevelFacts) -> str:
    """Return a line about the objects that level 0 lacks, where they were counted."""
    n_missing = 0 if base.n_objects is None else base.plan.n_objects - base.n_objects
    if n_missing <= 0:
        return ""
    return (
        f"\n{n_missing} of {base.plan.n_objects} objects of level 0 are not there and were read as "
        "fill value (`missing_chunks: error` refuses that).\n"
    )


def write_overview(
    images: Mapping[str, Image | None],
    refused: Mapping[str, str],
    results: Path,
    logs: Path,
    *,
    since: float,
) -> None:
    """Write a table of all images of a run into the folder of results, whatever became of them.

    Parameters
    ----------
    images
        By name; None where not even a plan could be made.
    refused
        Why images were refused before the run, by name.
    since
        When the run began, in seconds since 1970.
    """
    failed = {**refused, **{job.image: job.reason for job in failures(logs, since=since)}}
    rows = [_image_row(name, image, failed, results, logs) for name, image in images.items()]
    n_done = sum(row[1] == "done" for row in rows)
    table = markdown_table(_IMAGE_COLUMNS, rows)
    text = f"# Images\n\n{n_done} of {len(rows)} are done.\n\n{table}".encode()
    path = results / "summary.md"
    if not path.exists() or path.read_bytes() != text:  # a run that does nothing writes nothing
        write_aside(path, text)


def success_lines(images: Sequence[Image], results: Path, logs: Path) -> list[str]:
    """Return the lines that end a run, one an image: what is there, and how to look at it.

    Parameters
    ----------
    results, logs
        Folders of all images. In the logs the jobs' seconds are. GB/s are of voxels read, by
        the seconds of all jobs of levels, which may have run side by side.
    """
    if len(images) <= _TOLD:
        return [_success_line(image, results, logs / image.plan.image.name) for image in images]
    overview = f"all of them: {results / 'summary.md'}"
    return [f"zarrpyramid: the pyramids of {len(images)} images are complete; {overview}"]


def _success_line(image: Image, results: Path, logs: Path) -> str:
    plan = image.plan
    name, last, where = plan.image.name, len(plan.levels) - 1, shlex.quote(plan.where)
    seconds = n_bytes = 0.0
    for level in plan.levels[1:]:
        # A level that was up to date has read nothing.
        told = [job for job in level_timings(image, level.level, logs) if job.get("voxels")]
        seconds += sum(job["seconds"] for job in told)
        n_bytes += sum(job["voxels"] for job in told) * plan.levels[level.level - 1].item_size
    speed = f", {seconds:.3g} s of jobs, {n_bytes / seconds / 1e9:.2g} GB/s" if n_bytes else ""
    built = f"levels 0 to {last} are complete" if last else "level 0 is small enough to stand alone"
    return (
        f"zarrpyramid: {name}: {built} in {where} ({count(plan.levels[0].shape):,} voxels{speed}); "
        f"{_way_to_look(image)}; report: {results / name}/report.html"
    )


def _way_to_look(image: Image) -> str:
    where = shlex.quote(image.plan.where)
    if image.store.is_remote:
        where += as_arguments(image.store.options)
    elif image.plan.lists_levels:
        return (
            f"look at it: uv run --extra view zarrpyramid view {where}, or napari --plugin "
            f"napari-ome-zarr {where}"
        )
    few = "" if image.plan.lists_levels else "it has too few space axes for OME-Zarr viewers; "
    return f"{few}see its levels: uv run zarrpyramid status {where}"


def _image_row(
    name: str, image: Image | None, failed: Mapping[str, str], results: Path, logs: Path
) -> Sequence[str]:
    """Return the row of an image: done, failed, or absent where the run ended before its turn."""
    folder = results / name
    if image is None:
        return (name, "failed", "-", "-", "-", "-", failed[name])
    plan = image.plan
    there = [(folder / "levels" / f"{level.level}.json").exists() for level in plan.levels]
    made = [
        "multiscales.json",
        "summary.md",
        "report.html",
        *["labels.json"] * plan.image.label_report,
    ]
    done = all(there) and all((folder / file).exists() for file in made)
    state = "failed" if name in failed else "done" if done else "absent"
    seconds = [read_timing(path).get("seconds") for path in (logs / name).glob("*.json")]
    return (
        name,
        state,
        f"{sum(there)} of {len(there)}",
        times(plan.levels[0].shape),
        str(count(plan.levels[0].shape)),
        f"{sum(filter(None, seconds)):.3f}" if any(seconds) else "-",
        failed.get(name, plan.where),
    )


def _row(facts: LevelFacts) -> Sequence[str]:
    plan = facts.plan
    planned, peak, room = facts.planned_seconds, facts.peak_bytes, facts.planned_bytes
    return (
        str(plan.level),
        times(plan.factors) if plan.level else "-",
        times(plan.shape),
        times(facts.voxel_size),
        times(plan.write_shape),
        number(facts.n_objects),
        number(facts.stored_bytes),
        *(number(facts.statistics.get(key)) for key in ("mean", "min", "max")),
        number(facts.n_jobs or None),
        number(facts.seconds),
        "-" if planned is None else f"{planned:.1f}",
        "-" if peak is None else f"{peak / 1e6:.0f}",
        "-" if room is None else f"{room / 1e6:.0f}",
        f"`{facts.statistics.get('digest', '-')}`",
    )
