"""A store that zarr-python has opened, such as one in memory or in a zip file.

It imports zarr, which takes 0.3 s: jobs with usual codecs do not open this module.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zarr
import zarr.abc.store
import zarr.storage
from zarr.abc.store import RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import MemoryStore, StorePath

from zarrpyramid.errors import ArgumentError, StoreError

from .archive_store import ArchiveStore
from .local import LocalStore
from .object_store import ObjectStore
from .store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

_REMOTE = {"s3", "gs", "gcs", "abfs", "az", "http", "https"}
_REMOTE_OBJECTS = {"S3Store", "GCSStore", "AzureStore", "HTTPStore", "LocalStore"}


class ZarrStore(Store):
    """A store object of zarr-python. All threads share its one event loop: `at_once` is 1."""

    tells_versions = False

    def __init__(self, store: zarr.abc.store.Store) -> None:
        self.store = store

    @property
    def name(self) -> str:
        return str(self.store)

    @property
    def shared(self) -> bool:  # type: ignore[override]
        """Whether it is of a kind whose objects stand outside this process."""
        # The pickle of a MemoryStore is a copy, and that of a ZipStore has a list of its own of
        # what is inside: what a worker writes there is lost without an error.
        if isinstance(self.store, zarr.storage.ObjectStore):
            return type(self.store.store).__name__ in _REMOTE_OBJECTS
        if isinstance(self.store, zarr.storage.FsspecStore):
            protocol = self.store.fs.protocol
            return not _REMOTE.isdisjoint({protocol} if isinstance(protocol, str) else protocol)
        return False

    @property
    def deletes(self) -> bool:  # type: ignore[override]
        return bool(self.store.supports_deletes)

    def get(self, key: str) -> bytes | None:
        return self._get(key, None)

    def get_range(self, key: str, start: int, length: int) -> bytes | None:
        if start < 0:
            data = self._get(key, SuffixByteRequest(-start))
            return None if data is None else data[:length]
        return self._get(key, RangeByteRequest(start, start + length))

    def version(self, key: str) -> tuple[int, int] | None:
        try:
            return int(sync(self.store.getsize(key))), 0
        except FileNotFoundError:
            return None

    def put(self, key: str, data: bytes | memoryview) -> None:
        buffer = default_buffer_prototype().buffer.from_bytes(bytes(data))
        try:
            sync(self.store.set(key, buffer))
        except OSError as error:
            raise StoreError(f"cannot write {self.name}/{key}: {error}") from error

    def delete(self, key: str) -> None:
        if sync(self.store.exists(key)):
            self._check_deletes(key)
            sync(self.store.delete(key))

    def delete_tree(self, prefix: str) -> None:
        if any(self.keys(prefix)):
            self._check_deletes(prefix)
            sync(self.store.delete_dir(prefix))

    def keys(self, prefix: str) -> Iterator[str]:
        below = f"{prefix}/" if prefix else ""
        for key in _listed(self.store.list_prefix(below)):
            yield key.removeprefix(below)

    def children(self, prefix: str) -> list[str]:
        names = _listed(self.store.list_dir(prefix))
        return sorted(name for name in names if any(self.keys(f"{prefix}/{name}".strip("/"))))

    def stats(self, prefix: str) -> Iterator[tuple[str, int, int]]:
        for key in self.keys(prefix):
            yield key, self.size(f"{prefix}/{key}") or 0, 0

    def _check_deletes(self, key: str) -> None:
        if not self.store.supports_deletes:
            raise StoreError(
                f"cannot remove {self.name}/{key}: such a store only ever grows; "
                "build the pyramid in a copy that can be changed"
            )

    def _get(self, key: str, part: RangeByteRequest | SuffixByteRequest | None) -> bytes | None:
        buffer = sync(self.store.get(key, default_buffer_prototype(), part))
        return None if buffer is None else buffer.to_bytes()


class _Inside(zarr.abc.store.Store):
    """What is inside an archive, as zarr-python reads it; its own `ZipStore` reads no URL."""

    supports_writes = supports_deletes = supports_partial_writes = False
    supports_listing = True

    def __init__(self, store: ArchiveStore) -> None:
        super().__init__(read_only=True)
        self._store = store

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Inside) and other._store.name == self._store.name

    def __hash__(self) -> int:
        return hash(self._store.name)

    def __str__(self) -> str:
        return self._store.name

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        data = await asyncio.to_thread(self._part, key, byte_range)
        return None if data is None else prototype.buffer.from_bytes(data)

    def _part(self, key: str, part: ByteRequest | None) -> bytes | None:
        if isinstance(part, SuffixByteRequest):
            return self._store.get_range(key, -part.suffix, part.suffix)
        if isinstance(part, RangeByteRequest):
            return self._store.get_range(key, part.start, part.end - part.start)
        if part is not None:
            return self._store.get_range(key, part.offset, self._store.size(key) or 0)
        return self._store.get(key)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def exists(self, key: str) -> bool:
        return self._store.size(key) is not None

    async def set(self, key: str, value: Buffer) -> None:
        self._store.put(key, value.to_bytes())

    async def delete(self, key: str) -> None:
        self._store.delete(key)

    async def list(self) -> AsyncIterator[str]:
        for key in self._store.keys(""):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        for key in self._store.keys(""):
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        for name in {key.partition("/")[0] for key in self._store.keys(prefix.strip("/"))}:
            yield name


def from_zarr(store: object, *, is_read: bool = False) -> Store:
    """Return a path, a store object of zarr-python, or a group's store as a `Store`.

    Parameters
    ----------
    is_read
        Whether it is only looked at, and may be open read-only.

    Raises
    ------
    StoreError
        If it is read-only, unless `is_read`.
    ArgumentError
        If it is none of them.
    """
    if isinstance(store, zarr.Group | StorePath):
        store = store.store
    if isinstance(store, zarr.abc.store.Store) and store.read_only and not is_read:
        raise StoreError(f"{store} is open read-only; open it for writing, with mode 'r+'")
    if isinstance(store, zarr.storage.LocalStore):
        store = store.root
    if isinstance(store, str | Path):
        return LocalStore(store)
    if isinstance(store, zarr.abc.store.Store):
        return ZarrStore(sync(StorePath.open(store, "")).store)
    kind = f"{type(store).__module__}.{type(store).__qualname__}"
    if isinstance(store, zarr.Array):
        hint = (
            "give the group that holds it, or its path as source of a new store: "
            "build_pyramid('NEW.zarr', source=PATH)"
        )
    elif hasattr(store, "shape"):
        hint = (
            "write the array first, as in zarr.create_group('NEW.zarr').create_array('0', "
            "data=array, chunks=CHUNKS), and give 'NEW.zarr'"
        )
    else:
        hint = "give one of these"
    raise ArgumentError(
        f"expected a path, a URL, a zarr store object or a zarr group, found a {kind}; {hint}"
    )


def memory_store() -> ZarrStore:
    """Return an empty store in memory."""
    return ZarrStore(MemoryStore())


def path_of(store: object) -> str:
    """Return the path of a group that zarr-python has opened; "" for anything else."""
    return str(store.path) if isinstance(store, zarr.Group | StorePath) else ""


def open_root(store: object) -> zarr.Group:
    """Return the group at the root of a store, and make it where it is absent."""
    if isinstance(store, zarr.Group):
        return store
    return zarr.open_group(store, mode="a")


def open_read_only(store: Store, path: str) -> Any:
    """Return the array or the group of zarr-python at a path, which cannot be written to."""
    return zarr.open(to_zarr(store), path=path, mode="r")


def to_zarr(store: Store) -> zarr.abc.store.Store:
    """Return a store as zarr-python opens it; StoreError where that knows no such kind."""
    if isinstance(store, LocalStore):
        return zarr.storage.LocalStore(store.root)
    if isinstance(store, ZarrStore):
        return store.store
    if isinstance(store, ObjectStore):
        return zarr.storage.ObjectStore(store.client)
    if isinstance(store, ArchiveStore):
        return _Inside(store)
    raise StoreError(f"{store.name} cannot be opened by zarr-python")


def _listed(names: Any) -> list[str]:
    async def gather() -> list[str]:
        return [name async for name in names]

    return list(sync(gather()))
