"""A level's job: the level to be made and the level before it, each opened once.

What the recipes of a whole level and of its parts have in common: whether there is anything to do,
the place cleared for the level, and the task that makes each piece of it.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.arrays import open_chunks
from zarrpyramid.errors import StoreError, VoxelError
from zarrpyramid.metadata import Tally, delete_array, hide_array, make_groups, tell_ancestors
from zarrpyramid.plan import Level, channel_axis, may_have_windows, watched_by, why_remade

from .leftovers import remove_litter
from .publish import withdraw_levels
from .task import LevelTask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zarrpyramid.geometry import Index
    from zarrpyramid.metadata import Record
    from zarrpyramid.plan import Image

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class LevelJob:
    """What a level's job works on: the level to be made and the level before it, each opened once.

    Attributes
    ----------
    level
        Number of the level to be made.
    finer
        Record of the level before, as its sentinel holds it.
    results
        Folder of the image's results. Its notes tell which objects of the level need not be made
        again; None makes all.
    n_workers
        Threads, where no dask client of the user's runs the blocks.
    before_rebuild
        Called before the level is withdrawn from the list of levels.
    on_block
        Called for every finished task with the number of voxels read.
    """

    image: Image
    level: int
    finer: Record
    results: Path | None = None
    n_workers: int = 1
    before_rebuild: Callable[[], None] = lambda: None
    on_block: Callable[[int], None] = lambda n_voxels: None

    @cached_property
    def target(self) -> Level:
        """The level to be made, as it stood before the job changed anything."""
        return Level(self.image, self.level)

    @cached_property
    def source(self) -> Level:
        """The level before it."""
        return Level(self.image, self.level - 1)

    def made_from(self) -> Record:
        """Return what a current level records of its source; reads a watched level 0, raw."""
        if self.source.number > 0:
            return {"digest": self.finer["digest"]}
        if watched_by(self.image) != "objects":
            return {}  # only its document is compared, and that is done already
        return {"fingerprint": fingerprint(self.source)}


def check_finer(job: LevelJob) -> None:
    """See that the level before is the one that its sentinel speaks of.

    Raises
    ------
    StoreError
        If it is not.
    """
    source, sealed = job.source, job.source.plan
    found = source.metadata
    if found.shape != sealed.shape or found.dtype != sealed.dtype:
        raise StoreError(
            f"{source.name} has shape {found.shape} and dtype {found.dtype}, expected "
            f"{sealed.shape} and {sealed.dtype}; run the workflow again"
        )
    if source.number > 0 and source.record != job.finer:
        raise StoreError(
            f"{source.name} is not the level that its sentinel records; run the workflow again, "
            "which makes it again"
        )


def current_record(job: LevelJob) -> Record | None:
    """Return the record of a level that is current, else None."""
    target = job.target
    if target.record is None or why_remade(target, made_from=job.made_from):
        return None
    logger.info("%s is up to date: same recipe, same source", target.name)
    tell_ancestors(target.store, target.path)  # a run may have been killed before it did
    return target.record


def clear_place(job: LevelJob, *, keep: bool = False) -> None:
    """Withdraw a level from the list, and remove whatever is left of it; `keep` keeps objects."""
    image, store, path = job.image, job.target.store, job.target.path
    job.before_rebuild()
    withdraw_levels(image, job.target.number, [job.target])
    # Also where no array is found: consolidated metadata may still show what was removed.
    if keep:
        hide_array(store, path)
        remove_litter(job.target)
    else:
        delete_array(store, path)
    above = path.rpartition("/")[0]
    if above != image.path:
        make_groups(store, above, image.plan.base.zarr_format, below=image.path)


def level_task(job: LevelJob, block_bytes: int) -> LevelTask:
    """Return the task that makes any place of a level."""
    target, source, wanted = job.target, job.source, job.target.plan
    axes = job.image.plan.axes
    return LevelTask(
        store=target.store,
        source_path=source.path,
        source=source.metadata,
        target_path=target.path,
        target=target.planned,
        factors=wanted.factors,
        write_empty=wanted.write_empty_chunks,
        method=wanted.method,
        block_bytes=block_bytes,
        needs_all=source.number == 0 and job.image.plan.image.missing_chunks == "error",
        counts_values=source.number == 0 and may_have_windows(source.metadata, axes),
        channel_axis=channel_axis(axes),
        no_data=wanted.no_data,
    )


def check_codecs(image: Image) -> None:
    """See that level 0 can be decoded and its levels encoded, as far as their codecs go.

    Raises
    ------
    MetadataError
        If a codec is not known here.
    """
    for number in range(len(image.plan.levels[:2])):
        level = Level(image, number)
        open_chunks(level.store, level.path, level.planned if number else image.plan.base)


def fingerprint(level: Level) -> str:
    """Return the fingerprint of all stored bytes of a level; no byte is decoded."""
    metadata = level.metadata
    chunks = open_chunks(level.store, level.path, metadata)
    tally = Tally()

    def read(index: Index) -> Tally:
        one = Tally()
        one.add_payload(index, chunks.payload(index))
        return one

    places = geometry.iterate_units(geometry.grid_shape(metadata.shape, metadata.chunks))
    with ThreadPoolExecutor(level.store.at_once) as pool:
        for batch in geometry.batches(places, 1024):
            for one in pool.map(read, batch):
                tally.merge(one)
    return tally.fingerprint(metadata.form)


def base_changed(image: Image) -> VoxelError:
    """Return the error of a level 1 whose source is no longer the one that it was begun from."""
    return VoxelError(
        f"{image.name(0)} has changed while level 1 was made of it, which is not published; run "
        "again when nobody writes to it"
    )
