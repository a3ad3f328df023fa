"""The chunks of level 0, held in memory while several levels are made of them."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from zarrpyramid.reduce import describe, describe_extremes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.arrays import Block, Chunks
    from zarrpyramid.geometry import Index
    from zarrpyramid.reduce import Moments


class HeldChunks:
    """The chunks of an array, each read, decoded and described once by one thread.

    Payloads and blocks are valid as long as the thread makes no other object of this kind.
    """

    def __init__(self, chunks: Chunks) -> None:
        self.metadata, self.keeps_voxels = chunks.metadata, chunks.keeps_voxels
        self._chunks = chunks
        self._number = count()  # a remote store asks in several threads
        self._held: dict[Index, tuple[Chunks, Any]] = {}
        self._blocks: dict[Index, Block] = {}
        self._moments: dict[tuple[Index, bool], Moments] = {}

    def payload(self, index: Index) -> Any:
        """Return the stored bytes of a chunk as `Chunks.payload` does."""
        if index not in self._held:
            chunks = self._chunks.beside(f"held {next(self._number)} ")
            self._held[index] = chunks, chunks.payload(index)
        return self._held[index][1]

    def decode(self, index: Index, payload: Any) -> Block:
        """Return a chunk's voxels as `Chunks.decode` does."""
        if index not in self._blocks:
            self._blocks[index] = self._held[index][0].decode(index, payload)
        return self._blocks[index]

    def moments(self, index: Index, taken: Block, *, adds: bool) -> Moments:
        """Return what is taken of a chunk in figures; without the sum where nobody `adds`."""
        key = index, adds
        if key not in self._moments:
            self._moments[key] = describe(taken) if adds else describe_extremes(taken)
        return self._moments[key]

    def encode(self, index: Index, block: Block) -> Any:
        """Return what to store for a chunk."""
        return self._chunks.encode(index, block)

    def put(self, index: Index, payloads: Sequence[Any]) -> int | None:
        """Write one object."""
        return self._chunks.put(index, payloads)

    def beside(self, buffers: str) -> Chunks:
        """Return the same chunks with other buffers."""
        return self._chunks.beside(buffers)
