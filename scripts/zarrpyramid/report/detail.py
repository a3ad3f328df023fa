"""The detail that a loupe shows: where a slice has most structure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .figures import shares

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .figures import Window

    Pixels = np.ndarray[Any, np.dtype[Any]]

_VOXELS = 64
"""Voxels along the longer edge of a detail, of the finest level."""
_LEAST = 3
"""How many times a loupe enlarges, at least."""
_COARSE = 12
"""Pixels along the longer edge of a detail by which it is judged, at least."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Detail:
    """A part of a slice, in shares of the slice's height and width."""

    top: float
    left: float
    height: float
    width: float


def find_detail(
    levels: Sequence[Sequence[Pixels]],
    windows: Sequence[Window],
    ratio: float,
    *,
    is_labels: bool,
) -> Detail:
    """Return the detail with most structure: of the slice's proportions, or at most 2 : 1.

    Parameters
    ----------
    levels
        The slice of each channel at each level, the finest first.
    windows
        Of the channels: differences count by how much of them is seen.
    ratio
        How many times wider than high the slice is.
    is_labels
        Whether all differences count alike.
    """
    zoom = max(_LEAST, round(max(levels[0][0].shape) / _VOXELS))
    along = [1 / zoom, min(1.0, max(1.0, ratio / 2, 0.5 / ratio) / zoom)]
    high, wide = along[::-1] if ratio > 1 else along
    # The coarsest level that still tells: there noise is averaged away.
    fit = [planes for planes in levels if max(planes[0].shape) / zoom >= _COARSE]
    planes = (fit or levels[:1])[-1]
    shape = planes[0].shape
    change = np.zeros(shape)
    for plane, window in zip(planes, windows, strict=True):
        values = plane if is_labels else np.nan_to_num(shares(plane.astype(np.float64), window))
        down, right = values[1:] != values[:-1], values[:, 1:] != values[:, :-1]
        if not is_labels:
            down, right = np.abs(np.diff(values, axis=0)), np.abs(np.diff(values, axis=1))
        change[1:] += down
        change[:, 1:] += right
    if not change.any():
        return Detail(top=(1 - high) / 2, left=(1 - wide) / 2, height=high, width=wide)
    rows, columns = (max(1, int(n * share)) for n, share in zip(shape, (high, wide), strict=True))
    sums = np.pad(change.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    tops = np.arange(0, shape[0] - rows + 1, max(1, rows // 3))
    lefts = np.arange(0, shape[1] - columns + 1, max(1, columns // 3))
    found = (
        sums[np.ix_(tops + rows, lefts + columns)]
        - sums[np.ix_(tops, lefts + columns)]
        - sums[np.ix_(tops + rows, lefts)]
        + sums[np.ix_(tops, lefts)]
    )
    row, column = np.unravel_index(int(found.argmax()), found.shape)
    return Detail(
        top=min(float(tops[row]) / shape[0], 1 - high),
        left=min(float(lefts[column]) / shape[1], 1 - wide),
        height=high,
        width=wide,
    )
