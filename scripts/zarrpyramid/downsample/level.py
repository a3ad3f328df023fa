"""The recipe that builds a level.

A level does not exist until it is complete: objects first, then a flush, the level's own metadata
document last. Whoever reads at any time finds whole levels only. Keeps out the list of levels.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.arrays import open_chunks
from zarrpyramid.errors import StoreError, VoxelError
from zarrpyramid.metadata import (
    RECORD_ENTRY,
    RECORD_KEY,
    Tally,
    delete_array,
    hide_array,
    make_groups,
    read_array,
    read_node,
    tell_ancestors,
    write_array,
)
from zarrpyramid.plan import (
    base_layout,
    check_place,
    describe_level,
    level_metadata,
    read_level,
    record_of,
    shared_block_bytes,
    watched_by,
    why_remade,
)

from .publish import withdraw_levels
from .resume import forget, may_keep, remove_litter, taking_notes
from .run import open_cluster, run_blocks
from .task import BlockResult, LevelTask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zarrpyramid.geometry import Index
    from zarrpyramid.metadata import ArrayMetadata, Record
    from zarrpyramid.plan import Image, LevelPlan

    from .resume import Notes
    from .run import Cluster, Numbers

logger = logging.getLogger(__name__)


def build_level(
    image: Image,
    level: int,
    finer: Record,
    *,
    n_workers: int,
    results: Path | None = None,
    before_rebuild: Callable[[], None] = lambda: None,
    on_block: Callable[[int], None] = lambda n_voxels: None,
) -> Record:
    """Make one level from the one before it, and return its record.

    Where the level is there already, made by the same recipe from the same voxels, it is left as it
    is, and no voxel is read.

    Parameters
    ----------
    finer
        Record of the level before, as its sentinel holds it.
    n_workers
        Threads, where no dask client of the user's runs the blocks.
    results
        Folder of the image's results, whose ledgers tell which objects of the level need not be
        made again; None makes all.
    before_rebuild
        Called before the level is withdrawn from the list of levels.
    on_block
        Called for every finished task with the number of voxels read.

    Raises
    ------
    StoreError
        If the level's place is taken by something that is not ours, or an object cannot be read or
        written.
    VoxelError
        If voxels contradict what was recorded or computed of them.
    """
    with image.store.hold(image.level_path(0)):
        check_place(image, level)
        check_finer(image, level, finer)
        known = current_record(image, level, finer)
        if known is not None:
            return known
        return make_level(
            image,
            level,
            finer,
            n_workers=n_workers,
            results=results,
            before_rebuild=before_rebuild,
            on_block=on_block,
        )


def make_level(
    image: Image,
    level: int,
    finer: Record,
    *,
    n_workers: int,
    results: Path | None = None,
    before_rebuild: Callable[[], None] = lambda: None,
    on_block: Callable[[int], None] = lambda n_voxels: None,
) -> Record:
    """Make a level whatever stands in its place, for those who hold the image's lock.

    Parameters and errors are those of `build_level`.
    """
    before = base_layout(image) if level == 1 else None
    # Refused before anything is written.
    with open_cluster(image.plan.image.dask_scheduler, image.store, image.path) as cluster:
        clear_place(image, level, before_rebuild, keep=may_keep(image, level, results))
        n_sharing = n_workers if cluster is None else cluster.n_threads
        task = level_task(image, level, shared_block_bytes(image.plan.levels[level], n_sharing))
        logger.info("%s: %s", image.name(level), describe_level(image.plan, level))
        with taking_notes(image, level, finer, task, results) as notes:
            seen = run_tasks(task, n_workers, cluster=cluster, notes=notes, on_block=on_block)
            if before is not None and base_layout(image) != before:
                raise base_changed(image)
            source = digest_header(read_level(image, level - 1))
            # What a ledger says is never taken on trust alone.
            kept = 0 if notes is None else notes.n_kept
            if not (kept and is_contradicted(level, seen, finer, source)):
                record = make_record(image, level, seen, finer)
                if notes is not None:
                    notes.finish(record["digest"])
                publish(image, level, record)
                return record
    assert results is not None
    logger.warning("%s: its ledger contradicts the level before; all is made", image.name(level))
    forget(results, level)
    return make_level(
        image,
        level,
        finer,
        n_workers=n_workers,
        results=results,
        before_rebuild=before_rebuild,
        on_block=on_block,
    )


def base_changed(image: Image) -> VoxelError:
    """Return the error of a level 1 whose source is no longer the one that it was begun from."""
    return VoxelError(
        f"{image.name(0)} has changed while level 1 was made of it, which is not published; run "
        "again when nobody writes to it"
    )


def current_record(image: Image, level: int, finer: Record) -> Record | None:
    """Return the record of a level that is there, by the same recipe from the same voxels.

    Reads stored bytes of level 0 at most, and decodes none.
    """
    path = image.level_path(level)
    known = record_of(read_node(image.store, path))
    found = read_array(image.store, path) if known else None  # others' need not be served
    if (
        found is None
        or known is None
        or why_remade(image, level, found)
        or not _is_current(image, level, known, finer)
    ):
        return None
    logger.info("%s is up to date: same recipe, same source", image.name(level))
    tell_ancestors(image.store, path)  # a run may have been killed before it did
    return known


def clear_place(
    image: Image, level: int, before_rebuild: Callable[[], None], *, keep: bool = False
) -> None:
    """Withdraw a level from the list, and remove whatever is left of it; `keep` keeps objects."""
    before_rebuild()
    withdraw_levels(image, level)
    path = image.level_path(level)
    # Also where no array is found: consolidated metadata may still show what was removed.
    if keep:
        hide_array(image.store, path)
        remove_litter(image, level)
    else:
        delete_array(image.store, path)
    above = path.rpartition("/")[0]
    make_groups(image.store, above, image.plan.base.zarr_format, below=image.path)


def level_task(image: Image, level: int, block_bytes: int) -> LevelTask:
    """Return the task that makes any place of a level."""
    wanted = image.plan.levels[level]
    return LevelTask(
        store=image.store,
        source_path=image.level_path(level - 1),
        source=read_level(image, level - 1),
        target_path=image.level_path(level),
        target=level_metadata(image, level),
        factors=wanted.factors,
        write_empty=wanted.write_empty_chunks,
        method=wanted.method,
        block_bytes=block_bytes,
        needs_all=level == 1 and image.plan.image.missing_chunks == "error",
    )


def publish(image: Image, level: int, record: Record) -> None:
    """Write a level's documents once its objects are on disk: from here on it exists."""
    image.store.sync()
    target = replace(level_metadata(image, level), attributes={RECORD_KEY: record})
    write_array(image.store, image.level_path(level), target)
    image.store.sync()


def check_finer(image: Image, level: int, finer: Record) -> None:
    """See that the level to be read is the one that its sentinel speaks of."""
    source = read_level(image, level - 1)
    sealed = image.plan.levels[level - 1]
    if source.shape != sealed.shape or source.dtype != sealed.dtype:
        raise StoreError(
            f"{image.name(level - 1)} has shape {source.shape} and dtype {source.dtype}, expected "
            f"{sealed.shape} and {sealed.dtype}; run the workflow again"
        )
    if level > 1 and record_of(source) != finer:
        raise StoreError(
            f"{image.name(level - 1)} is not the level that its sentinel records; "
            "run the workflow again, which makes it again"
        )


def _is_current(image: Image, level: int, known: Record, finer: Record) -> bool:
    """Tell whether a level was made from the voxels that are there now, without decoding any."""
    made_from = known.get("source", {})
    if level > 1:
        return bool(made_from.get("digest") == finer["digest"])
    if watched_by(image) != "objects":
        return True  # its document is what was compared by now
    base = read_level(image, 0)
    chunks = open_chunks(image.store, image.level_path(0), base)
    tally = Tally()

    def read(index: Index) -> Tally:
        one = Tally()
        one.add_payload(index, chunks.payload(index))
        return one

    places = geometry.iterate_units(geometry.grid_shape(base.shape, base.chunks))
    with ThreadPoolExecutor(image.store.at_once) as pool:
        for batch in geometry.batches(places, 1024):
            for one in pool.map(read, batch):
                tally.merge(one)
    return bool(made_from.get("fingerprint") == tally.fingerprint(base.form))


def run_tasks(
    task: LevelTask,
    n_workers: int,
    numbers: range | None = None,
    on_block: Callable[[int], None] = lambda n_voxels: None,
    *,
    cluster: Cluster | None = None,
    notes: Notes | None = None,
) -> BlockResult:
    """Run a level's tasks, or those of some numbers, and return what all of them saw.

    With notes, those tasks alone that they leave; what they keep counts as seen.
    """
    remaining: Numbers | None = numbers if notes is None else notes
    n_tasks = geometry.count(task.grid) if remaining is None else len(remaining)
    n_workers, n_threads = task.spread(n_workers, n_tasks)
    task = replace(task, n_threads=n_threads)
    seen = BlockResult()
    if notes is not None:
        seen.merge(notes.seen)
        on_block(notes.seen.source.n_voxels)

    def note(made: dict[Index, BlockResult]) -> None:
        if notes is not None:
            notes.note(made)
        on_block(sum(result.source.n_voxels for result in made.values()))

    for made in run_blocks(
        task,
        task.grid,
        n_workers=n_workers,
        numbers=remaining,
        cluster=cluster,
        shared=task.store.shared,
        load=task.loader(n_tasks),
        note=note,  # at once; what is yielded comes in batches
    ):
        for result in made.values():
            seen.merge(result)
    if seen.source.n_nan or seen.source.n_inf:
        logger.info(
            "%d NaN and %d infinities were read; no sum was checked where they stand",
            seen.source.n_nan,
            seen.source.n_inf,
        )
    return seen


def is_contradicted(level: int, seen: BlockResult, finer: Record, source: Record) -> bool:
    """Tell whether what a level was made from is not what the record of the level before says."""
    return level > 1 and seen.source.digest(source) != finer["digest"]


def make_record(image: Image, level: int, seen: BlockResult, finer: Record) -> Record:
    """Hold what was read and written against what must hold, and return the level's record.

    Raises
    ------
    VoxelError
        If the source holds other voxels than its record says.
    """
    wanted, source = image.plan.levels[level], read_level(image, level - 1)
    read, written = seen.source, seen.target
    for array, tally in ((source, read), (wanted, written)):
        n_chunks = geometry.count(geometry.grid_shape(array.shape, array.chunks))
        assert tally.n_chunks == n_chunks, (tally.n_chunks, n_chunks)  # each chunk once
    digest = read.digest(digest_header(source))
    if wanted.level > 1 and digest != finer["digest"]:
        raise VoxelError(
            f"{image.name(wanted.level - 1)} holds other voxels than its record says (digest "
            f"{digest}, recorded {finer['digest']}); remove that level to have it made again"
        )
    made_from: Record = {"digest": digest}
    if wanted.level == 1:
        made_from["fingerprint"] = read.fingerprint(source.form)
        made_from.update(read.statistics(dtype=source.dtype))
    return {
        **wanted.expected,
        "digest": written.digest(digest_header(wanted)),
        **written.statistics(dtype=wanted.dtype),
        **({} if wanted.write_empty_chunks else {RECORD_ENTRY: seen.objects.record}),
        "source": made_from,
    }


def digest_header(metadata: ArrayMetadata | LevelPlan) -> Record:
    """Return what a digest covers beside voxels."""
    return {
        "dtype": metadata.dtype,
        "shape": list(metadata.shape),
        "chunks": list(metadata.chunks),
    }
