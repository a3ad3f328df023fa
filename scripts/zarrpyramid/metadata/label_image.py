"""What OME-NGFF says of images of labels: `image-label`, and the list of a `labels` group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .multiscales import all_multiscales, ome_attributes, our_metadata

if TYPE_CHECKING:
    Document = dict[str, Any]

LABEL_NOTE = "image-label"
"""The entry of the multiscales' metadata that repeats an `image-label` of ours."""

_KEY, _GROUP = "image-label", "labels"


def is_label_image(attributes: Document) -> bool:
    """Tell whether a group says that it holds labels."""
    return isinstance(ome_attributes(attributes, _KEY).get(_KEY), dict)


def labels_group(path: str) -> tuple[str, str] | None:
    """Return the path of the `labels` group that a group is in, and its path in that; else None.

    >>> labels_group("raw/labels/cells"), labels_group("labels"), labels_group("raw")
    (('raw/labels', 'cells'), None, None)
    """
    steps = path.split("/")
    if _GROUP not in steps[:-1]:
        return None
    end = len(steps) - steps[-2::-1].index(_GROUP) - 1
    return "/".join(steps[:end]), "/".join(steps[end:])


def with_label_image(
    attributes: Document, zarr_format: int, path: str = "", *, marked: bool = False
) -> Document:
    """Return a group's attributes with an `image-label` where OME-NGFF looks for it.

    What it says stays. One that a group lacks is written for a group inside a `labels` group, and
    for one that is `marked`.

    Parameters
    ----------
    path
        Of the group in its store.
    marked
        Whether its owner calls it labels.
    """
    # 0.4: the image-label of a group stands in its attributes; 0.5: in `ome`.
    holder = attributes if zarr_format == 2 else attributes.get("ome", {})
    found = ome_attributes(attributes, _KEY).get(_KEY)
    place = labels_group(path)
    if not isinstance(found, dict):
        if found is not None or not (place or marked):
            return attributes
        # The image that is labelled holds the `labels` group.
        found = {"source": {"image": "../" * (place[1].count("/") + 2)}} if place else {}
        attributes = _noted(attributes, found)
        holder = attributes if zarr_format == 2 else attributes.get("ome", {})
    if zarr_format == 2:
        return {**attributes, _KEY: {**found, "version": "0.4"}}
    kept = {key: item for key, item in attributes.items() if key != _KEY}
    version = {"version": holder.get("version", "0.5")} if "version" in found else {}
    return {**kept, "ome": {**holder, _KEY: {**found, **version}}}


def without_our_label(attributes: Document) -> Document:
    """Return a group's attributes without an `image-label` that this package wrote."""
    noted, holder = our_metadata(attributes).get(LABEL_NOTE), ome_attributes(attributes)
    found = holder.get(_KEY)
    if noted is None or not isinstance(found, dict):
        return attributes
    if {key: item for key, item in found.items() if key != "version"} != noted:
        return attributes  # somebody has added to it
    kept = {key: item for key, item in holder.items() if key != _KEY}
    return kept if holder is attributes else {**attributes, "ome": kept}


def _noted(attributes: Document, made: Document) -> Document:
    """Return a group's attributes whose multiscales says that this package wrote a label image."""
    holder, stated = ome_attributes(attributes), our_metadata(attributes)
    if not stated:
        return attributes
    first, *more = all_multiscales(attributes)
    noted = {**first, "metadata": {**stated, LABEL_NOTE: made}}
    changed = {**holder, "multiscales": [noted, *more]}
    return changed if holder is attributes else {**attributes, "ome": changed}


def with_label_listed(
    attributes: Document, zarr_format: int, path: str, version: str = "0.5"
) -> Document:
    """Return the attributes of a `labels` group with the path of one of its images in its list.

    From 0.5 on it gets the `version` of the image, unless it has one.
    """
    holder = ome_attributes(attributes, _GROUP)
    if zarr_format == 3 and holder is attributes:
        ome = attributes.get("ome")
        holder = {"version": version, **(ome if isinstance(ome, dict) else {})}
    found = holder.get(_GROUP, attributes.get(_GROUP))
    listed = found if isinstance(found, list) else []
    if path in listed:
        return attributes
    changed = {**holder, _GROUP: [*listed, path]}
    return changed if zarr_format == 2 else {**attributes, "ome": changed}
