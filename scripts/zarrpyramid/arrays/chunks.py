"""Chunks of one array, read and written by their place in the grid.

The product's core: stored objects of usual codecs are read and written here directly, into buffers
that a thread keeps; all others go through zarr-python, behind the same interface. Knows nothing of
levels and means.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from zarrpyramid import geometry
from zarrpyramid.errors import StoreError

from .codecs import ChunkCodec, chunk_codec
from .inflation import check_inflation, most_stored
from .shards import MISSING, ShardCodec, shard_codec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zarrpyramid.geometry import Index, Region, Shape
    from zarrpyramid.metadata import ArrayMetadata
    from zarrpyramid.stores import Store

    Block = np.ndarray[Any, np.dtype[Any]]
    Payload = Any

_INDEXES = 64
"""Indexes of shards that are kept: more than there are threads, each of which is at one shard."""

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

    A chunk's index counts decode units: inner chunks where there are shards.
    """

    metadata: ArrayMetadata
    keeps_voxels: bool
    """Whether what is read back is what was written; filters may round."""

    def payload(self, index: Index) -> Payload | None:
        """Return the stored bytes of a chunk, or None where it is missing and thus fill value.

        They hold until the thread asks for its next payload.
        """

    def decode(self, index: Index, payload: Payload) -> Block:
        """Return a chunk's in-bounds voxels, only to be read.

        They hold until the thread asks for its next payload.
        """

    def encode(self, index: Index, block: Block) -> Payload | None:
        """Return what to store for a chunk's in-bounds voxels, or None where that is nothing."""

    def put(self, index: Index, payloads: Sequence[Payload | None]) -> bool:
        """Write one stored object, of all chunks in it that the array has, in C order.

        Returns whether there is one now: where nothing is in it, there is none.
        """


def open_chunks(
    store: Store, path: str, metadata: ArrayMetadata, *, write_empty: bool = True
) -> Chunks:
    """Return an array's chunks, directly where its codecs are known, else through zarr-python.

    With `write_empty` False, chunks that hold nothing but the fill value are not stored.
    """
    codec = chunk_codec(metadata)
    shards = None if metadata.shards is None else shard_codec(metadata)
    if codec is None or (metadata.shards is not None and shards is None):
        return ForeignChunks(store, path, metadata, write_empty)
    return DirectChunks(store, path, metadata, codec, shards, write_empty)


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
    """Return a chunk's in-bounds voxels, only to be read: fill value where nothing is stored.

    They hold until the thread asks for its next payload.

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


class DirectChunks:
    """Chunks as bytes of stored objects."""

    keeps_voxels = True

    def __init__(
        self,
        store: Store,
        path: str,
        metadata: ArrayMetadata,
        codec: ChunkCodec,
        shards: ShardCodec | None,
        write_empty: bool,
    ) -> None:
        self.metadata = metadata
        # v2's null says nothing of what a missing chunk holds, so that none is left out then.
        self._write_empty = write_empty or metadata.document.get("fill_value") is None
        self._store = store
        self._path = path
        self._codec = codec
        self._shards = shards
        self._dtype = native_dtype(metadata)
        self._grid = geometry.coarse_shape(metadata.write_shape, metadata.chunks)
        self._indexes = _ShardIndexes(self._read_index)
        # No codec makes a chunk much larger than its voxels are.
        raw = geometry.count(metadata.chunks) * metadata.item_size
        self._room = (raw + raw // 8 + 4096,)

    def payload(self, index: Index) -> bytes | memoryview | None:
        """Return the stored bytes of a chunk: a whole object, or a range of a shard."""
        buffer = scratch("payload", self._room, np.dtype(np.uint8)).data
        if self._shards is None:
            return self._store.get_into(self._key(index), buffer)
        place = tuple(i // n for i, n in zip(index, self._grid, strict=True))
        inner = tuple(i % n for i, n in zip(index, self._grid, strict=True))
        entries = self._indexes.get(place)
        if entries is None:
            return None
        offset, length = (
            int(number) for number in entries[np.ravel_multi_index(inner, self._grid)]
        )
        if offset == MISSING and length == MISSING:
            return None
        if length > 4 * self._room[0]:
            raise self._damaged(index, StoreError(f"{length} bytes are far more than its voxels"))
        return self._store.get_into(self._key(place), buffer, offset, length)

    def decode(self, index: Index, payload: bytes | memoryview) -> Block:
        """Return the in-bounds voxels that a chunk's stored bytes hold, in those bytes if they can.

        Raises
        ------
        StoreError
            If they are damaged; the message names the object.
        """
        try:
            chunk = self._codec.view(payload)
            if chunk is None:
                chunk = scratch("decoded", self.metadata.chunks, self._dtype)
                self._codec.decode(payload, chunk)
        except StoreError as error:
            raise self._damaged(index, error) from error
        return chunk[_clip(self.metadata, index)]

    def encode(self, index: Index, block: Block) -> bytes | None:
        """Return a chunk's bytes; beyond the array's edge it holds the fill value."""
        if not self._write_empty and is_fill(block, self.metadata.fill_value):
            return None
        if block.shape == self.metadata.chunks and block.flags.c_contiguous:
            return self._codec.encode(block)
        chunk = scratch("encoded", self.metadata.chunks, self._dtype)
        if block.shape != self.metadata.chunks:
            chunk[...] = self.metadata.fill_value
        chunk[_clip(self.metadata, index)] = block
        return self._codec.encode(chunk)

    def put(self, index: Index, payloads: Sequence[bytes | None]) -> bool:
        """Write one object whole; where nothing is in it, see that none is there."""
        self._indexes.drop(index)
        data = payloads[0] if self._shards is None else self._encode_shard(index, payloads)
        if data is None:
            self._store.delete(self._key(index))
        else:
            self._store.put(self._key(index), data)
        return data is not None

    def _encode_shard(self, index: Index, payloads: Sequence[bytes | None]) -> bytes | None:
        assert self._shards is not None
        # At the array's edge a shard has places for chunks that do not exist.
        slots: list[bytes | None] = [None] * geometry.count(self._grid)
        for chunk, payload in zip(chunks_of_object(self.metadata, index), payloads, strict=True):
            inner = tuple(i % n for i, n in zip(chunk, self._grid, strict=True))
            slots[int(np.ravel_multi_index(inner, self._grid))] = payload
        return self._shards.encode_shard(slots)

    def _read_index(self, place: Index) -> Any:
        assert self._shards is not None
        key, length = self._key(place), self._shards.index_size
        size = self._store.size(key)
        if size is None:
            return None
        start = -length if self._shards.index_at_end else 0
        data = self._store.get_range(key, start, length)
        try:
            return self._shards.decode_index(data or b"", size)
        except StoreError as error:
            raise StoreError(f"{self._store.name}/{key}: {error}") from error

    def _key(self, index: Index) -> str:
        return f"{self._path}/{self.metadata.object_key(index)}"

    def _damaged(self, index: Index, error: StoreError) -> StoreError:
        place = index
        if self._shards is not None:
            place = tuple(i // n for i, n in zip(index, self._grid, strict=True))
        inside = "" if self._shards is None else f", chunk {list(index)}"
        return StoreError(
            f"{self._store.name}/{self._key(place)}{inside} is damaged: {error}; "
            "restore it from a copy, or delete it to have it read as fill value"
        )


class _ShardIndexes:
    """The indexes of the shards that were read last, each read once for all threads."""

    def __init__(self, read: Callable[[Index], Any]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._held: dict[Index, Future[Any]] = {}

    def get(self, place: Index) -> Any:
        """Return the index of a shard, which one thread reads while others wait for it."""
        with self._lock:
            found = self._held.pop(place, None)
            is_new = found is None
            found = found or Future()
            self._held[place] = found  # as the last
            if len(self._held) > _INDEXES:
                del self._held[next(iter(self._held))]
        if is_new:
            try:
                found.set_result(self._read(place))
            except BaseException as error:
                self.drop(place)
                found.set_exception(error)
        return found.result()

    def drop(self, place: Index) -> None:
        """Forget the index of a shard that will be another."""
        with self._lock:
            self._held.pop(place, None)


_REFUSALS = (
    *(ValueError, TypeError, RuntimeError, OSError),
    *(ArithmeticError, LookupError, AttributeError),
)
"""What zarr-python and its codecs raise where options or bytes are not what they can use."""


class ForeignChunks:
    """Chunks through zarr-python, for codecs, filters and stores of every other kind.

    Payloads are voxels: encoding happens when an object is written, by zarr-python.
    """

    keeps_voxels = False

    def __init__(self, store: Store, path: str, metadata: ArrayMetadata, write_empty: bool) -> None:
        from . import zarr_python

        self.metadata = metadata
        self._store = store
        self._path = path
        self._read_region = zarr_python.read_region
        write_empty = write_empty or metadata.document.get("fill_value") is None  # as above
        self._array = zarr_python.open_array(store, path, metadata, write_empty_chunks=write_empty)

    def payload(self, index: Index) -> bytes | None:
        """Return the bytes of the object in which a chunk lies; only its first chunk has them."""
        ratio = geometry.coarse_shape(self.metadata.write_shape, self.metadata.chunks)
        place = tuple(i // n for i, n in zip(index, ratio, strict=True))
        key = f"{self._path}/{self.metadata.object_key(place)}"
        where = f"{self._store.name}/{key}"
        size = self._store.size(key)
        n_chunks = geometry.count(ratio)
        if size is not None and size > most_stored(self.metadata, n_chunks) + 16 * n_chunks + 4:
            raise StoreError(
                f"{where} is damaged: its {size} bytes are far more than its voxels; restore it "
                "from a copy"
            )
        data = self._store.get(key)
        if data is None:
            return None
        inner = tuple(i % n for i, n in zip(index, ratio, strict=True))
        try:
            check_inflation(self.metadata, self._encoded(data, inner, ratio))
        except StoreError as error:
            raise StoreError(f"{where} is damaged: {error}; restore it from a copy") from error
        return data if all(i % n == 0 for i, n in zip(index, ratio, strict=True)) else b""

    def _encoded(self, data: bytes, inner: Index, grid: Index) -> bytes:
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
        offset, length = map(int, entries[np.ravel_multi_index(inner, grid)])
        return b"" if offset == MISSING else data[offset : offset + length]

    def decode(self, index: Index, payload: bytes) -> Block:
        """Return a chunk's voxels as zarr-python reads them."""
        where = f"{self._store.name}/{self._path}, chunk {list(index)}"
        try:
            return self._read_region(self._array, chunk_region(self.metadata, index))
        except _REFUSALS as error:
            raise StoreError(f"{where} cannot be read: {error}") from error

    def encode(self, index: Index, block: Block) -> Block:
        """Return a copy of the voxels."""
        return block.copy()

    def put(self, index: Index, payloads: Sequence[Block | None]) -> bool:
        """Have zarr-python write one object, or leave it out."""
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


def is_fill(block: Block, fill_value: bool | int | float | complex) -> bool:
    """Tell whether every voxel has the bits of the fill value, as -0.0 has not of 0.0."""
    fill = np.array([fill_value], block.dtype)
    first = block[(0,) * block.ndim]
    if first.tobytes() != fill.tobytes():  # nearly always decided here
        return False
    bits = np.dtype(f"u{min(block.dtype.itemsize, 8)}")
    words = np.ascontiguousarray(block).reshape(-1, 1).view(bits)
    return bool((words == fill.view(bits)).all())


def _clip(metadata: ArrayMetadata, index: Index) -> Region:
    region = chunk_region(metadata, index)
    return tuple(slice(0, extent) for extent in geometry.region_shape(region))
