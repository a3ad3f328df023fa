"""JSON objects in a store: read, written and changed, whatever they say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import MetadataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from zarrpyramid.stores import Store

    Document = dict[str, Any]

_LARGEST = 1 << 25
"""Bytes of a document. The consolidated metadata of a plate with 20,000 arrays has as many."""

_MOST_VALUES = 1 << 21
"""Values of a document, some 150 bytes each once it is read."""

_DEEPEST = 100
"""Lists and mappings in each other; consolidated metadata of real images has some 15."""


def read_document(store: Store, key: str) -> Document | None:
    """Return a JSON object, or None where there is none.

    Raises
    ------
    MetadataError
        If something else than a JSON object stands there, or one that is too large.
    StoreError
        If there is no regular file, or one that is far too large.
    """
    data = store.get_small(key, _LARGEST)
    return None if data is None else _decoded(store, key, data)


def put_document(store: Store, key: str, document: Document) -> None:
    """Write a JSON object, indented as zarr-python does."""
    store.put(key, encoded(document))


def change_document(
    store: Store, key: str, change: Callable[[Document | None], Document | None]
) -> bool:
    """Replace a JSON object by what `change` returns of it; return whether that differs.

    `change` gets None where there is no object, and returns None to leave it as it is. It is called
    again when another process writes the object meanwhile.
    """
    differs = False

    def changed(data: bytes | None) -> bytes | None:
        nonlocal differs
        before = None if data is None else _decoded(store, key, data)
        text = _text(before)
        after = change(before)
        differs = after is not None and _text(after) != text
        return encoded(after) if after is not None and differs else None

    store.replace(key, changed)
    return differs


def encoded(document: Document) -> bytes:
    """Return the bytes of a JSON object."""
    return json.dumps(document, indent=2).encode()


def same_text(left: Document, right: Document) -> bool:
    """Tell whether two objects are written alike; unlike ``==``, NaN equals itself."""
    return _text(left) == _text(right)


def _text(document: Document | None) -> str:
    return json.dumps(document, sort_keys=True)


def _decoded(store: Store, key: str, data: bytes) -> Document:
    n_values = sum(map(data.count, (b",", b"[", b"{")))
    if n_values > _MOST_VALUES:
        raise MetadataError(
            f"{store.name}/{key} holds some {n_values} values, expected at most {_MOST_VALUES}; "
            f"remove what consolidated metadata it holds, or {store.restoring}"
        )
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        msg = f"{store.name}/{key} is no JSON ({error}); {store.restoring}"
        raise MetadataError(msg) from error
    if not isinstance(document, dict):
        raise MetadataError(f"{store.name}/{key} holds no JSON object; {store.restoring}")
    if not _is_shallow(document):
        msg = f"{store.name}/{key} is nested more than {_DEEPEST} times; {store.restoring}"
        raise MetadataError(msg)
    return document


def _is_shallow(document: Document) -> bool:
    """Tell whether a document can be written, copied and compared within Python's stack."""
    level: list[Any] = [document]
    for _ in range(_DEEPEST):
        if not level:
            break
        level = [
            item
            for holder in level
            for item in (holder.values() if isinstance(holder, dict) else holder)
            if isinstance(item, dict | list)
        ]
    return not level
