"""How one level is mended: what is stored is compared with the level's record.

Broken objects are made again by the task that builds the level. The whole level is made again where
its record itself does not hold.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.arrays import chunks_of_object, open_chunks, read_chunk
from zarrpyramid.downsample import (
    BlockResult,
    LevelJob,
    count_chunk,
    digest_header,
    level_task,
    make_level,
    publish_level,
    remove_litter,
)
from zarrpyramid.errors import MetadataError, StoreError
from zarrpyramid.metadata import fits, hide_array, join, tell_ancestors
from zarrpyramid.plan import Level, check_place, follows_recipe, why_incomplete

from .comparison import compare_all, compare_sample, compare_task
from .sampling import draw_sample

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zarrpyramid.geometry import Index
    from zarrpyramid.metadata import ArrayMetadata, Record, Tally
    from zarrpyramid.plan import Image

    from .comparison import CompareTask
    from .sampling import Scope

_BATCH = 64
"""Objects that a worker reads in one go."""


def mend_level(
    image: Image, number: int, finer: Record, scope: Scope
) -> tuple[Record, set[Index] | None]:
    """Mend a level; return its record and the objects that were made again, None for all of them.

    Parameters
    ----------
    finer
        Record of the level before, which is sound by now; nothing for level 1.
    scope
        How much of level 1 is compared with level 0, which has no record of its own.

    Raises
    ------
    PyramidError
        If what the level is made from cannot be read.
    """
    level, n_workers = Level(image, number), scope.n_workers
    record = _known_record(level)
    if record is None or (number > 1 and record["source"].get("digest") != finer["digest"]):
        return _make_level(image, number, finer, n_workers), None
    remove_litter(level)
    if level.metadata.document != level.planned.document:
        publish_level(level, record)
        level = Level(image, number)
    tell_ancestors(level.store, level.path)
    _, broken = _read(level, n_workers)
    made = _make_objects(level, set(broken), n_workers)
    if not _is_as_recorded(level, record, n_workers):
        made |= _make_objects(level, _differing_objects(level, n_workers), n_workers)
        if not _is_as_recorded(level, record, n_workers):
            return _make_level(image, number, finer, n_workers), None
    elif number == 1 and _base_has_changed(level, record, scope):
        return _make_level(image, number, finer, n_workers), None
    return record, made


def _known_record(level: Level) -> Record | None:
    """Return the record of a level that is made by the planned recipe, else None."""
    try:
        return level.record if follows_recipe(level) else None
    except MetadataError:
        hide_array(level.store, level.path)  # its document is damaged
        return None


def _make_level(image: Image, number: int, finer: Record, n_workers: int) -> Record:
    """Make all of a level by its job, if its source can be read."""
    if number == 1:  # finer levels are mended before others
        _, broken = _read(Level(image, 0), n_workers)
        for reason in broken.values():
            raise StoreError(reason)
    job = LevelJob(image=image, level=number, finer=finer, n_workers=n_workers)
    check_place(job.target)
    return make_level(job)


def _read(level: Level, n_workers: int) -> tuple[BlockResult, dict[Index, str]]:
    """Return figures of what a level holds, and the objects that are broken, each with the reason.

    A missing object is broken where the plan leaves none out.
    """
    metadata = level.metadata
    chunks = open_chunks(level.store, level.path, metadata)
    is_full = level.number > 0 and level.plan.write_empty_chunks

    def read(objects: Iterable[Index]) -> tuple[BlockResult, dict[Index, str]]:
        seen, broken = BlockResult(), {}
        for place in objects:
            key = join(level.path, metadata.object_key(place))
            if is_full and not level.store.size(key):
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
    with ThreadPoolExecutor(n_workers) as pool:
        for batch in geometry.batches(geometry.iterate_units(grid), _BATCH * n_workers):
            parts = [batch[i::n_workers] for i in range(n_workers)]
            for found, wrong in pool.map(read, parts):
                seen.merge(found)
                broken.update(wrong)
    return seen, broken


def _is_as_recorded(level: Level, record: Record, n_workers: int) -> bool:
    """Tell whether a level holds the voxels and the objects that its record promises."""
    seen, broken = _read(level, n_workers)
    if broken or why_incomplete(level.metadata, level.objects()):
        return False
    return fits(record, _proof(seen.target, level.metadata))


def _proof(seen: Tally, metadata: ArrayMetadata) -> Record:
    """Return digest and statistics of the voxels of an array, as records hold them."""
    digest = seen.digest(digest_header(metadata))
    return {"digest": digest, **seen.statistics(dtype=metadata.dtype)}


def _make_objects(level: Level, objects: set[Index], n_workers: int) -> set[Index]:
    """Make objects again, and return them."""
    task = level_task(LevelJob(image=level.image, level=level.number, finer={}), 0)
    places = {geometry.cell_of(task.target.write_shape, index, task.unit) for index in objects}
    with ThreadPoolExecutor(n_workers) as pool:
        for _ in pool.map(task, sorted(places)):
            pass
    level.store.sync()
    return objects


def _differing_objects(level: Level, n_workers: int) -> set[Index]:
    """Return the objects of a level that hold other voxels than the level before makes."""
    metadata, objects = level.metadata, set()
    for found in compare_all(_compare_task(level), n_workers):
        for difference in found.differences:
            if not difference.key:
                raise StoreError(difference.what)
            unit = metadata.write_shape
            objects.add(geometry.cell_of(metadata.chunks, difference.index, unit))
    return objects


def _base_has_changed(level: Level, record: Record, scope: Scope) -> bool:
    """Tell whether level 1, which is as recorded, is not what level 0 makes now."""
    task = _compare_task(level)
    if not scope.full:
        places = draw_sample(task.grid, scope.sample, scope.draw).places
        found = compare_sample(task, places, scope.n_workers)
        return any(each.key for one in found for each in one.differences)
    read, is_partial, differs = BlockResult(), False, False
    for one in compare_all(task, scope.n_workers):
        read.merge(one.seen)
        is_partial |= one.is_partial
        differs |= any(each.key for each in one.differences)
    is_same = is_partial or fits(record["source"], _proof(read.source, task.source))
    return differs or not is_same


def _compare_task(level: Level) -> CompareTask:
    finer = Level(level.image, level.number - 1)
    source, target = ((each.path, each.metadata) for each in (finer, level))
    return compare_task(level.store, source, target, level.plan.method, level.plan.factors)
