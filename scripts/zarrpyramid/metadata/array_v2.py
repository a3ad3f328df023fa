"""Arrays of zarr v2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from zarrpyramid.reduce import ITEM_SIZES, kind_of

from .array import ArrayMetadata
from .formats import FORMATS, Format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.geometry import Shape

    Document = dict[str, Any]

V2_KINDS = {"b": "bool", "i": "int", "u": "uint", "f": "float", "c": "complex"}
"""Kinds of data types by the letter that v2 has for them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ArrayV2(ArrayMetadata):
    """An array of zarr v2: ``.zarray``, attributes in ``.zattrs``, no shards."""

    format: ClassVar[Format] = FORMATS[2]

    @property
    def byte_order(self) -> str:
        """The order in the data type, little where it has none."""
        return "big" if str(self.document["dtype"]).startswith(">") else "little"

    @property
    def codecs(self) -> list[Document]:
        """None: v2 has a compressor and filters."""
        return []

    @property
    def filters(self) -> list[str]:
        """Names of the filters."""
        return [str(known.get("id")) for known in self.document.get("filters") or []]

    @property
    def separator(self) -> str:
        """The dimension separator, ``.`` where the document has none."""
        found: str = self.document.get("dimension_separator", ".")
        return found

    def object_key(self, index: tuple[int, ...]) -> str:
        """Return the numbers alone, ``"0.1.2"`` where the separator is usual."""
        return self.separator.join(map(str, index))

    def documents(self) -> dict[str, Document]:
        """Return the attributes first, then what makes the array exist."""
        return {".zattrs": self.attributes, ".zarray": self.document}

    def named(self, names: Sequence[str]) -> ArrayMetadata:
        """Return the same metadata: v2 knows no names."""
        return self

    def _cut(self, chunks: Shape, shards: Shape | None) -> Document:
        return {"chunks": list(chunks)}

    def _retyped(self, dtype: str) -> Document:
        letter = {kind: code for code, kind in V2_KINDS.items()}[kind_of(dtype)]
        size = ITEM_SIZES[dtype]
        order = "|" if size == 1 else ">" if self.byte_order == "big" else "<"
        return {**self.document, **self._refilled(dtype), "dtype": f"{order}{letter}{size}"}
