"""How zarr v2 and v3 spell a node: names of its documents, attributes, consolidated metadata.

Arrays have more to say in each format; `array` holds that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .paths import join

if TYPE_CHECKING:
    from collections.abc import Mapping

    Document = dict[str, Any]


class _V2:
    """Zarr v2: a document for each purpose.

    Attributes
    ----------
    number
        2 or 3.
    array_document, group_document
        Name of the document that makes an array, or a group, exist.
    attributes_document
        Name of the document that holds a node's user attributes.
    consolidated_document
        Name of the document in which a group repeats those of the nodes below it.
    lists_itself
        Whether consolidated metadata repeats the group's own documents too.
    """

    number = 2
    array_document = ".zarray"
    group_document = ".zgroup"
    attributes_document = ".zattrs"
    consolidated_document = ".zmetadata"
    lists_itself = True

    def new_group(self) -> Document:
        """Return the document of a group that holds nothing."""
        return {"zarr_format": 2}

    def attributes(self, document: Document) -> Document:
        """Return the user attributes that an `attributes_document` holds."""
        return document

    def with_attributes(self, document: Document, attributes: Document) -> Document:
        """Return an `attributes_document` with other attributes."""
        return attributes

    def is_consolidated(self, document: Document) -> bool:
        """Tell whether a `consolidated_document` that is there repeats anything."""
        return True

    def consolidated(self, document: Document) -> Any:
        """Return what a `consolidated_document` repeats, by `consolidated_key`; None if damaged."""
        return document.get("metadata")

    def consolidated_key(self, path: str, name: str) -> str:
        """Return the key of a node's document in consolidated metadata; `path` as seen from it."""
        return join(path, name)

    def consolidated_entries(self, path: str, documents: Mapping[str, Document]) -> Document:
        """Return a node's documents as consolidated metadata repeats them, by key."""
        return {join(path, name): item for name, item in documents.items()}


class _V3:
    """Zarr v3: one document with all that `_V2` has in several."""

    number = 3
    array_document = group_document = attributes_document = consolidated_document = "zarr.json"
    lists_itself = False

    def new_group(self) -> Document:
        return {"attributes": {}, "zarr_format": 3, "node_type": "group"}

    def attributes(self, document: Document) -> Document:
        return document.get("attributes") or {}

    def with_attributes(self, document: Document, attributes: Document) -> Document:
        return {**document, "attributes": attributes}

    def is_consolidated(self, document: Document) -> bool:
        return bool(document.get("consolidated_metadata"))

    def consolidated(self, document: Document) -> Any:
        found = document.get("consolidated_metadata")
        return found.get("metadata") if isinstance(found, dict) else None

    def consolidated_key(self, path: str, name: str) -> str:
        return path

    def consolidated_entries(self, path: str, documents: Mapping[str, Document]) -> Document:
        document = documents["zarr.json"]
        kept = {key: item for key, item in document.items() if key != "consolidated_metadata"}
        if document["node_type"] == "group":
            # zarr-python writes an empty record for each group inside, and expects it.
            inner = {"kind": "inline", "must_understand": False, "metadata": {}}
            kept["consolidated_metadata"] = inner
        return {path: kept}


Format = _V2 | _V3
FORMATS: Mapping[int, Format] = {3: _V3(), 2: _V2()}
"""The formats by number."""

ARRAY_DOCUMENTS = ("zarr.json", ".zattrs", ".zarray")
"""Names of all documents that an array may have, the one that makes it exist last."""

NODE_DOCUMENTS = (*ARRAY_DOCUMENTS, ".zgroup")
