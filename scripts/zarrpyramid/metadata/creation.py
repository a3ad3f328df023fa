"""The metadata of an array that is made from nothing, as zarr-python writes it by default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarrpyramid.reduce import ITEM_SIZES, kind_of

from .array import V2_KINDS
from .parsing import parse_array

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.geometry import Shape

    from .array import ArrayMetadata


def new_array(
    *,
    shape: Shape,
    chunks: Shape,
    shards: Shape | None,
    dtype: str,
    names: Sequence[str],
    zarr_format: int = 3,
) -> ArrayMetadata:
    """Return the metadata of a new array: zstd at its default level, 0 as fill value.

    Parameters
    ----------
    names
        Of its dimensions. A v2 array gets none: only xarray has a place for them.
    """
    fill: Any = {"bool": False, "float": 0.0, "complex": [0.0, 0.0]}.get(kind_of(dtype), 0)
    size = ITEM_SIZES[dtype]
    if zarr_format == 2:
        letter = {kind: code for code, kind in V2_KINDS.items()}[kind_of(dtype)]
        document = {
            "zarr_format": 2,
            "shape": list(shape),
            "chunks": list(chunks),
            "dtype": f"{'<' if size > 1 else '|'}{letter}{size}",
            "fill_value": fill,
            "order": "C",
            "filters": None,
            "dimension_separator": "/",
            "compressor": {"id": "zstd", "level": 0, "checksum": False},
        }
        return parse_array({".zarray": document, ".zattrs": {}}, "level 0")
    endian = {"configuration": {"endian": "little"}} if size > 1 else {}
    document = {
        "shape": list(shape),
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunks)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": fill,
        "codecs": [
            {"name": "bytes", **endian},
            {"name": "zstd", "configuration": {"level": 0, "checksum": False}},
        ],
        "zarr_format": 3,
        "node_type": "array",
        "dimension_names": list(names),
        "storage_transformers": [],
    }
    found = parse_array({"zarr.json": document}, "level 0")
    return found.derive(shape=shape, chunks=chunks, shards=shards, attributes={})
