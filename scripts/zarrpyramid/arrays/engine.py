"""The choice of the engine for an array: ours where its codecs are known, else zarr-python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .codecs import chunk_codec
from .direct import DirectChunks
from .shards import shard_codec

if TYPE_CHECKING:
    from zarrpyramid.metadata import ArrayMetadata
    from zarrpyramid.stores import Store

    from .chunks import Chunks


def open_chunks(
    store: Store,
    path: str,
    metadata: ArrayMetadata,
    *,
    write_empty: bool = True,
    buffers: str = "",
) -> Chunks:
    """Return the chunks of an array, which need not be in the store yet.

    Parameters
    ----------
    write_empty
        Whether chunks that hold nothing but the fill value are stored.
    buffers
        What the thread's buffers are called, where payloads and blocks of two arrays are held at
        the same time.
    """
    codec, shards = chunk_codec(metadata), shard_codec(metadata)
    if codec is None or (metadata.shards is not None and shards is None):
        from .foreign import ForeignChunks  # which imports zarr

        return ForeignChunks(store, path, metadata, write_empty)
    return DirectChunks(store, path, metadata, codec, shards, write_empty, buffers)
