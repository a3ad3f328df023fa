"""The voxels of a level, made again from the finer level and compared bit by bit with the stored.

This is the task that builds a level, with a target that compares where the other one writes.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from zarrpyramid import geometry
from zarrpyramid.arrays import chunk_region, open_chunks, read_chunk
from zarrpyramid.downsample import BlockResult, LevelTask, count_chunk, run_blocks
from zarrpyramid.errors import StoreError
from zarrpyramid.plan import shared_block_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zarrpyramid.arrays import Block, Chunks
    from zarrpyramid.geometry import Index
    from zarrpyramid.metadata import ArrayMetadata
    from zarrpyramid.stores import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A chunk of a level that is not what it must be.

    Attributes
    ----------
    key
        Key of the object, relative to the array; "" where the chunk's source cannot be read.
    what
        In how many voxels it differs, or why it or its source cannot be read.
    expected, found
        The first voxel that differs.
    """

    index: Index
    key: str
    what: str
    expected: str = ""
    found: str = ""


@dataclass(slots=True)
class Comparison:
    """What a comparison found: figures of what was read, and the chunks that differ.

    Attributes
    ----------
    seen
        Digests and statistics of the finer level and of the level, as they are stored.
    is_partial
        Whether some of the finer level could not be read.
    """

    seen: BlockResult = field(default_factory=BlockResult)
    differences: list[Difference] = field(default_factory=list)
    is_partial: bool = False


@dataclass(frozen=True, kw_only=True)
class CompareTask(LevelTask):
    """The task that makes a part of a level again and compares it with what is stored.

    Attributes
    ----------
    tallies
        Whether stored voxels that a filter rounded are hashed too.
    """

    tallies: bool = False

    @cached_property
    def unit(self) -> geometry.Shape:
        """Extents of one task in the level: whole chunks, and no more objects than they lie in."""
        return self.step

    def __call__(self, place: Index) -> Comparison:  # type: ignore[override]
        """Compare the part of the level at a place."""
        stored = self.arrays[1]
        assert isinstance(stored, ComparedChunks)
        region = geometry.unit_region(tuple(place), self.unit, self.target.shape)
        result = Comparison()
        try:
            for step, made in self.run_steps(region):
                for seen in step.values():
                    result.seen.merge(seen)
                for index, difference in made.items():
                    if difference is not None:
                        result.differences.append(difference)
                    elif self.tallies and not stored.keeps_voxels:
                        stored.count(index, result.seen)
        except StoreError as error:
            first = next(geometry.covering_units(region, self.target.chunks))
            result.differences.append(Difference(index=first, key="", what=str(error)))
            result.is_partial = True
        return result

    @cached_property
    def arrays(self) -> tuple[Chunks, Chunks]:
        """Source and target, which compares chunks instead of writing them."""
        return (
            open_chunks(self.store, self.source_path, self.source),
            ComparedChunks(open_chunks(self.store, self.target_path, self.target)),
        )


class ComparedChunks:
    """Stored chunks that a task writes to, and that compare instead; see `arrays.Chunks`."""

    def __init__(self, stored: Chunks) -> None:
        self.metadata = stored.metadata
        # Where a filter rounds, the stored voxels are counted and not those that were made.
        self.keeps_voxels = stored.keeps_voxels
        self._stored = stored

    def payload(self, index: Index) -> Any | None:
        """Return the stored bytes of a chunk."""
        return self._stored.payload(index)

    def decode(self, index: Index, payload: Any) -> Block:
        """Return the stored voxels of a chunk."""
        return self._stored.decode(index, payload)

    def encode(self, index: Index, block: Block) -> Difference | None:
        """Return how a stored chunk differs from the voxels that it must hold."""
        try:
            found = read_chunk(self._stored, index)
        except StoreError as error:
            return Difference(index=index, key=self.metadata.chunk_key(index), what=str(error))
        if not _differs(block, found).any():
            return None
        expected = block
        if not self._stored.keeps_voxels:
            # What a filter rounds is compared as it would be read back.
            expected = _read_back(self.metadata, block)
        wrong = _differs(expected, found)
        if not wrong.any():
            return None
        first = np.unravel_index(int(wrong.argmax()), wrong.shape)
        place = [
            axis.start + int(i)
            for axis, i in zip(chunk_region(self.metadata, index), first, strict=True)
        ]
        return Difference(
            index=index,
            key=self.metadata.chunk_key(index),
            what=f"{int(wrong.sum())} of {wrong.size} voxels of chunk {list(index)} are not what "
            f"they must be, the first at {place}",
            expected=str(expected[first]),
            found=str(found[first]),
        )

    def put(self, index: Index, payloads: Sequence[Any | None]) -> bool:
        """Refuse: nothing is ever written here."""
        raise AssertionError(index, payloads)

    def count(self, index: Index, seen: BlockResult) -> None:
        """Take a stored chunk into the tally of the level."""
        count_chunk(index, read_chunk(self._stored, index), seen.target)


def compare_sample(
    task: CompareTask, places: Sequence[Index], n_workers: int
) -> Iterator[Comparison]:
    """Yield the comparison of each of some places of a task's grid."""
    with ThreadPoolExecutor(n_workers) as pool:
        yield from pool.map(task, places)


def compare_all(task: CompareTask, n_workers: int) -> Iterator[Comparison]:
    """Yield comparisons of the whole level; together they count each chunk of both levels once."""
    task = replace(task, tallies=True, block_bytes=shared_block_bytes(task.target, n_workers))
    n_workers, n_threads = task.spread(n_workers, geometry.count(task.grid))
    task = replace(task, n_threads=n_threads)
    yield from run_blocks(
        task,
        task.grid,
        n_workers=n_workers,
        shared=task.store.shared,
        load=task.loader(geometry.count(task.grid)),
    )


def compare_task(
    store: Store,
    finer: tuple[str, ArrayMetadata],
    level: tuple[str, ArrayMetadata],
    method: str,
    factors: geometry.Shape,
) -> CompareTask:
    """Return the task that compares a level, in blocks as small as its chunks allow.

    Parameters
    ----------
    finer, level
        Path and metadata of the finer level's array and of the level's.
    """
    return CompareTask(
        store=store,
        source_path=finer[0],
        source=finer[1],
        target_path=level[0],
        target=level[1],
        factors=factors,
        write_empty=True,
        method=method,
        block_bytes=0,
    )


def _differs(left: Block, right: Block) -> np.ndarray[Any, np.dtype[np.bool_]]:
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
