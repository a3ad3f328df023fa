"""The check that a run overwrites nothing that it did not make.

It looks at the places of all levels before anything is written.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.errors import StoreError, missing_message
from zarrpyramid.metadata import (
    ARRAY_DOCUMENTS,
    OPENING_DOCUMENT,
    RECORD_KEY,
    absent_groups,
    join,
    read_document,
    read_node,
)
from zarrpyramid.programs import command
from zarrpyramid.stores import as_arguments

from .base_objects import missing_objects
from .foreign import check_listed, groups_between, is_shared
from .lost import check_base_kept
from .remainders import REMAINDERS
from .source import BASE_KEY, COPY_KEY
from .stored import LITTER_KEY, OBJECT_KEY, Level

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zarrpyramid.stores import Store

    from .image import Image


def check_places(image: Image) -> None:
    """Check that nothing but our own levels stands where levels will be.

    Raises
    ------
    StoreError
        If something does, or level 0 is lost and levels that were made from it are there.
    """
    if image.source is not None:
        check_base_place(image)
    elif image.plan.image.missing_chunks == "error":
        _check_base_whole(image)
    levels = [Level(image, level.level) for level in image.plan.levels[1:]]
    for level in levels:
        check_place(level)
    check_base_kept(image, levels)
    if not image.plan.image.overwrite:
        check_listed(image)


def why_nested(image: Image, around: Mapping[str, Image]) -> str:
    """Return why an image cannot be built: its group lies in a level of another image; else "".

    Parameters
    ----------
    around
        Images by name in whose groups it may lie.
    """
    group = Path(os.path.realpath(image.plan.where))
    places = {str(group), *map(str, group.parents)}
    for name, other in around.items():
        for level in other.plan.levels:
            path = f"{other.plan.where}/{other.paths.path(level.level)}"
            place = os.path.realpath(path)
            if place in places:
                return (
                    f"image {image.plan.image.name}: its group {image.plan.where} lies in {place}, "
                    f"where a level of image {name} is or will be; choose another store or field"
                )
    return ""


def _check_base_whole(image: Image) -> None:
    if read_node(image.store, image.level_path(0)) is None:
        return  # a test image that is still to be made
    missing = missing_objects(image)
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise StoreError(missing_message(f"{image.name(0)}/{missing[0]}{more}"))


def check_place(level: Level) -> None:
    """Check that nothing but our own level, or the rest of a killed run, stands in its place.

    Arrays of other programs may stand there if the configuration allows to overwrite them.

    Raises
    ------
    StoreError
        If something else does.
    """
    store = level.store
    path = level.image.paths.path(level.number)
    for above in groups_between(level.image, path):
        node = read_node(store, above)
        if node is None and store.version(above) is None and not store.is_link(above):
            continue
        if node is None or node.kind != "group" or store.is_link(above):
            raise StoreError(
                f"{store.name}/{above} is no group of the store's own, in which {level.name} could "
                "be; move it away"
            )
    if store.is_link(level.path):
        raise StoreError(
            f"{level.name} is a symbolic link, behind which nothing is ever written; remove the "
            "link, or put the level itself there"
        )
    if level.node is None and store.version(level.path) is None:
        _check_remains(level)
    elif level.node is None or level.node.kind != "array":
        what = "a file" if level.node is None else "a group"
        raise StoreError(
            f"{level.name} is {what}, expected a level or nothing; move it away, or build the "
            "pyramid in another group"
        )
    elif level.record is None and level.is_promised and not level.may_be_replaced:
        options = as_arguments(store.options)
        mend = command("zarrpyramid", "verify", level.image.plan.where) + options
        raise StoreError(
            f"{level.name} is there already and was not made by this workflow, or has lost its "
            f"record, since the list names it as made here; mend it: {mend} --repair"
        )
    elif level.record is None and not level.may_be_replaced:
        raise StoreError(
            f"{level.name} is there already and was not made by this workflow; move it away, build "
            "the pyramid in another group, or, if that array may be removed, set overwrite: true"
        )
    elif level.record is None and is_shared(level.image, path):
        raise StoreError(
            f"{level.name} is there already, was not made by this workflow, and another "
            f"multiscales of {level.image.plan.where} lists it, which stays as it is; build in "
            "another store with this group as source"
        )


def left_overs(image: Image, numbers: Iterable[int]) -> list[Level]:
    """Return those of some levels that have no array, but objects that a killed run left.

    A build of the level would remove them.
    """
    levels = [Level(image, number) for number in numbers]
    return [level for level in levels if _is_left_over(level)]


def _is_left_over(level: Level) -> bool:
    try:
        check_place(level)
        return level.node is None and any(level.store.keys(level.path))
    except StoreError:
        return False  # something else stands there, and a build says so


def is_empty_place(store: Store, path: str) -> bool:
    """Tell whether nothing stands at a path: no object, nothing below it, and no link."""
    return not (store.is_link(path) or store.version(path) is not None or any(store.keys(path)))


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
    if not is_empty_place(image.store, path) and not is_taken(image):
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


def _check_remains(level: Level) -> None:
    """Refuse a folder without an array that holds anything but what a killed run of ours left."""
    store, path = level.store, level.path
    if store.version(join(path, OPENING_DOCUMENT)) is not None:
        return  # a level of ours in parts, perhaps of millions of objects
    for key in store.keys(path):
        if not (
            OBJECT_KEY.fullmatch(key)
            or LITTER_KEY.fullmatch(key)
            or key.startswith(f"{REMAINDERS}/")
            or (key in ARRAY_DOCUMENTS and level.is_damaged)
            or (key == ".zattrs" and _is_our_zattrs(level))
        ):
            raise StoreError(
                f"{level.name} is no level but holds {key}, which is not ours to remove; move it "
                "away"
            )


def _is_our_zattrs(level: Level) -> bool:
    """Tell whether the document of v2 that is written before .zarray holds our record."""
    attributes = read_document(level.store, f"{level.path}/.zattrs")
    return attributes is not None and RECORD_KEY in attributes
