"""Folders and groups of stores over HTTP to this machine alone, for viewers that run in a browser.

tornado sends files and byte ranges of them; objects of a store are read as the store is, so that a
browser needs no credentials and asks no other host. The path of an address holds a token: without
it nothing is sent. Nothing outside of the folders and groups is sent either.
"""

from __future__ import annotations

import asyncio
import logging
import mimetypes
import re
import secrets
import socket
from typing import TYPE_CHECKING, Any

from tornado import web
from tornado.httpserver import HTTPServer

from zarrpyramid.errors import StoreError
from zarrpyramid.metadata import is_inside, join

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zarrpyramid.stores import Store

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"

# Without it a browser does not compile what it has fetched until all of it is there.
mimetypes.add_type("application/wasm", ".wasm")


class FolderServer:
    """Serves folders, and groups of remote stores and single files, on loopback until it is closed.

    Parameters
    ----------
    folders
        By name: the files in the first path of each are at `url(name)`. Symbolic links in it may
        lead into the other paths; no other link is followed.
    port
        0 takes a free one.
    groups
        By name: the store and the path of what is served of it.

    Raises
    ------
    StoreError
        If the port cannot be had.
    """

    def __init__(
        self,
        folders: Mapping[str, Sequence[Path]],
        port: int = 0,
        *,
        groups: Mapping[str, tuple[Store, str]] | None = None,
    ) -> None:
        self.token = secrets.token_urlsafe(16)
        self._socket = _bind(port)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.port: int = self._socket.getsockname()[1]
        files: list[Any] = [
            (
                f"/{name}/{self.token}/(.*)",
                _File,
                {"path": str(paths[0]), "allowed_symlink_directory": [*map(str, paths)]},
            )
            for name, paths in folders.items()
        ]
        files += [
            (f"/{name}/{self.token}/(.*)", _Object, {"store": store, "path": path})
            for name, (store, path) in (groups or {}).items()
        ]
        self._application = web.Application(
            [*files, (f"/events/{self.token}", _Events)],
            default_handler_class=_Nothing,
            log_function=_log,
        )

    def __enter__(self) -> FolderServer:
        """Return the server, whose port is taken already."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Free the port."""
        if self._loop is None:  # otherwise the end of `serve_forever` does
            self._socket.close()

    def url(self, name: str) -> str:
        """Return the address of a folder, with a slash at its end."""
        return f"http://{HOST}:{self.port}/{name}/{self.token}/"

    def serve_forever(self) -> None:
        """Answer requests until the user interrupts or another thread calls `shutdown`."""
        asyncio.run(self._serve())

    def shutdown(self) -> None:
        """End `serve_forever`, which runs in another thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._end.set)

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = HTTPServer(self._application)
        server.add_socket(self._socket)
        try:
            await self._end.wait()
        finally:
            server.stop()
            await server.close_all_connections()


class _Nothing(web.RequestHandler):
    """Answers everything with an empty 404, and lets pages from elsewhere ask."""

    def set_default_headers(self) -> None:
        self.set_header("Access-Control-Allow-Origin", "*")
        self.set_header(
            "Access-Control-Expose-Headers", "Accept-Ranges, Content-Length, Content-Range"
        )
        # Levels may be made again while somebody looks.
        self.set_header("Cache-Control", "no-cache")

    def prepare(self) -> None:
        if type(self) is _Nothing:
            raise web.HTTPError(404)

    def options(self, *path: str) -> None:
        self.set_status(204)
        self.set_header("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
        self.set_header("Access-Control-Allow-Headers", "Range")

    def write_error(self, status_code: int, **kwargs: object) -> None:
        # What lies outside of a folder is not there, like a file that is absent.
        self.set_status(status_code if status_code in (405, 502) else 404)
        self.finish()

    def log_exception(self, *exception: Any) -> None:
        logger.debug("%s was not answered", self.request.uri, exc_info=exception)


class _File(_Nothing, web.StaticFileHandler):
    """Sends a file of a folder, or a range of its bytes, without a word about its age."""

    def compute_etag(self) -> None:
        return None

    def get_modified_time(self) -> None:
        return None

    def get_cache_time(self, *arguments: object) -> int:
        return 0


class _Object(_Nothing):
    """Sends an object of a store, or a range of its bytes, and reads it in another thread."""

    def initialize(self, store: Store, path: str) -> None:
        self.store, self.root = store, path

    async def get(self, path: str) -> None:
        """Answer as `_File` does."""
        if not is_inside(path):
            raise web.HTTPError(404)
        key, asked = join(self.root, path), self.request.headers.get("Range", "")
        store, is_whole = self.store, self.request.method == "GET" and not asked
        try:
            data = await asyncio.to_thread(store.get, key) if is_whole else None
            size = None if is_whole else await asyncio.to_thread(store.size, key)
            if data is None and size is None:
                raise web.HTTPError(404)
            self.set_header("Content-Type", "application/octet-stream")
            part = None if size is None else asked_part(asked, size)
            start, stop = part or (0, size or 0)
            if part is not None:
                self.set_status(206 if start < stop else 416)
                span = f"{start}-{stop - 1}" if start < stop else "*"
                self.set_header("Content-Range", f"bytes {span}/{size}")
            if not is_whole and self.request.method == "GET" and start < stop:
                data = await asyncio.to_thread(store.get_range, key, start, stop - start)
        except StoreError as error:
            logger.warning("%s", error)
            raise web.HTTPError(502) from error
        if self.request.method == "HEAD":
            self.set_header("Content-Length", max(0, stop - start))
        self.finish(data)

    head = get


def asked_part(header: str, size: int) -> tuple[int, int] | None:
    """Return start and stop of what a Range header asks for of an object; None asks for all of it.

    A header that is not understood asks for all, as RFC 9110 has it.

    >>> asked_part("bytes=3-9", 200), asked_part("bytes=-16", 200), asked_part("bytes=0-1,5-6", 200)
    ((3, 10), (184, 200), None)
    """
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", header)
    if found is None or not (found[1] or found[2]):
        return None
    if found[1]:
        start, stop = int(found[1]), min(size, int(found[2]) + 1 if found[2] else size)
    else:
        start, stop = max(0, size - int(found[2])), size
    return None if (start, stop) == (0, size) else (start, max(start, stop))


class _Events(_Nothing):
    """Holds a stream of events open in which nothing happens: neuroglancer asks for one."""

    async def get(self) -> None:
        self._closed = asyncio.Event()
        self.set_header("Content-Type", "text/event-stream")
        await self.flush()
        await self._closed.wait()

    def on_connection_close(self) -> None:
        self._closed.set()


def _bind(port: int) -> socket.socket:
    """Return a socket that listens on this machine alone."""
    reason = "ports end at 65535"
    if port <= 65535:
        try:
            bound = socket.create_server((HOST, port))
        except OSError as error:
            reason = error.strerror or str(error)
        else:
            bound.setblocking(False)
            return bound
    raise StoreError(
        f"port {port} of {HOST} cannot be had ({reason}); give another one from 1024 to 65535 as "
        "--port, or leave it out, which takes a free one"
    )


def _log(handler: web.RequestHandler) -> None:
    """Log what was asked for, and how it was answered."""
    request = handler.request
    logger.debug("%s %s %d", request.method, request.uri, handler.get_status())
