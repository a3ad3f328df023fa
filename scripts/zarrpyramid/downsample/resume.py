"""What of a level need not be made again, and the notes of a level's job by which that is known.

An object is kept where the ledger says that it was made by this recipe of the source objects that
are there now, and it is still the one that was written. Keeps out how a level is made.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
import struct
import time
from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.errors import StoreError
from zarrpyramid.metadata import encode_record, join
from zarrpyramid.plan import LITTER_KEY, MOST_COUNTED, Level

from .ledgers import PARTIAL_SUFFIX, Entry, LedgerForm, make_ledger, open_ledger, source_digest
from .task import BlockResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from zarrpyramid.geometry import Index
    from zarrpyramid.stores import Store

    from .job import LevelJob
    from .ledgers import Ledger
    from .task import LevelTask

logger = logging.getLogger(__name__)

PAUSE = 5.0
"""Seconds, at least, between two times that what was made is flushed and noted."""

_SHARE = 50
"""Such a pause is as many times as long as flushing took: at most 2 % of a job."""


def ledger_path(results: Path, level: int) -> Path:
    """Return the path of a level's ledger in the folder of an image's results."""
    return results / "levels" / f"{level}.ledger"


def part_path(results: Path, level: int, part: int, n_parts: int) -> Path:
    """Return the path of the ledger of one part of a level."""
    return results / "parts" / f"{level}.{part}-of-{n_parts}.ledger"


def ledgers_of(results: Path, level: int) -> list[Path]:
    """Return the ledgers of a level and of its parts that are there, finished or not."""
    return [
        path
        for folder, stem in ((results / "levels", f"{level}"), (results / "parts", f"{level}.*"))
        for suffix in (".ledger", PARTIAL_SUFFIX)
        for path in sorted(folder.glob(stem + suffix))
    ]


def ledger_form(level: Level, finer: Level) -> LedgerForm:
    """Return what a level's ledger is of, by the level and the one before it."""
    source = finer.metadata
    what = [level.name, level.form, source.form]
    text = encode_record({"ledger": json.loads(json.dumps(what))})
    return LedgerForm(
        identity=hashlib.blake2b(text, digest_size=16).digest(),
        source=source.dtype,
        target=level.plan.dtype,
        counts_source=level.number == 1,
    )


def may_keep(job: LevelJob) -> bool:
    """Tell whether objects in a level's place may be kept, and forget ledgers that are of others.

    They may where all that was ever noted of them is of the same recipe and form: so no object is
    left behind that another one wrote.
    """
    if job.results is None:
        return False
    target = job.target
    paths, wanted = ledgers_of(job.results, job.level), ledger_form(target, job.source)
    same = target.node is None or (
        target.record is not None and target.metadata.document == target.planned.document
    )
    opened = [open_ledger(path, wanted) for path in paths]
    for ledger in opened:
        if ledger is not None:
            ledger.close()
    if paths and same and None not in opened:
        return True
    forget(job.results, job.level)
    return False


def forget(results: Path, level: int) -> None:
    """Remove all ledgers of a level."""
    for path in ledgers_of(results, level):
        path.unlink(missing_ok=True)


def remove_litter(level: Level) -> None:
    """Remove the files aside that a killed run left among a level's objects."""
    for key in level.store.keys(level.path):
        if LITTER_KEY.fullmatch(key):
            level.store.delete(join(level.path, key))


class Notes:
    """The notes of one job about the objects that it keeps and makes.

    To be iterated over for the numbers of the tasks that remain, in the order of `task.grid`.

    Attributes
    ----------
    seen
        What the objects hold that are kept, and what they were made from.
    n_kept, n_objects
        Objects that are kept, and all of the job.
    """

    def __init__(
        self,
        job: LevelJob,
        task: LevelTask,
        paths: tuple[Path, Path],
        finer_ledger: Path,
        numbers: range | None = None,
    ) -> None:
        """Open the ledgers, and see what is kept.

        Parameters
        ----------
        paths
            Of the ledger to be written, and of an older one that may know more.
        finer_ledger
            Path of the ledger of the level before, which must be that of its record.
        numbers
            Of the job's tasks; None takes all.
        """
        image, level = job.image, job.level
        self._store, self._task, self._level = image.store, task, level
        self._grid = geometry.grid_shape(task.target.shape, task.target.write_shape)
        self._source_grid = geometry.grid_shape(task.source.shape, task.source.write_shape)
        self._numbers = range(geometry.count(task.grid)) if numbers is None else numbers
        wanted = ledger_form(job.target, job.source)
        path, older = paths
        self._path = path
        working = path.with_suffix(PARTIAL_SUFFIX)
        self._known = [found for place in {path, older} if (found := open_ledger(place, wanted))]
        self._ledger = make_ledger(working, wanted, self._span())
        self._known.insert(0, self._ledger)
        self._finer = None
        if level > 1 and finer_ledger.exists():
            finer = ledger_form(job.source, Level(image, level - 2))
            self._finer = open_ledger(finer_ledger, finer)
            if self._finer is not None and self._finer.digest != job.finer["digest"]:
                self._finer.close()
                self._finer = None
        self.seen = BlockResult()
        self.n_kept = self.n_objects = 0
        self._sources: dict[Index, bytes | None] = {}
        self._fresh: dict[Index, tuple[bytes, BlockResult]] = {}
        self._next = time.monotonic() + PAUSE
        self._done = bytearray(len(self._numbers) // 8 + 1)
        self._n_done = 0
        self._look()

    def __len__(self) -> int:
        return len(self._numbers) - self._n_done

    def __iter__(self) -> Iterator[int]:
        for place, number in enumerate(self._numbers):
            if not self._done[place >> 3] >> (place & 7) & 1:
                # Before the source is read: what changes meanwhile is seen next time.
                for index in self._objects(number):
                    self._sources[index] = self._made_from(index)
                yield number

    def note(self, made: dict[Index, BlockResult]) -> None:
        """Take note of objects that were made."""
        for index, seen in made.items():
            source = self._sources.pop(index)
            if source is not None:
                self._fresh[index] = source, seen
        if time.monotonic() >= self._next:
            self.flush()

    def flush(self) -> None:
        """Flush what was made, and then write down that it was."""
        if not self._fresh:
            return
        start = time.monotonic()
        self._store.sync()
        version = self._store.versions(self._task.target_path)
        for index, (made_from, seen) in self._fresh.items():
            key = self._task.target.object_key(index)
            entry = Entry(version=version(key), made_from=made_from, seen=seen)
            self._ledger.write(self._number(index), entry)
        self._fresh.clear()
        now = time.monotonic()
        self._next = now + max(PAUSE, _SHARE * (now - start))

    def finish(self, digest: str = "") -> None:
        """Write down all, as the ledger of the whole level where its digest is given."""
        self.flush()
        self._ledger.finish(self._path, digest)

    def close(self) -> None:
        """Close the ledgers."""
        for ledger in (*self._known, self._finer):
            if ledger is not None:
                ledger.close()

    def _look(self) -> None:
        """Find the tasks whose objects are all kept."""
        for place, number in enumerate(self._numbers):
            kept: dict[Index, Entry] = {}
            n_objects = 0
            for index in self._objects(number):
                n_objects += 1
                entry = self._kept(index)
                if entry is not None:
                    kept[index] = entry
            self.n_objects += n_objects
            if len(kept) < n_objects:
                continue
            self._done[place >> 3] |= 1 << (place & 7)
            self._n_done += 1
            self.n_kept += n_objects
            for index, entry in kept.items():
                self._take(index, entry)

    def _kept(self, index: Index) -> Entry | None:
        """Return what is known of an object that need not be made again."""
        number, source = self._number(index), None
        for ledger in self._known:
            entry = ledger.read(number)
            if entry is None:
                continue
            if entry.version != self._target_versions(self._task.target.object_key(index)):
                continue
            source = source or self._made_from(index)
            if entry.made_from == source:
                if ledger is not self._ledger:
                    self._ledger.write(number, entry)
                return entry
        return None

    def _take(self, index: Index, entry: Entry) -> None:
        """Add what is known of an object that is kept to what the job has seen."""
        task, seen = self._task, entry.seen
        region = geometry.unit_region(index, task.target.write_shape, task.target.shape)
        seen.target.n_voxels = geometry.count(geometry.region_shape(region))
        seen.target.n_chunks = geometry.n_covering(region, task.target.chunks)
        span = geometry.finer_region(region, task.factors, task.source.shape)
        seen.source.n_chunks, seen.source.n_voxels = geometry.begun_units(
            span, task.source.chunks, task.source.shape
        )
        if entry.version is not None:
            seen.objects.add(task.target.object_key(index))
        self.seen.merge(seen)

    def _made_from(self, index: Index) -> bytes | None:
        """Return the digest of the source objects of an object, None where it is not known."""
        task = self._task
        region = geometry.unit_region(index, task.target.write_shape, task.target.shape)
        span = geometry.finer_region(region, task.factors, task.source.shape)
        parts = []
        for place in geometry.covering_units(span, task.source.write_shape):
            if self._level == 1:
                version = self._source_versions(task.source.object_key(place))
                part: bytes | None = struct.pack("<qq", *(version or (-1, -1)))
            else:
                number = geometry.unit_number(place, self._source_grid)
                part = None if self._finer is None else self._finer.voxels(number)
            if part is None:
                return None
            parts.append(part)
        return source_digest(parts)

    def _objects(self, number: int) -> Iterator[Index]:
        task = self._task
        place = next(geometry.iterate_units(task.grid, range(number, number + 1)))
        region = geometry.unit_region(place, task.unit, task.target.shape)
        return geometry.covering_units(region, task.target.write_shape)

    def _span(self) -> range:
        """Return the numbers from the first object of the job's tasks to the last."""
        first = next(self._objects(self._numbers[0]))
        *_, last = self._objects(self._numbers[-1])
        return range(self._number(first), self._number(last) + 1)

    def _number(self, index: Index) -> int:
        return geometry.unit_number(index, self._grid)

    @functools.cached_property
    def _source_versions(self) -> Callable[[str], tuple[int, int] | None]:
        return self._store.versions(self._task.source_path)

    @functools.cached_property
    def _target_versions(self) -> Callable[[str], tuple[int, int] | None]:
        return self._store.versions(self._task.target_path)


@contextlib.contextmanager
def taking_notes(
    job: LevelJob,
    task: LevelTask,
    *,
    numbers: range | None = None,
    part: tuple[int, int] | None = None,
) -> Iterator[Notes | None]:
    """Hold the notes of a job, which are written down however it ends; None without results.

    Parameters
    ----------
    numbers
        Of the tasks of a part; None is all of them.
    part
        Number of the part, and how many there are.
    """
    store, level, results = job.image.store, job.level, job.results
    if results is None or not _can_note(store, task):
        yield None
        return
    whole = ledger_path(results, level)
    path = whole if part is None else part_path(results, level, *part)
    notes = Notes(job, task, (path, whole), ledger_path(results, level - 1), numbers)
    if notes.n_kept:
        logger.info(
            "%s: %d of %d objects are made, the others are kept as they were noted",
            job.target.name,
            notes.n_objects - notes.n_kept,
            notes.n_objects,
        )
    try:
        yield notes
    except BaseException as error:
        # What a signal or an error ends is not lost; the error is what counts if this fails too.
        # A server that was asked again and again is asked no more.
        if not (store.is_remote and isinstance(error, StoreError)):
            with contextlib.suppress(OSError):
                notes.flush()
        raise
    finally:
        notes.close()


def _can_note(store: Store, task: LevelTask) -> bool:
    """Tell whether versions of all objects can be known; in remote stores they are listed."""
    grid = geometry.grid_shape(task.source.shape, task.source.write_shape)
    is_listed = store.is_remote and geometry.count(grid) > MOST_COUNTED
    return store.tells_versions and not is_listed


def join_parts(job: LevelJob, n_parts: int, digest: str) -> None:
    """Make the ledger of a level from those of its parts."""
    level, results = job.level, job.results
    assert results is not None
    wanted, target = ledger_form(job.target, job.source), job.target.plan
    n_objects = geometry.count(geometry.grid_shape(target.shape, target.write_shape))
    path = ledger_path(results, level)
    with contextlib.ExitStack() as stack:
        ledger: Ledger = make_ledger(path.with_suffix(PARTIAL_SUFFIX), wanted, range(n_objects))
        stack.callback(ledger.close)
        for part in range(1, n_parts + 1):
            found = open_ledger(part_path(results, level, part, n_parts), wanted)
            if found is not None:
                stack.callback(found.close)
                ledger.copy(found)
        ledger.finish(path, digest)


def forget_parts(results: Path, level: int) -> None:
    """Remove the ledgers of a level's parts, once that of the level has what they know."""
    for path in ledgers_of(results, level):
        if path.parent.name == "parts":
            path.unlink(missing_ok=True)
