"""What means that are rounded once carry from level to level: a hidden array of remainders.

It lies in the folder of the level that it is of, where no reader of zarr looks, in chunks and
shards of the same extents, and is there only until the next level is published.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry
from zarrpyramid.errors import ConfigError
from zarrpyramid.metadata import join, new_array
from zarrpyramid.reduce import ITEM_SIZES, MOST_PACKED, kind_of, remainder_dtype

if TYPE_CHECKING:
    from zarrpyramid.config import ImageConfig
    from zarrpyramid.geometry import Shape
    from zarrpyramid.metadata import ArrayMetadata, Record

    from .levels import LevelPlan

EACH, ONCE = "each", "once"
"""The values of `rounding`; by the second one levels carry remainders."""

REMAINDERS = ".zarrpyramid-remainders"
"""The folder of a level that holds its remainders."""

_KINDS = ("bool", "int", "uint")


def check_rounding(image: ImageConfig, base: ArrayMetadata) -> None:
    """See that level 0 can be averaged and rounded once, where that is asked for.

    Raises
    ------
    ConfigError
        If the method or the data type does not take it, or some voxels are no data.
    """
    if image.rounding != ONCE:
        return
    where, leave = f"image {image.name}: rounding once", "give rounding: each for this image"
    if image.method != "mean":
        raise ConfigError(
            f"{where} is for the method mean, this image takes {image.method}; {leave}"
        )
    if kind_of(base.dtype) not in _KINDS:
        raise ConfigError(
            f"{where} is for integers and bool, level 0 is of {base.dtype}, whose means differ by "
            f"the last bits of a float alone; {leave}"
        )
    if image.nodata is not None:
        raise ConfigError(
            f"{where} takes all voxels, nodata leaves some out; {leave}, or leave nodata out"
        )


def rounding_entries(rounding: str) -> Record:
    """Return what a recipe says of rounding: nothing where each level is rounded by itself."""
    return {"rounding": ONCE} if rounding == ONCE else {}


def remainders_path(path: str) -> str:
    """Return the path of the remainders of the level at a path."""
    return join(path, REMAINDERS)


def remainders_array(
    level: ArrayMetadata | LevelPlan, downsampling: Shape, base: Shape
) -> ArrayMetadata:
    """Return the metadata of a level's remainders; no document of it is ever written.

    Remainders that fit half a byte are packed in pairs along the last axis of each chunk, and the
    array is one of bytes.

    Parameters
    ----------
    downsampling
        How many voxels of level 0 make one of the level, along each axis.
    base
        Extents of level 0.
    """
    most = geometry.count(tuple(map(min, downsampling, base)))
    dtype, packs = remainder_dtype(most), most // 2 <= MOST_PACKED
    shape, chunks, shards = level.shape, level.chunks, level.shards
    if packs:
        shape, chunks = _paired(shape, level.chunks), _paired(chunks, level.chunks)
        shards = None if shards is None else _paired(shards, level.chunks)
    found = new_array(
        shape=shape,
        chunks=chunks,
        shards=None,
        dtype="uint8" if packs else dtype,
        names=[str(axis) for axis in range(len(base))],
    )
    # Remainders are noise of few bits, of which lz4 makes nothing, and takes no time to see it; of
    # an even background it makes all.
    options = {
        "typesize": ITEM_SIZES[dtype],
        "cname": "lz4",
        "clevel": 1,
        "shuffle": "shuffle",
        "blocksize": 0,
    }
    codecs: list[Any] = [found.codecs[0], {"name": "blosc", "configuration": options}]
    found = replace(found, document={**found.document, "codecs": codecs})
    return found.derive(shape=shape, chunks=chunks, shards=shards, attributes={})


def _paired(extents: Shape, chunks: Shape) -> Shape:
    """Return extents in chunks whose voxels are packed in pairs along the last axis.

    >>> _paired((9, 23), (4, 5)), _paired((4, 5), (4, 5))
    ((9, 14), (4, 3))
    """
    whole, rest = divmod(extents[-1], chunks[-1])
    return (*extents[:-1], whole * -(-chunks[-1] // 2) + -(-rest // 2))


def remainders_header(level: ArrayMetadata | LevelPlan, downsampling: Shape, base: Shape) -> Record:
    """Return what the digest of a level's remainders covers beside them; as `remainders_array`."""
    return {
        "shape": list(level.shape),
        "chunks": list(level.chunks),
        "downsampling": list(downsampling),
        "base": list(base),
    }


def made_of(finer: Record) -> Record:
    """Return what the record of a level says of the level before, by the record of that one."""
    return {key: finer[key] for key in ("digest", "remainders") if key in finer}
