"""Where a store stands, a path or a URL, to the store that is there."""

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
    """Return the store at a path or a URL, whether or not anything is there.

    Parameters
    ----------
    place
        A path, or a URL as `check_url` returns it.
    options
        ``storage_options`` of a URL.
    trusted, durable
        Of a path: as for `LocalStore`.
    """
    if not is_url(place):
        return LocalStore(place, trusted=trusted, durable=durable)
    kind = WebStore if place.startswith(("http://", "https://")) else ObjectStore
    return kind(place, options or {})
