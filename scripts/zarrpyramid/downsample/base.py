"""Level 0: sealed before levels are made from it, and removed where we have put it there.

Reads and writes documents alone. Imports no array library, since the jobs that do this and nothing
else would wait for it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from zarrpyramid.metadata import (
    OPENING_DOCUMENT,
    absent_groups,
    carried_over,
    change_group_attributes,
    delete_array,
    delete_empty_groups,
    join,
    read_array,
    read_multiscales,
    read_node,
    tell_ancestors,
    without_our_list,
    write_array,
)
from zarrpyramid.plan import (
    BASE_KEY,
    CHANNELS_KEY,
    DECISION_COLUMNS,
    Level,
    base_layout,
    base_record,
    check_declared,
    decision_rows,
    is_taken,
    missing_line,
    note_base_path,
    watched_by,
)
from zarrpyramid.tables import aligned_table

from .publish import make_companion_group, withdraw_levels
from .stale import write_owner

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zarrpyramid.metadata import ArrayMetadata, Record
    from zarrpyramid.plan import BaseLayout, Image

logger = logging.getLogger(__name__)


def seal_base(
    image: Image, results: Path | None = None, *, layout: BaseLayout | None = None
) -> Record:
    """Make level 0 fit to be listed, and return its record.

    The log gets the table of what was decided for the image, and the folder of its results, where
    there is one, a note of whose it is. A `layout` says what the objects of level 0 looked like,
    where the caller has looked.

    A v3 level 0 without dimension_names gets them, unless the configuration forbids it: OME-NGFF
    0.5 requires that they equal the names of the axes. Its voxels are never written, and nothing of
    a companion's level 0 is: the image has been sealed before.

    Raises
    ------
    PyramidError
        If level 0 is absent, or is not what the configuration declares.
    """
    level = Level(image, 0)
    base = level.metadata
    check_declared(image, base)
    for line in aligned_table(DECISION_COLUMNS, decision_rows(image.plan.decisions)):
        logger.info("%s", line)
    names = [axis.dimension for axis in image.plan.axes]
    named = base.named(names)
    if image.is_companion:
        make_companion_group(image)
    elif base.zarr_format == 3 and named.dimension_names != base.dimension_names:
        is_link = image.store.is_link(level.path)
        if image.plan.image.edit_base and not is_link:
            # Also names that are there, where the configuration gives other axes.
            logger.info("%s gets dimension_names %s", level.name, names)
            write_array(image.store, level.path, named)
        else:
            logger.warning(
                "%s has no dimension_names and %s: validators of OME-NGFF 0.5 will refuse the "
                "image; %s to have them added",
                level.name,
                "is a link, behind which nothing is written" if is_link else "edit_base is false",
                "copy level 0" if is_link else "set edit_base: true",
            )
    note_base_path(image)
    tell_ancestors(image.store, level.path)  # a run may have been killed before it did
    if watched_by(image) != "objects":
        asked, n_objects = image.plan.image.base_watch, image.plan.levels[0].n_objects
        logger.log(
            logging.WARNING if asked == "auto" else logging.INFO,
            "level 0 of %s has room for %d objects; a change of them is not seen (base_watch: %s): "
            "%s; after one, remove level 1, or set base_watch: objects, at 5 us an object at every "
            "start",
            image.plan.where,
            n_objects,
            asked,
            "only its metadata document is looked at"
            if watched_by(image) == "metadata"
            else "nothing of it is looked at",
        )
    layout = layout or base_layout(image)
    missing = missing_line(layout.n_objects, image.plan.levels[0].n_objects)
    if missing and not image.is_companion:
        logger.warning("%s: %s (missing_chunks: error refuses that)", image.plan.where, missing)
    if results is not None:
        write_owner(image, results, layout)
    return base_record(image, layout)


def clear_base(image: Image, *, stands: bool, keep: bool) -> None:
    """Clear the place of a level 0 that is to be made anew, and mark the group as one of a copy.

    Parameters
    ----------
    stands
        Whether a level 0 stands there, which is withdrawn with all levels.
    keep
        Whether what is below level 0's path stays.
    """
    if stands:
        withdraw_levels(image, 0)
    if not keep:
        delete_base(image)
    change_group_attributes(image.store, image.path, lambda known: {**known, BASE_KEY: "copy"})


def publish_base(image: Image, copied: ArrayMetadata | None) -> None:
    """Write the document of a level 0 that was taken from a source, after its objects are flushed.

    The group gets what its source says of it. Without a document the group alone is written.
    """
    store, path = image.store, image.level_path(0)
    if copied is not None:
        from .leftovers import remove_litter  # loads numpy, which a level 0 that is there saves

        remove_litter(Level(image, 0))
        store.delete(join(path, OPENING_DOCUMENT))
        write_array(store, path, copied)
    tell_ancestors(store, path)
    change_group_attributes(store, image.path, lambda found: _carried(image, found))
    store.sync()


def _carried(image: Image, attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of a group, with the source's multiscales if the group has none.

    A group that has multiscales keeps them, and so what a user has changed, such as a name. Names
    of channels are those of the channels that are taken now. What a file says makes no list where
    OME-NGFF has none.
    """
    source = image.source
    assert source is not None
    others = {key: item for key, item in attributes.items() if key != CHANNELS_KEY}
    named = {key: item for key, item in source.attributes.items() if key == CHANNELS_KEY}
    is_unlisted = image.input is not None and not image.plan.lists_levels
    if is_unlisted or read_multiscales(attributes) is not None:
        return {**others, **named}
    carried = carried_over(source.attributes, image.paths.path(0), source.base.zarr_format)
    return {**others, **carried, **named}


def remove_base(image: Image) -> bool:
    """Remove a level 0 that was taken from a source, and the list; tell whether there was one."""
    if not is_taken(image):
        return False

    def change(attributes: dict[str, Any]) -> dict[str, Any]:
        kept = without_our_list(attributes)
        return {key: item for key, item in kept.items() if key not in (BASE_KEY, CHANNELS_KEY)}

    withdraw_levels(image, 0)
    delete_base(image)
    change_group_attributes(image.store, image.path, change)
    return True


def groups_to_make(image: Image) -> list[str] | None:
    """Return the groups that are to be made for a level 0; None where something is in its place."""
    store, path = image.store, image.level_path(0)
    if store.is_link(path) or any(store.keys(path)):
        return None
    assert image.source is not None
    return absent_groups(store, image.path, image.source.base.zarr_format)


def remove_begun(image: Image, made: Sequence[str]) -> None:
    """Remove what a build that failed has begun of a level 0, and the groups that it has made.

    Parameters
    ----------
    made
        What `groups_to_make` returned before.
    """
    store, path = image.store, image.level_path(0)
    if read_array(store, path) or read_node(store, image.path) is None:
        return

    def change(attributes: dict[str, Any]) -> dict[str, Any]:
        return {key: item for key, item in attributes.items() if key != BASE_KEY}

    with store.hold(image.lock):
        delete_base(image)
        change_group_attributes(store, image.path, change)
    if made:
        delete_empty_groups(store, path, made[0].rpartition("/")[0] if made[0] else None)


def delete_base(image: Image) -> None:
    """Remove level 0: a link, never what is behind it, or a copy."""
    path = image.level_path(0)
    if image.store.is_link(path):
        image.store.delete_tree(path)
        tell_ancestors(image.store, path)
    else:
        delete_array(image.store, path)
