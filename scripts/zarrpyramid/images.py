"""An image in its store: found, planned, and looked at without reading a voxel.

What the Snakefile needs while it parses; imports no array library.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xxhash import xxh3_128_hexdigest

from .errors import StoreError
from .files import LocalFiles
from .hierarchy import ARRAY_DOCUMENTS, join, locate, open_group, read_array, read_node
from .plan import ImagePlan, made_base, plan_image, space_needed
from .sentinels import RECORD_KEY

if TYPE_CHECKING:
    from .config import ImageConfig
    from .files import Files
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


def record_of(metadata: ArrayMetadata | None) -> Record | None:
    """Return the record that an array carries of itself, or None where it is none of our levels."""
    record = None if metadata is None else metadata.attributes.get(RECORD_KEY)
    return record if isinstance(record, dict) else None


def base_layout(image: Image) -> tuple[str, str, int]:
    """Look at level 0's objects without reading them.

    Returns
    -------
    layout
        Digest of their keys and sizes, equal for a copy of the store.
    watch
        The same with their versions (times of change): another one means that a voxel may have
        changed.
    stored
        Bytes of all objects.
    """
    found = sorted(
        (key, size, version)
        for key, size, version in image.files.stats(image.level_path(0))
        if key.rpartition("/")[2] not in ARRAY_DOCUMENTS
    )
    layout = "\n".join(f"{key} {size}" for key, size, _ in found)
    watch = "\n".join(f"{key} {size} {version}" for key, size, version in found)
    stored = sum(size for _, size, _ in found)
    return _hash(layout), _hash(watch), stored


def our_levels(image: Image, first: int = 1) -> list[int]:
    """Return the numbers of the levels from `first` on that carry our record."""
    names = image.files.children(image.path)
    numbers = sorted(int(name) for name in names if name.isdecimal() and str(int(name)) == name)
    return [
        number
        for number in numbers
        if number >= first and record_of(read_array(image.files, image.level_path(number)))
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


def check_room(image: Image, stored: int) -> None:
    """See that the store can be written and has room for the levels.

    Parameters
    ----------
    stored
        Bytes of level 0's objects; the levels are taken to compress as well as it does.

    Raises
    ------
    StoreError
        If not.
    """
    if not isinstance(image.files, LocalFiles):
        return
    folder = image.files.root / image.path
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StoreError(f"{folder} cannot be written; check its permissions and its file system")
    found = os.statvfs(folder)
    free, needed = found.f_bavail * found.f_frsize, space_needed(image.plan, stored)
    if free < needed:
        raise StoreError(
            f"{folder} has {free / 1e9:.3g} GB free, the levels of {image.plan.where} need about "
            f"{needed / 1e9:.3g} GB; free some, or ask for fewer levels or larger scale_factors"
        )


def _hash(text: str) -> str:
    return str(xxh3_128_hexdigest(text.encode()))
