"""Groups and arrays of a store, by their metadata documents alone.

Reads and writes JSON; knows no codec and no voxel, and does without zarr, so that the Snakefile can
plan while it parses. Every change of a document keeps the consolidated metadata of all ancestor
groups in step, without which a reader would not see it.
"""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import MetadataError, StoreError, nearest
from zarrpyramid.stores import LocalStore, Store, check_url, is_url, open_url

from .array import ArrayMetadata, parse_array
from .multiscales import base_path
from .paths import is_inside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Document = dict[str, Any]

ARRAY_DOCUMENTS = ("zarr.json", ".zattrs", ".zarray")
OPENING_DOCUMENT = "zarrpyramid-opening.json"
"""What stands in a level's folder while its parts are made, and says for whom."""

_DEEPEST = 100
"""Lists and mappings in each other; consolidated metadata of real images has some 15."""

_NODE_DOCUMENTS = (*ARRAY_DOCUMENTS, ".zgroup")


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A group or an array: its kind, format and documents by file name."""

    kind: str
    zarr_format: int
    documents: dict[str, Document]

    @property
    def attributes(self) -> Document:
        """User attributes."""
        if "zarr.json" in self.documents:
            return dict(self.documents["zarr.json"].get("attributes") or {})
        return dict(self.documents.get(".zattrs", {}))


def join(*parts: str) -> str:
    """Join parts of a key, of which any may be empty.

    >>> join("", "raw", "0")
    'raw/0'
    """
    return "/".join(part for part in parts if part)


def locate(
    store: str,
    field: str,
    *,
    follow_links: bool = False,
    options: Mapping[str, Any] | None = None,
) -> tuple[Store, str]:
    """Return the topmost group above a store as files, and the path of an image's group in it.

    Starting above the store where folders above it are groups too is what keeps their consolidated
    metadata in step. Of links that lead out of it, those are followed by which the store itself is
    reached, and a level 0 that the group says was linked here; with `follow_links`, all. `options`
    are for a store that is a URL.
    """
    if "\0" in store:
        raise StoreError(f"{store!r} holds a NUL, as no path does")
    if is_url(store):
        url = check_url(store, "the image", is_read=True)
        return _locate_remote(url, field, options or {})
    root = Path(store)
    inside = [field]
    while root != root.parent and any(
        (root.parent / name).is_file() for name in ("zarr.json", ".zgroup")
    ):
        inside.insert(0, root.name)
        root = root.parent
    trusted = ["/"] if follow_links else [os.path.realpath(store)]
    return LocalStore(root, trusted=trusted), join(*inside)


def _locate_remote(url: str, field: str, options: Mapping[str, Any]) -> tuple[Store, str]:
    store = open_url(url, options)
    while store.url.count("/") > 2:
        above, _, name = store.url.rpartition("/")
        parent = open_url(above, options)
        try:
            is_group = any(parent.size(key) is not None for key in ("zarr.json", ".zgroup"))
        except StoreError:
            break  # who may read the store need not be allowed to read what is around it
        if not is_group:
            break
        store, field = parent, join(name, field)
    return store, field


def read_node(store: Store, path: str) -> Node | None:
    """Return what stands at a path, or None where there is no metadata document.

    Raises
    ------
    MetadataError
        If a document is not a JSON object.
    """
    document = read_document(store, join(path, "zarr.json"))
    if document is not None:
        kind = document.get("node_type")
        if kind not in ("array", "group") or document.get("zarr_format") != 3:
            raise MetadataError(f"{store.name}/{path}/zarr.json: neither an array nor a group")
        if not isinstance(document.get("attributes"), dict | None):
            raise MetadataError(f"{store.name}/{path}/zarr.json: attributes are no JSON object")
        return Node(kind=kind, zarr_format=3, documents={"zarr.json": document})
    for name, kind in ((".zarray", "array"), (".zgroup", "group")):
        document = read_document(store, join(path, name))
        if document is not None:
            documents = {name: document}
            attributes = read_document(store, join(path, ".zattrs"))
            if attributes is not None:
                documents[".zattrs"] = attributes
            return Node(kind=kind, zarr_format=2, documents=documents)
    return None


def read_array(store: Store, path: str) -> ArrayMetadata | None:
    """Return the metadata of the array at a path, or None where nothing is.

    Raises
    ------
    StoreError
        If a group stands there.
    MetadataError
        If its documents are damaged or describe what is not served.
    """
    node = read_node(store, path)
    if node is None:
        return None
    where = f"{store.name}/{path}"
    if node.kind == "group":
        raise StoreError(f"{where} is a group, expected an array; move the array there")
    return parse_array(node.documents, where)


def open_group(store: Store, path: str) -> Node:
    """Return the group of an image.

    Raises
    ------
    StoreError
        If there is none; the message says what there is instead, and the way out.
    """
    where = f"{store.name}/{path}".rstrip("/")
    node = read_node(store, path)
    if node is not None and node.kind == "array":
        raise StoreError(f"{where} is itself an array, {_way_to_group(store, path, node)}")
    if node is not None:
        return node
    if isinstance(store, LocalStore):
        folder = store.root / path
        if store.root.exists() and not store.root.is_dir():
            raise StoreError(f"{store.root} is a file, expected the folder of a zarr store")
        if folder.exists() and not folder.is_dir():
            raise StoreError(f"{where} is a file, expected the folder of a zarr group")
        if not store.root.exists():
            beside = sorted(place.name for place in store.root.parent.glob("*.z*"))
            near = nearest(store.root.name, beside)
            raise StoreError(f"there is no store {store.root}; check the path given as store{near}")
    fields = list(find_images(store))
    known = ", ".join(repr(field) for field in fields) or "none (no group holds an array 0)"
    raise StoreError(
        f"there is no zarr group {where}; fields of {store.name}: {known}{nearest(path, fields)}"
    )


def _way_to_group(store: Store, path: str, array: Node) -> str:
    """Say how an array comes into a group that holds it as 0, or that it is in one already."""
    steps = path.split("/")
    for depth in range(len(steps)):
        above = join(*steps[:depth])
        group = read_node(store, above)
        level_0 = "0" if group is None else base_path(group.attributes) or "0"
        if "/".join(steps[depth:]) == level_0:
            field = f"{store.name}/{above}".rstrip("/")
            return f"level 0 of the image {field}; give the image's group as store and field"
    where = shlex.quote(f"{store.name}/{path}".rstrip("/"))
    make = f"import zarr; zarr.create_group('NEW.zarr', zarr_format={array.zarr_format})"
    return (
        "expected a group that holds it as 0; give it as source beside a store of your own, or "
        f'make a group: python -c "{make}" && mv {where} NEW.zarr/0'
    )


def find_images(store: Store, path: str = "", depth: int = 3) -> Iterator[str]:
    """Yield the paths of the groups that hold a level 0, down to a depth.

    That is the array which a group lists first, or ``0`` where it lists none.
    """
    try:
        node = read_node(store, path)
        level_0 = "0" if node is None else base_path(node.attributes) or "0"
        base = read_node(store, join(path, level_0)) if is_inside(level_0) else None
    except (MetadataError, StoreError):
        return
    if node is not None and node.kind == "array":
        return
    if node is not None and base is not None and base.kind == "array":
        yield path
    if depth and store.lists:
        for name in store.children(path)[:200]:
            yield from find_images(store, join(path, name), depth - 1)


def absent_groups(
    store: Store, path: str, zarr_format: int, *, below: str | None = None
) -> list[str]:
    """Return the paths down to a group's at which none is yet, outermost first.

    With `below`, only those inside that group, which is there, are looked at.

    Raises
    ------
    StoreError
        If an array, or a group of another format, stands on the way.
    """
    steps = path.split("/") if path else []
    known = 0 if below is None else len([part for part in below.split("/") if part]) + 1
    absent = []
    for depth in range(known, len(steps) + 1):
        above = join(*steps[:depth])
        node = read_node(store, above)
        if node is None:
            absent.append(above)
        elif node.kind != "group" or node.zarr_format != zarr_format:
            raise StoreError(
                f"{store.name}/{above} is a zarr v{node.zarr_format} {node.kind}, expected a "
                f"v{zarr_format} group; choose another store or field"
            )
    return absent


def make_groups(store: Store, path: str, zarr_format: int, *, below: str | None = None) -> None:
    """Make the groups that are not there yet on the way to a group, and the group itself.

    Raises
    ------
    StoreError
        If an array, or a group of another format, stands on the way; nothing is made then.
    """
    document: Document = {"zarr_format": zarr_format}
    name = ".zgroup"
    if zarr_format == 3:
        document, name = {"attributes": {}, **document, "node_type": "group"}, "zarr.json"
    for above in absent_groups(store, path, zarr_format, below=below):
        # One that another run has made meanwhile stays.
        store.replace(join(above, name), lambda found: None if found else _encoded(document))
    tell_ancestors(store, path)  # always: a run may have been killed before it did


def delete_empty_groups(store: Store, path: str, below: str) -> None:
    """Remove the groups between one and a path in it that hold nothing and say nothing."""
    while (path := path.rpartition("/")[0]) != below:
        node = read_node(store, path)
        if node is None or node.attributes or not set(store.keys(path)) <= {*_NODE_DOCUMENTS}:
            return
        with store.exclusive():
            for name in _NODE_DOCUMENTS:
                store.delete(join(path, name))
            _tell_ancestors(store, path)
        store.delete_tree(path)


def write_array(store: Store, path: str, metadata: ArrayMetadata) -> None:
    """Write an array's documents, the one that makes it exist last, and tell its ancestors."""
    with store.exclusive():
        for name, document in metadata.documents().items():
            put_document(store, join(path, name), document)
        _tell_ancestors(store, path)


def hide_array(store: Store, path: str) -> None:
    """Remove an array's documents, after which no reader finds it; its objects stay."""
    with store.exclusive():
        # First of all: where it stands, objects count as made.
        for name in (OPENING_DOCUMENT, *reversed(ARRAY_DOCUMENTS)):
            store.delete(join(path, name))
        _tell_ancestors(store, path)


def delete_array(store: Store, path: str) -> None:
    """Remove an array's documents, after which no reader finds it, and then its objects."""
    hide_array(store, path)
    store.delete_tree(path)


def change_group_attributes(
    store: Store, path: str, change: Callable[[Document], Document]
) -> bool:
    """Replace a group's attributes by what `change` returns of them; return whether they differ.

    Attributes that `change` keeps are written back as they were read.
    """
    with store.exclusive():
        is_v3 = open_group(store, path).zarr_format == 3
        key = join(path, "zarr.json" if is_v3 else ".zattrs")
        differs = False

        def changed(data: bytes | None) -> bytes | None:
            nonlocal differs
            document = {} if data is None else _decoded(store, key, data)
            before = (document.get("attributes") or {}) if is_v3 else document
            after = change(json.loads(json.dumps(before)))
            differs = _text(after) != _text(before)
            if not differs:
                return None
            if is_v3 and data is None:
                raise StoreError(f"{store.name}/{key} was removed while it was to be changed")
            return _encoded({**document, "attributes": after} if is_v3 else after)

        store.replace(key, changed)
        _tell_ancestors(store, path)
        return differs


def read_document(store: Store, key: str) -> Document | None:
    """Return a JSON object, or None where there is none.

    Raises
    ------
    MetadataError
        If it is something else than a JSON object.
    """
    data = store.get(key)
    return None if data is None else _decoded(store, key, data)


def _decoded(store: Store, key: str, data: bytes) -> Document:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        msg = f"{store.name}/{key} is no JSON ({error}); restore it from a copy"
        raise MetadataError(msg) from error
    if not isinstance(document, dict):
        raise MetadataError(f"{store.name}/{key} holds no JSON object; restore it from a copy")
    if not _is_shallow(document):
        msg = f"{store.name}/{key} is nested more than {_DEEPEST} times; restore it from a copy"
        raise MetadataError(msg)
    return document


def _encoded(document: Document) -> bytes:
    return json.dumps(document, indent=2).encode()


def _is_shallow(document: Document) -> bool:
    """Tell whether a document can be written, copied and compared without an end of the stack."""
    level: list[Any] = [document]
    for _ in range(_DEEPEST):
        level = [
            item
            for holder in level
            for item in (holder.values() if isinstance(holder, dict) else holder)
            if isinstance(item, dict | list)
        ]
    return not level


def put_document(store: Store, key: str, document: Document) -> None:
    """Write a JSON object, indented as zarr-python does."""
    store.put(key, _encoded(document))


def tell_ancestors(store: Store, path: str) -> None:
    """Bring the consolidated metadata of every ancestor group in step with the node at a path."""
    with store.exclusive():
        _tell_ancestors(store, path)


def _tell_ancestors(store: Store, path: str) -> None:
    steps = path.split("/") if path else []
    nodes = [read_node(store, join(*steps[:depth])) for depth in range(len(steps) + 1)]
    for depth in range(len(steps), -1, -1):
        ancestor, here = join(*steps[:depth]), nodes[depth]
        # The groups between may be younger than the ancestor's consolidated metadata.
        between = {join(*steps[depth:end]): nodes[end] for end in range(depth + 1, len(steps) + 1)}
        if here is not None and here.zarr_format == 3:
            if between and here.documents["zarr.json"].get("consolidated_metadata"):
                _change_document(store, join(ancestor, "zarr.json"), partial(_update_v3, between))
            continue
        own = {"": nodes[depth]} if depth == len(steps) else between
        _change_document(store, join(ancestor, ".zmetadata"), partial(_update_v2, own))


def _change_document(store: Store, key: str, change: Callable[[Document], None]) -> None:
    """Change a document in place, and write it if it is there and comes out different."""

    def changed(data: bytes | None) -> bytes | None:
        if data is None:
            return None
        document = _decoded(store, key, data)
        before = _text(document)
        try:
            change(document)
        except (KeyError, TypeError, AttributeError) as error:
            msg = f"{store.name}/{key} holds damaged consolidated metadata; consolidate it anew"
            raise MetadataError(msg) from error
        return None if _text(document) == before else _encoded(document)

    store.replace(key, changed)


def _text(document: Document) -> str:
    # Compared as text, because NaN is not equal to itself.
    return json.dumps(document, sort_keys=True)


def _update_v3(nodes: dict[str, Node | None], ancestor: Document) -> None:
    if not ancestor.get("consolidated_metadata"):
        return
    metadata = ancestor["consolidated_metadata"]["metadata"]
    for below, node in nodes.items():
        metadata.pop(below, None)
        if node is None:
            continue
        document = dict(node.documents["zarr.json"])
        document.pop("consolidated_metadata", None)
        if node.kind == "group":
            # zarr-python writes an empty record for each group inside, and expects it.
            inner = {"kind": "inline", "must_understand": False, "metadata": {}}
            document["consolidated_metadata"] = inner
        metadata[below] = document
    # zarr-python finds a node only where its group stands before it, in the order that it writes.
    ancestor["consolidated_metadata"]["metadata"] = {
        key: metadata[key] for key in sorted(metadata, key=_document_order)
    }


def _update_v2(nodes: dict[str, Node | None], ancestor: Document) -> None:
    metadata = ancestor["metadata"]
    for below, node in nodes.items():
        for name in _NODE_DOCUMENTS:
            metadata.pop(join(below, name), None)
        if node is not None:
            metadata.update({join(below, name): item for name, item in node.documents.items()})
    ancestor["metadata"] = {key: metadata[key] for key in sorted(metadata, key=_document_order)}


def _document_order(key: str) -> tuple[int, str]:
    return key.count("/"), key
