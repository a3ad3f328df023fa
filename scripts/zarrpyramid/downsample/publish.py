"""The recipes for what a group lists: level 0 sealed, levels listed, withdrawn and removed.

Documents alone: imports no array library, since the jobs that do this would wait for it.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import StoreError
from zarrpyramid.metadata import (
    change_group_attributes,
    delete_array,
    delete_empty_groups,
    fits,
    multiscales,
    open_group,
    tell_ancestors,
    write_array,
)
from zarrpyramid.plan import (
    base_layout,
    base_record,
    check_declared,
    is_foreign,
    left_overs,
    our_levels,
    provenance,
    read_level,
    record_of,
    watched_by,
)
from zarrpyramid.reduce import METHODS

if TYPE_CHECKING:
    from zarrpyramid.metadata import Record
    from zarrpyramid.plan import Image

logger = logging.getLogger(__name__)


def seal_base(image: Image) -> Record:
    """Make level 0 fit to be listed, and return its record.

    A v3 level 0 without dimension_names gets them, unless the configuration forbids it: OME-NGFF
    0.5 requires that they equal the names of the axes. Its voxels are never written.

    Raises
    ------
    PyramidError
        If level 0 is absent, or is not what the configuration declares.
    """
    base = read_level(image, 0)
    check_declared(image)
    names = [axis.name for axis in image.plan.axes]
    named = base.named(names)
    if named.dimension_names != base.dimension_names:
        is_link = image.store.is_link(image.level_path(0))
        if image.plan.image.edit_base and not is_link:
            # Also names that are there, where the configuration gives other axes.
            logger.info("%s gets dimension_names %s", image.name(0), names)
            write_array(image.store, image.level_path(0), named)
        else:
            logger.warning(
                "%s has no dimension_names and %s: validators of OME-NGFF 0.5 will refuse the "
                "image; %s to have them added",
                image.name(0),
                "is a link, behind which nothing is written" if is_link else "edit_base is false",
                "copy level 0" if is_link else "set edit_base: true",
            )
    tell_ancestors(image.store, image.level_path(0))  # a run may have been killed before it did
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
    return base_record(image, base_layout(image))


def write_multiscales(image: Image) -> Record:
    """List all levels of the plan in the group's attributes, after removing ours beyond them.

    Returns
    -------
    Record
        What is listed; empty where OME-NGFF cannot describe the image.

    Raises
    ------
    StoreError
        If a level of the plan is absent.
    """
    plan = image.plan
    with image.store.hold(image.level_path(0)):
        _check_chain(image)
        remove_levels(image, len(plan.levels))
        if plan.lists_levels:
            change_group_attributes(image.store, image.path, partial(listed_attributes, image))
            image.store.sync()
            group = open_group(image.store, image.path)
            return dict(multiscales.read_multiscales(group.attributes) or {})
        if image.paths.base == "0":
            change_group_attributes(image.store, image.path, multiscales.without_our_list)
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
        record = record_of(read_level(image, plan.level)) or {}
        made_from = record.get("source", {}).get("digest")
        if not fits(record, plan.expected) or (before and made_from != before.get("digest")):
            raise StoreError(
                f"{image.name(plan.level)} is not the level that this run has made: another run "
                "has been at it; run again, and let one run have the image to itself"
            )
        before = record


def listed_attributes(image: Image, attributes: dict[str, Any]) -> dict[str, Any]:
    """Return a group's attributes as they are when all levels of the plan are listed."""
    plan = image.plan
    return multiscales.with_levels(
        attributes,
        zarr_format=plan.base.zarr_format,
        name=image.path.rpartition("/")[2] or plan.image.name,
        axes=plan.axes,
        paths=[image.paths.path(level.level) for level in plan.levels],
        downsamplings=[level.downsampling for level in plan.levels],
        metadata=provenance(plan),
        shifts=METHODS[plan.image.method].shifts,
        dropped=_listed_levels(image, attributes, len(plan.levels)),
    )


def withdraw_levels(image: Image, first: int) -> None:
    """Take all levels from `first` on out of the group's list, before any of them changes.

    What others made in the place of a level stays, unless the configuration gives it up.
    """

    def change(attributes: dict[str, Any]) -> dict[str, Any]:
        return multiscales.without_paths(attributes, _listed_levels(image, attributes, first))

    change_group_attributes(image.store, image.path, change)


def _listed_levels(image: Image, attributes: dict[str, Any], first: int) -> list[str]:
    """Return the paths of listed levels from `first` on that are ours, are to be, or are absent."""
    listed = {path: image.paths.level(path) for path in multiscales.listed_paths(attributes)}
    return [
        path
        for path, level in listed.items()
        if level is not None and level >= first and not is_foreign(image, level)
    ]


def remove_levels(image: Image, first: int) -> list[int]:
    """Remove the levels from `first` on that carry our record; return their numbers.

    Levels that are not ours are not removed.
    """
    ours = our_levels(image, first)
    if ours:
        withdraw_levels(image, first)
    _remove(image, ours)
    return ours


def remove_left_overs(image: Image) -> list[int]:
    """Remove the objects that killed runs left of levels; return the numbers of these."""
    left = left_overs(image)
    _remove(image, left)
    return left


def _remove(image: Image, levels: list[int]) -> None:
    for level in levels:
        logger.info("removing %s", image.name(level))
        delete_array(image.store, image.level_path(level))
        delete_empty_groups(image.store, image.level_path(level), image.path)
