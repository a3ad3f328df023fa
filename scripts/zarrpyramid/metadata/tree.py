"""Changes of the tree of groups and arrays: nodes made, hidden, removed, attributes replaced.

Every change is told to the groups above, whose consolidated metadata may repeat it.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import StoreError

from .consolidated import tell_ancestors, update_ancestors
from .documents import change_document, encoded, put_document, same_text
from .formats import ARRAY_DOCUMENTS, FORMATS, NODE_DOCUMENTS
from .group import open_group
from .layout import with_layout_kept
from .nodes import Node, read_node
from .outer_list import with_outer_base, without_outer_base
from .paths import join

if TYPE_CHECKING:
    from collections.abc import Callable

    from zarrpyramid.stores import Store

    from .array import ArrayMetadata

    Document = dict[str, Any]

OPENING_DOCUMENT = "zarrpyramid-opening.json"
"""What stands in a level's folder while its parts are made, and says for whom."""


def write_array(
    store: Store, path: str, metadata: ArrayMetadata, *, look: Callable[[], object] = lambda: None
) -> None:
    """Write an array's documents, the one that makes it exist last, and tell its ancestors.

    `look` is called in between, to ask for documents side by side with those of the ancestors.
    """
    with store.exclusive():
        for name, document in metadata.documents().items():
            put_document(store, join(path, name), document)
        look()
        documents = metadata.documents()
        node = Node(kind="array", zarr_format=metadata.zarr_format, documents=documents)
        update_ancestors(store, path, node)


def hide_array(store: Store, path: str, *, stays_open: bool = False) -> None:
    """Remove an array's documents, after which no reader finds it; its objects stay.

    Parameters
    ----------
    stays_open
        Whether parts of it go on to be made.
    """
    with store.exclusive():
        # The opening document goes first: where it stands, objects count as made.
        opening = () if stays_open else (OPENING_DOCUMENT,)
        for name in (*opening, *reversed(ARRAY_DOCUMENTS)):
            store.delete(join(path, name))
        update_ancestors(store, path, None)


def delete_array(store: Store, path: str) -> None:
    """Remove an array's documents, after which no reader finds it, and then its objects."""
    hide_array(store, path)
    store.delete_tree(path)


def absent_groups(store: Store, path: str, zarr_format: int, below: str | None = None) -> list[str]:
    """Return the paths at which groups must still be made for a group to stand, outermost first.

    Only paths inside `below` are looked at, a group that is there; None starts at the store's top.

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
    """Make a group, and those above it that `absent_groups` finds absent; it raises before that."""
    spelling = FORMATS[zarr_format]
    data = encoded(spelling.new_group())
    for above in absent_groups(store, path, zarr_format, below):
        # One that another run has made meanwhile stays.
        key = join(above, spelling.group_document)
        store.replace(key, lambda found: None if found else data)
    tell_ancestors(store, path)  # always: a run may have been killed before it did


def delete_empty_groups(store: Store, path: str, below: str | None) -> None:
    """Remove the groups between one and a path in it that hold no node and no attributes.

    Where `below` is None, the group at the store's top is one of them.
    """
    while (path := path.rpartition("/")[0]) != below:
        node = read_node(store, path)
        if node is None or node.attributes or not set(store.keys(path)) <= {*NODE_DOCUMENTS}:
            return
        with store.exclusive():
            for name in NODE_DOCUMENTS:
                store.delete(join(path, name))
            update_ancestors(store, path, None)
        store.delete_tree(path)


def change_group_attributes(
    store: Store, path: str, change: Callable[[Document], Document]
) -> Node:
    """Replace a group's attributes by what `change` returns of them; return the group after that.

    Attributes that `change` keeps are written back as they were read.

    Raises
    ------
    StoreError
        If there is no group, or it is removed meanwhile.
    """
    with store.exclusive():
        node = open_group(store, path)
        spelling = node.format
        key = join(path, spelling.attributes_document)

        def changed(document: Document | None) -> Document | None:
            nonlocal node
            before = spelling.attributes(document or {})
            made = change(with_outer_base(copy.deepcopy(before)))
            after = without_outer_base(with_layout_kept(made))
            is_same = same_text(before, after)
            if document is None and spelling.attributes_document == spelling.group_document:
                if is_same:
                    return None
                raise StoreError(f"{store.name}/{key} was removed while it was to be changed")
            told = document if is_same else spelling.with_attributes(document or {}, after)
            if told is not None:  # others may have written it since the group was opened
                documents = {**node.documents, spelling.attributes_document: told}
                node = replace(node, documents=documents)
            return None if is_same else told

        change_document(store, key, changed)
        update_ancestors(store, path, node)
        return node
