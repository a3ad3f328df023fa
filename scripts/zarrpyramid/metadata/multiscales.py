"""OME-NGFF multiscales in a group's attributes, of any version, as they are found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from .placement import (
    axes_system,
    fitting,
    mappings,
    outer_transformations,
    read_transformations,
    system_of,
)
from .units import meant_unit

if TYPE_CHECKING:
    from .placement import Vectors

    Document = dict[str, Any]

TIME, CHANNEL, SPACE = "time", "channel", "space"
DEFAULT_AXES = ("x", "yx", "zyx", "czyx", "tczyx")
"""Names of the axes of an array that names none, by their number."""

BASE_PATH_KEY = "zarrpyramid_base_path"
"""The group's attribute that tells the path of level 0 while no multiscales lists it."""

_TYPES = {
    **dict.fromkeys(("t", "time"), TIME),
    **dict.fromkeys(("c", "ch", "channel", "channels"), CHANNEL),
    **dict.fromkeys(("rgb", "rgba", "color", "colour"), CHANNEL),
}
_AXIS_KEYS = ("name", "type", "unit")
_UNTYPED = (None, "array")
"""What an axis may have as its type that says nothing of it; `array` counts voxels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """One axis of an image.

    Attributes
    ----------
    size
        Extent of a voxel of level 0, in `unit`.
    offset
        Position of the centre of level 0's first voxel, in `unit`; None where none is recorded.
    counted
        Name of the axis in the coordinate system of 0.6 that counts its voxels, where there is one.
    """

    name: str
    type: str
    size: float = 1.0
    unit: str | None = None
    offset: float | None = None
    counted: str | None = None

    @property
    def dimension(self) -> str:
        """Name of the dimension of the levels' arrays."""
        return self.counted or self.name

    def changed(self, *, size: float | None, unit: str | None) -> Axis:
        """Return the axis with another unit or none, and another voxel size where it is given."""
        return replace(self, size=size or self.size, unit=unit)


def axis_type(name: str) -> str:
    """Return an axis's NGFF type by its name; what is neither time nor channel is space."""
    return _TYPES.get(name.lower(), SPACE)


def ome_attributes(attributes: Document, key: str = "multiscales") -> Document:
    """Return the mapping that holds a key of OME-NGFF: `ome` in 0.5, the attributes before.

    >>> ome_attributes({"ome": {"multiscales": [], "version": "0.5"}})["version"]
    '0.5'
    """
    ome = attributes.get("ome")
    if isinstance(ome, dict) and key in ome:
        return ome
    found = attributes.get(key)
    if key == "multiscales" and isinstance(found, dict) and "layout" in found:
        # Of the zarr convention of this name.
        return ome if isinstance(ome, dict) else {}
    return attributes


def read_multiscales(attributes: Document) -> Document | None:
    """Return the first multiscales of a group, of any NGFF version, or None.

    The first is the one that viewers show.
    """
    listed = all_multiscales(attributes)
    return listed[0] if listed else None


def all_multiscales(attributes: Document) -> list[Document]:
    """Return all multiscales of a group."""
    return mappings(ome_attributes(attributes).get("multiscales"))


def our_metadata(attributes: Document) -> Document:
    """Return what the first multiscales says of how this package made its levels, or {}."""
    stated = (read_multiscales(attributes) or {}).get("metadata")
    if isinstance(stated, dict) and stated.get("software") == "zarrpyramid":
        return stated
    return {}


def read_datasets(attributes: Document) -> list[Document]:
    """Return what a group says of each level that it lists, the finest first.

    0.4 and 0.5: the datasets MUST be ordered from the highest resolution to the lowest.
    """
    return datasets_of(read_multiscales(attributes) or {})


def datasets_of(multiscales: Document) -> list[Document]:
    """Return what a multiscales says of each level that it lists, as `read_datasets` does."""
    return mappings(multiscales.get("datasets"))


def first_dataset(multiscales: Document) -> Document:
    """Return what a multiscales says of level 0; {} where it lists nothing."""
    return next(iter(datasets_of(multiscales)), {})


def listed_paths(attributes: Document) -> list[str]:
    """Return the paths of the levels that a group lists."""
    return [dataset_path(dataset) for dataset in read_datasets(attributes)]


def shared_paths(attributes: Document) -> set[str]:
    """Return the paths that further multiscales of a group list."""
    more = all_multiscales(attributes)[1:]
    return {dataset_path(each) for listed in more for each in datasets_of(listed)}


def dataset_path(dataset: Document) -> str:
    """Return a dataset's path as text; a document may hold any type there."""
    path = dataset.get("path")
    return path if isinstance(path, str) else str(path)[:200]


def base_path(attributes: Document) -> str | None:
    """Return the path of level 0: the first that a group lists, else the one that we noted there.

    None where there is neither.
    """
    datasets = read_datasets(attributes)
    path = datasets[0].get("path") if datasets else attributes.get(BASE_PATH_KEY)
    return path if isinstance(path, str) else None


def has_systems(multiscales: Document) -> bool:
    """Tell whether a multiscales describes its axes in coordinate systems, as 0.6 does."""
    return isinstance(multiscales.get("coordinateSystems"), list)


def listed_axes(attributes: Document) -> list[Document]:
    """Return the axes that a group lists, as `described_axes` does."""
    return described_axes(read_multiscales(attributes) or {})


def described_axes(multiscales: Document) -> list[Document]:
    """Return the axes of a multiscales as mappings; those of NGFF 0.3 are names alone."""
    listed = multiscales.get("axes")
    if has_systems(multiscales):
        listed = axes_system(multiscales).get("axes")
    elif listed is None:
        listed = _cosem_axes(first_dataset(multiscales).get("transform"))
    axes = listed if isinstance(listed, list) else []
    return [axis if isinstance(axis, dict) else {"name": axis} for axis in axes]


def _cosem_axes(transform: Any) -> list[Document]:
    """Return the axes that a transform of COSEM names, in the order of the array."""
    if not isinstance(transform, dict) or not isinstance(transform.get("axes"), list):
        return []
    names, units = transform["axes"], transform.get("units")
    units = [*units] if isinstance(units, list) else []
    axes = [
        {"name": name, **({"unit": meant_unit(unit) or unit} if isinstance(unit, str) else {})}
        for name, unit in zip_longest(names, units[: len(names)])
    ]
    return axes[::-1] if transform.get("order") == "F" else axes


def misspelled_keys(axis: Document) -> dict[str, str]:
    """Return the keys of an axis that no reader looks for, each with the one that is meant.

    >>> misspelled_keys({"name": "x", "units": "micrometer", "longName": "along the stage"})
    {'units': 'unit'}
    """
    from difflib import get_close_matches  # 4 ms, which a list of ours saves

    near = {
        key: get_close_matches(key.lower(), _AXIS_KEYS, n=1, cutoff=0.75)
        for key in axis
        if key not in _AXIS_KEYS
    }
    return {key: found[0] for key, found in near.items() if found}


def read_axes(attributes: Document, n_axes: int) -> tuple[Axis, ...] | None:
    """Return the axes that a group lists, and where they place level 0.

    None where the list has another length, or an axis has no name. A scale or translation that
    cannot be read counts as absent.
    """
    listed = listed_axes(attributes)
    if len(listed) != n_axes or not all(
        isinstance(axis.get("name"), str) and axis["name"] for axis in listed
    ):
        return None
    multiscales = read_multiscales(attributes) or {}
    scale, translation = placed(multiscales, first_dataset(multiscales), n_axes)
    own = system_of(multiscales)
    counted = [{}] * n_axes if own == axes_system(multiscales) else own["axes"]
    return tuple(
        Axis(
            name=axis["name"],
            type=_known_type(axis),
            size=1.0 if scale is None else scale[number],
            unit=axis["unit"] if isinstance(axis.get("unit"), str) else None,
            offset=None if translation is None else translation[number],
            counted=counted[number].get("name"),
        )
        for number, axis in enumerate(listed)
    )


def placed(multiscales: Document, dataset: Document, n_axes: int) -> Vectors:
    """Return a dataset's scale and translation together with those of the whole multiscales.

    Each is None where nothing states it. Vectors of another length count as absent.
    """
    own, moved = fitting(read_transformations(dataset), n_axes)
    outer, outer_moved = fitting(outer_transformations(multiscales), n_axes)
    scale, translation = own or outer, moved or outer_moved
    if own and outer:
        scale = [a * b for a, b in zip(own, outer, strict=True)]
    if moved:
        ones, zeros = [1.0] * n_axes, [0.0] * n_axes
        translation = [
            shift + size * place
            for shift, size, place in zip(outer_moved or zeros, outer or ones, moved, strict=True)
        ]
    return scale, translation


def _known_type(axis: Document) -> str:
    """Return the type by which NGFF orders an axis; a custom type stands where a channel does."""
    stated = axis.get("type")
    if stated in _UNTYPED:
        return axis_type(axis["name"])
    kind = str(stated).lower()
    return kind if kind in (TIME, SPACE) else CHANNEL
