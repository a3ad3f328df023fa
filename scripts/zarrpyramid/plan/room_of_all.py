"""Whether there is room for the levels of many images at once, each of which would fit alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zarrpyramid.tables import as_bytes

from .preflight import Room, free_room, standing_folder

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from .run_image import RunImage


def why_no_room(images: Iterable[RunImage]) -> str:
    """Return why a file system does not hold the levels of all images that are not there, or "".

    Images that are built whatever is free do not count.
    """
    nothing = Room(n_bytes=0, n_objects=0)
    found: dict[int, tuple[Path, Room, Room]] = {}
    for run_image in images:
        image = run_image.image
        folder = standing_folder(image.store, image.path)
        if folder is None or image.plan.image.force_space:
            continue
        need, freed = run_image.room
        device = folder.stat().st_dev
        first, needed, free = found.get(device, (folder, nothing, nothing))
        found[device] = first, needed.plus(need), free.plus(freed)
    for folder, need, freed in found.values():
        free = free_room(folder).plus(freed)
        if need.n_objects and not free.holds(need):
            is_bytes = free.n_bytes < need.n_bytes
            there = as_bytes(free.n_bytes) if is_bytes else f"{free.n_objects:,} inodes"
            wanted = as_bytes(need.n_bytes) if is_bytes else f"{need.n_objects:,}"
            return (
                f"the file system of {folder} has {there} free, the levels of all images need "
                f"about {wanted}; free some, build fewer images or levels, or set force_space: true"
            )
    return ""
