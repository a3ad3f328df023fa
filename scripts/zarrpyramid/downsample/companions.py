"""Level 1 of an image's companions, made while that of the image is.

It only saves the second read of level 0. What is not whole in the end, as after a killed job, is
left to the companion's own job, which keeps what was noted here.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from zarrpyramid.errors import PyramidError, StoreError
from zarrpyramid.plan import companion_of, why_incomplete

from .leftovers import forget, forget_parts, join_parts, notes_path, part_path, remove_litter
from .level_job import LevelJob
from .notes import Notes
from .opening import begin_opening, end_opening, opening_number
from .result import BlockResult
from .resume import Resume, flush_made
from .withdrawal import withdraw_results

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zarrpyramid.metadata import Record
    from zarrpyramid.plan import Image

    from .job import Job
    from .task import LevelTask, Seen

logger = logging.getLogger(__name__)

_LEFT = "%s is left to a job of its own, which keeps what is made of it"
_MADE = "%s is made by the same read of level 0"


@dataclass(kw_only=True)
class Companion:
    """A companion's level 1 that is made beside its image's.

    Attributes
    ----------
    job, task
        Its own, as it is made alone.
    resume
        What notes its objects; None where nothing is noted.
    opening
        Number under which it is open for parts, else None.
    """

    job: LevelJob
    task: LevelTask
    resume: Resume | None
    opening: str | None = None
    seen: BlockResult = field(default_factory=BlockResult)

    def note(self, made: Seen, by: Resume | None) -> None:
        """Take note of objects that were made, of sources that `by` has looked up."""
        if self.resume is not None:
            self.resume.note(made, by)
        for result in made.values():
            self.seen.merge(result)
            result.counts = None

    def publish(self) -> None:
        """Publish the level, all of which was made."""
        record = self.job.record(self.seen)
        flush_made(self.job.image.store, self.resume, record["digest"])
        self.job.publish(record)
        logger.info(_MADE, self.job.target.name)

    def told(self) -> dict[str, Record]:
        """Note what a part has made, and return what its sentinel holds of that, by the method."""
        flush_made(self.job.image.store, self.resume)
        found = {"opening": self.opening, "seen": self.seen.record}
        return {self.job.image.plan.image.method: found}


def companion_jobs(job: Job) -> Iterator[LevelJob]:
    """Yield the jobs of level 1 of companions, where a job makes level 1 of their image.

    One that cannot be made is left to its own job, which fails with the reason, and one that has
    only to grow, which that job keeps in the readers' sight.
    """
    if not isinstance(job, LevelJob) or job.level != 1:
        return
    for method in job.image.plan.asked.also or ():
        try:
            other = _job_of(job, companion_of(job.image, method))
            other.check()
        except PyramidError as error:
            logger.warning("%s", error)
            continue
        if other.shown is None:
            yield other


@contextlib.contextmanager
def beside(
    job: Job, block_bytes: int, resume: Resume | None, part: tuple[int, int] | None = None
) -> Iterator[list[Companion]]:
    """Prepare what is made beside level 1 of an image, and note what is, however the job ends.

    Parameters
    ----------
    job, block_bytes, resume
        Of the image's level.
    part
        Number of the job's part, and how many there are. Companions of parts are open already.
    """
    store, made = job.image.store, list[Companion]()
    with contextlib.ExitStack() as stack:
        for other in companion_jobs(job):
            if resume is not None and resume.n_kept:
                logger.info(_LEFT, other.target.name)
                continue
            stack.enter_context(store.hold(other.image.lock, shared=part is not None))
            number = None if part is None else opening_number(other.target, other.purpose())
            if part is None:
                other = _cleared(other)
            elif number is None:
                continue
            task, notes = other.task(block_bytes), None
            if resume is not None and other.results is not None:
                place = other.results, other.level
                path = notes_path(*place) if part is None else part_path(*place, *part)
                opened = Notes(path, other.identity, other.target.plan.shape)
                stack.enter_context(contextlib.closing(opened))
                notes = Resume(store, task, opened, lambda index: None)
            made.append(Companion(job=other, task=task, resume=notes, opening=number))
        try:
            yield made
        except BaseException as error:
            if not (store.is_remote and isinstance(error, StoreError)):  # as in `resuming`
                for each in made:
                    with contextlib.suppress(OSError):
                        if each.resume is not None:
                            each.resume.flush()
            raise


def open_beside(job: Job) -> None:
    """Open level 1 of companions for the parts of their image's level 1, all of which is made."""
    for other in companion_jobs(job):
        with job.image.store.hold(other.image.lock):
            begin_opening(other.target, _cleared(other).purpose())


def gather_beside(job: Job, parts: Sequence[Record]) -> None:
    """Publish level 1 of the companions that all parts of their image's level 1 have made."""
    for other in companion_jobs(job):
        method = other.image.plan.image.method
        told = [part.get("also", {}).get(method) for part in parts]
        with job.image.store.hold(other.image.lock):
            number = opening_number(other.target, other.purpose())
            if number is None or any(each is None or each["opening"] != number for each in told):
                logger.info(_LEFT, other.target.name)
                continue
            _gather(other, [each["seen"] for each in told])


def _gather(job: LevelJob, seen_by_parts: Sequence[Record]) -> None:
    seen = BlockResult.from_records(seen_by_parts)
    record, target = job.record(seen), job.target
    if why_incomplete(job.published(record), target.objects()):
        logger.info(_LEFT, target.name)
        return
    if job.results is not None:
        join_parts(job, len(seen_by_parts), record["digest"])
    remove_litter(target)
    target.store.sync()
    job.publish(record)
    if job.results is not None:
        forget_parts(job.results, job.level)
    end_opening(target)
    logger.info(_MADE, target.name)


def _cleared(job: LevelJob) -> LevelJob:
    """Remove a level and its notes, all of which is made anew, and return its job after that."""
    if job.results is not None:
        forget(job.results, job.level)
    job.clear_place(keep=False)
    return replace(job)


def _job_of(job: LevelJob, image: Image) -> LevelJob:
    """Return the job of a companion's level 1."""
    results = job.results and job.results.with_name(image.plan.image.name)

    def withdraw() -> None:
        if results is not None:
            withdraw_results(results)

    def ignore(n_voxels: int) -> None:
        pass

    return replace(
        job,
        image=image,
        results=results,
        before_rebuild=withdraw,
        on_block=ignore,
        goes_on=False,
    )
