"""Whether the objects of a pyramid's levels are all there, not empty, and nothing else beside them.

One walk over the keys of a level, in a bit an object; opens none of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry
from zarrpyramid.errors import MetadataError
from zarrpyramid.metadata import (
    ARRAY_DOCUMENTS,
    RECORD_ENTRY,
    KeyTally,
    join,
    levels_there,
    object_stats,
    read_node,
)
from zarrpyramid.plan import LITTER_KEY, OBJECT_KEY, expected_objects

from .findings import DEFECT, NOTE, WARNING, Check, Finding

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from zarrpyramid.geometry import Index
    from zarrpyramid.metadata import ArrayMetadata

    from .pyramid import FoundLevel, Survey

_SHOWN = 10
"""Keys of one kind that are named."""

_MOST_BITS = 1 << 30
"""Objects up to which those that are missing are named: a bit each, 128 MB."""


@dataclass(slots=True)
class Inventory:
    """What was found in one level's folder.

    Attributes
    ----------
    sample
        Places of some of the stored objects, each as likely as any other.
    """

    n_objects: int = 0
    n_bytes: int = 0
    empty: list[str] = field(default_factory=list)
    litter: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    sample: list[Index] = field(default_factory=list)
    tally: KeyTally = field(default_factory=KeyTally)
    seen: bytearray | None = None


def take_inventory(
    survey: Survey, level: FoundLevel, n_sample: int, draw: random.Random
) -> Inventory:
    """Look at every key of a level that is there."""
    metadata = level.metadata
    assert metadata is not None
    grid = geometry.grid_shape(metadata.shape, metadata.write_shape)
    n_all = geometry.count(grid)
    found = Inventory(seen=bytearray(n_all // 8 + 1) if n_all <= _MOST_BITS else None)
    inside = {other.path[len(level.path) + 1 :] for other in survey.levels
              if other.path.startswith(f"{level.path}/")}  # fmt: skip
    for key, size, _ in object_stats(survey.store, survey.array_path(level)):
        if key in ARRAY_DOCUMENTS or any(key.startswith(f"{path}/") for path in inside):
            continue
        index = _place(metadata, key, grid)
        if index is None:
            (found.litter if LITTER_KEY.fullmatch(key) else found.strange).append(key)
        elif size == 0:
            found.empty.append(key)
        else:
            found.n_objects += 1
            found.n_bytes += size
            found.tally.add(key)
            _keep(found, index, n_sample, draw)
            if found.seen is not None:
                number = geometry.unit_number(index, grid)
                found.seen[number >> 3] |= 1 << (number & 7)
    return found


def check_objects(survey: Survey, level: FoundLevel, found: Inventory) -> Iterator[Check | Finding]:
    """Yield what an inventory shows."""
    metadata = level.metadata
    assert metadata is not None
    n_all = geometry.count(geometry.grid_shape(metadata.shape, metadata.write_shape))
    ours = level.record is not None
    expected = expected_objects(metadata) if ours else None
    yield Check(
        name="objects",
        level=level.number,
        figure=f"{found.n_objects} of {n_all if expected is None else expected} "
        + ("" if expected in (None, n_all) else "written ")
        + f"objects, {found.n_bytes} bytes",
    )
    again = survey.repair() if ours else ""
    restore = again or "restore it from a copy"
    whole: dict[str, Any] = {"level": level.number, "key": survey.name(level)}
    yield from _named(survey, level, found.empty, "is empty, and no chunk", DEFECT, restore)
    if expected is not None and found.n_objects < expected:
        way_out = again
        yield Finding(
            what=f"lacks {expected - found.n_objects} stored objects, which read as fill value",
            expected=str(expected), found=str(found.n_objects), way_out=way_out, **whole,
        )  # fmt: skip
        if expected == n_all:
            yield from _named(survey, level, _missing(metadata, found), "is missing", DEFECT, again)
    elif ours and RECORD_ENTRY in (level.record or {}):
        if found.tally.record != (level.record or {})[RECORD_ENTRY]:
            yield Finding(what="has other stored objects than were written", way_out=again, **whole)
    elif not ours and found.n_objects < n_all:
        lack = f"{n_all - found.n_objects} of {n_all}" if found.n_objects else "all"
        yield Finding(
            what=f"{lack} of its objects are not stored and read as fill value",
            grade=NOTE,
            **whole,
        )
    remove = again or "remove it, after the run that writes it, if there is one"
    grade = DEFECT if ours else WARNING
    yield from _named(survey, level, found.litter, "was left by a run that died", grade, remove)
    yield from _named(
        survey, level, found.strange, "is no object of this array", WARNING, "move it away"
    )


def check_remains(survey: Survey) -> Iterator[Finding]:
    """Yield folders in the places of levels that hold objects and no array."""
    paths = survey.paths
    known = {level.path for level in survey.levels}
    for number in levels_there(survey.store, survey.path, paths):
        place = join(survey.path, paths.path(number))
        try:
            is_there = read_node(survey.store, place) is not None
        except MetadataError:
            continue
        if paths.path(number) in known or is_there:
            continue
        keys = [key for key in survey.store.keys(place)
                if OBJECT_KEY.fullmatch(key) or LITTER_KEY.fullmatch(key)]  # fmt: skip
        if keys:
            yield Finding(
                what=f"holds {len(keys)} objects and no array: a run died while it made it",
                grade=DEFECT if survey.is_ours else WARNING,
                key=join(survey.where, paths.path(number)),
                way_out=survey.repair() if survey.is_ours else "remove the folder",
            )


def _named(
    survey: Survey, level: FoundLevel, keys: list[str], what: str, grade: str, way_out: str
) -> Iterator[Finding]:
    """Yield a finding for each of some keys, and one for all others."""
    for key in keys[:_SHOWN]:
        yield Finding(
            what=what,
            grade=grade,
            level=level.number,
            key=survey.name(level, key),
            way_out=way_out,
        )
    if len(keys) > _SHOWN:
        yield Finding(
            what=f"{len(keys) - _SHOWN} more: {what}",
            grade=grade,
            level=level.number,
            key=survey.name(level),
            way_out=way_out,
        )


def _missing(metadata: ArrayMetadata, found: Inventory) -> list[str]:
    """Return the first keys that are missing, one more than are named."""
    grid = geometry.grid_shape(metadata.shape, metadata.write_shape)
    empty, keys = set(found.empty), []
    for number, index in enumerate(geometry.iterate_units(grid) if found.seen else ()):
        if not (found.seen or b"")[number >> 3] >> (number & 7) & 1:
            key = metadata.object_key(index)
            if key not in empty:
                keys.append(key)
            if len(keys) == _SHOWN:
                break
    return keys


def _place(metadata: ArrayMetadata, key: str, grid: Index) -> Index | None:
    """Return the place of an object in the grid, or None where the key is of none."""
    if not OBJECT_KEY.fullmatch(key):
        return None
    index = tuple(map(int, re.findall(r"\d+", key)))
    inside = len(index) == len(grid) and all(i < n for i, n in zip(index, grid, strict=True))
    return index if inside and metadata.object_key(index) == key else None


def _keep(found: Inventory, index: Index, n_sample: int, draw: random.Random) -> None:
    """Keep a sample of all places seen so far, each as likely as any other."""
    if len(found.sample) < n_sample:
        found.sample.append(index)
    elif (slot := draw.randrange(found.n_objects)) < n_sample:
        found.sample[slot] = index
