"""Proof that another process reaches the same objects: it reads a word that this one has written.

A worker that does not see a store finds no objects in it. A missing object means fill value: the
worker would make zeros and report success.
"""

from __future__ import annotations

import contextlib
import functools
import platform
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zarrpyramid.errors import StoreError

from .files import TEMPORARY_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .store import Store


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Objects by store and key, each with the bytes that this process has found."""

    objects: tuple[tuple[Store, str, bytes], ...]

    def check(self) -> None:
        """Raise StoreError unless this process finds the same bytes. It looks once."""
        fault = _fault(self)
        if fault:
            raise StoreError(fault)

    def __hash__(self) -> int:
        return hash(tuple(data for _, _, data in self.objects))

    def __eq__(self, other: object) -> bool:
        mine = tuple(data for _, _, data in self.objects)
        return isinstance(other, Probe) and mine == tuple(data for _, _, data in other.objects)


@functools.lru_cache(maxsize=64)
def _fault(probe: Probe) -> str:
    for store, key, data in probe.objects:
        if store.get(key) != data:
            return (
                f"{store.name} on {platform.node()} is not what it is here; all workers must see "
                "the same file system"
            )
    return ""


@contextlib.contextmanager
def laid_probe(
    store: Store, folder: str, also: Sequence[tuple[Store, str]] = ()
) -> Iterator[Probe]:
    """Write a word into a folder of a store while a block runs; the probe asks for it.

    Parameters
    ----------
    also
        Objects of stores that are only read, which must have the same bytes elsewhere.
    """
    word = secrets.token_hex(16)
    key = f"{folder}/{word}{TEMPORARY_SUFFIX}".lstrip("/")
    known = tuple((other, name, other.get(name) or b"") for other, name in also)
    store.put(key, word.encode())
    try:
        yield Probe(objects=((store, key, word.encode()), *known))
    finally:
        store.delete(key)
