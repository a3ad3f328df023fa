"""A store below a URL of a web server, over http or https: read by key, never listed or written."""

from __future__ import annotations

import errno
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any, NoReturn

from zarrpyramid.errors import StoreError

from .object_store import ObjectStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


_AT_ONCE = 4
"""Requests for versions at once. Of 8, Python's http.server drops some, which cost 1 s each."""


class WebStore(ObjectStore):
    """The objects below a URL of a web server. It lists no keys and takes no objects."""

    is_read_only = True
    lists = False

    @property
    def address(self) -> str:
        """The URL itself: on the web its percent signs are as a browser sends them."""
        return self.url

    def _get(
        self, key: str, part: Any = None, *, most: int | None = None
    ) -> tuple[Any, dict[str, Any]]:
        # Python's http.server, for one, gives no parts: then one is cut out of the whole object.
        try:
            return super()._get(key, part, most=most)
        except StoreError as error:
            if part is None or error.errno != errno.ENOTSUP:
                raise
        data, version = super()._get(key)
        if data is None:
            return None, version
        start, stop = part if isinstance(part, tuple) else (-part["suffix"], None)
        return memoryview(data)[start:stop], version

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise StoreError(
            f"{self.url} is on a web server, which is only read; give it as source beside a store "
            "of your own"
        )

    put = replace = delete = delete_tree = _refuse

    def _refuse_to_list(self, prefix: str) -> NoReturn:
        where = f"{self.url}/{prefix}".rstrip("/")
        raise StoreError(f"{where} is on a web server, which lists no keys; copy it to see them")

    children = stats = _refuse_to_list

    def stats_of(self, prefix: str, keys: Iterable[str]) -> Iterator[tuple[str, int, int]]:
        pending = iter(keys)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            while batch := list(islice(pending, 64 * _AT_ONCE)):
                found = pool.map(self.version, [f"{prefix}/{key}".lstrip("/") for key in batch])
                for key, stat in zip(batch, found, strict=True):
                    if stat is not None:
                        yield key, *stat

    def _way_in(self, verb: str) -> str:
        return (
            "open it to everybody, and answer 404 for what is absent, or copy it and give the copy"
        )

    def _identity(self) -> str:
        return "everybody (over http no credentials are sent)"
