"""What a group lists of an image, changed: OME-NGFF 0.5 in zarr v3, 0.4 in v2.

Functions from attributes to attributes. Keys that this package does not write survive every change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .label_image import LABEL_NOTE, without_our_label
from .multiscales import (
    BASE_PATH_KEY,
    all_multiscales,
    dataset_path,
    listed_axes,
    listed_paths,
    ome_attributes,
    our_metadata,
    read_datasets,
    read_multiscales,
)
from .omero import OMERO_DIGEST, without_our_omero

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
    """
    # The list tells from now on where level 0 is.
    attributes = {key: item for key, item in attributes.items() if key != BASE_PATH_KEY}
    before = read_multiscales(attributes) or {}
    known = {str(axis.get("name")): axis for axis in listed_axes(attributes)}
    datasets = [
        {"path": path, "coordinateTransformations": _transformations(axes, downsampling, shifts)}
        for path, downsampling in zip(paths, downsamplings, strict=True)
    ]
    stated = our_metadata(attributes)  # notes hold for as long as what they are of is there
    notes = {key: stated[key] for key in (OMERO_DIGEST, LABEL_NOTE) if key in stated}
    described = {
        "name": name,
        **before,
        "axes": [
            {
                "name": axis.name,
                "type": axis.type,
                **{key: item for key, item in known.get(axis.name, {}).items() if key != "unit"},
                **({"unit": axis.unit} if axis.unit else {}),
            }
            for axis in axes
        ],
        "datasets": datasets,
        "type": metadata["method"],
        "metadata": {**metadata, **notes},
    }
    more = all_multiscales(attributes)[1:]
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
    """Return a group's attributes without a multiscales of this package, or one of no level."""
    if not our_metadata(attributes) and listed_paths(attributes):
        return attributes
    attributes = without_our_omero(without_our_label(attributes))
    return _with_multiscales(attributes, all_multiscales(attributes)[1:])


def without_our_notes(attributes: Document) -> Document:
    """Return a group's attributes without all that this package says of how levels were made.

    The list with level 0 stays, and so do levels of others in it.
    """
    if not our_metadata(attributes):
        return attributes
    first, *more = all_multiscales(attributes := without_our_omero(without_our_label(attributes)))
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
