"""The rules of OME-NGFF 0.4 to 0.6 for a group; each finding quotes the sentence it enforces.

The rules look at attributes and shapes alone. A broken MUST is a defect, a broken SHOULD a note.
What the schemas ask for and the text does not is a MUST too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zarrpyramid.metadata import (
    CHANNEL,
    ZARR_FORMATS,
    all_multiscales,
    datasets_of,
    has_systems,
    ome_attributes,
    rules_of,
    system_of,
)

from .axes import check_axes, check_dimension_names
from .datasets import check_datasets, check_transformations
from .display import check_omero
from .entries import are_mappings
from .findings import NOTE, WARNING, Finding
from .labels import check_image_label
from .systems import axes_of, check_systems, transformation_checker
from .versions import check_version, version_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zarrpyramid.metadata import ArrayMetadata, Document

_LABEL = "image-label"


def check_ngff(
    attributes: Document, zarr_format: int, arrays: Mapping[str, ArrayMetadata]
) -> Iterator[Finding]:
    """Yield every rule that a group breaks as an image; `arrays` are what it lists, by path."""
    holder = ome_attributes(attributes)
    labels = ome_attributes(attributes, _LABEL)
    if "multiscales" not in holder:
        if _LABEL in labels:
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
    if any(each in found[:number] for number, each in enumerate(found)):
        rule = 'image.schema: "multiscales" [...] "uniqueItems": true'
        yield Finding(what="a multiscales is listed twice", rule=rule)
    yield from check_version(attributes, zarr_format)
    version, rules = version_of(attributes, zarr_format), rules_of(attributes, zarr_format)
    if rules not in ZARR_FORMATS:
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
    if _LABEL in labels:
        yield from check_image_label(labels[_LABEL], arrays)
        if labels is attributes:  # 0.4 states its version there too
            yield from check_version(attributes, zarr_format, _LABEL)


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
    names = [axis.get("name") for axis in _axes(described)]
    check = transformation_checker(described, version)
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
    paths = [dataset.get("path") for dataset in datasets_of(described)]
    return {path: array for path, array in arrays.items() if path in paths}


def _check_words(described: Document) -> Iterator[Finding]:
    """Yield what a multiscales should say of itself and does not."""
    if not isinstance(name := described.get("name"), str | None):
        rule = 'image.schema: multiscales "name": string'
        yield Finding(what="name of multiscales", found=repr(name)[:80], rule=rule)
    lacking = [key for key in ("name", "type", "metadata") if described.get(key) is None]
    if lacking:
        rule = 'Each "multiscales" dictionary SHOULD contain the field "name" [...] "type" [...] '
        what = f"multiscales does not say its {', '.join(lacking)}"
        yield Finding(what=what, grade=NOTE, rule=f'{rule}"metadata"')


def _axes(described: Document) -> list[Document]:
    """Return the axes along which the datasets of a multiscales lie."""
    return axes_of(system_of(described) if has_systems(described) else described)


def _n_channels(described: Document, arrays: Mapping[str, ArrayMetadata]) -> int | None:
    """Return the number of channels of an image, None where no array tells it."""
    types = [axis.get("type") for axis in _axes(described)]
    shape = next((array.shape for array in arrays.values()), ())
    if len(shape) != len(types) or "array" in types:
        return None
    return shape[types.index(CHANNEL)] if CHANNEL in types else 1
