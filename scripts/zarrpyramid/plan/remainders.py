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
from zarrpyramid.reduce import ITEM_SIZES, kind_of, remainder_dtype

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

    Parameters
    ----------
    downsampling
        How many voxels of level 0 make one of the level, along each axis.
    base
        Extents of level 0.
    """
    dtype = remainder_dtype(geometry.count(tuple(map(min, downsampling, base))))
    found = new_array(
        shape=level.shape,
        chunks=level.chunks,
        shards=None,
        dtype=dtype,
        names=[str(axis) for axis in range(len(base))],
    )
    # Remainders are noise of few bits: zstd takes ten times as long, and saves a fifth.
    options = {
        "typesize": ITEM_SIZES[dtype],
        "cname": "lz4",
        "clevel": 1,
        "shuffle": "bitshuffle",
        "blocksize": 0,
    }
    codecs: list[Any] = [found.codecs[0], {"name": "blosc", "configuration": options}]
    found = replace(found, document={**found.document, "codecs": codecs})
    return found.derive(shape=level.shape, chunks=level.chunks, shards=level.shards, attributes={})


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
