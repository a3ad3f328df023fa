"""The layout of a shard: encoded inner chunks, and the index that says where each one stands.

It is zarr-python's layout to the byte.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from zarrpyramid.errors import StoreError

from .codecs import checked, crc32c
from .compressors import codec_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zarrpyramid.geometry import Shape
    from zarrpyramid.metadata import ArrayMetadata

MISSING = 2**64 - 1
"""Offset and size in the index of an inner chunk that is not stored."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardCodec:
    """Codec of an array's shards.

    Attributes
    ----------
    grid
        How many inner chunks a shard has along each axis. Lists of them are in C order.
    index_at_end
        Whether the index stands behind the inner chunks.
    """

    grid: Shape
    index_at_end: bool
    _checksum: bool

    @property
    def index_size(self) -> int:
        """Bytes of the index."""
        return 16 * math.prod(self.grid) + 4 * self._checksum

    def decode_index(self, data: bytes | memoryview, object_size: int) -> NDArray[np.uint64]:
        """Return where the inner chunks stand (zarr v3 sharding codec, "Binary shard format").

        Parameters
        ----------
        data
            The `index_size` bytes of the index.
        object_size
            Bytes of the whole shard.

        Returns
        -------
        ndarray
            Shape (inner chunks, 2): offset from the shard's first byte and size, or `MISSING` twice
            where the inner chunk holds the fill value.

        Raises
        ------
        StoreError
            If the index is truncated, fails its checksum, or points out of the shard.
        """
        payload = memoryview(data)
        if len(payload) != self.index_size or object_size < self.index_size:
            msg = f"its {object_size} bytes are no shard: the index alone has {self.index_size}"
            raise StoreError(msg)
        if self._checksum:
            payload = checked(payload, "shard index")
        index = np.frombuffer(payload, "<u8").reshape(-1, 2).astype(np.uint64)
        offsets, sizes = index.T
        inside = (offsets <= object_size) & (
            sizes <= object_size - np.minimum(offsets, object_size)
        )
        wrong = ~(inside | (index == MISSING).all(axis=1))
        if wrong.any():
            where = int(wrong.argmax())
            offset, size = index[where].tolist()
            raise StoreError(
                f"inner chunk {where}, {size} bytes at {offset}, is not in {object_size}"
            )
        return index

    def encode_shard(self, chunks: Sequence[bytes | None]) -> bytes | None:
        """Return the shard of encoded inner chunks, or None where all of them are missing.

        A missing chunk is None. zarr-python leaves out those beyond the array's edge, and, unless
        it has ``write_empty_chunks``, those that hold nothing but the fill value.
        """
        sizes = np.array([len(chunk) if chunk else 0 for chunk in chunks], np.uint64)
        order = _morton_order(self.grid)
        if not sizes.any():
            return None
        index = np.empty((sizes.size, 2), "<u8")
        index[order, 0] = np.cumsum(sizes[order]) - sizes[order]
        index[:, 0] += np.uint64(0 if self.index_at_end else self.index_size)
        index[:, 1] = sizes
        index[sizes == 0] = MISSING
        stored = [chunk for position in order.tolist() if (chunk := chunks[position])]
        encoded = index.tobytes()
        if self._checksum:
            encoded += crc32c(encoded)
        return b"".join([*stored, encoded] if self.index_at_end else [encoded, *stored])


def shard_codec(metadata: ArrayMetadata) -> ShardCodec | None:
    """Return the codec of an array's shards, or None where there are none.

    None is also for an index that is not little-endian integers with or without a crc32c.
    """
    sharding = metadata.sharding
    if metadata.shards is None or sharding is None:
        return None
    match sharding:
        case {"chunk_shape": _, "codecs": _, "index_codecs": [*codecs], **rest}:
            location = rest.pop("index_location", "end")
            checksum = codec_settings(codecs[1:], "crc32c") is not None
            stored = codec_settings(codecs[:1], "bytes", endian="") == {"endian": "little"}
            if rest or location not in ("start", "end") or not stored:
                return None
            if len(codecs) != 1 + checksum:
                return None
        case _:
            return None
    extents = zip(metadata.shards, metadata.chunks, strict=True)
    return ShardCodec(
        grid=tuple(outer // inner for outer, inner in extents),
        index_at_end=location == "end",
        _checksum=checksum,
    )


@lru_cache(maxsize=16)
def _morton_order(grid: Shape) -> NDArray[np.intp]:
    """Return positions of inner chunks in C order, in the order in which zarr-python stores them.

    The bits of the coordinates alternate from the lowest up, the first axis first. An axis drops
    out once its extent needs no further bit.
    """
    positions = np.indices(grid).reshape(len(grid), -1)
    code = np.zeros(positions.shape[1], np.int64)
    n_bits = 0
    for bit in range(max(grid).bit_length()):
        for extent, along in zip(grid, positions, strict=True):
            if bit < (extent - 1).bit_length():
                code |= (along >> bit & 1) << n_bits
                n_bits += 1
    return np.argsort(code)
