"""A pyramid as a dataset of yt, whose grids are the chunks of all levels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zarrpyramid.errors import ConfigError, GeometryError, suggestion
from zarrpyramid.verify import find_pyramid

from .fields import open_field
from .grids import list_grids
from .importing import import_yt
from .voxels import GridVoxels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .fields import Field
    from .ladder import Ladder


def load_pyramid(
    store: object,
    fields: str | Sequence[str] = "",
    *,
    levels: Sequence[int] | None = None,
    grid_chunks: int = 1,
    at: Mapping[str, int] | None = None,
    units: Mapping[str, str] | None = None,
    length_unit: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    **more: Any,
) -> Any:
    """Return a dataset of yt whose grids are the chunks of all levels of a pyramid.

    No voxel is read before yt asks for it, and then only the chunks that hold what it asks for.
    Level 0 is yt's finest level; ``covering_grid(0, ...)`` and a selection with ``max_level = 0``
    read only the coarsest level of the pyramid.

    yt's domain is whole voxels of the coarsest level. At an odd edge it ends beyond the image, and
    cells there repeat the nearest voxel. The outer corner of the image is in
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
    grid_chunks
        Chunks along each axis that make one grid. yt needs 0.5 ms per grid, and more above tens
        of thousands.
    at
        Index along each axis other than x, y and z, such as ``{"t": 0, "c": 1}``. An axis of one
        voxel needs none.
    units
        Unit of each field by its path; what its group says to yt (``unit``) unless given.
    length_unit
        Unit of lengths; what the group says to yt, else the unit of its axes.
    storage_options
        For a URL.
    **more
        For ``yt.load_amr_grids``, such as ``periodicity``: an image is periodic if its group
        says so. Gradients, and whatever else needs cells around a grid, need a periodic image.

    Raises
    ------
    PyramidError
        If an image or a level is absent, fields differ in shape, or yt cannot use the levels.
    """
    paths = [fields] if isinstance(fields, str) else list(fields)
    if grid_chunks != int(grid_chunks) or grid_chunks < 1:
        raise ConfigError(f"grid_chunks={grid_chunks!r}: expected a whole number from 1 on")
    for known in units or {}:
        if known not in paths:
            raise ConfigError(f"units names {known!r}, no field{suggestion(known, paths)}")
    found = [
        open_field(
            find_pyramid(store, path, storage_options=storage_options), path,
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
    units_of_grids = [tuple(edge * grid_chunks for edge in level.chunks) for level in first.voxels]
    for grid in list_grids(ladder, units_of_grids):
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


def _check_alike(fields: Sequence[Field]) -> Field:
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
                "load them apart, or fix the one that is wrong"
            )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"two of the fields are called {twice!r} in yt; load them apart")
    return first


def _told(ladder: Ladder) -> str:
    return ", ".join(str(list(shape)) for shape in ladder.shapes)
