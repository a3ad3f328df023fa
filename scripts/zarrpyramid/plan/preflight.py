"""What a run will make of an image, as a table for people, before a voxel is read.

From the plan and a few looks at the file system; imports no array library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zarrpyramid.geometry import count
from zarrpyramid.tables import aligned_table

from .image import source_layout, watched_by
from .levels import times
from .needs import DEFAULT_RATE, level_need, measured_rate
from .places import free_room, room_needed, standing_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .image import Image

_COLUMNS = (
    *("level", "factors", "shape", "chunks", "shards", "objects", "raw GB", "parts"),
    *("MB a job", "seconds"),
)


def forecast(image: Image, logs: Path, n_workers: int) -> str:
    """Return a table of the levels and what their jobs need, and lines about the whole.

    Parameters
    ----------
    logs
        Folder of what jobs of the image told of themselves in an earlier run.
    n_workers
        Of every job, all of which are taken to run one after the other.
    """
    plan, rate = image.plan, measured_rate(image, logs)
    n_read = count(plan.levels[0].shape)
    rows: list[Sequence[str]] = []
    seconds = 0.0
    for level in plan.levels:
        number, cells = level.level, ("-", "-", "-")
        if number:
            need, n_parts = level_need(image, number, n_workers, rate), plan.cut(number).n_parts
            seconds += need.seconds * n_parts
            cells = (str(n_parts), f"{need.memory / 1e6:.0f}", f"{need.seconds * n_parts:.3g}")
        rows.append(
            (
                str(number),
                times(level.factors) if number else "-",
                times(level.shape),
                times(level.chunks),
                times(level.shards) if level.shards else "-",
                str(level.n_objects),
                f"{level.raw_bytes / 1e9:.4g}",
                *cells,
            )
        )
    measured = (
        "measured by the last run" if _is_measured(image, rate) else "a default, not measured"
    )
    n_bytes = sum(level.raw_bytes for level in plan.levels[1:])
    n_objects = sum(level.n_objects for level in plan.levels[1:])
    return "\n".join(
        [
            f"{plan.image.name}: {plan.where}",
            *aligned_table(_COLUMNS, rows),
            f"{n_read} voxels of level 0; levels: {n_objects} files, {n_bytes / 1e9:.4g} GB raw",
            f"{seconds:.3g} s with {n_workers} threads a job, one job at a time, at {rate:.3g} "
            f"voxels a second and thread ({measured})",
            *_room(image),
            f"changes of level 0 are seen by: {watched_by(image)} (base_watch: "
            f"{plan.image.base_watch})",
            *_source(image),
        ]
    )


def _source(image: Image) -> list[str]:
    """Return where level 0 comes from, if from elsewhere."""
    if image.source is None:
        return []
    seen = watched_by(image, image.source.store)
    return [f"level 0 comes from {image.source.name}, changes of which are seen by: {seen}"]


def _is_measured(image: Image, rate: float) -> bool:
    return rate != DEFAULT_RATE / image.plan.base.item_size


def _room(image: Image) -> list[str]:
    """Return what is needed beside what is free, which no object store tells."""
    need = room_needed(image, source_layout(image))
    what = f"{need.n_objects} files and folders, about {need.n_bytes / 1e9:.4g} GB"
    written = f"to be written: {what}; "
    folder = standing_folder(image.store, image.path)
    if folder is None:
        return [f"{written}free: not checked, {image.store.name} is no local folder"]
    free = free_room(folder)
    inodes = "not counted" if free.n_objects is None else str(free.n_objects)
    enough = free.n_bytes >= need.n_bytes and (
        free.n_objects is None or free.n_objects >= (need.n_objects or 0)
    )
    return [
        f"{written}free in {folder}: {inodes} inodes, {free.n_bytes / 1e9:.4g} GB: "
        + ("enough" if enough else "NOT ENOUGH")
    ]
