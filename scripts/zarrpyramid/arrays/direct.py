"""The engine for usual codecs, without zarr-python, which takes 2.2 to 3.3 times the CPU.

A thread keeps two buffers: one for an object's bytes, one for the voxels decoded from them.
"""

from __future__ import annotations

import copy
import threading
from concurrent.futures import Future
from operator import floordiv, lt
from typing import TYPE_CHECKING

import numpy as np

from zarrpyramid import geometry
from zarrpyramid.errors import StoreError

from .chunks import chunk_region, chunks_of_object, is_fill, native_dtype, scratch
from .shards import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from zarrpyramid.geometry import Index, Region
    from zarrpyramid.metadata import ArrayMetadata
    from zarrpyramid.stores import Store, StoredObject

    from .chunks import Block
    from .codecs import ChunkCodec
    from .shards import ShardCodec

    Shard = tuple[StoredObject, NDArray[np.uint64]]

_BYTES = np.dtype(np.uint8)

_SHARDS = 64
"""How many shards are kept open: more than threads, as a thread works at one shard."""


class DirectChunks:
    """The chunks of an array whose codecs are known."""

    keeps_voxels = True

    def __init__(
        self,
        store: Store,
        path: str,
        metadata: ArrayMetadata,
        codec: ChunkCodec,
        shards: ShardCodec | None,
        write_empty: bool,
        buffers: str,
    ) -> None:
        self.metadata = metadata
        # With v2's null as fill value a missing chunk means nothing: then all are stored.
        self._write_empty = write_empty or metadata.document.get("fill_value") is None
        self._store = store
        self._path = path
        self._name_buffers(buffers)
        self._codec = codec
        self._shards = shards
        self._dtype = native_dtype(metadata)
        self._grid = metadata.chunks_per_object
        self._n_whole = tuple(map(floordiv, metadata.shape, metadata.chunks))
        self._open_shards = _OpenShards()
        # No codec makes a chunk much larger than its voxels are.
        raw = geometry.count(metadata.chunks) * metadata.item_size
        self._room = (raw + raw // 8 + 4096,)

    def _name_buffers(self, buffers: str) -> None:
        self._payload, self._decoded, self._encoded = (
            f"{buffers}{name}" for name in ("payload", "decoded", "encoded")
        )

    def beside(self, buffers: str) -> DirectChunks:
        other = copy.copy(self)
        other._name_buffers(buffers)
        return other

    def payload(self, index: Index) -> bytes | memoryview | None:
        buffer = scratch(self._payload, self._room, _BYTES).data
        if self._shards is None:
            return self._store.get_into(self._key(index), buffer)
        place, inner = geometry.split_index(index, self._grid)
        shard = self._open_shards.get(place, self._open_shard)
        if shard is None:
            return None
        stored, entries = shard
        offset, length = entries[geometry.unit_number(inner, self._grid)].tolist()
        if offset == MISSING and length == MISSING:
            return None
        if length > 4 * self._room[0]:
            raise self._damaged(index, StoreError(f"{length} bytes are far more than its voxels"))
        wanted = buffer[:length] if length <= len(buffer) else memoryview(bytearray(length))
        return stored.read_into(wanted, offset)

    def decode(self, index: Index, payload: bytes | memoryview) -> Block:
        try:
            chunk = self._codec.view(payload)
            if chunk is None:
                chunk = scratch(self._decoded, self.metadata.chunks, self._dtype)
                self._codec.decode(payload, chunk)
        except StoreError as error:
            raise self._damaged(index, error) from error
        is_whole = all(map(lt, index, self._n_whole))
        return chunk if is_whole else chunk[_inside(self.metadata, index)]

    def encode(self, index: Index, block: Block) -> bytes | None:
        if not self._write_empty and is_fill(block, self.metadata.fill_value):
            return None
        if block.shape == self.metadata.chunks and block.flags.c_contiguous:
            return self._codec.encode(block)
        chunk = scratch(self._encoded, self.metadata.chunks, self._dtype)
        if block.shape != self.metadata.chunks:
            chunk[...] = self.metadata.fill_value
        chunk[_inside(self.metadata, index)] = block
        return self._codec.encode(chunk)

    def put(self, index: Index, payloads: Sequence[bytes | None]) -> int | None:
        self._open_shards.drop(index)
        data = payloads[0] if self._shards is None else self._encode_shard(index, payloads)
        if data is None:
            self._store.delete(self._key(index))
            return None
        self._store.put(self._key(index), data)
        return len(data)

    def _encode_shard(self, index: Index, payloads: Sequence[bytes | None]) -> bytes | None:
        assert self._shards is not None
        # At the array's edge a shard has places for chunks that do not exist.
        slots: list[bytes | None] = [None] * geometry.count(self._grid)
        for chunk, payload in zip(chunks_of_object(self.metadata, index), payloads, strict=True):
            inner = geometry.split_index(chunk, self._grid)[1]
            slots[geometry.unit_number(inner, self._grid)] = payload
        return self._shards.encode_shard(slots)

    def _open_shard(self, place: Index) -> Shard | None:
        """Return a shard and its index, None where it is missing."""
        assert self._shards is not None
        key, length = self._key(place), self._shards.index_size
        stored = self._store.opened(key)
        if stored is None:
            return None
        start = max(0, stored.size - length) if self._shards.index_at_end else 0
        data = stored.read_into(memoryview(bytearray(length)), start)
        try:
            return stored, self._shards.decode_index(data or b"", stored.size)
        except StoreError as error:
            raise StoreError(f"{self._store.name}/{key}: {error}") from error

    def _key(self, index: Index) -> str:
        return f"{self._path}/{self.metadata.object_key(index)}"

    def _damaged(self, index: Index, error: StoreError) -> StoreError:
        key = f"{self._path}/{self.metadata.chunk_key(index)}"
        inside = "" if self._shards is None else f", chunk {list(index)}"
        way_out = self._store.restoring
        if not self._store.is_read_only:
            way_out += ", or delete it to have it read as fill value"
        return StoreError(f"{self._store.name}/{key}{inside} is damaged: {error}; {way_out}")


class _OpenShards:
    """The shards read last, with their indexes. One thread opens a shard, the others wait for it.

    A shard's chunks are read from what its index was read from, whatever is put there since.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[Index, Future[Shard | None]] = {}

    def get(self, place: Index, open_shard: Callable[[Index], Shard | None]) -> Shard | None:
        """Return a shard and its index, None where the shard is missing."""
        with self._lock:
            found = self._held.pop(place, None)
            is_new = found is None
            found = found or Future()
            self._held[place] = found  # as the last
            if len(self._held) > _SHARDS:
                del self._held[next(iter(self._held))]
        if is_new:
            try:
                found.set_result(open_shard(place))
            except BaseException as error:
                self.drop(place)
                found.set_exception(error)
        return found.result()

    def drop(self, place: Index) -> None:
        """Forget a shard that is about to be written."""
        with self._lock:
            self._held.pop(place, None)


def _inside(metadata: ArrayMetadata, index: Index) -> Region:
    """Return the part of a chunk that is inside the array."""
    region = chunk_region(metadata, index)
    return tuple(slice(0, extent) for extent in geometry.region_shape(region))
