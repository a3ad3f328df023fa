"""One level of a pyramid, whoever made it: what its document says, and its voxels on request."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import ArgumentError, StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import zarr
    from xarray import DataArray

    from zarrpyramid.geometry import Shape
    from zarrpyramid.metadata import ArrayMetadata, Record
    from zarrpyramid.verify import FoundLevel
    from zarrpyramid.verify import Pyramid as FoundPyramid


class Level:
    """One level of a `Pyramid`, as its ``levels`` hold it.

    What its document says costs nothing. `array`, `dask` and `xarray` open it for reading.

    Examples
    --------
    >>> import numpy, zarr, zarrpyramid
    >>> group = zarr.create_group({})
    >>> _ = group.create_array("0", data=numpy.arange(64).reshape(8, 8), chunks=(4, 4))
    >>> level = zarrpyramid.build_pyramid(group, levels=1).levels[1]
    >>> level
    <Level 1: int64 4 x 4 in chunks of 4 x 4>
    >>> level.array[0].tolist()
    [4, 6, 8, 10]
    """

    __slots__ = ("_found", "_pyramid")

    def __init__(self, pyramid: FoundPyramid, found: FoundLevel) -> None:
        self._pyramid, self._found = pyramid, found

    def __repr__(self) -> str:
        if self._found.metadata is None:
            return f"<Level {self.number}: {self._found.fault}>"
        shape, chunks = (" x ".join(map(str, extents)) for extents in (self.shape, self.chunks))
        return f"<Level {self.number}: {self.dtype} {shape} in chunks of {chunks}>"

    @property
    def number(self) -> int:
        """Place in the pyramid; 0 is the finest."""
        return self._found.number

    @property
    def path(self) -> str:
        """Path of its array in the pyramid's group."""
        return self._found.path

    @property
    def shape(self) -> Shape:
        """Extents in voxels."""
        return self._there.shape

    @property
    def chunks(self) -> Shape:
        """Extents of a chunk, an inner one where there are shards."""
        return self._there.chunks

    @property
    def shards(self) -> Shape | None:
        """Extents of a shard, or None."""
        return self._there.shards

    @property
    def dtype(self) -> str:
        """Data type, such as ``uint16``."""
        return self._there.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of all voxels in memory."""
        return math.prod(self.shape) * self._there.item_size

    @property
    def scale(self) -> tuple[float, ...] | None:
        """Extents of a voxel in the axes' units; None where the group does not tell them."""
        return _vector(self._pyramid.placement(self._found)[0])

    @property
    def translation(self) -> tuple[float, ...] | None:
        """Position of the centre of the first voxel; None where the group does not tell it."""
        return _vector(self._pyramid.placement(self._found)[1])

    @property
    def record(self) -> Record:
        """What was recorded of the level as zarrpyramid made it; of others, its form alone."""
        found = self._found
        return found.record or {"level": self.number, **(found.form if found.metadata else {})}

    @property
    def array(self) -> zarr.Array[Any]:
        """The level as zarr-python opens it, read-only.

        Raises
        ------
        PyramidError
            If it is not there, or not the one that was found.
        """
        from zarrpyramid.stores import open_read_only  # it imports zarr

        _ = self._there
        self._pyramid.unchanged(self._found)
        array: zarr.Array[Any] = open_read_only(self._pyramid.store, self._found.at)
        return array

    def dask(self, chunks: Sequence[int] | str | None = None) -> Any:
        """Return the level as an array of dask, which reads what is computed.

        Parameters
        ----------
        chunks
            Blocks of dask; those of the level unless given. ``"auto"`` takes larger ones.

        Raises
        ------
        PyramidError
            If the level is not there.
        """
        from dask.array import from_zarr

        array = self.array
        try:
            return from_zarr(array, chunks=chunks)  # type: ignore[no-untyped-call]
        except (ArithmeticError, TypeError, ValueError):
            raise ArgumentError(
                f"chunks is {chunks!r}, expected 'auto', or voxels of a block along each of the "
                f"{len(self.shape)} axes; give chunks={self.chunks}"
            ) from None

    def xarray(self, chunks: Sequence[int] | str | None = None) -> DataArray:
        """Return the level as a DataArray of xarray, with coordinates at the voxels' centres.

        See `Pyramid.xarray`.
        """
        from .labelled import data_array

        return data_array(self._pyramid, self._found, self.dask(chunks))

    @property
    def _there(self) -> ArrayMetadata:
        """Metadata of a level that can be read."""
        if self._found.metadata is None:
            raise StoreError(
                f"{self._found.name} {self._found.fault}; build the level, or take another one"
            )
        return self._found.metadata


def _vector(values: Sequence[float] | None) -> tuple[float, ...] | None:
    return None if values is None else tuple(values)
