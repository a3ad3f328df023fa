"""The missing chunk: it holds fill value alone, and all missing chunks of a shape are equal."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from zarrpyramid import geometry
from zarrpyramid.arrays import native_dtype
from zarrpyramid.errors import StoreError, missing_message
from zarrpyramid.reduce import ALL_DATA, chunk_digest, describe, reduce_windows

if TYPE_CHECKING:
    from zarrpyramid.arrays import Block
    from zarrpyramid.geometry import Index, Shape
    from zarrpyramid.metadata import ArrayMetadata
    from zarrpyramid.reduce import NoData
    from zarrpyramid.stores import Store


class MissingChunk:
    """A chunk of fill value, described, digested and reduced once for all that are missing."""

    def __init__(self, voxels: Block) -> None:
        self.voxels = voxels
        self.moments = describe(voxels)
        self.digest = chunk_digest(voxels, has_nan=self.moments.n_nan > 0)
        self._reduced: dict[object, Block] = {}

    def reduced(
        self,
        method: str,
        factors: Shape,
        dtype: np.dtype[Any],
        no_data: NoData = ALL_DATA,
    ) -> Block:
        """Return what a method makes of the chunk's windows."""
        key = (method, factors, dtype, no_data)
        if key not in self._reduced:
            out = np.empty(geometry.coarse_shape(self.voxels.shape, factors), dtype)
            reduce_windows(method, self.voxels, factors, out, no_data=no_data)
            self._reduced[key] = out
        return self._reduced[key]


def missing_chunk(metadata: ArrayMetadata, shape: Shape) -> MissingChunk:
    """Return the missing chunk of an array; its extents are `shape` inside the array."""
    fill = np.array(metadata.fill_value, native_dtype(metadata))
    return _missing_chunk(fill.dtype, fill.tobytes(), shape)


def require_object(store: Store, path: str, metadata: ArrayMetadata, index: Index) -> None:
    """Raise StoreError if the stored object of a chunk without bytes is missing too."""
    key = f"{path}/{metadata.chunk_key(index)}"
    if store.size(key) is None:
        raise StoreError(missing_message(f"{store.name}/{key}"))


# By its bytes, because NaN does not equal NaN, and -0.0 equals 0.0.
@lru_cache(maxsize=8)
def _missing_chunk(dtype: np.dtype[Any], fill: bytes, shape: Shape) -> MissingChunk:
    return MissingChunk(np.full(shape, np.frombuffer(fill, dtype)[0], dtype))
