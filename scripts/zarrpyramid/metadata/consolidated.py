"""Consolidated metadata: what groups repeat of the documents of all nodes below them.

A reader that finds it reads nothing else, so that every change of a node is told to the groups
above it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import MetadataError

from .documents import change_document
from .formats import FORMATS, NODE_DOCUMENTS, Format
from .nodes import Node, read_allowed, read_node
from .paths import groups_above, join

if TYPE_CHECKING:
    from zarrpyramid.stores import Store

    Document = dict[str, Any]

_NEEDED_V2 = {"zarr_format", "shape", "chunks", "dtype", "fill_value", "order"}
_NEEDED_V3 = {"shape", "data_type", "chunk_grid", "chunk_key_encoding", "codecs", "fill_value"}
"""What the documents of arrays have to say."""


def read_consolidated(store: Store, path: str, zarr_format: int) -> Document | None:
    """Return what a group's consolidated metadata says, by key; None where it has none.

    Raises
    ------
    MetadataError
        If readers that believe it cannot read it.
    """
    spelling = FORMATS[zarr_format]
    key = join(path, spelling.consolidated_document)
    document, _ = read_allowed(store, key)
    if document is None or not spelling.is_consolidated(document):
        return None
    found = spelling.consolidated(document)
    is_whole = {2: _is_whole_v2, 3: _is_whole_v3}[zarr_format]
    if not isinstance(found, dict) or not is_whole(found):
        raise MetadataError(_damaged(store, key))
    return found


def _is_whole_v3(found: Document) -> bool:
    """Tell whether each node that a group of v3 repeats is a group or has what an array needs."""
    return all(
        isinstance(document, dict)
        and document.get("node_type") in ("group", "array")
        and (document["node_type"] == "group" or document.keys() >= _NEEDED_V3)
        for document in found.values()
    )


def _is_whole_v2(found: Document) -> bool:
    """Tell whether each node that a group of v2 repeats has what makes it a group or an array."""
    known: dict[str, list[str]] = {}
    for key, document in found.items():
        path, name = key.rpartition("/")[::2]
        if name not in NODE_DOCUMENTS or not isinstance(document, dict):
            return False
        if name == ".zarray" and not document.keys() >= _NEEDED_V2:
            return False
        known.setdefault(path, []).append(name)
    known.pop("", None)  # of the group itself its own documents tell
    return all(len({".zarray", ".zgroup"} & {*names}) == 1 for names in known.values())


def _damaged(store: Store, key: str) -> str:
    return f"{store.name}/{key} holds damaged consolidated metadata; consolidate it anew"


def tell_ancestors(store: Store, path: str) -> None:
    """Bring the consolidated metadata of every group above a node, and its own, up to date."""
    with store.exclusive():
        update_ancestors(store, path, read_node(store, path))


def update_ancestors(store: Store, path: str, node: Node | None) -> None:
    """Do what `tell_ancestors` does, for callers that hold ``store.exclusive()`` already.

    `node` is what stands at the path now, None where nothing does.
    """
    steps = path.split("/") if path else []
    above = groups_above(path)
    # Others may have changed those groups, and told, since they were asked for.
    with store.remembered((join(group, "zarr.json") for group in above), anew=True):
        nodes = [*(read_node(store, group) for group in above), node]
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
            raise MetadataError(_damaged(store, key)) from error
        return document

    change_document(store, key, changed)
