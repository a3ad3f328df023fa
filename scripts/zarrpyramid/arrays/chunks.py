"""The chunks of one array, by their place in its grid: what every engine that reads them offers.

Voxels stand in buffers that a thread keeps. `direct` decodes chunks of usual codecs itself,
`foreign` has zarr-python decode all others, and `engine` chooses.
"""

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
    """Return this thread's buffer of a name, whose content is whatever it was used for last."""
    # One buffer a name: memory stays flat over arrays of many shapes.
    buffer: Block | None = getattr(_scratch, name, None)
    if buffer is None or buffer.shape != shape or buffer.dtype != dtype:
        buffer = np.empty(shape, dtype)
        setattr(_scratch, name, buffer)
    return buffer


class Chunks(Protocol):
    """The chunks of one array.

    A chunk's index counts what is decoded at once: inner chunks where there are shards.
    """

    metadata: ArrayMetadata
    keeps_voxels: bool
    """Whether what is read back is what was written; filters may round."""

    def payload(self, index: Index) -> Payload | None:
        """Return the stored bytes of a chunk; None where it is missing, which means fill value.

        They are valid until the thread asks for its next payload.
        """

    def decode(self, index: Index, payload: Payload) -> Block:
        """Return a chunk's voxels inside the array, only to be read.

        They are valid until the thread asks for its next payload.

        Raises
        ------
        StoreError
            If the bytes are damaged; the message names the object.
        """

    def encode(self, index: Index, block: Block) -> Payload | None:
        """Return what to store for a chunk's voxels inside the array, or None for nothing."""

    def put(self, index: Index, payloads: Sequence[Payload | None]) -> bool:
        """Write one stored object, from what all of the array's chunks in it encode to, in C order.

        Returns whether there is an object now: where nothing is in it, there is none.
        """


def native_dtype(metadata: ArrayMetadata) -> np.dtype[Any]:
    """Return the data type of voxels in memory."""
    return np.dtype(metadata.dtype)


def chunk_region(metadata: ArrayMetadata, index: Index) -> Region:
    """Return the part of the array that a chunk holds."""
    return geometry.unit_region(index, metadata.chunks, metadata.shape)


def chunks_of_object(metadata: ArrayMetadata, index: Index) -> list[Index]:
    """Return the chunks in a stored object, in C order, without those beyond the array's edge."""
    region = geometry.unit_region(index, metadata.write_shape, metadata.shape)
    return list(geometry.covering_units(region, metadata.chunks))


def read_chunk(chunks: Chunks, index: Index) -> Block:
    """Return a chunk's voxels inside the array, only to be read; fill value where it is missing.

    They are valid until the thread asks for its next payload.

    Raises
    ------
    StoreError
        If it cannot be read or decoded.
    """
    payload = chunks.payload(index)
    if payload is not None:
        return chunks.decode(index, payload)
    shape = geometry.region_shape(chunk_region(chunks.metadata, index))
    return np.full(shape, chunks.metadata.fill_value, native_dtype(chunks.metadata))


def is_fill(block: Block, fill_value: bool | int | float | complex) -> bool:
    """Tell whether every voxel has the bits of the fill value, as -0.0 has not of 0.0."""
    fill = np.array([fill_value], block.dtype)
    first = block[(0,) * block.ndim]
    if first.tobytes() != fill.tobytes():  # nearly always decided here
        return False
    bits = np.dtype(f"u{min(block.dtype.itemsize, 8)}")
    words = np.ascontiguousarray(block).reshape(-1, 1).view(bits)
    return bool((words == fill.view(bits)).all())
