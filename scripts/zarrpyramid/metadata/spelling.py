"""Axes and places of levels, written in the words of a version of OME-NGFF.

Up to 0.5 a multiscales has `axes`, and each dataset a scale and a translation. From 0.6 on axes
stand in coordinate systems, and each dataset has one transformation that leads to one of them.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from .multiscales import datasets_of, described_axes, first_dataset, has_systems, placed
from .placement import (
    axes_system,
    first_transformation,
    fitting,
    mappings,
    name_of,
    outer_transformations,
    read_transformations,
    system_of,
    unread,
)
from .units import meant_unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.geometry import Shape

    from .multiscales import Axis

    Document = dict[str, Any]

_NEW_SYSTEM = "physical"
"""Name of the coordinate system of an image that has none."""


def spelled(
    before: Document,
    axes: Sequence[Axis],
    paths: Sequence[str],
    downsamplings: Sequence[Shape],
    *,
    systems: bool,
    shifts: bool,
) -> Document:
    """Return a multiscales with other axes, whose only datasets are the levels at some paths.

    All else in it stays, and so do transformations that come after those of the datasets: those of
    the datasets are such that both together give the axes' sizes and offsets.

    Parameters
    ----------
    before
        The multiscales as it was, described in the same way, or {}.
    systems
        Whether axes are described in coordinate systems.
    shifts
        As in `with_levels`.
    """
    listed = _axes(axes, before)
    described = with_listed_axes(before, listed) if systems else {**before, "axes": listed}
    first = first_dataset(before)
    own = _own(before, axes)
    datasets: list[Document] = []
    for path, downsampling in zip(paths, downsamplings, strict=True):
        scale, translation = _place(own, downsampling, shifts)
        dataset: Document = {"path": path} if datasets else {**first, "path": path}
        if isinstance(first.get("transform"), dict):
            dataset["transform"] = _cosem(first["transform"], axes, scale, translation)
        steps = linked(described, path, _steps(scale, translation))
        if not datasets and systems and "name" in (like := first_transformation(first)):
            steps = [{**steps[0], "name": like["name"]}]
        datasets.append({**dataset, "coordinateTransformations": steps})
    return {**described, "datasets": datasets}


def linked(multiscales: Document, path: str, steps: list[Document]) -> list[Document]:
    """Return the steps that place a dataset at a path as its multiscales lists them.

    Where axes stand in coordinate systems, that is one transformation, which leads to the one to
    which the datasets lead.
    """
    if not has_systems(multiscales):
        return steps
    name = system_of(multiscales).get("name", _NEW_SYSTEM)
    ends = [first_transformation(each).get("output") for each in datasets_of(multiscales)]
    output = next((end for end in ends if name_of(end) == name), {"name": name})
    link = {"input": {"path": path} if isinstance(output, dict) else path, "output": output}
    if len(steps) == 1:
        return [{**steps[0], **link}]
    return [{"type": "sequence", **link, "transformations": steps}]


def with_listed_axes(multiscales: Document, axes: list[Document]) -> Document:
    """Return a multiscales of 0.6 with other axes in the coordinate system that has them.

    A system that is listed twice is listed once.
    """
    listed = multiscales.get("coordinateSystems", [])
    systems = [each for number, each in enumerate(listed) if each not in listed[:number]]
    found = axes_system(multiscales)
    if not found:
        new = {"name": _NEW_SYSTEM, "axes": axes}
        return {**multiscales, "coordinateSystems": [new, *systems]}
    changed = {"name": _NEW_SYSTEM, **found, "axes": axes}
    kept = [changed if each is found else each for each in systems]
    return {**multiscales, "coordinateSystems": kept}


def respelled(multiscales: Document, *, systems: bool) -> Document:
    """Return a multiscales with its axes in coordinate systems, or as a list of its own.

    Other coordinate systems than that of the axes are left out, see `lost_by_respelling`.
    """
    if has_systems(multiscales) == systems or not multiscales:
        return multiscales
    axes = described_axes(multiscales)
    spelling = ("axes", "coordinateSystems", "coordinateTransformations", "datasets")
    kept = {key: item for key, item in multiscales.items() if key not in spelling}
    if systems:
        kept["coordinateSystems"] = [{"name": _NEW_SYSTEM, "axes": axes}]
    else:
        kept["axes"] = axes
    kept["datasets"] = [
        {
            **dataset,
            "coordinateTransformations": linked(
                kept, str(dataset.get("path")), _steps(scale or [1.0] * len(axes), translation)
            ),
        }
        for dataset in datasets_of(multiscales)
        for scale, translation in (placed(multiscales, dataset, len(axes)),)
    ]
    return kept


def with_places(multiscales: Document) -> Document:
    """Return a multiscales of 0.6 whose transformations say `input` and `output` as mappings.

    Drafts up to 0.6.dev3 have texts there.
    """
    changed = dict(multiscales)
    if isinstance(steps := multiscales.get("coordinateTransformations"), list):
        changed["coordinateTransformations"] = [_placed(step, "name") for step in steps]
    datasets = datasets_of(multiscales)
    for n, dataset in enumerate(datasets):
        if isinstance(steps := dataset.get("coordinateTransformations"), list):
            steps = [_placed(step, "path") for step in steps]
            datasets[n] = {**dataset, "coordinateTransformations": steps}
    return {**changed, **({"datasets": datasets} if datasets else {})}


def _placed(step: Any, kind: str) -> Any:
    if not isinstance(step, dict):
        return step
    ends = {"input": kind, "output": "name"}
    texts = {end: key for end, key in ends.items() if isinstance(step.get(end), str)}
    return {**step, **{end: {key: step[end]} for end, key in texts.items()}}


def lost_by_respelling(multiscales: Document, *, systems: bool) -> list[str]:
    """Return the coordinate systems and transformations that `respelled` would leave out."""
    if has_systems(multiscales) == systems:
        return []
    own = [each.get("name") for each in (system_of(multiscales), axes_system(multiscales))]
    listed = mappings(multiscales.get("coordinateSystems"))
    steps = mappings(multiscales.get("coordinateTransformations"))
    names = [each.get("name") for each in listed]
    names += [name_of(step["output"]) for step in steps if "output" in step]
    n_axes = len(described_axes(multiscales))
    unknown = [unread(each, n_axes) for each in datasets_of(multiscales)]
    return [repr(name)[:80] for name in names if name not in own] + [*filter(None, unknown)]


def _axes(axes: Sequence[Axis], before: Document) -> list[Document]:
    """Return axes as mappings, with what is known of those of the same names."""
    known = {str(axis.get("name")): axis for axis in described_axes(before)}
    described = []
    for axis in axes:
        found = known.get(axis.name, {})
        kept = {key: item for key, item in found.items() if key != "unit" and item is not None}
        unit = {"unit": axis.unit} if axis.unit else {}
        described.append({"name": axis.name, "type": axis.type, **kept, **unit})
    return described


def _own(before: Document, axes: Sequence[Axis]) -> list[tuple[float, float | None]]:
    """Return size and offset of level 0 along each axis before what comes after all datasets.

    Numbers that give what is wanted already stay to the last bit.
    """
    first = first_dataset(before)
    scale, moved = fitting(read_transformations(first), len(axes))
    outer, outer_moved = fitting(outer_transformations(before), len(axes))
    own: list[tuple[float, float | None]] = []
    for n, axis in enumerate(axes):
        by, start = outer[n] if outer else 1.0, outer_moved[n] if outer_moved else 0.0
        size = scale[n] if scale and scale[n] * by == axis.size else axis.size / by
        offset = None if axis.offset is None else (axis.offset - start) / by
        if moved and start + by * moved[n] == axis.offset:
            offset = moved[n]
        elif not moved and outer_moved and start == axis.offset:
            offset = None
        own.append((size, offset))
    return own


def _place(
    own: list[tuple[float, float | None]], downsampling: Shape, shifts: bool
) -> tuple[list[float], list[float] | None]:
    """Return scale and translation of a level, F being its downsampling.

    A voxel of the level covers F voxels of level 0 and stands at the centre of them, (F - 1) / 2
    voxels of level 0 from the centre of the first; or, where nothing shifts, at the first.
    """
    pairs = list(zip(own, downsampling, strict=True))
    scale = [size * factor for (size, _), factor in pairs]
    if not (shifts and max(downsampling) > 1) and all(offset is None for _, offset in own):
        return scale, None
    return scale, [
        (offset or 0.0) + (size * (factor - 1) / 2 if shifts else 0.0)
        for (size, offset), factor in pairs
    ]


def _steps(scale: list[float], translation: list[float] | None) -> list[Document]:
    """Return scale and translation as 0.4 lists them."""
    moved = [] if translation is None else [{"type": "translation", "translation": translation}]
    return [{"type": "scale", "scale": scale}, *moved]


def _cosem(
    transform: Document, axes: Sequence[Axis], scale: list[float], translation: list[float] | None
) -> Document:
    """Return a transform of COSEM for a level; it keeps its spelling of units that stay."""
    turned = -1 if transform.get("order") == "F" else 1
    found = transform.get("units")
    units = found[::turned][: len(axes)] if isinstance(found, list) else []
    kept = [
        unit
        if isinstance(unit, str) and axis.unit == (meant_unit(unit) or unit)
        else axis.unit or ""
        for axis, unit in zip_longest(axes, units)
    ]
    return {
        **transform,
        "axes": [axis.name for axis in axes][::turned],
        "units": kept[::turned],
        "scale": scale[::turned],
        "translate": (translation or [0.0] * len(axes))[::turned],
    }
