"""The task of a level whose means are rounded once, of all voxels of level 0 below them.

It does what `LevelTask` does, and beside the voxels it reads and writes what rounding left
(docs/design/0027). Remainders that are not there are made again from level 0: they save work, and
nothing depends on them. So it does not matter which of them a killed run has left.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from functools import cached_property
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np

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
from zarrpyramid.plan import remainders_array, remainders_path
from zarrpyramid.reduce import (
    ONCE,
    Moments,
    add_sums,
    describe,
    exact_sum,
    exact_total,
    extremes,
    magnitude,
    pack,
    reduce_once,
    remainder_dtype,
    remainders_of,
    unpack,
    voxel_counts,
)

from .layout import block_layout
from .missing import missing_chunk, require_object
from .result import BlockResult, count_chunk
from .task import LevelTask
from .value_counts import ValueCounts, starts

if TYPE_CHECKING:
    from zarrpyramid.arrays import Block, Chunks, Encoder
    from zarrpyramid.geometry import Index, Region, Shape
    from zarrpyramid.metadata import ArrayMetadata

    from .task import Seen


@dataclass(frozen=True, kw_only=True)
class OnceTask(LevelTask):
    """The task of a level that is rounded once.

    Attributes
    ----------
    base_path, base
        Level 0.
    downsampling
        How many voxels of level 0 make one of the source, along each axis.
    keeps
        Whether remainders are written, for the next level.
    trusts
        Whether stored remainders are read; else all are made from level 0.
    """

    base_path: str
    base: ArrayMetadata
    downsampling: Shape
    keeps: bool
    trusts: bool = True

    def run_step(
        self, finer: Chunks, coarser: Encoder, region: Region
    ) -> tuple[Seen, dict[Index, Any]]:
        """Make a region of the level, and return what was seen and what to store of each chunk."""
        seen = {
            key: BlockResult() for key in geometry.covering_units(region, self.target.write_shape)
        }
        shape = geometry.region_shape(region)
        block = scratch("reduced", shape, native_dtype(self.target))
        left = scratch("left", shape, self.dtypes[1])
        read = self._reduce_once(finer, region, (block, left), seen)
        payloads, written = self._digest_and_encode(coarser, region, block, seen)
        counts, left_total = self._counts(region, self.whole), exact_sum(left, magnitude(left))
        found = exact_total(block, int(written.total.real), left_total, counts)
        if found != read % (1 << 64):
            span = geometry.finer_region(region, self.factors, self.source.shape)
            box = ", ".join(f"{axis.start}:{axis.stop}" for axis in span)
            raise VoxelError(
                f"{self.target_path}: voxels made from [{box}] of {self.source_path}, rounded "
                f"once, are not what they must be: they stand for a sum of {found}, those read for "
                f"{read}; the level was not published; run again, and report it if it comes back"
            )
        # Like counts, it stands with one of the step's objects, which are made together.
        next(iter(seen.values())).target.weighted = read - left_total
        for index in payloads:
            here = geometry.relative_region(chunk_region(self.target, index), region)
            carried = np.ascontiguousarray(left[here])
            tally = seen[self._object_of(index)].target
            tally.add_payload(index, carried.data.cast("B"))
            if self.keeps:
                if self.packs[1]:
                    carried = pack(carried, compiled=self._compiled)
                payloads[index] = (payloads[index], self.stored[1].encode(index, carried))
        return seen, payloads

    def _reduce_once(
        self, finer: Chunks, region: Region, made: tuple[Block, Block], seen: Seen
    ) -> int:
        """Fill means and remainders of a region; return the sum of level 0's voxels below it."""
        span = geometry.finer_region(region, self.factors, self.source.shape)
        counts = ValueCounts() if self.counts_values else None
        next(iter(seen.values())).counts = counts
        whole = geometry.region_shape(span)
        spans = None if self.aligned else (
            scratch("span", whole, native_dtype(self.source)),
            scratch("span of remainders", whole, np.dtype(np.int64)),
        )  # fmt: skip
        first, pieces = block_layout(span, self.source.chunks, self.factors, self.source.shape)
        total: Any = 0
        is_first, ones, compiled = self.is_first, ((1, 1),) * len(span), self._compiled
        indexes = [tuple(map(add, first, piece.index)) for piece in pieces]
        payloads = self.store.each(finer.payload, indexes)
        for piece, index in zip(pieces, indexes, strict=True):
            carried = None if is_first else self._carried(index, finer)
            payload = next(payloads)  # now: carried ones may be read into its buffer
            if payload is None and self.needs_all:
                require_object(self.store, self.source_path, self.source, index)
            missing = missing_chunk(self.source, piece.shape) if payload is None else None
            voxels = finer.decode(index, payload) if missing is None else missing.voxels
            taken, where = voxels[piece.taken], starts(span, piece.in_span)
            rest = None if carried is None else carried[piece.taken]
            moments = None if missing is None else missing.moments
            flat = False
            if spans is not None:
                spans[0][piece.in_span] = taken
                spans[1][piece.in_span] = 0 if rest is None else rest
            elif missing is not None and is_first:
                for block, value in zip(made, (self.target.fill_value, 0), strict=True):
                    block[piece.in_block] = value
                total += describe(taken).total.real
            else:
                counted = ones
                if not is_first:
                    box = zip(where, taken.shape, strict=True)
                    here = tuple(slice(start, start + n) for start, n in box)
                    counted = self._counts(here, self.downsampling)
                block, left = made[0][piece.in_block], made[1][piece.in_block]
                least, largest = extremes(taken, compiled=compiled)
                bound = max(-least, largest)
                found, own = reduce_once(
                    taken,
                    rest,
                    counted,
                    self.factors,
                    block,
                    left,
                    bound=bound,
                    compiled=compiled,
                )
                total += found
                flat = least == largest
                if piece.is_whole:
                    moments = Moments(minimum=least, maximum=largest, total=own)
            if counts is not None:
                counts.add(
                    taken,
                    self.factors,
                    where,
                    self.channel_axis,
                    flat=flat,
                    compiled=compiled,
                )
            if piece.is_owned:
                tally = seen[self._counted_with(index)].source
                if missing is None:
                    count_chunk(index, voxels, tally, moments, compiled=compiled)
                else:
                    tally.add(index, missing.digest, missing.moments, voxels.size)
                if carried is None:
                    tally.add_payload(index, payload)
                else:
                    narrow = carried.astype(self.dtypes[0], copy=False)
                    tally.add_payload(index, np.ascontiguousarray(narrow).data.cast("B"))
        if spans is not None:
            counted = self._counts(span, self.downsampling)
            rest = None if self.is_first else spans[1]
            total += reduce_once(spans[0], rest, counted, self.factors, *made)[0]
        return int(total)

    def _carried(self, index: Index, finer: Chunks) -> Block:
        """Return the remainders of a source chunk: those that are stored, or made from level 0."""
        chunks, region = self.stored[0], chunk_region(self.source, index)
        with contextlib.suppress(StoreError):  # of damaged bytes
            payload = chunks.payload(index) if self.trusts else None
            if payload is not None:
                found = chunks.decode(index, payload)
                extent = region[-1].stop - region[-1].start
                return unpack(found, extent, compiled=self._compiled) if self.packs[0] else found
        sums = np.zeros(geometry.region_shape(region), np.int64)
        below = geometry.finer_region(region, self.downsampling, self.base.shape)
        for place in geometry.covering_units(below, self.base.chunks):
            here = chunk_region(self.base, place)
            shared = geometry.intersection(here, below)
            voxels = read_chunk(self.stored[2], place)[geometry.relative_region(shared, here)]
            add_sums(voxels, starts(shared), self.downsampling, starts(region), sums)
        counted = self._counts(region, self.downsampling)
        return remainders_of(read_chunk(finer, index), sums, counted)

    def _counts(self, region: Region, downsampling: Shape) -> tuple[tuple[int, int], ...]:
        """Return how many voxels of level 0 those of a region stand for, as `voxel_counts`."""
        return tuple(
            voxel_counts(axis.start, axis.stop, step, extent)
            for axis, step, extent in zip(region, downsampling, self.base.shape, strict=True)
        )

    def write(self, region: Region, payloads: dict[Index, Any], made: Seen) -> None:
        """Write the remainders of a region first, and then its objects, which say that all is."""
        if self.keeps:
            for key in geometry.covering_units(region, self.target.write_shape):
                held = [payloads[index][1] for index in chunks_of_object(self.target, key)]
                self.stored[1].put(key, held)
            payloads = {index: both[0] for index, both in payloads.items()}
        super().write(region, payloads, made)
        coarser = self.arrays[1]
        if coarser.keeps_voxels:
            return
        for index, block in payloads.items():  # the voxels themselves, where zarr-python writes
            if not np.array_equal(coarser.decode(index, b""), block):
                raise StoreError(
                    f"{self.store.name}/{self.target_path}: its codecs change voxels, of which "
                    "rounding once carries remainders; choose another compressor, or give "
                    "rounding: each"
                )

    @property
    def is_first(self) -> bool:
        """Whether the source is level 0, whose voxels stand for themselves."""
        return math.prod(self.downsampling) == 1 and self.source_path == self.base_path

    @cached_property
    def whole(self) -> Shape:
        """How many voxels of level 0 make one of the level, along each axis."""
        return geometry.multiply(self.downsampling, self.factors)

    @property
    def kernels(self) -> str:
        """What `load_compiled` loads for the task."""
        return ONCE

    @cached_property
    def dtypes(self) -> tuple[np.dtype[Any], np.dtype[Any]]:
        """Data types of the remainders of the source and of those of the level."""
        source, target = (
            np.dtype(remainder_dtype(geometry.count(tuple(map(min, below, self.base.shape)))))
            for below in (self.downsampling, self.whole)
        )
        return source, target

    @cached_property
    def packs(self) -> tuple[bool, bool]:
        """Whether those are stored two in a byte."""
        source, target = (native_dtype(array) for array in self.beside)
        return source != self.dtypes[0], target != self.dtypes[1]

    @cached_property
    def beside(self) -> tuple[ArrayMetadata, ArrayMetadata]:
        """The arrays of the remainders of the source and of those of the level."""
        return (
            remainders_array(self.source, self.downsampling, self.base.shape),
            remainders_array(self.target, self.whole, self.base.shape),
        )

    @cached_property
    def stored(self) -> tuple[Chunks, Chunks, Chunks]:
        """Remainders of the source and of the level, and level 0, opened where the task runs."""
        paths = (remainders_path(path) for path in (self.source_path, self.target_path))
        source, target = (
            open_chunks(self.store, path, array, buffers="remainders ")
            for path, array in zip(paths, self.beside, strict=True)
        )
        return source, target, open_chunks(self.store, self.base_path, self.base)

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: all but the open arrays."""
        return {name: value for name, value in super().__getstate__().items() if name != "stored"}
