"""The axes of an image: names, types, voxel sizes and units, of its settings and its documents."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from zarrpyramid.config import check_names
from zarrpyramid.errors import ConfigError
from zarrpyramid.metadata import (
    CHANNEL,
    DEFAULT_AXES,
    SPACE,
    Axis,
    axis_type,
    first_dataset,
    listed_axes,
    meant_unit,
    our_metadata,
    placed,
    read_axes,
    read_multiscales,
)

from .axis_order import check_meant, check_order
from .decision import Decision

if TYPE_CHECKING:
    from collections.abc import Container, Sequence
    from typing import Any

    from zarrpyramid.config import ImageConfig
    from zarrpyramid.geometry import Shape
    from zarrpyramid.metadata import ArrayMetadata


NO_UNIT = "none"
"""What `unit` says of an axis that is to have none."""

_UNKNOWN = Axis(name="", type=SPACE)
"""An axis of which nothing is known."""


def plan_axes(
    image: ImageConfig, base: ArrayMetadata, attributes: dict[str, Any]
) -> tuple[Axis, ...]:
    """Return the axes of an image, with the voxel sizes of level 0.

    Parameters
    ----------
    base, attributes
        As in `plan_image`.

    Raises
    ------
    ConfigError
        If settings do not fit the array, or axes break OME-NGFF's rules.
    """
    found = _found_axes(image, base, attributes)
    if image.axes is None and found is not None:
        axes = list(found)
    else:
        known = {axis.name: axis for axis in found or ()}
        names = _names(image, base)
        if found is not None:
            check_meant(image, [axis.name for axis in found], "the group's multiscales")
        else:
            there = [name or "" for name in base.dimension_names or ()]
            check_meant(image, there, "level 0's dimension_names")
        axes = [
            known.get(name) or replace(there, name=name, type=axis_type(name), counted=None)
            for name, there in zip(names, found or [_UNKNOWN] * len(names), strict=True)
        ]
    names = [axis.name for axis in axes]
    _check_dimension_names(image, base, [axis.dimension for axis in axes])
    sizes = given_by_axis(image, "voxel_size", axes)
    units = given_by_axis(image, "unit", axes)
    for axis in axes:
        _check_unit(image, axis, units.get(axis.name, ""))
    units = {name: None if unit == NO_UNIT else unit for name, unit in units.items()}
    axes = [
        axis.changed(size=sizes.get(axis.name), unit=units.get(axis.name, axis.unit))
        for axis in axes
    ]
    for axis in axes:
        if not 0 < axis.size < math.inf:
            raise ConfigError(
                f"image {image.name}: the group's multiscales gives axis {axis.name!r} voxels of "
                f"{axis.size:.10g}, expected > 0; fix its scale, or give voxel_size: "
                f"{{{axis.name}: SIZE}}"
            )
    check_order(image, axes)
    return tuple(axes)


def _found_axes(
    image: ImageConfig, base: ArrayMetadata, attributes: dict[str, Any]
) -> tuple[Axis, ...] | None:
    """Return the axes that the group lists; None where it lists none."""
    listed = listed_axes(attributes)
    found = read_axes(attributes, len(base.shape))
    if listed and found is None and image.axes is None:
        names = [axis.get("name") for axis in listed]
        raise ConfigError(
            f"image {image.name}: the group's multiscales lists axes {str(names)[:80]}, level 0 "
            f"has {len(base.shape)} axes, each of which needs a name; fix it, or name them with "
            f"axes: [{', '.join(DEFAULT_AXES[len(base.shape) - 1])}]"
        )
    return found


def with_transform(
    image: ImageConfig, base: ArrayMetadata, attributes: dict[str, Any]
) -> dict[str, Any]:
    """Return a group's attributes; of one that lists nothing, with COSEM's transform of level 0."""
    transform = base.attributes.get("transform")
    if read_multiscales(attributes) is not None or not isinstance(transform, dict):
        return attributes
    level_0 = {"path": image.base_path or "0", "transform": transform}
    return {**attributes, "multiscales": [{"datasets": [level_0]}]}


def decide_axes(
    image: ImageConfig, base: ArrayMetadata, attributes: dict[str, Any], axes: Sequence[Axis]
) -> Decision[tuple[str, ...]]:
    """Return the names of the axes that `plan_axes` found, and where they come from."""
    names = tuple(axis.name for axis in axes)
    if image.axes is not None:
        return Decision(key="axes", value=names, given=True)
    if read_axes(attributes, len(names)) is not None:
        why = "the multiscales of level 0's group names them"
        if our_metadata(attributes):
            is_usual = names == tuple(DEFAULT_AXES[len(names) - 1])
            why = "the list that zarrpyramid wrote names them"
            why += f"; the usual ones of {len(names)} axes" * is_usual
    elif base.dimension_names is not None and tuple(base.dimension_names) == names:
        why = "level 0's dimension_names" if base.zarr_format == 3 else "level 0's names in xarray"
    else:
        why = f"nothing names them; the usual ones of {len(names)} axes"
        return Decision(key="axes", value=names, why=why, guessed=True)
    return Decision(key="axes", value=names, why=why)


def _names(image: ImageConfig, base: ArrayMetadata) -> list[str]:
    """Return the names of axes that no multiscales has: those given, else those of the array."""
    n_axes = len(base.shape)
    if image.axes is not None:
        if len(image.axes) != n_axes:
            raise ConfigError(
                f"image {image.name}: axes {list(image.axes)} name {len(image.axes)} axes, "
                f"level 0 has {n_axes}; its shape is {list(base.shape)}: name all of them, or "
                "leave axes out"
            )
        return list(image.axes)
    usable = [name for name in base.dimension_names or () if name]
    return usable if len(set(usable)) == n_axes else list(DEFAULT_AXES[n_axes - 1])


def given_by_axis(image: ImageConfig, key: str, axes: Sequence[Axis]) -> dict[str, Any]:
    """Return a setting by axis name: as it is given, in axis order, or one for all space axes."""
    values, names = getattr(image, key), [axis.name for axis in axes]
    if isinstance(values, str):
        return {axis.name: values for axis in axes if axis.type == SPACE}
    if isinstance(values, dict):
        check_names(image.name, key, values, names)
        return values
    if len(values) != len(names):
        raise ConfigError(
            f"image {image.name}: {key} {list(values)} has {len(values)} entries, level 0 has "
            f"{len(names)} axes {names}; give one for each axis, or a mapping by axis name"
        )
    return dict(zip(names, values, strict=True))


def _check_unit(image: ImageConfig, axis: Axis, unit: str) -> None:
    # Others wrote the unit that is there.
    meant = None if unit in (axis.unit, NO_UNIT) else meant_unit(unit)
    if meant is not None:
        raise ConfigError(
            f"image {image.name}: unit of axis {axis.name!r}: expected it as OME-NGFF spells "
            f"it, found {unit!r}; did you mean {meant!r}?"
        )


def _check_dimension_names(image: ImageConfig, base: ArrayMetadata, names: list[str]) -> None:
    """Refuse axes that a v3 level 0 names otherwise, unless the settings rename them.

    NGFF 0.5: the dimension_names of every array MUST match the names of the multiscales' axes.
    """
    given = base.dimension_names
    renamed = image.axes is not None and image.edit_base
    is_v3 = base.zarr_format == 3
    if is_v3 and given is not None and all(given) and list(given) != names and not renamed:
        raise ConfigError(
            f"image {image.name}: axes {names} differ from level 0's dimension_names "
            f"{list(given)}, which OME-NGFF forbids; give axes: {list(given)}, or other axes with "
            "edit_base: true, which renames those of level 0"
        )


def space_axes(axes: Sequence[Axis]) -> list[int]:
    """Return the space axes by number; all axes where none is of space."""
    space = [number for number, axis in enumerate(axes) if axis.type == SPACE]
    return space or [*range(len(axes))]


def channel_axis(axes: Sequence[Axis]) -> int | None:
    """Return the number of the channel axis, or None where there is none."""
    return next((number for number, axis in enumerate(axes) if axis.type == CHANNEL), None)


def n_channels(axes: Sequence[Axis], shape: Shape) -> int:
    """Return the number of channels of an image; 1 where it has no channel axis."""
    axis = channel_axis(axes)
    return 1 if axis is None else shape[axis]


def says_sizes(attributes: dict[str, Any], n_axes: int) -> bool:
    """Tell whether a group says how large voxels are."""
    multiscales = read_multiscales(attributes) or {}
    scale, _ = placed(multiscales, first_dataset(multiscales), n_axes)
    return scale is not None and read_axes(attributes, n_axes) is not None


def is_said(attributes: dict[str, Any], axes: Sequence[Axis]) -> bool:
    """Tell whether a group says it on somebody's word.

    In a list of ours, ones without a unit stand for what nobody said.
    """
    listed = read_axes(attributes, len(axes)) or ()
    is_stated = any(axis.size != 1 or axis.unit for axis in listed if axis.type == SPACE)
    return says_sizes(attributes, len(axes)) and (is_stated or not our_metadata(attributes))


def unsized_axes(
    image: ImageConfig, axes: Sequence[Axis], found: Container[str] = ()
) -> tuple[str, ...]:
    """Return the space axes along which neither the settings nor a file gives the voxels' size.

    Of a test image nobody asks.
    """
    given = given_by_axis(image, "voxel_size", axes)
    return tuple(
        axis.name
        for axis in axes
        if axis.type == SPACE and axis.name not in given and axis.name not in found
        if image.test_image is None
    )


def voxel_size(axes: Sequence[Axis], downsampling: Shape) -> tuple[float, ...]:
    """Return the extents of a level's voxels, each in its axis's unit."""
    return tuple(axis.size * factor for axis, factor in zip(axes, downsampling, strict=True))


def shown_sizes(axes: Sequence[Axis], downsampling: Shape) -> str:
    """Return the extents of a level's voxels for people: a unit for all, else one for each axis."""
    sizes = voxel_size(axes, downsampling)
    units = {axis.unit for axis in axes if axis.type != CHANNEL}
    if len(units) == 1:
        return " ".join([times(sizes), *(unit for unit in units if unit)])
    return " x ".join(
        f"{size:.10g} {axis.unit or '(no unit)'}" if axis.type != CHANNEL else f"{size:.10g}"
        for axis, size in zip(axes, sizes, strict=True)
    )


def times(extents: Sequence[float]) -> str:
    """Return extents for people.

    >>> times((40.0, 8, 0.25))
    '40 x 8 x 0.25'
    """
    return " x ".join(f"{extent:.10g}" for extent in extents)
