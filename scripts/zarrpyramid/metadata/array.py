"""Metadata of one zarr array, in the words that v2 and v3 have in common, and its documents.

The document of a level is level 0's with another shape, so that format, codecs, chunk key encoding
and fill value are inherited to the letter, known to this package or not.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from zarrpyramid.geometry import coarse_shape, count, grid_shape, split_index
from zarrpyramid.reduce import ITEM_SIZES, kind_of, parse_fill, spell_fill

from .formats import FORMATS, Format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.geometry import Index, Shape

    Document = dict[str, Any]

SHARDING = "sharding_indexed"
"""Name of the codec that puts chunks into shards."""

V2_KINDS = {"b": "bool", "i": "int", "u": "uint", "f": "float", "c": "complex"}
"""Kinds of data types by the letter that v2 has for them."""

V2_NAMES = "_ARRAY_DIMENSIONS"
"""The attribute in which xarray names the dimensions of v2 arrays."""

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
class ArrayMetadata(ABC):
    """What one zarr array says of itself.

    Attributes
    ----------
    shape
        Extents in voxels.
    chunks
        Extents of what is decoded at once: of an inner chunk where there are shards.
    shards
        Extents of a stored object that holds several chunks; None where an object is a chunk.
    dtype
        Name without byte order, such as "uint16"; a key of `ITEM_SIZES`.
    dimension_names
        Axis names of a v3 document, or those that xarray gives a v2 array; or None.
    document
        ``zarr.json`` of v3 without its attributes, ``.zarray`` of v2.
    attributes
        User attributes.
    """

    format: ClassVar[Format]

    shape: Shape
    chunks: Shape
    shards: Shape | None
    dtype: str
    dimension_names: tuple[str | None, ...] | None
    document: Document = field(repr=False)
    attributes: Document = field(repr=False)

    @property
    def zarr_format(self) -> int:
        """2 or 3."""
        return self.format.number

    @property
    def write_shape(self) -> Shape:
        """Extents of one stored object, the unit in which tasks write."""
        return self.shards or self.chunks

    @property
    def n_objects(self) -> int:
        """Number of stored objects when all are written."""
        return count(grid_shape(self.shape, self.write_shape))

    @property
    def chunks_per_object(self) -> Shape:
        """How many chunks a stored object has along each axis; more than 1 in shards alone."""
        return coarse_shape(self.write_shape, self.chunks)

    def object_of(self, chunk: Index) -> tuple[Index, Index]:
        """Return where the object stands that holds a chunk, and where the chunk stands in it."""
        return split_index(chunk, self.chunks_per_object)

    def chunk_key(self, chunk: Index) -> str:
        """Key of the stored object in which a chunk lies, relative to the array."""
        return self.object_key(self.object_of(chunk)[0])

    @property
    def item_size(self) -> int:
        """Bytes a voxel."""
        return ITEM_SIZES[self.dtype]

    @property
    def form(self) -> Document:
        """All of the document that decides what voxels the stored bytes are."""
        return {key: item for key, item in self.document.items() if key != "dimension_names"}

    @property
    def meaning(self) -> dict[str, str]:
        """What the document says by key, each as JSON, the same however it is spelled.

        An entry may be left out where it is the usual one, and a codec may be its name alone.
        """
        said = {**self.document, **self._spelled_out()}
        return {key: json.dumps(item, sort_keys=True) for key, item in said.items()}

    @abstractmethod
    def _spelled_out(self) -> Document:
        """Return the entries that a document may spell in several ways."""

    @property
    def fill_value(self) -> bool | int | float | complex:
        """What a missing chunk holds, as a Python number; v2's null counts as 0."""
        return parse_fill(self.document.get("fill_value"), self.dtype)

    @property
    def sharding(self) -> Document | None:
        """Configuration of the sharding codec where it is the only outer codec of a v3 array."""
        return self.document["codecs"][0]["configuration"] if self.shards else None

    @property
    @abstractmethod
    def codecs(self) -> list[Document]:
        """What turns one chunk (inside a shard) into bytes, as v3 lists it, each as a mapping.

        v2's filters and compressor have their ids as names.
        """

    @property
    def filters(self) -> list[str]:
        """Names of the codecs before `bytes`, bound to a data type as a transpose is not."""
        names = [str(codec["name"]) for codec in self.codecs]
        before = names[: names.index("bytes")] if "bytes" in names else names
        return [name for name in before if name != "transpose"]

    @property
    @abstractmethod
    def separator(self) -> str:
        """What stands between the numbers of a key."""

    @abstractmethod
    def object_key(self, index: tuple[int, ...]) -> str:
        """Key of a stored object relative to the array, ``"c/0/1/2"`` in the usual v3 form."""

    @abstractmethod
    def documents(self) -> dict[str, Document]:
        """Return the documents by file name, in the order of writing: what makes it exist last."""

    @abstractmethod
    def named(self, names: Sequence[str], *, anyway: bool = False) -> ArrayMetadata:
        """Metadata of the same array with names of its dimensions, where its format has them.

        An array of v2 that names none stays without, unless it is to have them `anyway`.
        """

    def derive(
        self,
        *,
        shape: Shape,
        chunks: Shape,
        shards: Shape | None,
        attributes: Document,
        dtype: str | None = None,
    ) -> ArrayMetadata:
        """Metadata of an array that differs from this one in extents, attributes and data type.

        Shards come and go with the codec that makes them; a new one is as zarr-python writes it.
        Another data type also changes how the document spells fill value, byte order and word size.
        """
        found = self
        if dtype not in (None, self.dtype):
            found = replace(self, dtype=dtype, document=self._retyped(dtype))
        return replace(
            found,
            shape=shape,
            chunks=chunks,
            shards=shards,
            attributes=attributes,
            document={**found.document, "shape": list(shape), **found._cut(chunks, shards)},
        )

    @abstractmethod
    def _cut(self, chunks: Shape, shards: Shape | None) -> Document:
        """Return the entries of the document that say how the array is cut."""

    @abstractmethod
    def _retyped(self, dtype: str) -> Document:
        """Return the document for another data type."""

    def _refilled(self, dtype: str) -> Document:
        """Return the fill value's entry for another data type; a null stays as it is."""
        if self.document.get("fill_value") is None:
            return {}
        return {"fill_value": spell_fill(self.fill_value, dtype)}


@dataclass(frozen=True, kw_only=True, slots=True)
class ArrayV2(ArrayMetadata):
    """An array of zarr v2: ``.zarray``, attributes in ``.zattrs``, no shards."""

    format: ClassVar[Format] = FORMATS[2]

    @property
    def codecs(self) -> list[Document]:
        """A transpose for order F, the filters, `bytes` with the byte order, the compressor."""
        order = list(range(len(self.shape)))[::-1] if self.document.get("order") == "F" else None
        listed: list[Document | None] = [
            {"id": "transpose", "order": order} if order else None,
            *(self.document.get("filters") or []),
            {"id": "bytes", "endian": "big" if self.document["dtype"][0] == ">" else "little"},
            self.document.get("compressor"),
        ]
        return [
            {
                "name": codec["id"],
                "configuration": {key: codec[key] for key in codec if key != "id"},
            }
            for codec in listed
            if codec
        ]

    @property
    def separator(self) -> str:
        """The dimension separator, ``.`` where the document has none."""
        return str(self.document.get("dimension_separator", "."))

    def object_key(self, index: tuple[int, ...]) -> str:
        """Return the numbers alone, ``"0.1.2"`` with the usual separator."""
        return self.separator.join(map(str, index))

    def documents(self) -> dict[str, Document]:
        """Return the attributes first, then what makes the array exist."""
        return {".zattrs": self.attributes, ".zarray": self.document}

    def named(self, names: Sequence[str], *, anyway: bool = False) -> ArrayMetadata:
        """Return the same metadata where nothing names dimensions; else with xarray's names."""
        if self.dimension_names is None and not anyway:
            return self
        attributes = {**self.attributes, V2_NAMES: list(names)}
        return replace(self, dimension_names=tuple(names), attributes=attributes)

    def _spelled_out(self) -> Document:
        filters = self.document.get("filters") or None
        return {"filters": filters, "dimension_separator": self.separator}

    def _cut(self, chunks: Shape, shards: Shape | None) -> Document:
        return {"chunks": list(chunks)}

    def _retyped(self, dtype: str) -> Document:
        letter = {kind: code for code, kind in V2_KINDS.items()}[kind_of(dtype)]
        size = ITEM_SIZES[dtype]
        order = "|" if size == 1 else ">" if self.document["dtype"][0] == ">" else "<"
        return {**self.document, **self._refilled(dtype), "dtype": f"{order}{letter}{size}"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ArrayV3(ArrayMetadata):
    """An array of zarr v3: ``zarr.json`` alone."""

    format: ClassVar[Format] = FORMATS[3]

    @property
    def codecs(self) -> list[Document]:
        """Those of the inner chunks where there are shards, each as a mapping."""
        configuration = self.sharding
        listed = self.document["codecs"] if configuration is None else configuration["codecs"]
        return [{"name": codec} if isinstance(codec, str) else codec for codec in listed]

    @property
    def separator(self) -> str:
        """As the chunk key encoding says, or is usual for it."""
        encoding = self.document["chunk_key_encoding"]
        usual = {"default": "/", "v2": "."}[encoding["name"]]
        return str(encoding.get("configuration", {}).get("separator", usual))

    def object_key(self, index: tuple[int, ...]) -> str:
        """Return ``"c/0/1/2"`` in the usual encoding, ``"0.1.2"`` in the one that v2 has."""
        is_v2 = self.document["chunk_key_encoding"]["name"] == "v2"
        return self.separator.join(map(str, index if is_v2 else ("c", *index)))

    def documents(self) -> dict[str, Document]:
        """Return one document that holds the attributes too."""
        return {"zarr.json": {**self.document, "attributes": self.attributes}}

    def named(self, names: Sequence[str], *, anyway: bool = False) -> ArrayMetadata:
        """Return metadata whose document says ``dimension_names``."""
        document = {**self.document, "dimension_names": list(names)}
        return replace(self, dimension_names=tuple(names), document=document)

    def _spelled_out(self) -> Document:
        names = None if self.dimension_names is None else list(self.dimension_names)
        return {
            "chunk_key_encoding": [self.document["chunk_key_encoding"]["name"], self.separator],
            "codecs": _spelled_out(self.document["codecs"]),
            "dimension_names": names,
            "storage_transformers": [],  # others are refused
        }

    def _cut(self, chunks: Shape, shards: Shape | None) -> Document:
        grid = {"chunk_shape": list(shards or chunks)}
        document: Document = {"chunk_grid": {"name": "regular", "configuration": grid}}
        sharding = self.sharding
        if shards is not None:
            options = sharding or {**_NEW_SHARDING, "codecs": self.document["codecs"]}
            inner = {**options, "chunk_shape": list(chunks)}
            document["codecs"] = [{"name": SHARDING, "configuration": inner}]
        elif sharding is not None:
            document["codecs"] = sharding["codecs"]
        return document

    def _retyped(self, dtype: str) -> Document:
        codecs = [_retyped_codec(codec, self.item_size, dtype) for codec in self.codecs]
        if self.sharding is not None:
            configuration = {**self.sharding, "codecs": codecs}
            codecs = [{"name": SHARDING, "configuration": configuration}]
        return {**self.document, **self._refilled(dtype), "data_type": dtype, "codecs": codecs}


def _spelled_out(codecs: list[Any]) -> list[Document]:
    """Return v3 codecs as mappings with a name and a configuration, those in shards as well."""
    listed = []
    for codec in codecs:
        named: Document = {"name": codec} if isinstance(codec, str) else codec
        options = dict(named.get("configuration", {}))
        if named["name"] == SHARDING:
            inside = {key: _spelled_out(options[key]) for key in ("codecs", "index_codecs")}
            options = {"index_location": "end", **options, **inside}
        listed.append({**named, "configuration": options})
    return listed


def _retyped_codec(codec: Document, item_size: int, dtype: str) -> Document:
    """Return a v3 codec for voxels of another data type."""
    configuration = codec.get("configuration", {})
    if codec["name"] == "bytes" and ITEM_SIZES[dtype] > 1:
        # A document may leave the byte order out where it means nothing.
        return {**codec, "configuration": {"endian": "little", **configuration}}
    if codec["name"] == "blosc" and configuration.get("typesize") == item_size:
        return {**codec, "configuration": {**configuration, "typesize": ITEM_SIZES[dtype]}}
    return codec
