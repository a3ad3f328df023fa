"""A level's job: the level to be made and what it is made of, each opened once.

What the recipes of a whole level and of its parts ask of it: whether there is anything to do, the
place cleared for the level, the task that makes each piece, and the record of what was made.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from zarrpyramid import geometry
from zarrpyramid.arrays import open_chunks
from zarrpyramid.metadata import (
    Tally,
)
from zarrpyramid.plan import (
    Level,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from threading import Thread

    from zarrpyramid.geometry import Index, Shape
    from zarrpyramid.metadata import ArrayMetadata, Record
    from zarrpyramid.plan import Image, LevelPlan, WeightsLevel
    from zarrpyramid.stores import Store

    from .kept_workers import KeptWorkers
    from .notes import Notes
    from .result import BlockResult
    from .task import Seen

    OpenNotes = Callable[[Path, bytes, Shape], Notes]

logger = logging.getLogger(__name__)


class Task(Protocol):
    """What makes the stored objects of one place in a level, and can be pickled."""

    @property
    def store(self) -> Store:
        """The store that holds the level."""

    @property
    def target(self) -> ArrayMetadata:
        """The metadata of the level."""

    @property
    def target_path(self) -> str:
        """Path of the level's array in the store."""

    @property
    def counts_values(self) -> bool:
        """Whether the values of the source are counted."""

    def __call__(self, place: Index) -> Seen:
        """Make the objects of a place, and return what was seen for each of them."""

    @property
    def unit(self) -> Shape:
        """Extents of one place: whole objects."""

    @property
    def grid(self) -> Shape:
        """Places along each axis."""

    def spread(self, n_workers: int, n_tasks: int) -> tuple[int, int]:
        """Return how many tasks run at once for a number of workers, and the threads of each."""

    def with_threads(self, n_threads: int) -> Task:
        """Return the same task with a number of threads."""

    def loader(self, n_tasks: int) -> Callable[[], Thread] | None:
        """Return what loads compiled kernels into a process, or None where that does not pay."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Job(ABC):
    """What a job of one level works on.

    Attributes
    ----------
    level
        Number of the level to be made.
    results
        Folder of the image's results. Its notes tell which objects of the level need not be made
        again; None makes all.
    n_workers
        Threads, where no dask client of the user's runs the blocks.
    before_rebuild
        Called before the level and all beyond it are withdrawn from the list of levels.
    on_block
        Called after each block with the number of voxels read.
    looks
        Keeps what a remote store has answered so far; closed before voxels are read.
    workers
        Where copies of this process stay for the next level; None ends them with the level.
    """

    image: Image
    level: int = 0
    results: Path | None = None
    n_workers: int = 1
    before_rebuild: Callable[[], None] = lambda: None
    on_block: Callable[[int], None] = lambda n_voxels: None
    looks: ExitStack = field(default_factory=ExitStack)
    workers: KeptWorkers | None = None

    @cached_property
    def target(self) -> Level:
        """The level to be made, as it stood before the job changed anything."""
        return Level(self.image, self.level)

    @property
    @abstractmethod
    def wanted(self) -> ArrayMetadata:
        """The metadata of the level that is made, without its record."""

    @property
    @abstractmethod
    def identity(self) -> bytes:
        """Digest of the level's place, recipe and form, and of the form of what it is made of."""

    @property
    @abstractmethod
    def knows_sources(self) -> bool:
        """Whether it can be known at little cost what each object is made from."""

    @property
    def witnesses(self) -> Sequence[tuple[Store, str]]:
        """Objects elsewhere that every process which makes voxels must find as they are here."""
        return ()

    @abstractmethod
    def made_from(self, task: Any, opened: OpenNotes) -> Callable[[Index], bytes | None]:
        """Return what returns the digest of what an object is made from; None is unknown.

        Parameters
        ----------
        opened
            Opens notes for as long as the job lasts.
        """

    @abstractmethod
    def check(self) -> None:
        """See that the level's place is free for it, and that it can be made.

        Raises
        ------
        StoreError
            If something else stands there, or what it is to be made of is not what is recorded.
        """

    @abstractmethod
    def current_record(self) -> Record | None:
        """Return the record of a level that is current, else None."""

    @abstractmethod
    def purpose(self) -> Record:
        """Return what the level is opened for: what it is to be, and what it is made from."""

    @abstractmethod
    def stamp(self) -> object:
        """Return what is another one when what the level is made of has changed meanwhile."""

    def first_stamp(self) -> object:
        """Return the stamp as the job begins, of what the caller has seen where it has looked."""
        return self.stamp()

    @property
    def lists_base(self) -> bool:
        """Whether the job looks at all objects of a level 0 that is there as it begins."""
        return False

    @abstractmethod
    def clear_place(self, *, keep: bool) -> None:
        """Withdraw the level from the list, and remove what is left of it, or all but objects."""

    def hidden(self) -> Job:
        """Take a level that readers see while it is made out of sight; return its job then."""
        return self

    @abstractmethod
    def task(self, block_bytes: int) -> Task:
        """Return the task that makes any place of the level."""

    def distrusts(self) -> bool:
        """Drop what was carried only to save work; tell whether there may have been some."""
        return False

    @abstractmethod
    def contradiction(self, seen: BlockResult) -> str:
        """Return in what the voxels that were read contradict what is recorded of them, or ""."""

    @abstractmethod
    def record(self, seen: BlockResult) -> Record:
        """Check what was read and written, and return the level's record.

        Raises
        ------
        VoxelError
            If other voxels were read than are recorded.
        """

    @abstractmethod
    def publish(self, record: Record) -> None:
        """Write the level's documents once its objects are written: from here on it exists."""

    @abstractmethod
    def published(self, record: Record) -> ArrayMetadata:
        """Return the metadata of the level with a record, as it stands once all is written."""

    @property
    @abstractmethod
    def published_record(self) -> Record | None:
        """The record that stands in the level's documents now, or None."""

    @abstractmethod
    def changed(self) -> Exception:
        """Return the error of a level whose source is not the one that it was begun from."""


def check_whole(array: ArrayMetadata | LevelPlan, tally: Tally) -> None:
    """See that each chunk of an array was counted once."""
    n_chunks = geometry.count(geometry.grid_shape(array.shape, array.chunks))
    assert tally.n_chunks == n_chunks, (tally.n_chunks, n_chunks)


def digest_header(metadata: ArrayMetadata | LevelPlan) -> Record:
    """Return what a digest covers beside voxels."""
    return {
        "dtype": metadata.dtype,
        "shape": list(metadata.shape),
        "chunks": list(metadata.chunks),
    }


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


def fingerprint(level: Level | WeightsLevel) -> str:
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
