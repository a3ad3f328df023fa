"""Where the group of an image is: its place in a store, and what stands there instead of it."""

from __future__ import annotations

import contextlib
import json
import os
from itertools import count, takewhile
from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry
from zarrpyramid.errors import MetadataError, StoreError, nearest
from zarrpyramid.programs import command, source_words
from zarrpyramid.stores import check_url, is_url, open_store, why_no_store

from .formats import FORMATS
from .multiscales import base_path
from .nodes import find_node, read_array, read_node
from .paths import groups_above, is_inside, join

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from contextlib import ExitStack

    from zarrpyramid.stores import Store

    from .array import ArrayMetadata
    from .nodes import Node
    from .paths import LevelPaths

_MOST_LOOKED_AT = 200
"""Nodes of a group that are looked at for a message."""

_GROUP_DOCUMENTS = tuple(spelling.group_document for spelling in FORMATS.values())


def locate(
    store: str,
    field: str,
    *,
    follow_links: bool = False,
    options: Mapping[str, Any] | None = None,
    durable: bool = True,
    looks: ExitStack | None = None,
    wanted: Iterable[str] = (),
) -> tuple[Store, str]:
    """Return the topmost group above a store as files, and the path of an image's group in it.

    Starting above the store where folders above it are groups too is what keeps their consolidated
    metadata in step. Of links that lead out of it, those are followed by which the store itself is
    reached, and a level 0 that the group says was linked here; with `follow_links`, all. `options`
    are for a store that is a URL, `durable` is for a local one. Keys in the group that are
    `wanted` of a remote store are asked for meanwhile, and kept until `looks` is closed.
    """
    if "\0" in store:
        raise StoreError(f"{store!r} contains a NUL, which no path may")
    if is_url(store):
        opened = open_store(check_url(store, "the image", is_read=True), options)
    else:
        trusted = ["/"] if follow_links else [os.path.realpath(store)]
        opened = open_store(store, trusted=trusted, durable=durable)
    if looks is not None:
        looks.enter_context(opened.remembered(join(field, key) for key in wanted))
    while (above := opened.above()) is not None:
        parent, name = above
        try:
            with parent.remembered(_GROUP_DOCUMENTS):
                is_group = any(parent.size(key) is not None for key in _GROUP_DOCUMENTS)
        except StoreError:
            break  # who may read the store need not be allowed to read what is around it
        if not is_group:
            break
        opened, field = parent, join(name, field)
    if looks is not None:
        looks.enter_context(opened.remembered())
    return opened, field


def open_group(store: Store, path: str) -> Node:
    """Return the group of an image.

    Raises
    ------
    StoreError
        If there is none; the message says what there is instead, and the way out.
    """
    where = f"{store.name}/{path}".rstrip("/")
    node = read_node(store, path)
    if node is not None and node.kind == "array":
        raise StoreError(f"{where} is itself an array, {_way_out_of_array(store, path)}")
    if node is not None:
        return node
    if reason := why_no_store(where) or store.why_absent(path):
        raise StoreError(reason)
    if arrays := find_arrays(store, path):
        if store.archive is not None:
            raise StoreError(
                f"{where} holds {', '.join(arrays)} but is no zarr group, of which a single file "
                f"holds one; unpack it, and have the folder packed once it is a group: "
                f"{command('zarrpyramid', 'unpack', store.archive.name, 'NEW.zarr')}"
            )
        zarr_format = next(iter(arrays.values())).zarr_format
        make = f"zarr.create_group({json.dumps(where)}, zarr_format={zarr_format})"
        raise StoreError(
            f"{where} holds {', '.join(arrays)} but is no zarr group; make it one: "
            f"{command('python', '-c', f'import zarr; {make}')}"
        )
    raise StoreError(f"there is no zarr group {where}{way_to_image(store, path)}")


def way_to_image(store: Store, path: str = "") -> str:
    """Say which images a store holds where none is found at a path, or how it gets one."""
    fields = list(find_images(store))
    if fields == [""] and path:
        return f"; the image is the root of {store.name}: give that as store and leave field out"
    if fields:
        known = ", ".join(map(repr, fields))
        return f"; fields of {store.name}: {known}{nearest(path, fields)}"
    return (
        "; give the folder that holds zarr.json or .zgroup, write a zarr group with the image as "
        "array 0 there, or give the image as source of a store of your own"
    )


def _way_out_of_array(store: Store, path: str) -> str:
    """Say how a pyramid is made of an array, or which image's level 0 it is."""
    for above in groups_above(path):
        group = read_node(store, above)
        level_0 = "0" if group is None else base_path(group.attributes) or "0"
        if path[len(above) :].strip("/") == level_0:
            field = f"{store.name}/{above}".rstrip("/")
            return f"level 0 of the image {field}; give the image's group as store and field"
    where = f"{store.name}/{path}".rstrip("/")
    return (
        "expected a group that holds it as 0; give it as source of a new store: "
        f"{source_words(f'source={where}')}, or in Python "
        f"build_pyramid('NEW.zarr', source={where!r})"
    )


def find_arrays(store: Store, path: str) -> dict[str, ArrayMetadata]:
    """Return those arrays by name that stand in a folder and can be read as images."""
    found = {}
    for name in store.children(path)[:_MOST_LOOKED_AT] if store.lists else ():
        with contextlib.suppress(MetadataError, StoreError):
            if array := read_array(store, join(path, name)):
                found[name] = array
    return found


def find_images(store: Store, path: str = "", depth: int = 3) -> Iterator[str]:
    """Yield the paths of the groups that hold a level 0, down to a depth.

    That is the array which a group lists first, or ``0`` where it lists none.
    """
    try:
        node = read_node(store, path)
        level_0 = "0" if node is None else base_path(node.attributes) or "0"
        base = read_node(store, join(path, level_0)) if is_inside(level_0) else None
    except (MetadataError, StoreError):
        return
    if node is not None and node.kind == "array":
        return
    if node is not None and base is not None and base.kind == "array":
        yield path
    if depth and store.lists:
        for name in store.children(path)[:_MOST_LOOKED_AT]:
            yield from find_images(store, join(path, name), depth - 1)


def object_stats(store: Store, path: str) -> Iterator[tuple[str, int, int]]:
    """Yield (relative key, bytes, version) of what stands below an array's path.

    Where nothing is listed, of the objects alone that the array's metadata has room for.
    """
    if store.lists:
        yield from store.stats(path)
        return
    metadata = read_array(store, path)
    if metadata is None:
        return
    grid = geometry.grid_shape(metadata.shape, metadata.write_shape)
    yield from store.stats_of(path, map(metadata.object_key, geometry.iterate_units(grid)))


def levels_there(store: Store, path: str, paths: LevelPaths) -> list[int]:
    """Return the numbers of the levels of an image in whose places something stands, in order.

    `path` is that of its group. Where nothing is listed, those up to the first that is absent.
    """
    if store.lists:
        return paths.levels(store.children(join(path, paths.folder)))
    return list(takewhile(lambda level: find_node(store, join(path, paths.path(level))), count(1)))
