"""What earlier jobs left of a level: notes of its objects, and unfinished temporary files."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
from typing import TYPE_CHECKING

from zarrpyramid.metadata import encode_record, join
from zarrpyramid.plan import LITTER_KEY, grown_from, is_beyond, open_axes, without_extents

from .notes import LAYOUT, Notes, remove_notes
from .opening import wanted_form

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from zarrpyramid.geometry import Shape
    from zarrpyramid.metadata import Record
    from zarrpyramid.plan import Level

    from .job import Job

logger = logging.getLogger(__name__)


def notes_path(results: Path, level: int) -> Path:
    """Return the path of a level's notes in the folder of an image's results."""
    return results / "levels" / f"{level}.sqlite"


def part_path(results: Path, level: int, part: int, n_parts: int) -> Path:
    """Return the path of the notes of one part of a level."""
    return results / "parts" / f"{level}.{part}-of-{n_parts}.sqlite"


def note_files(results: Path, level: int) -> list[Path]:
    """Return the files that hold notes of a level and its parts, also those of earlier releases.

    A killed job may have left a journal beside a file. It is not in the list.
    """
    return [
        path
        for folder, stem in ((results / "levels", f"{level}"), (results / "parts", f"{level}.*"))
        for suffix in (".sqlite", ".ledger", ".ledger-partial")
        for path in sorted(folder.glob(stem + suffix))
    ]


def identity(level: Level, *made_of: Record) -> bytes:
    """Return the digest of a level's place, recipe and form, and of the forms of what it is of.

    Extents along open axes are no part of it: a level that grows along them keeps its notes.
    """
    axes = open_axes(level.image.plan)
    forms = [without_extents(form, axes) for form in (wanted_form(level), *made_of)]
    text = encode_record({"notes": [LAYOUT, level.name, json.loads(json.dumps(forms))]})
    return hashlib.blake2b(text, digest_size=16).digest()


def may_keep(job: Job) -> bool:
    """Tell whether objects in a level's place may be kept; if not, forget all notes of them.

    They may be kept where all notes are of the recipe and form that the level has now, or of a
    level that has grown since: so no object of another recipe stays. Where there are no notes, a
    level that has grown stays too, to be seen until all of its objects are made again.
    """
    target, grows = job.target, grown_from(job.target) is not None
    stays = grows and not job.wanted.shards  # another compressor's release may move chunks in them
    if job.results is None:
        return stays
    is_same = target.node is None or (
        job.published_record is not None
        and (target.metadata.document == job.wanted.document or grows)
    )
    paths, wanted = note_files(job.results, job.level), (job.identity, job.wanted.shape)
    if paths and is_same and not any(_is_foreign(path, *wanted) for path in paths):
        return True
    if grows:
        why = "are of another release or recipe" if paths else "are absent"
        logger.info("%s: its notes %s, so all of its objects are made again", target.name, why)
    forget(job.results, job.level)
    return stays


def forget(results: Path, level: int) -> None:
    """Remove all notes of a level."""
    for path in note_files(results, level):
        remove_notes(path)


def forget_parts(results: Path, level: int) -> None:
    """Remove the notes of a level's parts, once those of the level hold them."""
    for path in note_files(results, level):
        if path.parent.name == "parts":
            remove_notes(path)


def join_parts(job: Job, n_parts: int, digest: str) -> None:
    """Make the notes of a level from those of its parts."""
    assert job.results is not None
    paths = [part_path(job.results, job.level, n + 1, n_parts) for n in range(n_parts)]
    wanted = (job.identity, job.wanted.shape)
    remove_notes(notes_path(job.results, job.level))  # rows of an earlier build prove nothing
    whole, *parts = (Notes(path, *wanted) for path in (notes_path(job.results, job.level), *paths))
    rows, counts = (
        itertools.chain.from_iterable(found)
        for found in ([part.rows() for part in parts], [part.counts_rows() for part in parts])
    )
    whole.write(rows, counts, digest=digest)
    for notes in (whole, *parts):
        notes.close()


def remove_litter(level: Level) -> None:
    """Remove what killed runs left in a level: temporary files, and objects beyond its extents."""
    keys = list(level.store.keys(level.path))
    for key in filter(LITTER_KEY.fullmatch, keys):
        level.store.delete(join(level.path, key))
    remove_beyond(level, keys)


def remove_beyond(level: Level, keys: Iterable[str]) -> None:
    """Remove objects beyond the planned extents of a level of ours.

    A growth that was killed has left them, where level 0 has shrunk again since. Level 0 is not
    ours, and keeps what it has.
    """
    if level.number == 0 or not level.store.deletes:
        return
    wanted = level.planned
    beyond = [key for key in keys if is_beyond(wanted, key)]
    for key in beyond:
        level.store.delete(join(level.path, key))
    if beyond:
        logger.info(
            "%s: %d objects beyond its extents, of a growth that was undone, are removed",
            level.name,
            len(beyond),
        )


def _is_foreign(path: Path, wanted: bytes, shape: Shape) -> bool:
    notes = Notes(path, wanted, shape)
    notes.close()
    # A job that is killed in its first transaction leaves a file of no bytes.
    return notes.is_empty and path.exists() and path.stat().st_size > 0
