"""The rules of the axes of a multiscales."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarrpyramid.metadata import CHANNEL, SPACE, TIME, UNITS, misspelled_keys

from .entries import TEXT, TRUTH, Entry, are_mappings, check_entries
from .findings import NOTE, WARNING, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zarrpyramid.metadata import ArrayMetadata, Document

DIMENSION_NAMES = "dimension_names"
"""What is said of an array of zarr v3 that names its dimensions otherwise than the axes."""

_BASES = {SPACE: "m", TIME: "s"}
_UNIT = "The value SHOULD be one of the following strings, which are valid units [...] Units for "
_TYPE = 'SHOULD contain the field "type" [...] but MAY take other string values for custom axis '
_MAY = "MAY contain the field "
_TEXTS = (
    Entry(key="type", form=TEXT, rule=f"{_TYPE}types"),
    Entry(key="unit", form=TEXT, rule='SHOULD contain the field "unit"'),
    Entry(key="discrete", form=TRUTH, rule=f"{_MAY}`discrete`. The value MUST be a boolean"),
    Entry(key="longName", form=TEXT, rule=f"{_MAY}`longName`. The value MUST be a string"),
)


def check_axes(axes: Any, *, may_count: bool = False) -> Iterator[Finding]:
    """Yield every rule that axes break; those of 0.6 may all count voxels (`array`)."""
    if not are_mappings(axes):
        rule = 'Each "multiscales" dictionary MUST contain the field "axes"'
        yield Finding(what="axes are not described", expected="a list of axes", rule=rule)
        return
    if not 2 <= len(axes) <= 5:
        rule = 'The length of "axes" must be between 2 and 5'
        yield Finding(what=f"there are {len(axes)} axes", rule=rule)
    names = [axis.get("name") for axis in axes]
    is_named = all(isinstance(name, str) and name for name in names)
    if not is_named or len({*map(str, names)}) < len(names):
        rule = 'The values MUST be unique across all "name" fields'
        yield Finding(what="names of axes are not unique texts", found=str(names), rule=rule)
    for number, axis in enumerate(axes):
        yield from _check_axis(axis, f"axis {axis.get('name', number)!r}")
    types = [axis.get("type") for axis in axes]
    if not may_count or {*map(str, types)} != {"array"}:
        yield from _check_types(types)


def _check_types(types: list[Any]) -> Iterator[Finding]:
    n_space, n_time = types.count(SPACE), types.count(TIME)
    if n_space not in (2, 3) or n_time > 1 or len(types) - n_space - n_time > 1:
        yield Finding(
            what="types of axes",
            found=str(types),
            rule='The "axes" MUST contain 2 or 3 entries of "type:space" and MAY contain one '
            'additional entry of "type:time" and one of "type:channel" or a null / custom type',
        )
    order = [{TIME: 0, SPACE: 2}.get(str(kind), 1) for kind in types]
    if order != sorted(order):
        yield Finding(
            what="order of axes",
            expected=f"{TIME}, {CHANNEL}, {SPACE}",
            found=str(types),
            rule='the entries MUST be ordered by "type"',
        )


def _check_axis(axis: Document, where: str) -> Iterator[Finding]:
    """Yield what an axis says that readers cannot use; null says nothing."""
    said = {key: item for key, item in axis.items() if item is not None}
    yield from check_entries(said, where, _TEXTS)
    unit, kind = said.get("unit"), said.get("type")
    base = _BASES.get(kind) if isinstance(kind, str) else None
    if isinstance(unit, str) and base and UNITS.get(unit, (0, ""))[1] != base:
        what = f"unit of {where} is none of {kind}"
        yield Finding(what=what, grade=NOTE, found=unit, rule=f'{_UNIT}"{kind}" axes')
    for key, meant in misspelled_keys(axis).items():
        yield Finding(
            what=f"{where} says {key}, which no reader looks for",
            grade=WARNING,
            expected=meant,
            found=f"{key}: {axis[key]!r}"[:80],
            rule=f'SHOULD contain the field "{meant}"',
        )


def check_dimension_names(
    names: list[Any], arrays: Mapping[str, ArrayMetadata]
) -> Iterator[Finding]:
    """Yield where arrays of zarr v3 name their dimensions otherwise than the axes."""
    for path, array in arrays.items():
        given = list(array.dimension_names or ())
        if array.zarr_format == 3 and given != names:
            way_out = "build by zarrpyramid with edit_base: true, which names those of level 0"
            yield Finding(
                what=DIMENSION_NAMES,
                key=path,
                expected=str(names),
                found=str(given or "none"),
                way_out="" if given and all(given) else way_out,
                rule='The "dimension_names" attribute [...] MUST match the names in the "axes" '
                "metadata",
            )
