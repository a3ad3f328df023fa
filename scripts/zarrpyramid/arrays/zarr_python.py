"""Arrays that zarr-python reads and writes: those whose codecs the chunk engine does not know.

An array is opened from its metadata documents alone, so that chunks can be written before the level
exists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zarr
from zarr.storage import MemoryStore, StorePath

from zarrpyramid.errors import MetadataError
from zarrpyramid.metadata import put_document
from zarrpyramid.stores import from_zarr, to_zarr

if TYPE_CHECKING:
    import numpy as np

    from zarrpyramid.metadata import ArrayMetadata
    from zarrpyramid.stores import Store


def open_root(store: object) -> zarr.Group:
    """Return the group at the root of a store of whatever form, made where it is absent."""
    if isinstance(store, zarr.Group):
        return store
    return zarr.open_group(store, mode="a")


def open_array(
    store: Store, path: str, metadata: ArrayMetadata, *, write_empty_chunks: bool
) -> zarr.Array[Any]:
    """Return an array from its metadata alone; the store need not have the documents yet."""
    memory = MemoryStore()
    documents = from_zarr(memory)
    for name, document in metadata.documents().items():
        put_document(documents, name, document)
    try:
        described = zarr.open_array(memory, mode="r").metadata
    except MemoryError:
        raise
    except Exception as error:  # of any kind, by what is wrong with the document
        reason = " ".join(str(error).split())[:200]
        raise MetadataError(
            f"{store.name}/{path}: zarr-python does not open it: {reason}"
        ) from error
    place = StorePath(to_zarr(store), path)
    array: zarr.Array[Any] = zarr.Array(zarr.AsyncArray(metadata=described, store_path=place))
    # The config given to open_array is ignored by zarr-python 3.1.6; with_config is heeded.
    return array.with_config({"write_empty_chunks": write_empty_chunks})


def read_region(array: zarr.Array[Any], region: tuple[slice, ...]) -> np.ndarray[Any, Any]:
    """Return the voxels of a region in native byte order."""
    block: np.ndarray[Any, Any] = array[region]  # type: ignore[assignment]
    return block.astype(block.dtype.newbyteorder("="), copy=False)
