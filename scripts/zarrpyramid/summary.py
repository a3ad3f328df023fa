"""What was built, as tables in Markdown: of an image, and of all images of a run.

Made from records and timings; reads no voxel.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .files import write_aside
from .geometry import count
from .images import stored_objects, watched_by
from .logs import failures
from .plan import times, voxel_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .images import Image
    from .sentinels import Record

_COLUMNS = (
    "level", "factors", "shape", "voxel size", "chunks", "objects", "bytes",
    "mean", "min", "max", "seconds", "digest",
)  # fmt: skip
_IMAGE_COLUMNS = ("image", "state", "levels", "shape", "voxels", "seconds", "where, or why not")


def summarize_pyramid(image: Image, records: Sequence[Record], timings: Path) -> str:
    """Return a table of the levels, level 0 first.

    Parameters
    ----------
    records
        Of all levels. Level 0's statistics are those that level 1's job gathered.
    timings
        Folder of ``<level>.json`` with the seconds of each level's job.
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
    seconds = [_seconds(path) for path in (logs / name).glob("*.json")]
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
        _number(_seconds(timings / f"{level}.json")),
        f"`{statistics.get('digest', '-')}`",
    )


def _number(value: Any) -> str:
    return "-" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)


def _seconds(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8")).get("seconds")
    except (OSError, ValueError):
        return None
