"""What stands in a store where levels will be, and whether there is room for them.

Looks only, before anything is written; imports no array library.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.errors import StoreError, missing_message
from zarrpyramid.metadata import (
    OPENING_DOCUMENT,
    RECORD_KEY,
    absent_groups,
    join,
    read_document,
    read_node,
)
from zarrpyramid.stores import TEMPORARY_SUFFIX

from .image import OBJECT_KEY, missing_objects, our_levels, record_of
from .levels import space_needed
from .source import BASE_KEY, COPY_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zarrpyramid.stores import Store

    from .image import BaseLayout, Image
    from .levels import ImagePlan, LevelPlan

_SAMPLE = 64
"""Objects that stand for all where level 0 has too many to look at."""

_REMOTE_SAMPLE = 8
"""The same where each costs a request."""

LITTER_KEY = re.compile(rf".*{re.escape(TEMPORARY_SUFFIX)}|.*[./][0-9a-f]{{32}}\.partial")
"""Key of a file aside that a kill left, of ours or of zarr-python."""


def check_places(image: Image) -> None:
    """See that nothing but our own levels stands where levels will be.

    Raises
    ------
    StoreError
        If something does.
    """
    if image.source is not None:
        check_base_place(image)
    elif image.plan.image.missing_chunks == "error":
        _check_base_whole(image)
    for level in range(1, len(image.plan.levels)):
        check_place(image, level)


def nested_images(images: Mapping[str, Image]) -> dict[str, str]:
    """Return why images cannot be built whose group lies in a level of another one, by name."""
    levels: dict[str, str] = {}
    for name, image in images.items():
        for level in image.plan.levels:
            path = f"{image.plan.where}/{image.paths.path(level.level)}"
            levels[os.path.realpath(path)] = name
    nested = {}
    for name, image in images.items():
        group = Path(os.path.realpath(image.plan.where))
        for place in map(str, (group, *group.parents)):
            if place in levels:
                nested[name] = (
                    f"image {name}: its group {image.plan.where} lies in {place}, where a level of "
                    f"image {levels[place]} is or will be; choose another store or field"
                )
    return nested


def _check_base_whole(image: Image) -> None:
    if read_node(image.store, image.level_path(0)) is None:
        return  # a test image that is still to be made
    missing = missing_objects(image)
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise StoreError(missing_message(f"{image.name(0)}/{missing[0]}{more}"))


def check_place(image: Image, level: int) -> None:
    """See that nothing but our own level, or what a killed run left of it, stands in its place.

    Arrays of others are accepted where the configuration says that they may be overwritten.

    Raises
    ------
    StoreError
        If something else does.
    """
    for above in _groups_between(image, level):
        node = read_node(image.store, above)
        if node is None and image.store.get(above) is None and not image.store.is_link(above):
            continue
        if node is None or node.kind != "group" or image.store.is_link(above):
            raise StoreError(
                f"{image.store.name}/{above} is no group of the store's own, in which "
                f"{image.name(level)} could be; move it away"
            )
    path = image.level_path(level)
    if image.store.is_link(path):
        raise StoreError(
            f"{image.name(level)} is a symbolic link, behind which nothing is ever written; "
            "remove the link, or put the level itself there"
        )
    node = read_node(image.store, path)
    if node is None and image.store.get(path) is None:
        _check_remains(image, level)
    elif record_of(node) is None and not (_may_go(image, level) and node and node.kind == "array"):
        raise StoreError(
            f"{image.name(level)} is there already and was not made by this workflow; "
            "move it away, build the pyramid in another group, or, if it is an array that may be "
            "removed, set overwrite: true"
        )


def left_overs(image: Image) -> list[int]:
    """Return the planned levels of which there is no array, but objects that a killed run left.

    They are those that a build of the level would remove.
    """
    return [level.level for level in image.plan.levels[1:] if _is_left_over(image, level.level)]


def _is_left_over(image: Image, level: int) -> bool:
    path = image.level_path(level)
    try:
        check_place(image, level)
        return read_node(image.store, path) is None and any(image.store.keys(path))
    except StoreError:
        return False  # something else stands there, which is for a build to tell of


def is_foreign(image: Image, level: int) -> bool:
    """Tell whether something that is not ours stands in a level's place and shall stay there."""
    if level == 0:
        return False
    node = read_node(image.store, image.level_path(level))
    return node is not None and record_of(node) is None and not _may_go(image, level)


def _may_go(image: Image, level: int) -> bool:
    return image.plan.image.overwrite and 0 < level < len(image.plan.levels)


def check_base_place(image: Image) -> None:
    """See that nothing but what we took from a source stands where level 0 will be.

    Raises
    ------
    StoreError
        If something does, or the group of the image cannot be made.
    """
    assert image.source is not None
    absent_groups(image.store, image.path, image.source.base.zarr_format)
    path = image.level_path(0)
    is_empty = not (
        image.store.is_link(path)
        or image.store.get(path) is not None
        or any(image.store.keys(path))
    )
    if not is_empty and not is_taken(image):
        raise StoreError(
            f"{image.name(0)} is there already and was not taken from a source; none is ever put "
            "over other data: choose another store or field, or leave source out to build beside it"
        )


def is_taken(image: Image) -> bool:
    """Tell whether what stands in level 0's place was taken from a source, whole or in part."""
    if image.store.is_link(image.level_path(0)):
        return taken_as(image) == "link"
    node = read_node(image.store, image.level_path(0))
    return taken_as(image) == "copy" if node is None else COPY_KEY in node.attributes


def taken_as(image: Image) -> str | None:
    """Return how the image's group says that level 0 was taken: "copy", "link", or not at all."""
    node = read_node(image.store, image.path)
    return None if node is None else node.attributes.get(BASE_KEY)


def check_room(image: Image, layout: BaseLayout) -> None:
    """See that the store can be written and has room for the levels that are not there.

    Parameters
    ----------
    layout
        Of level 0's objects, or of those that it is taken from.

    Raises
    ------
    StoreError
        If not; of room alone nothing is said where the configuration forces it.
    """
    need = room_needed(image, layout)
    folder = standing_folder(image.store, image.path)
    if not need.n_objects or folder is None:
        return
    if not folder.is_dir():
        raise StoreError(f"{folder} is a file, expected the folder of a zarr store")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StoreError(f"{folder} cannot be written; check its permissions and its file system")
    if image.plan.image.force_space:
        return
    free = free_room(folder)
    way_out = "or ask for fewer levels or larger scale_factors, or set force_space: true"
    if free.n_bytes < need.n_bytes:
        raise StoreError(
            f"{folder} has {free.n_bytes / 1e9:.3g} GB free, the levels of {image.plan.where} need "
            f"about {need.n_bytes / 1e9:.3g} GB; free some, {way_out}"
        )
    if free.n_objects is not None and free.n_objects < need.n_objects:
        raise StoreError(
            f"{folder} has {free.n_objects} inodes free, the levels of {image.plan.where} need "
            f"{need.n_objects}; give larger chunks or shards, {way_out}"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """Bytes and inodes, needed or free; None where a file system does not count inodes."""

    n_bytes: int
    n_objects: int | None


def room_needed(image: Image, layout: BaseLayout) -> Room:
    """Return what the levels that are not there will take, and a level 0 that is to be copied.

    They are taken to compress as well as level 0 does, or not at all where that is asked for.

    Parameters
    ----------
    layout
        As in `check_room`.
    """
    there = our_levels(image)
    absent = [level for level in image.plan.levels[1:] if level.level not in there]
    copies = image.copies and read_node(image.store, image.level_path(0)) is None
    stored = 0
    if absent or copies:
        stored = sampled_bytes(image) if layout.stored_bytes is None else layout.stored_bytes
    as_level_0 = 0 if image.plan.image.compressor == "none" else stored
    return Room(
        n_bytes=stored * copies + space_needed(image.plan.base, absent, as_level_0),
        n_objects=sum(map(partial(_n_inodes, image.plan), absent))
        + _n_inodes(image.plan, image.plan.levels[0]) * copies,
    )


def _n_inodes(plan: ImagePlan, level: LevelPlan) -> int:
    """Return the files and folders of a level: its objects, its documents, and what holds them."""
    grid = geometry.grid_shape(level.shape, level.write_shape)
    key = plan.pattern.object_key((0,) * len(grid))
    # A folder a number before the last one, and one for the c of v3.
    depths = range(len(grid) - key.count("/"), len(grid))
    folders = 1 + sum(geometry.count(grid[:depth]) for depth in depths)
    return level.n_objects + folders + len(plan.pattern.documents())


def free_room(folder: Path) -> Room:
    """Return what the file system of a folder has for us."""
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


def sampled_bytes(image: Image) -> int:
    """Return about how many bytes the objects of level 0 have, by a few of them."""
    sizes = _sample_sizes(image)
    return sum(sizes) * image.plan.levels[0].n_objects // len(sizes)


def stored_share(image: Image) -> float:
    """Return about how many stored bytes a byte of voxels takes, by a few objects of level 0."""
    sizes = [size for size in _sample_sizes(image) if size]
    if not sizes or image.plan.image.compressor != "same":
        return 1.0
    raw = geometry.count(image.plan.base.write_shape) * image.plan.base.item_size
    return min(1.0, sum(sizes) / (raw * len(sizes)))


def _sample_sizes(image: Image) -> list[int]:
    store = image.store if image.source is None else image.source.store
    path = image.level_path(0) if image.source is None else image.source.path
    base = image.plan.base
    grid = geometry.grid_shape(base.shape, base.write_shape)
    n_objects = geometry.count(grid)
    n_looked_at = _SAMPLE if store.at_once == 1 else _REMOTE_SAMPLE
    numbers = range(0, n_objects, -(-n_objects // n_looked_at))
    keys = [base.object_key(index) for index in geometry.iterate_units(grid, numbers)]
    return _sizes(store, tuple(join(path, key) for key in keys))


@lru_cache(maxsize=8)
def _sizes(store: Store, keys: tuple[str, ...]) -> list[int]:
    """Return the bytes of objects; asked once, for every level is planned with them."""
    return [store.size(key) or 0 for key in keys]


def _groups_between(image: Image, level: int) -> Iterator[str]:
    """Yield the paths of the groups between the image's group and a level's array."""
    steps = image.paths.path(level).split("/")[:-1]
    for depth in range(1, len(steps) + 1):
        yield join(image.path, *steps[:depth])


def _check_remains(image: Image, level: int) -> None:
    """Refuse a folder without an array that holds anything but what a killed run of ours left."""
    if image.store.get(join(image.level_path(level), OPENING_DOCUMENT)) is not None:
        return  # a level of ours in parts, perhaps of millions of objects
    for key in image.store.keys(image.level_path(level)):
        if not (
            OBJECT_KEY.fullmatch(key)
            or LITTER_KEY.fullmatch(key)
            or (key == ".zattrs" and _is_our_zattrs(image, level))
        ):
            raise StoreError(
                f"{image.name(level)} is no level but holds {key}, which is not ours to remove; "
                "move it away"
            )


def _is_our_zattrs(image: Image, level: int) -> bool:
    """Tell whether the document of v2 that is written before .zarray holds our record."""
    attributes = read_document(image.store, f"{image.level_path(level)}/.zattrs")
    return attributes is not None and RECORD_KEY in attributes
