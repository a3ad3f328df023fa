"""Groups that hold images and are none: plates, wells, `labels`, and roots of bioformats2raw.

Their own documents are checked here, and the images that they name are found.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count, takewhile
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import AccessError, MetadataError, StoreError
from zarrpyramid.metadata import (
    ZARR_FORMATS,
    base_path,
    find_node,
    is_inside,
    join,
    ome_attributes,
    open_group,
    read_datasets,
    read_node,
    rules_of,
    stated_version,
)

from .findings import NOTE, WARNING, Check, Finding, build_command
from .plates import check_plate, check_well, listed_images, listed_wells
from .versions import check_version, version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zarrpyramid.metadata import Node
    from zarrpyramid.stores import Store

PLATE, WELL, LABELS, SERIES = "plate", "well", "labels", "bioformats2raw.layout"
_WHO = {WELL: "the well lists", LABELS: "the labels group lists", SERIES: "OME lists"}
_ABOVE = "Three groups MUST be defined above the images"
_CONSISTENT = "The OME-Zarr Metadata version MUST be consistent within a hierarchy"
_LISTED = "MUST contain a JSON object with the key `labels`, whose value is a JSON array of paths"
_LAYOUT = 'MUST have the value "3" for the "bioformats2raw.layout" key'


@dataclass(kw_only=True, slots=True)
class Collection:
    """A group that names images, what it names, and which rules its documents break.

    Attributes
    ----------
    kind
        The key of its attributes that makes it one.
    images
        Paths of the images in the store that are there.
    n_documents
        Documents that were checked.
    """

    store: Store
    path: str
    kind: str
    images: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    n_documents: int = 0

    @property
    def figure(self) -> str:
        """What it is and names, for people."""
        texts = f"{self.n_documents} document{'s' * (self.n_documents != 1)}"
        return f"{self.kind}, {texts}, {len(self.images)} image{'s' * (len(self.images) != 1)}"

    def gather(self, path: str, found: Iterable[Finding]) -> None:
        """Take in findings of the document of the group at a path."""
        name = join(self.store.name, path)
        self.findings += [replace(each, key=each.key or name) for each in found]

    def absent(self, path: str, what: str, rule: str) -> None:
        """Take in that a group is not there as it is named."""
        self.gather(path, [Finding(what=what, rule=rule)])


def read_collection(store: Store, path: str) -> Collection | None:
    """Read what the group at a path names, or None where it is none of these.

    Raises
    ------
    PyramidError
        If no group is there, or its document is damaged.
    """
    group = open_group(store, path)
    if "multiscales" in ome_attributes(group.attributes):
        return None
    base = base_path(group.attributes) or "0"
    if is_inside(base) and (node := read_node(store, join(path, base))) and node.kind == "array":
        return None  # an image whose attributes have one of these words
    readers = {PLATE: _read_plate, WELL: _read_well, LABELS: _read_labels, SERIES: _read_series}
    for kind, read in readers.items():
        if _said(group, kind) is not None:
            found = Collection(store=store, path=path, kind=kind)
            read(found, group)
            return found
    return None


def check_labels(store: Store, path: str, zarr_format: int) -> Iterator[Check | Finding]:
    """Yield what is wrong with the `labels` group of the image at a path, where it has one."""
    at = join(path, LABELS)
    held = Collection(store=store, path=at, kind=LABELS)
    node = _group_at(held, at, zarr_format)
    if node is not None:
        _read_labels(held, node)
        yield Check(name=LABELS, figure=held.figure)
    yield from held.findings


def _said(group: Node, key: str) -> Any:
    return ome_attributes(group.attributes, key).get(key)


def _group_at(held: Collection, path: str, zarr_format: int) -> Node | None:
    """Return the group at a path, None where there is none; a damaged one is a finding."""
    try:
        node = find_node(held.store, path, zarr_format)
    except AccessError:
        raise
    except (MetadataError, StoreError) as error:
        held.gather(path, [Finding(what=str(error))])
        return None
    return node if node is not None and node.kind == "group" else None


def _check_version(held: Collection, path: str, group: Node, key: str, outer: str | None) -> str:
    """Gather what is wrong with the version of a document, and return that of its rules."""
    held.n_documents += 1
    held.gather(path, check_version(group.attributes, group.zarr_format, key))
    _compare_versions(held, path, group, key, outer)
    rules = rules_of(group.attributes, group.zarr_format, key)
    return rules if rules in ZARR_FORMATS else ""


def _compare_versions(
    held: Collection, path: str, group: Node, key: str, outer: str | None
) -> None:
    """Gather where what a group holds has another version than what holds it; `outer` is that."""
    version = stated_version(group.attributes, key)
    if outer and version is not None and outer != version and group.zarr_format == 3:
        what, rule = "another version than that of the group above", _CONSISTENT
        found = repr(version)[:80]
        held.gather(path, [Finding(what=what, expected=repr(outer), found=found, rule=rule)])


def _read_plate(held: Collection, group: Node) -> None:
    plate = _said(group, PLATE)
    if not _check_version(held, held.path, group, PLATE, None):
        return
    held.gather(held.path, check_plate(plate))
    for listed in listed_wells(plate):
        path = listed.get("path")
        if not isinstance(path, str) or not is_inside(path):
            continue
        row, at = join(held.path, path.split("/")[0]), join(held.path, path)
        if _group_at(held, row, group.zarr_format) is None:
            held.absent(row, "no group of this row is there", _ABOVE)
        well = _group_at(held, at, group.zarr_format)
        if well is None or _said(well, WELL) is None:
            held.absent(at, "no well is there, which the plate lists", _ABOVE)
        else:
            _read_well(held, well, at, group)


def _read_well(
    held: Collection, group: Node, path: str | None = None, plate: Node | None = None
) -> None:
    at, well = held.path if path is None else path, _said(group, WELL)
    if plate is None and "/" in at:
        with suppress(MetadataError, StoreError):
            plate = read_node(held.store, "/".join(at.split("/")[:-2]), group.zarr_format)
    outer = None if plate is None else version_of(plate.attributes, plate.zarr_format, PLATE)
    rules = _check_version(held, at, group, WELL, outer)
    if not rules:
        return
    held.gather(at, check_well(well, rules, _acquisitions(plate)))
    for listed in listed_images(well):
        if isinstance(name := listed.get("path"), str) and is_inside(name):
            _find_image(held, join(at, name), group, WELL)


def _acquisitions(plate: Node | None) -> list[Any] | None:
    """Return the ids of a plate's acquisitions, None where it names none."""
    said = {} if plate is None else _said(plate, PLATE)
    listed = said.get("acquisitions") if isinstance(said, dict) else None
    if not isinstance(listed, list):
        return None
    return [each.get("id") for each in listed if isinstance(each, dict)]


def _read_labels(held: Collection, group: Node) -> None:
    listed, attributes = _said(group, LABELS), group.attributes
    above = _group_at(held, held.path.rpartition("/")[0], group.zarr_format)
    held.n_documents += 1
    if ome_attributes(attributes, LABELS) is not attributes:  # 0.4 has no version there
        for found in check_version(attributes, group.zarr_format, LABELS):
            # ome-zarr writes none there, and nobody looks for it.
            is_absent = stated_version(attributes, LABELS) is None
            held.gather(held.path, [replace(found, grade=WARNING) if is_absent else found])
    outer = None if above is None else stated_version(above.attributes)
    _compare_versions(held, held.path, group, LABELS, outer)
    if listed is None:
        where = join(held.store.name, held.path, "NAME")
        way_out = f"build the levels of what is in it, which lists it: {build_command(where)}"
        what = "it lists no labels, so that no reader finds what is in it"
        held.gather(held.path, [Finding(what=what, grade=WARNING, rule=_LISTED, way_out=way_out)])
        return
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        what = "labels is no list of paths"
        held.absent(held.path, f"{what}: {repr(listed)[:80]}", _LISTED)
        return
    n_levels = len(read_datasets(above.attributes)) if above is not None else 0
    for name in listed:
        at = join(held.path, name)
        image = _find_image(held, at, group, LABELS) if is_inside(name) else None
        if image is None:
            continue
        if _said(image, "image-label") is None:
            rule = 'SHOULD contain another key, "image-label"'
            what = "labels do not say that they are: no image-label"
            held.gather(at, [Finding(what=what, grade=NOTE, rule=rule)])
        n_own = len(read_datasets(image.attributes))
        if n_levels and n_own != n_levels:
            held.gather(at, [_other_levels(n_levels, n_own)])


def _other_levels(expected: int, found: int) -> Finding:
    rule = '"datasets" key MUST have the same number of entries (scale levels) as the original '
    return Finding(
        what="number of levels of labels is not that of their image",
        grade=WARNING,  # readers take each list by itself
        expected=str(expected),
        found=str(found),
        rule=f"{rule}unlabeled image",
    )


def _read_series(held: Collection, group: Node) -> None:
    held.n_documents += 1
    layout = _said(group, SERIES)
    if layout != 3:
        held.absent(held.path, f"bioformats2raw.layout is {repr(layout)[:80]}", _LAYOUT)
    inner = _group_at(held, join(held.path, "OME"), group.zarr_format)
    listed = None if inner is None else _said(inner, "series")
    if isinstance(listed, list):
        for name in listed:
            if isinstance(name, str) and is_inside(name):
                _find_image(held, join(held.path, name), group, SERIES)
        return
    numbered = (join(held.path, str(number)) for number in count())
    held.images += takewhile(lambda at: _group_at(held, at, group.zarr_format), numbered)


def _find_image(held: Collection, path: str, group: Node, key: str) -> Node | None:
    """Take in an image that is named by what a group holds under a key, or that it is absent."""
    image = _group_at(held, path, group.zarr_format)
    if image is None or "multiscales" not in ome_attributes(image.attributes):
        rule = "Each image is a Zarr group [...] and include multiscales"
        held.absent(path, f"no image is there, which {_WHO[key]}", rule)
        return None
    _compare_versions(held, path, image, "multiscales", stated_version(group.attributes, key))
    if path not in held.images:
        held.images.append(path)
    return image
