"""The windows of a block in which some numbers stand for no data, such as -32768 of int16.

The methods that leave out NaN leave out these too. A window of nothing else stays no data.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from . import numpy_windows
from .moments import magnitude
from .numpy_windows import fold
from .pieces import uniform_pieces

if TYPE_CHECKING:
    from .pieces import Block

    Window = tuple[int, ...]


def find_no_data(source: Block, no_data: tuple[int | float, ...]) -> Block | None:
    """Return where a block holds no data, or None where it holds data alone."""
    if not no_data or source.dtype.kind not in "iuf":
        return None
    found = np.isin(source, np.array(no_data, source.dtype))
    return found if found.any() else None


def reduce_known(method: str, source: Block, missing: Block, factors: Window, out: Block) -> None:
    """Fill `out` with what a method makes of the voxels that are not missing.

    1. nanmean: their exact mean, of integers rounded half to even; of floats that are not NaN as
       `reduce_windows` defines it.
    2. min, max: the least or largest of them.
    3. Of a window without any other voxel, the first one.

    Parameters
    ----------
    method, source, factors, out
        As for `windows.reduce_windows`.
    missing
        Where `source` holds no data.
    """
    with np.errstate(all="ignore"):
        for window, region, target in uniform_pieces(source.shape, factors):
            piece, gone, part = source[region], missing[region], out[target]
            known = fold(np.add, (~gone).astype(np.uint32), window, np.dtype(np.uint32))
            if source.dtype.kind == "f":
                reduce = getattr(numpy_windows, f"reduce_{method}")
                reduce(np.where(gone, source.dtype.type(np.nan), piece), window, part)
            elif method == "nanmean":
                _mean(np.where(gone, source.dtype.type(0), piece), known, window, part)
            else:
                limits = np.iinfo(source.dtype)
                end = limits.max if method == "min" else limits.min
                reduce = getattr(numpy_windows, f"reduce_{method}")
                reduce(np.where(gone, source.dtype.type(end), piece), window, part)
            firsts = piece[tuple(slice(None, None, factor) for factor in window)]
            np.copyto(part, firsts, where=known == 0)


def _mean(source: Block, known: Block, window: Window, out: Block) -> None:
    """Fill `out` with sums of integers divided by counts, rounded half to even."""
    fits = magnitude(source) * math.prod(window) < 1 << 62
    wide: Any = np.dtype(np.int64 if fits else object)  # Python's integers have no end
    sums = fold(np.add, source.astype(wide), window, wide)
    counts = np.maximum(known, 1).astype(wide)
    means = sums // counts
    twice = 2 * (sums - means * counts)
    up = (twice > counts) | ((twice == counts) & (means % 2 == 1))
    out[...] = (means + up.astype(np.int64)).astype(out.dtype)
