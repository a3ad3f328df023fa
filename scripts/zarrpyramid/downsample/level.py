"""The recipe of a level: it is averaged from the level before it, and published when it is whole.

`build_level` is what the rule asks for. A level does not exist until it is complete: its stored
objects are written first, then flushed, and its own metadata document is written last. Readers see
whole levels only, at any time.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.errors import VoxelError
from zarrpyramid.metadata import RECORD_ENTRY, WINDOWS_KEY
from zarrpyramid.plan import (
    base_layout,
    check_place,
    describe_level,
    n_channels,
    shared_block_bytes,
)

from .cluster import open_cluster
from .job import (
    LevelJob,
    base_changed,
    check_finer,
    clear_place,
    current_record,
    level_task,
)
from .leftovers import forget, may_keep
from .publish import publish_level
from .result import BlockResult
from .resume import resuming
from .run import run_blocks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zarrpyramid.geometry import Index
    from zarrpyramid.metadata import ArrayMetadata, Record
    from zarrpyramid.plan import Image, LevelPlan

    from .cluster import Cluster
    from .resume import Resume
    from .run import Numbers
    from .task import LevelTask

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

    A level that is there already, made by the same recipe from the same voxels, is left as it is,
    and no voxel is read. Parameters are the attributes of `LevelJob`.

    Raises
    ------
    StoreError
        If the level's place is taken by something that is not ours, or an object cannot be read or
        written.
    VoxelError
        If voxels contradict what was recorded or computed of them.
    """
    with image.store.hold(image.level_path(0)):
        job = LevelJob(
            image=image,
            level=level,
            finer=finer,
            results=results,
            n_workers=n_workers,
            before_rebuild=before_rebuild,
            on_block=on_block,
        )
        check_place(job.target)
        check_finer(job)
        return current_record(job) or make_level(job)


def make_level(job: LevelJob) -> Record:
    """Make a level whatever stands in its place, and return its record.

    The caller holds the image's lock. Errors are those of `build_level`.
    """
    image, target = job.image, job.target
    before = base_layout(image) if target.number == 1 else None
    # Refused before anything is written.
    with open_cluster(image.plan.image.dask_scheduler, image.store, image.path) as cluster:
        clear_place(job, keep=may_keep(job))
        n_sharing = job.n_workers if cluster is None else cluster.n_threads
        task = level_task(job, shared_block_bytes(target.plan, n_sharing))
        logger.info("%s: %s", target.name, describe_level(image.plan, target.number))
        with resuming(job, task) as resume:
            seen = run_tasks(job, task, cluster=cluster, resume=resume)
            if before is not None and base_layout(image) != before:
                raise base_changed(image)
            # What notes say is never taken on trust alone.
            kept = 0 if resume is None else resume.n_kept
            if not (kept and is_contradicted(job, seen)):
                record = make_record(job, seen)
                if resume is not None:
                    resume.flush(record["digest"])
                publish_level(target, record)
                return record
    assert job.results is not None
    logger.warning(
        "%s: its notes contradict the finer level; the whole level is made again", target.name
    )
    forget(job.results, target.number)
    return make_level(job)


def run_tasks(
    job: LevelJob,
    task: LevelTask,
    numbers: range | None = None,
    *,
    cluster: Cluster | None = None,
    resume: Resume | None = None,
) -> BlockResult:
    """Run the tasks of a level, or those of some numbers, and return what all of them saw.

    With notes, only the tasks run that the notes leave; the objects that they keep count as seen.
    """
    if resume is not None and resume.uncounted:
        resume.count(job.n_workers)
    remaining: Numbers | None = numbers if resume is None else resume
    n_tasks = geometry.count(task.grid) if remaining is None else len(remaining)
    n_workers, n_threads = task.spread(job.n_workers, n_tasks)
    task = replace(task, n_threads=n_threads)
    seen = BlockResult()
    if resume is not None:
        seen.merge(resume.seen)
        job.on_block(resume.seen.source.n_voxels)

    def note(made: dict[Index, BlockResult]) -> None:
        if resume is not None:
            resume.note(made)
        for result in made.values():
            seen.merge(result)
            result.counts = None  # results wait for others, and counts are large
        job.on_block(sum(result.source.n_voxels for result in made.values()))

    for _ in run_blocks(
        task,
        task.grid,
        n_workers=n_workers,
        numbers=remaining,
        cluster=cluster,
        shared=task.store.shared,
        load=task.loader(n_tasks),
        note=note,  # at once; what is yielded comes in batches
    ):
        pass
    if seen.source.n_nan or seen.source.n_inf:
        logger.info(
            "%d NaN and %d infinities were read; no sum was checked where they stand",
            seen.source.n_nan,
            seen.source.n_inf,
        )
    return seen


def is_contradicted(job: LevelJob, seen: BlockResult) -> bool:
    """Tell whether the voxels that were read are not those that the level before records."""
    digest = seen.source.digest(digest_header(job.source.metadata))
    return job.source.number > 0 and digest != job.finer["digest"]


def make_record(job: LevelJob, seen: BlockResult) -> Record:
    """Check what was read and written, and return the level's record.

    Raises
    ------
    VoxelError
        If the source holds other voxels than its record says.
    """
    wanted, source = job.target.plan, job.source.metadata
    read, written = seen.source, seen.target
    for array, tally in ((source, read), (wanted, written)):
        n_chunks = geometry.count(geometry.grid_shape(array.shape, array.chunks))
        assert tally.n_chunks == n_chunks, (tally.n_chunks, n_chunks)  # each chunk once
    digest = read.digest(digest_header(source))
    if is_contradicted(job, seen):
        raise VoxelError(
            f"{job.source.name} holds other voxels than its record says (digest {digest}, recorded "
            f"{job.finer['digest']}); remove that level to have it made again"
        )
    made_from: Record = {"digest": digest}
    if job.source.number == 0:
        made_from["fingerprint"] = read.fingerprint(source.form)
        made_from.update(read.statistics(dtype=source.dtype))
        if seen.counts is not None:
            made_from[WINDOWS_KEY] = seen.counts.windows(
                source.dtype, n_channels(job.image.plan.axes, source.shape)
            )
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
