"""What will be made of an image: shape, chunks, factors and bytes of every level.

Integers and names from the configuration and from metadata documents; imports no array library, so
that parsing the Snakefile costs next to nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry
from zarrpyramid.config import check_names, group_path
from zarrpyramid.errors import ConfigError
from zarrpyramid.metadata import (
    CHANNEL,
    SAME,
    SHARDING,
    SPACE,
    TIME,
    ArrayMetadata,
    Axis,
    axis_type,
    encoded_as,
    meant_unit,
    parse_array,
    read_axes,
)
from zarrpyramid.reduce import ITEM_SIZES, level_dtype

from .cut import Cut, cut_level, wanted_parts
from .factors import plan_ladder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.config import DeclaredBase, ImageConfig, TestImage
    from zarrpyramid.geometry import Shape
    from zarrpyramid.metadata import Record

VOXEL_REVISION = 1
"""Grows whenever a voxel of any level comes out different; levels of another one are remade."""

_LARGEST_CHUNK = 2**31 - 1
"""Bytes of a chunk that every codec takes."""

_DEFAULT_AXES = ("x", "yx", "zyx", "czyx", "tczyx")


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelPlan:
    """One level, as it shall be.

    Attributes
    ----------
    level
        0 is the base.
    shape, chunks, shards
        Extents in voxels of this level; shards None where a stored object is a chunk.
    factors
        Voxels of the level before along each axis a voxel of this one.
    downsampling
        Voxels of level 0 along each axis a voxel of this one.
    parts
        Jobs that it is asked to be made by; see `ImagePlan.cut`.
    """

    level: int
    shape: Shape
    chunks: Shape
    shards: Shape | None
    dtype: str
    factors: Shape
    downsampling: Shape
    method: str
    write_empty_chunks: bool
    parts: int

    @property
    def item_size(self) -> int:
        """Bytes a voxel."""
        return ITEM_SIZES[self.dtype]

    @property
    def write_shape(self) -> Shape:
        """Extents of one stored object."""
        return self.shards or self.chunks

    @property
    def n_objects(self) -> int:
        """Stored objects when all are written."""
        return geometry.count(geometry.grid_shape(self.shape, self.write_shape))

    @property
    def n_chunks(self) -> int:
        """Chunks, inner ones where there are shards: what threads can take side by side."""
        return geometry.count(geometry.grid_shape(self.shape, self.chunks))

    @property
    def raw_bytes(self) -> int:
        """Bytes of the voxels before compression."""
        return geometry.count(self.shape) * self.item_size

    @property
    def expected(self) -> Record:
        """The part of a record that is known beforehand; a level whose record differs is remade."""
        return {
            "level": self.level,
            "shape": list(self.shape),
            "chunks": list(self.chunks),
            "shards": None if self.shards is None else list(self.shards),
            "dtype": self.dtype,
            "recipe": {
                "method": self.method,
                "factors": list(self.factors),
                "voxel_revision": VOXEL_REVISION,
                "write_empty_chunks": self.write_empty_chunks,
            },
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class ImagePlan:
    """One image and all its levels, the base first.

    Attributes
    ----------
    base
        Metadata of level 0.
    pattern
        The same with the compressor of the new levels, which are derived from it.
    """

    image: ImageConfig
    base: ArrayMetadata
    pattern: ArrayMetadata
    axes: tuple[Axis, ...]
    levels: tuple[LevelPlan, ...]

    @property
    def where(self) -> str:
        """Path of the image's group, for messages."""
        return group_path(self.image.store, self.image.field)

    def cut(self, level: int) -> Cut:
        """Return the tasks and parts of a level; one part stands for no parts at all."""
        source, target = self.levels[level - 1 : level + 1]
        return cut_level(source, target, target.factors, target.parts)

    @property
    def lists_levels(self) -> bool:
        """Whether OME-NGFF can describe the image: it needs two or three space axes."""
        return sum(axis.type == SPACE for axis in self.axes) in (2, 3)


def plan_image(
    image: ImageConfig, base: ArrayMetadata, attributes: dict[str, Any] | None = None
) -> ImagePlan:
    """Plan the levels of an image.

    Parameters
    ----------
    image
        Its configuration.
    base
        Metadata of level 0, found or still to be made.
    attributes
        The group's attributes, for the axes and scales of an existing multiscales.

    Raises
    ------
    ConfigError
        If a setting does not fit the array.
    GeometryError
        If a level would equal the one before it.
    """
    _check_labels(image, base)
    axes = _plan_axes(image, base, attributes or {})
    chunks, shards = _plan_chunks(image, base)
    sized = bool(image.voxel_size) or read_axes(attributes or {}, len(base.shape)) is not None
    ladder = plan_ladder(image, base.shape, chunks, axes, sized=sized)
    dtype = _plan_dtype(image, base, ladder)
    _check_chunk_bytes(image, dtype)
    ones = (1,) * len(base.shape)

    def level(
        number: int, shape: Shape, factors: Shape, downsampling: Shape, n_parts: int = 1
    ) -> LevelPlan:
        own = None if shards is None else geometry.shrunk_shards(shards, chunks, shape)
        return LevelPlan(
            level=number,
            shape=shape,
            chunks=chunks if number else base.chunks,
            shards=own if number else base.shards,
            dtype=dtype if number else base.dtype,
            factors=factors,
            downsampling=downsampling,
            method=image.method,
            write_empty_chunks=image.write_empty_chunks,
            parts=n_parts,
        )

    levels = [level(0, base.shape, ones, ones)]
    for number, step in enumerate(ladder, start=1):
        finer = levels[-1]
        shape = geometry.coarse_shape(finer.shape, step)
        downsampling = geometry.multiply(finer.downsampling, step)
        n_finer, n_base = geometry.count(finer.shape), geometry.count(base.shape)
        n_parts = image.parts or wanted_parts(n_finer, n_base, image.part_size)
        levels.append(level(number, shape, step, downsampling, n_parts))
    pattern = encoded_as(
        base, image.compressor, checksum=image.checksum, where=f"image {image.name}"
    )
    return ImagePlan(image=image, base=base, pattern=pattern, axes=axes, levels=tuple(levels))


def describe_level(plan: ImagePlan, level: int) -> str:
    """Return a level's step of the ladder for people: factors, shape and voxel size."""
    wanted = plan.levels[level]
    units = {axis.unit for axis in plan.axes if axis.unit is not None}
    unit = f" {units.pop()}" if len(units) == 1 else ""
    step = f"factors {times(wanted.factors)}, " if level else ""
    size = times(voxel_size(plan.axes, wanted.downsampling))
    return f"{step}shape {times(wanted.shape)}, voxel size {size}{unit}{_parts(plan, level)}"


def _parts(plan: ImagePlan, level: int) -> str:
    asked = plan.levels[level].parts
    if asked == 1:
        return ""
    n_parts = plan.cut(level).n_parts
    most = f" (of {asked} asked for: it cannot be cut further)" if n_parts < asked else ""
    return f", in {n_parts} part{'s' * (n_parts > 1)}{most}"


def voxel_size(axes: Sequence[Axis], downsampling: Shape) -> tuple[float, ...]:
    """Return the extents of a level's voxels, each in its axis's unit."""
    return tuple(axis.size * factor for axis, factor in zip(axes, downsampling, strict=True))


def times(extents: Sequence[float]) -> str:
    """Return extents for people.

    >>> times((40.0, 8, 0.25))
    '40 x 8 x 0.25'
    """
    return " x ".join(f"{extent:.10g}" for extent in extents)


def provenance(plan: ImagePlan) -> dict[str, Any]:
    """Return what a multiscales says of how its levels were made."""
    rounding = {"rounding": "half to even"} if plan.image.method in ("mean", "nanmean") else {}
    return {
        "method": plan.image.method,
        **rounding,
        "factors": [list(level.factors) for level in plan.levels[1:]],
        "software": "zarrpyramid",
        "voxel_revision": VOXEL_REVISION,
    }


def made_base(made: TestImage | DeclaredBase, axes: tuple[str, ...] | None = None) -> ArrayMetadata:
    """Return the metadata of a level 0 that is made: zarr v3, zstd, as zarr-python's defaults.

    Of one that others will make, extents and data type alone are known; the rest stands in for it.
    """
    names = axes or tuple(_DEFAULT_AXES[len(made.shape) - 1])
    fill: Any = {"b": False, "f": 0.0, "c": [0.0, 0.0]}.get(made.dtype[0], 0)
    endian = {"configuration": {"endian": "little"}} if ITEM_SIZES[made.dtype] > 1 else {}
    document = {
        "shape": list(made.shape),
        "data_type": made.dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(made.chunks)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": fill,
        "codecs": [
            {"name": "bytes", **endian},
            {"name": "zstd", "configuration": {"level": 0, "checksum": False}},
        ],
        "zarr_format": 3,
        "node_type": "array",
        "dimension_names": list(names),
        "storage_transformers": [],
    }
    found = parse_array({"zarr.json": document}, "level 0")
    shards = getattr(made, "shards", None)
    return found.derive(shape=made.shape, chunks=made.chunks, shards=shards, attributes={})


def _check_labels(image: ImageConfig, base: ArrayMetadata) -> None:
    if image.label_report and not base.dtype.startswith(("int", "uint", "bool")):
        msg = (
            f"image {image.name}: label_report counts ids, which are integers, level 0 is of "
            f"{base.dtype}; set label_report: false for this image"
        )
        raise ConfigError(msg)


def _plan_axes(
    image: ImageConfig, base: ArrayMetadata, attributes: dict[str, Any]
) -> tuple[Axis, ...]:
    n_axes = len(base.shape)
    found = read_axes(attributes, n_axes)
    if image.axes is not None:
        if len(image.axes) != n_axes:
            msg = (
                f"image {image.name}: axes {list(image.axes)} name {len(image.axes)} axes, "
                f"level 0 has {n_axes}; its shape is {list(base.shape)}"
            )
            raise ConfigError(msg)
        known = {axis.name: axis for axis in found or ()}
        names = image.axes
        axes = [known.get(name, Axis(name=name, type=axis_type(name))) for name in names]
    elif found is not None:
        axes = list(found)
    else:
        given = base.dimension_names or ()
        usable = [name for name in given if name]
        names = tuple(usable) if len(set(usable)) == n_axes else tuple(_DEFAULT_AXES[n_axes - 1])
        axes = [Axis(name=name, type=axis_type(name)) for name in names]
    _check_dimension_names(image, base, axes)
    for key, values in (("voxel_size", image.voxel_size), ("unit", image.unit)):
        check_names(image.name, key, values, [axis.name for axis in axes])
    for axis in axes:
        unit = image.unit.get(axis.name, "")
        meant = None if unit == axis.unit else meant_unit(unit)  # what is there, others wrote
        if meant is not None:
            msg = (
                f"image {image.name}: unit of axis {axis.name!r}: expected it as OME-NGFF spells "
                f"it, found {unit!r}; did you mean {meant!r}?"
            )
            raise ConfigError(msg)
    axes = [
        axis.changed(size=image.voxel_size.get(axis.name), unit=image.unit.get(axis.name))
        for axis in axes
    ]
    for axis in axes:
        if not 0 < axis.size < math.inf:
            msg = (
                f"image {image.name}: the group's multiscales gives axis {axis.name!r} voxels of "
                f"{axis.size:.10g}, expected > 0; mend its scale, or give voxel_size: "
                f"{{{axis.name}: SIZE}}"
            )
            raise ConfigError(msg)
    order = [(TIME, CHANNEL, SPACE).index(axis.type) for axis in axes]
    if order != sorted(order) or order.count(0) > 1 or order.count(1) > 1 or order.count(2) > 3:
        shown = [axis.name for axis in axes]
        msg = (
            f"image {image.name}: axes {shown} break OME-NGFF's order: at most one time axis, then "
            f"at most one channel axis, then two or three space axes; name them with axes: [...]"
        )
        raise ConfigError(msg)
    return tuple(axes)


def _plan_chunks(image: ImageConfig, base: ArrayMetadata) -> tuple[Shape, Shape | None]:
    """Return chunks and shards of the new levels, before shards are cut down to small levels."""
    changed = image.chunks is not None or image.shards != SAME
    if changed and any(codec["name"] == SHARDING for codec in base.codecs):
        msg = (
            f"image {image.name}: level 0's shards are not the outermost of its codecs, so that "
            "those of the levels cannot differ; leave chunks and shards out"
        )
        raise ConfigError(msg)
    chunks = base.chunks if image.chunks is None else image.chunks
    shards = base.shards if isinstance(image.shards, str) else image.shards
    for key, extents in (("chunks", image.chunks), ("shards", image.shards)):
        if isinstance(extents, tuple) and len(extents) != len(base.shape):
            msg = (
                f"image {image.name}: {key} {list(extents)} has {len(extents)} entries, "
                f"level 0 has {len(base.shape)} axes; give one an axis"
            )
            raise ConfigError(msg)
    if image.shards == "none" or shards is None:
        return chunks, None
    if base.zarr_format == 2:
        msg = (
            f"image {image.name}: shards {list(shards)}: zarr v2 has none, and level 0 is v2; "
            "leave shards out and give larger chunks, or convert the image to v3"
        )
        raise ConfigError(msg)
    if any(outer % inner for outer, inner in zip(shards, chunks, strict=True)):
        whose = "level 0's shards" if image.shards == SAME else "shards"
        msg = (
            f"image {image.name}: chunks {list(chunks)} do not divide {whose} {list(shards)}; "
            "choose divisors of them, or other shards (none: every chunk on its own)"
        )
        raise ConfigError(msg)
    return chunks, shards


def _check_chunk_bytes(image: ImageConfig, dtype: str) -> None:
    n_bytes = geometry.count(image.chunks or ()) * ITEM_SIZES[dtype]
    if n_bytes > _LARGEST_CHUNK:
        msg = (
            f"image {image.name}: a chunk {list(image.chunks or ())} of {dtype} has {n_bytes} "
            f"bytes, expected at most {_LARGEST_CHUNK}; give smaller chunks"
        )
        raise ConfigError(msg)


def _plan_dtype(image: ImageConfig, base: ArrayMetadata, ladder: list[Shape]) -> str:
    dtype = level_dtype(image.name, image.method, base.dtype, image.dtype, base.shape, ladder)
    if dtype != base.dtype and base.filters:
        msg = (
            f"image {image.name}: dtype {dtype} does not go through level 0's filters "
            f"{base.filters}, which are made for its {base.dtype}; choose a method that keeps the "
            "dtype, such as mean, or copy level 0 without filters"
        )
        raise ConfigError(msg)
    return dtype


def _check_dimension_names(image: ImageConfig, base: ArrayMetadata, axes: list[Axis]) -> None:
    """Hold axes against what a v3 level 0 calls them.

    NGFF 0.5: the dimension_names of every array MUST match the names of the multiscales' axes.
    """
    names = [axis.name for axis in axes]
    given = base.dimension_names
    renamed = image.axes is not None and image.edit_base
    if given is not None and all(given) and list(given) != names and not renamed:
        msg = (
            f"image {image.name}: axes {names} differ from level 0's dimension_names "
            f"{list(given)}, which OME-NGFF forbids; give axes: {list(given)}, or other axes with "
            "edit_base: true, which renames those of level 0"
        )
        raise ConfigError(msg)


def space_needed(base: ArrayMetadata, levels: list[LevelPlan], stored: int) -> int:
    """Return the bytes that levels will take, if they compress as the `stored` bytes of level 0."""
    raw = geometry.count(base.shape) * base.item_size
    share = min(1.0, stored / raw) if stored else 1.0
    return math.ceil(sum(level.raw_bytes for level in levels) * share)
