"""The images in a container: fields of plates, series, labels, any other group with a level 0.

What documents list is taken as they list it. Only where nothing is listed are folders looked at,
and none in which an array or an image was found.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import MetadataError, StoreError

from .multiscales import base_path, ome_attributes
from .nodes import find_node
from .paths import is_inside, join

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zarrpyramid.stores import Store

    from .nodes import Node

_DEEPEST = 12
"""Groups in each other that are looked at where nothing is listed."""

_PLATE, _WELL, _LABELS, _SERIES = "plate", "well", "labels", "bioformats2raw.layout"


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """An image of a container.

    Attributes
    ----------
    path
        Of its group, or of what should have listed images and cannot be read.
    image
        Path of the image that it labels, where it is one of labels.
    fault
        Why it cannot be read, or "".
    """

    path: str
    image: str | None = None
    fault: str = ""


def find_members(store: Store, path: str = "", base: str | None = None) -> Iterator[Member]:
    """Yield the images at a path and below it; what cannot be read is a member with a fault.

    1. Of a plate, the images that its wells list; of a well, those that it lists.
    2. Of a root of bioformats2raw, the series that `OME` lists, else those called 0, 1, 2, ...
    3. Of a group with a level 0, itself, and of its `labels` group those that it lists and holds.
    4. Of any other group or folder, those of the groups in it, in natural order.

    Parameters
    ----------
    base
        Path of level 0 in groups that list no multiscales; None is the array ``0``.
    """
    yield from _below(store, path, base, _DEEPEST)


def _below(store: Store, path: str, base: str | None, depth: int) -> Iterator[Member]:
    try:
        node = find_node(store, path)
        is_image = node is not None and node.kind == "group" and _has_base(store, path, node, base)
    except (MetadataError, StoreError) as error:
        yield Member(path=path, fault=str(error))
        return
    if node is not None and node.kind == "array":
        return
    said = {} if node is None else {key: _said(node, key) for key in (_PLATE, _WELL, _SERIES)}
    if node is not None and said[_PLATE] is not None and (wells := _paths(said[_PLATE], "wells")):
        yield from _wells(store, [join(path, well) for well in wells], node)
    elif node is not None and said[_WELL] is not None:
        yield from _well(store, path, node)
    elif node is not None and said[_SERIES] is not None:
        for at in _series(store, path, node):
            yield from _listed_below(store, at, base, depth)
    elif node is not None and is_image:
        yield from _image(store, path, node.zarr_format)
    elif depth and store.lists:
        for name in sorted(store.children(path), key=_natural):
            if not _leads_back(store, join(path, name)):
                yield from _below(store, join(path, name), base, depth - 1)


def _leads_back(store: Store, path: str) -> bool:
    """Tell whether a path is a link to what has another name in the store, or holds the store."""
    folder = store.folder(path) if store.is_link(path) else None
    if folder is None:
        return False
    root, target = Path(store.name).resolve(), folder.resolve()
    return target.is_relative_to(root) or root.is_relative_to(target)


def _wells(store: Store, paths: Sequence[str], above: Node) -> Iterator[Member]:
    """Yield the images of wells, which a store with slow requests is asked for side by side."""
    if store.at_once == 1:
        for path in paths:
            yield from _well(store, path, above)
        return
    with ThreadPoolExecutor(store.at_once) as pool:
        for found in pool.map(lambda path: list(_well(store, path, above)), paths):
            yield from found


def _listed_below(store: Store, path: str, base: str | None, depth: int) -> Iterator[Member]:
    """Yield what is below a path that a document lists; where nothing is, the path itself."""
    found = list(_below(store, path, base, depth - 1))
    yield from found or [Member(path=path)]


def _well(store: Store, path: str, above: Node) -> Iterator[Member]:
    """Yield the images that a well lists; a plate lists the well."""
    where = join(store.name, path)
    try:
        node = find_node(store, path, above.zarr_format)
        well = None if node is None else _said(node, _WELL)
        if not isinstance(well, dict):
            what = "there is no well" if node is None else "no document says `well` of"
            yield Member(path=path, fault=f"{what} {where}, which its plate lists; fix the plate")
            return
    except (MetadataError, StoreError) as error:
        yield Member(path=path, fault=str(error))
        return
    for name in _paths(well, "images"):
        yield from _image(store, join(path, name), above.zarr_format)


def _series(store: Store, path: str, node: Node) -> Iterator[str]:
    """Yield the paths of the series of a root of bioformats2raw."""
    inner = find_node(store, join(path, "OME"), node.zarr_format)
    listed = None if inner is None else _said(inner, "series")
    if isinstance(listed, list):
        yield from (join(path, name) for name in _inside(listed))
        return
    for number in count():
        at = join(path, str(number))
        if find_node(store, at, node.zarr_format) is None:
            return
        yield at


def _image(store: Store, path: str, zarr_format: int) -> Iterator[Member]:
    """Yield an image and its labels."""
    yield Member(path=path)
    at = join(path, _LABELS)
    try:
        node = find_node(store, at, zarr_format)
        if node is None or node.kind == "array":
            return
        listed = _said(node, _LABELS)
        names = list(_inside(listed)) if isinstance(listed, list) else []
        held = sorted(store.children(at), key=_natural) if store.lists else []
        names += [name for name in held if name not in names and _holds_base(store, join(at, name))]
    except (MetadataError, StoreError) as error:
        yield Member(path=at, image=path, fault=str(error))
        return
    for name in names:
        yield Member(path=join(at, name), image=path)


def _holds_base(store: Store, path: str) -> bool:
    """Tell whether an image is at a path; one that is damaged is, and is refused later."""
    try:
        node = find_node(store, path)
        return node is not None and node.kind == "group" and _has_base(store, path, node, None)
    except (MetadataError, StoreError):
        return True


def _has_base(store: Store, path: str, node: Node, base: str | None) -> bool:
    listed = base_path(node.attributes)
    if listed is not None:
        return True  # an image, whether or not its level 0 is there
    level_0 = find_node(store, join(path, base or "0"))
    return level_0 is not None and level_0.kind == "array"


def _said(node: Node, key: str) -> Any:
    return ome_attributes(node.attributes, key).get(key)


def _paths(holder: Any, key: str) -> list[str]:
    """Return the paths that a plate gives its wells, or a well its images."""
    listed = holder.get(key) if isinstance(holder, dict) else None
    items = listed if isinstance(listed, list) else []
    return list(_inside([item.get("path") for item in items if isinstance(item, dict)]))


def _inside(paths: Sequence[Any]) -> Iterator[str]:
    """Yield those of some paths that are paths inside a group, each once."""
    known = dict.fromkeys(path for path in paths if isinstance(path, str))
    yield from (path for path in known if is_inside(path))


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts 2 before 10."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]
