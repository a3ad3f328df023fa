"""Codecs tried on an image's own averaged voxels: bytes, and seconds of a core. Nothing is written.

Chunks of level 1 are made from level 0 as a build makes them, a few that lie anywhere in the image.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.arrays import native_dtype, open_chunks, read_region, scratch
from zarrpyramid.errors import ConfigError, StoreError, VoxelError
from zarrpyramid.metadata import SAME, encoded_as, read_array
from zarrpyramid.plan import Source
from zarrpyramid.reduce import reduce_windows

from .value_counts import starts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zarrpyramid.arrays import Block, Chunks
    from zarrpyramid.geometry import Index, Region
    from zarrpyramid.metadata import ArrayMetadata
    from zarrpyramid.plan import Image

    Read = Callable[[Region], Block]

CODECS = (
    *("none", "zstd:1", "zstd", "gzip:1", "gzip", "blosc-lz4", "blosc-lz4:5:bitshuffle"),
    *("blosc-lz4hc", "blosc-zstd:1", "blosc-zstd:1:bitshuffle", "blosc-zstd:3", "blosc-zstd"),
)
"""What is tried beside the codecs of level 0, as the setting `compressor` spells it."""

N_CHUNKS = 16
_ROUNDS = 2


@dataclass(kw_only=True, slots=True)
class CodecTrial:
    """What one compressor made of some chunks.

    Attributes
    ----------
    compressor
        As the configuration spells it.
    others
        Other spellings that come to the same document.
    metadata
        Of level 1 with it.
    raw_bytes, stored_bytes
        Of all chunks together.
    encode_seconds, decode_seconds
        CPU of one thread, of each chunk the faster of two rounds.
    """

    compressor: str
    others: list[str] = field(default_factory=list)
    metadata: ArrayMetadata
    raw_bytes: int = 0
    stored_bytes: int = 0
    encode_seconds: float = 0.0
    decode_seconds: float = 0.0
    chunks: Chunks = field(repr=False)

    def add(self, index: Index, block: Block) -> None:
        """Encode and decode a chunk of level 1, and count it.

        Raises
        ------
        VoxelError
            If other voxels come back.
        """
        seconds = []
        for _ in range(_ROUNDS):
            start = time.thread_time()
            payload = self.chunks.encode(index, block) or b""
            encoded = time.thread_time()
            decoded = self.chunks.decode(index, payload)
            seconds.append((encoded - start, time.thread_time() - encoded))
        if decoded.tobytes() != block.tobytes():
            raise VoxelError(f"{self.compressor} gives other voxels back than it was given")
        self.raw_bytes += geometry.count(self.metadata.chunks) * self.metadata.item_size
        self.stored_bytes += len(payload)
        self.encode_seconds += min(encoding for encoding, _ in seconds)
        self.decode_seconds += min(decoding for _, decoding in seconds)


def try_codecs(image: Image) -> list[CodecTrial]:
    """Try codecs on up to 16 chunks of level 1 of an image, the same in every call.

    Codecs of level 0 come first, unless they go through zarr-python. A codec that cannot have the
    checksum that is asked for is left out.

    Raises
    ------
    StoreError
        If level 0 is not there, or cannot be read.
    ConfigError
        If the image has no level 1, or no codec of level 0 can be replaced.
    """
    where = f"image {image.plan.image.name}"
    if len(image.plan.levels) == 1:
        raise ConfigError(f"{where}: it has no level beyond level 0; give levels: 1 to try codecs")
    read = _base_reader(image, where)
    trials = _trials(image, where)
    if not trials:
        names = [codec["name"] for codec in image.plan.base.codecs]
        raise ConfigError(
            f"{where}: level 0's codecs {names} keep a filter before any compressor, and go "
            "through zarr-python: codecs are not tried; choose one without --codecs"
        )
    for index, block in _blocks(image, trials[0].metadata, read):
        for trial in trials:
            trial.add(index, block)
    return trials


def _trials(image: Image, where: str) -> list[CodecTrial]:
    """Return what is to be tried, without those that go through zarr-python."""
    plan, level = image.plan, image.plan.levels[1]
    found: list[CodecTrial] = []
    for compressor in (SAME, *CODECS):
        try:
            pattern = encoded_as(
                plan.base, compressor, checksum=plan.image.checksum, where=where
            ).derive(
                shape=level.shape,
                chunks=level.chunks,
                shards=level.shards,
                attributes={},
                dtype=level.dtype,
            )
        except ConfigError:  # zarr v2 has a checksum for zstd alone
            if not plan.image.checksum:
                raise
            continue
        equal = next((known for known in found if known.metadata.codecs == pattern.codecs), None)
        if equal is not None:
            equal.others.append(compressor)
            continue
        chunks = open_chunks(image.store, image.level_path(1), pattern)
        if chunks.keeps_voxels:
            found.append(CodecTrial(compressor=compressor, metadata=pattern, chunks=chunks))
    return found


def _blocks(image: Image, target: ArrayMetadata, read: Read) -> Iterator[tuple[Index, Block]]:
    """Yield some chunks of level 1 with their voxels."""
    base, level = image.plan.base, image.plan.levels[1]
    grid = geometry.grid_shape(level.shape, level.chunks)
    n_chunks = geometry.count(grid)
    numbers = random.Random(0).sample(range(n_chunks), min(n_chunks, N_CHUNKS))
    for index in geometry.iterate_units(grid, sorted(numbers)):
        region = geometry.unit_region(index, level.chunks, level.shape)
        span = geometry.finer_region(region, level.factors, base.shape)
        voxels = read(span)
        block = scratch("tried", geometry.region_shape(region), native_dtype(target))
        no_data = level.no_data.at(starts(span), voxels.shape)
        reduce_windows(level.method, voxels, level.factors, block, no_data=no_data)
        yield index, block


def _base_reader(image: Image, where: str) -> Read:
    """Return what reads a region of level 0: as it stands, or else of what it is made from."""
    if read_array(image.store, image.level_path(0)) is not None:
        return partial(read_region, open_chunks(image.store, image.level_path(0), image.plan.base))
    if image.input is not None:
        return image.input.image.read
    if isinstance(image.source, Source):
        source = image.source
        return partial(read_region, open_chunks(source.store, source.path, source.base))
    raise StoreError(
        f"{where}: {image.name(0)} is not there yet, and codecs are tried on its voxels; give "
        "--codecs after a run has made it"
    )
