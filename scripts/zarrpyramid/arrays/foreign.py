"""Chunks of all codecs that are not known here, read and written through zarr-python."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zarrpyramid import geometry
from zarrpyramid.errors import StoreError

from .bounds import check_decoded_size, most_bytes
from .chunks import chunk_region, chunks_of_object, native_dtype
from .shards import MISSING, shard_codec
from .zarr_python import open_array, read_region

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
"""What zarr-python and its codecs raise where options or bytes are not what they can use."""


class ForeignChunks:
    """Chunks of any codec that zarr-python knows.

    What is encoded stays voxels, and zarr-python encodes them when an object is written.
    """

    keeps_voxels = False

    def __init__(self, store: Store, path: str, metadata: ArrayMetadata, write_empty: bool) -> None:
        self.metadata = metadata
        self._store = store
        self._path = path
        # With v2's null nobody knows what a missing chunk holds: then all are stored.
        write_empty = write_empty or metadata.document.get("fill_value") is None
        self._array = open_array(store, path, metadata, write_empty_chunks=write_empty)

    def payload(self, index: Index) -> bytes | None:
        key = f"{self._path}/{self.metadata.chunk_key(index)}"
        where = f"{self._store.name}/{key}"
        size = self._store.size(key)
        n_chunks = geometry.count(self.metadata.chunks_per_object)
        if size is not None and size > n_chunks * (most_bytes(self.metadata) + 16) + 4:
            raise StoreError(
                f"{where} is damaged: its {size} bytes are far more than its voxels; restore it "
                "from a copy"
            )
        data = self._store.get(key)
        if data is None:
            return None
        inner = self.metadata.object_of(index)[1]
        try:
            check_decoded_size(self.metadata, self._encoded(data, inner))
        except StoreError as error:
            raise StoreError(f"{where} is damaged: {error}; restore it from a copy") from error
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

    def encode(self, index: Index, block: Block) -> Block:
        return block.copy()

    def put(self, index: Index, payloads: Sequence[Block | None]) -> bool:
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
        # What counts as empty is zarr-python's to decide.
        return self._store.size(f"{self._path}/{key}") is not None
