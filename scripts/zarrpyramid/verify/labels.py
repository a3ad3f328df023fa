"""The rules of `image-label`, by which an image holds ids of objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarrpyramid.reduce import kind_of

from .entries import FILLED, INTEGER, MAPPING, RGBA, TEXT, Entry, check_entries, check_unique, each
from .findings import DEFECT, WARNING, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zarrpyramid.metadata import ArrayMetadata

_VALUE = 'MUST contain the "label-value" key, whose value MUST be the integer corresponding to a '
_VALUE += "particular label"
_SOURCE = 'The value of the "source" key MUST be a JSON object'
_INTEGERS = "The pixels of the label images MUST be integer data types"

_LABEL = (
    Entry(key="colors", form=FILLED, rule='"colors" key, whose value MUST be a JSON array'),
    Entry(key="properties", form=FILLED, rule='"properties" key MUST be an array of JSON objects'),
    Entry(key="source", form=MAPPING, rule=_SOURCE),
    Entry(key="version", form=TEXT, rule='"version" [...] whose value MUST be a string'),
)
_PROPERTY = (Entry(key="label-value", form=INTEGER, rule=_VALUE, needed=DEFECT),)
_COLOR = (
    *_PROPERTY,
    Entry(key="rgba", form=RGBA, rule="an array of four integers between 0 and 255, inclusive"),
)
_IMAGE = (Entry(key="image", form=TEXT, rule='"image", whose value MUST be a string'),)


def check_image_label(label: Any, arrays: Mapping[str, ArrayMetadata]) -> Iterator[Finding]:
    """Yield every rule that an `image-label` breaks; `arrays` are the levels by path."""
    where = "image-label"
    if not isinstance(label, dict):
        rule = '"image-label", whose value is also a JSON object'
        yield Finding(what=f"{where} is no mapping", found=repr(label)[:80], rule=rule)
        return
    yield from check_entries(label, where, _LABEL)
    for name, color in each(label, "colors", where):
        yield from check_entries(color, name, _COLOR)
    for name, item in each(label, "properties", where):
        yield from check_entries(item, name, _PROPERTY)
    rule = "All `label-value`s must be unique"
    yield from check_unique(label, "colors", "label-value", where, rule)
    if isinstance(source := label.get("source"), dict):
        yield from check_entries(source, f"{where}.source", _IMAGE)
    for path, array in arrays.items():
        if (kind := kind_of(array.dtype)) not in ("int", "uint"):
            grade = WARNING if kind == "bool" else DEFECT  # a mask is read as ids 0 and 1
            what = "labels are no integers"
            yield Finding(what=what, grade=grade, key=path, found=array.dtype, rule=_INTEGERS)
