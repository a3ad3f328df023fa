"""What is known of the levels of an image without their voxels: from records, timings and stats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import PyramidError
from zarrpyramid.plan import (
    Level,
    level_timings,
    peak_memory,
    voxel_size,
    watched_by,
    why_incomplete,
    why_lost,
)
from zarrpyramid.reduce import METHODS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zarrpyramid.metadata import Record
    from zarrpyramid.plan import Image, LevelPlan
    from zarrpyramid.verify import Pyramid


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelFacts:
    """What is known of a level without its voxels; None stands for what is unknown.

    Attributes
    ----------
    plan
        Extents, chunks and factors.
    voxel_size
        Extents of a voxel along each axis, in the axis's unit.
    n_objects, stored_bytes
        Number and bytes of the stored objects; None where nobody looked at them.
    fault
        What is wrong with the objects; empty where nothing is, or nobody can tell.
    statistics
        ``mean``, ``min``, ``max``, ``digest`` and so on; empty for a level 0 that stands alone.
    n_jobs, seconds, peak_bytes
        Number of the level's jobs, seconds of all of them, and memory of the largest.
    planned_seconds, planned_bytes
        The same as planned; None where the level was up to date.
    ended
        When the last of its jobs ended, in seconds since 1970.
    """

    plan: LevelPlan
    voxel_size: tuple[float, ...]
    n_objects: int | None
    stored_bytes: int | None
    fault: str
    statistics: Record
    n_jobs: int
    seconds: float | None
    planned_seconds: float | None
    peak_bytes: int | None
    planned_bytes: int | None
    ended: float | None

    def number(self, key: str) -> float | None:
        """Return one of the statistics as a number; None where it is absent or complex."""
        value = self.statistics.get(key)
        return None if value is None or isinstance(value, list) else float(value)


def holds_labels(pyramid: Pyramid, *methods: object) -> bool:
    """Tell whether an image holds labels: it says so, or its levels are made by such a method."""
    return pyramid.is_labels or any(
        known.for_labels for name, known in METHODS.items() if name in methods
    )


def shows_labels(pyramid: Pyramid) -> bool:
    """Tell whether an image holds labels that can be shown as segments: integers."""
    records = [level.record or {} for level in pyramid.listed]
    methods = {record.get("recipe", {}).get("method") for record in records}
    integers = all(array.dtype.startswith(("int", "uint")) for array in pyramid.arrays)
    return integers and holds_labels(pyramid, *methods)


def level_facts(
    image: Image, records: Sequence[Record], timings: Path | None = None
) -> list[LevelFacts]:
    """Return the facts of all levels, level 0 first; this costs one stat an object.

    Parameters
    ----------
    records
        Records of all levels. Level 1's job gathered the statistics of level 0.
    timings
        Folder in which jobs noted their seconds and memory, and what was planned for them; None
        where there were no jobs.
    """
    return list(
        image.store.each(
            lambda record: _facts(image, record, _statistics(records, record), timings), records
        )
    )


def number(value: Any) -> str:
    """Return a number for people, a dash where there is none."""
    return "-" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)


def _statistics(records: Sequence[Record], record: Record) -> Record:
    if record["level"] > 0:
        return record
    made_from: Record = records[1].get("source", {}) if len(records) > 1 else {}
    return made_from


def _facts(image: Image, record: Record, statistics: Record, timings: Path | None) -> LevelFacts:
    level, plan = record["level"], image.plan.levels[record["level"]]
    found = Level(image, level)
    # A level 0 of millions of objects is not listed.
    counted = level > 0 or watched_by(image) == "objects"
    objects, fault = None, ""
    try:
        objects = found.objects() if counted else None
        fault = "" if objects is None else _fault(found, objects, statistics)
    except PyramidError:
        pass  # whoever reads the level says so
    told = [] if timings is None else level_timings(image, level, timings)
    # A level that was up to date needs nothing of what was planned.
    built = [job for job in told if job.get("voxels")]
    peaks = [peak for job in told if (peak := peak_memory(job)) is not None]
    return LevelFacts(
        plan=plan,
        voxel_size=voxel_size(image.plan.axes, plan.downsampling),
        n_objects=None if objects is None else len(objects),
        stored_bytes=None if objects is None else sum(size for _, size, _ in objects),
        fault=fault,
        statistics=statistics,
        n_jobs=len(told),
        seconds=round(sum(job["seconds"] for job in told), 3) if told else None,
        planned_seconds=sum(job["planned_seconds"] for job in built) if built else None,
        peak_bytes=max(peaks, default=None),
        planned_bytes=max((int(job["planned_bytes"]) for job in built), default=None),
        ended=_ended(timings / f"{level}.json") if timings and told else None,
    )


def _fault(found: Level, objects: list[tuple[str, int, int]], statistics: Record) -> str:
    if found.number:
        return why_incomplete(found.metadata, objects)
    return why_lost(found.metadata, objects, [{"source": statistics}])


def _ended(timing: Path) -> float | None:
    """Return when the job ended that gathers a level's parts, or makes all of it."""
    try:
        return timing.stat().st_mtime
    except OSError:
        return None
