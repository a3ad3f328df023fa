"""An image in its store: found, planned, and looked at without reading a voxel.

What the Snakefile needs while it parses; imports no array library.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import StoreError
from .files import TEMPORARY_SUFFIX, LocalFiles, write_aside
from .hierarchy import ARRAY_DOCUMENTS, join, locate, open_group, read_array, read_node
from .multiscales import listed_paths
from .plan import ImagePlan, made_base, plan_image, space_needed
from .sentinels import RECORD_KEY, fits, read_sentinel

if TYPE_CHECKING:
    from pathlib import Path

    from .config import ImageConfig
    from .files import Files
    from .hierarchy import Node
    from .metadata import ArrayMetadata
    from .sentinels import Record


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """An image's group, opened: its files, its path in them, and its plan."""

    files: Files
    path: str
    plan: ImagePlan

    def level_path(self, level: int) -> str:
        """Return the path of a level's array."""
        return join(self.path, str(level))

    def name(self, level: int) -> str:
        """Name a level in messages."""
        return f"{self.files.name}/{self.level_path(level)}"


def read_level(image: Image, level: int) -> ArrayMetadata:
    """Return the metadata of a level that must be there.

    Raises
    ------
    StoreError
        If it is not.
    """
    metadata = read_array(image.files, image.level_path(level))
    if metadata is None:
        raise StoreError(
            f"there is no array {image.name(level)}; expected level {level} of an image"
        )
    return metadata


def record_of(node: ArrayMetadata | Node | None) -> Record | None:
    """Return the record that an array carries of itself, or None where it is none of our levels."""
    record = None if node is None else node.attributes.get(RECORD_KEY)
    return record if isinstance(record, dict) else None


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseLayout:
    """Level 0's objects, looked at without reading them.

    Attributes
    ----------
    fingerprint
        Digest of their keys and sizes, equal for a copy of the store.
    watch
        The same with their versions (times of change): another one means that a voxel may have
        changed.
    stored_bytes
        Bytes of all objects.
    """

    fingerprint: str
    watch: str
    stored_bytes: int


def base_layout(image: Image) -> BaseLayout:
    """Look at level 0's objects; metadata documents and litter of killed runs do not count."""
    objects = sorted(
        (key, size, version)
        for key, size, version in image.files.stats(image.level_path(0))
        if key not in ARRAY_DOCUMENTS and not key.endswith(TEMPORARY_SUFFIX)
    )
    return BaseLayout(
        fingerprint=_hash("\n".join(f"{key} {size}" for key, size, _ in objects)),
        watch=_hash("\n".join(map(str, objects))),
        stored_bytes=sum(size for _, size, _ in objects),
    )


def our_levels(image: Image, first: int = 1) -> list[int]:
    """Return the numbers of the levels from `first` on that carry our record.

    Others, groups and arrays that this package does not serve among them, may stand beside them.
    """
    names = image.files.children(image.path)
    numbers = sorted(int(name) for name in names if name.isdecimal() and str(int(name)) == name)
    return [
        number
        for number in numbers
        if number >= first
        and not image.files.is_link(image.level_path(number))
        and record_of(read_node(image.files, image.level_path(number)))
    ]


def open_image(config: ImageConfig, files: Files | None = None, path: str = "") -> Image:
    """Find an image and plan its levels.

    Parameters
    ----------
    config
        Of the image. Where it asks for a test image that is not there yet, the plan is made from
        what it asks for.
    files, path
        Where the group is, if not at the path of the configuration.

    Raises
    ------
    PyramidError
        If the group or its array ``0`` is not there or not served, or the configuration does not
        fit it.
    """
    if files is None:
        files, path = locate(config.store, config.field)
    made = config.test_image
    if made is not None and read_node(files, join(path, "0")) is None:
        base, attributes = made_base(made, config.axes), {}
    else:
        group = open_group(files, path)
        found = read_array(files, join(path, "0"))
        where = f"{files.name}/{path}".rstrip("/")
        if found is None:
            inside = ", ".join(files.children(path)) or "nothing"
            raise StoreError(f"{where} has no array 0 for level 0; it holds {inside}")
        if found.zarr_format != group.zarr_format:
            raise StoreError(
                f"{where} is a group of zarr v{group.zarr_format}, its array 0 is of "
                f"v{found.zarr_format}; write both in one format"
            )
        if 0 in found.shape:
            raise StoreError(f"{where}/0 has no voxels, its shape is {list(found.shape)}")
        base, attributes = found, group.attributes
    return Image(files=files, path=path, plan=plan_image(config, base, attributes))


def check_places(image: Image) -> None:
    """See that nothing but our own levels stands where levels will be.

    Raises
    ------
    StoreError
        If something does.
    """
    there = our_levels(image)
    for level in image.plan.levels[1:]:
        if level.level not in there and read_node(image.files, image.level_path(level.level)):
            raise foreign_level(image, level.level)


def check_room(image: Image, layout: BaseLayout) -> None:
    """See that the store can be written and has room for the levels that are not there.

    The levels are taken to compress as well as level 0 does.

    Raises
    ------
    StoreError
        If not.
    """
    there = our_levels(image)
    absent = [level for level in image.plan.levels[1:] if level.level not in there]
    if not absent or not isinstance(image.files, LocalFiles):
        return
    folder = image.files.root / image.path
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise StoreError(f"{folder} is a file, expected the folder of a zarr store")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StoreError(f"{folder} cannot be written; check its permissions and its file system")
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    needed = space_needed(image.plan.base, absent, layout.stored_bytes)
    if free < needed:
        raise StoreError(
            f"{folder} has {free / 1e9:.3g} GB free, the levels of {image.plan.where} need about "
            f"{needed / 1e9:.3g} GB; free some, or ask for fewer levels or larger scale_factors"
        )


def foreign_level(image: Image, level: int) -> StoreError:
    """Return the error about something in a level's place that is not ours."""
    return StoreError(
        f"{image.name(level)} is there already and was not made by this workflow; "
        "move it away, or build the pyramid in another group"
    )


def stale_sentinels(image: Image, folder: Path, layout: BaseLayout) -> dict[Path, str]:
    """Return the sentinels below a folder of results that the store contradicts, and why.

    A level whose array is absent, or holds another record than its sentinel, or another recipe than
    the plan, is not what the sentinel proves. Works from what is there alone: a run from a fresh
    clone finds the same.
    """
    levels = folder / "levels"
    owner = read_sentinel(folder / "image.json")
    if owner not in (None, _owner(image)):
        stale = dict.fromkeys(folder.glob("*.json"), f"{folder} was of another image")
        stale.update(dict.fromkeys(levels.glob("*.json"), f"{folder} was of another image"))
        return stale
    stale = {}
    base_is_there = read_node(image.files, image.level_path(0)) is not None
    made = image.plan.image.test_image
    if made is not None and not base_is_there:
        stale[folder / "test_image.json"] = f"{image.name(0)} is absent"
    for plan in image.plan.levels:
        path = levels / f"{plan.level}.json"
        sentinel = read_sentinel(path)
        if plan.level == 0:
            if not base_is_there or layout.fingerprint != (sentinel or {}).get("fingerprint"):
                stale[path] = f"{image.name(0)} has other objects than were sealed"
        elif sentinel is None:
            stale[path] = "it is no record"
        elif record_of(read_array(image.files, image.level_path(plan.level))) != sentinel:
            stale[path] = f"{image.name(plan.level)} is absent or another level"
        elif not fits(sentinel, plan.expected):
            stale[path] = f"{image.name(plan.level)} was made by another recipe"
    node = read_node(image.files, image.path)
    listed = [] if node is None else listed_paths(node.attributes)
    wanted = [str(plan.level) for plan in image.plan.levels] if image.plan.lists_levels else listed
    if listed != wanted:
        stale[folder / "multiscales.json"] = f"{image.plan.where} lists levels {listed}"
    return {path: reason for path, reason in stale.items() if path.exists()}


def set_aside(stale: dict[Path, str]) -> None:
    """Move stale sentinels into a folder beside them, where no rule looks for them."""
    for path in stale:
        aside = path.parent / "set-aside" / path.name
        aside.parent.mkdir(exist_ok=True)
        path.replace(aside)


def write_owner(image: Image, folder: Path) -> None:
    """Note in a folder of results whose they are, so that another image takes another name."""
    write_aside(folder / "image.json", (json.dumps(_owner(image)) + "\n").encode())


def _owner(image: Image) -> Record:
    return {"store": image.plan.image.store, "field": image.plan.image.field}


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
