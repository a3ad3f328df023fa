"""The recipe that mends a pyramid of ours, from the records in its store alone.

Level by level from the finest on: what is stored is held against the level's record, and the
objects that are broken are made again, or the level where its record does not hold.
"""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry
from zarrpyramid.arrays import chunks_of_object, open_chunks, read_chunk
from zarrpyramid.config import check_config, image_config, short_name
from zarrpyramid.downsample import (
    BlockResult,
    LevelJob,
    count_chunk,
    digest_header,
    level_task,
    make_level,
    publish_level,
    remove_litter,
    withdraw_levels,
    write_multiscales,
)
from zarrpyramid.errors import MetadataError, PyramidError, StoreError
from zarrpyramid.metadata import (
    change_group_attributes,
    fits,
    hide_array,
    join,
    read_node,
    tell_ancestors,
    without_paths,
)
from zarrpyramid.plan import (
    LITTER_KEY,
    OBJECT_KEY,
    Level,
    check_place,
    follows_recipe,
    open_image,
    record_of,
    why_incomplete,
)
from zarrpyramid.stores import held

from .comparison import compare_all, compare_sample, compare_task
from .findings import Check, Finding
from .pyramid import find_pyramid
from .reproduce import reproduced_settings
from .sampling import SAMPLE, draw_sample
from .verify import verify_pyramid

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zarrpyramid.geometry import Index
    from zarrpyramid.metadata import Record
    from zarrpyramid.plan import Image

    from .comparison import CompareTask
    from .pyramid import Pyramid

_BATCH = 64


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

    A level whose source cannot be read, and all after it, are withdrawn from the list where they
    cannot be mended without it; they stay in the store, so that this can be run again.

    Parameters
    ----------
    path, sample, full, seed, n_workers, follow_links, storage_options
        As for `verify_pyramid`, which looks at what was made again too.

    Raises
    ------
    PyramidError
        If there is no pyramid of ours, or another process is building it.
    """
    pyramid = _survey(path, follow_links, storage_options)
    known = reproduced_settings(pyramid, trusts_list=True)
    how = {"follow_links": follow_links, "storage_options": storage_options}
    settings = {**known, **how, "parts": 1}
    image = open_image(image_config(short_name(path, ""), check_config(settings)))
    mender = _Mender(image, None if full else sample, seed, n_workers)
    made: dict[str, set[Index]] = {}
    finer: Record = {}
    is_whole = True
    with held(image.store, image.path):
        with image.store.hold(image.level_path(0)):
            remove_remains(image)
            for level in range(1, len(image.plan.levels)):
                try:
                    finer, objects = mender.mend(level, finer)
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
        follow_links=follow_links,
        storage_options=storage_options,
        also=made,
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


class _Mender:
    """What mends the levels of an image; `sample` None compares level 1 in full."""

    def __init__(self, image: Image, sample: int | None, seed: int, n_workers: int) -> None:
        self._image, self._sample, self._seed, self._workers = image, sample, seed, n_workers

    def mend(self, level: int, finer: Record) -> tuple[Record, set[Index] | None]:
        """Return a level's record and the objects that were made again, None for all of them."""
        image = self._image
        record = self._known(level)
        if record is None or (level > 1 and record["source"].get("digest") != finer["digest"]):
            return self._make_level(level, finer), None
        found = Level(image, level)
        remove_litter(found)
        if found.metadata.document != found.planned.document:
            publish_level(found, record)
        tell_ancestors(found.store, found.path)
        _, broken = self._read(level)
        made = self._make(level, set(broken))
        if not self._holds(level, record):
            made |= self._make(level, self._differing(level))
            if not self._holds(level, record):
                return self._make_level(level, finer), None
        elif level == 1 and self._base_has_changed(record):
            return self._make_level(level, finer), None
        return record, made

    def _known(self, level: int) -> Record | None:
        """Return the record of a level if it is one of the plan's, whatever else it is."""
        found = Level(self._image, level)
        try:
            return found.record if follows_recipe(found) else None
        except MetadataError:
            hide_array(found.store, found.path)  # a document that is none, in the place of a level
            return None

    def _make_level(self, level: int, finer: Record) -> Record:
        """Make all of a level by the normal path, if its source can be read."""
        if level == 1:  # the others were read by now
            for reason in self._read(0)[1].values():
                raise StoreError(reason)
        job = LevelJob(image=self._image, level=level, finer=finer, n_workers=self._workers)
        check_place(job.target)
        return make_level(job)

    def _read(self, level: int) -> tuple[BlockResult, dict[Index, str]]:
        """Return what a level holds, and the objects that are broken, each with the reason.

        Missing ones are broken where none is left out.
        """
        metadata = Level(self._image, level).metadata
        wanted = level > 0 and self._image.plan.levels[level].write_empty_chunks
        path = self._image.level_path(level)
        chunks = open_chunks(self._image.store, path, metadata)

        def read(objects: list[Index]) -> tuple[BlockResult, dict[Index, str]]:
            seen, broken = BlockResult(), {}
            for place in objects:
                key = join(path, metadata.object_key(place))
                if wanted and not self._image.store.size(key):
                    broken[place] = f"{key} is missing"
                    continue
                try:
                    for index in chunks_of_object(metadata, place):
                        count_chunk(index, read_chunk(chunks, index), seen.target)
                except StoreError as error:
                    broken[place] = str(error)
            return seen, broken

        seen, broken = BlockResult(), {}
        grid = geometry.grid_shape(metadata.shape, metadata.write_shape)
        with ThreadPoolExecutor(self._workers) as pool:
            for many in geometry.batches(geometry.iterate_units(grid), _BATCH * self._workers):
                parts = [many[i :: self._workers] for i in range(self._workers)]
                for found, wrong in pool.map(read, parts):
                    seen.merge(found)
                    broken.update(wrong)
        return seen, broken

    def _holds(self, level: int, record: Record) -> bool:
        """Tell whether a level holds the voxels and the objects that its record says."""
        found = Level(self._image, level)
        metadata = found.metadata
        seen, broken = self._read(level)
        if broken or why_incomplete(metadata, found.objects()):
            return False
        stated = seen.target.statistics(dtype=metadata.dtype)
        return fits(record, {"digest": seen.target.digest(digest_header(metadata)), **stated})

    def _make(self, level: int, objects: set[Index]) -> set[Index]:
        """Make objects again, and return them."""
        task = level_task(LevelJob(image=self._image, level=level, finer={}), 0)
        places = {geometry.cell_of(task.target.write_shape, index, task.unit) for index in objects}
        with ThreadPoolExecutor(self._workers) as pool:
            for _ in pool.map(task, sorted(places)):
                pass
        self._image.store.sync()
        return objects

    def _differing(self, level: int) -> set[Index]:
        """Return the objects of a level that are not what the level before makes them."""
        target = Level(self._image, level).planned
        found = [one for seen in compare_all(self._task(level), self._workers)
                 for one in seen.differences]  # fmt: skip
        for one in found:
            if not one.key:
                raise StoreError(one.what)
        return {geometry.cell_of(target.chunks, one.index, target.write_shape) for one in found}

    def _base_has_changed(self, record: Record) -> bool:
        """Tell whether level 1, that is what was recorded, is not what level 0 makes now."""
        task = self._task(1)
        if self._sample is not None:
            places = draw_sample(task.grid, self._sample, random.Random(self._seed)).places
            seen = compare_sample(task, places, self._workers)
            return any(one.key for found in seen for one in found.differences)
        read, is_partial, differs = BlockResult(), False, False
        for found in compare_all(task, self._workers):
            read.merge(found.seen)
            is_partial |= found.is_partial
            differs |= any(one.key for one in found.differences)
        stated = read.source.statistics(dtype=task.source.dtype)
        made_from = {"digest": read.source.digest(digest_header(task.source)), **stated}
        return differs or not (is_partial or fits(record["source"], made_from))

    def _task(self, level: int) -> CompareTask:
        image, wanted = self._image, self._image.plan.levels[level]
        source, target = (
            (found.path, found.metadata) for found in (Level(image, level - 1), Level(image, level))
        )
        return compare_task(image.store, source, target, wanted.method, wanted.factors)


def _survey(path: str, follow_links: bool, options: Mapping[str, Any] | None) -> Pyramid:
    """Find a pyramid, after taking our levels off a list that has one of them for level 0."""
    pyramid = find_pyramid(path, follow_links=follow_links, storage_options=options)
    ours = [level.path for level in pyramid.levels if record_of(level.metadata)]
    largest = max(
        pyramid.levels,
        key=lambda level: geometry.count(level.metadata.shape) if level.metadata else 0,
    )
    if pyramid.levels[0].path not in ours or largest.path in ours:
        return pyramid
    change_group_attributes(pyramid.store, pyramid.path, partial(without_paths, paths=ours))
    return find_pyramid(path, follow_links=follow_links, storage_options=options)
