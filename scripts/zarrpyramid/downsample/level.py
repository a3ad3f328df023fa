"""The recipe of a level: it is averaged from the level before it, and published when it is whole.

`build_level` is what the rule asks for. A level does not exist until it is complete: its stored
objects are written first, then flushed, and its own metadata document is written last. Readers see
whole levels only, at any time.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry
from zarrpyramid.plan import describe_level, is_empty_place, shared_block_bytes

from .cluster import open_cluster
from .companions import beside
from .leftovers import forget, may_keep
from .level_job import LevelJob
from .result import BlockResult
from .resume import flush_made, resuming
from .run import begin_blocks, may_begin, run_blocks
from .task import EditedError, LevelTask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from zarrpyramid.geometry import Index
    from zarrpyramid.metadata import Record
    from zarrpyramid.plan import BaseLayout, Image

    from .cluster import Cluster
    from .companions import Companion
    from .job import Job, Task
    from .kept_workers import KeptWorkers
    from .resume import Resume
    from .run import Numbers

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
    layout: BaseLayout | None = None,
    looks: ExitStack | None = None,
    goes_on: bool = False,
    workers: KeptWorkers | None = None,
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
    with image.store.hold(image.lock), ExitStack() as own:
        looks = own if looks is None else looks
        job = LevelJob(
            image=image,
            level=level,
            finer=finer,
            results=results,
            n_workers=n_workers,
            before_rebuild=before_rebuild,
            on_block=on_block,
            layout=layout,
            looks=looks,
            goes_on=goes_on,
            workers=workers,
        )
        looks.enter_context(image.looked_at(level - 1, objects=job.lists_base))
        job.check()
        return job.current_record() or make_level(job)


def build_base(image: Image, *, looks: ExitStack | None = None, **given: Any) -> Record:
    """Make level 0 of files of another format, and return its record; else as `build_level`.

    Raises
    ------
    StoreError
        If files cannot be read.
    """
    from .base_job import BaseJob  # 5 ms, which a level that is made of a level saves

    with image.store.hold(image.lock), looks or ExitStack() as looks:
        looks.enter_context(image.looked_at(0))
        job = BaseJob(image=image, looks=looks, **given)
        job.check()
        return job.current_record() or make_level(job)


def make_level(job: Job) -> Record:
    """Make a level whatever stands in its place, and return its record.

    The caller holds the image's lock. Errors are those of `build_level`.
    """
    try:
        return _made_level(job)
    except EditedError:
        return make_level(job.hidden())


def _made_level(job: Job) -> Record:
    image, target = job.image, job.target
    # Refused before anything is written.
    with open_cluster(
        image.plan.image.dask_scheduler, image.store, image.path, job.witnesses
    ) as cluster:
        if cluster is not None:
            job.looks.close()  # to reach its workers takes seconds
        n_sharing = job.n_workers if cluster is None else cluster.n_threads
        block_bytes = shared_block_bytes(target.plan, n_sharing)
        with image.looked_at(objects=job.lists_base):
            before = job.first_stamp()
            if not (job.workers and job.workers.has_begun(job.task(block_bytes))):
                if not (keep := may_keep(job)):
                    job = job.hidden()
                job.clear_place(keep=keep)
        task = job.task(block_bytes)
        if image.store.is_remote and cluster is None and isinstance(task, LevelTask):
            _ = task.arrays  # opened while what was asked for is remembered
        logger.info("%s: %s", target.name, describe_level(image.plan, target.number))
        with resuming(job, task) as resume, beside(job, block_bytes, resume) as also:
            job.looks.close()
            seen = run_tasks(job, task, cluster=cluster, resume=resume, also=also)
            record = begin_next(job, seen)
            if job.stamp() != before:
                raise job.changed()
            # What notes say is never taken on trust alone.
            kept = 0 if resume is None else resume.n_kept
            if not (job.contradiction(seen) and (job.distrusts() or kept)):
                record = record or job.record(seen)
                flush_made(image.store, resume, record["digest"])
                for each in also:
                    each.publish()
                job.publish(record)
                return record
    what = "its notes contradict the finer level" if kept else "what that carries is not its own"
    logger.warning("%s: %s; the whole level is made again", target.name, what)
    if job.results is not None:
        forget(job.results, target.number)
    return make_level(job)


def begin_next(job: Job, seen: BlockResult) -> Record | None:
    """Have worker processes begin the next level, or end, all blocks of this one being made.

    What is made of it is nothing that readers see. So this level is flushed and published while
    they work, and an error of it leaves objects of the next one as it leaves those of its own.
    Nothing is begun where something stands in the place of the next level or is noted of it.

    Returns
    -------
    dict or None
        The record of this level, which the next one begins with; None where that has to wait.
    """
    image, number, workers = job.image, job.level + 1, job.workers
    if not isinstance(job, LevelJob) or workers is None or not workers.are_there:
        return None
    if job.goes_on and number == len(image.plan.levels):
        workers.dismiss()  # they end while this level, the last one, is published
        return None
    is_plain = not (job.results or job.is_once or job.weights or job.shown)
    if not (is_plain and job.goes_on and number < len(image.plan.levels)):
        return None
    if not is_empty_place(image.store, image.level_path(number)) or job.contradiction(seen):
        return None
    record = job.record(seen)
    after = replace(job, level=number, finer=record)
    block_bytes = shared_block_bytes(after.target.plan, job.n_workers)
    task = after.task(block_bytes, source=job.published(record))
    n_tasks = geometry.count(task.grid)
    if may_begin(n_tasks) and task.loader(n_tasks) is None:
        after.clear_place()
        n_workers, n_threads = task.spread(job.n_workers, n_tasks)
        ahead = replace(task, n_threads=n_threads, is_ahead=True)
        begin_blocks(task, ahead, task.grid, n_workers=n_workers, workers=workers)
    return record


def run_tasks(
    job: Job,
    task: Task,
    numbers: range | None = None,
    *,
    cluster: Cluster | None = None,
    resume: Resume | None = None,
    also: Sequence[Companion] = (),
) -> BlockResult:
    """Run the tasks of a level, or those of some numbers, and return what all of them saw.

    With notes, only the tasks run that the notes leave; the objects that they keep count as seen.
    Each task makes the levels of `also` at its place too.
    """
    if also:
        from .shared_task import SharedTask  # 3 ms, which few images need

        assert isinstance(task, LevelTask)
        task = SharedTask(main=task, also=tuple(each.task for each in also))
    if resume is not None and resume.uncounted:
        resume.count(job.n_workers)
    remaining: Numbers | None = numbers if resume is None else resume
    n_tasks = geometry.count(task.grid) if remaining is None else len(remaining)
    n_workers, n_threads = task.spread(job.n_workers, n_tasks)
    task = task.with_threads(n_threads)
    seen = BlockResult()
    if resume is not None:
        seen.merge(resume.seen)
        job.on_block(resume.seen.source.n_voxels)

    def note(made: dict[Index, BlockResult]) -> None:
        there = getattr(made, "also", ())  # by a `SharedTask`
        for each, seen_there in zip(also, there, strict=True):
            each.note(seen_there, resume)
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
        workers=job.workers,
    ):
        pass
    if seen.source.n_nan or seen.source.n_inf:
        logger.info(
            "%d NaN and %d infinities were read; no sum was checked where they stand",
            seen.source.n_nan,
            seen.source.n_inf,
        )
    return seen
