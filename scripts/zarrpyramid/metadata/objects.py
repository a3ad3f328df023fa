"""Which stored objects a level has, as their number and a digest of their keys.

Levels that write no empty chunks need it: it tells an object that was never written from one that
was lost.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .record import Record

RECORD_ENTRY = "objects"
"""The entry of a level's record that holds it, where the recipe writes no empty chunks."""


@dataclass(slots=True)
class KeyTally:
    """Keys seen so far, in any order; tallies of different keys can be merged.

    Attributes
    ----------
    n_keys
        How many.
    key_sum
        Sum of their hashes (blake2b, 16 bytes, little-endian) modulo 2**128.
    """

    n_keys: int = 0
    key_sum: int = 0

    def add(self, key: str) -> None:
        """Add a key, relative to its array."""
        digest = hashlib.blake2b(key.encode(), digest_size=16).digest()
        self.n_keys += 1
        self.key_sum = (self.key_sum + int.from_bytes(digest, "little")) % (1 << 128)

    def merge(self, other: KeyTally) -> None:
        """Add the keys of another tally."""
        self.n_keys += other.n_keys
        self.key_sum = (self.key_sum + other.key_sum) % (1 << 128)

    @property
    def record(self) -> Record:
        """What a level's record says about its objects."""
        return {"n": self.n_keys, "keys": f"{self.key_sum:032x}"}


def tally_keys(keys: Iterable[str]) -> KeyTally:
    """Return the tally of some keys."""
    tally = KeyTally()
    for key in keys:
        tally.add(key)
    return tally
