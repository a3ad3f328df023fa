"""A store below a URL of an object store: S3, Google's or Azure's.

There are no locks. An object is written whole, and an object that several runs change is replaced
only while it is still what this run has read.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from zarrpyramid.errors import StoreError

from .answers import Answers, Folder
from .object_client import open_client
from .object_errors import identity, told, way_in
from .store import Found, Store, Wanted
from .urls import web_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

Answer = TypeVar("Answer")

_AT_ONCE = 64
"""Requests at once, each from a thread of its own.

A request takes about 30 ms, however little it asks for: one after the other, chunks of 250 KB come
at 8 MB/s.
"""

_CUTS = 5
"""How often an answer that breaks off is asked for again: obstore repeats all other failures."""

_LARGEST = 1 << 25
"""Bytes of a document that is asked for before it is wanted."""

_CHANGES = 20
"""How often a change of an object is tried while others change it."""


class ObjectStore(Store):
    """The objects below a URL.

    A pickle holds no client: a worker opens its own, with the credentials of its own environment.

    Parameters
    ----------
    url
        As `check_url` returns it.
    options
        As ``storage_options`` of the configuration.
    """

    is_remote = True
    at_once = _AT_ONCE
    ahead = 8  # the chunks that make one in three dimensions

    def __init__(
        self, url: str, options: Mapping[str, Any], answers: Answers | None = None
    ) -> None:
        self.url = url
        self.options = dict(options)
        self.web_address = web_address(url, self.options)
        self._answers = answers or Answers()

    def __reduce__(self) -> tuple[type[ObjectStore], tuple[str, Mapping[str, Any]]]:
        return type(self), (self.url, self.options)

    @property
    def name(self) -> str:
        return self.url

    @property
    def address(self) -> str:
        """The URL for obstore, which decodes percent signs: ``a%20b`` would be read as ``a b``."""
        return quote(self.url, safe=":/")

    @cached_property
    def client(self) -> Any:
        """The store as obstore opens it."""
        return open_client(self.url, self.address, self.options)

    @contextlib.contextmanager
    def remembered(
        self,
        objects: Iterable[str] = (),
        *,
        folders: Iterable[str] = (),
        trees: Iterable[str] = (),
        anew: bool = False,
    ) -> Iterator[None]:
        ahead: list[tuple[Any, Callable[[], Any]]] = [
            *((self._object(key), partial(self._get, key, most=_LARGEST)) for key in objects),
            *((self._folder(path), partial(self._listed, path)) for path in folders),
            *((self._tree(path), partial(self._all_stats, path)) for path in trees),
        ]
        with self._answers.kept(ahead, anew=anew):
            yield

    def get(self, key: str) -> bytes | None:
        return self._whole(key)[0]

    def get_small(self, key: str, most: int) -> bytes | None:
        return self._whole(key, most)[0]

    def get_range(self, key: str, start: int, length: int) -> bytes | None:
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
        part = None if length is None else (start, start + length)
        data = self._get(key, part)[0]
        return None if data is None else memoryview(data)

    def each(self, ask: Callable[[Wanted], Found], of: Iterable[Wanted]) -> Iterator[Found]:
        asked = (self._pool.submit(ask, one) for one in of)
        running = deque(itertools.islice(asked, self.ahead))
        try:
            while running:
                yield running.popleft().result()
                running.extend(itertools.islice(asked, 1))
        finally:
            for each in running:
                each.cancel()

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.at_once)

    def version(self, key: str) -> tuple[int, int] | None:
        above, _, name = self._address(key).rpartition("/")
        if listed := self._answers.known(("folder", above)):
            found: tuple[int, int] | None = listed.objects.get(name)
            return found
        if self._answers.is_absent(self._address(key)):
            return None
        if known := self._answers.known(self._object(key)):
            return None if known[0] is None else _seen(known[1])
        try:
            with self._telling("read", key):
                return _seen(self.client.head(key))
        except FileNotFoundError:
            return None

    def put(self, key: str, data: bytes | memoryview) -> None:
        with self._writing(key), self._telling("write", key):
            self.client.put(key, data, use_multipart=False)

    def replace(self, key: str, change: Callable[[bytes | None], bytes | None]) -> None:
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        question, address = self._object(key), self._address(key)
        is_kept = self._answers.known(question) is not None or self._answers.is_absent(address)
        is_old = is_kept and not self._answers.is_new(question)
        anew = False
        for _ in range(_CHANGES):
            found, meta = self._whole(key, anew=anew)
            data = change(found)
            if data is None or data == found:
                if anew or not is_old:
                    return
                anew = True  # what others have written since may be to be changed
                continue
            # Conditions compare the version at Google, the ETag at the others.
            tags = {name: meta.get(name) for name in ("e_tag", "version")}
            version = {name: tag for name, tag in tags.items() if tag is not None}
            mode: Any = "create" if found is None else version
            try:
                with self._writing(key), self._telling("write", key):
                    self.client.put(key, data, mode=mode, use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                anew = True  # or the server has heard this request twice: the next read tells
                continue
            return
        raise StoreError(
            f"{self.url}/{key} was changed by others {_CHANGES} times while it was to be changed; "
            "let one run have the image to itself"
        )

    def create(self, key: str, data: bytes, *, over: bytes | None = None) -> bool | None:
        if over is not None:
            return self._create_over(key, data, over)
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        try:
            with self._writing(key), self._telling("write", key):
                self.client.put(key, data, mode="create", use_multipart=False)
        except (AlreadyExistsError, PreconditionError):
            return self.get(key) == data  # it is ours where the server has heard the request twice
        except StoreError as error:
            if error.errno == errno.EACCES:
                return None
            raise
        return True

    def _create_over(self, key: str, data: bytes, over: bytes) -> bool | None:
        is_mine = False

        def change(found: bytes | None) -> bytes | None:
            nonlocal is_mine
            # It is ours already where the server has heard the request twice.
            is_mine = found is None or found in (data, over)
            return data if is_mine else None

        try:
            self.replace(key, change)
        except StoreError as error:
            if error.errno == errno.EACCES:
                return None
            raise
        return is_mine

    def delete_if(self, key: str, data: bytes) -> None:
        self._answers.drop(self._address(key))
        super().delete_if(key, data)

    def delete(self, key: str) -> None:
        if self._answers.is_absent(self._address(key)):
            return
        with (
            self._writing(key),
            contextlib.suppress(FileNotFoundError),
            self._telling("remove", key),
        ):
            self.client.delete(key)

    def delete_tree(self, prefix: str) -> None:
        if self._is_empty(prefix):
            return
        with self._writing(prefix):
            for page in self._pages(prefix):
                with contextlib.suppress(FileNotFoundError), self._telling("remove", prefix):
                    self.client.delete([found["path"] for found in page])

    def children(self, prefix: str) -> list[str]:
        if self._is_empty(prefix):
            return []
        listed = self._answers.ask(self._folder(prefix), partial(self._listed, prefix))
        return sorted(listed.folders)

    def stats(self, prefix: str) -> Iterator[tuple[str, int, int]]:
        if self._is_empty(prefix):
            return
        known = self._answers.known(self._tree(prefix))
        yield from self._stats(prefix) if known is None else known

    def exclusive(self) -> AbstractContextManager[None]:
        return self._answers.changing()

    deciding = exclusive

    def above(self) -> tuple[ObjectStore, str] | None:
        if self.url.count("/") == 2:
            return None
        above, _, name = self.url.rpartition("/")
        return type(self)(above, self.options, self._answers), name

    @contextlib.contextmanager
    def _writing(self, key: str) -> Iterator[None]:
        """Forget what is kept of a key or prefix once a block has written there, or has tried."""
        try:
            yield
        finally:
            self._answers.drop(self._address(key))

    def _whole(
        self, key: str, most: int | None = None, *, anew: bool = False
    ) -> tuple[bytes | None, dict[str, Any]]:
        """Return an object or None, and what is known of it; asked once where it is remembered."""
        if not anew and self._answers.is_absent(self._address(key)):
            return None, {}
        ask = partial(self._get, key, most=most)
        data, meta = self._answers.ask(self._object(key), ask, anew=anew)
        return None if data is None else bytes(data), meta

    def _get(
        self, key: str, part: Any = None, *, most: int | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Return an object or part of it, or None, and what is known of it."""
        options = {} if part is None else {"range": part}

        def ask() -> tuple[Any, dict[str, Any]]:
            found = self.client.get(key, options=options)
            if most is not None and found.meta["size"] > most:
                raise self._too_large(key, found.meta["size"], most)
            return found.bytes(), found.meta

        try:
            with self._telling("read", key):
                return self._patiently(ask)
        except FileNotFoundError:
            return None, {}

    def _listed(self, prefix: str) -> Folder:
        with self._telling("list", prefix):
            found = self._patiently(lambda: self.client.list_with_delimiter(prefix or None))
        names = (path.rstrip("/").rpartition("/")[2] for path in found["common_prefixes"])
        objects = {each["path"].rpartition("/")[2]: _seen(each) for each in found["objects"]}
        return Folder(objects=objects, folders=frozenset(names))

    def _all_stats(self, prefix: str) -> list[tuple[str, int, int]]:
        return list(self._stats(prefix))

    def _stats(self, prefix: str) -> Iterator[tuple[str, int, int]]:
        below = f"{prefix}/" if prefix else ""
        for page in self._pages(prefix):
            for found in page:
                yield found["path"].removeprefix(below), *_seen(found)

    def _address(self, key: str) -> str:
        return f"{self.url}/{key}".rstrip("/")

    def _is_empty(self, prefix: str) -> bool:
        return bool(prefix) and self._answers.is_absent(f"{self._address(prefix)}/")

    def _object(self, key: str) -> tuple[str, str]:
        return "object", self._address(key)

    def _folder(self, prefix: str) -> tuple[str, str]:
        return "folder", self._address(prefix)

    def _tree(self, prefix: str) -> tuple[str, str]:
        return "tree", self._address(prefix)

    def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        """Return the answer to a request, and repeat the request where the answer breaks off."""
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
            stream, running = None, stream  # a stream that breaks off has no next page
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

    def _telling(self, verb: str, key: str) -> AbstractContextManager[None]:
        """Raise obstore's errors as StoreError, but for absent objects and conditions that fail."""
        return told(self.url, self.client, verb, key, identity=self._identity, way_in=self._way_in)

    def _way_in(self, verb: str) -> str:
        return way_in(verb)

    def _identity(self) -> str:
        return identity(self.url, self.options)


def _seen(found: Any) -> tuple[int, int]:
    """Return bytes and version of an object: 56 bits made of its ETag and its time."""
    # An ETag may be a digest of the bytes: the time tells that the same bytes were written anew.
    # Lists give fractions of a second, headers none.
    tag = f"{found['e_tag']} {found['last_modified']:%Y-%m-%dT%H:%M:%S}".encode()
    return int(found["size"]), int.from_bytes(hashlib.blake2b(tag, digest_size=7).digest())
