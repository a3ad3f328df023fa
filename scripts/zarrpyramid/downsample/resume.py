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

    from zarrpyramid.geometry import Index
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
        self._grid = geometry.grid_shape(task.target.shape, task.target.write_shape)
        self._numbers = range(geometry.count(task.grid)) if numbers is None else numbers
        self._done = bytearray(len(self._numbers))
        self._made_from: dict[Index, bytes | None] = {}
        self._made: dict[Index, Note] = {}
        self._begin = time.monotonic()
        self._next = self._begin + PAUSE
        self._counts = ValueCounts()
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
            mine = (self._number(i) for number in self._numbers for i in self._objects(number))
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
                    note.seen.objects.add(self._task.target.object_key(index))
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
                for counts in pool.map(partial(count_object, task), indices):
                    self._counts.merge(counts)
        self.seen.merge(BlockResult(counts=self._counts))
        self._made |= self.uncounted

    def note(self, made: dict[Index, BlockResult]) -> None:
        """Take note of objects that were made."""
        for index, seen in made.items():
            # An object of unknown sources is noted too: its row takes the place of an older one.
            made_from = self._made_from.pop(index) or b""
            self._made[index] = Note(version=None, made_from=made_from, seen=seen)
            if seen.counts is not None:
                self._counts.merge(seen.counts)
        if time.monotonic() >= self._next:
            self.flush()

    def flush(self, digest: str = "") -> None:
        """Flush what was made, and then write down that it was.

        Parameters
        ----------
        digest
            Of the whole level, if that is made.
        """
        if not self._made and not digest:
            return
        start = time.monotonic()
        if self._made:
            self._store.sync()
        version = self._store.versions(self._task.target_path)
        batch, counts = None, []
        if self._made and self._task.counts_values:
            batch = source_digest([str(index).encode() for index in sorted(self._made)])
            counts = [self._notes.counts_row(batch, len(self._made), self._counts)]
        rows = []
        for index, note in self._made.items():
            key = self._task.target.object_key(index)
            stored = replace(note, version=version(key), batch=batch)
            rows.append(self._notes.row(self._number(index), stored))
        # A power cut costs no more than the pause if notes are not flushed before.
        self._notes.write(rows, counts, digest=digest, is_flushed=start >= self._begin + PAUSE)
        self._made.clear()
        self._counts = ValueCounts()
        now = time.monotonic()
        self._next = now + max(PAUSE, _SHARE * (now - start))

    def _kept(self, index: Index) -> Note | None:
        """Return what is known of an object that need not be made again."""
        note = self._notes.read(self._number(index))
        key = self._task.target.object_key(index)
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

    def _number(self, index: Index) -> int:
        return geometry.unit_number(index, self._grid)

    @functools.cached_property
    def _target_version(self) -> Callable[[str], tuple[int, int] | None]:
        return self._store.versions(self._task.target_path)


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

        def opened(path: Path, wanted: bytes) -> Notes:
            return stack.enter_context(contextlib.closing(Notes(path, wanted)))

        mine = job.identity
        older = opened(notes_path(results, level), mine)
        notes = older if part is None else opened(part_path(results, level, *part), mine)
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
