"""What a group lists of an image, changed: in the version of OME-NGFF that the group has.

Functions from attributes to attributes. Keys that this package does not write survive every change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .label_image import LABEL_NOTE, without_our_label
from .layout import without_layout
from .multiscales import (
    BASE_PATH_KEY,
    SPACE,
    all_multiscales,
    axis_type,
    dataset_path,
    datasets_of,
    has_systems,
    listed_axes,
    listed_paths,
    ome_attributes,
    our_metadata,
    read_datasets,
    read_multiscales,
)
from .omero import OMERO_DIGEST, without_our_omero
from .placement import axes_system, first_transformation, system_of
from .spelling import linked, respelled, spelled, with_listed_axes, with_places
from .versions import version_written

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from zarrpyramid.geometry import Shape

    from .multiscales import Axis

    Document = dict[str, Any]


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
    ngff_version: str = "same",
) -> Document:
    """Return a group's attributes with a multiscales that lists levels 0 to N and nothing else.

    Further multiscales of the group stay.

    Parameters
    ----------
    name
        Of the image, where the existing multiscales has none.
    paths
        Of each level, level 0 first.
    downsamplings
        Of each level: voxels of level 0 a voxel along each axis.
    metadata
        How the levels were made; its ``method`` is also the multiscales' ``type``.
    shifts
        Whether a voxel of a level stands at the centre of the voxels that it covers; else it stands
        where the first of them does.
    ngff_version
        As in `version_written`.
    """
    # The list tells from now on where level 0 is.
    attributes = {key: item for key, item in attributes.items() if key != BASE_PATH_KEY}
    version = version_written(attributes, zarr_format, ngff_version)
    found = all_multiscales(attributes) or [{}]
    systems = version.startswith("0.6") or (ngff_version == "same" and has_systems(found[0]))
    before, *more = (respelled(each, systems=systems) for each in found)
    if version == "0.6":
        before, *more = map(with_places, (before, *more))
    stated = our_metadata(attributes)  # notes hold for as long as what they are of is there
    notes = {key: stated[key] for key in (OMERO_DIGEST, LABEL_NOTE) if key in stated}
    described = {
        "name": name,
        **spelled(before, axes, paths, downsamplings, systems=systems, shifts=shifts),
        "type": metadata["method"],
        "metadata": {**metadata, **notes},
    }
    return _stating(attributes, [described, *more], version, zarr_format)


def without_our_list(attributes: Document) -> Document:
    """Return a group's attributes without a multiscales of this package, or one of no level."""
    if not our_metadata(attributes) and listed_paths(attributes):
        return attributes
    attributes = without_our_omero(without_our_label(without_layout(attributes)))
    return _with_multiscales(attributes, all_multiscales(attributes)[1:])


def without_our_notes(attributes: Document) -> Document:
    """Return a group's attributes without all that this package says of how levels were made.

    The list with level 0 stays, and so do levels of others in it.
    """
    if not our_metadata(attributes):
        return attributes
    first, *more = all_multiscales(
        attributes := without_our_omero(without_our_label(without_layout(attributes)))
    )
    kept = {key: item for key, item in first.items() if key not in ("type", "metadata")}
    return _with_multiscales(attributes, [kept, *more])


def without_paths(attributes: Document, paths: Collection[str]) -> Document:
    """Return a group's attributes with some paths taken out of its multiscales."""
    multiscales = all_multiscales(attributes)
    if not multiscales:
        return attributes
    first, *more = multiscales
    datasets = [each for each in read_datasets(attributes) if dataset_path(each) not in paths]
    return _with_multiscales(attributes, [{**first, "datasets": datasets}, *more])


def with_base_entry(attributes: Document, *, path: str, steps: list[Document] | None) -> Document:
    """Return a group's attributes whose list begins with level 0 at a path, placed by some steps.

    Without steps its entry stays as it is.
    """
    multiscales = all_multiscales(attributes)
    if not multiscales:
        return attributes
    first, *more = multiscales
    datasets = read_datasets(attributes)
    entry = next((each for each in datasets if dataset_path(each) == path), {"path": path})
    if steps is not None:
        entry = {**entry, "coordinateTransformations": linked(first, path, steps)}
    others = [each for each in datasets if dataset_path(each) != path]
    return _with_multiscales(attributes, [{**first, "datasets": [entry, *others]}, *more])


def with_axes(attributes: Document, names: Sequence[str]) -> Document:
    """Return a group's attributes whose list has axes of these names, as it describes them.

    An axis of another name takes the place, type and unit of the one that is listed there. Where
    the types break OME-NGFF, they are those that the names tell. A coordinate system that names
    axes for another one, which counts voxels, stays as it is.
    """
    multiscales = all_multiscales(attributes)
    if not names or not multiscales or axes_system(multiscales[0]) != system_of(multiscales[0]):
        return attributes
    first, *more = multiscales
    listed = listed_axes(attributes)
    known = {str(axis.get("name")): axis for axis in listed}
    if list(known) == list(names):
        axes = listed
    else:
        standing = listed if len(listed) == len(names) else [{} for _ in names]
        axes = [
            {**known.get(name, axis), "name": name}
            for name, axis in zip(names, standing, strict=True)
        ]
    told = [axis_type(name) for name in names]
    if [axis.get("type") for axis in axes].count(SPACE) not in (2, 3) and told.count(SPACE) > 1:
        axes = [{**axis, "type": kind} for axis, kind in zip(axes, told, strict=True)]
    if axes == listed:
        return attributes
    changed = with_listed_axes(first, axes) if has_systems(first) else {**first, "axes": axes}
    return _with_multiscales(attributes, [changed, *more])


def with_first_list(attributes: Document, first: Document) -> Document:
    """Return a group's attributes with another first multiscales, or with the first one."""
    return _with_multiscales(attributes, [first, *all_multiscales(attributes)[1:]])


def _with_multiscales(attributes: Document, listed: list[Document]) -> Document:
    """Return attributes with other multiscales where theirs stand; with none, without the key."""
    holder = ome_attributes(attributes)
    if listed:
        changed = {**holder, "multiscales": listed}
    else:
        changed = {key: item for key, item in holder.items() if key != "multiscales"}
    if not changed:
        return attributes
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
    kept: Document = {key: holder[key] for key in ("omero", "image-label") if key in holder}
    version = version_written(attributes, zarr_format)
    held = kept if zarr_format == 2 else {"ome": kept}
    return _stating(held, [_only_base(multiscales, path)], version, zarr_format)


def _only_base(multiscales: Document, path: str) -> Document:
    """Return a multiscales that lists level 0 alone, at another path."""
    found = datasets_of(multiscales)[:1]
    onward = multiscales.get("coordinateTransformations")
    kept = dict(multiscales)
    if isinstance(onward, list):  # what leads to other images of the source leads nowhere here
        del kept["coordinateTransformations"]
        if steps := [step for step in onward if not _leads_away(step)]:
            kept["coordinateTransformations"] = steps  # of which there has to be one
    return {**kept, "datasets": [_moved(dataset, path) for dataset in found]}


def _leads_away(step: Any) -> bool:
    output = step.get("output") if isinstance(step, dict) else None
    return isinstance(output, dict) and bool(output.get("path"))


def _moved(dataset: Document, path: str) -> Document:
    """Return what a group says of a dataset, at another path."""
    steps = dataset.get("coordinateTransformations")
    first = first_transformation(dataset)
    if "input" not in first or not isinstance(steps, list):
        return {**dataset, "path": path}
    place = {**first["input"], "path": path} if isinstance(first["input"], dict) else path
    steps = [{**first, "input": place}, *steps[1:]]
    return {**dataset, "path": path, "coordinateTransformations": steps}


def _stating(
    attributes: Document, listed: list[Document], version: str, zarr_format: int
) -> Document:
    """Return a group's attributes with its multiscales and their version, where it has them."""
    first, *more = listed
    ome = attributes.get("ome")
    kept = ome if isinstance(ome, dict) else {}
    # Of a v3 group a mapping of this name is the layout of a zarr convention.
    is_list = zarr_format == 2 or not isinstance(attributes.get("multiscales"), dict)
    others = {key: item for key, item in attributes.items() if key != "multiscales" or not is_list}
    if zarr_format == 2:
        if "multiscales" in kept:  # two lists would contradict each other
            others["ome"] = {key: item for key, item in kept.items() if key != "multiscales"}
        return {**others, "multiscales": [{**first, "version": version}, *more]}
    first = {key: item for key, item in first.items() if key != "version"}
    return {
        **(attributes if "multiscales" in kept else others),
        "ome": {**kept, "version": version, "multiscales": [first, *more]},
    }
