"""Blocks of an array that lies in a file row by row, without blocks of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zarrpyramid.geometry import Shape

ROWS_BYTES = 2**20
"""Bytes that are worth a read of their own."""


def row_blocks(
    shape: Shape, item_size: int, *, order: str = "C", n_bytes: int = ROWS_BYTES
) -> Shape:
    """Return blocks of whole rows, of about `n_bytes` each.

    Parameters
    ----------
    order
        "C" where the last axis is the one along which neighbours lie side by side, "F" where it is
        the first.

    >>> row_blocks((2000, 1024, 1024), 2), row_blocks((2000, 1024, 1024), 2, order="F")
    ((1, 512, 1024), (2000, 262, 1))
    """
    extents = shape if order == "C" else shape[::-1]
    blocks: list[int] = []
    left = max(1, n_bytes // item_size)
    for extent in reversed(extents):
        blocks.append(max(1, min(extent, left)))
        left = left // extent if extent else 1
    blocks = blocks[::-1] if order == "C" else blocks
    return tuple(blocks)
