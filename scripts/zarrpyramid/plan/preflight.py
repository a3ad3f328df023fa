"""The check that a build may begin: its places are free, and the store has room for it.

It comes from the plan and a few looks at the file system.
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
from zarrpyramid.tables import as_bytes

from .axis_order import check_axes
from .base_objects import MOST_COUNTED, sampled_bytes
from .conflicts import check_places
from .current import is_as_planned
from .stored import levels_beside

if TYPE_CHECKING:
    from pathlib import Path

    from zarrpyramid.metadata import ArrayMetadata
    from zarrpyramid.stores import Store

    from .base_objects import BaseLayout
    from .image import Image
    from .levels import ImagePlan, LevelPlan
    from .stored import Level


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
    if refusal := why_no_start(image, *(room or room_needed(image, layout))):
        raise StoreError(refusal)


def why_no_start(image: Image, need: Room, freed: Room) -> str:
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
            f"{folder} has {as_bytes(free.n_bytes)} free, the levels of {image.plan.where} need "
            f"about {as_bytes(need.n_bytes)}; free some, {way_out}"
        )
    return (
        f"{folder} has {free.n_objects:,} inodes free, the levels of {image.plan.where} need "
        f"{need.n_objects:,}; give larger chunks or shards, {way_out}"
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
        return level.metadata.n_objects <= MOST_COUNTED
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
