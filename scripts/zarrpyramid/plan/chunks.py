"""The chunks, shards and data type of the new levels, of the settings and of level 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.errors import ConfigError
from zarrpyramid.metadata import SAME, SHARDING
from zarrpyramid.reduce import ITEM_SIZES, level_dtype

from .decision import Decision

if TYPE_CHECKING:
    from zarrpyramid.config import ImageConfig
    from zarrpyramid.geometry import Shape
    from zarrpyramid.metadata import ArrayMetadata

_LARGEST_CHUNK = 2**31 - 1
"""Bytes of a chunk that every codec takes."""


def plan_chunks(image: ImageConfig, base: ArrayMetadata) -> tuple[Shape, Shape | None]:
    """Return chunks and shards of the new levels, before shards are cut down to small levels."""
    changed = image.chunks is not None or image.shards != SAME
    if changed and any(codec["name"] == SHARDING for codec in base.codecs):
        raise ConfigError(
            f"image {image.name}: level 0's shards are not the outermost of its codecs, so that "
            "those of the levels cannot differ; leave chunks and shards out"
        )
    chunks = base.chunks if image.chunks is None else image.chunks
    shards = base.shards if isinstance(image.shards, str) else image.shards
    for key, extents in (("chunks", image.chunks), ("shards", image.shards)):
        if isinstance(extents, tuple) and len(extents) != len(base.shape):
            raise ConfigError(
                f"image {image.name}: {key} {list(extents)} has {len(extents)} entries, "
                f"level 0 has {len(base.shape)} axes; give one an axis"
            )
    if image.shards == "none" or shards is None:
        return chunks, None
    if base.zarr_format == 2:
        raise ConfigError(
            f"image {image.name}: shards {list(shards)}: zarr v2 has none, and level 0 is v2; "
            "leave shards out and give larger chunks, or convert the image to v3"
        )
    if any(outer % inner for outer, inner in zip(shards, chunks, strict=True)):
        whose = "level 0's shards" if image.shards == SAME else "shards"
        raise ConfigError(
            f"image {image.name}: chunks {list(chunks)} do not divide {whose} {list(shards)}; "
            "choose divisors of them, or other shards (none: every chunk on its own)"
        )
    return chunks, shards


def decide_chunks(image: ImageConfig, chunks: Shape) -> Decision[Shape]:
    """Return the chunks of the new levels that `plan_chunks` gives."""
    is_given = image.chunks is not None
    return Decision(
        key="chunks", value=chunks, given=is_given, why="" if is_given else "those of level 0"
    )


def plan_dtype(image: ImageConfig, base: ArrayMetadata, ladder: list[Shape]) -> str:
    """Return the data type of the new levels, which a ladder of factors makes."""
    dtype = level_dtype(image.name, image.method, base.dtype, image.dtype, base.shape, ladder)
    if dtype != base.dtype and base.filters:
        raise ConfigError(
            f"image {image.name}: dtype {dtype} does not go through level 0's filters "
            f"{base.filters}, which are made for its {base.dtype}; choose a method that keeps the "
            "dtype, such as mean, or copy level 0 without filters"
        )
    n_bytes = geometry.count(image.chunks or ()) * ITEM_SIZES[dtype]
    if n_bytes > _LARGEST_CHUNK:
        raise ConfigError(
            f"image {image.name}: a chunk {list(image.chunks or ())} of {dtype} has {n_bytes} "
            f"bytes, expected at most {_LARGEST_CHUNK}; give smaller chunks"
        )
    return dtype
