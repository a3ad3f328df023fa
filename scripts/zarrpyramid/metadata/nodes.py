"""Groups and arrays of a store, read from their documents."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import MetadataError, StoreError

from .documents import read_document
from .formats import FORMATS, Format
from .outer_list import with_outer_base
from .parsing import check_keys, parse_array
from .paths import join

if TYPE_CHECKING:
    from zarrpyramid.stores import Store

    from .array import ArrayMetadata

    Document = dict[str, Any]


_GROUP_KEYS = {"attributes", "consolidated_metadata", "node_type", "zarr_format"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A group or an array: its kind, format and documents by file name."""

    kind: str
    zarr_format: int
    documents: dict[str, Document]

    @property
    def format(self) -> Format:
        """How the node's format spells it."""
        return FORMATS[self.zarr_format]

    @property
    def attributes(self) -> Document:
        """User attributes; a group's list names a level 0 that stands beside it too."""
        held = self.documents.get(self.format.attributes_document, {})
        return dict(with_outer_base(self.format.attributes(held)))


def read_node(store: Store, path: str, zarr_format: int | None = None) -> Node | None:
    """Return what stands at a path, or None where there is no metadata document.

    With a `zarr_format`, only documents of that format count, as for a reader that comes from a
    group of it; else those of v3 come first.

    Raises
    ------
    MetadataError
        If a document is not a JSON object, or one that no reader of zarr takes.
    StoreError
        If no document can be read, and a server refuses one.
    """
    denied: StoreError | None = None
    document: Document | None = None
    if zarr_format != 2:
        document, denied = read_allowed(store, join(path, "zarr.json"))
    if document is not None:
        where, kind = f"{store.name}/{join(path, 'zarr.json')}", document.get("node_type")
        if kind not in ("array", "group") or document.get("zarr_format") != 3:
            raise MetadataError(f"{where}: neither an array nor a group")
        if not isinstance(document.get("attributes"), dict | None):
            raise MetadataError(f"{where}: attributes are no JSON object")
        if kind == "group":
            check_keys(document, _GROUP_KEYS, where)
        return Node(kind=kind, zarr_format=3, documents={"zarr.json": document})
    for name, kind in ((".zarray", "array"), (".zgroup", "group")) if zarr_format != 3 else ():
        document, _ = read_allowed(store, join(path, name))
        if document is not None:
            if kind == "group" and document.get("zarr_format") != 2:
                raise MetadataError(
                    f"{store.name}/{join(path, name)}: expected zarr_format 2, found "
                    f"{repr(document.get('zarr_format'))[:80]}; correct it"
                )
            attributes, _ = read_allowed(store, join(path, ".zattrs"))
            more = {} if attributes is None else {".zattrs": attributes}
            return Node(kind=kind, zarr_format=2, documents={name: document, **more})
    if denied is not None:
        raise denied
    return None


def find_node(store: Store, path: str, zarr_format: int | None = None) -> Node | None:
    """Return what `read_node` does, and None too where a server refuses what may be absent."""
    try:
        return read_node(store, path, zarr_format)
    except StoreError as error:
        if not _may_be_absent(store, error):
            raise
        return None


def read_allowed(store: Store, key: str) -> tuple[Document | None, StoreError | None]:
    """Return a document, or None; and the error of a server that refuses what may be absent."""
    try:
        return read_document(store, key), None
    except StoreError as error:
        if not _may_be_absent(store, error):
            raise
        return None, error


def _may_be_absent(store: Store, error: StoreError) -> bool:
    """Tell whether a server may have refused what is not there, as one does that lists no keys."""
    return store.is_remote and error.errno == errno.EACCES


def read_array(store: Store, path: str) -> ArrayMetadata | None:
    """Return the metadata of the array at a path, or None where nothing is.

    Raises
    ------
    StoreError
        If a group stands there.
    MetadataError
        If its documents are damaged or describe an array that this package does not serve.
    """
    node = read_node(store, path)
    if node is None:
        return None
    where = f"{store.name}/{path}"
    if node.kind == "group":
        raise StoreError(
            f"{where} is a group, expected an array; move it away, or choose another store or field"
        )
    return parse_array(node.documents, where)
