"""The recipe that mends a pyramid of zarrpyramid, by the records in its store alone.

It goes level by level from the finest on, and verifies the pyramid afterwards.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry
from zarrpyramid.config import check_config, image_config, short_name
from zarrpyramid.downsample import withdraw_levels, write_multiscales
from zarrpyramid.errors import PyramidError
from zarrpyramid.metadata import (
    change_group_attributes,
    join,
    read_node,
    tell_ancestors,
    without_paths,
)
from zarrpyramid.plan import LITTER_KEY, OBJECT_KEY, open_image, record_of
from zarrpyramid.stores import held

from .findings import Check, Finding
from .mending import mend_level
from .pyramid import find_pyramid
from .reproduction import reproduced_settings
from .sampling import SAMPLE, Scope
from .verify import verify_pyramid

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zarrpyramid.geometry import Index
    from zarrpyramid.metadata import Record
    from zarrpyramid.plan import Image

    from .pyramid import Pyramid


def repair_pyramid(
    path: str,
    *,
    sample: int = SAMPLE,
    full: bool = False,
    seed: int = 0,
    n_workers: int = 1,
    follow_links: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> Iterator[Check | Finding]:
    """Mend a pyramid, and yield what was done and then what `verify_pyramid` finds.

    A level that cannot be mended because its source cannot be read is withdrawn from the list with
    all levels after it. They stay in the store, so that this can be run again.

    Parameters
    ----------
    path, sample, full, seed, n_workers, follow_links, storage_options
        As for `verify_pyramid`, which looks at what was made again too.

    Raises
    ------
    PyramidError
        If zarrpyramid made no level of the pyramid, or another process is building it.
    """
    how: dict[str, Any] = {"follow_links": follow_links, "storage_options": storage_options}
    settings = reproduced_settings(_find_pyramid(path, **how), trusts_list=True)
    config = check_config({**settings, **how, "parts": 1})
    image = open_image(image_config(short_name(path, ""), config))
    scope = Scope(sample=sample, full=full, seed=seed, n_workers=n_workers)
    made: dict[str, set[Index]] = {}
    finer: Record = {}
    is_whole = True
    with held(image.store, image.path):
        with image.store.hold(image.level_path(0)):
            remove_remains(image)
            for level in range(1, len(image.plan.levels)):
                try:
                    finer, objects = mend_level(image, level, finer, scope)
                except PyramidError as error:
                    withdraw_levels(image, level)
                    yield Finding(
                        what=f"cannot be made again, and is withdrawn with all after it: {error}",
                        level=level,
                        key=image.name(level),
                    )
                    is_whole = False
                    break
                made[image.paths.path(level)] = objects or set()
                n_objects = image.plan.levels[level].n_objects
                figure = "all" if objects is None else f"{len(objects)} of {n_objects}"
                yield Check(name="repair", level=level, figure=f"{figure} objects made again")
            tell_ancestors(image.store, image.level_path(0))
        if is_whole:
            write_multiscales(image)
    yield from verify_pyramid(
        path,
        sample=sample,
        full=full,
        seed=seed,
        n_workers=n_workers,
        also=made,
        **how,
    )


def remove_remains(image: Image) -> None:
    """Remove folders beyond the levels of the plan that hold nothing but objects of a dead run."""
    names = image.store.children(join(image.path, image.paths.folder))
    for level in image.paths.levels(names):
        path = image.level_path(level)
        if level >= len(image.plan.levels) and read_node(image.store, path) is None:
            keys = list(image.store.keys(path))
            if keys and all(OBJECT_KEY.fullmatch(key) or LITTER_KEY.fullmatch(key) for key in keys):
                image.store.delete_tree(path)


def _find_pyramid(path: str, **how: Any) -> Pyramid:
    """Find a pyramid, after levels made here are taken off a list that has one for level 0."""
    pyramid = find_pyramid(path, **how)
    ours = [level.path for level in pyramid.levels if record_of(level.metadata)]
    largest = max(
        pyramid.levels,
        key=lambda level: geometry.count(level.metadata.shape) if level.metadata else 0,
    )
    if pyramid.levels[0].path not in ours or largest.path in ours:
        return pyramid
    change_group_attributes(pyramid.store, pyramid.path, partial(without_paths, paths=ours))
    return find_pyramid(path, **how)
