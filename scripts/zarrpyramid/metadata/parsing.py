"""Documents of zarr arrays, read and checked: what comes in damaged or is not served is refused."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import MetadataError
from zarrpyramid.reduce import ITEM_SIZES, parse_fill

from .array import SHARDING, V2_KINDS, V2_NAMES, ArrayMetadata, ArrayV2, ArrayV3

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from zarrpyramid.geometry import Shape

    Document = dict[str, Any]

_OBJECT_CODECS = {"categorize", "json2", "msgpack2", "pickle", "vlen-array", "vlen-bytes"}
_OBJECT_CODECS |= {"vlen-utf8"}
"""Codecs that make Python objects of bytes, some by running what the bytes say."""

_LARGEST_CHUNK = 2**33
"""Bytes of a chunk; codecs take 2^31 - 1, only raw chunks are ever larger."""

_MOST_INNER = 1 << 24
"""Chunks of a shard, whose index then has 256 MB."""

_ARRAY_KEYS = {"attributes", "chunk_grid", "chunk_key_encoding", "codecs", "data_type"}
_ARRAY_KEYS |= {"dimension_names", "fill_value", "node_type", "shape", "storage_transformers"}
_ARRAY_KEYS |= {"zarr_format"}


def parse_array(documents: Mapping[str, Document], where: str) -> ArrayMetadata:
    """Read the documents of one array, given by file name; messages call it `where`.

    Raises
    ------
    MetadataError
        If they are damaged or describe an array that this package does not serve.
    """
    try:
        if "zarr.json" in documents:
            return _parse_v3(documents["zarr.json"], where)
        return _parse_v2(documents[".zarray"], documents.get(".zattrs", {}), where)
    except MetadataError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
        msg = f"{where}: its metadata document is damaged: {type(error).__name__} {error}"
        raise MetadataError(msg) from error


def check_keys(document: Document, known: Collection[str], where: str) -> None:
    """Refuse a v3 document with a key that readers have to understand, and do not.

    Raises
    ------
    MetadataError
        If there is one.
    """
    for key in document.keys() - known:
        value = document[key]
        if not (isinstance(value, dict) and value.get("must_understand") is False):
            msg = f"{where}: key {key[:80]!r} is none of zarr v3, whose readers refuse the document"
            raise MetadataError(f"{msg}; take it out, or put it into the attributes")


def _parse_v3(document: Document, where: str) -> ArrayMetadata:
    check_keys(document, _ARRAY_KEYS, where)
    grid = document["chunk_grid"]
    if grid["name"] != "regular":
        msg = f"{where}: chunk grid {grid['name']!r} is not served, only 'regular' is"
        raise MetadataError(msg)
    if document.get("storage_transformers", []) not in (None, []):
        raise MetadataError(f"{where}: storage transformers are not served")
    dtype = document["data_type"]
    if not isinstance(dtype, str) or dtype not in ITEM_SIZES:
        raise _unserved(dtype if isinstance(dtype, str) else dtype.get("name", dtype), where)
    outer = _extents(grid["configuration"]["chunk_shape"], where, "chunk_shape", least=1)
    chunks, shards = outer, None
    codecs = document["codecs"]
    if len(codecs) == 1 and isinstance(codecs[0], dict) and codecs[0]["name"] == SHARDING:
        inner = codecs[0]["configuration"]["chunk_shape"]
        chunks, shards = _extents(inner, where, "the shards' chunk_shape", least=1), outer
    if document["fill_value"] is None:
        raise MetadataError(f"{where}: fill_value is null, which is no value of {dtype}")
    encoding = document["chunk_key_encoding"]
    if "configuration" in encoding and set(encoding["configuration"]) - {"separator"}:
        raise MetadataError(f"{where}: its chunk_key_encoding says more than a separator")
    names = document.get("dimension_names")
    metadata = ArrayV3(
        shape=_extents(document["shape"], where, "shape", least=0),
        chunks=chunks,
        shards=shards,
        dtype=dtype,
        dimension_names=None if names is None else tuple(names),
        document={key: value for key, value in document.items() if key != "attributes"},
        attributes=dict(document.get("attributes", {})),
    )
    return _checked(metadata, where)


def _parse_v2(document: Document, attributes: Document, where: str) -> ArrayMetadata:
    stored, dtype = document["dtype"], ""
    if document.get("zarr_format") != 2:
        raise MetadataError(f"{where}: zarr_format of .zarray is not 2")
    if "fill_value" not in document:
        raise MetadataError(f"{where}: .zarray has no fill_value, which may be null")
    if isinstance(stored, str) and len(stored) >= 3 and stored[2:].isdigit():
        kind = V2_KINDS.get(stored[1], "")
        dtype = kind if kind == "bool" else f"{kind}{8 * int(stored[2:])}"
    if dtype not in ITEM_SIZES:
        raise _unserved(stored, where)
    shape = _extents(document["shape"], where, "shape", least=0)
    metadata = ArrayV2(
        shape=shape,
        chunks=_extents(document["chunks"], where, "chunks", least=1),
        shards=None,
        dtype=dtype,
        dimension_names=_names_v2(document, attributes, len(shape)),
        document=dict(document),
        attributes=dict(attributes),
    )
    return _checked(metadata, where)


def _names_v2(document: Document, attributes: Document, n_axes: int) -> tuple[str, ...] | None:
    """Return the names that xarray, or netCDF's NCZarr, gives the dimensions of a v2 array."""
    named = attributes.get(V2_NAMES)
    for holder, key, entry in (
        (document, "_NCZARR_ARRAY", "dimrefs"),
        (attributes, "_nczarr_array", "dimension_references"),
    ):
        described = holder.get(key) if named is None else None
        named = described.get(entry) if isinstance(described, dict) else named
    if not isinstance(named, list) or len(named) != n_axes:
        return None
    if not all(isinstance(name, str) for name in named):
        return None
    return tuple(name.rpartition("/")[2] for name in named)  # NCZarr's are paths of dimensions


def _checked(metadata: ArrayMetadata, where: str) -> ArrayMetadata:
    """Refuse what parses but cannot be meant."""
    n_axes = len(metadata.shape)
    if not 1 <= n_axes <= 5:
        raise MetadataError(f"{where}: has {n_axes} dimensions; 1 to 5 are served")
    for name, extents in (("chunks", metadata.chunks), ("shards", metadata.shards)):
        if extents is not None and len(extents) != n_axes:
            msg = f"{where}: shape {metadata.shape} and {name} {extents} differ in length"
            raise MetadataError(msg)
    if any(map(operator.mod, metadata.write_shape, metadata.chunks)):
        msg = f"{where}: chunks {metadata.chunks} do not divide its shards {metadata.shards}"
        raise MetadataError(msg)
    if math.prod(metadata.shape) >= 2**63:
        raise MetadataError(f"{where}: shape {metadata.shape} has 2^63 voxels or more")
    n_bytes = math.prod(metadata.chunks) * metadata.item_size
    if n_bytes > _LARGEST_CHUNK:
        msg = (
            f"{where}: a chunk of {n_bytes} bytes, expected at most {_LARGEST_CHUNK}; copy "
            "the array into smaller chunks"
        )
        raise MetadataError(msg)
    n_inner = math.prod(metadata.write_shape) // math.prod(metadata.chunks)
    if n_inner > _MOST_INNER:
        msg = (
            f"{where}: {n_inner} chunks in a shard, expected at most {_MOST_INNER}; copy the array "
            "into smaller shards"
        )
        raise MetadataError(msg)
    _check_codecs(metadata, where)
    names = metadata.dimension_names
    if not all(isinstance(name, str | None) for name in names or ()):
        msg = f"{where}: dimension_names {repr(names)[:80]} are not all texts or null"
        raise MetadataError(msg)
    if names is not None and len(names) != n_axes:
        raise MetadataError(f"{where}: {len(names)} dimension_names for {n_axes} dimensions")
    parse_fill(metadata.document.get("fill_value"), metadata.dtype)
    if metadata.separator not in (".", "/"):
        msg = f"{where}: separator of chunk keys {metadata.separator!r}, expected '.' or '/'"
        raise MetadataError(msg)
    return metadata


def _check_codecs(metadata: ArrayMetadata, where: str) -> None:
    """See that codecs are described as codecs are, and none of them makes objects of bytes."""
    document = metadata.document
    if metadata.zarr_format == 2:
        key, order = "id", document.get("order")
        compressor, filters = document.get("compressor"), document.get("filters")
        if not isinstance(filters, list | None):
            raise TypeError("filters are no list")
        filters = filters or []
        codecs = filters if compressor is None else [*filters, compressor]
        if order not in ("C", "F"):
            raise MetadataError(f"{where}: order {order!r}, expected 'C' or 'F'")
    else:
        key, codecs = "name", list(_nested_codecs(document["codecs"]))
    for codec in codecs:
        name = codec.get(key) if isinstance(codec, dict) else None
        options = codec.get("configuration", {}) if isinstance(codec, dict) else None
        if not isinstance(name, str) or not isinstance(options, dict):
            raise MetadataError(f"{where}: {str(codec)[:80]!r} is no description of a codec")
        if name.removeprefix("numcodecs.") in _OBJECT_CODECS:
            msg = f"{where}: codec {name!r} makes objects, of which there is no mean; not decoded"
            raise MetadataError(msg)


def _nested_codecs(listed: Any) -> Iterator[Any]:
    """Yield all codecs of a v3 list, those inside shards and of their indexes among them."""
    if not isinstance(listed, list):
        raise TypeError("codecs are no list")
    for codec in listed:
        yield {"name": codec} if isinstance(codec, str) else codec
        if isinstance(codec, dict) and codec.get("name") == SHARDING:
            options = codec["configuration"]
            yield from _nested_codecs(options["codecs"])
            yield from _nested_codecs(options["index_codecs"])


def _extents(values: Any, where: str, name: str, *, least: int) -> Shape:
    if not isinstance(values, list) or not all(
        isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**63
        for value in values
    ):
        msg = f"{where}: {name} must be a list of integers >= {least}, found {repr(values)[:80]}"
        raise MetadataError(msg)
    return tuple(values)


def _unserved(dtype: object, where: str) -> MetadataError:
    served = "bool, int8 to int64, uint8 to uint64, float16 to float64, complex64, complex128"
    return MetadataError(f"{where}: data type {dtype!r} has no mean; served are {served}")
