"""Consolidated metadata: what groups repeat of the documents of all nodes below them.

A reader that finds it reads nothing else, so that every change of a node is told to the groups
above it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import MetadataError

from .documents import change_document, read_document
from .formats import FORMATS, NODE_DOCUMENTS, Format
from .nodes import Node, read_node
from .paths import join

if TYPE_CHECKING:
    from zarrpyramid.stores import Store

    Document = dict[str, Any]


def read_consolidated(store: Store, path: str, zarr_format: int) -> Document | None:
    """Return what a group's consolidated metadata says, by key; None where it has none."""
    spelling = FORMATS[zarr_format]
    document = read_document(store, join(path, spelling.consolidated_document))
    found = None if document is None else spelling.consolidated(document)
    return found if isinstance(found, dict) else None


def tell_ancestors(store: Store, path: str) -> None:
    """Bring the consolidated metadata of every group above a node, and its own, up to date."""
    with store.exclusive():
        update_ancestors(store, path, read_node(store, path))


def update_ancestors(store: Store, path: str, node: Node | None) -> None:
    """Do what `tell_ancestors` does, for callers that hold ``store.exclusive()`` already.

    `node` is what stands at the path now, None where nothing does.
    """
    steps = path.split("/") if path else []
    nodes = [*(read_node(store, join(*steps[:depth])) for depth in range(len(steps))), node]
    for depth in range(len(steps), -1, -1):
        here = nodes[depth]
        if depth == len(steps) and (here is None or here.kind == "array"):
            continue  # only groups repeat documents
        spelling = FORMATS[2] if here is None else here.format
        # The groups between may be younger than the ancestor's consolidated metadata.
        told = {join(*steps[depth:end]): nodes[end] for end in range(depth + 1, len(steps) + 1)}
        if spelling.lists_itself:
            told = told or {"": here}
        name = spelling.consolidated_document
        held = {} if here is None else here.documents.get(name, {})
        if told and spelling.is_consolidated(held):
            _update(store, join(*steps[:depth], name), spelling, told)


def _update(store: Store, key: str, spelling: Format, nodes: dict[str, Node | None]) -> None:
    """Change what a group's consolidated metadata says of some nodes, where it has any."""

    def changed(document: Document | None) -> Document | None:
        if document is None or not spelling.is_consolidated(document):
            return None
        metadata = spelling.consolidated(document)
        try:
            for below, node in nodes.items():
                for name in NODE_DOCUMENTS:
                    metadata.pop(spelling.consolidated_key(below, name), None)
                if node is not None:
                    metadata.update(spelling.consolidated_entries(below, node.documents))
            # zarr-python finds a node only where its group stands before it, in this order.
            ordered = sorted(metadata.items(), key=lambda item: (item[0].count("/"), item[0]))
            metadata.clear()
            metadata.update(ordered)
        except (KeyError, TypeError, AttributeError) as error:
            msg = f"{store.name}/{key} holds damaged consolidated metadata; consolidate it anew"
            raise MetadataError(msg) from error
        return document

    change_document(store, key, changed)
