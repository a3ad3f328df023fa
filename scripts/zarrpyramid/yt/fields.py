"""One field of a dataset: the levels of its pyramid, checked for yt, their frame and voxels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zarrpyramid.errors import ConfigError, GeometryError, StoreError

from .frame import check_unit, find_frame, said_to_yt
from .ladder import find_ladder
from .voxels import LevelVoxels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zarrpyramid.geometry import Shape
    from zarrpyramid.metadata import ArrayMetadata
    from zarrpyramid.verify import Pyramid

    from .frame import Frame
    from .ladder import Ladder


@dataclass(frozen=True, kw_only=True)
class Field:
    """A field of the dataset: its name and unit in yt, its ladder, its place and its voxels."""

    name: str
    unit: str
    where: str
    ladder: Ladder
    frame: Frame
    voxels: list[LevelVoxels]


def open_field(
    pyramid: Pyramid,
    path: str,
    *,
    levels: Sequence[int] | None,
    at: Mapping[str, int],
    unit: str | None,
    length_unit: str | None,
) -> Field:
    """Return one field, with its levels checked."""
    where = pyramid.where
    there = {level.number: level for level in pyramid.levels}
    numbers = sorted(there) if levels is None else [int(level) for level in levels]
    unknown = [number for number in numbers if number not in there]
    if unknown or not numbers or numbers != sorted(set(numbers)):
        raise ConfigError(
            f"levels={numbers}: expected some of {sorted(there)}, the finest first, which are in "
            f"{where}"
        )
    chosen = [there[number] for number in numbers]
    for level in chosen:
        if level.metadata is None:
            raise StoreError(f"{level.name} {level.fault}; build it, or give levels without it")
    base = chosen[0].array
    names = axis_names(pyramid, base)
    index = _index(where, names, base.shape, at)
    voxels = [LevelVoxels(pyramid.store, level.at, level.array, names, index) for level in chosen]
    placements = [pyramid.placement(level) for level in chosen]
    shapes = [each.shape for each in voxels]
    sizes = [
        _along(names, scale, 1.0) if scale else _guess(shapes[0], shape)
        for (scale, _), shape in zip(placements, shapes, strict=True)
    ]
    said = said_to_yt(pyramid.attributes, where)
    listed = {axis["name"]: axis.get("unit") for axis in pyramid.axes}
    centre = placements[0][1]
    frame = find_frame(
        said,
        [listed.get(name) or listed.get("x") for name in "xyz"],
        sizes[0],
        None if centre is None else _along(names, centre, 0.0),
        length_unit=length_unit,
        where=where,
    )
    return Field(
        name=(path or where).rstrip("/").rpartition("/")[2].removesuffix(".zarr"),
        unit=check_unit(said.get("unit", "") if unit is None else unit, where),
        where=where,
        ladder=find_ladder(where, numbers, shapes, sizes),
        frame=frame,
        voxels=voxels,
    )


def axis_names(pyramid: Pyramid, base: ArrayMetadata) -> list[str]:
    """Return the names of the axes, which include x and y."""
    n_axes = len(base.shape)
    listed = [axis["name"] for axis in pyramid.axes]
    names = listed if len(listed) == n_axes else [str(n) for n in base.dimension_names or ()]
    names = names if len(names) == n_axes else list("tczyx"[-n_axes:])
    if not {"x", "y"} <= set(names) or len(set(names)) < n_axes:
        raise GeometryError(
            f"{pyramid.where} has the axes {names}; yt needs x and y, and z where there are planes"
        )
    return names


def _index(where: str, names: Sequence[str], shape: Shape, at: Mapping[str, int]) -> dict[str, int]:
    """Return the index along each axis that is none of x, y and z."""
    others = {n: extent for n, extent in zip(names, shape, strict=True) if n not in ("x", "y", "z")}
    for name in at:
        if name not in others:
            raise ConfigError(f"at names axis {name!r}, {where} has beside x, y and z: {[*others]}")
    for name, extent in others.items():
        if name not in at and extent > 1:
            raise ConfigError(
                f"{where} has {extent} images along axis {name!r}; yt takes one: give "
                f"at={{{name!r}: 0}}"
            )
        if not 0 <= at.get(name, 0) < extent:
            raise ConfigError(
                f"at={{{name!r}: {at[name]}}}: expected 0 to {extent - 1}, which {where} has"
            )
    return {name: int(at.get(name, 0)) for name in others}


def _along(names: Sequence[str], values: Sequence[float], default: float) -> tuple[float, ...]:
    known = dict(zip(names, values, strict=True))
    return tuple(float(known.get(name, default)) for name in "xyz")


def _guess(finest: Shape, shape: Shape) -> tuple[float, ...]:
    """Return extents of a voxel where nothing states them: by the longest axis, rounded."""
    longest = finest.index(max(finest))
    factor = float(round(finest[longest] / shape[longest]))
    return (factor, factor, 1.0 if finest[2] == 1 else factor)
