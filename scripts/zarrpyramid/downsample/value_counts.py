"""How often each value occurs in level 0, by channel, and the contrast windows that this gives.

While level 1 is made, the first voxel of every window is counted: with factors 2 x 2 x 2 that is
one voxel in eight. Counts are integers that add up in any order, so that threads, parts, hosts and
resumed jobs come to the same windows.
"""

from __future__ import annotations

import base64
import json
import sys
import zlib
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from zarrpyramid import geometry
from zarrpyramid.arrays import chunk_region, read_chunk
from zarrpyramid.reduce import ALL_DATA, count_values, find_no_data

if TYPE_CHECKING:
    from zarrpyramid.arrays import Block
    from zarrpyramid.geometry import Index, Region, Shape
    from zarrpyramid.reduce import NoData

    from .task import LevelTask

    Table = np.ndarray[Any, np.dtype[np.int64]]
    Packed = dict[int, tuple[np.ndarray[Any, np.dtype[Any]], np.ndarray[Any, np.dtype[Any]]]]

_N_KEYS = 1 << 16
_HIGH = 1 if sys.byteorder == "little" else 0
"""The place of the upper half among the two halves of a float32."""

_TAIL = 1000
"""One voxel in so many is darker than a window, and one is brighter."""


class ValueCounts:
    """How often each value was counted, by channel.

    Values of 8 and 16 bits are told apart by all of their bits. Values of wider types become
    float32, and are told apart by the upper 16 bits of that: what stands for them is less than 1 %
    nearer to 0.
    """

    def __init__(self) -> None:
        self._tables: dict[int, Table] = {}
        self._packed: Packed = {}

    def add(
        self,
        voxels: Block,
        factors: Shape,
        origin: Index,
        channel_axis: int | None = None,
        *,
        flat: bool = False,
        no_data: NoData = ALL_DATA,
        compiled: bool = False,
    ) -> None:
        """Count those voxels of a block that are the first of their window, of every channel.

        Parameters
        ----------
        voxels
            Of level 0; not complex.
        factors
            Voxels of a window along each axis.
        origin
            Where the block begins in level 0.
        channel_axis
            Number of the channel axis; None where there is none.
        flat
            Whether all voxels are known to be one number.
        no_data
            What stands for no data in the whole level, and is not counted.
        compiled
            Use numba's form, which must be loaded.
        """
        steps = [1 if axis == channel_axis else step for axis, step in enumerate(factors)]
        firsts = (slice(-n % step, None, step) for n, step in zip(origin, steps, strict=True))
        sample = voxels[tuple(firsts)]
        first = 0 if channel_axis is None else origin[channel_axis]
        planes = [sample] if channel_axis is None else np.moveaxis(sample, channel_axis, 0)
        for channel, plane in enumerate(planes, start=first):
            table = self._table(channel, 1 << 8 * min(plane.itemsize, 2))
            if (missing := find_no_data(plane, no_data.numbers(channel))) is not None:
                count_values(_keys(plane[~missing]), table, compiled=compiled)
            elif flat:
                table[_keys(plane.reshape(-1)[:1])] += plane.size
            else:
                count_values(_keys(plane), table, compiled=compiled)

    def merge(self, other: ValueCounts) -> None:
        """Add what others have counted."""
        for channel, (keys, counts) in other.__getstate__().items():
            self._table(channel, 1 << 8 * keys.itemsize)[keys] += counts

    def windows(self, dtype: str, n_channels: int) -> list[list[int | float] | None]:
        """Return the 0.1 % and the 99.9 % quantile of the finite voxels of each channel.

        A quantile is the value of a voxel (numpy's ``inverted_cdf``), of wide types the one that
        stands for it. None stands for a channel without finite voxels.

        Parameters
        ----------
        dtype
            That of the voxels which were counted.
        """
        values, order = _values(dtype)
        as_number = float if np.dtype(dtype).kind == "f" else int
        windows: list[list[int | float] | None] = []
        for channel in range(n_channels):
            before = np.cumsum(self._table(channel)[order])
            n_voxels = int(before[-1])
            if not n_voxels:
                windows.append(None)
                continue
            ranks = (-(-n_voxels // _TAIL), n_voxels - n_voxels // _TAIL)
            places = np.searchsorted(before, ranks)
            windows.append([as_number(values[order[place]]) for place in places])
        return windows

    @property
    def n_voxels(self) -> int:
        """Number of the voxels that were counted, of all channels."""
        return sum(int(counts.sum()) for _, counts in self.__getstate__().values())

    def encode(self) -> str:
        """Return the counts as text, of a few bytes for each value that occurs."""
        state = {
            channel: [keys.tolist(), counts.tolist()]
            for channel, (keys, counts) in sorted(self.__getstate__().items())
        }
        return base64.b85encode(zlib.compress(json.dumps(state).encode(), 1)).decode()

    @classmethod
    def decode(cls, text: str) -> ValueCounts:
        """Return the counts that `encode` has made a text of."""
        found, state = cls(), json.loads(zlib.decompress(base64.b85decode(text)))
        for channel, (keys, counts) in state.items():
            found._table(int(channel))[keys] = counts
        return found

    def __getstate__(self) -> Packed:
        """Return what is pickled: for each channel, the keys that occur and their counts."""
        for channel, table in self._tables.items():
            # Twelve times as fast as the nonzero ones of int64.
            keys = np.flatnonzero(table != 0)
            counts = table[keys]
            size = np.min_scalar_type(int(counts.max(initial=0)))
            kind = np.uint16 if len(table) > 256 else np.uint8
            self._packed[channel] = keys.astype(kind), counts.astype(size)
        return self._packed

    def __setstate__(self, state: Packed) -> None:
        """Take what was pickled; a table is made of it when something is added."""
        self._tables, self._packed = {}, state

    def _table(self, channel: int, n_keys: int = _N_KEYS) -> Table:
        """Return the table of a channel; a new one has room for as many keys as values have."""
        if channel not in self._tables:
            self._tables[channel] = np.zeros(n_keys, np.int64)
            if channel in self._packed:
                keys, counts = self._packed[channel]
                self._tables[channel][keys] = counts
        return self._tables[channel]


def count_object(task: LevelTask, index: Index) -> ValueCounts:
    """Count the values that an object of level 1 is made from, as its task does, and write nothing.

    For an object that is kept from an earlier job whose counts are no longer its own.
    """
    counts, metadata = ValueCounts(), task.source
    region = geometry.unit_region(index, task.target.write_shape, task.target.shape)
    span = geometry.finer_region(region, task.factors, metadata.shape)
    for place in geometry.covering_units(span, metadata.chunks):
        here = chunk_region(metadata, place)
        taken = geometry.intersection(here, span)
        voxels = read_chunk(task.arrays[0], place)[geometry.relative_region(taken, here)]
        where, axis = starts(taken), task.channel_axis
        counts.add(voxels, task.factors, where, axis, no_data=task.no_data)
    return counts


def starts(*regions: Region) -> Index:
    """Return where a region begins that is given in the coordinates of the one before it.

    >>> starts((slice(4, 9), slice(0, 2)), (slice(1, 3), slice(1, 2)))
    (5, 1)
    """
    return tuple(sum(axis.start for axis in axes) for axes in zip(*regions, strict=True))


def _keys(sample: Block) -> Block:
    """Return the keys of some voxels."""
    if sample.dtype.itemsize > 2:
        with np.errstate(all="ignore"):  # what float32 does not hold becomes infinite
            singles = sample.astype(np.float32, order="C")
        sample = singles.view(np.uint16)[..., _HIGH::2]
    return sample.view(f"u{sample.dtype.itemsize}")


@cache
def _values(dtype: str) -> tuple[Block, Block]:
    """Return the value of every key of a data type, and the keys of finite values by value."""
    kind = np.dtype(dtype)
    if kind.itemsize > 2:
        values = (np.arange(_N_KEYS, dtype=np.uint32) << 16).view(np.float32)
    else:
        n_keys = 1 << 8 * (1 if kind == np.bool_ else kind.itemsize)
        keys = np.arange(n_keys, dtype=f"u{kind.itemsize}")
        values = keys != 0 if kind == np.bool_ else keys.view(kind)
    with np.errstate(invalid="ignore"):
        numbers = values.astype(np.float64) + 0.0  # zero has no sign
    order = np.argsort(numbers, kind="stable")
    return numbers, order[np.isfinite(numbers[order])]
