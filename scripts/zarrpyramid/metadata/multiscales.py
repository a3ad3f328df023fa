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


def ome_attributes(attributes: Document, key: str = "multiscales") -> Document:
    """Return the mapping that holds a key of OME-NGFF: `ome` in 0.5, the attributes before.

    >>> ome_attributes({"ome": {"multiscales": [], "version": "0.5"}})["version"]
    '0.5'
    """
    ome = attributes.get("ome")
    return ome if isinstance(ome, dict) and key in ome else attributes


def read_multiscales(attributes: Document) -> Document | None:
    """Return the first multiscales of a group, of any NGFF version, or None.

    The first is the one that viewers show.
    """
    listed = _all_multiscales(attributes)
    return listed[0] if listed else None


def _all_multiscales(attributes: Document) -> list[Document]:
    return _dicts(ome_attributes(attributes).get("multiscales"))


def _dicts(value: Any) -> list[Document]:
    """Return the mappings of a list; a document may hold anything in its place."""
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


def read_datasets(attributes: Document) -> list[Document]:
    """Return what a group says of each level that it lists, the finest first.

    0.4 and 0.5: the datasets MUST be ordered from the highest resolution to the lowest.
    """
    return _dicts((read_multiscales(attributes) or {}).get("datasets"))


def read_transformations(holder: Document) -> tuple[list[float] | None, list[float] | None]:
    """Return scale and translation of a dataset or a multiscales; None where it states none.

    A list that holds anything but finite numbers counts as none.

    >>> read_transformations({"coordinateTransformations": [{"type": "scale", "scale": [2, 1]}]})
    ([2.0, 1.0], None)
    """
    steps = _dicts(holder.get("coordinateTransformations"))
    scale, translation = (
        next((found for step in steps if (found := numbers(step.get(kind))) is not None), None)
        for kind in ("scale", "translation")
    )
    return scale, translation


def listed_paths(attributes: Document) -> list[str]:
    """Return the paths of the levels that a group lists."""
    return [_path(dataset) for dataset in read_datasets(attributes)]


def _path(dataset: Document) -> str:
    """Return a dataset's path as text; a document may hold any type there."""
    path = dataset.get("path")
    return path if isinstance(path, str) else str(path)[:200]


def base_path(attributes: Document) -> str | None:
    """Return the path of level 0, the first that a group lists; None where it lists none."""
    datasets = read_datasets(attributes)
    path = datasets[0].get("path") if datasets else None
    return path if isinstance(path, str) else None


def listed_axes(attributes: Document) -> list[Document]:
    """Return the axes that a group lists as mappings; those of NGFF 0.3 are names alone."""
    listed = (read_multiscales(attributes) or {}).get("axes")
    axes = listed if isinstance(listed, list) else []
    return [axis if isinstance(axis, dict) else {"name": axis} for axis in axes]


def read_axes(attributes: Document, n_axes: int) -> tuple[Axis, ...] | None:
    """Return the axes that a group lists, with scale and translation of level 0.

    None where the list has another length, or an axis has no name. A scale or translation of
    another length counts as absent.
    """
    listed = listed_axes(attributes)
    if len(listed) != n_axes or not all(
        isinstance(axis.get("name"), str) and axis["name"] for axis in listed
    ):
        return None
    base = next(iter(read_datasets(attributes)), {})
    scale, translation = (
        values if values is not None and len(values) == n_axes else None
        for values in read_transformations(base)
    )
    return tuple(
        Axis(
            name=axis["name"],
            type=_known_type(axis),
            size=1.0 if scale is None else scale[number],
            unit=axis["unit"] if isinstance(axis.get("unit"), str) else None,
            offset=None if translation is None else translation[number],
        )
        for number, axis in enumerate(listed)
    )


def _known_type(axis: Document) -> str:
    """Return the type by which NGFF orders an axis; a custom type stands where space does."""
    if "type" not in axis:
        return axis_type(axis["name"])
    return axis["type"] if axis["type"] in (TIME, CHANNEL) else SPACE


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
        dataset for dataset in read_datasets(attributes) if _path(dataset) not in {*paths, *dropped}
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
    return _with_multiscales(attributes, _all_multiscales(attributes)[1:])


def without_paths(attributes: Document, paths: Collection[str]) -> Document:
    """Return a group's attributes with some paths taken out of its multiscales."""
    multiscales = _all_multiscales(attributes)
    if not multiscales:
        return attributes
    first, *more = multiscales
    datasets = [each for each in read_datasets(attributes) if _path(each) not in paths]
    return _with_multiscales(attributes, [{**first, "datasets": datasets}, *more])


def _with_multiscales(attributes: Document, listed: list[Document]) -> Document:
    """Return attributes with other multiscales where theirs stand; with none, without the key."""
    holder = ome_attributes(attributes)
    if listed:
        changed = {**holder, "multiscales": listed}
    else:
        changed = {key: item for key, item in holder.items() if key != "multiscales"}
    return changed if holder is attributes else {**attributes, "ome": changed}


def carried_over(attributes: Document, path: str, zarr_format: int) -> Document:
    """Return what a group says of an image that also holds for a copy of its level 0.

    That is the first multiscales, with level 0 as its only dataset, at a path of its own, and what
    OME-NGFF keeps of channels (``omero``) and of labels' colours (``image-label``).
    """
    multiscales = read_multiscales(attributes)
    if multiscales is None:
        return {}
    holder = ome_attributes(attributes)
    datasets = [{**dataset, "path": path} for dataset in read_datasets(attributes)[:1]]
    kept: Document = {key: holder[key] for key in ("omero", "image-label") if key in holder}
    kept["multiscales"] = [{**multiscales, "datasets": datasets}]
    if zarr_format == 2:
        return kept
    kept["multiscales"][0].pop("version", None)
    return {"ome": {"version": "0.5", **kept}}


def _scale(dataset: Document) -> list[float]:
    """Return a dataset's scale, by which NGFF orders datasets; infinity where it states none."""
    scale, _ = read_transformations(dataset)
    return [math.inf] if scale is None else scale


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
