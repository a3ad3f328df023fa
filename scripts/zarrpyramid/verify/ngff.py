"""The rules of OME-NGFF 0.4 and 0.5 for a group; each finding quotes the sentence it enforces.

The rules look at attributes and shapes alone. A broken MUST is a defect, a broken SHOULD a note.
What the schemas ask for and the text does not is a MUST too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from zarrpyramid.metadata import CHANNEL, all_multiscales, ome_attributes

from .axes import check_axes, check_dimension_names
from .datasets import check_datasets, check_transformations
from .display import check_omero
from .findings import NOTE, WARNING, Finding
from .labels import check_image_label

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zarrpyramid.metadata import ArrayMetadata, Document

VERSIONS = {"0.4": 2, "0.5": 3}
"""Versions whose rules are known here, and the zarr format of each."""

_OLDER = ("0.1", "0.2", "0.3")
_TOLD = ("multiscales", "plate", "well", "image-label")
"""What held the version before 0.5."""
_VERSION = 'It SHOULD contain the field "version", which indicates the version of the multiscale '
_VERSION += "metadata of this image"
_OME_VERSION = "The version of the OME-Zarr Metadata is denoted as a string in the `version` "
_OME_VERSION += "attribute within the `ome` namespace"


def stated_version(attributes: Document, key: str = "multiscales") -> Any:
    """Return what a group says to be the version of what stands under a key, None for nothing."""
    holder = ome_attributes(attributes, key)
    if holder is not attributes:
        return holder.get("version")
    found = holder.get(key)
    first = found[0] if isinstance(found, list) and found else found
    return first.get("version") if isinstance(first, dict) else None


def version_of(attributes: Document, zarr_format: int, key: str = "multiscales") -> str | None:
    """Return the version of what stands under a key; of one that states none, its format's."""
    holder = ome_attributes(attributes, key)
    if key not in holder:
        return None
    usual = "0.4" if holder is attributes and zarr_format == 2 else "0.5"
    stated = stated_version(attributes, key)
    return usual if stated is None else str(stated)


def rules_for(version: str) -> str | None:
    """Return the version whose rules hold for one, None where they are not known here.

    >>> rules_for("0.5"), rules_for("0.5-dev-spatialdata"), rules_for("0.3")
    ('0.5', '0.5', None)
    """
    return next((known for known in VERSIONS if re.match(rf"{known}(?!\d)", version)), None)


def check_version(
    attributes: Document, zarr_format: int, key: str = "multiscales"
) -> Iterator[Finding]:
    """Yield what is wrong with the version of what stands under a key of a group."""
    version = version_of(attributes, zarr_format, key)
    stated = stated_version(attributes, key)
    if version is None:
        return
    if stated is not None and not isinstance(stated, str):
        yield Finding(what="version is no text", found=repr(stated)[:80], rule=_VERSION)
        return
    rules, holder = rules_for(version), ome_attributes(attributes, key)
    if rules is None:
        is_version = re.fullmatch(r"\d+\.\d+.*", version)
        if not is_version or (version in _OLDER and _is_of_later(holder.get(key))):
            what = "is no version of OME-NGFF" if not is_version else "is older than what it holds"
            yield Finding(what=f"version {version[:80]!r} {what}", rule=_VERSION)
        else:
            what = f"OME-NGFF {version} is not one whose rules are known here"
            yield Finding(what=what, grade=NOTE, expected=" or ".join(VERSIONS))
        return
    if version != rules:
        what = f"version {version[:80]!r} is none that is released, and is read as {rules}"
        yield Finding(what=what, grade=WARNING)
    # 0.4: Arrays MUST be defined and stored in a hierarchical organization as defined by the
    # version 2 of the Zarr specification. 0.5: OME-Zarr is implemented using the Zarr format as
    # defined by the version 3 of the Zarr specification.
    if VERSIONS[rules] != zarr_format:
        what = f"OME-NGFF {version} is of zarr v{VERSIONS[rules]}"
        yield Finding(what=what, found=f"a group of zarr v{zarr_format}")
    if rules != "0.4" and stated is None and holder is not attributes:
        yield Finding(what="ome has no version", rule=_OME_VERSION)


def _is_of_later(multiscales: Any) -> bool:
    """Tell whether multiscales say what versions before 0.4 did not have: axes with types."""
    listed = multiscales if isinstance(multiscales, list) else []
    axes = [each.get("axes") for each in listed if isinstance(each, dict)]
    return any(isinstance(axis, dict) for each in axes if isinstance(each, list) for axis in each)


def check_ngff(
    attributes: Document, zarr_format: int, arrays: Mapping[str, ArrayMetadata]
) -> Iterator[Finding]:
    """Yield every rule that a group breaks as an image; `arrays` are what it lists, by path."""
    holder = ome_attributes(attributes)
    label = ome_attributes(attributes, "image-label").get("image-label")
    if "multiscales" not in holder:
        if label is not None:
            rule = "`image-label` groups MUST also contain `multiscales` metadata"
            yield Finding(what="image-label without multiscales", rule=rule)
        return
    found = all_multiscales(attributes)
    if not found or len(found) != len(holder["multiscales"]):
        rule = '"multiscales" contains a list of dictionaries where each entry describes a '
        yield Finding(
            what="multiscales lists no image",
            found=repr(holder["multiscales"])[:80],
            rule=f"{rule}multiscale image",
        )
        return
    yield from check_version(attributes, zarr_format)
    rules = rules_for(version_of(attributes, zarr_format) or "")
    if rules is None:
        return
    for described in found:
        yield from _check_multiscales(described, rules, arrays)
    if "omero" in ome_attributes(attributes, "omero"):
        omero = ome_attributes(attributes, "omero")["omero"]
        yield from check_omero(omero, rules, _n_channels(found[0], arrays))
    if label is not None:
        yield from check_image_label(label, arrays)


def _check_multiscales(
    described: Document, rules: str, arrays: Mapping[str, ArrayMetadata]
) -> Iterator[Finding]:
    axes = described.get("axes")
    names = [axis.get("name") for axis in _axes(described)]
    datasets = described.get("datasets")
    listed = [each.get("path") for each in datasets or () if isinstance(each, dict)]
    yield from check_axes(axes)
    yield from check_datasets(datasets, len(names), arrays)
    if "coordinateTransformations" in described:
        yield from check_transformations(described, len(names))
    if rules == "0.5":
        own = {path: array for path, array in arrays.items() if path in listed}
        yield from check_dimension_names(names, own)
    lacking = [key for key in ("name", "type", "metadata") if key not in described]
    if lacking:
        rule = 'Each "multiscales" dictionary SHOULD contain the field "name" [...] "type" [...] '
        what = f"multiscales does not say its {', '.join(lacking)}"
        yield Finding(what=what, grade=NOTE, rule=f'{rule}"metadata"')


def _axes(described: Document) -> list[Document]:
    axes = described.get("axes")
    return [axis for axis in axes if isinstance(axis, dict)] if isinstance(axes, list) else []


def _n_channels(described: Document, arrays: Mapping[str, ArrayMetadata]) -> int | None:
    """Return the number of channels of an image, None where no array tells it."""
    types = [axis.get("type") for axis in _axes(described)]
    shape = next((array.shape for array in arrays.values()), ())
    if len(shape) != len(types):
        return None
    return shape[types.index(CHANNEL)] if CHANNEL in types else 1
