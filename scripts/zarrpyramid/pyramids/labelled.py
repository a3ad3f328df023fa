"""Levels for xarray: dimensions named by axes, with coordinates at the centres of voxels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import ConfigError, MetadataError
from zarrpyramid.metadata import CHANNEL
from zarrpyramid.programs import extra_command

if TYPE_CHECKING:
    import xarray

    from zarrpyramid.metadata import Axis
    from zarrpyramid.verify import FoundLevel, Pyramid

NAME = "image"
"""Name of the levels' arrays, and of the variable in each node of a tree."""


def import_xarray() -> Any:
    """Return the module xarray.

    Raises
    ------
    ConfigError
        If it is not installed.
    """
    try:
        import xarray
    except ModuleNotFoundError as error:
        raise ConfigError(f"xarray is not installed; {extra_command('xarray')}") from error
    return xarray


def data_array(pyramid: Pyramid, level: FoundLevel, voxels: Any) -> xarray.DataArray:
    """Return a level's voxels as a DataArray; see `Pyramid.xarray`."""
    axes = pyramid.known_axes
    if voxels.ndim != len(axes):
        raise MetadataError(
            f"{level.name} has {voxels.ndim} axes, the group describes {len(axes)}; read it "
            "without coordinates, by its array or by dask"
        )
    found: xarray.DataArray = import_xarray().DataArray(
        voxels,
        dims=[axis.name for axis in axes],
        coords=_coordinates(pyramid, level, axes),
        name=NAME,
    )
    return found


def data_tree(nodes: dict[str, xarray.DataArray]) -> xarray.DataTree:
    """Return a tree with a node for each level; see `Pyramid.datatree`."""
    tree: xarray.DataTree = import_xarray().DataTree.from_dict(
        {name: array.to_dataset(name=NAME) for name, array in nodes.items()}
    )
    return tree


def _coordinates(pyramid: Pyramid, level: FoundLevel, axes: tuple[Axis, ...]) -> dict[str, Any]:
    """Return what stands along each axis: names of channels, else where the voxels' centres are."""
    import numpy as np

    scale, translation = pyramid.placement(level)
    labels = [channel.get("label") for channel in pyramid.channels]
    found: dict[str, Any] = {}
    for number, (axis, extent) in enumerate(zip(axes, level.array.shape, strict=True)):
        if axis.type == CHANNEL:
            if len(set(labels)) == extent and all(labels):
                found[axis.name] = (axis.name, list(map(str, labels)))
        elif scale is not None:
            start = translation[number] if translation is not None else 0.0
            said = {"units": axis.unit} if axis.unit else {}
            found[axis.name] = (axis.name, start + scale[number] * np.arange(extent), said)
    return found
