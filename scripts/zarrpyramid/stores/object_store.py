"""A store below a URL of an object store: S3, Google's or Azure's.

This module alone imports obstore, once a store is a URL. There are no locks: an object is put
whole, and one that several runs change is replaced only where it is still what was read.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import time
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from zarrpyramid.errors import ConfigError, StoreError

from .store import Store
from .urls import SCHEMES, SECRET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Answer = TypeVar("Answer")

_CLIENT = ("allow_http", "allow_invalid_certificates", "connect_timeout", "proxy_url", "timeout")
_AT_ONCE = 64
"""Requests under way at once, each on a thread of its own.

A request takes some 30 ms, however little it asks for: one after the other, chunks of 250 KB come
at 8 MB/s. Of 32 threads too many were reducing what they had, of 64 enough are left that wait.
"""

_CUTS = 5
"""Answers in a row that break off; of all failures obstore does not ask again for this one."""

_CHANGES = 20
"""Changes of a document by others in a row after which this one is given up."""


class ObjectStore(Store):
    """The objects below a URL.

    Instances are small and can be pickled: a worker makes a client of its own, with the credentials
    of its own environment.

    Parameters
    ----------
    url
        As `check_url` returns it.
    options
        As ``storage_options`` of the configuration.
    """

    is_remote = True
    at_once = _AT_ONCE

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self.url = url
        self.options = dict(options)

    def __reduce__(self) -> tuple[type[ObjectStore], tuple[str, Mapping[str, Any]]]:
        return type(self), (self.url, self.options)

    @property
    def name(self) -> str:
        """The URL."""
        return self.url

    @property
    def address(self) -> str:
        """The URL as obstore takes it, which would make ``a b`` of a key ``a%20b``."""
        return quote(self.url, safe=":/")

    @cached_property
    def client(self) -> Any:
        """The store as obstore has it.

        Its threads are one runtime a process, which no fork takes along: `can_fork` knows.
        """
        try:
            from obstore.exceptions import BaseError
            from obstore.store import from_url
        except ModuleNotFoundError as error:
            msg = f"{self.url} needs the package obstore; pip install 'zarrpyramid[remote]'"
            raise ConfigError(msg) from error
        config = dict(self.options)
        retries: Any = {
            "max_retries": int(config.pop("max_retries", 10)),
            "retry_timeout": timedelta(seconds=float(config.pop("retry_timeout", 120))),
        }
        client: dict[str, Any] = {key: config.pop(key) for key in _CLIENT if key in config}
        client.setdefault("timeout", "300s")  # of a request: a shard may be large
        endpoint = self.url if self.url.startswith("http") else config.get("endpoint")
        named = (endpoint, *map(os.environ.get, ("AWS_ENDPOINT_URL", "AWS_ENDPOINT")))
        if str(next(filter(None, named), "")).startswith("http://"):
            client.setdefault("allow_http", True)
        make: Any = (
            from_url  # its overloads, a signature a scheme, are not for options read from a file
        )
        try:
            return make(
                self.address,
                config={key: _spelled(value) for key, value in config.items()},
                client_options={key: _spelled(value) for key, value in client.items()},
                retry_config=retries,
            )
        except (BaseError, ValueError, TypeError) as error:
            msg = f"{self.url} cannot be opened with storage_options {self.options}: {_line(error)}"
            raise ConfigError(msg) from error

    def get(self, key: str) -> bytes | None:
        """Return an object, or None where there is none."""
        data = self._get(key)[0]
        return None if data is None else bytes(data)

    def get_range(self, key: str, start: int, length: int) -> bytes | None:
        """Return part of an object; a negative start counts from its end."""
        if start < 0:
            if self.url.startswith("az://"):  # Azure knows no range from the end
                size = self.size(key)
                return None if size is None else self.get_range(key, max(0, size + start), length)
            data = self._get(key, {"suffix": -start})[0]
            return None if data is None else bytes(data)[:length]
        data = self._get(key, (start, start + length))[0]
        return None if data is None else bytes(data)

    def get_into(
        self, key: str, buffer: memoryview, start: int = 0, length: int | None = None
    ) -> bytes | memoryview | None:
        """Return an object or part of it; what comes from the network has memory of its own."""
        part = None if length is None else (start, start + length)
        data = self._get(key, part)[0]
        return None if data is None else memoryview(data)

    def version(self, key: str) -> tuple[int, int] | None:
        """Return bytes and version of an object as `stats` does, or None where there is none."""
        try:
            with self._telling("read", key):
                return _seen(self.client.head(key))
        except FileNotFoundError:
            return None

    def put(self, key: str, data: bytes | memoryview) -> None:
        """Write an object whole, in one request: servers show all of it or nothing."""
        with self._telling("write", key):
            self.client.put(key, data, use_multipart=False)

    def replace(self, key: str, change: Callable[[bytes | None], bytes | None]) -> None:
        """Replace an object by what `change` makes of it; None leaves it.

        Where another process has changed it since it was read, `change` is asked again.

        Raises
        ------
        StoreError
            If others change it again and again.
        """
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        for _ in range(_CHANGES):
            held, version = self._get(key)
            found = None if held is None else bytes(held)
            data = change(found)
            if data is None or data == found:
                return
            mode: Any = "create" if found is None else version
            try:
                with self._telling("write", key):
                    self.client.put(key, data, mode=mode, use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                continue  # also a request that was heard twice; what is there then is read
            return
        raise StoreError(
            f"{self.url}/{key} was changed by others {_CHANGES} times while it was to be changed; "
            "let one run have the image to itself"
        )

    def create(self, key: str, data: bytes, *, over: bytes | None = None) -> bool | None:
        """Write an object where there is none; None where the server refuses it."""
        is_mine = False

        def change(found: bytes | None) -> bytes | None:
            nonlocal is_mine
            # It is ours already where a request was heard twice.
            is_mine = found is None or found in (data, over)
            return data if is_mine else None

        try:
            self.replace(key, change)
        except StoreError as error:
            if error.errno == errno.EACCES:
                return None
            raise
        return is_mine

    def delete(self, key: str) -> None:
        """Remove an object if it is there."""
        with contextlib.suppress(FileNotFoundError), self._telling("remove", key):
            self.client.delete(key)

    def delete_tree(self, prefix: str) -> None:
        """Remove every object below a prefix, a thousand in a request where the server can."""
        for page in self._pages(prefix):
            with contextlib.suppress(FileNotFoundError), self._telling("remove", prefix):
                self.client.delete([found["path"] for found in page])

    def children(self, prefix: str) -> list[str]:
        """Return the names directly below a prefix that have objects below them."""
        with self._telling("list", prefix):
            found = self._patiently(lambda: self.client.list_with_delimiter(prefix or None))
        names = found["common_prefixes"]
        return sorted(path.rstrip("/").rpartition("/")[2] for path in names)

    def stats(self, prefix: str) -> Iterator[tuple[str, int, int]]:
        """Yield (relative key, bytes, number of its version), a thousand of them a request."""
        below = f"{prefix}/" if prefix else ""
        for page in self._pages(prefix):
            for found in page:
                yield found["path"].removeprefix(below), *_seen(found)

    def above(self) -> tuple[ObjectStore, str] | None:
        """Return the store one step up; None for a bucket, which has none."""
        if self.url.count("/") == 2:
            return None
        above, _, name = self.url.rpartition("/")
        return type(self)(above, self.options), name

    def _get(self, key: str, part: Any = None) -> tuple[Any, dict[str, Any]]:
        """Return an object or part of it, None where none is, and what says which one it was."""
        options = {} if part is None else {"range": part}

        def ask() -> tuple[Any, dict[str, Any]]:
            found = self.client.get(key, options=options)
            # Google compares versions, which it calls generations, the others ETags.
            version = {name: found.meta[name] for name in ("e_tag", "version")}
            return found.bytes(), {name: tag for name, tag in version.items() if tag is not None}

        try:
            with self._telling("read", key):
                return self._patiently(ask)
        except FileNotFoundError:
            return None, {}

    def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        """Return an answer, asked for again where it breaks off."""
        from obstore.exceptions import GenericError

        for attempt in range(_CUTS):
            try:
                return ask()
            except GenericError as error:
                if "response body" not in str(error):
                    raise
                time.sleep(0.1 * 2**attempt)
        return ask()

    def _pages(self, prefix: str) -> Iterator[list[Any]]:
        stream: Any = None
        last: str | None = None

        def ask() -> list[Any] | None:
            nonlocal stream
            stream, running = None, stream  # one that breaks off has no next page
            if running is None:
                running = iter(self.client.list(prefix or None, offset=last, chunk_size=1000))
            page = next(running, None)
            stream = running
            return None if page is None else list(page)

        while True:
            with self._telling("list", prefix):
                page = self._patiently(ask)
            if not page:
                return
            last = page[-1]["path"]
            yield page

    @contextlib.contextmanager
    def _telling(self, verb: str, key: str) -> Iterator[None]:
        """Raise what obstore says of a request as an error of ours.

        A FileNotFoundError is let through where it is the object that is absent, and those of
        conditions always.
        """
        _ = self.client  # whose module is there then
        from obstore import exceptions

        try:
            yield
        except FileNotFoundError as error:
            if re.search(r"NoSuchBucket|ContainerNotFound|bucket does not exist", str(error)):
                bucket = self.url.split("/")[2]
                raise StoreError(
                    f"cannot {verb} {self.url}/{key}: there is no bucket {bucket}; check the URL, "
                    "and the endpoint in storage_options"
                ) from error
            if verb in ("read", "remove"):
                raise
            raise self._failed(verb, key, error) from error
        except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
            raise
        except (exceptions.BaseError, OSError, ValueError) as error:
            refused = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)
            # Where keys are listed or removed, obstore has no error of its own for it.
            if isinstance(error, refused) or re.search(r"status code: 40[13]\b", str(error)):
                msg = f"cannot {verb} {self.url}/{key}: the server refuses it to {self._identity()}"
                denied = StoreError(f"{msg}; give that the right to, or use other credentials")
                denied.errno = errno.EACCES
                raise denied from error
            failed = self._failed(verb, key, error)
            if isinstance(error, exceptions.NotSupportedError):
                failed.errno = errno.ENOTSUP
            raise failed from error

    def _failed(self, verb: str, key: str, error: Exception) -> StoreError:
        return StoreError(
            f"cannot {verb} {self.url}/{key} ({self.client!r}): {_line(error)}; see whether the "
            "server is there, and run again"
        )

    def _identity(self) -> str:
        """Tell as whom the server is asked, without any secret."""
        if str(self.options.get("skip_signature", "")).lower() == "true":
            return "nobody (storage_options.skip_signature)"
        prefix = SCHEMES[self.url.partition("://")[0]]
        secrets = sorted(
            name for name in os.environ if name.startswith(prefix) and SECRET.search(name)
        )
        if secrets:
            return f"the credentials of the environment ({', '.join(secrets)})"
        return f"the credentials of this machine (no {prefix}_... in the environment holds any)"


def _seen(found: Any) -> tuple[int, int]:
    """Return bytes and version of an object: 56 bits made of its ETag and of its time.

    An ETag may be made of the bytes alone: as it was before, where they are back.
    """
    # Lists give fractions of a second, headers none.
    tag = f"{found['e_tag']} {found['last_modified']:%Y-%m-%dT%H:%M:%S}".encode()
    return int(found["size"]), int.from_bytes(hashlib.blake2b(tag, digest_size=7).digest())


def _spelled(value: Any) -> Any:
    """Return an option as obstore reads it: text, or true and false."""
    return value if isinstance(value, bool | str) else str(value)


def _line(error: object) -> str:
    """Return an error in one line, without the document that servers add."""
    text = " ".join(str(error).partition("Debug source:")[0].split())
    return text if len(text) < 400 else f"{text[:400]}..."
