"""The metadata documents of zarr arrays, v2 and v3, read and written as plain JSON.

Keeps out zarr, numpy and the file system: a document comes in as a dict and leaves as one. The
document of a level is level 0's with another shape, so that format, codecs, chunk key encoding and
fill value are inherited to the letter, known to this package or not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import MetadataError
from zarrpyramid.reduce import ITEM_SIZES, kind_of, parse_fill, spell_fill

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zarrpyramid.geometry import Shape

    Document = dict[str, Any]

_V2_KINDS = {"b": "bool", "i": "int", "u": "uint", "f": "float", "c": "complex"}
SHARDING = "sharding_indexed"
"""Name of the codec that puts chunks into shards."""

_OBJECT_CODECS = {"categorize", "json2", "msgpack2", "pickle", "vlen-array", "vlen-bytes"}
_OBJECT_CODECS |= {"vlen-utf8"}
"""Codecs that make Python objects of bytes, some by running what the bytes say."""

_LARGEST_CHUNK = 2**33
"""Bytes of a chunk; codecs take 2^31 - 1, only raw chunks are ever larger."""

_MOST_INNER = 1 << 24
"""Chunks of a shard, whose index then has 256 MB."""

_NEW_SHARDING = {
    "chunk_shape": [],
    "codecs": [],
    "index_codecs": [
        {"name": "bytes", "configuration": {"endian": "little"}},
        {"name": "crc32c"},
    ],
    "index_location": "end",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ArrayMetadata:
    """What one zarr array says of itself.

    Attributes
    ----------
    zarr_format
        2 or 3.
    shape
        Extents in voxels.
    chunks
        Extents of what is decoded at once: of an inner chunk where there are shards.
    shards
        Extents of a stored object that holds several chunks; None where an object is a chunk.
    dtype
        Name without byte order, such as "uint16"; one of `voxel_types.ITEM_SIZES`.
    dimension_names
        Axis names of a v3 document, or None.
    document
        ``zarr.json`` of v3 without its attributes, ``.zarray`` of v2.
    attributes
        User attributes.
    """

    zarr_format: int
    shape: Shape
    chunks: Shape
    shards: Shape | None
    dtype: str
    dimension_names: tuple[str | None, ...] | None
    document: Document = field(repr=False)
    attributes: Document = field(repr=False)

    @property
    def write_shape(self) -> Shape:
        """Extents of one stored object, the unit in which tasks write."""
        return self.shards or self.chunks

    @property
    def item_size(self) -> int:
        """Bytes a voxel."""
        return ITEM_SIZES[self.dtype]

    @property
    def form(self) -> Document:
        """All of the document that decides what voxels the stored bytes are."""
        return {key: item for key, item in self.document.items() if key != "dimension_names"}

    @property
    def byte_order(self) -> str:
        """``"little"`` or ``"big"``, as voxels are stored before compression."""
        if self.zarr_format == 2:
            return "big" if str(self.document["dtype"]).startswith(">") else "little"
        for codec in self.codecs:
            if codec["name"] == "bytes":
                return str(codec.get("configuration", {}).get("endian", "little"))
        return "little"

    @property
    def sharding(self) -> Document | None:
        """Configuration of the sharding codec where it is the only outer codec of a v3 array."""
        if self.shards is None:
            return None
        configuration: Document = self.document["codecs"][0]["configuration"]
        return configuration

    @property
    def codecs(self) -> list[Document]:
        """The v3 codecs that turn one chunk into bytes (those inside a shard); empty for v2."""
        if self.zarr_format == 2:
            return []
        configuration = self.sharding
        listed = self.document["codecs"] if configuration is None else configuration["codecs"]
        return [{"name": codec} if isinstance(codec, str) else codec for codec in listed]

    @property
    def fill_value(self) -> bool | int | float | complex:
        """What a missing chunk holds, as a Python number; v2's null counts as 0."""
        return parse_fill(self.document.get("fill_value"), self.dtype)

    def object_key(self, index: tuple[int, ...]) -> str:
        """Key of a stored object relative to the array, ``"c/0/1/2"`` in the usual v3 form."""
        is_v2 = self.zarr_format == 2 or self.document["chunk_key_encoding"]["name"] == "v2"
        return self.separator.join(map(str, index if is_v2 else ("c", *index)))

    @property
    def separator(self) -> str:
        """What stands between the numbers of a key."""
        found: str = self.document.get("dimension_separator", ".")
        if self.zarr_format == 2:
            return found
        encoding = self.document["chunk_key_encoding"]
        usual = {"default": "/", "v2": "."}[encoding["name"]]
        return str(encoding.get("configuration", {}).get("separator", usual))

    def derive(
        self,
        *,
        shape: Shape,
        chunks: Shape,
        shards: Shape | None,
        attributes: Document,
        dtype: str | None = None,
    ) -> ArrayMetadata:
        """Metadata of an array that differs from this one in its extents and attributes alone.

        Shards come and go with the codec that makes them; a new one is as zarr-python writes it.
        And in its data type, where another one is given: then also in how that is spelled.
        """
        if dtype not in (None, self.dtype):
            retyped = replace(self, dtype=dtype, document=self._retyped(dtype))
            return retyped.derive(shape=shape, chunks=chunks, shards=shards, attributes=attributes)
        document = {**self.document, "shape": list(shape)}
        if self.zarr_format == 2:
            document["chunks"] = list(chunks)
        else:
            outer = shards or chunks
            grid = {"chunk_shape": list(outer)}
            document["chunk_grid"] = {"name": "regular", "configuration": grid}
            sharding = self.sharding
            if shards is not None:
                options = sharding or {**_NEW_SHARDING, "codecs": document["codecs"]}
                inner = {**options, "chunk_shape": list(chunks)}
                document["codecs"] = [{"name": SHARDING, "configuration": inner}]
            elif sharding is not None:
                document["codecs"] = sharding["codecs"]
        return ArrayMetadata(
            zarr_format=self.zarr_format,
            shape=shape,
            chunks=chunks,
            shards=shards,
            dtype=self.dtype,
            dimension_names=self.dimension_names,
            document=document,
            attributes=attributes,
        )

    @property
    def filters(self) -> list[str]:
        """Names of what changes voxels before they become bytes, bound to their data type."""
        if self.zarr_format == 2:
            return [str(known.get("id")) for known in self.document.get("filters") or []]
        names = [str(codec["name"]) for codec in self.codecs]
        before = names[: names.index("bytes")] if "bytes" in names else names
        return [name for name in before if name != "transpose"]

    def _retyped(self, dtype: str) -> Document:
        """Return the document of another data type: its fill value, byte order and word size."""
        document = self.document
        fill = document.get("fill_value")
        if fill is not None:
            document = {**document, "fill_value": spell_fill(self.fill_value, dtype)}
        if self.zarr_format == 2:
            letter = {kind: code for code, kind in _V2_KINDS.items()}[kind_of(dtype)]
            size = ITEM_SIZES[dtype]
            order = "|" if size == 1 else ">" if self.byte_order == "big" else "<"
            return {**document, "dtype": f"{order}{letter}{size}"}
        codecs = [_retyped_codec(codec, self.item_size, dtype) for codec in self.codecs]
        if self.sharding is not None:
            configuration = {**self.sharding, "codecs": codecs}
            codecs = [{"name": SHARDING, "configuration": configuration}]
        return {**document, "data_type": dtype, "codecs": codecs}

    def documents(self) -> dict[str, Document]:
        """Return the documents by file name, in the order of writing: what makes it exist last."""
        if self.zarr_format == 3:
            return {"zarr.json": {**self.document, "attributes": self.attributes}}
        return {".zattrs": self.attributes, ".zarray": self.document}


def parse_array(documents: Mapping[str, Document], where: str) -> ArrayMetadata:
    """Read the documents of one array.

    Parameters
    ----------
    documents
        By file name: ``zarr.json``, or ``.zarray`` and, where there is one, ``.zattrs``.
    where
        Name of the array for messages.

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


def _parse_v3(document: Document, where: str) -> ArrayMetadata:
    grid = document["chunk_grid"]
    if grid["name"] != "regular":
        raise MetadataError(
            f"{where}: chunk grid {grid['name']!r} is not served, only 'regular' is"
        )
    if document.get("storage_transformers"):
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
    names = document.get("dimension_names")
    metadata = ArrayMetadata(
        zarr_format=3,
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
    stored = document["dtype"]
    dtype = ""
    if document.get("zarr_format") != 2:
        raise MetadataError(f"{where}: zarr_format of .zarray is not 2")
    if isinstance(stored, str) and len(stored) >= 3 and stored[2:].isdigit():
        kind = _V2_KINDS.get(stored[1], "")
        dtype = kind if kind == "bool" else f"{kind}{8 * int(stored[2:])}"
    if dtype not in ITEM_SIZES:
        raise _unserved(stored, where)
    metadata = ArrayMetadata(
        zarr_format=2,
        shape=_extents(document["shape"], where, "shape", least=0),
        chunks=_extents(document["chunks"], where, "chunks", least=1),
        shards=None,
        dtype=dtype,
        dimension_names=None,
        document=dict(document),
        attributes=dict(attributes),
    )
    return _checked(metadata, where)


def _checked(metadata: ArrayMetadata, where: str) -> ArrayMetadata:
    """Refuse what parses but cannot be meant."""
    n_axes = len(metadata.shape)
    if not 1 <= n_axes <= 5:
        raise MetadataError(f"{where}: has {n_axes} dimensions; 1 to 5 are served")
    for name, extents in (("chunks", metadata.chunks), ("shards", metadata.shards)):
        if extents is not None and len(extents) != n_axes:
            msg = f"{where}: shape {metadata.shape} and {name} {extents} differ in length"
            raise MetadataError(msg)
    if any(
        outer % inner for outer, inner in zip(metadata.write_shape, metadata.chunks, strict=True)
    ):
        msg = f"{where}: chunks {metadata.chunks} do not divide its shards {metadata.shards}"
        raise MetadataError(msg)
    if math.prod(metadata.shape) >= 2**63:
        raise MetadataError(f"{where}: shape {metadata.shape} has 2^63 voxels or more")
    n_bytes = math.prod(metadata.chunks) * metadata.item_size
    if n_bytes > _LARGEST_CHUNK:
        msg = f"{where}: a chunk of {n_bytes} bytes, expected at most {_LARGEST_CHUNK}"
        raise MetadataError(msg)
    n_inner = math.prod(metadata.write_shape) // math.prod(metadata.chunks)
    if n_inner > _MOST_INNER:
        msg = f"{where}: {n_inner} chunks in a shard, expected at most {_MOST_INNER}"
        raise MetadataError(msg)
    _check_codecs(metadata, where)
    names = metadata.dimension_names
    if not all(isinstance(name, str | None) for name in names or ()):
        raise MetadataError(
            f"{where}: dimension_names {repr(names)[:80]} are not all texts or null"
        )
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
        compressor, filters = document.get("compressor"), document.get("filters") or []
        if not isinstance(filters, list):
            raise TypeError("filters are no list")
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


def _retyped_codec(codec: Document, item_size: int, dtype: str) -> Document:
    """Return a v3 codec for voxels of another data type."""
    configuration = codec.get("configuration", {})
    if codec["name"] == "bytes" and ITEM_SIZES[dtype] > 1:
        # A document may leave the byte order out where it means nothing.
        return {**codec, "configuration": {"endian": "little", **configuration}}
    if codec["name"] == "blosc" and configuration.get("typesize") == item_size:
        return {**codec, "configuration": {**configuration, "typesize": ITEM_SIZES[dtype]}}
    return codec
