"""A bucket in memory that speaks as much of S3 as the contenders ask for, after a stated delay.

    uv run python tests/benchmarks/object_server.py FOLDER --delay 0.03

Prints its port as its first line. It signs and checks nothing and costs little: what is measured is
those who ask. `tests/servers.py` has the server for everything else. With `--log FILE` it writes a
line for each request: seconds at which it came and was answered, status, bytes, method and key.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import time
from collections import Counter
from pathlib import Path
from typing import IO
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_STATUS = {200: "OK", 204: "No Content", 206: "Partial Content", 404: "Not Found", 412: "Failed"}


class Bucket:
    """Objects by key with their ETags, and how often each kind of request was made of them."""

    def __init__(self, folder: Path) -> None:
        self.objects: dict[str, tuple[bytes, str]] = {}
        self.requests: Counter[str] = Counter()
        for path in folder.rglob("*"):
            if path.is_file():
                self.put(path.relative_to(folder).as_posix(), path.read_bytes())

    def put(self, key: str, data: bytes) -> str:
        """Keep an object and return its ETag."""
        self.objects[key] = data, f'"{hashlib.blake2b(data, digest_size=16).hexdigest()}"'
        return self.objects[key][1]

    def answer(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of an answer."""
        parts = urlsplit(target)
        query = parse_qs(parts.query, keep_blank_values=True)
        key = unquote(parts.path).lstrip("/").partition("/")[2]
        self.requests["LIST" if "list-type" in query else method] += 1
        if "list-type" in query:
            return 200, {"Content-Type": "application/xml"}, self._list(query)
        if method == "POST":
            names = [part.partition("</Key>")[0] for part in body.decode().split("<Key>")[1:]]
            for name in names:
                self.objects.pop(name, None)
            gone = "".join(f"<Deleted><Key>{name}</Key></Deleted>" for name in names)
            xml = f"<DeleteResult>{gone}</DeleteResult>".encode()
            return 200, {"Content-Type": "application/xml"}, xml
        if method == "PUT":
            found = self.objects.get(key)
            wanted = headers.get("if-match")
            if ("if-none-match" in headers and found) or (
                wanted and (found is None or found[1] != wanted)
            ):
                return 412, {}, b""
            return 200, {"ETag": self.put(key, body)}, b""
        if method == "DELETE":
            self.objects.pop(key, None)
            return 204, {}, b""
        return self._get(key, headers.get("range"))

    def _get(self, key: str, part: str | None) -> tuple[int, dict[str, str], bytes]:
        if key not in self.objects:
            return 404, {}, b"<Error><Code>NoSuchKey</Code></Error>"
        data, e_tag = self.objects[key]
        about = {"ETag": e_tag, "Last-Modified": "Tue, 24 Nov 2026 00:00:00 GMT"}
        if part is None:
            return 200, about, data
        first, _, last = part.removeprefix("bytes=").partition("-")
        start = int(first) if first else max(0, len(data) - int(last))
        stop = min(len(data), int(last) + 1) if first and last else len(data)
        about["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
        return 206, about, data[start:stop]

    def _list(self, query: dict[str, list[str]]) -> bytes:
        prefix = query.get("prefix", [""])[0]
        after = query.get("continuation-token", [""])[0]
        delimiter = query.get("delimiter", [""])[0]
        found = sorted(key for key in self.objects if key.startswith(prefix) and key > after)
        folders = set()
        if delimiter:
            ends = {key: key.find(delimiter, len(prefix)) for key in found}
            folders = {key[: end + 1] for key, end in ends.items() if end >= 0}
            found = [key for key in found if ends[key] < 0]
        page, more = found[:1000], len(found) > 1000
        token = ""
        if more:
            token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>"
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-11-24T00:00:00.000Z"
            f"</LastModified><ETag>{escape(self.objects[key][1])}</ETag>"
            f"<Size>{len(self.objects[key][0])}</Size></Contents>"
            for key in page
        )
        common = "".join(
            f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>"
            for folder in sorted(folders)
        )
        truncated = str(more).lower()
        return (
            f"<ListBucketResult><IsTruncated>{truncated}</IsTruncated>{token}{contents}{common}"
            "</ListBucketResult>"
        ).encode()


class _Connection(asyncio.Protocol):
    def __init__(self, bucket: Bucket, delay: float, log: IO[str] | None) -> None:
        self.bucket, self.delay, self.log = bucket, delay, log
        self.held = bytearray()
        self.wanted = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.held += data
        while len(self.held) >= self.wanted:
            end = self.held.find(b"\r\n\r\n")
            if end < 0:
                return
            first, *lines = self.held[:end].decode("latin-1").split("\r\n")
            pairs = (line.split(":", 1) for line in lines)
            headers = {name.strip().lower(): value.strip() for name, value in pairs}
            length = int(headers.get("content-length", 0))
            self.wanted = end + 4 + length
            if len(self.held) < self.wanted:
                return
            body = bytes(memoryview(self.held)[end + 4 : self.wanted])
            del self.held[: self.wanted]
            self.wanted = 0
            method, target, _ = first.split(" ", 2)
            loop = asyncio.get_running_loop()
            asked = time.monotonic()
            loop.call_later(self.delay, self._reply, asked, method, target, headers, body)

    def _reply(
        self, asked: float, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> None:
        status, about, data = self.bucket.answer(method, target, headers, body)
        if self.log is not None:
            times = f"{asked:.4f} {time.monotonic():.4f}"
            print(times, status, max(len(body), len(data)), method, target, file=self.log)
        head = [f"HTTP/1.1 {status} {_STATUS[status]}"]
        head += [f"{name}: {value}" for name, value in about.items()]
        head += [f"Content-Length: {len(data)}"] if status != 204 else []
        self.transport.write("\r\n".join([*head, "", ""]).encode())
        if method != "HEAD" and data:
            self.transport.write(data)


async def _serve(bucket: Bucket, delay: float, log: IO[str] | None) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(bucket, delay, log), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve what a folder holds until killed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--log", type=Path, help="file to write each request to")
    given = parser.parse_args()
    log = None if given.log is None else given.log.open("w", buffering=1)
    asyncio.run(_serve(Bucket(given.folder), given.delay, log))


if __name__ == "__main__":
    main()
