"""The rules of `plate` and `well`, each by its own document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .entries import (
    ALPHANUMERIC,
    COUNT,
    FILLED,
    INDEX,
    INTEGER,
    MAPPINGS,
    NODE_NAME,
    TEXT,
    Entry,
    check_entries,
    check_unique,
    each,
    is_integer,
)
from .findings import DEFECT, NOTE, Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from zarrpyramid.metadata import Document

_LISTS = "MUST contain a `{0}` key whose value MUST be a list of JSON objects"
_LAYOUT = "the plate layout can be found under the custom attributes [...] under the `plate` key"
_PAIR = "The `rowIndex`, `columnIndex`, and `path` MUST all refer to the same row/column pair"
_TWICE = "MUST NOT be a duplicate of any other `{0}` in the `{1}` list"
_ACQUISITION = "an `acquisition` key [...] which MUST match one of the acquisition JSON objects "
_ACQUISITION += "defined in the plate metadata"
_TIME = "a `starttime` and/or `endtime` key whose values MUST be integer epoch timestamps"

_PLATE = (
    *(
        Entry(key=key, form=FILLED, rule=_LISTS.format(key), needed=DEFECT)
        for key in ("columns", "rows", "wells")
    ),
    Entry(
        key="acquisitions",
        form=MAPPINGS,
        rule="MAY contain an `acquisitions` key whose value MUST be a list of JSON objects",
    ),
    Entry(
        key="field_count",
        form=COUNT,
        rule="SHOULD contain a `field_count` key whose value MUST be a positive integer",
        needed=NOTE,
    ),
    Entry(
        key="name",
        form=TEXT,
        rule="SHOULD contain a `name` key whose value MUST be a string",
        needed=NOTE,
    ),
)
_LINE = (
    Entry(
        key="name",
        form=ALPHANUMERIC,
        rule="MUST contain a `name` key [...] The `name` MUST contain only alphanumeric characters",
        needed=DEFECT,
    ),
)
_WELL_OF_PLATE = (
    Entry(
        key="path",
        form=TEXT,
        rule="Each well object MUST contain a `path` key whose value MUST be a string",
        needed=DEFECT,
    ),
    *(
        Entry(
            key=key,
            form=INDEX,
            rule=f"MUST contain [...] a `{key}` key whose value MUST be an integer",
            needed=DEFECT,
        )
        for key in ("rowIndex", "columnIndex")
    ),
)
_ACQUIRED = (
    Entry(
        key="id",
        form=INDEX,
        rule="MUST contain an `id` key whose value MUST be an unique integer identifier greater "
        "than or equal to 0",
        needed=DEFECT,
    ),
    Entry(
        key="name",
        form=TEXT,
        rule="SHOULD contain a `name` key whose value MUST be a string",
        needed=NOTE,
    ),
    Entry(
        key="maximumfieldcount",
        form=COUNT,
        rule="SHOULD contain a `maximumfieldcount` key whose value MUST be a positive integer",
        needed=NOTE,
    ),
    Entry(
        key="description",
        form=TEXT,
        rule="MAY contain a `description` key whose value MUST be a string",
    ),
    Entry(key="starttime", form=INDEX, rule=_TIME),
    Entry(key="endtime", form=INDEX, rule=_TIME),
)


def check_plate(plate: Any) -> Iterator[Finding]:
    """Yield every rule that a `plate` breaks."""
    if not isinstance(plate, dict):
        yield Finding(what="plate is no mapping", found=repr(plate)[:80], rule=_LAYOUT)
        return
    yield from check_entries(plate, "plate", _PLATE)
    for key, entries in (
        ("columns", _LINE),
        ("rows", _LINE),
        ("wells", _WELL_OF_PLATE),
        ("acquisitions", _ACQUIRED),
    ):
        for where, item in each(plate, key, "plate"):
            yield from check_entries(item, where, entries)
    for key, name in (("columns", "name"), ("rows", "name"), ("wells", "path")):
        yield from check_unique(plate, key, name, "plate", _TWICE.format(name, key))
    yield from check_unique(plate, "acquisitions", "id", "plate", _ACQUIRED[0].rule)
    rows, columns = ([item.get("name") for _, item in each(plate, key, "plate")]
                     for key in ("rows", "columns"))  # fmt: skip
    for where, well in each(plate, "wells", "plate"):
        row, column = (_at(names, well.get(key)) for names, key in
                       ((rows, "rowIndex"), (columns, "columnIndex")))  # fmt: skip
        expected = f"{row}/{column}"
        if isinstance(well.get("path"), str) and well["path"] != expected:
            what = f"path of {where} is not that of its row and column"
            yield Finding(what=what, expected=expected, found=well["path"], rule=_PAIR)


def _at(names: list[Any], index: Any) -> Any:
    """Return the name at an index of a document, or a word where there is none."""
    is_inside = is_integer(index) and 0 <= index < len(names)
    return names[int(index)] if is_inside else f"(no {index})"


def check_well(well: Any, version: str, acquisitions: Collection[Any] | None) -> Iterator[Finding]:
    """Yield every rule that a `well` breaks.

    Parameters
    ----------
    version
        Of OME-NGFF.
    acquisitions
        Ids of its plate's; None where no plate is known.
    """
    rule = _LISTS.format("images")
    if not isinstance(well, dict):
        yield Finding(what="well is no mapping", found=repr(well)[:80], rule=rule)
        return
    listed = Entry(key="images", form=FILLED, rule=rule, needed=DEFECT)
    yield from check_entries(well, "well", [listed])
    form = ALPHANUMERIC if version in ("0.4", "0.5") else NODE_NAME
    image = (
        Entry(
            key="path",
            form=form,
            rule="Each image object MUST contain a `path` key whose value MUST be a string",
            needed=DEFECT,
        ),
        Entry(
            key="acquisition",
            form=INTEGER,
            rule=_ACQUISITION,
            needed=DEFECT if acquisitions is not None and len(acquisitions) > 1 else None,
        ),
    )
    for where, item in each(well, "images", "well"):
        yield from check_entries(item, where, image)
        stated = item.get("acquisition")
        if is_integer(stated) and acquisitions is not None and stated not in acquisitions:
            yield Finding(
                what=f"acquisition of {where} is none of the plate's",
                expected=f"one of {sorted(map(str, acquisitions))}",
                found=str(stated),
                rule=_ACQUISITION,
            )
    yield from check_unique(well, "images", "path", "well", _TWICE.format("path", "images"))


def listed_wells(plate: Any) -> list[Document]:
    """Return what a `plate` says of each well."""
    return [well for _, well in each(plate, "wells", "")] if isinstance(plate, dict) else []


def listed_images(well: Any) -> list[Document]:
    """Return what a `well` says of each image."""
    return [image for _, image in each(well, "images", "")] if isinstance(well, dict) else []
