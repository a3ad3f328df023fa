"""What the stored objects of a level are made from, as digests that notes hold.

An object is kept only while the digest of what it was made from is the same.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from zarrpyramid import geometry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zarrpyramid.geometry import Index, Region
    from zarrpyramid.plan import WeightsLevel

    from .notes import Notes
    from .task import LevelTask


class FinerObjects:
    """Returns, of an object of a level, the digest of the objects of the level before.

    Parameters
    ----------
    finer_notes
        Notes of the level before; None at level 1, whose source objects are asked themselves.
    carries
        Whether remainders are a part of what is taken.
    weights
        What weighs the voxels of the level before; None where nothing does.
    """

    def __init__(
        self,
        task: LevelTask,
        finer_notes: Notes | None,
        *,
        carries: bool,
        weights: WeightsLevel | None,
    ) -> None:
        self._task, self._finer_notes = task, finer_notes
        self._carries, self._array = carries, None if weights is None else weights.metadata
        # Now, before a voxel is read: a remote store lists all of them in this call.
        self._versions = None if finer_notes is not None else task.store.versions(task.source_path)
        if weights is not None:
            self._weights_versions = weights.store.versions(weights.path)

    def __call__(self, index: Index) -> bytes | None:
        """Return the digest; None where it is not known."""
        task = self._task
        region = geometry.unit_region(index, task.target.write_shape, task.target.shape)
        span = geometry.finer_region(region, task.factors, task.source.shape)
        # A stored object may stay as it is when the array that it is in grows.
        parts = [repr(geometry.region_shape(span)).encode()]
        for place in geometry.covering_units(span, task.source.write_shape):
            key = task.source.object_key(place)
            if self._versions is not None:
                parts.append(repr(self._versions(key)).encode())
                continue
            assert self._finer_notes is not None
            voxels = self._finer_notes.voxels(key)
            if voxels is None:
                return None
            parts.append(voxels)
            if self._carries:
                note = self._finer_notes.read(key)
                left = 0 if note is None else note.seen.target.payload_sum
                parts.append(left.to_bytes(16, "little"))
        return source_digest([*parts, *self._weights(span)])

    def _weights(self, span: Region) -> Iterator[bytes]:
        """Yield what is known of each object of the weights of a span, if there are any."""
        array = self._array
        if array is None:
            return
        for place in geometry.covering_units(span, array.write_shape):
            yield repr(self._weights_versions(array.object_key(place))).encode()


def source_digest(parts: Iterable[bytes]) -> bytes:
    """Return the digest of what an object is made from, by what is known of each source object."""
    return hashlib.blake2b(b"".join(parts), digest_size=16).digest()
