"""The engine for all other codecs: zarr-python reads and writes the chunks.

An array is opened from its documents alone, so that chunks can be written before the level exists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from zarr.storage import MemoryStore, StorePath

from zarrpyramid import geometry
from zarrpyramid.errors import MetadataError, StoreError
from zarrpyramid.metadata import put_document
from zarrpyramid.stores import from_zarr, to_zarr

from .bounds import check_decoded_size, most_bytes
from .chunks import chunk_region, chunks_of_object, native_dtype
from .shards import MISSING, shard_codec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.geometry import Index
    from zarrpyramid.metadata import ArrayMetadata
    from zarrpyramid.stores import Store

    from .chunks import Block

_REFUSALS = (
    *(ValueError, TypeError, RuntimeError, OSError),
    *(ArithmeticError, LookupError, AttributeError),
)
"""Errors of zarr-python and its codecs about options or bytes that they cannot use."""


class ForeignChunks:
    """The chunks of an array of any codecs that zarr-python knows.

    A chunk's payload is all of its object where it is the first chunk in it, and empty for others;
    `encode` gives voxels, which zarr-python encodes when `put` writes an object.
    """

    keeps_voxels = False

    def __init__(self, store: Store, path: str, metadata: ArrayMetadata, write_empty: bool) -> None:
        self.metadata = metadata
        self._store = store
        self._path = path
        # As in `direct`: with v2's null as fill value all chunks are stored.
        write_empty = write_empty or metadata.document.get("fill_value") is None
        self._array = open_array(store, path, metadata, write_empty_chunks=write_empty)

    def payload(self, index: Index) -> bytes | None:
        key = f"{self._path}/{self.metadata.chunk_key(index)}"
        where = f"{self._store.name}/{key}"
        size = self._store.size(key)
        n_chunks = geometry.count(self.metadata.chunks_per_object)
        if size is not None and size > n_chunks * (most_bytes(self.metadata) + 16) + 4:
            raise StoreError(
                f"{where} is damaged: its {size} bytes are far more than its voxels; "
                f"{self._store.restoring}"
            )
        data = self._store.get(key)
        if data is None:
            return None
        inner = self.metadata.object_of(index)[1]
        try:
            check_decoded_size(self.metadata, self._encoded(data, inner))
        except StoreError as error:
            raise StoreError(f"{where} is damaged: {error}; {self._store.restoring}") from error
        return b"" if any(inner) else data

    def _encoded(self, data: bytes, inner: Index) -> bytes:
        """Return the bytes of one chunk of an object."""
        if self.metadata.shards is None:
            return data
        shards = shard_codec(self.metadata)
        if shards is None:
            raise StoreError("its shards have an index that is not known here")
        size = shards.index_size
        entries = shards.decode_index(
            data[-size:] if shards.index_at_end else data[:size], len(data)
        )
        offset, length = entries[geometry.unit_number(inner, shards.grid)].tolist()
        return b"" if offset == MISSING else data[offset : offset + length]

    def decode(self, index: Index, payload: bytes) -> Block:
        where = f"{self._store.name}/{self._path}, chunk {list(index)}"
        try:
            return read_region(self._array, chunk_region(self.metadata, index))
        except _REFUSALS as error:
            raise StoreError(f"{where} cannot be read: {error}") from error

    def beside(self, buffers: str) -> ForeignChunks:
        return self  # which has none

    def encode(self, index: Index, block: Block) -> Block:
        return block.copy()

    def put(self, index: Index, payloads: Sequence[Block | None]) -> int | None:
        key = self.metadata.object_key(index)
        region = geometry.unit_region(index, self.metadata.write_shape, self.metadata.shape)
        block = np.empty(geometry.region_shape(region), native_dtype(self.metadata))
        for chunk, payload in zip(chunks_of_object(self.metadata, index), payloads, strict=True):
            inside = geometry.relative_region(chunk_region(self.metadata, chunk), region)
            block[inside] = payload
        try:
            self._array[region] = block
        except _REFUSALS as error:
            raise StoreError(
                f"cannot write {self._store.name}/{self._path}/{key}: {error}"
            ) from error
        # zarr-python decides which objects are empty, and stores none for them.
        return self._store.size(f"{self._path}/{key}")


def open_array(
    store: Store, path: str, metadata: ArrayMetadata, *, write_empty_chunks: bool
) -> zarr.Array[Any]:
    """Return an array whose documents need not be in the store yet."""
    memory = MemoryStore()
    documents = from_zarr(memory)
    for name, document in metadata.documents().items():
        put_document(documents, name, document)
    try:
        described = zarr.open_array(memory, mode="r").metadata
    except MemoryError:
        raise
    except Exception as error:  # of any kind: it depends on what is wrong with the document
        reason = " ".join(str(error).split())[:200]
        raise MetadataError(
            f"{store.name}/{path}: zarr-python does not open it: {reason}"
        ) from error
    place = StorePath(to_zarr(store), path)
    array: zarr.Array[Any] = zarr.Array(zarr.AsyncArray(metadata=described, store_path=place))
    # zarr-python 3.1.6 ignores the config given to open_array and follows with_config.
    return array.with_config({"write_empty_chunks": write_empty_chunks})


def read_region(array: zarr.Array[Any], region: tuple[slice, ...]) -> np.ndarray[Any, Any]:
    """Return the voxels of a region in native byte order."""
    block: np.ndarray[Any, Any] = array[region]  # type: ignore[assignment]
    return block.astype(block.dtype.newbyteorder("="), copy=False)
