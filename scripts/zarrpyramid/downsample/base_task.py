"""The task of one slab of level 0: it reads files of another format, digests, encodes and writes.

No two tasks write the same stored object. What was read is digested before it is encoded, so that
the digest of level 0 is that of the files' voxels.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from zarrpyramid import geometry
from zarrpyramid.arrays import chunk_region, chunks_of_object, native_dtype, open_chunks
from zarrpyramid.errors import StoreError
from zarrpyramid.plan import spread_threads

from .result import BlockResult, count_chunk

if TYPE_CHECKING:
    from zarrpyramid.arrays import Block, Chunks
    from zarrpyramid.geometry import Index, Region, Shape
    from zarrpyramid.inputs import Input
    from zarrpyramid.metadata import ArrayMetadata
    from zarrpyramid.stores import Store

    from .task import Seen


@dataclass(frozen=True, kw_only=True)
class BaseTask:
    """The task of a level 0 that is made of files, called with a place in the grid of slabs.

    Attributes
    ----------
    image
        What is read.
    unit
        Extents of a slab: whole objects.
    """

    store: Store
    target_path: str
    target: ArrayMetadata
    image: Input
    unit: Shape
    write_empty: bool
    n_threads: int = 1
    counts_values: bool = False

    def __call__(self, place: Index) -> Seen:
        """Make the objects of a slab, and return what was seen for each.

        Raises
        ------
        StoreError
            If files cannot be read, or an object cannot be written.
        """
        region = geometry.unit_region(tuple(place), self.unit, self.target.shape)
        voxels = self.image.read(region)
        expected = geometry.region_shape(region), native_dtype(self.target)
        if (voxels.shape, voxels.dtype) != expected:
            raise StoreError(
                f"{self.image.name} was read as {voxels.dtype} of shape {list(voxels.shape)}, "
                f"expected {expected[1]} of {list(expected[0])}: it has changed, or its reader is "
                "wrong; run again when nobody writes to it"
            )
        make = partial(self._make, region, voxels)
        keys = list(geometry.covering_units(region, self.target.write_shape))
        if self.n_threads == 1:
            return {key: make(key) for key in keys}
        with ThreadPoolExecutor(self.n_threads) as pool:
            return dict(zip(keys, pool.map(make, keys), strict=True))

    def _make(self, region: Region, voxels: Block, key: Index) -> BlockResult:
        """Write one object, and return what was seen of it."""
        seen, payloads = BlockResult(), []
        for index in chunks_of_object(self.target, key):
            here = geometry.relative_region(chunk_region(self.target, index), region)
            block = np.ascontiguousarray(voxels[here])
            count_chunk(index, block, seen.target)
            payload = self.chunks.encode(index, block)
            seen.target.add_payload(index, payload)
            seen.source.n_voxels += block.size  # which progress counts
            payloads.append(payload)
        n_bytes = self.chunks.put(key, payloads)
        if n_bytes is not None:
            seen.objects.add(self.target.object_key(key), n_bytes)
        return seen

    @cached_property
    def chunks(self) -> Chunks:
        """The chunks of level 0, opened where the task runs."""
        return open_chunks(self.store, self.target_path, self.target, write_empty=self.write_empty)

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: all but the open array."""
        return {name: value for name, value in vars(self).items() if name != "chunks"}

    @property
    def grid(self) -> Shape:
        """Slabs along each axis."""
        return geometry.grid_shape(self.target.shape, self.unit)

    def spread(self, n_workers: int, n_tasks: int) -> tuple[int, int]:
        """Return how many slabs are made at once for some workers, and the threads of each."""
        item_size = self.target.item_size
        chunk = geometry.count(self.target.write_shape) * item_size
        slab = geometry.count(tuple(map(min, self.unit, self.target.shape))) * item_size
        return spread_threads(n_workers, n_tasks, self.store.at_once, (2 * chunk, slab))

    def with_threads(self, n_threads: int) -> BaseTask:
        """Return the same task with a number of threads."""
        return replace(self, n_threads=n_threads)

    def loader(self, n_tasks: int) -> None:
        """Return None: nothing is compiled."""
