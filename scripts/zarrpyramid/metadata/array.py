"""Metadata of one zarr array, in the words that v2 and v3 have in common, and its documents.

The document of a level is level 0's with another shape, so that format, codecs, chunk key encoding
and fill value are inherited to the letter, known to this package or not.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from zarrpyramid.geometry import coarse_shape, split_index
from zarrpyramid.reduce import ITEM_SIZES, parse_fill, spell_fill

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.geometry import Index, Shape

    from .formats import Format

    Document = dict[str, Any]

SHARDING = "sharding_indexed"
"""Name of the codec that puts chunks into shards."""


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
        Axis names of a v3 document, or None.
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
    def fill_value(self) -> bool | int | float | complex:
        """What a missing chunk holds, as a Python number; v2's null counts as 0."""
        return parse_fill(self.document.get("fill_value"), self.dtype)

    @property
    def sharding(self) -> Document | None:
        """Configuration of the sharding codec where it is the only outer codec of a v3 array."""
        if self.shards is None:
            return None
        configuration: Document = self.document["codecs"][0]["configuration"]
        return configuration

    @property
    @abstractmethod
    def byte_order(self) -> str:
        """``"little"`` or ``"big"``, as voxels are stored before compression."""

    @property
    @abstractmethod
    def codecs(self) -> list[Document]:
        """The v3 codecs that turn one chunk into bytes (those inside a shard); empty for v2."""

    @property
    @abstractmethod
    def filters(self) -> list[str]:
        """Names of what changes voxels before they become bytes, bound to their data type."""

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
    def named(self, names: Sequence[str]) -> ArrayMetadata:
        """Metadata of the same array with names of its dimensions, where its format has them."""

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
