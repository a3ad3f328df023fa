"""What was built, as a table in Markdown.

Made from records and timings; reads no voxel.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .images import stored_objects
from .plan import times, voxel_size

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .images import Image
    from .sentinels import Record

_COLUMNS = (
    "level", "factors", "shape", "voxel size", "chunks", "objects", "bytes",
    "mean", "min", "max", "seconds", "digest",
)  # fmt: skip


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


def _statistics(records: Sequence[Record], record: Record) -> Record:
    if record["level"] > 0:
        return record
    made_from: Record = records[1]["source"] if len(records) > 1 else {}
    return made_from


def _row(image: Image, record: Record, statistics: Record, timings: Path) -> Sequence[str]:
    level, plan = record["level"], image.plan.levels[record["level"]]
    sizes = [size for _, size, _ in stored_objects(image, level)]
    return (
        str(level),
        times(plan.factors) if level else "-",
        times(record["shape"]),
        times(voxel_size(image.plan.axes, plan.downsampling)),
        times(record["shards"] or record["chunks"]),
        str(len(sizes)),
        str(sum(sizes)),
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
