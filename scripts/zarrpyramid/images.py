"""An image in its store: found, planned, and looked at without reading a voxel.

What the Snakefile needs while it parses; imports no array library.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from . import geometry
from .errors import StoreError
from .files import TEMPORARY_SUFFIX, LocalFiles
from .hierarchy import find_images, join, locate, open_group, read_array, read_document, read_node
from .objects import RECORD_ENTRY, tally_keys
from .plan import ImagePlan, made_base, plan_image, space_needed
from .sentinels import RECORD_KEY, fits

if TYPE_CHECKING:
    from .config import ImageConfig
    from .files import Files
    from .hierarchy import Node
    from .metadata import ArrayMetadata
    from .sentinels import Record


OBJECT_KEY = re.compile(r"(c[./])?\d+([./]\d+)*")
"""Key of a stored object, of either format and separator."""

LITTER_KEY = re.compile(rf".*{re.escape(TEMPORARY_SUFFIX)}|.*[./][0-9a-f]{{32}}\.partial")
"""Key of a file aside that a kill left, of ours or of zarr-python."""


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


def stored_objects(image: Image, level: int) -> list[tuple[str, int, int]]:
    """Return key, bytes and version of a level's objects; documents and litter do not count."""
    return sorted(
        (key, size, version)
        for key, size, version in image.files.stats(image.level_path(level))
        if OBJECT_KEY.fullmatch(key)
    )


def base_layout(image: Image) -> BaseLayout:
    """Look at level 0's objects, and at what its metadata makes of their bytes."""
    objects = stored_objects(image, 0)
    form = json.dumps(image.plan.base.form, sort_keys=True)
    return BaseLayout(
        fingerprint=_hash("\n".join([form, *(f"{key} {size}" for key, size, _ in objects)])),
        watch=_hash("\n".join([form, *map(str, objects)])),
        stored_bytes=sum(size for _, size, _ in objects),
    )


def base_record(image: Image, layout: BaseLayout) -> Record:
    """Return what the sentinel of level 0 holds."""
    expected = image.plan.levels[0].expected
    return {
        **{key: expected[key] for key in ("level", "shape", "chunks", "shards", "dtype")},
        "fingerprint": layout.fingerprint,
        "stored_bytes": layout.stored_bytes,
    }


def level_metadata(image: Image, level: int) -> ArrayMetadata:
    """Return the metadata that a level shall have: level 0's, in the level's extents and codecs."""
    base, wanted = image.plan.base, image.plan.levels[level]
    target = image.plan.pattern.derive(
        shape=wanted.shape,
        chunks=wanted.chunks,
        shards=wanted.shards,
        attributes={},
        dtype=wanted.dtype,
    )
    if base.zarr_format == 2:
        return target
    names = [axis.name for axis in image.plan.axes]
    return replace(target, document={**target.document, "dimension_names": names})


def why_incomplete(found: ArrayMetadata, objects: list[tuple[str, int, int]]) -> str:
    """Return what is wrong with a level's `stored_objects`, or nothing; empty ones are none.

    Where the recipe leaves out what holds nothing but the fill value, the record says which objects
    were written; records of older releases do not, and of such a level none is missed.
    """
    grid = geometry.grid_shape(found.shape, found.write_shape)
    keys = [
        key
        for key, size, _ in objects
        if size > 0 and all(int(i) < n for i, n in zip(re.findall(r"\d+", key), grid, strict=False))
    ]
    n_expected = expected_objects(found)
    if n_expected is None:
        return ""
    if len(keys) < n_expected:
        return f"lacks {n_expected - len(keys)} stored objects"
    written = (record_of(found) or {}).get(RECORD_ENTRY)
    if written is not None and tally_keys(keys).record != written:
        return "has other stored objects than were written"
    return ""


def expected_objects(found: ArrayMetadata) -> int | None:
    """Return how many stored objects a level has when none is lost, or None where nobody knows."""
    record = record_of(found) or {}
    if RECORD_ENTRY in record:
        n_written: int = record[RECORD_ENTRY]["n"]
        return n_written
    if record.get("recipe", {}).get("write_empty_chunks") is False:
        return None
    return geometry.count(geometry.grid_shape(found.shape, found.write_shape))


def why_remade(image: Image, level: int, found: ArrayMetadata) -> str:
    """Return why a level that is there is not the one that is planned, or nothing.

    What it was made from is for others to know.
    """
    same_form = found.document == level_metadata(image, level).document
    if not (same_form and fits(record_of(found), image.plan.levels[level].expected)):
        return f"{image.name(level)} was made by another recipe"
    fault = why_incomplete(found, stored_objects(image, level))
    return f"{image.name(level)} {fault}" if fault else ""


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
            fields = ", ".join(repr(field) for field in find_images(files, path))
            hint = f"groups below it that have one: {fields}; give one as field" if fields else ""
            raise StoreError(f"{where} has no array 0 for level 0; {hint or f'it holds {inside}'}")
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
    for level in range(1, len(image.plan.levels)):
        check_place(image, level)


def check_place(image: Image, level: int) -> None:
    """See that nothing but our own level, or what a killed run left of it, stands in its place.

    Raises
    ------
    StoreError
        If something does.
    """
    path = image.level_path(level)
    if image.files.is_link(path):
        raise StoreError(
            f"{image.name(level)} is a symbolic link, behind which nothing is ever written; "
            "remove the link, or put the level itself there"
        )
    node = read_node(image.files, path)
    if node is None and image.files.get(path) is None:
        _check_remains(image, level)
    elif record_of(node) is None:
        raise StoreError(
            f"{image.name(level)} is there already and was not made by this workflow; "
            "move it away, or build the pyramid in another group"
        )


def check_room(image: Image, layout: BaseLayout) -> None:
    """See that the store can be written and has room for the levels that are not there.

    The levels are taken to compress as well as level 0 does, or not at all where that is asked for.

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
    stored = 0 if image.plan.image.compressor == "none" else layout.stored_bytes
    needed = space_needed(image.plan.base, absent, stored)
    if free < needed:
        raise StoreError(
            f"{folder} has {free / 1e9:.3g} GB free, the levels of {image.plan.where} need about "
            f"{needed / 1e9:.3g} GB; free some, or ask for fewer levels or larger scale_factors"
        )


def _check_remains(image: Image, level: int) -> None:
    """Refuse a folder without an array that holds anything but what a killed run of ours left."""
    for key in image.files.keys(image.level_path(level)):
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
    attributes = read_document(image.files, f"{image.level_path(level)}/.zattrs")
    return attributes is not None and RECORD_KEY in attributes


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
