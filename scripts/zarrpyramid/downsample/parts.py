"""A level built in parts, by jobs that may run on several hosts at once; also a level 0 of files.

One job opens the level, many write its stored objects, each those of its part, and one gathers what
they have seen and publishes the level. Each job may be killed, repeated or started twice at any
time: a part writes whole objects, with the same bytes whoever writes them, and the sentinel of a
part counts only for the `opening` in which the part was made.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import StoreError, VoxelError
from zarrpyramid.metadata import fits
from zarrpyramid.plan import describe_level, grown_from, why_incomplete

from .cluster import open_cluster
from .companions import beside, gather_beside, open_beside
from .leftovers import forget, forget_parts, join_parts, may_keep, remove_litter
from .level import run_tasks
from .level_job import LevelJob
from .opening import begin_opening, end_opening, find_opening, wanted_form
from .result import BlockResult
from .resume import flush_made, resuming
from .task import EditedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from zarrpyramid.metadata import Record
    from zarrpyramid.plan import Image, Level

    from .job import Job

logger = logging.getLogger(__name__)


def open_level(
    image: Image,
    level: int,
    finer: Record,
    *,
    results: Path | None = None,
    before_rebuild: Callable[[], None] = lambda: None,
    looks: ExitStack | None = None,
) -> Record:
    """Clear a level's place for its parts, and return the opening.

    1. A level that is open already for the same recipe and the same voxels stays open: nothing is
       changed, and the opening is the same.
    2. Of a level that is current, the opening has no number, and the parts have nothing to do.
    3. Else the level is withdrawn and opened under a new number. Objects that its notes know stay
       until a part has looked at them.

    Parameters are the attributes of `LevelJob`; of level 0, `finer` is {}.

    Raises
    ------
    StoreError
        If the level's place is taken by something that is not ours, or others are at the image.
    """
    with image.store.hold(image.lock), looks or ExitStack() as looks:
        looks.enter_context(_looked_at(image, level))
        job = _job(image, level, finer, results=results, before_rebuild=before_rebuild, looks=looks)
        target = job.target
        job.check()
        wanted = job.purpose()
        known = job.current_record()
        if known is not None:
            end_opening(target)
            return {**wanted, "opening": None, "digest": known["digest"]}
        found = find_opening(target)
        may_stay = target.node is None or grown_from(target) is not None
        if found is not None and fits(found, wanted) and may_stay:
            logger.info("%s is open already, and stays so", target.name)
            return found
        keep = may_keep(job)
        job.clear_place(keep=keep)
        logger.info("%s: %s", target.name, describe_level(image.plan, level))
        if not keep:
            open_beside(job)
        return begin_opening(target, wanted)


def build_part(
    image: Image,
    level: int,
    part: int,
    finer: Record,
    opening: Record,
    *,
    n_workers: int,
    results: Path | None = None,
    on_block: Callable[[int], None] = lambda n_voxels: None,
    looks: ExitStack | None = None,
) -> Record:
    """Make the objects of one part of an open level, and return what the job has seen.

    Parameters
    ----------
    part
        Counted from 1.
    opening
        As `open_level` returned it.
    finer, n_workers, results, on_block, looks
        As for `LevelJob`.

    Raises
    ------
    StoreError
        If the level is not open for this part, or an object cannot be read or written.
    VoxelError
        If voxels contradict what was computed of them.
    """
    with image.store.hold(image.lock, shared=True), looks or ExitStack() as looks:
        looks.enter_context(_looked_at(image, level, listed=level))
        given = {"results": results, "n_workers": n_workers, "on_block": on_block}
        job = _job(image, level, finer, looks=looks, **given)
        job.check()
        cut = image.plan.cut(level)
        done: Record = {
            "level": level,
            "part": [part, cut.n_parts],
            "block_bytes": cut.block_bytes,
            "opening": opening["opening"],
        }
        if opening["opening"] is None:
            return {**done, "digest": opening["digest"]}
        try:
            return {**done, **_made_part(job, part, opening)}
        except EditedError:
            return {**done, **_made_part(job.hidden(), part, opening)}


def _made_part(job: Job, part: int, opening: Record) -> Record:
    """Make the objects of a part, and return what was seen, and `also` of those of companions."""
    image, cut = job.image, job.image.plan.cut(job.level)
    _check_open(job.target, opening)
    task, numbers, mine = job.task(cut.block_bytes), cut.tasks(part), (part, cut.n_parts)
    with (
        open_cluster(
            image.plan.image.dask_scheduler, image.store, image.path, job.witnesses
        ) as cluster,
        resuming(job, task, numbers=numbers, part=mine) as resume,
        beside(job, cut.block_bytes, resume, mine) as also,
    ):
        job.looks.close()
        seen = run_tasks(job, task, numbers, cluster=cluster, resume=resume, also=also)
        flush_made(image.store, resume)
        _check_open(job.target, opening)
        told = {method: each for other in also for method, each in other.told().items()}
    return {"seen": seen.record, **({"also": told} if told else {})}


def gather_level(
    image: Image,
    level: int,
    finer: Record,
    parts: Sequence[Record],
    *,
    results: Path | None = None,
    looks: ExitStack | None = None,
) -> Record:
    """Publish a level whose parts are all made, and return its record: that of one job.

    Parameters
    ----------
    parts
        What `build_part` returned, of all parts.
    results, looks
        As for `LevelJob`; the notes of the parts become those of the level.

    Raises
    ------
    StoreError
        If they are not all parts of one opening, or objects were lost since they were written.
    VoxelError
        If the level before holds other voxels than its record says, or level 0 has changed since
        the level was opened.
    """
    with image.store.hold(image.lock), looks or ExitStack() as looks:
        looks.enter_context(_looked_at(image, level, listed=level))
        job = _job(image, level, finer, results=results, looks=looks)
        target = job.target
        job.check()
        _check_parts(target, parts)
        number = parts[0]["opening"]
        if number is None:
            known = job.current_record()
            if known is None or known["digest"] != parts[0]["digest"]:
                raise _changed(target)
            return known
        found = find_opening(target)
        record = _gathered(job, parts)
        if found is None and job.published_record == record:
            return record  # published already, by a job that was killed before it could say so
        if found is None or not fits(found, {**wanted_form(target), "opening": number}):
            raise _changed(target)
        if not fits(found, job.purpose()):
            end_opening(target)
            raise job.changed()
        fault = why_incomplete(job.published(record), target.objects())
        if fault:
            end_opening(target)
            raise StoreError(
                f"{target.name} {fault}, though all parts were made; run again, which makes all of "
                "them again"
            )
        gather_beside(job, parts)
        if results is not None:
            join_parts(job, len(parts), record["digest"])
        remove_litter(target)  # of parts that were killed; the level stayed open for others
        target.store.sync()
        job.publish(record)
        if results is not None:
            forget_parts(results, level)
        end_opening(target)
        return record


def _gathered(job: Job, parts: Sequence[Record]) -> Record:
    """Return the record of a level by what all of its parts have seen."""
    seen = BlockResult.from_records([part["seen"] for part in parts])
    if wrong := job.contradiction(seen):
        # The notes of a part may be what is wrong, or what the level before carries.
        job.distrusts()
        if job.results is not None:
            forget(job.results, job.level)
        end_opening(job.target)
        raise VoxelError(
            f"the parts of {job.target.name} saw other voxels than are recorded; run again, which "
            f"reads all of it; if this comes back: {wrong}"
        )
    return job.record(seen)


def _looked_at(image: Image, level: int, *, listed: int = 0) -> AbstractContextManager[None]:
    """Have what a job reads of the image and of the level before asked for at once."""
    return image.looked_at(*range(level)[-1:], listed=listed, objects=level == 1)


def _job(image: Image, level: int, finer: Record, **given: Any) -> Job:
    """Return the job of a level, which level 0 has where it is made of files."""
    if level == 0:
        from .base_job import BaseJob

        return BaseJob(image=image, **given)
    return LevelJob(image=image, level=level, finer=finer, **given)


def _check_open(level: Level, opening: Record) -> None:
    if find_opening(level) != opening:
        raise _changed(level)


def _check_parts(level: Level, parts: Sequence[Record]) -> None:
    """See that parts are those of the plan, each once, and of one opening."""
    cut = level.image.plan.cut(level.number)
    numbers = [[part + 1, cut.n_parts] for part in range(cut.n_parts)]
    if (
        sorted(part["part"] for part in parts) != numbers
        or {part["block_bytes"] for part in parts} != {cut.block_bytes}
        or len({part["opening"] for part in parts}) > 1
    ):
        raise _changed(level)


def _changed(level: Level) -> StoreError:
    return StoreError(
        f"{level.name} is not open for these parts any more: it was changed, removed or opened "
        "anew meanwhile; run again, and let one run have the image to itself"
    )
