"""The images of a container: found, chosen, named, and given their settings.

Labels follow the image that they label: they get its factors, and as many levels.
"""

from __future__ import annotations

import json
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zarrpyramid.config import path_name, place_digits
from zarrpyramid.errors import ConfigError, PyramidError, nearest
from zarrpyramid.metadata import (
    SPACE,
    find_members,
    groups_above,
    join,
    locate,
    read_multiscales,
    read_node,
)
from zarrpyramid.reduce import ALL_DATA, METHODS

from .remainders import EACH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zarrpyramid.config import Container, ImageConfig
    from zarrpyramid.metadata import Member
    from zarrpyramid.stores import Store

    from .image import Image

_NAMED = 5
"""Paths of a container that a message names."""


def container_members(container: Container) -> tuple[Store, str, dict[str, Member]]:
    """Return the images of a container by their paths in it, whether or not they are chosen.

    Returns
    -------
    Store, str, dict of Member
        The store in which the container is, and its path there; the images.

    Raises
    ------
    PyramidError
        If the container is not there, cannot be read or holds no image.
    """
    given = container.template
    store, inside = locate(
        given.store,
        "",
        follow_links=given.follow_links,
        options=given.storage_options,
        durable=given.durability != "none",
    )
    start = len(inside) + 1 if inside else 0
    found = {
        member.path[start:]: replace(
            member,
            path=member.path[start:],
            image=None if member.image is None else member.image[start:],
        )
        for member in find_members(store, inside, given.base_path)
    }
    if not found:
        if store.why_absent(inside) or not (store.is_remote or Path(given.store).exists()):
            raise ConfigError(f"container: there is nothing at {given.store}; check the path")
        raise ConfigError(
            f"container: no image is in {given.store}; expected a plate, series, or groups with a "
            "level 0 (the array 0, or what base_path names)"
        )
    return store, inside, found


def chosen(paths: Sequence[str], select: Sequence[str], where: str) -> list[str]:
    """Return those of some paths that patterns select, in their order.

    A pattern selects a path that it matches, and all paths in a group that it matches.

    >>> chosen(["B/03/0", "B/03/0/labels/n", "B/04/0"], ["B/03/*"], "plate")
    ['B/03/0', 'B/03/0/labels/n']

    Raises
    ------
    ConfigError
        If a pattern selects none.
    """
    selected: set[str] = set()
    for pattern in select:
        steps = [step for step in pattern.split("/") if step]
        found = [path for path in paths if _matches(path.split("/") if path else [], steps)]
        if not found:
            near = nearest(pattern, [*paths, *{above for p in paths for above in groups_above(p)}])
            more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
            known = ", ".join(repr(path) for path in paths[:_NAMED])
            raise ConfigError(
                f"select: {pattern!r} selects none of the {len(paths)} images of {where}"
                f"{near or f'; they are {known}{more}'}"
            )
        selected.update(found)
    return [path for path in paths if path in selected]


def _matches(path: Sequence[str], pattern: Sequence[str]) -> bool:
    """Tell whether a pattern matches the first steps of a path, or all of them."""
    if not pattern:
        return True
    if pattern[0] == "**":
        return any(_matches(path[n:], pattern[1:]) for n in range(len(path) + 1))
    return bool(path) and fnmatchcase(path[0], pattern[0]) and _matches(path[1:], pattern[1:])


def member_names(paths: Sequence[str], container: Container, results: Path) -> dict[str, str]:
    """Return the names of the images of a container by their paths.

    Where another image has taken one of the names in the folder of results, all of them begin with
    the name of the container, and with digits of its place where that does not help.

    Raises
    ------
    ConfigError
        If two images would have one name.
    """
    place = container.template.store
    digits = place_digits(place)
    made: dict[str, str] = {}
    for before in ("", container.name, f"{container.name}-{digits}"):
        made = {path: path_name(path, before, container.name) for path in paths}
        if not any(_is_taken(results / name, place, path) for path, name in made.items()):
            break
    owners: dict[str, str] = {}
    for path, name in made.items():
        other = owners.setdefault(name, path)
        if other != path:
            raise ConfigError(
                f"images {other!r} and {path!r} of {place} would both be called {name}; select one "
                "of them, or name them in images"
            )
    return made


def _is_taken(folder: Path, store: str, path: str) -> bool:
    """Tell whether a folder of results is that of another image."""
    try:
        known = json.loads((folder / "image.json").read_bytes())
    except (OSError, ValueError):
        return False
    return (known.get("store"), known.get("field")) != (store, path)


def labels_config(config: ImageConfig, image: Image) -> ImageConfig:
    """Return the settings of labels that follow the image that they label.

    What is given for all images counts as far as it can: no mean of ids is made, no id stands for
    no data, and what has one number for each axis of the image is left out.
    """
    plan = image.plan
    steps = tuple(
        {axis.name: n for axis, n in zip(plan.axes, level.factors, strict=True) if n > 1}
        for level in plan.levels[1:]
    )
    asked = config.method
    picks = asked in METHODS and not METHODS[asked].mixes
    space = {axis.name: axis for axis in plan.axes if axis.type == SPACE}
    sizes: Mapping[str, float] = config.voxel_size if isinstance(config.voxel_size, dict) else {}
    sizes = {name: size for name, size in sizes.items() if name in space}
    unit: Any = config.unit
    if isinstance(unit, dict):
        unit = {name: known for name, known in unit.items() if name in space}
    if not _lists_axes(config, image):  # placed as the image is, or no viewer lays it over it
        sizes = {**{name: axis.size for name, axis in space.items()}, **sizes}
        unit = {name: axis.unit for name, axis in space.items() if axis.unit is not None}
    return replace(
        config,
        scale_factors=steps or "auto",
        levels=None if steps else 0,
        method=asked if picks else "auto",
        also=None,
        nodata=None,
        nodata_share=ALL_DATA.share,
        rounding=EACH,
        dtype=None,
        axes=None,
        voxel_size=sizes,
        unit=unit,
        chunks="auto" if isinstance(config.chunks, tuple) else config.chunks,
        shards="same" if isinstance(config.shards, tuple) else config.shards,
    )


def _lists_axes(config: ImageConfig, image: Image) -> bool:
    """Tell whether the group of labels says itself how large its voxels are."""
    try:
        node = read_node(image.store, join(image.place, config.field))
    except PyramidError:
        return False
    return node is not None and read_multiscales(node.attributes) is not None
