"""What makes levels visible: a level's own documents, and the group's list of levels.

Reads and writes documents alone. Imports no array library, since the jobs that do this and nothing
else would wait for it.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import StoreError
from zarrpyramid.metadata import (
    BASE_PATH_KEY,
    OUTER_BASE_KEY,
    WINDOWS_KEY,
    change_group_attributes,
    delete_array,
    delete_empty_groups,
    fits,
    join,
    labels_group,
    levels_there,
    listed_paths,
    make_groups,
    omero_document,
    open_group,
    read_multiscales,
    read_node,
    same_text,
    stated_version,
    with_label_image,
    with_label_listed,
    with_layout,
    with_levels,
    with_omero,
    with_others_omero,
    without_layout,
    without_our_list,
    without_our_omero,
    without_paths,
    write_array,
)
from zarrpyramid.plan import (
    CHANNELS_KEY,
    ONCE,
    Level,
    check_listed,
    first_attributes,
    foreign_levels,
    left_overs,
    made_of,
    may_be_removed,
    n_channels,
    our_levels,
    provenance,
    record_of,
    remainders_path,
)
from zarrpyramid.reduce import METHODS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import ExitStack

    from zarrpyramid.metadata import Record
    from zarrpyramid.plan import Image
    from zarrpyramid.stores import Store

logger = logging.getLogger(__name__)


def publish_level(level: Level, record: Record, looks: ExitStack | None = None) -> None:
    """Write a level's documents, whose objects are flushed: from here on it exists.

    Parameters
    ----------
    looks
        Where given, what the next step reads is asked for too, and kept until it is closed.
    """

    def look() -> None:
        if looks is not None:
            image, levels = level.image, range(1, level.number + 1)
            looks.enter_context(image.looked_at(*levels, above=True))

    if looks is not None:
        looks.enter_context(level.store.deciding())
    write_array(level.store, level.path, level.published(record), look=look)
    level.store.sync()


def make_companion_group(image: Image) -> None:
    """Make the group of a companion, which says where its level 0 is, if it is absent."""
    make_groups(image.store, image.path, image.plan.base.zarr_format)
    first = first_attributes(image)
    change_group_attributes(image.store, image.path, lambda found: found or first)


def empty_companion_group(image: Image) -> None:
    """Leave no attribute of a companion's group, unless something that is not ours is in it."""
    ours = {OUTER_BASE_KEY, BASE_PATH_KEY, CHANNELS_KEY, "ome", "multiscales", "omero"}
    found = open_group(image.store, image.path).attributes
    if found.keys() <= ours and not image.store.children(image.path):
        change_group_attributes(image.store, image.path, lambda found: {})


def write_multiscales(image: Image) -> Record:
    """List all levels of the plan, and nothing else, after removing ours beyond them.

    Levels of others that are listed are removed too, where the configuration gives them up.

    Returns
    -------
    Record
        What is listed; empty where OME-NGFF cannot describe the image.

    Raises
    ------
    StoreError
        If a level of the plan is absent, or one of others is listed that is not given up.
    """
    plan = image.plan
    levels = range(1, len(plan.levels))
    with image.store.hold(image.lock), image.looked_at(*levels):
        _check_chain(image)
        if plan.image.overwrite:
            remove_foreign(image)
        check_listed(image)
        _remove_beyond(image)
        for level in plan.levels[1:]:
            remove_remainders(image, level.level)  # of a run that was killed before it did
        if plan.lists_levels:
            change = partial(listed_attributes, image)
            group = change_group_attributes(image.store, image.path, change)
            _list_labels(image)
            image.store.sync()
            if plan.image.omero and len(plan.levels) > 1 and not _omero(image, group.attributes):
                logger.info(
                    "%s gets no omero: values were not counted when %s was made, by an earlier "
                    "release; remove that level to have it made again",
                    plan.where,
                    image.name(1),
                )
            return dict(read_multiscales(group.attributes) or {})
        if image.paths.base == "0":
            change_group_attributes(image.store, image.path, without_our_list)
        else:  # the list alone tells where level 0 is
            withdraw_levels(image, 1)
    logger.warning(
        "%s has axes %s: OME-NGFF lists only images with two or three space axes, so the levels "
        "are there but not listed",
        plan.where,
        [axis.name for axis in plan.axes],
    )
    return {"datasets": []}


def _check_chain(image: Image) -> None:
    """See that every level is that of the plan, and was made from the one before it."""
    before: Record | None = None
    for plan in image.plan.levels[1:]:
        level = Level(image, plan.level)
        record = record_of(level.metadata) or {}
        is_of = not before or fits(record.get("source", {}), made_of(before))
        if not fits(record, plan.expected) or not is_of:
            raise StoreError(
                f"{level.name} is not the level that this run has made: another run has "
                "changed it; run again, and let one run have the image to itself"
            )
        before = record


def listed_attributes(image: Image, attributes: dict[str, Any]) -> dict[str, Any]:
    """Return a group's attributes as they are when all levels of the plan are listed."""
    plan = image.plan
    listed = with_levels(
        attributes,
        zarr_format=plan.base.zarr_format,
        name=image.path.rpartition("/")[2] or plan.image.name,
        axes=plan.axes,
        paths=[image.paths.path(level.level) for level in plan.levels],
        downsamplings=[level.downsampling for level in plan.levels],
        metadata=provenance(plan),
        shifts=METHODS[plan.image.method].shifts,
        ngff_version=plan.image.ngff_version,
    )
    listed = with_layout(listed) if plan.image.zarr_conventions else without_layout(listed)
    if plan.image.labels:
        is_marked = plan.asked.labels is True
        listed = with_label_image(listed, plan.base.zarr_format, image.path, marked=is_marked)
    if image.is_companion:
        listed = _shown_as_the_image(image, listed)
    if not plan.image.omero:
        return with_omero(listed, None)
    made = _omero(image, listed)
    return listed if made is None else with_omero(listed, made)


def _shown_as_the_image(image: Image, attributes: dict[str, Any]) -> dict[str, Any]:
    """Return a companion's attributes with the names and colours that its image gives channels."""
    node = read_node(image.store, image.path.rpartition("/")[0])
    shown = {} if node is None else node.attributes
    named = {key: item for key, item in shown.items() if key == CHANNELS_KEY}
    return with_others_omero({**attributes, **named}, shown)


def omero_holds(image: Image, attributes: dict[str, Any]) -> bool:
    """Tell whether an omero that we wrote has the windows that level 1 records."""
    if without_our_omero(attributes) is attributes:
        return True  # of others, or none
    made = _omero(image, attributes)
    return made is not None and same_text(with_omero(attributes, made), attributes)


def _omero(image: Image, attributes: dict[str, Any]) -> dict[str, Any] | None:
    """Return how viewers first show an image, by what level 1 records of level 0's values."""
    plan = image.plan
    record: Record = (Level(image, 1).record or {}).get("source", {})
    if WINDOWS_KEY not in record:
        return None
    extents = zip(plan.base.shape, plan.axes, strict=True)
    heights = [extent for extent, axis in extents if axis.name.lower() == "z"]
    return omero_document(
        record[WINDOWS_KEY],
        n_channels=n_channels(plan.axes, plan.base.shape),
        name=str((read_multiscales(attributes) or {}).get("name") or plan.image.name),
        dtype=plan.base.dtype,
        extremes=[record.get("min"), record.get("max")],
        middle=sum(heights) // 2,
        labels=attributes.get(CHANNELS_KEY),
    )


def _list_labels(image: Image) -> None:
    """Name an image of labels in the `labels` group that it is in."""
    place = labels_group(image.path) if image.plan.image.labels else None
    if place is None or read_node(image.store, place[0]) is None:
        return
    zarr_format = image.plan.base.zarr_format
    version = stated_version(open_group(image.store, image.path).attributes)
    change = partial(with_label_listed, zarr_format=zarr_format, path=place[1], version=version)
    change_group_attributes(image.store, place[0], change)


def withdraw_levels(image: Image, first: int, opened: Sequence[Level] = ()) -> None:
    """Take all levels from `first` on out of the group's list, before any of them changes.

    What others made in the place of a level stays, unless the configuration gives it up.

    Parameters
    ----------
    opened
        Levels that the caller has opened already.
    """

    def change(attributes: dict[str, Any]) -> dict[str, Any]:
        levels = _listed_levels(image, attributes, first, opened)
        return without_paths(attributes, levels)

    change_group_attributes(image.store, image.path, change)


def _listed_levels(
    image: Image, attributes: dict[str, Any], first: int, opened: Sequence[Level] = ()
) -> list[str]:
    """Return the paths of listed levels from `first` on that are ours, are to be, or are absent."""
    listed = {path: image.paths.level(path) for path in listed_paths(attributes)}
    known = {level.number: level for level in opened}
    return [
        path
        for path, number in listed.items()
        if number is not None
        and number >= first
        and not known.get(number, Level(image, number)).is_foreign
    ]


def remove_levels(image: Image, first: int, rests: Sequence[Level] = ()) -> list[int]:
    """Remove the levels from `first` on that carry our record, and `rests`; return their numbers.

    Levels that are not ours stay.

    Parameters
    ----------
    rests
        What `left_overs` tells, also of levels whose documents are damaged: it takes them for ours
        while they are listed.
    """
    ours = [*our_levels(image, first), *rests]
    if ours:
        withdraw_levels(image, first, ours)
    return _remove(ours)


def _remove_beyond(image: Image) -> None:
    """Remove our levels beyond the plan, and there what killed runs left of others."""
    first = len(image.plan.levels)
    there = levels_there(image.store, image.path, image.paths)
    beyond = [number for number in there if number >= first]
    if beyond:
        remove_levels(image, first)
        # A build makes levels one after the other: beyond a gap, nothing is its rest.
        remove_left_overs(image, [n for place, n in enumerate(beyond, first) if n == place])


def may_carry(store: Store) -> bool:
    """Tell whether remainders may be written, which have to be found and removed again."""
    return store.deletes and store.lists


def remove_remainders(image: Image, level: int) -> None:
    """Remove what a level that is rounded once carries for the next one, if it is there."""
    if level > 0 and image.plan.image.rounding == ONCE and may_carry(image.store):
        image.store.delete_tree(remainders_path(image.level_path(level)))


def remove_foreign(image: Image) -> list[str]:
    """Take levels of others out of the list, and remove their arrays; return their paths.

    What is listed and is no array of the store's own, or is needed by others, stays in the store.
    A run that is killed in between leaves their arrays there, listed by nobody.
    """
    foreign = foreign_levels(image)
    removable = [path for path in foreign if may_be_removed(image, path)]
    if foreign:
        change_group_attributes(image.store, image.path, partial(without_paths, paths=foreign))
    for path in foreign:
        where = f"{image.plan.where}/{path}"
        if path not in removable:
            logger.info("%s is taken out of the list, and stays in the store", where)
            continue
        logger.info("removing %s", where)
        at = join(image.path, path)
        delete_array(image.store, at)
        delete_empty_groups(image.store, at, image.path)
    return foreign


def remove_left_overs(image: Image, numbers: Iterable[int]) -> list[int]:
    """Remove the objects that killed runs left of levels of some numbers; return those of these."""
    return _remove(left_overs(image, numbers))


def _remove(levels: list[Level]) -> list[int]:
    for level in levels:
        logger.info("removing %s", level.name)
        delete_array(level.store, level.path)
        delete_empty_groups(level.store, level.path, level.image.path)
    return [level.number for level in levels]
