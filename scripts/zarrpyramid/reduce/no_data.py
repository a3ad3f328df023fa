"""Which voxels of a level are no data, and how many of a window must be data.

Planning imports it, so that it does without numpy; `known_windows` has the arithmetic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zarrpyramid.geometry import Index, Shape

    from .methods import Method

    Values = tuple[int | float | None, ...]

NODATA_KINDS = ("int", "uint", "float")
"""Kinds of data type that have a number to spare for no data."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NoData:
    """What stands for no data in the voxels that a level is made from.

    Attributes
    ----------
    declared
        Numbers that level 0 declares to be none. The methods that skip NaN skip them too.
    values
        What the setting `nodata` gives in their place: one number, which may be NaN, or one for
        each index of `axis`, None where all is data. The data type has each of them, and no zero
        has a sign.
    share
        Part of a window that must be data; else the voxel made of it is no data. With `values`
        alone.
    axis
        Number of the channel axis, where there is a value for each channel.
    """

    declared: tuple[int | float, ...] = ()
    values: Values = ()
    share: float = 0.5
    axis: int | None = None

    @classmethod
    def of_channels(cls, values: Values, axis: int | None, share: float) -> NoData:
        """Return what values of channels come to: one value where all channels have the same.

        >>> NoData.of_channels((0, 0), 1, 0.5) == NoData(values=(0,))
        True
        """
        if len({repr(value) for value in values}) > 1:
            return cls(values=values, axis=axis, share=share)
        return cls() if values[0] is None else cls(values=values[:1], share=share)

    @property
    def is_given(self) -> bool:
        """Whether the setting gives a value."""
        return any(value is not None for value in self.values)

    def is_left_out(self, method: Method) -> bool:
        """Whether a method leaves any voxel out of its windows but for NaN."""
        return self.is_given or (bool(self.declared) and method.skips)

    def least(self, n_voxels: int) -> int:
        """Return how many of the voxels of a window must be data.

        A share is the decimal fraction that a configuration has, and not the double next to it.

        >>> NoData(share=0.7).least(10), NoData(share=0.5).least(3), NoData(share=1e-9).least(8)
        (7, 2, 1)
        """
        from fractions import Fraction  # 5 ms, which data without nodata saves

        return math.ceil(Fraction(repr(self.share)) * n_voxels)

    def at(self, start: Index, shape: Shape) -> NoData:
        """Return what holds for the voxels of a box, whose first channel is then number 0."""
        if self.axis is None:
            return self
        first = start[self.axis]
        values = self.values[first : first + shape[self.axis]]
        return NoData.of_channels(values, self.axis, self.share)

    def of_channel(self, channel: int) -> int | float | None:
        """Return the value of a channel, None where all of it is data."""
        if not self.values:
            return None
        return self.values[0 if self.axis is None else channel]

    def numbers(self, channel: int) -> tuple[int | float, ...]:
        """Return the numbers, other than NaN, that stand for no data in a channel."""
        if not self.is_given:
            return self.declared
        value = self.of_channel(channel)
        return () if value is None or value != value else (value,)


ALL_DATA = NoData()
"""What holds where no number stands for no data."""
