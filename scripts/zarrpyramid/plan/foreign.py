"""Levels of other programs in the list of an image: which they are, and what may be removed.

A list that mixes theirs with ours describes no pyramid. Imports no array library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zarrpyramid.errors import StoreError
from zarrpyramid.metadata import (
    groups_above,
    is_inside,
    join,
    listed_paths,
    read_node,
    shared_paths,
)
from zarrpyramid.programs import command

from .stored import Level, record_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .image import Image


def check_listed(image: Image) -> None:
    """Check that the group lists no level of others, since ours and theirs make no one pyramid.

    Raises
    ------
    StoreError
        If it does.
    """
    foreign = foreign_levels(image)
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise StoreError(
            f"{image.plan.where} lists {foreign[0]}{more} as a level, which was not made by this "
            "workflow; build in another store with this group as source, set overwrite: true to "
            "have what is listed removed, or remove all levels: "
            + command("zarrpyramid", "clean", image.plan.where, "--foreign")
        )


def foreign_levels(image: Image) -> list[str]:
    """Return the paths that a group lists beside level 0, where something of others stands."""
    node = read_node(image.store, image.path)
    listed = [] if node is None else listed_paths(node.attributes)
    return [path for path in dict.fromkeys(listed) if _is_foreign(image, path)]


def _is_foreign(image: Image, path: str) -> bool:
    number = image.paths.level(path)
    if number == 0 or not is_inside(path):
        return number != 0
    if _is_linked(image, path):
        return True
    at = join(image.path, path)
    node = read_node(image.store, at) if number is None else Level(image, number).node
    if node is None:
        return image.store.version(at) is not None
    return number is None or record_of(node) is None


def may_be_removed(image: Image, path: str) -> bool:
    """Tell whether a listed level of others is an array that nothing but the list needs.

    It is no link, shares no folder with level 0 or a level of ours, and no further multiscales
    lists it.
    """
    if not is_inside(path) or _is_linked(image, path):
        return False
    node = read_node(image.store, join(image.path, path))
    ours = [image.paths.path(level.level) for level in image.plan.levels]
    return (
        node is not None
        and node.kind == "array"
        and not any(f"{path}/".startswith(f"{own}/") for own in ours)
        and not any(own.startswith(f"{path}/") for own in ours)
        and not is_shared(image, path)
    )


def _is_linked(image: Image, path: str) -> bool:
    """Tell whether a link stands on the way to a path in an image's group."""
    places = (*groups_between(image, path), join(image.path, path))
    return any(image.store.is_link(place) for place in places)


def is_shared(image: Image, path: str) -> bool:
    """Tell whether a further multiscales of the group lists a path."""
    group = read_node(image.store, image.path)
    return group is not None and path in shared_paths(group.attributes)


def groups_between(image: Image, path: str) -> Iterator[str]:
    """Yield the paths of the groups between the image's group and an array at a path in it."""
    for above in groups_above(path)[1:]:
        yield join(image.path, above)
