"""The task that looks at boxes of a level of another program, and at the finer voxels below them.

What it looks for is said by its subclasses in `explanation` and `neighbourhood`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zarrpyramid import geometry

from .comparison import StoredTask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zarrpyramid.arrays import Block
    from zarrpyramid.geometry import Index, Region

_BOX_BYTES = 1 << 25
"""Voxels of the finer level that are held at once for one box."""


_WINDOW_BYTES = 1 << 28
"""Voxels of the finer level that one voxel of a level may stand for."""


@dataclass(frozen=True, kw_only=True)
class BoxTask(StoredTask):
    """A task that reads boxes of a level and of a finer one.

    Attributes
    ----------
    whole
        Whether it looks at all of a block; else at the high end of it that memory has room for.
    is_labels
        Whether the voxels are ids.
    """

    whole: bool = False
    is_labels: bool = False

    @property
    def has_room(self) -> bool:
        """Whether memory has room for what one voxel stands for; documents may claim any shape."""
        return self.source.item_size * math.prod(self.factors) <= _WINDOW_BYTES

    def boxes(self, place: Index) -> Iterator[Region]:
        """Yield the boxes of the block at a place, each as small as memory asks for."""
        region = geometry.unit_region(place, self.unit, self.target.shape)
        most = max(1, _BOX_BYTES // (self.source.item_size * math.prod(self.factors)))
        extents = geometry.halved(geometry.region_shape(region), most)
        if self.whole:
            yield from geometry.split_region(region, extents)
            return
        ends = zip(region, extents, strict=True)
        yield tuple(slice(axis.stop - extent, axis.stop) for axis, extent in ends)


def first_of(mask: Block, region: Region) -> Index | None:
    """Return where the first voxel of a mask stands in the level, None where it has none."""
    if not mask.any():
        return None
    inside = np.unravel_index(int(mask.argmax()), mask.shape)
    return tuple(axis.start + int(i) for axis, i in zip(region, inside, strict=True))


def axis_mask(shape: tuple[int, ...], marked: list[Block]) -> Block:
    """Return which voxels of a box stand at a marked place of any axis."""
    mask = np.zeros(shape, np.bool_)
    for axis, marks in enumerate(marked):
        mask |= marks.reshape([-1 if other == axis else 1 for other in range(len(shape))])
    return mask
