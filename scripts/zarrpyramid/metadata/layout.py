"""The list of levels as the zarr convention `multiscales` has it, beside that of OME-NGFF.

Readers outside microscopy, such as those of GeoZarr, look for it. A layout of this package follows
the list of OME-NGFF at every change of that; one of others stays as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .multiscales import dataset_path, datasets_of, described_axes, placed, read_multiscales
from .paths import is_inside

if TYPE_CHECKING:
    from .placement import Vectors

    Document = dict[str, Any]

KEY, DECLARED = "multiscales", "zarr_conventions"
"""The group's attributes that hold the layout, and say which conventions the group follows."""

_SOURCE = "zarr-conventions/multiscales"
_DECLARATION = {
    "uuid": "d35379db-88df-4056-af3a-620245f8e347",
    "schema_url": f"https://raw.githubusercontent.com/{_SOURCE}/refs/tags/v0.1/schema.json",
    "spec_url": f"https://github.com/{_SOURCE}/blob/v0.1/README.md",
    "name": "multiscales",
    "description": "Multiscale layout of zarr datasets",
}
_OURS = {"software": "zarrpyramid"}
_METHODS = {
    **dict.fromkeys(("mean", "nanmean"), "average"),
    "median": "med",
    "mode_nonzero": "mode",
    "stride": "nearest",
}
"""Methods that the convention calls by another name."""


def has_layout(attributes: Document) -> bool:
    """Tell whether a group has a layout that this package wrote."""
    found = attributes.get(KEY)
    return isinstance(found, dict) and found.items() >= _OURS.items()


def with_layout(attributes: Document) -> Document:
    """Return a group's attributes with a layout of the levels that it lists.

    A layout that others wrote stays. Of no level there is none.

    >>> scale = [{"type": "scale", "scale": [2.0, 2.0]}]
    >>> listed = {"path": "1", "coordinateTransformations": scale}
    >>> axes = [{"name": "y"}, {"name": "x"}]
    >>> ome = {"multiscales": [{"axes": axes, "datasets": [{**listed, "path": "0"}, listed]}]}
    >>> with_layout({"ome": ome})["multiscales"]["layout"][1]["transform"]
    {'scale': [1.0, 1.0], 'translation': [0.0, 0.0]}
    """
    if KEY in attributes and not has_layout(attributes):
        return attributes
    multiscales = read_multiscales(attributes) or {}
    layout = _layout(multiscales)
    if not layout:
        return without_layout(attributes)
    method = str(multiscales.get("type", ""))
    named = {"resampling_method": _METHODS.get(method, method)} if method else {}
    return {
        **attributes,
        DECLARED: [*_other_conventions(attributes), _DECLARATION],
        KEY: {"layout": layout, **named, **_OURS},
    }


def without_layout(attributes: Document) -> Document:
    """Return a group's attributes without a layout that this package wrote."""
    if not has_layout(attributes):
        return attributes
    kept = {key: item for key, item in attributes.items() if key not in (KEY, DECLARED)}
    others = _other_conventions(attributes)
    return {**kept, **({DECLARED: others} if others else {})}


def with_layout_kept(attributes: Document) -> Document:
    """Return a group's attributes whose layout, where we wrote it, is of the levels now listed."""
    return with_layout(attributes) if has_layout(attributes) else attributes


def _layout(multiscales: Document) -> list[Document]:
    """Return what is said of each level: how its voxels follow from those of the finer one."""
    n_axes = len(described_axes(multiscales))
    layout: list[Document] = []
    before: tuple[str, Vectors] | None = None
    for dataset in datasets_of(multiscales):
        path, places = dataset_path(dataset), placed(multiscales, dataset, n_axes)
        if not is_inside(path):  # level 0 of a companion, to which no path of a convention leads
            continue
        if before is None:
            layout.append({"asset": path, "transform": {"scale": [1.0] * n_axes}})
        else:
            transform = _transform(before[1], places, n_axes)
            layout.append({"asset": path, "derived_from": before[0], "transform": transform})
        before = path, places
    return layout


def _transform(finer: Vectors, coarser: Vectors, n_axes: int) -> Document:
    """Return scale and translation from one level to the next, in voxels of the finer one."""
    ones, zeros = [1.0] * n_axes, [0.0] * n_axes
    sizes = finer[0] or ones
    ratios = zip(coarser[0] or ones, sizes, strict=True)
    shifts = zip(coarser[1] or zeros, finer[1] or zeros, sizes, strict=True)
    # Rounded: sizes in micrometers are no binary fractions, their ratios are whole numbers.
    return {
        "scale": [round(large / small, 9) if small else 1.0 for large, small in ratios],
        "translation": [round((b - a) / size, 9) if size else 0.0 for b, a, size in shifts],
    }


def _other_conventions(attributes: Document) -> list[Any]:
    """Return what a group declares beside this convention."""
    found = attributes.get(DECLARED)
    return [
        each
        for each in (found if isinstance(found, list) else [])
        if not (isinstance(each, dict) and each.get("uuid") == _DECLARATION["uuid"])
    ]
