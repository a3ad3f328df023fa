"""How a block is cut for the kernels: windows of one shape, slabs that fit the cache."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    Block = np.ndarray[Any, np.dtype[Any]]
    Region = tuple[slice, ...]

_SLAB_VOXELS = 1 << 19
"""Voxels that the numpy form takes at a time. Half as many cost a tenth in overheads; 2**24 cost
half of the speed of floats in cache misses."""


def check_out(
    source: Block, factors: tuple[int, ...], out: Block, *, keeps_dtype: bool = True
) -> None:
    """Check that `out` fits what is made of the windows of `source`.

    Raises
    ------
    ValueError
        If it has another shape, or another dtype where that is kept.
    """
    expected = tuple(
        -(-extent // factor) for extent, factor in zip(source.shape, factors, strict=True)
    )
    if out.shape != expected or (keeps_dtype and out.dtype != source.dtype):
        raise ValueError(
            f"expected out of {source.dtype} and shape {expected}, found {out.dtype} {out.shape}"
        )


def uniform_pieces(
    shape: tuple[int, ...], factors: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], Region, Region]]:
    """Yield (window, source region, out region) of the at most 2**d pieces cut at the high edges.

    The windows of a piece have one shape, so that kernels need not handle clipped ones.
    """
    spans: list[list[tuple[int, slice, slice]]] = []
    for extent, factor in zip(shape, factors, strict=True):
        whole, rest = divmod(extent, factor)
        full = (factor, slice(0, whole * factor), slice(0, whole))
        clipped = (rest, slice(whole * factor, extent), slice(whole, whole + 1))
        spans.append([span for span, found in ((full, whole), (clipped, rest)) if found])
    for combination in itertools.product(*spans):
        window, region, target = zip(*combination, strict=True)
        yield window, region, target


def slabs(source: Block, window: tuple[int, ...], out: Block) -> Iterator[tuple[Block, Block]]:
    """Cut source and out across the first axis that has several windows, into cache-sized slabs."""
    axis = next((axis for axis, extent in enumerate(out.shape) if extent > 1), 0)
    step = max(1, _SLAB_VOXELS * out.shape[axis] // source.size)
    before, factor = (slice(None),) * axis, window[axis]
    for start in range(0, out.shape[axis], step):
        yield (
            source[(*before, slice(start * factor, (start + step) * factor))],
            out[(*before, slice(start, start + step))],
        )
