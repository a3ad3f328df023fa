"""Axes and voxel sizes that an HDF5 dataset names, by any of the customs of the field.

Those are ilastik's axistags, the labels and scales of dimensions (as netCDF has them), NeXus' axes,
and `element_size_um` of Fiji's HDF5 plugin.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from .units import unit_named

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAMES = {"time": "t", "channel": "c", "channels": "c"} | {name: name for name in "tczyx"}
"""Names that mean an axis of OME-NGFF, in small letters."""

_ELEMENT_SIZE = "element_size_um"
_UNEVEN = 1e-3
"""By how much of a step coordinates may be off a grid."""


def described(dataset: Any) -> dict[str, Any]:
    """Return what a dataset says of its axes, as keywords of `InputForm`.

    Names other than those of OME-NGFF's axes say nothing.
    """
    n_axes = dataset.ndim
    labels = [_text(dimension.label) for dimension in dataset.dims]
    scales = [_scale(dimension) for dimension in dataset.dims]
    coordinates = _nexus(dataset)
    named = {
        "its axistags": _tags(dataset.attrs.get("axistags")),
        "its dimension labels": labels,
        "its dimension scales": [scale and scale.name.rpartition("/")[2] for scale in scales],
        "its NeXus axes": [name for name, _ in coordinates],
    }
    axes: tuple[str, ...] = ()
    origins: dict[str, str] = {}
    for origin, names in named.items():
        meant = tuple(_NAMES.get((name or "").lower(), "") for name in names)
        if len(meant) == n_axes and all(meant) and len(set(meant)) == n_axes:
            axes, origins["axes"] = meant, origin
            break
    said: dict[str, Any] = {"axes": axes, "origins": origins}
    spatial = [axis for axis in axes if axis in "zyx"] or list("zyx")[-n_axes:]
    sizes = dataset.attrs.get(_ELEMENT_SIZE)
    steps = _steps(axes, [node for _, node in coordinates] or scales)
    if isinstance(sizes, np.ndarray) and sizes.shape == (3,) and all(sizes > 0):
        by_axis = dict(zip("zyx", map(float, sizes), strict=True))
        said["voxel_size"] = {axis: by_axis[axis] for axis in spatial}
        said["unit"] = dict.fromkeys(spatial, "micrometer")
        origins["voxel_size"] = origins["unit"] = f"its attribute {_ELEMENT_SIZE}"
    elif steps:
        said["voxel_size"] = {axis: step for axis, (step, _) in steps.items()}
        said["unit"] = {axis: unit for axis, (_, unit) in steps.items() if unit}
        origins["voxel_size"] = origins["unit"] = "the coordinates of its axes"
    return said


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _tags(tags: object) -> list[str]:
    """Return the keys of vigra's axistags."""
    try:
        return [str(each["key"]) for each in json.loads(_text(tags))["axes"]]
    except (ValueError, KeyError, TypeError):
        return []


def _scale(dimension: Any) -> Any:
    return dimension[0] if len(dimension) else None


def _nexus(dataset: Any) -> list[tuple[str, Any]]:
    """Return the names of a dataset's axes in its NXdata group, and their coordinates."""
    names = dataset.parent.attrs.get("axes")
    if (
        names is None
        or _text(dataset.parent.attrs.get("signal")) != dataset.name.rpartition("/")[2]
    ):
        return []
    listed = [_text(name) for name in np.atleast_1d(names)]
    found = [(name, dataset.parent.get(name)) for name in listed]
    return [(name, node if isinstance(node, h5py.Dataset) else None) for name, node in found]


def _steps(axes: Sequence[str], nodes: Sequence[Any]) -> dict[str, tuple[float, str | None]]:
    """Return the step and unit of each named axis whose coordinates lie on a grid."""
    found = {}
    for axis, node in zip(axes, nodes, strict=False):
        if node is None or axis == "c" or node.ndim != 1 or node.dtype.kind not in "iuf":
            continue
        places = node[()].astype("f8")
        if places.size < 2:
            continue
        step = (places[-1] - places[0]) / (places.size - 1)
        grid = places[0] + step * np.arange(places.size)
        unit = node.attrs.get("units")
        # Plain numbers of the voxels are no sizes.
        if unit is None or step == 0 or not np.abs(places - grid).max() <= _UNEVEN * abs(step):
            continue
        found[axis] = (abs(float(step)), unit_named(unit))
    return found
