"""The voxels of a level, made again from the finer level and compared bit by bit with the stored.

This is the task that builds a level, with a target that compares where the other one writes.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from zarrpyramid import geometry
from zarrpyramid.arrays import chunk_region, chunks_of_object, open_chunks, read_chunk
from zarrpyramid.downsample import (
    BlockResult,
    LevelTask,
    OnceTask,
    WeightedTask,
    count_chunk,
    digest_header,
    run_blocks,
)
from zarrpyramid.errors import AccessError, StoreError, VoxelError
from zarrpyramid.plan import shared_block_bytes
from zarrpyramid.reduce import ALL_DATA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from zarrpyramid.arrays import Block, Chunks
    from zarrpyramid.geometry import Index
    from zarrpyramid.metadata import ArrayMetadata, Record, Tally
    from zarrpyramid.plan import WeightsLevel
    from zarrpyramid.reduce import NoData
    from zarrpyramid.stores import Store

Result = TypeVar("Result")

_BATCH = 1024
"""Places that are handed out to threads at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A chunk of a level that is not what it must be.

    Attributes
    ----------
    index
        The chunk; None where its source cannot be read.
    what
        In how many voxels it differs, or why it or its source cannot be read.
    expected, found
        The first voxel that differs.
    """

    index: Index | None
    what: str
    expected: object = ""
    found: object = ""


@dataclass(slots=True)
class Comparison:
    """Digests and statistics of two levels as they are stored, and the chunks that differ."""

    seen: BlockResult = field(default_factory=BlockResult)
    differences: list[Difference] = field(default_factory=list)

    @property
    def is_partial(self) -> bool:
        """Whether some of the finer level could not be read."""
        return any(difference.index is None for difference in self.differences)

    def merge(self, other: Comparison) -> None:
        """Take in another comparison."""
        self.seen.merge(other.seen)
        self.differences += other.differences


@dataclass(frozen=True, kw_only=True)
class StoredTask(LevelTask):
    """A task that reads the voxels of two levels and writes nothing."""

    write_empty: bool = True
    block_bytes: int = 0

    @classmethod
    def of(
        cls,
        store: Store,
        arrays: Iterable[tuple[str, ArrayMetadata]],
        factors: geometry.Shape,
        method: str = "mean",
        no_data: NoData = ALL_DATA,
        **more: Any,
    ) -> Self:
        """Return the task of a finer array and a level's, each a path and its metadata."""
        (source_path, source), (target_path, target) = arrays
        return cls(
            store=store,
            source_path=source_path,
            source=source,
            target_path=target_path,
            target=target,
            factors=factors,
            method=method,
            no_data=no_data,
            **more,
        )

    @property
    def unit(self) -> geometry.Shape:
        """Extents of one task in the level: whole chunks, and no more objects than they lie in."""
        return self.step

    @cached_property
    def arrays(self) -> tuple[Chunks, Chunks]:
        """Both levels, which are known to be there."""
        return (
            open_chunks(self.store, self.source_path, self.source),
            open_chunks(self.store, self.target_path, self.target),
        )


class CompareTask(StoredTask):
    """The task that makes a part of a level again and compares it with what is stored."""

    def __call__(self, place: Index) -> Comparison:  # type: ignore[override]
        """Compare the part of the level at a place."""
        stored = self.arrays[1]
        region = geometry.unit_region(tuple(place), self.unit, self.target.shape)
        result = Comparison()
        try:
            for step, made in self.run_steps(region, _Comparer(stored)):
                for seen in step.values():
                    result.seen.merge(seen)
                for index, difference in made.items():
                    if difference is not None:
                        result.differences.append(difference)
                    elif not stored.keeps_voxels:
                        count_chunk(index, read_chunk(stored, index), result.seen.target)
        except AccessError:
            raise
        except StoreError as error:
            result.differences.append(Difference(index=None, what=str(error)))
        return result


@dataclass(frozen=True, kw_only=True)
class CompareOnceTask(CompareTask, OnceTask):
    """The same of a level that is rounded once: what was carried is made again from level 0."""

    keeps: bool = False
    trusts: bool = False

    @property
    def voxels_below(self) -> int:
        """Voxels of level 0 of which one place is made."""
        whole = geometry.multiply(self.unit, self.whole)
        return geometry.count(tuple(map(min, whole, self.base.shape)))


@dataclass(frozen=True, kw_only=True)
class CompareWeightedTask(CompareTask, WeightedTask):
    """The same of a level of weighted means."""

    def __call__(self, place: Index) -> Comparison:  # type: ignore[override]
        """Compare the part of the level at a place; weights that cannot weigh are a difference."""
        try:
            return super().__call__(place)
        except VoxelError as error:
            return Comparison(differences=[Difference(index=None, what=str(error))])

    @classmethod
    def by(cls, weights: WeightsLevel, *form: Any) -> Self:
        """Return the task by a level of weights; `form` is as for `of`."""
        store, path, array = weights.store, weights.path, weights.metadata
        return cls.of(*form, weights_store=store, weights_path=path, weights=array)


class _Comparer:
    """What compares the voxels that a task makes with stored chunks; see `arrays.Encoder`."""

    def __init__(self, stored: Chunks) -> None:
        # Where a filter rounds, the stored voxels are counted and not those that were made.
        self.keeps_voxels = stored.keeps_voxels
        self._stored = stored

    def encode(self, index: Index, block: Block) -> Difference | None:
        """Return how a stored chunk differs from the voxels that it must hold."""
        try:
            found = read_chunk(self._stored, index)
        except AccessError:
            raise
        except StoreError as error:
            return Difference(index=index, what=str(error))
        wrong = differs(block, found)
        metadata = self._stored.metadata
        if wrong.any() and not self.keeps_voxels:
            # What a filter rounds is compared as it would be read back.
            block = _read_back(metadata, block)
            wrong = differs(block, found)
        if not wrong.any():
            return None
        first = np.unravel_index(int(wrong.argmax()), wrong.shape)
        axes = zip(chunk_region(metadata, index), first, strict=True)
        place = [axis.start + int(i) for axis, i in axes]
        return Difference(
            index=index,
            what=f"{int(wrong.sum())} of {wrong.size} voxels of chunk {list(index)} are not what "
            f"they must be, the first at {place}",
            expected=block[first],
            found=found[first],
        )


def on_places(
    task: Callable[[Index], Result], places: Iterable[Index], n_workers: int
) -> Iterator[Result]:
    """Yield the results of a task at some places, in their order, by threads."""
    with ThreadPoolExecutor(n_workers) as pool:
        for batch in geometry.batches(iter(places), _BATCH):
            yield from pool.map(task, batch)


def counted(chunks: Chunks, place: Index) -> BlockResult:
    """Return the figures of the voxels of a stored object, as its document has them.

    Raises
    ------
    StoreError
        If a chunk of it cannot be read.
    """
    seen = BlockResult()
    for index in chunks_of_object(chunks.metadata, place):
        count_chunk(index, read_chunk(chunks, index), seen.target)
    return seen


def proof(seen: Tally, metadata: ArrayMetadata) -> Record:
    """Return digest and statistics of the voxels of an array, as records hold them."""
    digest = seen.digest(digest_header(metadata))
    return {"digest": digest, **seen.statistics(dtype=metadata.dtype)}


def compare_all(
    task: CompareTask, n_workers: int, on_share: Callable[[float], None] = lambda share: None
) -> Iterator[Comparison]:
    """Yield comparisons of the whole level; together they count each chunk of both levels once.

    Parameters
    ----------
    on_share
        Called with the share of the level's blocks that was looked at since the last call.
    """
    task = replace(task, block_bytes=shared_block_bytes(task.target, n_workers))
    n_tasks = geometry.count(task.grid)
    n_workers, n_threads = task.spread(n_workers, n_tasks)
    return run_blocks(
        replace(task, n_threads=n_threads),
        task.grid,
        n_workers=n_workers,
        shared=task.store.shared,
        load=task.loader(n_tasks),
        note=lambda _: on_share(1 / n_tasks),
    )


def differs(left: Block, right: Block) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Tell where two blocks of a shape and dtype differ in any bit."""
    n_bytes = left.dtype.itemsize
    word = np.dtype(f"u{min(n_bytes, 8)}")
    views = [
        np.ascontiguousarray(block).reshape(-1).view(word).reshape(*block.shape, -1)
        for block in (left, right)
    ]
    wrong: np.ndarray[Any, np.dtype[np.bool_]] = (views[0] != views[1]).any(axis=-1)
    return wrong


def _read_back(metadata: ArrayMetadata, block: Block) -> Block:
    """Return a block as it would be read after it was written as a chunk of an array."""
    from zarrpyramid.stores import memory_store

    alone = metadata.derive(shape=block.shape, chunks=metadata.chunks, shards=None, attributes={})
    chunks = open_chunks(memory_store(), "chunk", alone)
    origin = (0,) * block.ndim
    chunks.put(origin, [chunks.encode(origin, block)])
    payload = chunks.payload(origin)
    return block if payload is None else chunks.decode(origin, payload)
