"""One task of a level: read the source chunks of a few stored objects, reduce, check, write.

A task is what a thread or a worker of a cluster runs; it knows one place in the grid and nothing of
the level's fate. No two tasks touch the same object of the level, and every source chunk is counted
by one task alone: the one in whose region its first voxel lies.
"""

from __future__ import annotations

import platform
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache, partial
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np

from zarrpyramid import geometry
from zarrpyramid.arrays import chunk_region, chunks_of_object, native_dtype, open_chunks, scratch
from zarrpyramid.errors import StoreError, VoxelError, missing_message
from zarrpyramid.metadata import KeyTally, Tally
from zarrpyramid.plan import (
    BLOCK_BYTES,
    compiled_pays,
    is_aligned,
    spread_threads,
    task_bytes,
    task_extents,
)
from zarrpyramid.reduce import (
    SourceSums,
    chunk_digest,
    compiled_is_ready,
    describe,
    disagreement,
    load_compiled,
    reduce_and_describe,
    reduce_windows,
)

from .layout import block_layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from threading import Thread

    from zarrpyramid.arrays import Block, Chunks
    from zarrpyramid.geometry import Index, Region, Shape
    from zarrpyramid.metadata import ArrayMetadata, Record
    from zarrpyramid.reduce import Moments
    from zarrpyramid.stores import Store


@dataclass(slots=True)
class BlockResult:
    """What one task saw: of the source, and of the level and its objects that it wrote."""

    source: Tally = field(default_factory=Tally)
    target: Tally = field(default_factory=Tally)
    objects: KeyTally = field(default_factory=KeyTally)

    def merge(self, other: BlockResult) -> None:
        """Take in what another task saw."""
        self.source.merge(other.source)
        self.target.merge(other.target)
        self.objects.merge(other.objects)

    @property
    def record(self) -> Record:
        """What a part's sentinel holds of it; floats are spelled to the last bit."""
        return {
            name: {key: item.hex() if isinstance(item, float) else item for key, item in of.items()}
            for name, of in asdict(self).items()
        }

    @classmethod
    def from_record(cls, record: Record) -> BlockResult:
        """Return what a part's sentinel holds."""
        found: dict[str, dict[str, Any]] = {
            name: {
                key: float.fromhex(item) if isinstance(item, str) else item
                for key, item in of.items()
            }
            for name, of in record.items()
        }
        source, target, objects = (found[name] for name in ("source", "target", "objects"))
        return cls(source=Tally(**source), target=Tally(**target), objects=KeyTally(**objects))


@dataclass(frozen=True, kw_only=True)
class LevelTask:
    """The task of one level, to be called with a place in the grid of tasks.

    Small and picklable: a worker opens the arrays anew from what stands here.
    """

    store: Store
    source_path: str
    source: ArrayMetadata
    target_path: str
    target: ArrayMetadata
    factors: Shape
    write_empty: bool
    method: str = "mean"
    n_threads: int = 1
    block_bytes: int = BLOCK_BYTES
    needs_all: bool = False

    @cached_property
    def _extents(self) -> tuple[Shape, Shape]:
        return task_extents(self.source, self.target, self.factors, self.block_bytes)

    @property
    def step(self) -> Shape:
        """Extents, in the level, of what is reduced and encoded at once."""
        return self._extents[0]

    @property
    def unit(self) -> Shape:
        """Extents of one task in the level: whole objects."""
        return self._extents[1]

    @cached_property
    def aligned(self) -> bool:
        """Whether source chunks hold whole windows."""
        return is_aligned(self.source, self.factors)

    @property
    def grid(self) -> Shape:
        """Tasks along each axis."""
        return geometry.grid_shape(self.target.shape, self.unit)

    def spread(self, n_workers: int, n_tasks: int) -> tuple[int, int]:
        """Return how many of some tasks run at once for so many workers, and their threads."""
        bytes_each = task_bytes(self.source, self.target, self.factors, self.block_bytes)
        return spread_threads(n_workers, n_tasks, self.store.at_once, bytes_each)

    def loader(self, n_tasks: int) -> Callable[[], Thread] | None:
        """Return what loads compiled kernels into a process, None where it does not pay.

        Parameters
        ----------
        n_tasks
            Of the run, which may be a part of the level.
        """
        n_voxels = geometry.count(self.source.shape) * n_tasks // geometry.count(self.grid)
        if self._compiled or not compiled_pays(self.method, n_voxels, n_tasks):
            return None
        return partial(load_compiled, self.method, native_dtype(self.source))

    def __call__(self, place: Index) -> dict[Index, BlockResult]:
        """Make the part of the level at a place, and return what was seen for each of its objects.

        A source chunk is counted with the object in whose span its first voxel lies.

        Raises
        ------
        StoreError
            If an object cannot be read, decoded or written.
        VoxelError
            If what was written cannot be what the method makes of what was read.
        """
        finer, coarser = self._arrays
        region = geometry.unit_region(tuple(place), self.unit, self.target.shape)
        made: dict[Index, BlockResult] = {}
        payloads: dict[Index, Any] = {}
        for step, encoded in self._run_steps(finer, coarser, region):
            for key, seen in step.items():
                made.setdefault(key, BlockResult()).merge(seen)
            payloads.update(encoded)
        for key in geometry.covering_units(region, self.target.write_shape):
            held = [payloads[index] for index in chunks_of_object(self.target, key)]
            if coarser.put(key, held):
                made[key].objects.add(self.target.object_key(key))
        if not coarser.keeps_voxels:
            for index in payloads:
                voxels = coarser.decode(index, b"")
                target = made[self._object_of(index)].target
                count_chunk(index, voxels, target, compiled=self._compiled)
        return made

    def _object_of(self, index: Index) -> Index:
        """Return the object in which a chunk of the level lies."""
        return self.target.object_of(index)[0]

    def _counted_with(self, index: Index) -> Index:
        """Return the object of the level in whose span a source chunk's first voxel lies."""
        cells = geometry.multiply(self.factors, self.target.write_shape)
        first = geometry.multiply(index, self.source.chunks)
        return tuple(i // n for i, n in zip(first, cells, strict=True))

    @cached_property
    def _arrays(self) -> tuple[Chunks, Chunks]:
        """Source and target, opened where the task runs."""
        # A missing chunk is fill value: a worker that does not see the store would read only these.
        document = self.source.format.array_document
        if self.store.size(f"{self.source_path}/{document}") is None:
            raise StoreError(
                f"there is no array {self.store.name}/{self.source_path} on host "
                f"{platform.node()}; all workers must see the same file system"
            )
        return (
            open_chunks(self.store, self.source_path, self.source),
            open_chunks(self.store, self.target_path, self.target, write_empty=self.write_empty),
        )

    @property
    def _compiled(self) -> bool:
        """Whether this process has compiled kernels for the task by now."""
        return compiled_is_ready(self.method, native_dtype(self.source))

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: all but the arrays as they are open here."""
        return {name: value for name, value in vars(self).items() if name != "_arrays"}

    def _run_steps(
        self, finer: Chunks, coarser: Chunks, region: Region
    ) -> Iterator[tuple[dict[Index, BlockResult], dict[Index, Any]]]:
        """Reduce and encode a region step by step, with threads of its own if there are any.

        They are for levels of few and large shards, which are fewer than the workers.
        """
        steps = geometry.split_region(region, self.step)
        run = partial(self._run_step, finer, coarser)
        if self.n_threads == 1:
            yield from map(run, steps)
            return
        with ThreadPoolExecutor(self.n_threads) as pool:
            yield from pool.map(run, steps)

    def _run_step(
        self, finer: Chunks, coarser: Chunks, region: Region
    ) -> tuple[dict[Index, BlockResult], dict[Index, Any]]:
        sums, written, payloads = SourceSums(), SourceSums(), {}
        seen = {
            key: BlockResult() for key in geometry.covering_units(region, self.target.write_shape)
        }
        span = geometry.finer_region(region, self.factors, self.source.shape)
        block = self._reduce(finer, region, span, seen, sums)
        for index in geometry.covering_units(region, self.target.chunks):
            here = chunk_region(self.target, index)
            voxels = block[geometry.relative_region(here, region)]
            # What a filter makes of the voxels is known when they are read back.
            tally = seen[self._object_of(index)].target if coarser.keeps_voxels else Tally()
            written.add(count_chunk(index, voxels, tally, compiled=self._compiled))
            payloads[index] = coarser.encode(index, voxels)
        self._check(block, sums, written, span)
        return seen, payloads

    def _reduce(
        self,
        finer: Chunks,
        region: Region,
        span: Region,
        seen: dict[Index, BlockResult],
        sums: SourceSums,
    ) -> Block:
        """Return the voxels that fill a region of the level, from a span of the source."""
        dtype, target = native_dtype(self.source), native_dtype(self.target)
        block = scratch("reduced", geometry.region_shape(region), target)
        # Where chunks hold whole windows each is reduced while it is in cache; else the whole span
        # is put together first.
        assembled = None if self.aligned else scratch("span", geometry.region_shape(span), dtype)
        compiled = self._compiled
        reduce = partial(reduce_and_describe, self.method, factors=self.factors, compiled=compiled)
        first, pieces = block_layout(span, self.source.chunks, self.factors, self.source.shape)
        for piece in pieces:
            index = tuple(map(add, first, piece.index))
            payload = finer.payload(index)
            if payload is None and self.needs_all:
                self._check_stored(index)
            filled = self._filled(piece.shape) if payload is None else None
            whole = finer.decode(index, payload) if filled is None else filled.block
            taken = whole if piece.is_whole else whole[piece.taken]
            moments = filled.moments if filled is not None else None
            if assembled is not None:
                assembled[piece.in_span] = taken
            elif filled is not None and piece.is_whole:
                block[piece.in_block] = filled.reduced(self.method, self.factors, target)
                sums.add(filled.moments)
            else:
                read = reduce(taken, out=block[piece.in_block])
                sums.add(read)
                moments = read if piece.is_whole else moments
            if piece.is_owned:
                moments = moments or describe(whole, compiled=compiled)
                tally = seen[self._counted_with(index)].source
                if filled is None:
                    digest = chunk_digest(whole, has_nan=moments.n_nan > 0)
                    tally.add_payload(index, payload)
                else:
                    digest = filled.digest
                tally.add(index, digest, moments, whole.size)
        if assembled is not None:
            sums.add(reduce(assembled, out=block))
        return block

    def _check_stored(self, index: Index) -> None:
        """Stop where the object is missing in which a source chunk lies."""
        key = f"{self.source_path}/{self.source.chunk_key(index)}"
        if self.store.size(key) is None:
            raise StoreError(missing_message(f"{self.store.name}/{key}"))

    def _filled(self, shape: Shape) -> _Filled:
        fill = np.array(self.source.fill_value, native_dtype(self.source))
        return _filled(fill.dtype, fill.tobytes(), shape)

    def _check(self, block: Block, read: SourceSums, written: SourceSums, span: Region) -> None:
        """Stop where what was made contradicts what was read."""
        shape = geometry.region_shape(span)
        wrong = disagreement(self.method, read, written, block, shape, self.factors)
        if wrong:
            box = ", ".join(f"{axis.start}:{axis.stop}" for axis in span)
            raise VoxelError(
                f"{self.target_path}: voxels made from [{box}] of {self.source_path} by "
                f"{self.method} are not what they must be: {wrong}; "
                "the level was not published; run again, and report it if it comes back"
            )


def count_chunk(index: Index, voxels: Block, seen: Tally, *, compiled: bool = False) -> Moments:
    """Take a chunk of the level into a tally, and return what it holds."""
    moments = describe(voxels, compiled=compiled)
    seen.add(index, chunk_digest(voxels, has_nan=moments.n_nan > 0), moments, voxels.size)
    return moments


class _Filled:
    """A missing chunk: made, hashed and reduced once, however many are missing."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.moments = describe(block)
        self.digest = chunk_digest(block, has_nan=self.moments.n_nan > 0)
        self._reduced: dict[object, Block] = {}

    def reduced(self, method: str, factors: Shape, dtype: np.dtype[Any]) -> Block:
        """Return what a method makes of its windows."""
        key = (method, factors, dtype)
        if key not in self._reduced:
            out = np.empty(geometry.coarse_shape(self.block.shape, factors), dtype)
            reduce_windows(method, self.block, factors, out)
            self._reduced[key] = out
        return self._reduced[key]


@lru_cache(maxsize=8)
def _filled(dtype: np.dtype[Any], fill: bytes, shape: Shape) -> _Filled:
    return _Filled(np.full(shape, np.frombuffer(fill, dtype)[0], dtype))
