"""The task of a level whose means are weighed by the voxels of another image.

It does what `LevelTask` does, and reads the same box of two arrays (docs/design/0029).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from operator import add, mul
from typing import TYPE_CHECKING, Any

import numpy as np

from zarrpyramid import geometry
from zarrpyramid.arrays import chunk_region, native_dtype, open_chunks, scratch
from zarrpyramid.errors import VoxelError
from zarrpyramid.plan import is_aligned
from zarrpyramid.reduce import LARGEST_WEIGHT, SourceSums, describe, reduce_weighted

from .layout import block_layout
from .missing import missing_chunk, require_object
from .result import count_chunk
from .task import LevelTask
from .value_counts import starts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zarrpyramid.arrays import Block, Chunks
    from zarrpyramid.geometry import Index, Region, Shape
    from zarrpyramid.metadata import ArrayMetadata
    from zarrpyramid.reduce import Moments
    from zarrpyramid.stores import Store

    from .layout import Piece
    from .task import Seen
    from .value_counts import ValueCounts

_LEAST = 1e-280
"""Sums of weights below which products may be so small that a double loses their last bits."""


@dataclass(slots=True)
class WeightedSums(SourceSums):
    """What was read of a box: its voxels, and the least and the largest of its weights.

    Attributes
    ----------
    least
        The least sum of the weights of a window that is more than 0.
    heaviest
        The largest weight; NaN does not count.
    """

    least: float = math.inf
    heaviest: float = 0.0


@dataclass(frozen=True, kw_only=True)
class WeightedTask(LevelTask):
    """The task of a level of weighted means.

    Attributes
    ----------
    weights_store, weights_path, weights
        The array of weights, of the shape of the source.
    """

    weights_store: Store
    weights_path: str
    weights: ArrayMetadata

    def _read_and_reduce(
        self, finer: Chunks, region: Region, span: Region, seen: Seen, counts: ValueCounts | None
    ) -> tuple[Block, SourceSums]:
        block = scratch("reduced", geometry.region_shape(region), native_dtype(self.target))
        read = WeightedSums()

        def reduce(voxels: Block, weights: Block, out: Block, start: Index) -> None:
            no_data = self.no_data.at(start, voxels.shape)
            found = reduce_weighted(voxels, weights, self.factors, out, no_data=no_data)
            read.least = min(read.least, found)

        sources = self._read_voxels(finer, span, seen, read, counts)
        weights = self._read_weights(span, seen, read)
        if self.aligned:
            for (piece, voxels), (_, beside) in zip(sources, weights, strict=True):
                reduce(voxels, beside, block[piece.in_block], starts(span, piece.in_span))
            return block, read
        shape = geometry.region_shape(span)
        whole = scratch("span", shape, native_dtype(self.source))
        heavy = scratch("span of weights", shape, native_dtype(self.weights))
        for made, pieces in ((whole, sources), (heavy, weights)):
            for piece, part in pieces:
                made[piece.in_span] = part
        reduce(whole, heavy, block, starts(span))
        return block, read

    def _read_voxels(
        self, finer: Chunks, span: Region, seen: Seen, read: SourceSums, counts: ValueCounts | None
    ) -> Iterator[tuple[Piece, Block]]:
        """Yield what a span takes of each chunk of the source."""
        for piece, index, voxels, payload in self._chunks(
            self.store, self.source_path, finer, span
        ):
            moments = describe(voxels, compiled=self._compiled)
            read.add(moments)
            taken = voxels[piece.taken]
            if counts is not None:
                where, flat = starts(span, piece.in_span), moments.is_constant
                counts.add(taken, self.factors, where, self.channel_axis, flat=flat,
                           no_data=self.no_data)  # fmt: skip
            if piece.is_owned:
                tally = seen[self._counted_with(index)].source
                count_chunk(index, voxels, tally, moments)
                tally.add_payload(index, payload)
            yield piece, taken

    def _read_weights(
        self, span: Region, seen: Seen, read: WeightedSums
    ) -> Iterator[tuple[Piece, Block]]:
        """Yield what a span takes of each chunk of the weights."""
        read_chunks = self._chunks(self.weights_store, self.weights_path, self._heavy, span)
        for piece, index, voxels, payload in read_chunks:
            moments = describe(voxels)
            self._check_weights(index, voxels, moments)
            read.heaviest = max(read.heaviest, moments.maximum or 0)
            if piece.is_owned:
                place = self._made_of(map(mul, index, self.weights.chunks))
                tally = seen[place].weights
                count_chunk(index, voxels, tally, moments)
                tally.add_payload(index, payload)
            yield piece, voxels[piece.taken]

    def _chunks(
        self, store: Store, path: str, chunks: Chunks, span: Region
    ) -> Iterator[tuple[Piece, Index, Block, Any]]:
        """Yield how a chunk goes into a span, its place, its voxels and its stored bytes."""
        array = chunks.metadata
        first, pieces = block_layout(span, array.chunks, self.factors, array.shape)
        for piece in pieces:
            index = tuple(map(add, first, piece.index))
            payload = chunks.payload(index)
            if payload is None and self.needs_all:
                require_object(store, path, array, index)
            if payload is None:
                yield piece, index, missing_chunk(array, piece.shape).voxels, None
            else:
                yield piece, index, chunks.decode(index, payload), payload

    def _check_weights(self, index: Index, voxels: Block, moments: Moments) -> None:
        """Raise VoxelError if a chunk has weights that no mean can be taken with."""
        is_float = self.source.dtype.startswith(("float", "complex"))
        where, expected = voxels < 0, "none below 0"
        if moments.minimum is None or moments.minimum >= 0:
            if is_float or not (moments.n_nan or (moments.maximum or 0) > LARGEST_WEIGHT):
                return
            where = ~(voxels <= LARGEST_WEIGHT)
            expected = f"numbers up to {LARGEST_WEIGHT:.3g} for voxels of {self.source.dtype}"
        first = np.unravel_index(int(where.argmax()), voxels.shape)
        here = chunk_region(self.weights, index)
        place = [axis.start + int(i) for axis, i in zip(here, first, strict=True)]
        raise VoxelError(
            f"{self.weights_store.name}/{self.weights_path} has weight {voxels[first]} at {place}, "
            f"expected {expected}; correct the weights, and run again: {self.target_path} was not "
            "published"
        )

    def _disagreement(
        self, block: Block, read: SourceSums, written: SourceSums, shape: Shape
    ) -> str:
        """Return what contradicts that means lie among the voxels read, or nothing.

        Of weights so small or so large that products lose bits, nothing does.
        """
        assert isinstance(read, WeightedSums)
        window = math.prod(self.factors)
        values = [value for value in self.no_data.values if value is not None and value == value]
        lowest, highest = min([read.minimum, *values]), max([read.maximum, *values])
        largest = max(abs(lowest), abs(highest))
        if read.least < _LEAST or not math.isfinite(max(read.heaviest, 1) * largest * window):
            return ""
        lost = 4 * (window + 1) * float(np.finfo(np.float64).eps)
        if block.dtype.kind in "fc":
            lost += float(np.finfo(block.dtype).eps)
        slack = lost * largest
        if written.minimum < lowest - slack or written.maximum > highest + slack:
            return (
                f"they lie in [{written.minimum}, {written.maximum}], "
                f"those read in [{read.minimum}, {read.maximum}]"
            )
        return ""

    @cached_property
    def _heavy(self) -> Chunks:
        """The array of weights, opened where the task runs."""
        return open_chunks(self.weights_store, self.weights_path, self.weights, buffers="weights ")

    @cached_property
    def aligned(self) -> bool:
        """Whether each chunk of the source holds whole windows, and the weights have its chunks."""
        return is_aligned(self.source, self.factors) and self.weights.chunks == self.source.chunks

    def loader(self, n_tasks: int) -> None:
        """Return None: there is no compiled form."""

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: all but the open arrays."""
        return {name: value for name, value in super().__getstate__().items() if name != "_heavy"}
