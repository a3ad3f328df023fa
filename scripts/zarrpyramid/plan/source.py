"""The source of level 0: another group or array, which is only read.

`open_source` finds it by its metadata documents. `downsample` copies level 0 from it, or links it.
"""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import ConfigError, StoreError
from zarrpyramid.metadata import (
    base_path,
    find_arrays,
    find_images,
    is_inside,
    parse_array,
    read_node,
    way_to_image,
)
from zarrpyramid.stores import is_url, open_store, what_is_in, why_no_store

from .stored import stored_objects

if TYPE_CHECKING:
    from zarrpyramid.config import ImageConfig
    from zarrpyramid.metadata import ArrayMetadata, Node
    from zarrpyramid.stores import Store

    from .image import Image

BASE_KEY = "zarrpyramid_base"
"""The group's attribute that says how level 0 was taken from a source: "copy" or "link"."""

COPY_KEY = "zarrpyramid_copy"
"""The attribute of a level 0 that was copied, which holds the record of the copy."""

SEEN_KEY = "zarrpyramid_source"
"""The attribute of a level 0 that was copied from a URL: the URL, and how its objects looked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """An array that level 0 is taken from.

    Attributes
    ----------
    store, path
        The source, and the path of the array in it; "" where the source is the array.
    base
        The array's metadata.
    attributes
        Attributes of the group; {} where the source is an array.
    """

    store: Store
    path: str
    base: ArrayMetadata
    attributes: dict[str, Any]

    @property
    def name(self) -> str:
        """The array's absolute path, or its URL."""
        return f"{self.store.name}/{self.path}".rstrip("/")

    def objects(self) -> list[tuple[str, int, int]]:
        """Return key, bytes and version of the stored objects, sorted by key."""
        return stored_objects(self.store, self.path)


def trust_linked_base(store: Store, group: Node | None, path: str) -> None:
    """Let a store follow the link at level 0, where the group says that this program made it.

    Parameters
    ----------
    path
        Path of level 0 in the store.
    """
    is_recorded = group is not None and group.attributes.get(BASE_KEY) == "link"
    if is_recorded and store.is_link(path):
        store.trust(path)


def open_source(config: ImageConfig) -> Source:
    """Find the source of an image in another zarr store.

    Parameters
    ----------
    config
        Settings of an image that has a source.

    Raises
    ------
    PyramidError
        If there is no image or array, or it is not served.
    """
    assert config.source is not None
    store = _open(config.source, config)
    node = read_node(store, "")
    if node is None:
        folder = store.folder("")
        if folder is not None and not folder.exists():
            what = (
                f"{config.source} is not there; check the path, or leave source out where level 0 "
                "is made of it already"
            )
        else:
            what = why_no_store(config.source) or store.why_absent("")
        is_plain = folder is not None and next(find_images(store), None) is None
        way = what_is_in(folder) if folder and is_plain else way_to_image(store)
        what = what or f"{config.source} is neither a zarr group nor an array{way}"
        raise StoreError(f"image {config.name}: source {what}")
    if config.series is not None:
        raise ConfigError(
            f"image {config.name}: series chooses an image in a source file, but source "
            f"{config.source} is of zarr; leave series out, and give the path of the image's group"
        )
    if node.kind == "array":
        base = parse_array(node.documents, config.source)
        return Source(store=store, path="", base=base, attributes={})
    path = base_path(node.attributes) or "0"
    if not is_inside(path):
        raise StoreError(
            f"image {config.name}: source {config.source} lists {path!r} as level 0, expected the "
            "path of an array in the group; give the array itself as source"
        )
    found = read_node(store, path)
    if found is None or found.kind == "group":
        fields = [*find_images(store)]
        known = ", ".join(map(repr, fields)) or "none"
        first = next(iter((*fields, *find_arrays(store, ""))), "")
        beside = f", such as {config.source.rstrip('/')}/{first}" if first else ""
        raise StoreError(
            f"image {config.name}: source {config.source} has no array {path} for level 0; images "
            f"below it: {known}; give the path of a group or an array{beside}"
        )
    base = parse_array(found.documents, f"{store.name}/{path}")
    return Source(store=store, path=path, base=base, attributes=node.attributes)


def _open(source: str, config: ImageConfig) -> Store:
    # A link that leads out of the source is followed where the configuration says so.
    trusted = ["/"] if config.follow_links else []
    return open_store(source, config.source_options, trusted=trusted)


def check_source_seal(image: Image) -> None:
    """Refuse a source in a single file that is not as it was sealed; all of the file is read."""
    config = image.plan.image
    assert config.source is not None
    if (archive := _open(config.source, config).archive) is not None:
        archive.check_seal()


def check_apart(config: ImageConfig, target: Store) -> None:
    """Refuse a store that lies in the source or around it, since a source is never written.

    Parameters
    ----------
    target
        The topmost group above the image's store, whose metadata may be written.
    """
    source, store = (_real(path) for path in (source_folder(config.source or ""), target.name))
    if source == store or source in store.parents or store in source.parents:
        inside = f"inside {target.name}" if store in source.parents else f"around {target.name}"
        if source == store:
            inside = "the same"
        raise StoreError(
            f"image {config.name}: source {config.source} and store {config.store} overlap (the "
            f"source is {inside}), but a source is never written; choose a store elsewhere, or "
            "leave source out to build beside level 0"
        )


def _real(path: str) -> PurePath:
    return PurePosixPath(path) if is_url(path) else Path(os.path.realpath(path))


def source_folder(source: str) -> str:
    """Return the file or folder of a source that is no URL, for one that is a pattern its folder.

    >>> source_folder("/data/scan.h5::/entry/data"), source_folder("/data/z*/a.tif")
    ('/data/scan.h5', '/data')
    """
    path = source.partition("::")[0]
    while glob.has_magic(path) and not os.path.exists(path):  # noqa: PTH110 - may be a pattern
        path = os.path.dirname(path)  # noqa: PTH120
    return path
