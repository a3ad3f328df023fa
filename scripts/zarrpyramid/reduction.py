"""One task of a level: read the source chunks of a few stored objects, reduce, check, write.

A task is what a thread or a worker of a cluster runs; it knows one place in the grid and nothing of
the level's fate. No two tasks touch the same object of the level, and every source chunk is counted
by one task alone: the one in whose region its first voxel lies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from . import geometry
from .chunks import chunk_region, chunks_of_object, native_dtype, open_chunks, scratch
from .digests import Tally, chunk_digest
from .errors import VoxelError
from .kernels import Moments, describe, reduce_mean

if TYPE_CHECKING:
    from .chunks import Block, Chunks
    from .files import Files
    from .geometry import Index, Region, Shape
    from .metadata import ArrayMetadata


@dataclass(slots=True)
class BlockResult:
    """What one task saw: of the source, and of the level that it wrote."""

    source: Tally = field(default_factory=Tally)
    target: Tally = field(default_factory=Tally)


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelTask:
    """The task of one level, to be called with a place in the grid of tasks.

    Small and picklable: a worker opens the arrays anew from what stands here.
    """

    files: Files
    source_path: str
    source: ArrayMetadata
    target_path: str
    target: ArrayMetadata
    factors: Shape
    write_empty: bool
    compiled: bool

    @property
    def unit(self) -> Shape:
        """Extents of one task in the level."""
        return geometry.task_grid_unit(self.target.write_shape, self.source.chunks, self.factors)

    @property
    def grid(self) -> Shape:
        """Tasks along each axis."""
        return geometry.grid_shape(self.target.shape, self.unit)

    def __call__(self, place: Index) -> BlockResult:
        """Make the part of the level at a place.

        Raises
        ------
        StoreError
            If an object cannot be read, decoded or written.
        VoxelError
            If the mean of what was written is not that of what was read.
        """
        finer = open_chunks(self.files, self.source_path, self.source)
        coarser = open_chunks(
            self.files, self.target_path, self.target, write_empty=self.write_empty
        )
        result = BlockResult()
        region = geometry.unit_region(tuple(place), self.unit, self.target.shape)
        block = self._reduce(finer, region, result.source)
        self._write(coarser, region, block, result.target)
        return result

    def _reduce(self, finer: Chunks, region: Region, seen: Tally) -> Block:
        """Return the means that fill a region of the level."""
        dtype = native_dtype(self.source)
        span = geometry.finer_region(region, self.factors, self.source.shape)
        block = scratch("reduced", geometry.region_shape(region), dtype)
        aligned = all(
            factor == 1 or chunk % factor == 0 or chunk >= extent
            for factor, chunk, extent in zip(
                self.factors, self.source.chunks, self.source.shape, strict=True
            )
        )
        # Where chunks hold whole windows each is reduced while it is in cache; else the whole span
        # is put together first.
        assembled = None if aligned else scratch("span", geometry.region_shape(span), dtype)
        for index in geometry.covering_units(span, self.source.chunks):
            here = chunk_region(self.source, index)
            shared = geometry.intersection(here, span)
            payload = finer.payload(index)
            whole = self._fill(here) if payload is None else finer.decode(index, payload)
            piece = whole[geometry.relative_region(shared, here)]
            total = None
            if assembled is not None:
                assembled[geometry.relative_region(shared, span)] = piece
            else:
                means = block[self._coarse(shared, region)]
                total = reduce_mean(piece, self.factors, means, compiled=self.compiled)
            owned = all(low.start <= first.start for low, first in zip(span, here, strict=True))
            moments = describe(piece, total)
            if assembled is None:
                self._check_mean(means, moments, piece.shape, shared)
            if owned:
                if shared != here:
                    moments = describe(whole)
                seen.add(index, chunk_digest(whole, has_nan=moments.n_nan > 0), moments, whole.size)
                seen.add_payload(index, payload)
        if assembled is not None:
            total = reduce_mean(assembled, self.factors, block, compiled=self.compiled)
            self._check_mean(block, describe(assembled, total), assembled.shape, span)
        return block

    def _write(self, coarser: Chunks, region: Region, block: Block, seen: Tally) -> None:
        for place in geometry.covering_units(region, self.target.write_shape):
            payloads = []
            for index in chunks_of_object(self.target, place):
                here = chunk_region(self.target, index)
                voxels = block[geometry.relative_region(here, region)]
                moments = describe(voxels)
                digest = chunk_digest(voxels, has_nan=moments.n_nan > 0)
                seen.add(index, digest, moments, voxels.size)
                payloads.append(coarser.encode(index, voxels))
            coarser.put(place, payloads)

    def _fill(self, region: Region) -> Block:
        shape = geometry.region_shape(region)
        return np.full(shape, self.source.fill_value, native_dtype(self.source))

    def _coarse(self, shared: Region, region: Region) -> Region:
        """Return where the windows of a part of the source stand in a block of the level."""
        return tuple(
            slice(axis.start // factor - base.start, -(-axis.stop // factor) - base.start)
            for axis, factor, base in zip(shared, self.factors, region, strict=True)
        )

    def _check_mean(self, means: Block, read: Moments, shape: Shape, where: Region) -> None:
        """Hold the sum of the means, each times its window's voxels, against the voxels' sum.

        Rounding moves a mean of integers by half at most, and a mean of floats by half a unit in
        the last place, of the largest voxel at most. Skipped where voxels are not finite.
        """
        if read.minimum is None or read.maximum is None or read.n_nan or read.n_inf:
            return
        n_voxels = math.prod(shape)
        largest = max(abs(read.minimum), abs(read.maximum))
        if means.dtype.kind == "f":
            error = float(np.finfo(means.dtype).eps) * largest + float(np.finfo(means.dtype).tiny)
        else:
            error = 0.5
        found = _weighted_sum(means, shape, self.factors)
        slack = n_voxels * (error + 1e-12 * largest)
        if math.isfinite(found) and abs(found - read.total) > slack:
            box = ", ".join(f"{axis.start}:{axis.stop}" for axis in where)
            raise VoxelError(
                f"{self.target_path}: the mean of the voxels made from [{box}] of "
                f"{self.source_path} is {found / n_voxels}, of those read {read.total / n_voxels}; "
                "the level was not published; run again, and report it if it comes back"
            )


def _weighted_sum(means: Block, shape: Shape, factors: Shape) -> int | float:
    """Return the sum of means times the voxels of their windows, of a source of a shape."""
    if all(extent % factor == 0 for extent, factor in zip(shape, factors, strict=True)):
        return describe(means).total * math.prod(factors)
    weighted: Any = means.astype(np.float64)
    for extent, factor in zip(shape, factors, strict=True):
        starts = np.arange(0, extent, factor)
        weighted = np.tensordot(np.minimum(starts + factor, extent) - starts, weighted, (0, 0))
    return float(weighted)
