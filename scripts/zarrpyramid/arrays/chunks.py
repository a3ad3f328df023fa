"""The chunks of one array by their index: what both engines, `direct` and `foreign`, offer."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from zarrpyramid import geometry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.geometry import Index, Region, Shape
    from zarrpyramid.metadata import ArrayMetadata

    Block = np.ndarray[Any, np.dtype[Any]]
    Payload = Any

_scratch = threading.local()


def scratch(name: str, shape: Shape, dtype: np.dtype[Any]) -> Block:
    """Return this thread's buffer of a name, with the content of its last use."""
    # One buffer for each name: memory stays flat over arrays of many shapes.
    buffer: Block | None = getattr(_scratch, name, None)
    if buffer is None or buffer.shape != shape or buffer.dtype != dtype:
        buffer = np.empty(shape, dtype)
        setattr(_scratch, name, buffer)
    return buffer


class Encoder(Protocol):
    """What takes the voxels of the chunks of a level, as `Chunks` do."""

    keeps_voxels: bool
    """Whether what is read back is what was written; filters may round."""

    def encode(self, index: Index, block: Block) -> Any:
        """Take the voxels of a chunk, and return what stands for the chunk from here on."""


class Chunks(Protocol):
    """The chunks of one array. In an array with shards the index counts inner chunks.

    Payloads and decoded blocks are only to be read, and valid until the thread's next `payload`.
    """

    metadata: ArrayMetadata
    keeps_voxels: bool
    """Whether what is read back is what was written; filters may round."""

    def payload(self, index: Index) -> Payload | None:
        """Return the stored bytes of a chunk, or None where it is missing and means fill value."""

    def decode(self, index: Index, payload: Payload) -> Block:
        """Return a chunk's voxels inside the array; StoreError names an object that is damaged."""

    def encode(self, index: Index, block: Block) -> Payload | None:
        """Return what to store for a chunk's voxels inside the array, or None."""

    def put(self, index: Index, payloads: Sequence[Payload | None]) -> int | None:
        """Write one object from what `encode` returned for its chunks inside the array, in C order.

        Return how many bytes it has; None where there is none now, as all chunks are None.
        """

    def beside(self, buffers: str) -> Chunks:
        """Return the same chunks with other buffers, so that a thread can hold those of both."""


def native_dtype(metadata: ArrayMetadata) -> np.dtype[Any]:
    """Return the data type of voxels in memory."""
    return np.dtype(metadata.dtype)


def chunk_region(metadata: ArrayMetadata, index: Index) -> Region:
    """Return the region of the array that a chunk holds."""
    return geometry.unit_region(index, metadata.chunks, metadata.shape)


def chunks_of_object(metadata: ArrayMetadata, index: Index) -> list[Index]:
    """Return the chunks in a stored object that are inside the array, in C order."""
    region = geometry.unit_region(index, metadata.write_shape, metadata.shape)
    return list(geometry.covering_units(region, metadata.chunks))


def read_chunk(chunks: Chunks, index: Index) -> Block:
    """Return a chunk's voxels as `Chunks.decode` does, or the fill value where it is missing."""
    payload = chunks.payload(index)
    if payload is not None:
        return chunks.decode(index, payload)
    shape = geometry.region_shape(chunk_region(chunks.metadata, index))
    return np.full(shape, chunks.metadata.fill_value, native_dtype(chunks.metadata))


def read_region(chunks: Chunks, region: Region) -> Block:
    """Return a copy of the voxels of a region of the array; a missing chunk is fill value.

    Raises
    ------
    StoreError
        If a chunk cannot be read.
    """
    metadata = chunks.metadata
    voxels = np.empty(geometry.region_shape(region), native_dtype(metadata))
    for index in geometry.covering_units(region, metadata.chunks):
        here = chunk_region(metadata, index)
        shared = geometry.intersection(here, region)
        block = read_chunk(chunks, index)
        voxels[geometry.relative_region(shared, region)] = block[
            geometry.relative_region(shared, here)
        ]
    return voxels


def is_fill(block: Block, fill_value: bool | int | float | complex) -> bool:
    """Tell whether every voxel has the bits of the fill value; -0.0 and 0.0 differ."""
    fill = np.array([fill_value], block.dtype)
    first = block[(0,) * block.ndim]
    if first.tobytes() != fill.tobytes():  # nearly always decided here
        return False
    bits = np.dtype(f"u{min(block.dtype.itemsize, 8)}")
    words = np.ascontiguousarray(block).reshape(-1, 1).view(bits)
    return bool((words == fill.view(bits)).all())
