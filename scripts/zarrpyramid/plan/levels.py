"""The plan of an image: shape, chunks, factors and bytes of every level.

It is made of the configuration and of metadata documents; `axes` and `chunks` decide their share.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry
from zarrpyramid.config import group_path
from zarrpyramid.errors import ConfigError
from zarrpyramid.metadata import (
    DEFAULT_AXES,
    SPACE,
    ArrayMetadata,
    Axis,
    encoded_as,
    new_array,
    no_data_entries,
)
from zarrpyramid.reduce import ALL_DATA, ITEM_SIZES, METHODS

from .axes import (
    decide_axes,
    is_said,
    plan_axes,
    says_sizes,
    shown_sizes,
    space_axes,
    times,
    unsized_axes,
    with_transform,
)
from .chunks import decide_chunks, plan_dtype
from .compressor import AUTO, decide_compressor
from .cut import Cut, cut_level, wanted_parts
from .decision import Decision
from .factors import decide_factors, decide_levels, plan_ladder
from .labels import decide_labels, decide_method, decide_omero
from .no_data import no_data_decisions, plan_no_data
from .remainders import ONCE, check_rounding, rounding_entries
from .slabs import choose_slab, cut_base
from .version import decide_version
from .weights import check_weights, weights_decisions, weights_entries, weights_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zarrpyramid.config import DeclaredBase, ImageConfig, TestImage
    from zarrpyramid.geometry import Shape
    from zarrpyramid.metadata import Record
    from zarrpyramid.reduce import NoData

    from .slabs import Slab

VOXEL_REVISION = 1
"""Grows whenever a voxel of any level comes out different; levels of another one are remade."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelPlan:
    """The plan of one level.

    Attributes
    ----------
    level
        0 is the base.
    shape, chunks, shards
        Extents in voxels of this level; shards None where a stored object is a chunk.
    factors
        How many voxels of the level before make one of this level, along each axis.
    downsampling
        How many voxels of level 0 make one of this level, along each axis.
    no_data
        What stands for no data in the level before.
    rounding
        "once" where remainders are carried from level to level, else "each".
    weights
        Path, from the image's group, of the image that weighs the voxels of the level before; "".
    parts
        How many jobs are asked for; `ImagePlan.cut` says how many make it.
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
    no_data: NoData = ALL_DATA
    rounding: str = "each"
    weights: str = ""

    @property
    def item_size(self) -> int:
        """Bytes of a voxel."""
        return ITEM_SIZES[self.dtype]

    @property
    def write_shape(self) -> Shape:
        """Extents of one stored object."""
        return self.shards or self.chunks

    @property
    def n_objects(self) -> int:
        """Number of stored objects when all are written."""
        return geometry.count(geometry.grid_shape(self.shape, self.write_shape))

    @property
    def n_chunks(self) -> int:
        """Number of chunks, inner ones where there are shards. Threads take them side by side."""
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
                **no_data_entries(self.no_data, self.method),
                **rounding_entries(self.rounding),
                **weights_entries(self.weights),
            },
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class ImagePlan:
    """One image and all its levels, the base first.

    Attributes
    ----------
    asked
        The configuration.
    image
        The same with what was decided in place of `auto`, where others read it.
    base
        Metadata of level 0.
    pattern
        The same with the compressor of the new levels, which are derived from it.
    decisions
        What settings were decided to be, those that are given among them.
    block_grid
        Extents of what the files decode at once that level 0 is made of, and where in its first
        block it begins; None where it is made of none.
    unsized
        Space axes along which nothing says how large voxels are: they count as cubes.
    """

    asked: ImageConfig
    image: ImageConfig
    base: ArrayMetadata
    pattern: ArrayMetadata
    axes: tuple[Axis, ...]
    levels: tuple[LevelPlan, ...]
    decisions: tuple[Decision[Any], ...] = ()
    block_grid: tuple[Shape, Shape] | None = None
    unsized: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """Path of the image's group, for messages."""
        return group_path(self.image.store, self.image.field)

    def cut(self, level: int) -> Cut:
        """Return the tasks and parts of a level; one part stands for no parts at all.

        Level 0 has some where it is made of files of another format.
        """
        if level == 0:
            return cut_base(self.base.shape, self.slab, self.levels[0].parts)
        source, target = self.levels[level - 1 : level + 1]
        return cut_level(source, target, target.factors, target.parts)

    @property
    def slab(self) -> Slab:
        """The box in which files of another format are read."""
        base = self.base
        blocks, starts = self.block_grid or (base.write_shape, ())
        return choose_slab(base.shape, base.write_shape, blocks, base.item_size, starts)

    @property
    def lists_levels(self) -> bool:
        """Whether OME-NGFF can describe the image: it needs two or three space axes."""
        return sum(axis.type == SPACE for axis in self.axes) in (2, 3)


def plan_image(
    image: ImageConfig,
    base: ArrayMetadata,
    attributes: dict[str, Any] | None = None,
    path: str = "",
    block_grid: tuple[Shape, Shape] | None = None,
) -> ImagePlan:
    """Plan the levels of an image.

    Parameters
    ----------
    image
        Its configuration.
    base
        Metadata of level 0, found or still to be made.
    attributes
        The group's attributes: axes and scales of an existing multiscales, and what they say of
        labels.
    path
        Path of the group in its store: an image in a ``labels`` group holds labels.
    block_grid
        As in `ImagePlan`.

    Raises
    ------
    ConfigError
        If a setting does not fit the array.
    GeometryError
        If a level would equal the one before it.
    """
    _check_labels(image, base)
    asked = image
    attributes = with_transform(image, base, attributes or {})
    version = decide_version(image, base, attributes)
    axes = plan_axes(image, base, attributes)
    labels = decide_labels(image, base, attributes, path)
    method = decide_method(image, base, labels.value)
    omero = decide_omero(image, base, axes, attributes, labels.value)
    image = replace(image, labels=labels.value, method=method.value, omero=omero.value)
    sized = bool(image.voxel_size) or says_sizes(attributes, len(base.shape))
    unsized = () if is_said(attributes, axes) else unsized_axes(image, axes)
    factors = decide_factors(image, axes, sized=sized and len(unsized) < len(space_axes(axes)))
    ladder = plan_ladder(image, factors.value, base.shape, axes, sized=sized)
    cuts = decide_chunks(image, base, space_axes(axes), ladder)
    chunks, shards = cuts[0].value, cuts[1].value
    dtype = plan_dtype(image, base, ladder, chunks)
    compressor = decide_compressor(image, dtype, labels.value)
    asks_compressor = image.compressor == AUTO
    image = replace(image, compressor=compressor.value)
    no_data = plan_no_data(image, base, axes, ladder)
    check_rounding(image, base)
    check_weights(image, base)
    ones = (1,) * len(base.shape)

    def level(
        number: int, shape: Shape, factors: Shape, downsampling: Shape, n_parts: int = 1
    ) -> LevelPlan:
        own = None if isinstance(shards, str) else geometry.shrunk_shards(shards, chunks, shape)
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
            no_data=no_data,
            rounding=image.rounding,
            weights=weights_path(image),
        )

    n_base = geometry.count(base.shape)
    n_parts = image.parts or wanted_parts(n_base, n_base, image.part_size)
    levels = [level(0, base.shape, ones, ones, 1 if block_grid is None else n_parts)]
    for number, step in enumerate(ladder, start=1):
        finer = levels[-1]
        shape = geometry.coarse_shape(finer.shape, step)
        downsampling = geometry.multiply(finer.downsampling, step)
        n_finer = geometry.count(finer.shape)
        n_parts = image.parts or wanted_parts(n_finer, n_base, image.part_size)
        levels.append(level(number, shape, step, downsampling, n_parts))
    pattern = encoded_as(
        base, image.compressor, checksum=image.checksum, where=f"image {image.name}"
    )
    decisions: tuple[Decision[Any], ...] = (
        version,
        decide_axes(image, base, attributes, axes),
        *_given(image, "voxel_size", "unit"),
        labels,
        method,
        *no_data_decisions(image, base, no_data),
        *weights_decisions(image),
        factors,
        decide_levels(image, base.shape, axes, ladder),
        *cuts,
        *([compressor] if asks_compressor else []),
        omero,
    )
    return ImagePlan(
        asked=asked,
        image=image,
        base=base,
        pattern=pattern,
        axes=axes,
        levels=tuple(levels),
        decisions=decisions,
        block_grid=block_grid,
        unsized=unsized,
    )


def _given(image: ImageConfig, *keys: str) -> Iterator[Decision[Any]]:
    """Yield settings that are given and decide alone."""
    for key in keys:
        if value := getattr(image, key):
            yield Decision(key=key, value=value, given=True)


def describe_level(plan: ImagePlan, level: int) -> str:
    """Return a level's step of the ladder for people: factors, shape and voxel size."""
    wanted = plan.levels[level]
    size = shown_sizes(plan.axes, wanted.downsampling)
    step = f"factors {times(wanted.factors)}, " if level else ""
    return f"{step}shape {times(wanted.shape)}, voxel size {size}{_parts(plan, level)}"


def _parts(plan: ImagePlan, level: int) -> str:
    asked = plan.levels[level].parts
    if asked == 1:
        return ""
    n_parts = plan.cut(level).n_parts
    most = f" (of {asked} asked for: it cannot be split further)" if n_parts < asked else ""
    return f", in {n_parts} part{'s' * (n_parts > 1)}{most}"


def provenance(plan: ImagePlan) -> dict[str, Any]:
    """Return what a multiscales says of how its levels were made."""
    once = ", once" if plan.image.rounding == ONCE else ""
    rounding = {"rounding": f"half to even{once}"} if METHODS[plan.image.method].rounds else {}
    last = plan.levels[-1]
    given = no_data_entries(last.no_data, last.method) if last.no_data.is_given else {}
    return {
        "method": plan.image.method,
        **rounding,
        **given,
        **weights_entries(last.weights),
        "factors": [list(level.factors) for level in plan.levels[1:]],
        "software": "zarrpyramid",
        "voxel_revision": VOXEL_REVISION,
    }


def made_base(made: TestImage | DeclaredBase, axes: tuple[str, ...] | None = None) -> ArrayMetadata:
    """Return the metadata of a level 0 that is made: zarr v3, zstd, as zarr-python's defaults.

    Others may make it: then its extents and its data type are known, and the rest stands in.
    """
    return new_array(
        shape=made.shape,
        chunks=made.chunks,
        shards=getattr(made, "shards", None),
        dtype=made.dtype,
        names=axes or tuple(DEFAULT_AXES[len(made.shape) - 1]),
    )


def _check_labels(image: ImageConfig, base: ArrayMetadata) -> None:
    if image.label_report and not base.dtype.startswith(("int", "uint", "bool")):
        raise ConfigError(
            f"image {image.name}: label_report counts ids, which are integers, level 0 is of "
            f"{base.dtype}; set label_report: false for this image"
        )
