"""How the chunks of a finer level go into a block of the coarser one."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zarrpyramid import geometry

if TYPE_CHECKING:
    from zarrpyramid.geometry import Index, Region, Shape


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """How one chunk of the source goes into a block of the level; see `block_layout`.

    Attributes
    ----------
    index
        The chunk's place, relative to the first one of the layout.
    shape
        Extents of the chunk, clipped at the array's edge.
    taken
        What the block takes of it, in the chunk's coordinates.
    start, in_span
        Where that begins in the span that the block is made from, and where it stands there.
    in_block
        Where its means stand in the block, if the chunk holds whole windows.
    is_whole
        Whether the block takes all of the chunk.
    is_owned
        Whether the chunk's first voxel lies in the span, which is true for one block alone.
    """

    index: Index
    shape: Shape
    taken: Region
    start: Index
    in_span: Region
    in_block: Region
    is_whole: bool
    is_owned: bool


def block_layout(
    span: Region, chunks: Shape, factors: Shape, shape: Shape
) -> tuple[Index, list[Piece]]:
    """Return the first chunk that a span of an array touches, and how all of them go into a block.

    Blocks that differ in their place alone share one list. Making it costs as much as reducing a
    chunk; a level has millions of blocks but only a few lists.

    Parameters
    ----------
    span
        What the block is made from, in the coordinates of the finer level; starts at a multiple of
        `factors`.
    chunks, shape
        Of the finer level.
    """
    first = tuple(axis.start // edge for axis, edge in zip(span, chunks, strict=True))
    origin = geometry.multiply(first, chunks)
    bounds, clipped = [], []
    for axis, base, edge, extent in zip(span, origin, chunks, shape, strict=True):
        stop = axis.stop - base
        bounds.append((axis.start - base, stop))
        clipped.append(min(extent - base, -(-stop // edge) * edge))
    return first, _pieces(tuple(bounds), chunks, factors, tuple(clipped))


@functools.lru_cache(maxsize=256)
def _pieces(
    bounds: tuple[tuple[int, int], ...], chunks: Shape, factors: Shape, shape: Shape
) -> list[Piece]:
    span = tuple(slice(*pair) for pair in bounds)
    pieces = []
    for index in geometry.covering_units(span, chunks):
        here = geometry.unit_region(index, chunks, shape)
        shared = geometry.intersection(here, span)
        in_span = geometry.relative_region(shared, span)
        in_block = tuple(
            slice(axis.start // factor, -(-axis.stop // factor))
            for axis, factor in zip(in_span, factors, strict=True)
        )
        pieces.append(
            Piece(
                index=index,
                shape=geometry.region_shape(here),
                taken=geometry.relative_region(shared, here),
                start=tuple(axis.start for axis in in_span),
                in_span=in_span,
                in_block=in_block,
                is_whole=shared == here,
                is_owned=all(a.start <= b.start for a, b in zip(span, here, strict=True)),
            )
        )
    return pieces
