"""The level 0 that is made of a source in files: its axes, its metadata, what its group says of it.

What the source does not have, such as chunks, is chosen here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry
from zarrpyramid.errors import ConfigError
from zarrpyramid.metadata import CHANNEL, SPACE, Axis, axis_type, new_array
from zarrpyramid.reduce import ITEM_SIZES

from .axes import given_by_axis, space_axes
from .chunks import cube_within

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zarrpyramid.config import ImageConfig
    from zarrpyramid.geometry import Shape
    from zarrpyramid.inputs import Arranged, InputForm
    from zarrpyramid.metadata import ArrayMetadata

CHANNELS_KEY = "zarrpyramid_channels"
"""The group's attribute that holds the names which a source file gives its channels."""


def input_axes(config: ImageConfig, image: Arranged) -> list[Axis]:
    """Return the axes of level 0; a box of the source stays where it was in space.

    Of a size that nothing gives, level 0 has to list a number all the same: that of the smallest
    voxels along other axes, with which they look like cubes. It has no unit, unless the setting
    gives the size: then it is in the unit of the others.
    """
    form = image.form
    space = [name for name in form.axes if axis_type(name) == SPACE]
    least = min((form.voxel_size[name] for name in space if name in form.voxel_size), default=1.0)
    units = {form.unit[name] for name in space if name in form.unit}
    axes = [
        Axis(
            name=name,
            type=axis_type(name),
            size=form.voxel_size.get(name, least if name in space else 1.0),
            unit=form.unit.get(name),
            offset=form.offset.get(name),
        )
        for name in form.axes
    ]
    given = given_by_axis(config, "voxel_size", axes)
    if len(units) == 1:
        axes = [
            replace(axis, unit=axis.unit or next(iter(units)))
            if axis.type == SPACE and axis.name in given
            else axis
            for axis in axes
        ]
    sizes = {**form.voxel_size, **given}
    taken = zip(form.axes, image.order, strict=True)
    starts = {name: next(iter(image.taken[axis]), 0) for name, axis in taken}
    return [
        replace(axis, offset=(axis.offset or 0.0) + starts[axis.name] * sizes[axis.name])
        if axis.type != CHANNEL and starts[axis.name] and axis.name in sizes
        else axis
        for axis in axes
    ]


def input_base(
    config: ImageConfig, form: InputForm, axes: Sequence[Axis], zarr_format: int
) -> ArrayMetadata:
    """Return the metadata of the level 0 that is written, with the usual compressor."""
    shape, item_size = form.shape, ITEM_SIZES[form.dtype]

    def slab_bytes(edges: Shape) -> int:
        whole = tuple(max(edge, block) for edge, block in zip(edges, form.blocks, strict=True))
        return geometry.count(tuple(map(min, whole, shape))) * item_size

    chunks = config.chunks
    for key, extents in (("chunks", chunks), ("shards", config.shards)):
        if isinstance(extents, tuple) and len(extents) != len(shape):
            raise ConfigError(
                f"image {config.name}: {key} {list(extents)} has {len(extents)} entries, level 0 "
                f"has the axes {list(form.axes)}; give one per axis"
            )
    if not isinstance(chunks, tuple):
        chunks = cube_within(shape, space_axes(axes), slab_bytes)
    return new_array(
        shape=shape,
        chunks=chunks,
        shards=config.shards if isinstance(config.shards, tuple) and zarr_format == 3 else None,
        dtype=form.dtype,
        names=[axis.name for axis in axes],
        zarr_format=zarr_format,
    )


def input_attributes(
    form: InputForm, axes: Sequence[Axis], kept: Mapping[str, Any], zarr_format: int
) -> dict[str, Any]:
    """Return the attributes of a group that says of level 0 what the file says."""
    steps: list[dict[str, Any]] = []
    is_placed = any(axis.offset is not None for axis in axes)
    if form.voxel_size or form.unit or is_placed:
        steps.append({"type": "scale", "scale": [axis.size for axis in axes]})
    if is_placed:
        offsets = [axis.offset or 0.0 for axis in axes]
        steps.append({"type": "translation", "translation": offsets})
    described = {
        "axes": [
            {"name": axis.name, "type": axis.type, **({"unit": axis.unit} if axis.unit else {})}
            for axis in axes
        ],
        "datasets": [{"path": "0", "coordinateTransformations": steps}],
    }
    named = {CHANNELS_KEY: [*form.channels]} if form.channels else {}
    if zarr_format == 2:
        return {"multiscales": [{"version": "0.4", **described}], **kept, **named}
    return {"ome": {"version": "0.5", "multiscales": [described], **kept}, **named}
