"""Whole pyramids from Python: build one, tell what is there, remove it.

The same recipes as the workflow's rules, in one process and without sentinels.
"""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zarrpyramid.config import KEYWORDS, check_config, image_config, short_name
from zarrpyramid.errors import ArgumentError, PyramidError, suggestion
from zarrpyramid.metadata import (
    change_group_attributes,
    delete_empty_groups,
    join,
    levels_there,
    without_our_notes,
)
from zarrpyramid.plan import (
    base_layout,
    check_build,
    check_room,
    check_weights_there,
    companions,
    foreign_levels,
    is_taken,
    left_overs,
    open_image,
    removal_line,
    source_layout,
    taken_as,
)
from zarrpyramid.stores import as_path, held, path_inside

from .base import groups_to_make, remove_base, remove_begun, seal_base
from .base_copy import copy_base
from .kept_workers import KeptWorkers
from .level import build_level
from .progress import Progress, is_watched
from .publish import (
    empty_companion_group,
    remove_foreign,
    remove_levels,
    write_multiscales,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zarrpyramid.metadata import Record
    from zarrpyramid.plan import BaseLayout, Image

logger = logging.getLogger(__name__)


def build_image(
    store: object,
    field: str,
    settings: Mapping[str, Any],
    *,
    notes: str | os.PathLike[str] | None = None,
    n_workers: int | None = None,
    progress: bool | None = None,
) -> tuple[Image, list[Record]]:
    """Build the levels of an image in a store of whatever form, and list them.

    See `pyramids.build_pyramid`, whose settings are keywords.

    Returns
    -------
    Image, list of dict
        The image, and the record of every level, level 0 first.

    Raises
    ------
    TypeError
        If there is no such setting.
    PyramidError
        If the image is not there or not served, or the settings do not fit it.
    """
    for key in settings:
        if key not in KEYWORDS:
            hint = suggestion(key, list(KEYWORDS))
            raise TypeError(f"build_pyramid() got an unexpected keyword argument {key!r}{hint}")
    if not isinstance(notes, str | os.PathLike | None):
        raise ArgumentError(f"notes is {notes!r}, expected a folder's path; give notes='results'")
    with ExitStack() as looks:
        # The part of this process.
        image = find_image(store, field, {**settings, "parts": 1}, looks=looks)
        also = companions(image)
        looks.enter_context(image.looked_at(0, objects=image.source is None, above=True))
        layout = source_layout(image)
        check_weights_there(image)
        for each in (image, *also):
            check_build(each)
            check_room(each, layout)
            if removed := removal_line(each):
                logger.warning("%s", removed)
    workers = n_workers or n_cores()
    names = [each.plan.image.name for each in (image, *also)]
    noted = [None if notes is None else Path(notes) / name for name in names]
    shown = is_watched() if progress is None else progress
    made: list[str] | None = None
    try:
        with held(image.store, image.path, makes_group=image.makes_group):
            if image.input is not None and notes is None:  # nothing of it goes on if it fails
                made = groups_to_make(image)
            if image.source is not None:
                with Progress(image, 0, shown=shown and image.input is not None) as bar:
                    copy_base(
                        image,
                        n_workers=workers,
                        results=noted[0],
                        on_block=bar.update,
                        layout=layout,
                    )
                layout = base_layout(image)
            every = [
                _build(each, folder, workers, shown, layout)
                for each, folder in zip((image, *also), noted, strict=True)
            ]
    except PyramidError:
        if made is not None:
            remove_begun(image, made)
        raise
    return image, every[0]


def _build(
    image: Image, results: Path | None, n_workers: int, shown: bool, layout: BaseLayout
) -> list[Record]:
    """Build the levels of an image whose level 0 is there, and return the records of all levels."""
    with image.store.hold(image.lock), KeptWorkers() as workers, ExitStack() as looks:
        looks.enter_context(image.store.deciding())
        with image.store.exclusive():  # what is asked for here is as new as sealing needs it
            looks.enter_context(image.looked_at(0, above=True))
            records = [seal_base(image, layout=layout)]
        for level in range(1, len(image.plan.levels)):
            with Progress(image, level, shown=shown) as bar:
                record = build_level(
                    image,
                    level,
                    records[-1],
                    n_workers=n_workers,
                    results=results,
                    on_block=bar.update,
                    layout=layout,
                    looks=looks,
                    goes_on=True,
                    workers=workers,
                )
            records.append(record)
        workers.dismiss()
        write_multiscales(image)
    return records


def find_image(
    store: object, field: str, settings: Mapping[str, Any], *, looks: ExitStack | None = None
) -> Image:
    """Return the image in a store of whatever form, planned with settings as in the configuration.

    `looks` is as for `open_image`.

    Raises
    ------
    PyramidError
        If the image is not there or not served, or the settings do not fit it.
    """
    place, field = as_path(store), join(path_inside(store), field)
    given = plain({**settings, "store": place or "store", "field": field})
    if weights := given.get("weights"):
        given["weights"] = join(path_inside(store), weights)
    config = image_config(short_name(place or "image", field), check_config(given))
    if place is None:
        from zarrpyramid.stores import from_zarr  # it imports zarr

        return open_image(config, from_zarr(store), config.field)
    return open_image(config, looks=looks)


def open_path(
    path: str, *, storage_options: Mapping[str, Any] | None = None, is_read: bool = True
) -> Image:
    """Return the image whose group is at a path or URL, planned with the default settings.

    Parameters
    ----------
    storage_options
        For a URL.
    is_read
        Whether it is only looked at, and may be on a web server.
    """
    given = {"store": path, "storage_options": storage_options}
    return open_image(image_config(short_name(path, ""), check_config(given), is_read=is_read))


def n_cores() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def base_taken(path: str, *, storage_options: Mapping[str, Any] | None = None) -> str | None:
    """Tell whether level 0 of the image at a path was taken as a "copy" or a "link", else None."""
    image = open_path(path, storage_options=storage_options)
    return taken_as(image) if is_taken(image) else None


def listed_foreign(path: str, *, storage_options: Mapping[str, Any] | None = None) -> list[str]:
    """Return the paths that the image at a path lists of levels that others made."""
    return foreign_levels(open_path(path, storage_options=storage_options))


def clean(
    path: str,
    *,
    base: bool = False,
    foreign: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> list[int]:
    """Remove the levels that carry our record from the image at a path; return their numbers.

    What a killed run left of a level goes too, as a build would remove it, and so does what the
    group says of how they were made and shown, and the group of a companion. Level 0 stays as it
    is, and so does every level that is not ours; with `foreign`, those that the group lists are
    removed as by a run with `overwrite`. With `base`, a level 0 that was taken from a source, as a
    copy or a link, is removed too.
    """
    image = open_path(path, storage_options=storage_options, is_read=False)
    is_held = held(image.store, image.path, makes_group=image.makes_group)
    with is_held, image.store.hold(image.lock):
        # A build makes levels one after the other: beyond a gap, nothing is its rest.
        there = levels_there(image.store, image.path, image.paths)
        in_a_row = [level for place, level in enumerate(there, start=1) if level == place]
        removed = sorted(remove_levels(image, 1, left_overs(image, in_a_row)))
        if foreign:
            remove_foreign(image)
        change_group_attributes(image.store, image.path, without_our_notes)
        if image.is_companion:
            empty_companion_group(image)
        is_base_gone = base and remove_base(image)
    if image.is_companion:  # after the hold, which is a file in the group
        delete_empty_groups(image.store, image.level_path(1), image.path.rpartition("/")[0])
    return [0, *removed] if is_base_gone else removed


def plain(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as a configuration file would hold them: lists, mappings, Python numbers."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: bare(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [bare(item) for item in value]
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        if hasattr(value, "tolist"):  # numpy scalars and arrays
            return value.tolist()
        return value

    return {key: bare(value) for key, value in given.items() if value is not None}
