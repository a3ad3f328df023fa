"""The chunks, shards and data type of the new levels, of the settings and of level 0."""

from __future__ import annotations

from operator import mod
from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.errors import ConfigError
from zarrpyramid.metadata import SAME, SHARDING
from zarrpyramid.reduce import ITEM_SIZES, level_dtype

from .cut import task_bytes
from .decision import Decision

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zarrpyramid.config import ImageConfig
    from zarrpyramid.geometry import Shape
    from zarrpyramid.metadata import ArrayMetadata

_LARGEST_CHUNK = 2**31 - 1
"""Bytes of a chunk that every codec takes."""


_CHOSEN = 18
"""Powers of two in the voxels of a chosen chunk: 2^18 of them, such as 64^3 or 512^2."""

_MOST_VOXELS = 1 << 25
"""Voxels from which on a chunk is too large for a viewer."""

_FEWEST_VOXELS = 1 << 12
"""Voxels below which the chunks of a large image are too many files and requests."""

_LONG = 256
"""Longest edge beside an edge of 1 that a viewer reads in passing."""

_TASK_BYTES = 1 << 29
"""Bytes up to which a thread takes slices of level 0 together to make cubes of them.

128 slices of 1024 x 1024 uint16 take 0.3 GB. Of larger slices fewer are taken together: chunks are
flatter, and each slice is still decoded once.
"""

_WORTH_WHILE = 0.8
"""Share of a task's memory that flatter chunks must come down to."""


def why_extreme(chunks: Shape, shape: Shape, space: Sequence[int]) -> str:
    """Return what is extreme about the chunks of an image, or "".

    Parameters
    ----------
    space
        Its space axes, by number.

    >>> why_extreme((1, 1024, 1024), (200, 1024, 1024), (0, 1, 2))
    'an edge of 1 beside one of 1024'
    >>> why_extreme((1, 1024, 1024), (1, 4096, 4096), (0, 1, 2))  # one slice
    ''
    """
    edges = [(min(chunks[axis], shape[axis]), shape[axis]) for axis in space]
    longest = max((edge for edge, _ in edges), default=0)
    if longest > _LONG and any(edge == 1 < extent for edge, extent in edges):
        return f"an edge of 1 beside one of {longest}"
    n_voxels = geometry.count(tuple(map(min, chunks, shape)))
    if n_voxels > _MOST_VOXELS:
        return f"{n_voxels:,} voxels in one"
    is_large = geometry.count(tuple(shape[axis] for axis in space)) > 1 << _CHOSEN
    if n_voxels < _FEWEST_VOXELS and is_large:
        return f"{n_voxels:,} voxels in one"
    return ""


def near_cube(n_voxels: int, shape: Shape, space: Sequence[int]) -> Shape:
    """Return edges, powers of two along space axes and 1 along others, of at most `n_voxels`.

    They are as equal as can be, and none is more than twice as long as the image.

    >>> (
    ...     near_cube(2**18, (200, 1024, 1024), (0, 1, 2)),
    ...     near_cube(2**18, (3, 3, 999, 999), (1, 2, 3)),
    ... )
    ((64, 64, 64), (1, 4, 256, 256))
    """
    edges = [1] * len(shape)
    for _ in range(n_voxels.bit_length() - 1):
        open_axes = [axis for axis in space if edges[axis] < shape[axis]]
        if not open_axes:
            break
        edges[min(reversed(open_axes), key=edges.__getitem__)] *= 2
    return tuple(edges)


def decide_chunks(
    image: ImageConfig, base: ArrayMetadata, space: Sequence[int], ladder: Sequence[Shape]
) -> tuple[Decision[Shape], Decision[Shape | str]]:
    """Return chunks and shards of the new levels, before shards are cut down to small levels.

    Parameters
    ----------
    space
        The space axes of the image, by number.
    ladder
        Factors of each level.
    """
    is_inner = any(codec["name"] == SHARDING for codec in base.codecs)
    if is_inner and (isinstance(image.chunks, tuple) or image.shards != SAME):
        raise ConfigError(
            f"image {image.name}: level 0's shards are not the outermost of its codecs, so that "
            "those of the levels cannot differ; leave chunks and shards out"
        )
    for key, extents in (("chunks", image.chunks), ("shards", image.shards)):
        if isinstance(extents, tuple) and len(extents) != len(base.shape):
            raise ConfigError(
                f"image {image.name}: {key} {list(extents)} has {len(extents)} entries, "
                f"level 0 has {len(base.shape)} axes; give one per axis"
            )
    chunks = _chunks(image, base, space, ladder[:1], can_differ=not is_inner)
    shards = _shards(image, base, chunks, space)
    if isinstance(shards.value, tuple):
        _check_shards(image, base, chunks.value, shards.value)
    return chunks, shards


def _chunks(
    image: ImageConfig,
    base: ArrayMetadata,
    space: Sequence[int],
    first: Sequence[Shape],
    *,
    can_differ: bool,
) -> Decision[Shape]:
    """Return the chunks of the new levels; `first` holds the factors of level 1, if it is made."""
    if isinstance(image.chunks, tuple):
        return Decision(key="chunks", value=image.chunks, given=True)
    if image.chunks == SAME:
        return Decision(key="chunks", value=base.chunks, given=True)
    extreme = why_extreme(base.chunks, base.shape, space)
    if not extreme or not first:
        return Decision(key="chunks", value=base.chunks, why="those of level 0")
    why = f"level 0's {list(base.chunks)} have {extreme}"
    chosen = _near_cube_for(base, first[0], space)
    shards = image.shards
    if not can_differ:
        return Decision(key="chunks", value=base.chunks, why=f"{why}, but are inside other shards")
    if isinstance(shards, tuple) and any(map(mod, shards, chosen)):
        return Decision(key="chunks", value=base.chunks, why=f"{why}, but the shards are given")
    return Decision(key="chunks", value=chosen, why=why)


def _near_cube_for(base: ArrayMetadata, factors: Shape, space: Sequence[int]) -> Shape:
    """Return chunks near cubes, but flatter where a task of level 1 would take too much memory.

    A task reads whole chunks of level 0, each once: of slices, as many as its chunks are deep.
    """
    shape = geometry.coarse_shape(base.shape, factors)

    def task(edges: Shape) -> int:
        target = base.derive(shape=shape, chunks=edges, shards=None, attributes={})
        return task_bytes(base, target, factors, 0)[0]

    return cube_within(shape, space, task)


def cube_within(shape: Shape, space: Sequence[int], task: Callable[[Shape], int]) -> Shape:
    """Return chunks near cubes, but flatter where a task of them would take too much memory.

    Parameters
    ----------
    space
        Space axes, by number.
    task
        Returns the bytes of a task for the edges of chunks.
    """
    limits = shape
    chunks = near_cube(1 << _CHOSEN, limits, space)
    while task(chunks) > _TASK_BYTES:
        flatter = [
            (task(edges := near_cube(1 << _CHOSEN, tried, space)), edges, tried)
            for axis in space
            if chunks[axis] > 2  # an edge of 1 is what is to be mended
            for tried in [(*limits[:axis], chunks[axis] // 2, *limits[axis + 1 :])]
        ]
        least, edges, tried = min(flatter, default=(task(chunks), chunks, limits))
        if least > _WORTH_WHILE * task(chunks):
            break  # a chunk of level 0 takes that much by itself
        chunks, limits = edges, tried
    return chunks


def _shards(
    image: ImageConfig, base: ArrayMetadata, chunks: Decision[Shape], space: Sequence[int]
) -> Decision[Shape | str]:
    """Return the shards of the new levels, "none" for none."""
    if isinstance(image.shards, tuple):
        return Decision(key="shards", value=image.shards, given=True)
    if image.shards == "none":
        return Decision(key="shards", value="none", given=True)
    if base.shards is None:
        return Decision(key="shards", value="none", why="level 0 has none")
    if chunks.given or not any(map(mod, base.shards, chunks.value)):
        return Decision(key="shards", value=base.shards, why="those of level 0")
    cube = near_cube(geometry.count(base.shards), base.shape, space)
    return Decision(
        key="shards",
        value=tuple(map(max, cube, chunks.value)),
        why=f"about as large as level 0's {list(base.shards)}, in whole chunks",
    )


def _check_shards(image: ImageConfig, base: ArrayMetadata, chunks: Shape, shards: Shape) -> None:
    if base.zarr_format == 2:
        raise ConfigError(
            f"image {image.name}: shards {list(shards)}: zarr v2 has none, and level 0 is v2; "
            "leave shards out and give larger chunks, or convert the image to v3"
        )
    if any(map(mod, shards, chunks)):
        whose = "level 0's shards" if image.shards == SAME else "shards"
        raise ConfigError(
            f"image {image.name}: chunks {list(chunks)} do not divide {whose} {list(shards)}; "
            "choose divisors of them, or other shards (none: every chunk on its own)"
        )


def plan_dtype(image: ImageConfig, base: ArrayMetadata, ladder: list[Shape], chunks: Shape) -> str:
    """Return the data type of the new levels, which a ladder of factors makes in some chunks."""
    dtype = level_dtype(image.name, image.method, base.dtype, image.dtype, base.shape, ladder)
    if dtype != base.dtype and base.filters:
        raise ConfigError(
            f"image {image.name}: dtype {dtype} does not go through level 0's filters "
            f"{base.filters}, which are made for its {base.dtype}; choose a method that keeps the "
            "dtype, such as mean, or copy level 0 without filters"
        )
    n_bytes = geometry.count(chunks) * ITEM_SIZES[dtype]
    if n_bytes > _LARGEST_CHUNK and chunks != base.chunks:
        raise ConfigError(
            f"image {image.name}: a chunk {list(chunks)} of {dtype} has {n_bytes} "
            f"bytes, expected at most {_LARGEST_CHUNK}; give smaller chunks"
        )
    return dtype
