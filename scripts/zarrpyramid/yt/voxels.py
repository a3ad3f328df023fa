"""Voxels of one level as yt asks for them: a box along x, y and z, read when it is looked into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zarrpyramid import geometry
from zarrpyramid.arrays import open_chunks, read_region

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zarrpyramid.arrays import Block
    from zarrpyramid.geometry import Region, Shape
    from zarrpyramid.metadata import ArrayMetadata
    from zarrpyramid.stores import Store


class LevelVoxels:
    """The voxels of a level whose axes have names, seen along x, y and z.

    Parameters
    ----------
    axes
        Names of the array's axes. Without z there is one plane.
    at
        Index along every axis that is none of x, y, z.
    """

    def __init__(
        self,
        store: Store,
        path: str,
        metadata: ArrayMetadata,
        axes: Sequence[str],
        at: Mapping[str, int],
    ) -> None:
        self.metadata, self._axes, self._at = metadata, tuple(axes), dict(at)
        self._chunks = open_chunks(store, path, metadata)

    @property
    def shape(self) -> Shape:
        """Extents along x, y, z."""
        return self._along(self.metadata.shape)

    @property
    def chunks(self) -> Shape:
        """Extents of a chunk along x, y, z."""
        return self._along(self.metadata.chunks)

    def read(self, region: Region) -> Block:
        """Return the voxels of a region along x, y, z.

        Beyond the end of the level the nearest voxel is repeated.
        """
        inside = tuple(
            slice(side.start, min(side.stop, extent))
            for side, extent in zip(region, self.shape, strict=True)
        )
        block = read_region(self._chunks, self._in_array(inside))
        named = [name for name in self._axes if name not in self._at]
        kept = [n for n, name in zip(block.shape, self._axes, strict=True) if name in named]
        order = [named.index(name) for name in "xyz" if name in named]
        block = block.reshape(kept).transpose(order).reshape(geometry.region_shape(inside))
        missing = [(0, side.stop - end.stop) for side, end in zip(region, inside, strict=True)]
        return np.pad(block, missing, mode="edge") if any(n for _, n in missing) else block

    def _along(self, extents: Shape) -> Shape:
        known = dict(zip(self._axes, extents, strict=True))
        return tuple(known.get(name, 1) for name in "xyz")

    def _in_array(self, region: Region) -> Region:
        sides = dict(zip("xyz", region, strict=True))
        sides |= {name: slice(n, n + 1) for name, n in self._at.items()}
        return tuple(sides[name] for name in self._axes)


class GridVoxels:
    """The voxels of one grid, for yt: an array that is read when yt indexes it.

    yt asks for grids that finer ones cover, and then takes nothing of them.
    """

    def __init__(self, level: LevelVoxels, region: Region) -> None:
        self._level, self._region = level, region
        self.shape = geometry.region_shape(region)
        self.size, self.ndim = geometry.count(self.shape), len(self.shape)
        self.dtype = np.dtype(np.float64)

    def __call__(self, grid: object, field: object) -> GridVoxels:
        """Return itself: yt calls what it was given for a grid."""
        return self

    def __getitem__(self, item: Any) -> Any:
        return np.asarray(self)[item]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Block:
        return self._level.read(self._region).astype(dtype or self.dtype)
