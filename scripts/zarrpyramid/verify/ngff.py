"""The rules of OME-NGFF 0.4 to 0.6 for a group; each finding quotes the sentence it enforces.

The rules look at attributes and shapes alone. A broken MUST is a defect, a broken SHOULD a note.
What the schemas ask for and the text does not is a MUST too.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zarrpyramid.metadata import (
    CHANNEL,
    ZARR_FORMATS,
    all_multiscales,
    has_systems,
    ome_attributes,
    read_datasets,
    rules_of,
    stated_version,
    system_of,
)

from .axes import check_axes, check_dimension_names
from .datasets import check_datasets, check_transformations
from .display import check_omero
from .entries import are_mappings
from .findings import NOTE, WARNING, Finding
from .labels import check_image_label
from .systems import check_systems, transformation_checker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zarrpyramid.metadata import ArrayMetadata, Document

_OLDER = ("0.1", "0.2", "0.3")
_TOLD = ("multiscales", "plate", "well", "image-label")
"""What held the version before 0.5."""
_VERSION = 'It SHOULD contain the field "version", which indicates the version of the multiscale '
_VERSION += "metadata of this image"
_OME_VERSION = "The version of the OME-Zarr Metadata is denoted as a string in the `version` "
_OME_VERSION += "attribute within the `ome` namespace"


def version_of(attributes: Document, zarr_format: int, key: str = "multiscales") -> str | None:
    """Return the version of what stands under a key; of one that states none, its format's."""
    holder = ome_attributes(attributes, key)
    if key not in holder:
        return None
    stated = stated_version(attributes, key)
    return rules_of(attributes, zarr_format, key) if stated is None else str(stated)


def rules_for(version: str) -> str | None:
    """Return the version whose rules hold for one, None where they are not known here.

    >>> rules_for("0.5"), rules_for("0.5-dev-spatialdata"), rules_for("0.3")
    ('0.5', '0.5', None)
    """
    return next((known for known in ZARR_FORMATS if re.match(rf"{known}(?!\d)", version)), None)


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
            yield Finding(what=what, grade=NOTE, expected=" or ".join(ZARR_FORMATS))
        return
    if version != rules:
        what = f"version {version[:80]!r} is none that is released, and is read as {rules}"
        yield Finding(what=what, grade=WARNING)
    # 0.4: Arrays MUST be defined and stored in a hierarchical organization as defined by the
    # version 2 of the Zarr specification. 0.5: OME-Zarr is implemented using the Zarr format as
    # defined by the version 3 of the Zarr specification.
    if ZARR_FORMATS[rules] != zarr_format:
        what = f"OME-NGFF {version} is of zarr v{ZARR_FORMATS[rules]}"
        yield Finding(what=what, found=f"a group of zarr v{zarr_format}")
    if rules != "0.4" and holder is not attributes and "version" not in holder:
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
    version = version_of(attributes, zarr_format) or ""
    rules = rules_for(version)
    if rules is None:
        return
    for described in found:
        if rules == "0.6":
            yield from _check_levels(described, version, arrays)
        else:
            yield from _check_multiscales(described, rules, arrays)
        yield from _check_words(described)
    if "omero" in ome_attributes(attributes, "omero"):
        omero = ome_attributes(attributes, "omero")["omero"]
        yield from check_omero(omero, rules, _n_channels(found[0], arrays))
    if label is not None:
        yield from check_image_label(label, arrays)


def _check_multiscales(
    described: Document, rules: str, arrays: Mapping[str, ArrayMetadata]
) -> Iterator[Finding]:
    """Yield every rule of 0.4 and 0.5 that a multiscales breaks."""
    names = [axis.get("name") for axis in _axes(described)]
    yield from check_axes(described.get("axes"))
    yield from check_datasets(described.get("datasets"), len(names), arrays, check_transformations)
    steps: Any = described.get("coordinateTransformations")
    # Those with an output lead to other coordinate systems, as spatialdata writes them.
    leads = are_mappings(steps) and any("output" in step for step in steps)
    if "coordinateTransformations" in described and not leads:
        yield from check_transformations(described, len(names))
    if rules == "0.5":
        yield from check_dimension_names(names, _own(described, arrays))


def _check_levels(
    described: Document, version: str, arrays: Mapping[str, ArrayMetadata]
) -> Iterator[Finding]:
    """Yield every rule of 0.6 that a multiscales breaks."""
    yield from check_systems(described, version)
    names, check = (
        [axis.get("name") for axis in _axes(described)],
        transformation_checker(described, version),
    )
    yield from check_datasets(described.get("datasets"), len(names), arrays, check)
    own = _own(described, arrays)
    for found in check_dimension_names(names, own):
        yield replace(found, grade=NOTE, rule="")  # a rule of 0.5 that readers still go by
    dtypes = dict.fromkeys(array.dtype for array in own.values())
    if len(dtypes) > 1:
        what = "levels have several data types, of which OME-NGFF 0.6 wants one"
        yield Finding(what=what, grade=WARNING, found=", ".join(dtypes))


def _own(described: Document, arrays: Mapping[str, ArrayMetadata]) -> dict[str, ArrayMetadata]:
    """Return the arrays that a multiscales lists, by path."""
    paths = [dataset.get("path") for dataset in read_datasets({"multiscales": [described]})]
    return {path: array for path, array in arrays.items() if path in paths}


def _check_words(described: Document) -> Iterator[Finding]:
    """Yield what a multiscales should say of itself and does not."""
    lacking = [key for key in ("name", "type", "metadata") if key not in described]
    if lacking:
        rule = 'Each "multiscales" dictionary SHOULD contain the field "name" [...] "type" [...] '
        what = f"multiscales does not say its {', '.join(lacking)}"
        yield Finding(what=what, grade=NOTE, rule=f'{rule}"metadata"')


def _axes(described: Document) -> list[Document]:
    """Return the axes along which the datasets of a multiscales lie."""
    axes = (system_of(described) if has_systems(described) else described).get("axes")
    return [axis for axis in axes if isinstance(axis, dict)] if isinstance(axes, list) else []


def _n_channels(described: Document, arrays: Mapping[str, ArrayMetadata]) -> int | None:
    """Return the number of channels of an image, None where no array tells it."""
    types = [axis.get("type") for axis in _axes(described)]
    shape = next((array.shape for array in arrays.values()), ())
    if len(shape) != len(types):
        return None
    return shape[types.index(CHANNEL)] if CHANNEL in types else 1
