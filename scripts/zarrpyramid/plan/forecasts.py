"""The forecast of a build, for people and for programs: levels, time, memory, room, decisions."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry
from zarrpyramid.tables import aligned_table, as_bytes

from .axes import times
from .base_objects import source_layout, watched_by
from .decision import DECISION_COLUMNS, decision_rows
from .lost import removal_line
from .needs import DEFAULT_RATE, level_need, measured_rate
from .preflight import free_room, room_needed, standing_folder, why_no_start

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .image import Image
    from .preflight import Room

    Document = dict[str, Any]

_COLUMNS = (
    *("level", "factors", "shape", "chunks", "shards", "objects", "raw", "parts"),
    *("memory of a job", "seconds"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """What a run will make and needs: the same as lines and as a document for JSON."""

    lines: list[str]
    document: Document


def forecast(image: Image, logs: Path, n_workers: int, *, is_refused: bool = False) -> Forecast:
    """Return a table of the levels and what their jobs need, and what is to know of the whole.

    Parameters
    ----------
    logs
        Folder of the timings that jobs of the image wrote in an earlier run.
    n_workers
        Threads of each job. The seconds assume that jobs run one after the other.
    is_refused
        Whether no machine may build it, so that its room is not asked for.
    """
    plan, rate = image.plan, measured_rate(image, logs)
    levels = [_level(image, number, n_workers, rate) for number in range(len(plan.levels))]
    seconds = sum(level["seconds"] or 0.0 for level in levels)
    is_measured = rate != DEFAULT_RATE / plan.base.item_size
    room, lines_of_room = (None, []) if is_refused else _room(image)
    removed = "" if is_refused else removal_line(image)
    n_bytes = sum(level["raw_bytes"] for level in levels[1:])
    n_objects = sum(level["objects"] for level in levels[1:])
    n_read = geometry.count(plan.levels[0].shape)
    measured = "measured by the last run" if is_measured else "a default, not measured"
    lines = [
        f"{plan.image.name}: {plan.where}",
        *aligned_table(_COLUMNS, map(_row, levels)),
        f"{n_read:,} voxels of level 0; levels: {n_objects:,} file{'s' * (n_objects != 1)}, "
        f"{as_bytes(n_bytes)} raw",
        f"{_shown(seconds, 'under ')} s with {n_workers} threads a job, one job at a time, at "
        f"{rate / 1e6:.3g} Mvoxel/s a thread ({measured})",
        *lines_of_room,
        *([removed] if removed else []),
        f"changes of level 0 are seen by: {watched_by(image)} (base_watch: "
        f"{plan.image.base_watch})",
        *_source(image),
        *aligned_table(DECISION_COLUMNS, decision_rows(plan.decisions)),
    ]
    document = {
        "name": plan.image.name,
        "path": plan.where,
        "levels": levels,
        "seconds": seconds,
        "threads": n_workers,
        "voxels_per_second": rate,
        "is_measured": is_measured,
        "room": room,
        "removed": removed,
        "base_watch": watched_by(image),
        "source": None if image.source is None else image.source.name,
        "decisions": [asdict(decision) for decision in plan.decisions],
    }
    return Forecast(lines=lines, document=document)


def _level(image: Image, number: int, n_workers: int, rate: float) -> Document:
    """Return what a level is, and what its jobs need where it is made."""
    level = image.plan.levels[number]
    n_parts = memory = seconds = None
    if number or image.input:
        need, n_parts = level_need(image, number, n_workers, rate), image.plan.cut(number).n_parts
        memory, seconds = need.memory, need.seconds * n_parts
    return {
        "level": number,
        "factors": level.factors if number else None,
        "shape": level.shape,
        "chunks": level.chunks,
        "shards": level.shards,
        "objects": level.n_objects,
        "raw_bytes": level.raw_bytes,
        "parts": n_parts,
        "memory_of_a_job": memory,
        "seconds": seconds,
    }


def _row(level: Document) -> Sequence[str]:
    parts, memory, seconds = (level[key] for key in ("parts", "memory_of_a_job", "seconds"))
    extents = (level[key] for key in ("factors", "shape", "chunks", "shards"))
    return (
        str(level["level"]),
        *(times(each) if each else "-" for each in extents),
        str(level["objects"]),
        as_bytes(level["raw_bytes"]),
        *(("-", "-", "-") if parts is None else (str(parts), as_bytes(memory))),
        *(() if parts is None else (_shown(seconds),)),
    )


def _shown(seconds: float, under: str = "<") -> str:
    """Return seconds as exactly as they are known.

    >>> _shown(0.05), _shown(1234.5)
    ('<1', '1200')
    """
    return f"{under}1" if seconds < 1 else f"{float(f'{seconds:.2g}'):.10g}"


def _source(image: Image) -> list[str]:
    """Return the line that names the source of level 0, if it has one."""
    if image.source is None:
        return []
    seen = watched_by(image, image.source)
    lines = [f"level 0 comes from {image.source.name}, changes of which are seen by: {seen}"]
    return [*lines, image.input.figure] if image.input else lines


def _told(room: Room) -> Document:
    return {"bytes": room.n_bytes, "objects": room.n_objects}


def _room(image: Image) -> tuple[Document, list[str]]:
    """Return what is needed and what is free, and the lines that compare them."""
    need, freed = room_needed(image, source_layout(image))
    folder = standing_folder(image.store, image.path)
    room: Document = {"needed": _told(need), "freed": _told(freed), "free": None, "refused": ""}
    what = f"{need.n_objects:,} files and folders, about {as_bytes(need.n_bytes)}"
    written = f"to be written: {what}; "
    if freed.n_objects:
        replaced = f"{freed.n_objects:,} files, {as_bytes(freed.n_bytes)}"
        written += f"in place of levels that are removed: {replaced}; "
    if folder is None:
        return room, [f"{written}free: not checked, {image.store.name} is no local folder"]
    free, refusal = free_room(folder), why_no_start(image, need, freed)
    room |= {"free": _told(free), "refused": refusal}
    inodes = "not counted" if free.n_objects is None else f"{free.n_objects:,}"
    is_enough = "enough" if free.plus(freed).holds(need) else "NOT ENOUGH"
    refused = f"a run on this machine is refused before anything is written: {refusal}"
    return room, [
        f"{written}free in {folder}: {inodes} inodes, {as_bytes(free.n_bytes)}: {is_enough}",
        *([refused] if refusal else []),
    ]
