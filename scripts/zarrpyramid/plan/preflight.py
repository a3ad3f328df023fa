"""The forecast of a run as a table for people, and the check that the store has room for it.

Both come from the plan and a few looks at the file system.
"""

from __future__ import annotations

import contextlib
import math
import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.errors import PyramidError, StoreError
from zarrpyramid.metadata import groups_above, read_consolidated, read_node
from zarrpyramid.tables import aligned_table

from .axes import times
from .axis_order import check_axes
from .base_objects import MOST_COUNTED, sampled_bytes, source_layout, watched_by
from .conflicts import check_places
from .current import is_as_planned
from .decision import DECISION_COLUMNS, decision_rows
from .needs import DEFAULT_RATE, level_need, measured_rate
from .stored import levels_beside

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zarrpyramid.metadata import ArrayMetadata
    from zarrpyramid.stores import Store

    from .base_objects import BaseLayout
    from .image import Image
    from .levels import ImagePlan, LevelPlan
    from .stored import Level

_COLUMNS = (
    *("level", "factors", "shape", "chunks", "shards", "objects", "raw GB", "parts"),
    *("MB a job", "seconds"),
)


def forecast(image: Image, logs: Path, n_workers: int, *, is_refused: bool = False) -> str:
    """Return a table of the levels and what their jobs need, and lines about the whole.

    Parameters
    ----------
    logs
        Folder of the timings that jobs of the image wrote in an earlier run.
    n_workers
        Threads of each job. The table assumes that jobs run one after the other.
    is_refused
        Whether no machine may build it, so that its room is not asked for.
    """
    plan, rate = image.plan, measured_rate(image, logs)
    n_read = geometry.count(plan.levels[0].shape)
    rows: list[Sequence[str]] = []
    seconds = 0.0
    for level in plan.levels:
        number, cells = level.level, ("-", "-", "-")
        if number or image.input:
            need, n_parts = level_need(image, number, n_workers, rate), plan.cut(number).n_parts
            seconds += need.seconds * n_parts
            cells = (str(n_parts), f"{need.memory / 1e6:.0f}", _shown(need.seconds * n_parts))
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
            f"{_shown(seconds, 'under ')} s with {n_workers} threads a job, one job at a time, at "
            f"{rate:.3g} voxels a second and thread ({measured})",
            *(() if is_refused else _room(image)),
            f"changes of level 0 are seen by: {watched_by(image)} (base_watch: "
            f"{plan.image.base_watch})",
            *_source(image),
            *aligned_table(DECISION_COLUMNS, decision_rows(plan.decisions)),
        ]
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


def _is_measured(image: Image, rate: float) -> bool:
    return rate != DEFAULT_RATE / image.plan.base.item_size


def _room(image: Image) -> list[str]:
    """Return the line that compares what is needed with what is free, and what that refuses."""
    need, freed = room_needed(image, source_layout(image))
    refusal = _refusal(image, need, freed)
    refused = [f"a run on this machine is refused before anything is written: {refusal}"]
    what = f"{need.n_objects} files and folders, about {need.n_bytes / 1e9:.4g} GB"
    written = f"to be written: {what}; "
    if freed.n_objects:
        replaced = f"{freed.n_objects} files, {freed.n_bytes / 1e9:.4g} GB"
        written += f"in place of levels that are removed: {replaced}; "
    folder = standing_folder(image.store, image.path)
    if folder is None:
        return [f"{written}free: not checked, {image.store.name} is no local folder"]
    free = free_room(folder)
    inodes = "not counted" if free.n_objects is None else str(free.n_objects)
    return [
        f"{written}free in {folder}: {inodes} inodes, {free.n_bytes / 1e9:.4g} GB: "
        + ("enough" if free.plus(freed).holds(need) else "NOT ENOUGH"),
        *(refused if refusal else ()),
    ]


def check_build(image: Image, groups_read: set[str] | None = None) -> None:
    """Check what a build needs on any machine: axes that are sure, and places that are free.

    The group and those above, whose consolidated metadata is kept in step, can be read.

    Parameters
    ----------
    groups_read
        Names of groups above that were found so, and are not read again; those that are read now
        are added.

    Raises
    ------
    PyramidError
        If it may not begin.
    """
    check_axes(image.plan)
    check_places(image)
    known = set() if groups_read is None else groups_read
    for path in (*groups_above(image.path), image.path):
        name = f"{image.store.name}/{path}"
        if name not in known:
            read_consolidated(image.store, path, image.plan.base.zarr_format)
            known.add(name)


def check_room(image: Image, layout: BaseLayout, room: tuple[Room, Room] | None = None) -> None:
    """Check that the store can be written and has room for the levels that are not there.

    Parameters
    ----------
    layout
        Layout of level 0's objects, or of those of its source.
    room
        What `room_needed` returns, where it is known.

    Raises
    ------
    StoreError
        If it cannot be written, or has no room and the configuration does not force it.
    """
    if refusal := _refusal(image, *(room or room_needed(image, layout))):
        raise StoreError(refusal)


def _refusal(image: Image, need: Room, freed: Room) -> str:
    """Return why a build that needs so much room may not begin on this machine, or ""."""
    folder = standing_folder(image.store, image.path)
    if not need.n_objects or folder is None:
        return ""
    if not folder.is_dir():
        return f"{folder} is a file, expected the folder of a zarr store"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"{folder} cannot be written; check its permissions and its file system"
    if image.plan.image.force_space:
        return ""
    free = free_room(folder).plus(freed)
    if free.holds(need):
        return ""
    way_out = "or ask for fewer levels or larger scale_factors, or set force_space: true"
    if free.n_bytes < need.n_bytes:
        return (
            f"{folder} has {free.n_bytes / 1e9:.3g} GB free, the levels of {image.plan.where} need "
            f"about {need.n_bytes / 1e9:.3g} GB; free some, {way_out}"
        )
    return (
        f"{folder} has {free.n_objects} inodes free, the levels of {image.plan.where} need "
        f"{need.n_objects}; give larger chunks or shards, {way_out}"
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """Bytes and inodes, needed or free; None where a file system does not count inodes."""

    n_bytes: int
    n_objects: int | None

    def plus(self, other: Room) -> Room:
        """Return the sum."""
        n_objects = None if self.n_objects is None else self.n_objects + (other.n_objects or 0)
        return Room(n_bytes=self.n_bytes + other.n_bytes, n_objects=n_objects)

    def holds(self, need: Room) -> bool:
        """Tell whether what is needed is free."""
        has_inodes = self.n_objects is None or self.n_objects >= (need.n_objects or 0)
        return self.n_bytes >= need.n_bytes and has_inodes


def room_needed(image: Image, layout: BaseLayout) -> tuple[Room, Room]:
    """Return what the levels that are to be made will take, and what goes before they are written.

    A level 0 that is to be copied is made too. The estimate takes levels to compress as well as
    level 0, or not at all if that is asked for. What stands in the place of a level counts as
    free only where its objects are few enough to be looked at.

    Parameters
    ----------
    layout
        As in `check_room`.
    """
    made, freed = _levels_made(image)
    copies = image.copies and read_node(image.store, image.level_path(0)) is None
    stored = 0
    if made or copies:
        stored = sampled_bytes(image) if layout.stored_bytes is None else layout.stored_bytes
    as_level_0 = 0 if image.plan.image.compressor == "none" else stored
    need = Room(
        n_bytes=stored * copies + space_needed(image.plan.base, made, as_level_0),
        n_objects=sum(map(partial(_n_inodes, image.plan), made))
        + _n_inodes(image.plan, image.plan.levels[0]) * copies,
    )
    return need, freed


def _levels_made(image: Image) -> tuple[list[LevelPlan], Room]:
    """Return the levels that a run makes, and the room of what it removes for them.

    No voxel tells here whether a level is current: one of the planned recipe and form is.
    """
    made: list[LevelPlan] = []
    freed, is_remade = Room(n_bytes=0, n_objects=0), False
    there = {level.number: level for level in levels_beside(image)}
    for plan in image.plan.levels[1:]:
        level = there.get(plan.level)
        if level is None:
            made.append(plan)  # levels that were made from an equal one stay
            continue
        is_remade = is_remade or not is_as_planned(level)
        if is_remade:
            made.append(plan)
            sizes = [size for _, size, _ in level.objects()] if _is_small(level) else []
            freed = freed.plus(Room(n_bytes=sum(sizes), n_objects=len(sizes)))
    return made, freed


def _is_small(level: Level) -> bool:
    """Tell whether the objects of an array are few enough to be looked at."""
    with contextlib.suppress(PyramidError):
        found = level.metadata
        return geometry.count(geometry.grid_shape(found.shape, found.write_shape)) <= MOST_COUNTED
    return False


def space_needed(base: ArrayMetadata, levels: list[LevelPlan], stored: int) -> int:
    """Return the bytes that levels will take, if they compress as the `stored` bytes of level 0."""
    raw = geometry.count(base.shape) * base.item_size
    share = min(1.0, stored / raw) if stored else 1.0
    return math.ceil(sum(level.raw_bytes for level in levels) * share)


def _n_inodes(plan: ImagePlan, level: LevelPlan) -> int:
    """Return the files and folders of a level: its objects, its documents, and what holds them."""
    grid = geometry.grid_shape(level.shape, level.write_shape)
    key = plan.pattern.object_key((0,) * len(grid))
    # One folder for each number of a key but the last, and one for the c of v3.
    depths = range(len(grid) - key.count("/"), len(grid))
    folders = 1 + sum(geometry.count(grid[:depth]) for depth in depths)
    return level.n_objects + folders + len(plan.pattern.documents())


def free_room(folder: Path) -> Room:
    """Return the free bytes and inodes of a folder's file system."""
    found = os.statvfs(folder)
    # Some file systems, such as btrfs, make inodes as they need them and count none.
    n_objects = found.f_favail if found.f_files else None
    return Room(n_bytes=found.f_bavail * found.f_frsize, n_objects=n_objects)


def standing_folder(store: Store, path: str) -> Path | None:
    """Return the folder of a path, or the nearest one above that is there; None if it is remote."""
    folder = store.folder(path)
    while folder is not None and not folder.exists():
        folder = folder.parent
    return folder
