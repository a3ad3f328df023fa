"""The store at a path or a URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .local import LocalStore
from .object_store import ObjectStore
from .urls import is_url
from .web import WebStore

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

    Parameters
    ----------
    options
        ``storage_options`` of a URL.
    trusted, durable
        As for `LocalStore`.
    """
    if not is_url(place):
        return LocalStore(place, trusted=trusted, durable=durable)
    kind = WebStore if place.startswith(("http://", "https://")) else ObjectStore
    return kind(place, options or {})
