"""What tasks see: the tallies of the source, of the level, and of the level's objects."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from zarrpyramid.metadata import KeyTally, Tally
from zarrpyramid.reduce import chunk_digest, describe

from .value_counts import ValueCounts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.arrays import Block
    from zarrpyramid.geometry import Index
    from zarrpyramid.metadata import Record
    from zarrpyramid.reduce import Moments


@dataclass(slots=True)
class BlockResult:
    """What tasks saw of the source, and of the level and its objects that they wrote.

    Results of different tasks can be merged in any order.

    Attributes
    ----------
    weights
        Of what the source's voxels are weighed by, where they are.
    counts
        Of the source's values, where they are wanted. Those of a task stand with one of its
        objects.
    """

    source: Tally = field(default_factory=Tally)
    target: Tally = field(default_factory=Tally)
    objects: KeyTally = field(default_factory=KeyTally)
    weights: Tally = field(default_factory=Tally)
    counts: ValueCounts | None = None

    def merge(self, other: BlockResult) -> None:
        """Add what another task saw."""
        self.source.merge(other.source)
        self.target.merge(other.target)
        self.objects.merge(other.objects)
        if other.weights.n_chunks:
            self.weights.merge(other.weights)
        if other.counts is not None:
            self.counts = self.counts or ValueCounts()
            self.counts.merge(other.counts)

    @property
    def record(self) -> Record:
        """What a part's sentinel holds of it; floats are spelled to the last bit."""
        names = (name for name in _TALLIES if name != "weights" or self.weights.n_chunks)
        tallies = {name: asdict(getattr(self, name)) for name in names}
        record: Record = {
            name: {key: item.hex() if isinstance(item, float) else item for key, item in of.items()}
            for name, of in tallies.items()
        }
        return record if self.counts is None else {**record, "counts": self.counts.encode()}

    @classmethod
    def from_records(cls, records: Sequence[Record]) -> BlockResult:
        """Return the result of all parts of a level."""
        seen = cls()
        for record in records:
            seen.merge(cls.from_record(record))
        if not all("counts" in record for record in records):
            seen.counts = None  # a release without counts made some of the parts
        return seen

    @classmethod
    def from_record(cls, record: Record) -> BlockResult:
        """Return the result that a part's sentinel holds."""
        found: list[dict[str, Any]] = [
            {
                key: float.fromhex(item) if isinstance(item, str) else item
                for key, item in record.get(name, {}).items()
            }
            for name in _TALLIES
        ]
        source, target, weights, objects = found
        return cls(
            source=Tally(**source),
            target=Tally(**target),
            weights=Tally(**weights),
            objects=KeyTally(**objects),
            counts=ValueCounts.decode(record["counts"]) if "counts" in record else None,
        )


_TALLIES = ("source", "target", "weights", "objects")


def count_chunk(
    index: Index,
    voxels: Block,
    seen: Tally,
    moments: Moments | None = None,
    *,
    compiled: bool = False,
) -> Moments:
    """Digest a chunk, add it to a tally, and return its moments.

    Parameters
    ----------
    moments
        Of the chunk, where they are known.
    """
    moments = moments or describe(voxels, compiled=compiled)
    seen.add(index, chunk_digest(voxels, has_nan=moments.n_nan > 0), moments, voxels.size)
    return moments
