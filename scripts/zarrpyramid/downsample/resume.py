"""How a killed or repeated job of a level goes on: it keeps what need not be made again.

An object is kept if a note says that this recipe made it of the source objects that are there now,
and if it is still the object that was written. Jobs note what they make every few seconds
(docs/design/0016).
"""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry
from zarrpyramid.errors import StoreError

from .leftovers import notes_path, part_path
from .made_from import source_digest
from .notes import Note, Notes
from .result import BlockResult
from .value_counts import ValueCounts, count_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from zarrpyramid.geometry import Index, Shape
    from zarrpyramid.stores import Store

    from .job import Job, Task

logger = logging.getLogger(__name__)

PAUSE = 5.0
"""Seconds, at least, between two times that what was made is flushed and noted."""

_SHARE = 50
"""Such a pause is at least so many times as long as flushing took: at most 2 % of a job."""


class Resume:
    """The objects that one job keeps, the tasks that remain, and the notes of what they make.

    Iterating over it yields the numbers of the tasks that remain, in the order of `task.grid`.

    Attributes
    ----------
    seen
        What the kept objects hold, and what they were made from.
    n_kept, n_objects
        Objects that are kept, and all objects of the job.
    uncounted
        The kept objects whose values have to be counted again: some of those that they were counted
        with are not kept.
    """

    def __init__(
        self,
        store: Store,
        task: Task,
        notes: Notes,
        made_from: Callable[[Index], bytes | None],
        numbers: range | None = None,
    ) -> None:
        """Find what is kept.

        Parameters
        ----------
        notes
            Notes of the job's objects.
        made_from
            Returns the digest of what an object is made from; None where it is not known.
        numbers
            Numbers of the job's tasks; None takes all.
        """
        self._store, self._task = store, task
        self._notes, self._sources = notes, made_from
        self._numbers = range(geometry.count(task.grid)) if numbers is None else numbers
        self._done = bytearray(len(self._numbers))
        self._made_from: dict[Index, bytes | None] = {}
        # By whether an object `_is_open`.
        self._made: dict[bool, dict[Index, Note]] = {False: {}, True: {}}
        self._begin = time.monotonic()
        self._next = self._begin + PAUSE
        self._counts = {False: ValueCounts(), True: ValueCounts()}
        self.seen = BlockResult()
        self.n_kept = self.n_objects = 0
        self.uncounted: dict[Index, Note] = {}

    def __len__(self) -> int:
        return self._done.count(0)

    def __iter__(self) -> Iterator[int]:
        for number, is_done in zip(self._numbers, self._done, strict=True):
            if not is_done:
                # Looked up before the source is read: the next job sees what changes meanwhile.
                for index in self._objects(number):
                    self._made_from[index] = self._sources(index)
                yield number

    def keep(self, older: Notes | None = None) -> None:
        """Find the tasks whose objects are all kept.

        Parameters
        ----------
        older
            Notes of the whole level, for a part that has none of its own.
        """
        if older is not None and self._notes.is_empty and not older.is_empty:
            mine = (self._key(i) for number in self._numbers for i in self._objects(number))
            self._notes.write(older.rows(mine), older.counts_rows(), is_flushed=False)
        batches: dict[bytes | None, dict[Index, Note]] = {}
        for place, number in enumerate(self._numbers):
            notes = {index: self._kept(index) for index in self._objects(number)}
            self.n_objects += len(notes)
            if None in notes.values():
                continue
            self._done[place] = 1
            self.n_kept += len(notes)
            for index, note in notes.items():
                assert note is not None
                if note.version is not None:
                    note.seen.objects.add(self._key(index), note.version[0])
                self.seen.merge(note.seen)
                batches.setdefault(note.batch, {})[index] = note
        for batch, kept in batches.items() if self._task.counts_values else ():
            counts = self._notes.counts(batch, len(kept))
            if counts is None:
                self.uncounted |= kept
            else:
                self.seen.merge(BlockResult(counts=counts))

    def count(self, n_workers: int) -> None:
        """Count the values of level 0 that the uncounted objects were made from."""
        task: Any = self._task  # one that counts values
        with ThreadPoolExecutor(n_workers) as pool:
            for indices in geometry.batches(iter(self.uncounted), 4 * n_workers):
                found = pool.map(partial(count_object, task), indices)
                for index, counts in zip(indices, found, strict=True):
                    self._add({index: self.uncounted[index]}, counts)
                    self.seen.merge(BlockResult(counts=counts))

    def note(self, made: dict[Index, BlockResult], by: Resume | None = None) -> None:
        """Take note of the objects that a task made.

        Parameters
        ----------
        by
            What has looked up of which sources, where that is another level's: none of its own.
        """
        notes = {}
        for index, seen in made.items():
            # An object of unknown sources is noted too: its row takes the place of an older one.
            made_from = (by._made_from[index] if by else self._made_from.pop(index)) or b""
            notes[index] = Note(version=None, made_from=made_from, seen=seen)
        self._add(notes, *(seen.counts for seen in made.values() if seen.counts is not None))
        if time.monotonic() >= self._next:
            self.flush()

    def flush(self, digest: str = "", *, is_end: bool = False) -> None:
        """Flush what was made, and then write down that it was.

        Parameters
        ----------
        digest
            Of the whole level, if that is made.
        is_end
            Whether the job has made all that it makes: then it is flushed whatever is noted.
        """
        made = {is_open: notes for is_open, notes in self._made.items() if notes}
        start = time.monotonic()
        if made or is_end:
            self._store.sync()
        if not made and not digest:
            return
        version = self._store.versions(self._task.target_path)
        rows, counts = [], []
        for is_open, notes in made.items():
            batch = None
            if self._task.counts_values:
                batch = source_digest([str(index).encode() for index in sorted(notes)])
                counts.append(self._notes.counts_row(batch, len(notes), self._counts[is_open]))
            for index, note in notes.items():
                key = self._key(index)
                stored = replace(note, version=version(key), batch=batch)
                rows.append(self._notes.row(key, stored))
        # A power cut costs no more than the pause if notes are not flushed before.
        self._notes.write(rows, counts, digest=digest, is_flushed=start >= self._begin + PAUSE)
        for is_open in made:
            self._made[is_open], self._counts[is_open] = {}, ValueCounts()
        now = time.monotonic()
        self._next = now + max(PAUSE, _SHARE * (now - start))

    def _kept(self, index: Index) -> Note | None:
        """Return what is known of an object that need not be made again."""
        key = self._key(index)
        note = self._notes.read(key)
        if (
            note is None
            or note.version != self._target_version(key)
            or note.made_from != self._sources(index)
        ):
            return None
        return note

    def _objects(self, number: int) -> Iterator[Index]:
        """Yield the objects that a task makes."""
        task = self._task
        place = next(geometry.iterate_units(task.grid, range(number, number + 1)))
        region = geometry.unit_region(place, task.unit, task.target.shape)
        return geometry.covering_units(region, task.target.write_shape)

    def _add(self, notes: dict[Index, Note], *counts: ValueCounts) -> None:
        """Take note of objects whose values were counted together."""
        is_open = any(map(self._is_open, notes))
        self._made[is_open] |= notes
        for each in counts:
            self._counts[is_open].merge(each)

    def _is_open(self, index: Index) -> bool:
        """Tell whether an object has room for more voxels of its level, should that grow.

        It is made again then, and what was counted together is counted again: it has its own batch.
        """
        if not self._task.counts_values:
            return False
        task: Any = self._task
        axes = zip(index, task.factors, task.target.write_shape, task.target.shape, strict=True)
        return any(step == 1 and (i + 1) * edge > extent for i, step, edge, extent in axes)

    def _key(self, index: Index) -> str:
        return self._task.target.object_key(index)

    @functools.cached_property
    def _target_version(self) -> Callable[[str], tuple[int, int] | None]:
        return self._store.versions(self._task.target_path)


def flush_made(store: Store, resume: Resume | None, digest: str = "") -> None:
    """Flush all that a job has made, and note it where it takes notes; `digest` as for `flush`."""
    if resume is None:
        store.sync()
    else:
        resume.flush(digest, is_end=True)


@contextlib.contextmanager
def resuming(
    job: Job,
    task: Task,
    *,
    numbers: range | None = None,
    part: tuple[int, int] | None = None,
) -> Iterator[Resume | None]:
    """Find what a job keeps, and note what it makes, however it ends; None without results.

    Parameters
    ----------
    numbers
        Numbers of the tasks of a part; None takes all.
    part
        Number of the part, and how many there are.
    """
    store, level, results = job.image.store, job.level, job.results
    if results is None or not (store.tells_versions and job.knows_sources):
        yield None
        return
    with contextlib.ExitStack() as stack:

        def opened(path: Path, wanted: bytes, shape: Shape) -> Notes:
            return stack.enter_context(contextlib.closing(Notes(path, wanted, shape)))

        mine = (job.identity, job.wanted.shape)
        older = opened(notes_path(results, level), *mine)
        notes = older if part is None else opened(part_path(results, level, *part), *mine)
        resume = Resume(store, task, notes, job.made_from(task, opened), numbers)
        resume.keep(None if part is None else older)
        if resume.n_kept:
            logger.info(
                "%s: %d of %d objects are made, the others are kept as they were noted",
                job.target.name,
                resume.n_objects - resume.n_kept,
                resume.n_objects,
            )
        try:
            yield resume
        except BaseException as error:
            # What was made before a signal or an error is noted. That error is raised, also if
            # this fails too. A server that does not answer is not asked again.
            if not (store.is_remote and isinstance(error, StoreError)):
                with contextlib.suppress(OSError):
                    resume.flush()
            raise
