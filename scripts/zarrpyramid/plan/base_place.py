"""Where level 0 stands in its group, and what is said where it is not found there.

Imports no array library.
"""

from __future__ import annotations

import shlex
from itertools import islice
from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.errors import ConfigError, StoreError, nearest
from zarrpyramid.metadata import (
    BASE_PATH_KEY,
    LevelPaths,
    base_path,
    change_group_attributes,
    find_arrays,
    find_images,
    is_reached,
    join,
    listed_paths,
    open_group,
    parse_array,
    reach,
    read_node,
)
from zarrpyramid.programs import command

from .source import BASE_KEY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.config import ImageConfig
    from zarrpyramid.geometry import Shape
    from zarrpyramid.metadata import ArrayMetadata, Node
    from zarrpyramid.stores import Store

    from .image import Image

_MOST_NAMED = 8
"""Fields that a message names."""


def level_paths(config: ImageConfig, store: Store, path: str, group: Node | None) -> LevelPaths:
    """Return the paths of the levels in a group, by that of level 0.

    That is the array which the group lists first, else `base_path`, else ``0``.

    Raises
    ------
    PyramidError
        If the group lists what is no path, or another level 0 than `base_path`.
    """
    if group is None:
        return LevelPaths(base=config.base_path or "0")
    where = f"{store.name}/{path}".rstrip("/")
    is_taken = BASE_KEY in group.attributes  # at 0, also while the list is without it
    base = "0" if is_taken else base_path(group.attributes)
    if base is not None and not is_reached(group.attributes, base):
        raise StoreError(
            f"{where} lists {base!r} as level 0, expected the path of an array in the group; fix "
            "its multiscales"
        )
    is_listed = is_taken or base in listed_paths(group.attributes)
    if config.base_path and is_listed and base != config.base_path:
        raise ConfigError(
            f"image {config.name}: base_path is {config.base_path}, but {where} lists {base} as "
            "level 0; leave base_path out, or take the multiscales out of the group's attributes"
        )
    return LevelPaths(base=config.base_path or base or "0")


def note_base_path(image: Image) -> None:
    """Note in the group where level 0 is, unless every program finds it there.

    Until the levels are listed, nothing else tells it to those who have no configuration.
    """
    base = image.paths.base
    if (base_path(open_group(image.store, image.path).attributes) or "0") != base:
        change_group_attributes(
            image.store, image.path, lambda attributes: {**attributes, BASE_PATH_KEY: base}
        )


def read_base(
    config: ImageConfig, store: Store, path: str, group: Node, base: str
) -> ArrayMetadata:
    """Return the metadata of level 0, which is expected at the path `base` of its group.

    Raises
    ------
    StoreError
        If it is not there; the message says what there is, and the ways out.
    """
    where = f"{store.name}/{path}".rstrip("/")
    node = read_node(store, reach(path, base))
    if node is not None and node.kind == "group":
        raise StoreError(
            f"{where}/{base} is a group, expected the array of level 0"
            + way_from_group(store, path, base)
        )
    found = None if node is None else parse_array(node.documents, f"{where}/{base}")
    if found is None and base in listed_paths(group.attributes):
        raise StoreError(
            f"{where} lists {base} first, as level 0, but has no such array; restore it, or fix "
            "the group's multiscales"
        )
    if found is None:
        raise StoreError(
            f"{where} has no array {base} for level 0"
            f"{way_to_base(store, path, config.base_path, is_built=True)}"
        )
    if found.zarr_format != group.zarr_format:
        raise StoreError(
            f"{where} is a group of zarr v{group.zarr_format}, its array {base} is of "
            f"v{found.zarr_format}; write both in one format"
        )
    check_voxels(found, f"{where}/{base}")
    return found


def check_voxels(base: ArrayMetadata, where: str) -> None:
    """Refuse a level 0 without voxels."""
    if 0 in base.shape:
        raise StoreError(
            f"{where} has no voxels, its shape is {list(base.shape)}; expected at least 1 along "
            "each axis: write the image there again, or leave it out of the run"
        )


def way_from_group(store: Store, path: str, base: str) -> str:
    """Say what in an image's group may be meant where a group stands in level 0's place."""
    fields = ", ".join(map(repr, find_images(store, path)))
    if fields:
        return f"; groups that have one: {fields}; give one as field"
    arrays = find_arrays(store, join(path, base))
    if arrays:
        sizes = {name: geometry.count(array.shape) for name, array in arrays.items()}
        largest = max(sizes, key=lambda name: sizes[name])
        return f"; its arrays are {', '.join(sizes)}: give base_path: {base}/{largest}"
    return "; it holds no array: write the image into another group, or give it as source there"


def way_to_base(
    store: Store, path: str, given: str | None = None, *, is_built: bool = False
) -> str:
    """Say what a group holds instead of level 0, and how one of that becomes level 0.

    Parameters
    ----------
    given
        The `base_path` of the settings, where the group has no such array.
    is_built
        Whether a pyramid is built: other commands than `build` take no settings.
    """
    inside = store.children(path) if store.lists else []
    arrays = find_arrays(store, path)
    shapes = {name: array.shape for name, array in arrays.items() if 0 not in array.shape}
    if given:
        known = f"its arrays are {', '.join(shapes)}" if shapes else f"it holds {_named(inside)}"
        return f", which base_path names; {known}{nearest(given, list(shapes))}"
    if shapes:
        return _way_of_arrays(store, path, shapes, is_built=is_built)
    below, beside = (
        [repr(field) for field in islice(find_images(store, place), _MOST_NAMED + 1)]
        for place in (path, "")
    )
    if below:
        whole = f"{store.name}/{path}".rstrip("/")
        all_of_them = f", or all of them by container: {whole}" if len(below) > 1 else ""
        return f"; groups below it that have one: {_few(below)}; give one as field{all_of_them}"
    held = f"; it holds {_named(inside)}; "
    if beside:
        return f"{held}fields of its store that have one: {_few(beside)}"
    return f"{held}write the image there as array 0, or give it as source"


def _way_of_arrays(store: Store, path: str, shapes: dict[str, Shape], *, is_built: bool) -> str:
    """Say which array of a group may be level 0, and how it is made that."""
    sizes = {name: geometry.count(shape) for name, shape in shapes.items()}
    first = max(sizes, key=lambda name: sizes[name])
    largest = [name for name, size in sizes.items() if size == sizes[first]]
    if len(largest) > 1:
        named = f"give the one that is level 0, such as base_path: {first}"
        which = f"its arrays {', '.join(largest)} are equally large"
        return f"; {which}: {named if is_built else _first_build(store, path, first)}"
    which = "its one array is" if len(sizes) == 1 else "the largest of its arrays is"
    paths = LevelPaths(base=first)
    levels = [name for name in sizes if paths.level(name)]
    linked = [name for name in levels if store.is_link(join(path, name))]  # never written behind
    coarser = ", ".join(name for name in levels if name not in linked)
    anew = f" and overwrite: true ({coarser} are made anew)" if coarser else ""
    anew += f" after the link {', '.join(linked)} is removed" if linked else ""
    folder = store.folder(path)
    names = (shlex.quote(f"{folder}/{name}") for name in (first, "0"))
    moved = "" if folder is None else f", or rename it: mv {' '.join(names)}"
    if not is_built and not linked:
        more = ("--set", "overwrite=true") if coarser else ()
        return f"; {which} {first}: {_first_build(store, path, first, *more)}"
    return f"; {which} {first}: give base_path: {first}{anew}{moved}"


def _first_build(store: Store, path: str, base: str, *more: str) -> str:
    where = f"{store.name}/{path}".rstrip("/")
    words = ("build", where, "--set", f"base_path={base}", *more)
    return f"build its pyramid first: {command('zarrpyramid', *words)}"


def _few(names: Sequence[str]) -> str:
    """Return names as a list, cut short where there are many: a plate has thousands."""
    more = ", ..." if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _named(names: Sequence[str]) -> str:
    return ", ".join(names) or "nothing"
