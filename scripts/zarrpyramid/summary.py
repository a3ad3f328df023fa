"""What was built, as tables in Markdown: of an image, and of all images of a run.

Made from records and timings; reads no voxel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .files import write_aside
from .geometry import count
from .images import stored_objects, watched_by
from .logs import failures
from .plan import times, voxel_size
from .resources import level_timings, peak_memory, read_timing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .images import Image
    from .sentinels import Record

_COLUMNS = (
    "level", "factors", "shape", "voxel size", "chunks", "objects", "bytes",
    "mean", "min", "max", "jobs", "seconds", "planned", "MB a job", "planned MB", "digest",
)  # fmt: skip
_IMAGE_COLUMNS = ("image", "state", "levels", "shape", "voxels", "seconds", "where, or why not")


def summarize_pyramid(image: Image, records: Sequence[Record], timings: Path) -> str:
    """Return a table of the levels, level 0 first.

    Parameters
    ----------
    records
        Of all levels. Level 0's statistics are those that level 1's job gathered.
    timings
        Folder of what jobs told of themselves: seconds are of all jobs of a level, memory is of
        the largest, each beside what was planned.
    """
    rows = [_row(image, record, _statistics(records, record), timings) for record in records]
    lines = [" | ".join(row) for row in (_COLUMNS, ("---",) * len(_COLUMNS), *rows)]
    table = "\n".join(f"| {line} |" for line in lines)
    return f"# {image.plan.image.name}\n\n`{image.plan.where}`\n\n{table}\n"


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
    lines = [" | ".join(row) for row in (_IMAGE_COLUMNS, ("---",) * len(_IMAGE_COLUMNS), *rows)]
    table = "\n".join(f"| {line} |" for line in lines)
    text = f"# Images\n\n{n_done} of {len(rows)} are done.\n\n{table}\n".encode()
    path = results / "summary.md"
    if not path.exists() or path.read_bytes() != text:  # a run that does nothing writes nothing
        write_aside(path, text)


def _image_row(
    name: str, image: Image | None, failed: Mapping[str, str], results: Path, logs: Path
) -> Sequence[str]:
    """Return the row of an image: done, failed, or absent where the run ended before its turn."""
    folder = results / name
    if image is None:
        return (name, "failed", "-", "-", "-", "-", _cell(failed[name]))
    plan = image.plan
    there = [(folder / "levels" / f"{level.level}.json").exists() for level in plan.levels]
    made = ["multiscales.json", "summary.md", *["labels.json"] * plan.image.label_report]
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
        _cell(failed.get(name, plan.where)),
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _statistics(records: Sequence[Record], record: Record) -> Record:
    if record["level"] > 0:
        return record
    made_from: Record = records[1]["source"] if len(records) > 1 else {}
    return made_from


def _row(image: Image, record: Record, statistics: Record, timings: Path) -> Sequence[str]:
    level, plan = record["level"], image.plan.levels[record["level"]]
    counted = level > 0 or watched_by(image) == "objects"
    sizes = [size for _, size, _ in stored_objects(image, level)] if counted else []
    return (
        str(level),
        times(plan.factors) if level else "-",
        times(record["shape"]),
        times(voxel_size(image.plan.axes, plan.downsampling)),
        times(record["shards"] or record["chunks"]),
        str(len(sizes)) if counted else "-",
        str(sum(sizes)) if counted else "-",
        *(_number(statistics.get(key)) for key in ("mean", "min", "max")),
        *_outcome(image, level, timings),
        f"`{statistics.get('digest', '-')}`",
    )


def _outcome(image: Image, level: int, timings: Path) -> Sequence[str]:
    """Return jobs, seconds and memory of a level's jobs as they were and as they were planned."""
    told = level_timings(image, level, timings)
    if not told:
        return ("-",) * 5
    # A level that was up to date needs nothing of what was planned.
    built = [job for job in told if job.get("voxels")]
    peaks = [peak for job in told if (peak := peak_memory(job)) is not None]
    return (
        str(len(told)),
        _number(round(sum(job["seconds"] for job in told), 3)),
        f"{sum(job['planned_seconds'] for job in built):.1f}" if built else "-",
        f"{max(peaks) / 1e6:.0f}" if peaks else "-",
        f"{max(job['planned_bytes'] for job in built) / 1e6:.0f}" if built else "-",
    )


def _number(value: Any) -> str:
    return "-" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)
