"""OME-NGFF multiscales, 0.5 in zarr v3 and 0.4 in v2, as dicts in a group's attributes.

Pure functions of attributes: who reads and writes them is for others to know. Keys that are not
ours survive every change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from zarrpyramid.geometry import Shape

    Document = dict[str, Any]

TIME, CHANNEL, SPACE = "time", "channel", "space"
_LARGEST = 1e200
"""Numbers from which products of scales and factors would be no numbers any more."""

_TYPES = {"t": TIME, "time": TIME, "c": CHANNEL, "channel": CHANNEL}


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """One axis of an image.

    Attributes
    ----------
    size
        Extent of a voxel of level 0, in `unit`.
    offset
        Position of the centre of level 0's first voxel, in `unit`; None where none is recorded.
    """

    name: str
    type: str
    size: float = 1.0
    unit: str | None = None
    offset: float | None = None

    def changed(self, *, size: float | None, unit: str | None) -> Axis:
        """Return the axis with another voxel size or unit, where they are given."""
        return replace(self, size=size or self.size, unit=unit or self.unit)


def axis_type(name: str) -> str:
    """Return an axis's NGFF type by its name: t and c are known, all others are space."""
    return _TYPES.get(name.lower(), SPACE)


def _known_type(axis: Document) -> str:
    """Return the type that NGFF orders axes by; custom types stand where space does."""
    if "type" not in axis:
        return axis_type(axis["name"])
    return axis["type"] if axis["type"] in (TIME, CHANNEL) else SPACE


def read_multiscales(attributes: Document) -> Document | None:
    """Return the first multiscales of a group, of whatever NGFF version, or None."""
    listed = _all_multiscales(attributes)
    return listed[0] if listed else None


def _all_multiscales(attributes: Document) -> list[Document]:
    """Return all multiscales of a group; the first is the one that viewers show."""
    ome = attributes.get("ome")
    holder = ome if isinstance(ome, dict) and "multiscales" in ome else attributes
    return _dicts(holder.get("multiscales"))


def _dicts(value: Any) -> list[Document]:
    """Return the mappings of a list, for documents that may hold anything."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def numbers(values: Any) -> list[float] | None:
    """Return a list of finite numbers as floats, or None where it is anything else.

    >>> numbers([1, 2.5]), numbers([1, "2"]), numbers([float("nan")])
    ([1.0, 2.5], None, None)
    """
    if isinstance(values, list) and all(
        type(value) in (int, float) and abs(value) < _LARGEST for value in values
    ):
        return [float(value) for value in values]
    return None


def listed_paths(attributes: Document) -> list[str]:
    """Return the paths of the levels that a group lists."""
    multiscales = read_multiscales(attributes) or {}
    return [_path(dataset) for dataset in _dicts(multiscales.get("datasets"))]


def _path(dataset: Document) -> str:
    """Return a dataset's path, of whatever type it is."""
    path = dataset.get("path")
    return path if isinstance(path, str) else str(path)[:200]


def base_path(attributes: Document) -> str | None:
    """Return the path of level 0, the first dataset that a group lists; None where it lists none.

    0.4 and 0.5: the datasets MUST be ordered from the highest resolution to the lowest.
    """
    datasets = _dicts((read_multiscales(attributes) or {}).get("datasets"))
    path = datasets[0].get("path") if datasets else None
    return path if isinstance(path, str) else None


def read_axes(attributes: Document, n_axes: int) -> tuple[Axis, ...] | None:
    """Return the axes of an existing multiscales with level 0's scale, or None where unfit.

    Unfit are lists of another length, and axes without names.
    """
    multiscales = read_multiscales(attributes) or {}
    listed = multiscales.get("axes")
    if not isinstance(listed, list) or len(listed) != n_axes:
        return None
    # "axes" of NGFF 0.3 is a list of names.
    named = [axis if isinstance(axis, dict) else {"name": axis} for axis in listed]
    if not all(isinstance(axis.get("name"), str) and axis["name"] for axis in named):
        return None
    sizes, offsets = _base_transformations(multiscales, n_axes)
    return tuple(
        Axis(
            name=axis["name"],
            type=_known_type(axis),
            size=size,
            unit=axis["unit"] if isinstance(axis.get("unit"), str) else None,
            offset=offset,
        )
        for axis, size, offset in zip(named, sizes, offsets, strict=True)
    )


def with_levels(
    attributes: Document,
    *,
    zarr_format: int,
    name: str,
    axes: Sequence[Axis],
    paths: Sequence[str],
    downsamplings: Sequence[Shape],
    metadata: Document,
    shifts: bool = True,
    dropped: Collection[str] = (),
) -> Document:
    """Return a group's attributes with a multiscales that lists levels 0 to N.

    Parameters
    ----------
    zarr_format
        3 gives OME-NGFF 0.5 under ``ome``, 2 gives 0.4.
    name
        Name of the image, where the existing multiscales has none.
    paths
        Of each level, level 0 first.
    downsamplings
        Of each level: voxels of level 0 a voxel along each axis.
    metadata
        How the levels were made; its ``method`` is also the multiscales' ``type``.
    shifts
        Whether a voxel of a level stands at the centre of the voxels that it covers; else it stands
        where the first of them does.
    dropped
        Paths that are listed and shall be no longer. All others stay, such as a thumbnail, at the
        place that their scale gives them.
    """
    before = read_multiscales(attributes) or {}
    known = {str(axis.get("name")): axis for axis in _dicts(before.get("axes"))}
    base, *levels = [
        {"path": path, "coordinateTransformations": _transformations(axes, downsampling, shifts)}
        for path, downsampling in zip(paths, downsamplings, strict=True)
    ]
    others = [
        dataset
        for dataset in _dicts(before.get("datasets"))
        if _path(dataset) not in {*paths, *dropped}
    ]
    described = {
        "name": name,
        **before,
        "axes": [
            {
                "name": axis.name,
                "type": axis.type,
                **known.get(axis.name, {}),
                **({"unit": axis.unit} if axis.unit else {}),
            }
            for axis in axes
        ],
        "datasets": [base, *sorted([*levels, *others], key=_scale)],
        "type": metadata["method"],
        "metadata": metadata,
    }
    more = _all_multiscales(attributes)[1:]
    if zarr_format == 2:
        return {**attributes, "multiscales": [{**described, "version": "0.4"}, *more]}
    described.pop("version", None)
    ome = attributes.get("ome")
    kept = ome if isinstance(ome, dict) else {}
    if "multiscales" not in kept:
        # 0.4 in a v3 group: two lists would contradict each other.
        attributes = {key: item for key, item in attributes.items() if key != "multiscales"}
    return {**attributes, "ome": {**kept, "version": "0.5", "multiscales": [described, *more]}}


def without_our_list(attributes: Document) -> Document:
    """Return a group's attributes without the multiscales that this package wrote."""
    metadata = (read_multiscales(attributes) or {}).get("metadata")
    if not isinstance(metadata, dict) or metadata.get("software") != "zarrpyramid":
        return attributes
    others = _all_multiscales(attributes)[1:]
    ome = attributes.get("ome")
    holder = ome if isinstance(ome, dict) and "multiscales" in ome else attributes
    kept = {key: item for key, item in holder.items() if key != "multiscales"}
    changed = {**kept, "multiscales": others} if others else kept
    return changed if holder is attributes else {**attributes, "ome": changed}


def without_paths(attributes: Document, paths: Collection[str]) -> Document:
    """Return a group's attributes with none of some paths in its multiscales."""
    multiscales = read_multiscales(attributes)
    if multiscales is None:
        return attributes
    datasets = [
        dataset for dataset in _dicts(multiscales.get("datasets")) if _path(dataset) not in paths
    ]
    changed = {**multiscales, "datasets": datasets}
    ome = attributes.get("ome")
    if isinstance(ome, dict) and "multiscales" in ome:
        return {**attributes, "ome": {**ome, "multiscales": [changed, *ome["multiscales"][1:]]}}
    return {**attributes, "multiscales": [changed, *attributes["multiscales"][1:]]}


def carried_over(attributes: Document, path: str, zarr_format: int) -> Document:
    """Return what a group says of an image that holds for a copy of its level 0 alone.

    That is the first multiscales, with level 0 as its only dataset, at a path of its own, and what
    OME-NGFF keeps of channels (``omero``) and of labels' colours (``image-label``).
    """
    multiscales = read_multiscales(attributes)
    if multiscales is None:
        return {}
    ome = attributes.get("ome")
    holder = ome if isinstance(ome, dict) and "multiscales" in ome else attributes
    datasets = [{**dataset, "path": path} for dataset in _dicts(multiscales.get("datasets"))[:1]]
    kept = {key: holder[key] for key in ("omero", "image-label") if key in holder}
    kept["multiscales"] = [{**multiscales, "datasets": datasets}]
    if zarr_format == 2:
        return kept
    kept["multiscales"][0].pop("version", None)
    return {"ome": {"version": "0.5", **kept}}


def _scale(dataset: Document) -> list[float]:
    """Return a dataset's scale, by which NGFF orders datasets; endless where it says none."""
    for step in _dicts(dataset.get("coordinateTransformations")):
        scale = numbers(step.get("scale"))
        if scale is not None:
            return scale
    return [math.inf]


def _transformations(axes: Sequence[Axis], downsampling: Shape, shifts: bool) -> list[Document]:
    """Return scale and translation of a level, F being its downsampling.

    A voxel of the level covers F voxels of level 0 and stands at the centre of them, (F - 1) / 2
    voxels of level 0 from the centre of the first; or, where nothing shifts, at the first.
    """
    pairs = list(zip(axes, downsampling, strict=True))
    scale = {"type": "scale", "scale": [axis.size * factor for axis, factor in pairs]}
    if not (shifts and max(downsampling) > 1) and all(axis.offset is None for axis in axes):
        return [scale]
    translation = [
        (axis.offset or 0.0) + (axis.size * (factor - 1) / 2 if shifts else 0.0)
        for axis, factor in pairs
    ]
    return [scale, {"type": "translation", "translation": translation}]


def _base_transformations(
    multiscales: Document, n_axes: int
) -> tuple[list[float], list[float | None]]:
    """Return scale and translation of level 0; 1 and None where they are absent or unfit."""
    sizes: list[float] = [1.0] * n_axes
    offsets: list[float | None] = [None] * n_axes
    for dataset in _dicts(multiscales.get("datasets"))[:1]:
        for step in _dicts(dataset.get("coordinateTransformations")):
            values = numbers(step.get(str(step.get("type"))))
            if values is None or len(values) != n_axes:
                continue
            if step["type"] == "scale":
                sizes = values
            elif step["type"] == "translation":
                offsets = list(values)
    return sizes, offsets
