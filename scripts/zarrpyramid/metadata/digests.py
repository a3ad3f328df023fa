"""Digest and statistics of a level, gathered chunk by chunk in any order.

A level's digest is independent of threads, parts, visiting order, host, codec and shards: each
chunk's digest is hashed again with the chunk's place, and these hashes are added modulo 2**128.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xxhash import xxh3_128_digest, xxh3_128_hexdigest

from .json_numbers import strict_number

if TYPE_CHECKING:
    from zarrpyramid.geometry import Index
    from zarrpyramid.reduce import Moments

    from .record import Record

_MODULUS = 1 << 128
DOUBLE_UNITS = 1 << 1074
"""Every finite double is a whole number of units of 1/DOUBLE_UNITS, so that sums are exact."""


def placed(index: Index, digest: bytes) -> int:
    """Return a digest bound to its place, as the term that it adds to a sum of many."""
    term = xxh3_128_digest(struct.pack(f"<{len(index)}Q", *index) + digest)
    return int.from_bytes(term, "little")


@dataclass(slots=True)
class Tally:
    """What is known of a level so far; tallies of different chunks can be merged in any order.

    Attributes
    ----------
    digest_sum
        Sum of the placed digests of chunks, modulo 2**128.
    payload_sum
        The same of the chunks' stored bytes, 0 where they were not hashed.
    units
        Sum of the finite voxels: of integers as it is, of floats in units of 2**-1074.
    overflow
        Sums of chunks that a double cannot hold; 0.0 if there were none.
    imaginary_units, imaginary_overflow
        The same of the imaginary parts; 0 where voxels are not complex.
    weighted
        Sum of the voxels of a level that is rounded once, each as often as it stands for a voxel of
        level 0; 0 of other levels.
    """

    digest_sum: int = 0
    payload_sum: int = 0
    n_chunks: int = 0
    n_voxels: int = 0
    n_nan: int = 0
    n_inf: int = 0
    units: int = 0
    overflow: float = 0.0
    imaginary_units: int = 0
    imaginary_overflow: float = 0.0
    minimum: int | float | None = None
    maximum: int | float | None = None
    weighted: int = 0

    def add(self, index: Index, digest: bytes, moments: Moments, n_voxels: int) -> None:
        """Add one chunk."""
        self.add_digest(index, digest)
        self.n_chunks += 1
        self.n_voxels += n_voxels
        self.n_nan += moments.n_nan
        self.n_inf += moments.n_inf
        units, overflow = in_units(moments.total.real)
        self.units += units
        self.overflow += overflow
        if isinstance(moments.total, complex):
            units, overflow = in_units(moments.total.imag)
            self.imaginary_units += units
            self.imaginary_overflow += overflow
        self._widen(moments.minimum, moments.maximum)

    def add_digest(self, index: Index, digest: bytes) -> None:
        """Add the digest of one chunk alone."""
        self.digest_sum = (self.digest_sum + placed(index, digest)) % _MODULUS

    def add_payload(self, index: Index, payload: bytes | memoryview | None) -> None:
        """Add the stored bytes of one chunk; an absent one adds nothing."""
        if payload is not None:
            term = placed(index, bytes(xxh3_128_digest(payload)))
            self.payload_sum = (self.payload_sum + term) % _MODULUS

    def merge(self, other: Tally) -> None:
        """Add what is known of other chunks."""
        self.digest_sum = (self.digest_sum + other.digest_sum) % _MODULUS
        self.payload_sum = (self.payload_sum + other.payload_sum) % _MODULUS
        self.n_chunks += other.n_chunks
        self.n_voxels += other.n_voxels
        self.n_nan += other.n_nan
        self.n_inf += other.n_inf
        self.units += other.units
        self.overflow += other.overflow
        self.imaginary_units += other.imaginary_units
        self.imaginary_overflow += other.imaginary_overflow
        self.weighted += other.weighted
        self._widen(other.minimum, other.maximum)

    def _widen(self, minimum: float | None, maximum: float | None) -> None:
        if minimum is not None and (self.minimum is None or minimum < self.minimum):
            self.minimum = minimum
        if maximum is not None and (self.maximum is None or maximum > self.maximum):
            self.maximum = maximum

    def total(self, *, is_float: bool) -> int | float:
        """Return the sum of the finite voxels: exact for integers, rounded once for floats."""
        return _total(self.units, self.overflow) if is_float else self.units

    def statistics(self, *, dtype: str) -> Record:
        """Return what a record says of voxels: extremes, counts, sum and mean of the finite ones.

        Complex voxels have no extremes, and pairs of real and imaginary part for sum and mean.
        """
        n_finite = self.n_voxels - self.n_nan - self.n_inf
        is_complex = dtype.startswith("complex")
        has_fractions = is_complex or dtype.startswith("float")
        scale = DOUBLE_UNITS if has_fractions else 1
        imaginary = (self.imaginary_units, self.imaginary_overflow)
        totals: list[Any] = []
        means: list[Any] = []
        for units, overflow in [(self.units, self.overflow), imaginary][: 1 + is_complex]:
            total = _total(units, overflow) if has_fractions else units
            # Integers divided by integers round once, however large they are.
            mean = units / (max(n_finite, 1) * scale) if math.isfinite(total) else total
            totals.append(strict_number(total))
            means.append(strict_number(mean))
        return {
            "min": None if is_complex else strict_number(self.minimum),
            "max": None if is_complex else strict_number(self.maximum),
            "sum": totals if is_complex else totals[0],
            "mean": None if not n_finite else means if is_complex else means[0],
            "n_nan": self.n_nan,
            "n_inf": self.n_inf,
        }

    def weighted_mean(self, n_voxels: int) -> float:
        """Return the mean of the voxels that `weighted` adds up, which stand for `n_voxels`."""
        return self.weighted / n_voxels

    def digest(self, header: Record) -> str:
        """Return the level's digest: of its header (dtype, shape, chunks) and all its chunks."""
        return seal_digest(header, self.digest_sum)

    def fingerprint(self, header: Record) -> str:
        """Return the digest of the stored bytes of all chunks."""
        return seal_digest(header, self.payload_sum)


def seal_digest(header: Record, digest_sum: int) -> str:
    """Return the hex digest of a header and a sum of placed digests."""
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    return str(xxh3_128_hexdigest(text + digest_sum.to_bytes(16, "little")))


def in_units(total: int | float) -> tuple[int, float]:
    """Return the sum of a chunk in whole units and, where it is not finite, as it is."""
    if not isinstance(total, float):
        return int(total), 0.0
    if not math.isfinite(total):
        return 0, total
    numerator, denominator = total.as_integer_ratio()
    return numerator * (DOUBLE_UNITS // denominator), 0.0


def _total(units: int, overflow: float) -> float:
    """Return a sum of floats, rounded once."""
    if overflow != 0.0 or math.isnan(overflow):
        return overflow
    try:
        return units / DOUBLE_UNITS
    except OverflowError:
        return math.inf if units > 0 else -math.inf
