"""What was built, as tables in Markdown: of an image, and of all images of a run.

Made from records and timings; reads no voxel.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .files import write_aside
from .geometry import count
from .images import read_level, stored_objects, why_incomplete
from .logs import failures
from .plan import times, voxel_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .images import Image
    from .plan import LevelPlan
    from .sentinels import Record

_COLUMNS = (
    "level", "factors", "shape", "voxel size", "chunks", "objects", "bytes",
    "mean", "min", "max", "seconds", "digest",
)  # fmt: skip
_IMAGE_COLUMNS = ("image", "state", "levels", "shape", "voxels", "seconds", "where, or why not")


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelFacts:
    """What is known of a level without its voxels.

    Attributes
    ----------
    plan
        Extents, chunks and factors.
    voxel_size
        Extents of its voxels, each in its axis's unit.
    n_objects, stored_bytes
        Of its stored objects.
    fault
        What is wrong with them, or nothing.
    statistics
        ``mean``, ``min``, ``max``, ``digest`` and so on; empty of a level 0 that stands alone.
    seconds
        Of the level's job, as its timing file says them; None where there is none.
    """

    plan: LevelPlan
    voxel_size: tuple[float, ...]
    n_objects: int
    stored_bytes: int
    fault: str
    statistics: Record
    seconds: Any

    def number(self, key: str) -> float | None:
        """Return one of the statistics as a number; None where it is absent or a complex one's."""
        value = self.statistics.get(key)
        return None if value is None or isinstance(value, list) else float(value)


def level_facts(image: Image, records: Sequence[Record], timings: Path) -> list[LevelFacts]:
    """Look at all levels of an image, level 0 first, at one stat an object.

    Parameters
    ----------
    records
        Of all levels. Level 0's statistics are those that level 1's job gathered.
    timings
        Folder of ``<level>.json`` with the seconds of each level's job.
    """
    return [_facts(image, record, _statistics(records, record), timings) for record in records]


def summarize_pyramid(image: Image, facts: Sequence[LevelFacts]) -> str:
    """Return a table of the levels, level 0 first."""
    rows = [_row(level) for level in facts]
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
    made = [
        "multiscales.json",
        "summary.md",
        "report.html",
        *["labels.json"] * plan.image.label_report,
    ]
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


def _facts(image: Image, record: Record, statistics: Record, timings: Path) -> LevelFacts:
    level, plan = record["level"], image.plan.levels[record["level"]]
    objects = stored_objects(image, level)
    return LevelFacts(
        plan=plan,
        voxel_size=voxel_size(image.plan.axes, plan.downsampling),
        n_objects=len(objects),
        stored_bytes=sum(size for _, size, _ in objects),
        fault=why_incomplete(read_level(image, level), objects) if level else "",
        statistics=statistics,
        seconds=_seconds(timings / f"{level}.json"),
    )


def _row(facts: LevelFacts) -> Sequence[str]:
    plan = facts.plan
    return (
        str(plan.level),
        times(plan.factors) if plan.level else "-",
        times(plan.shape),
        times(facts.voxel_size),
        times(plan.write_shape),
        str(facts.n_objects),
        str(facts.stored_bytes),
        *(number(facts.statistics.get(key)) for key in ("mean", "min", "max")),
        number(facts.seconds),
        f"`{facts.statistics.get('digest', '-')}`",
    )


def number(value: Any) -> str:
    """Return a number for people, a dash where there is none."""
    return "-" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)


def _seconds(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8")).get("seconds")
    except (OSError, ValueError):
        return None
