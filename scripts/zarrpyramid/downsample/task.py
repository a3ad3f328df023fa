"""The task of one place in a level: it reads, reduces, checks, digests and writes.

A thread or a worker of a cluster runs a task, which knows its own place and nothing else of the
level. Each stored object of the level is written by one task. Each chunk of the source is counted
by one task: the task whose region of the source holds the chunk's first voxel.
"""

from __future__ import annotations

import platform
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from operator import add, floordiv, mul
from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry
from zarrpyramid.arrays import (
    chunk_region,
    chunks_of_object,
    native_dtype,
    open_chunks,
    read_chunk,
    scratch,
)
from zarrpyramid.errors import StoreError, VoxelError
from zarrpyramid.metadata import Tally
from zarrpyramid.plan import (
    BLOCK_BYTES,
    compiled_pays,
    is_aligned,
    spread_threads,
    task_bytes,
    task_extents,
)
from zarrpyramid.reduce import (
    ALL_DATA,
    METHODS,
    SourceSums,
    compiled_is_ready,
    disagreement,
    load_compiled,
    reduce_and_describe,
)

from .layout import block_layout
from .missing import missing_chunk, require_object
from .result import BlockResult, count_chunk
from .value_counts import ValueCounts, starts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from threading import Thread

    from zarrpyramid.arrays import Block, Chunks, Encoder
    from zarrpyramid.geometry import Index, Region, Shape
    from zarrpyramid.metadata import ArrayMetadata
    from zarrpyramid.reduce import NoData
    from zarrpyramid.stores import Store

    Seen = dict[Index, BlockResult]
    """What was seen, by object of the level."""


class EditedError(Exception):
    """Voxels that readers see of a growing level are not what they would be now."""


@dataclass(frozen=True, kw_only=True)
class LevelTask:
    """The task of one level, called with a place in the grid of tasks.

    It is small and can be pickled: a worker opens the arrays from what stands here. Where
    `counts_values` is true it counts the source's values too, of each channel by itself. `shown` is
    the level as readers see it while it grows; no voxel of that changes. `is_ahead` says that the
    level before is whole, and not yet published.
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
    counts_values: bool = False
    channel_axis: int | None = None
    no_data: NoData = ALL_DATA
    shown: ArrayMetadata | None = None
    is_ahead: bool = field(default=False, compare=False)

    def __call__(self, place: Index) -> Seen:
        """Make the part of the level at a place, and return what was seen for each of its objects.

        A source chunk is counted with the object that is made from the chunk's first voxel.

        Raises
        ------
        StoreError
            If an object cannot be read, decoded or written.
        VoxelError
            If the voxels that were made contradict the voxels that were read.
        EditedError
            If readers see other voxels of the level than were made.
        """
        region = geometry.unit_region(tuple(place), self.unit, self.target.shape)
        made: Seen = {}
        payloads: dict[Index, Any] = {}
        for seen, encoded in self.run_steps(region, self.arrays[1]):
            for key, result in seen.items():
                if key in made:
                    made[key].merge(result)
                else:
                    made[key] = result
            payloads.update(encoded)
        self.write(region, payloads, made)
        return made

    def run_steps(
        self, region: Region, coarser: Encoder
    ) -> Iterator[tuple[Seen, dict[Index, Any]]]:
        """Reduce and encode a region of the level step by step.

        Yields what each step saw, and what `coarser` returned for each chunk. A level
        of a few large shards has fewer tasks than workers: its tasks run steps in threads.
        """
        steps = list(geometry.split_region(region, self.step))
        run = partial(self.run_step, self.arrays[0], coarser)
        if self.n_threads == 1 or len(steps) == 1:
            yield from map(run, steps)
            return
        with ThreadPoolExecutor(self.n_threads) as pool:
            yield from pool.map(run, steps)

    def run_step(
        self, finer: Chunks, coarser: Encoder, region: Region
    ) -> tuple[Seen, dict[Index, Any]]:
        """Make a region of the level, and return what was seen and what to store of each chunk."""
        seen = {
            key: BlockResult() for key in geometry.covering_units(region, self.target.write_shape)
        }
        span = geometry.finer_region(region, self.factors, self.source.shape)
        counts = ValueCounts() if self.counts_values else None
        next(iter(seen.values())).counts = counts
        block, read = self._read_and_reduce(finer, region, span, seen, counts)
        payloads, written = self._digest_and_encode(coarser, region, block, seen)
        self._check(block, read, written, span)
        return seen, payloads

    def _read_and_reduce(
        self, finer: Chunks, region: Region, span: Region, seen: Seen, counts: ValueCounts | None
    ) -> tuple[Block, SourceSums]:
        """Return the voxels of a region of the level, and the sums of the span it is made from."""
        dtype, target = native_dtype(self.source), native_dtype(self.target)
        block = scratch("reduced", geometry.region_shape(region), target)
        # A chunk of whole windows is reduced while it is in the cache. Where windows lie across
        # chunks, the whole span is put together first.
        whole_span = None if self.aligned else scratch("span", geometry.region_shape(span), dtype)
        compiled = self._compiled
        reduce = partial(
            reduce_and_describe,
            self.method,
            factors=self.factors,
            compiled=compiled,
        )
        read = SourceSums()
        first, pieces = block_layout(span, self.source.chunks, self.factors, self.source.shape)
        indexes = [tuple(map(add, first, piece.index)) for piece in pieces]
        corner = starts(span)
        payloads = self.store.each(finer.payload, indexes)
        for piece, index, payload in zip(pieces, indexes, payloads, strict=True):
            if payload is None and self.needs_all:
                require_object(self.store, self.source_path, self.source, index)
            missing = missing_chunk(self.source, piece.shape) if payload is None else None
            voxels = finer.decode(index, payload) if missing is None else missing.voxels
            moments = found = None if missing is None else missing.moments
            where = tuple(map(add, corner, piece.start))
            taken = voxels[piece.taken]
            no_data = self.no_data.at(where, taken.shape)
            if whole_span is not None:
                whole_span[piece.in_span] = taken
            elif missing is not None and piece.is_whole:
                block[piece.in_block] = missing.reduced(self.method, self.factors, target, no_data)
                read.add(missing.moments)
            else:
                found = reduce(taken, out=block[piece.in_block], no_data=no_data)
                read.add(found)
                moments = found if piece.is_whole else moments
            if counts is not None:
                counts.add(
                    taken,
                    self.factors,
                    where,
                    self.channel_axis,
                    flat=found is not None and found.is_constant,
                    no_data=self.no_data,
                    compiled=compiled,
                )
            if piece.is_owned:
                tally = seen[self._counted_with(index)].source
                if missing is None:
                    count_chunk(index, voxels, tally, moments, compiled=compiled)
                    tally.add_payload(index, payload)
                else:
                    tally.add(index, missing.digest, missing.moments, voxels.size)
        if whole_span is not None:
            no_data = self.no_data.at(starts(span), whole_span.shape)
            read.add(reduce(whole_span, out=block, no_data=no_data))
        return block, read

    def _digest_and_encode(
        self, coarser: Encoder, region: Region, block: Block, seen: Seen
    ) -> tuple[dict[Index, Any], SourceSums]:
        """Return what to store for each chunk of a region of the level, and the region's sums."""
        payloads, written, compiled = {}, SourceSums(), self._compiled
        for index in geometry.covering_units(region, self.target.chunks):
            here = chunk_region(self.target, index)
            voxels = block[geometry.relative_region(here, region)]
            # Where a filter may round voxels, `write` counts them as they are read back.
            tally = seen[self._object_of(index)].target if coarser.keeps_voxels else Tally()
            written.add(count_chunk(index, voxels, tally, compiled=compiled))
            payloads[index] = coarser.encode(index, voxels)
            if self.shown is not None:
                self._see_same(index, voxels, payloads[index], self.shown.shape)
        return payloads, written

    def _see_same(self, index: Index, voxels: Block, encoded: Any, shown: Shape) -> None:
        """Raise EditedError if readers see other voxels in the place of a chunk."""
        here = chunk_region(self.target, index)
        if any(axis.start >= extent for axis, extent in zip(here, shown, strict=True)):
            return
        with suppress(StoreError):  # of an object that is damaged
            # Equal bytes hold equal voxels, by the same codecs: nearly all need no decoding.
            if isinstance(encoded, bytes) and self._seen_by_readers.payload(index) == encoded:
                return
            seen = read_chunk(self._seen_by_readers, index)
            inside = tuple(slice(0, extent) for extent in seen.shape)
            if seen.tobytes() == voxels[inside].tobytes():
                return
        raise EditedError

    def _check(self, block: Block, read: SourceSums, written: SourceSums, span: Region) -> None:
        """Raise VoxelError if the voxels that were made contradict the voxels that were read."""
        wrong = self._disagreement(block, read, written, geometry.region_shape(span))
        if wrong:
            box = ", ".join(f"{axis.start}:{axis.stop}" for axis in span)
            raise VoxelError(
                f"{self.target_path}: voxels made from [{box}] of {self.source_path} by "
                f"{self.method} are not what they must be: {wrong}; "
                "the level was not published; run again, and report it if it comes back"
            )

    def _disagreement(
        self, block: Block, read: SourceSums, written: SourceSums, shape: Shape
    ) -> str:
        skips = self.no_data.is_left_out(METHODS[self.method])
        return disagreement(self.method, read, written, block, shape, self.factors, skips=skips)

    def write(self, region: Region, payloads: dict[Index, Any], made: Seen) -> None:
        """Write the objects of a region of the level, and count those that are there now."""
        coarser = self.arrays[1]
        for key in geometry.covering_units(region, self.target.write_shape):
            held = [payloads[index] for index in chunks_of_object(self.target, key)]
            n_bytes = coarser.put(key, held)
            if n_bytes is not None:
                made[key].objects.add(self.target.object_key(key), n_bytes)
        if not coarser.keeps_voxels:
            for index in payloads:
                tally = made[self._object_of(index)].target
                count_chunk(index, coarser.decode(index, b""), tally, compiled=self._compiled)

    @cached_property
    def arrays(self) -> tuple[Chunks, Chunks]:
        """Source and target, opened where the task runs; a subclass may open another target."""
        # A missing chunk is fill value: a worker that does not see the store would read only these.
        document = self.source.format.array_document
        is_there = self.is_ahead or self.store.size(f"{self.source_path}/{document}") is not None
        if not is_there:
            raise StoreError(
                f"there is no array {self.store.name}/{self.source_path} on host "
                f"{platform.node()}; all workers must see the same file system"
            )
        return (
            open_chunks(self.store, self.source_path, self.source),
            open_chunks(self.store, self.target_path, self.target, write_empty=self.write_empty),
        )

    @cached_property
    def _seen_by_readers(self) -> Chunks:
        assert self.shown is not None
        return open_chunks(self.store, self.target_path, self.shown, buffers="shown ")

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: all but the open arrays."""
        opened = ("arrays", "_seen_by_readers")
        return {name: value for name, value in vars(self).items() if name not in opened}

    def _object_of(self, index: Index) -> Index:
        """Return the object that holds a chunk of the level."""
        return self.target.object_of(index)[0]

    def _counted_with(self, index: Index) -> Index:
        """Return the object of the level that a source chunk's first voxel goes into."""
        return self._made_of(map(mul, index, self.source.chunks))

    def _made_of(self, first: Iterable[int]) -> Index:
        """Return the object of the level that a voxel of the source goes into."""
        return tuple(map(floordiv, first, self._object_span))

    @cached_property
    def _object_span(self) -> Shape:
        """Extents in the source of what one object of the level is made from."""
        return geometry.multiply(self.factors, self.target.write_shape)

    @property
    def kernels(self) -> str:
        """What `load_compiled` loads for the task."""
        return self.method

    @property
    def _compiled(self) -> bool:
        """Whether this process has loaded compiled kernels for the task by now."""
        return compiled_is_ready(self.kernels, native_dtype(self.source))

    @cached_property
    def aligned(self) -> bool:
        """Whether every source chunk holds whole windows."""
        return is_aligned(self.source, self.factors)

    @cached_property
    def _extents(self) -> tuple[Shape, Shape]:
        return task_extents(self.source, self.target, self.factors, self.block_bytes)

    @property
    def step(self) -> Shape:
        """Extents in the level of what is reduced and encoded at once."""
        return self._extents[0]

    @property
    def unit(self) -> Shape:
        """Extents in the level of one task: whole objects."""
        return self._extents[1]

    @property
    def grid(self) -> Shape:
        """Tasks along each axis."""
        return geometry.grid_shape(self.target.shape, self.unit)

    def spread(self, n_workers: int, n_tasks: int) -> tuple[int, int]:
        """Return how many tasks run at once for a number of workers, and the threads of each."""
        store, form = self.store, (self.source, self.target, self.factors, self.block_bytes)
        bytes_each = task_bytes(*form, ahead=store.ahead)
        return spread_threads(n_workers, n_tasks, store.at_once, bytes_each, ahead=store.ahead)

    def with_threads(self, n_threads: int) -> LevelTask:
        """Return the same task with a number of threads, and with the arrays that it has open."""
        same = replace(self, n_threads=n_threads)
        if "arrays" in vars(self):
            vars(same)["arrays"] = self.arrays
        return same

    def loader(self, n_tasks: int) -> Callable[[], Thread] | None:
        """Return what loads compiled kernels into a process, or None where that does not pay.

        Parameters
        ----------
        n_tasks
            Tasks of the run, which may be a part of the level.
        """
        n_voxels = geometry.count(self.source.shape) * n_tasks // geometry.count(self.grid)
        if self._compiled or not compiled_pays(self.method, n_voxels, n_tasks):
            return None
        return partial(load_compiled, self.kernels, native_dtype(self.source))
