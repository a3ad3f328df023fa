"""Proof that another process reaches the same objects: a word left in a store, to be read there.

A worker that does not see a store finds no objects in it. An object that is missing means fill
value, so the worker would make zeros and report success.
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
    """Objects by store and key, and the bytes that each has where the stores are known."""

    objects: tuple[tuple[Store, str, bytes], ...]

    def check(self) -> None:
        """See that this process finds the same bytes; looks once only.

        Raises
        ------
        StoreError
            If it does not.
        """
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
    """Leave a word in a folder of a store, and take it away at the end.

    Parameters
    ----------
    also
        Objects of stores that are only read, which must be found with the same bytes.
    """
    word = secrets.token_hex(16)
    key = f"{folder}/{word}{TEMPORARY_SUFFIX}".lstrip("/")
    known = tuple((other, name, other.get(name) or b"") for other, name in also)
    store.put(key, word.encode())
    try:
        yield Probe(objects=((store, key, word.encode()), *known))
    finally:
        store.delete(key)
