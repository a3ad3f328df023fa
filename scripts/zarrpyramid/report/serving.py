"""Folders over HTTP to this machine alone, for viewers that run in a browser.

Byte ranges, `HEAD` and CORS, which is all that readers of zarr ask for. Whoever does not know the
token in the path gets nothing, and nobody gets what lies outside of the folders. Knows neither zarr
nor any viewer.
"""

from __future__ import annotations

import logging
import mimetypes
import os
import re
import secrets
import threading
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote, urlsplit

from zarrpyramid.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
# Without it a browser does not compile what it has fetched until all of it is there.
mimetypes.add_type("application/wasm", ".wasm")


@dataclass(frozen=True, kw_only=True, slots=True)
class Folder:
    """A folder that is served.

    Attributes
    ----------
    path
        Of the folder.
    also
        Folders outside of it that symbolic links in it may lead into; no other link is followed.
    """

    path: Path
    also: tuple[Path, ...] = ()

    def find(self, inside: str) -> Path | None:
        """Return the real path of a file in the folder, None for whatever is not one.

        Parameters
        ----------
        inside
            Path of the file from the folder, with slashes.
        """
        if ".." in inside.split("/") or "\0" in inside:
            return None
        found = Path(os.path.realpath(f"{self.path}/{inside}"))
        homes = [Path(os.path.realpath(home)) for home in (self.path, *self.also)]
        is_inside = any(map(found.is_relative_to, homes))
        # Unlike `is_file`, this takes names of any length.
        return found if is_inside and os.path.isfile(found) else None  # noqa: PTH113


class FolderServer(ThreadingHTTPServer):
    """Serves folders on loopback until it is closed.

    Parameters
    ----------
    folders
        By name: the files of one are at `url(name)`.
    port
        0 takes a free one.

    Raises
    ------
    StoreError
        If the port cannot be had.
    """

    daemon_threads = True

    def __init__(self, folders: Mapping[str, Folder], port: int = 0) -> None:
        self.token = secrets.token_urlsafe(16)
        self.folders = folders
        self.closing = threading.Event()
        try:
            super().__init__((HOST, port), _Request)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise StoreError(
                f"port {port} of {HOST} cannot be had ({reason}); give another one from 1024 to "
                "65535 as --port, or leave it out, which takes a free one"
            ) from error

    def url(self, name: str) -> str:
        """Return the address of a folder, with a slash at its end."""
        return f"http://{HOST}:{self.server_port}/{name}/{self.token}/"

    def server_close(self) -> None:
        """Close the port, and the streams that are still open."""
        self.closing.set()
        super().server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Log what kept a request from being answered: most often a viewer that has moved on."""
        logger.debug("a request from %s was not answered", client_address, exc_info=True)


class _Request(BaseHTTPRequestHandler):
    """Answers one request after the other of one connection."""

    server: FolderServer
    protocol_version = "HTTP/1.1"
    # Head and body are two packets, and the second would wait 40 ms for the first one's receipt.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Send a file, or a range of it."""
        if self._asks_for_events():
            self._stream_nothing()
            return
        path = self._path()
        try:
            file = None if path is None else path.open("rb")
        except OSError:
            file = None
        if path is None or file is None:
            self._send_head(HTTPStatus.NOT_FOUND, 0)
            return
        with file:
            self._send_file(file, path.name)

    do_HEAD = do_GET  # noqa: N815

    def do_OPTIONS(self) -> None:
        """Say what pages from elsewhere may ask for."""
        self._send_head(
            HTTPStatus.NO_CONTENT,
            0,
            {
                "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
                "Access-Control-Allow-Headers": "Range",
            },
        )

    def _path(self) -> Path | None:
        """Return the file that is asked for, if it is there and may be served."""
        name, token, inside = ([*urlsplit(self.path).path[1:].split("/", 2), "", ""])[:3]
        folder = self.server.folders.get(name)
        if folder is None or not secrets.compare_digest(token.encode(), self.server.token.encode()):
            return None
        return folder.find(unquote(inside))

    def _send_file(self, file: BinaryIO, name: str) -> None:
        size = os.fstat(file.fileno()).st_size
        wanted = _byte_range(self.headers.get("Range"), size)
        kind = {"Content-Type": mimetypes.guess_type(name)[0] or "application/octet-stream"}
        if wanted is None:
            self._send_head(HTTPStatus.OK, size, kind)
            wanted = range(size)
        elif not wanted:
            self._send_head(
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, 0, {"Content-Range": f"bytes */{size}"}
            )
        else:
            of_file = f"bytes {wanted.start}-{wanted.stop - 1}/{size}"
            self._send_head(
                HTTPStatus.PARTIAL_CONTENT, len(wanted), {**kind, "Content-Range": of_file}
            )
        if wanted and self.command == "GET":
            with suppress(ConnectionError):  # the viewer has moved on
                self.connection.sendfile(file, wanted.start, len(wanted))

    def _send_head(
        self, status: HTTPStatus, length: int, more: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header(
            "Access-Control-Expose-Headers", "Accept-Ranges, Content-Length, Content-Range"
        )
        self.send_header("Accept-Ranges", "bytes")
        # Levels may be made again while somebody looks.
        self.send_header("Cache-Control", "no-cache")
        for name, value in {"Content-Length": str(length), **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()

    def _asks_for_events(self) -> bool:
        return urlsplit(self.path).path == f"/events/{self.server.token}"

    def _stream_nothing(self) -> None:
        """Hold a stream of events open in which nothing ever happens."""
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-cache")
        self.end_headers()
        self.close_connection = True
        self.server.closing.wait()

    def log_message(self, format: str, *arguments: object) -> None:
        """Log what is asked for, and how it was answered, to whoever listens."""
        logger.debug(format, *arguments)


def _byte_range(header: str | None, size: int) -> range | None:
    """Return the bytes that a `Range` header asks for, None where all of a file is to be sent.

    An empty range says that none of them is there. Several ranges at once are not served, and the
    whole is sent instead, as RFC 9110 allows.

    >>> _byte_range("bytes=2-5", 10), _byte_range("bytes=7-", 10), _byte_range("bytes=-4", 10)
    (range(2, 6), range(7, 10), range(6, 10))
    """
    found = _RANGE.fullmatch(header or "")
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        return range(max(0, size - int(last)), size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(size, int(last) + 1) if last else size)
