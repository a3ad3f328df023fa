"""A pyramid as a dataset of yt, whose grids are the chunks of all levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zarrpyramid.errors import ConfigError, GeometryError, StoreError, suggestion
from zarrpyramid.metadata import join, placed
from zarrpyramid.stores import as_path, from_zarr, path_inside
from zarrpyramid.verify import find_pyramid, read_pyramid

from .frame import check_unit, find_frame, said_to_yt
from .grids import list_grids
from .importing import import_yt
from .ladder import find_ladder
from .voxels import GridVoxels, LevelVoxels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zarrpyramid.geometry import Shape
    from zarrpyramid.metadata import ArrayMetadata
    from zarrpyramid.verify import Pyramid

    from .frame import Frame
    from .ladder import Ladder


@dataclass(frozen=True, kw_only=True)
class _Field:
    """A field of the dataset: its name and unit in yt, its ladder, its place and its voxels."""

    name: str
    unit: str
    where: str
    ladder: Ladder
    frame: Frame
    voxels: list[LevelVoxels]


def load_pyramid(
    store: object,
    fields: str | Sequence[str] = "",
    *,
    levels: Sequence[int] | None = None,
    at: Mapping[str, int] | None = None,
    units: Mapping[str, str] | None = None,
    length_unit: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    **more: Any,
) -> Any:
    """Return a dataset of yt whose grids are the chunks of all levels of a pyramid.

    No voxel is read before yt asks for it, and then those chunks alone that hold what it asks for.
    Level 0 is yt's finest level; ``covering_grid(0, ...)`` and a selection with ``max_level = 0``
    read the coarsest level of the pyramid alone.

    yt's domain is whole voxels of the coarsest level. At an odd edge it ends beyond the image, and
    cells there repeat the nearest voxel. The outer corner of the image stands in
    ``ds.parameters["image_right_edge"]``: ``ds.box(ds.domain_left_edge, corner)`` selects the
    image's voxels and no others.

    Parameters
    ----------
    store
        A path, a URL, a zarr store object, or a group opened from one.
    fields
        Paths of the images in the store, of equal shape; "" is the store's root. The last part of a
        path is the field's name in yt, of the type ``stream``.
    levels
        Numbers of the levels to take, the finest first; all unless given.
    at
        Index along each axis beside x, y and z, such as ``{"t": 0, "c": 1}``. An axis of one voxel
        needs none.
    units
        Unit of each field by its path; what its group says to yt (``unit``) unless given.
    length_unit
        Unit of lengths; what the group says to yt, else the unit of its axes.
    storage_options
        For a URL.
    **more
        For ``yt.load_amr_grids``, such as ``periodicity``: an image is periodic where its group
        says so. Gradients and what else needs cells around a grid need a periodic one.

    Raises
    ------
    PyramidError
        If an image or a level is absent, fields differ in shape, or yt cannot have the levels.
    """
    paths = [fields] if isinstance(fields, str) else list(fields)
    for known in units or {}:
        if known not in paths:
            raise ConfigError(f"units names {known!r}, no field{suggestion(known, paths)}")
    found = [
        _open(
            find_levels(store, path, storage_options), path,
            levels=levels, at=at or {}, unit=(units or {}).get(path), length_unit=length_unit,
        )
        for path in paths
    ]  # fmt: skip
    first = _check_alike(found)
    ladder, frame = first.ladder, first.frame
    # Those of every step: their distance in voxels of the finest level, and all edges in space.
    strides = [ladder.downsampling(step) for step in range(len(ladder.shapes))]
    edges = [
        [frame.edges(axis, ladder.extents[axis], stride[axis]) for axis in range(3)]
        for stride in strides
    ]
    grids: list[dict[Any, Any]] = []
    for grid in list_grids(ladder, [level.chunks for level in first.voxels]):
        sides = list(zip(edges[grid.step], grid.region, strict=True))
        readers = {
            ("stream", field.name): (GridVoxels(field.voxels[grid.step], grid.region), field.unit)
            for field in found
        }
        grids.append(
            {
                "left_edge": [side[cells.start] for side, cells in sides],
                "right_edge": [side[cells.stop] for side, cells in sides],
                "dimensions": [cells.stop - cells.start for _, cells in sides],
                "level": len(ladder.shapes) - 1 - grid.step,
                **readers,
            }
        )
    corner = [frame.edge(axis, n) for axis, n in enumerate(ladder.shapes[0])]
    return import_yt().load_amr_grids(
        grids,
        ladder.shapes[-1],
        bbox=np.array([[side[0], side[-1]] for side in edges[0]]),
        **{
            "length_unit": None if frame.unit == "code_length" else frame.unit,
            "periodicity": frame.periodicity,
            "refine_by": max(2, ladder.factor),
            "dataset_name": first.where.rpartition("/")[2],
            **more,
            "parameters": {
                "image_right_edge": np.array(corner),
                "pyramid_levels": ladder.levels[::-1],
                **more.get("parameters", {}),
            },
        },
    )


def find_levels(store: object, field: str, options: Mapping[str, Any] | None) -> Pyramid:
    """Return the pyramid at a path of a store, with one level at least.

    Raises
    ------
    PyramidError
        If there is none.
    """
    place = as_path(store)
    inside = join(path_inside(store), field)
    if place is not None:
        return find_pyramid(join(place, inside) if inside else place, storage_options=options)
    pyramid = read_pyramid(from_zarr(store), inside)
    if not pyramid.levels:
        raise StoreError(f"{pyramid.where} lists no levels and has no array 0")
    return pyramid


def _open(
    pyramid: Pyramid,
    path: str,
    *,
    levels: Sequence[int] | None,
    at: Mapping[str, int],
    unit: str | None,
    length_unit: str | None,
) -> _Field:
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
    placements = [_placed(pyramid, level.path, len(names)) for level in chosen]
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
    return _Field(
        name=(path or where).rstrip("/").rpartition("/")[2].removesuffix(".zarr"),
        unit=check_unit(said.get("unit", "") if unit is None else unit, where),
        where=where,
        ladder=find_ladder(where, numbers, shapes, sizes),
        frame=frame,
        voxels=voxels,
    )


def _placed(pyramid: Pyramid, path: str, n_axes: int) -> tuple[Any, Any]:
    dataset = next((each for each in pyramid.datasets if each.get("path") == path), {})
    return placed(pyramid.multiscales or {}, dataset, n_axes) if dataset else (None, None)


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


def _check_alike(fields: Sequence[_Field]) -> _Field:
    """Return the first of fields that can be in one dataset."""
    if not fields:
        raise ConfigError("expected the path of an image at least, found no fields")
    first = fields[0]
    names = [field.name for field in fields]
    for field in fields[1:]:
        if field.ladder != first.ladder:
            raise GeometryError(
                f"{field.where} has levels of {_told(field.ladder)}, {first.where} of "
                f"{_told(first.ladder)}; fields of one dataset have equal levels: give "
                "levels, or load them apart"
            )
        if field.frame != first.frame:
            raise GeometryError(
                f"{field.where} and {first.where} have voxels of other sizes, places or units; "
                "load them apart, or mend the one that is wrong"
            )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"two of the fields are called {twice!r} in yt; load them apart")
    return first


def _told(ladder: Ladder) -> str:
    return ", ".join(str(list(shape)) for shape in ladder.shapes)
