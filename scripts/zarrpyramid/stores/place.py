"""The store at a path or a URL, and the path or the URL of a store in whatever form."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .archive_store import ArchiveStore, split_archive
from .local import LocalStore
from .urls import is_url

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from .store import Store


def open_store(
    place: str,
    options: Mapping[str, Any] | None = None,
    *,
    trusted: Collection[str] = (),
    durable: bool = True,
) -> Store:
    """Return the store at a path or at a URL of `check_url`, whether or not anything is there.

    A file whose name ends with ``.ozx`` or ``.zip`` is a store that is only read, and so is what is
    inside it.

    Parameters
    ----------
    options
        ``storage_options`` of a URL.
    trusted, durable
        As for `LocalStore`.
    """
    if found := split_archive(place):
        from .archive import Archive  # 10 ms

        path, inside = found
        folder, _, file = path.rpartition("/")
        # A link to the file itself is followed.
        around = open_store(folder or "/", options, trusted=[os.path.realpath(path)])
        return ArchiveStore(Archive(around, file), inside)
    if not is_url(place):
        return LocalStore(place, trusted=trusted, durable=durable)
    if place.startswith(("http://", "https://")):
        from .web import WebStore

        return WebStore(place, options or {})
    from .object_store import ObjectStore  # 5 ms, which a path saves

    return ObjectStore(place, options or {})


def as_path(store: object, *, is_read: bool = False) -> str | None:
    """Return the path or the URL of a store, or None for a store object that is no local folder."""
    if isinstance(store, str) and is_url(store):
        return store
    if isinstance(store, str | Path):
        return str(LocalStore(store).root)
    from .zarr_store import from_zarr  # 0.2 s, which a path or a URL does not need

    folder = from_zarr(store, is_read=is_read).folder("")
    return None if folder is None else str(folder)


def path_inside(store: object) -> str:
    """Return the path of a group in its store; "" for a store itself."""
    if isinstance(store, str | Path):
        return ""
    from .zarr_store import path_of

    return path_of(store)
