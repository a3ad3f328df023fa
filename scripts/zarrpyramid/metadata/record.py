"""Records that prove a level, and sentinels: the small JSON files outside the store that hold them.

A record says what a level is and what it was made from. It holds no time, path, host, image name or
number of parts, so that equal levels give equal bytes. The level's own attributes hold the same
record.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import StoreError
from zarrpyramid.stores import write_aside

from .recipe import says_no_data

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    Record = dict[str, Any]

RECORD_KEY = "zarrpyramid"
"""The attribute of a level that holds its record."""

BYTES_ENTRY = "stored_bytes"
"""The entry of a record that tells how many bytes all objects have that were written.

It shows an object that was cut short, without reading it. Records of earlier releases have none.
"""

RECORD_ENTRY = "objects"
"""The entry of a record that tells objects that were never written from lost ones, by their keys.

Levels whose recipe writes no empty chunks have it.
"""

WINDOWS_KEY = "windows"
"""The entry of what level 1 records of level 0 that holds the contrast window of each channel.

Of a channel that is start and end, or None where no voxel is finite. Records of earlier releases do
not have it.
"""


def encode_record(record: Record) -> bytes:
    """Return the bytes of a sentinel: sorted, one key on a line, so that diffs can be read."""
    return (json.dumps(record, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def write_sentinel(path: Path, record: Record) -> None:
    """Write a sentinel under another name, flush it, and rename it last of all."""
    write_aside(path, encode_record(record))


def read_sentinel(path: Path) -> Record | None:
    """Return the record of a sentinel, or None where the file is absent or holds no record."""
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def load_sentinel(path: Path) -> Record:
    """Return the record of a sentinel that must be there.

    Raises
    ------
    StoreError
        If it is absent or no record.
    """
    record = read_sentinel(path)
    if record is None:
        raise StoreError(
            f"{path} holds no record of a level; delete it to have the level made again"
        )
    return record


def part_sentinels(folder: str | Path, level: int, n_parts: int) -> list[str]:
    """Return where the sentinels of a level's parts are, in the folder of an image's results.

    >>> part_sentinels("results/raw", 1, 2)
    ['results/raw/parts/1.1-of-2.json', 'results/raw/parts/1.2-of-2.json']
    """
    return [f"{folder}/parts/{level}.{part}-of-{n_parts}.json" for part in range(1, n_parts + 1)]


def remove_beyond(folder: Path, last: int) -> None:
    """Remove the sentinels and notes of levels beyond the last."""
    for pattern in ("*.json", "*.sqlite*", "*.ledger*"):
        for path in folder.glob(pattern):
            if path.stem.isdecimal() and int(path.stem) > last:
                path.unlink()


def fits(record: Record | None, expected: Record) -> bool:
    """Tell whether a record says all that the plan of a level expects."""
    return record is not None and all(record.get(key) == value for key, value in expected.items())


def well_formed(record: Record) -> Record:
    """Return a record without the entries whose type no record of this package has.

    What is left may say anything, but each entry has a type that its readers know.

    >>> well_formed({"digest": 7, "recipe": {"method": "mean", "factors": "2"}, "n_nan": 0})
    {'n_nan': 0}
    """
    recipe, objects = record.get("recipe"), record.get(RECORD_ENTRY)
    factors = recipe.get("factors") if isinstance(recipe, dict) else None
    forms = {
        "digest": isinstance(record.get("digest"), str),
        "source": isinstance(record.get("source"), dict),
        "recipe": isinstance(recipe, dict)
        and isinstance(recipe.get("method"), str)
        and isinstance(factors, list)
        and all(type(factor) is int and 0 < factor < 2**63 for factor in factors)
        and type(recipe.get("voxel_revision", 0)) is int
        and type(recipe.get("write_empty_chunks", True)) is bool
        and type(recipe.get("rounding", "")) is str
        and type(recipe.get("weights", "")) is str
        and says_no_data(recipe),
        "objects": isinstance(objects, dict)
        and type(objects.get("n")) is int
        and isinstance(objects.get("keys"), str),
        BYTES_ENTRY: type(record.get(BYTES_ENTRY)) is int,
    }
    return {key: item for key, item in record.items() if forms.get(key, True)}


def proofs(records: Sequence[Record]) -> list[str]:
    """Return what identifies the voxels of each level, level 0 first.

    For level 0 that is the digest that level 1 was made from, or its fingerprint where there is no
    level 1; for all others, their digests.
    """
    digests = [record.get("digest", "") for record in records[1:]]
    made_from = records[1].get("source", {}).get("digest") if digests else None
    return [made_from or records[0].get("fingerprint", ""), *digests]


@dataclass(slots=True)
class KeyTally:
    """Keys of objects seen so far, in any order; tallies of different keys can be merged.

    Attributes
    ----------
    n_keys
        How many.
    key_sum
        Sum of their hashes (blake2b, 16 bytes, little-endian) modulo 2**128.
    n_bytes
        Bytes of the objects.
    """

    n_keys: int = 0
    key_sum: int = 0
    n_bytes: int = 0

    def add(self, key: str, n_bytes: int = 0) -> None:
        """Add a key, relative to its array."""
        self.n_bytes += n_bytes
        digest = hashlib.blake2b(key.encode(), digest_size=16).digest()
        self.n_keys += 1
        self.key_sum = (self.key_sum + int.from_bytes(digest, "little")) % (1 << 128)

    def merge(self, other: KeyTally) -> None:
        """Add the keys of another tally."""
        self.n_keys += other.n_keys
        self.n_bytes += other.n_bytes
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
