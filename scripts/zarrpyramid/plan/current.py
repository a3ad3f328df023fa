"""Whether a level that stands in a store is current, and if not, why.

`why_remade` alone decides: jobs ask it before they make a level, and the Snakefile asks it about
every sentinel while it plans. Imports no array library.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.metadata import BYTES_ENTRY, RECORD_ENTRY, fits, tally_keys

from .growth import grown_from, told_growth
from .remainders import EACH
from .stored import record_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from zarrpyramid.metadata import ArrayMetadata, Record

    from .stored import Level


def why_remade(
    level: Level,
    *,
    proof: Record | None = None,
    made_from: Callable[[], Record] = dict,
    objects: Callable[[], list[tuple[str, int, int]]] | None = None,
    most_counted: int | None = None,
) -> str:
    """Return why a level has to be made again, or "" where it is current.

    The reasons, in the order of what it costs to find them:

    1. No level of ours is there, or another one than the proof speaks of.
    2. It has another form than is planned, or was made by another recipe.
    3. It has lost stored objects.
    4. It was made from other voxels than those that are there now.

    Parameters
    ----------
    proof
        The record that the level's sentinel holds, where there is a sentinel.
    made_from
        Returns what a current level records of its source. Asked last, since it may read all of
        level 0.
    objects
        Returns what `Level.objects` does, where the caller looks at it too.
    most_counted
        The objects of a level that is to have more than this number are not looked at.

    Raises
    ------
    MetadataError
        If the documents of a level of ours are damaged.
    """
    record = level.record
    if level.is_damaged:
        return f"{level.name} has a damaged document"
    if record is None or proof not in (None, record):
        return f"{level.name} is absent or another level"
    if not is_as_planned(level):
        return f"{level.name} {_otherwise(level)}"
    if most_counted is None or level.plan.n_objects <= most_counted:
        fault = why_incomplete(level.metadata, (objects or level.objects)())
        if fault:
            return f"{level.name} {fault}"
    if not fits(record["source"], made_from()):
        return f"{level.name} was made from other voxels"
    return ""


def _otherwise(level: Level) -> str:
    """Return how a level of ours differs from the planned one."""
    before, wanted = level.metadata.shape, level.plan.shape
    if grown_from(level) is not None:
        return f"is to grow along {told_growth(level, before)}"
    if before != wanted:
        return f"has shape {list(before)}, and is to have {list(wanted)}"
    return f"was made by another recipe{_rounded_otherwise(level)}"


def _rounded_otherwise(level: Level) -> str:
    """Return what rounding was and is to be, where a recipe rounds otherwise than is planned."""
    found = (level.record or {}).get("recipe", {}).get("rounding", EACH)
    wanted = level.plan.rounding
    return "" if found == wanted else f", rounding {found}, and is to have rounding {wanted}"


def is_as_planned(level: Level) -> bool:
    """Tell whether a level of ours has the planned form, and was made by the planned recipe.

    Raises
    ------
    MetadataError
        If the documents of a level of ours are damaged.
    """
    is_ours = level.record is not None
    return is_ours and follows_recipe(level) and level.metadata.meaning == level.planned.meaning


def follows_recipe(level: Level) -> bool:
    """Tell whether a level carries a whole record that says what the plan expects of it."""
    record = level.record or {}
    return "digest" in record and "source" in record and fits(record, level.plan.expected)


def why_incomplete(found: ArrayMetadata, objects: list[tuple[str, int, int]]) -> str:
    """Return what is wrong with a level's objects, or "" where none is lost or cut short.

    An object without bytes counts as absent. Records of older releases do not say how many bytes
    were written. Where the recipe leaves out objects that hold the fill
    value alone, the record says which objects were written. Records of older releases do not, and
    of such a level no object is missed.

    Parameters
    ----------
    objects
        As `Level.objects` returns them.
    """
    grid = geometry.grid_shape(found.shape, found.write_shape)
    sizes = {
        key: size
        for key, size, _ in objects
        if size > 0 and all(int(i) < n for i, n in zip(re.findall(r"\d+", key), grid, strict=False))
    }
    keys, record = list(sizes), record_of(found) or {}
    n_expected = expected_objects(found)
    if n_expected is not None and (n_lost := n_expected - len(keys)) > 0:
        one_or_more = "s, which read" if n_lost > 1 else ", which reads"
        return f"lacks {n_lost} stored object{one_or_more} as fill value"
    written = record.get(RECORD_ENTRY)
    if written is not None and tally_keys(keys).record != written:
        return "has other stored objects than were written"
    n_bytes, n_written = sum(sizes.values()), record.get(BYTES_ENTRY)
    if n_written not in (None, n_bytes):
        return f"has {n_bytes} bytes in {len(keys)} stored objects, and {n_written} were written"
    return ""


def expected_objects(found: ArrayMetadata) -> int | None:
    """Return how many stored objects a level has when none is lost, or None where nobody knows."""
    record = record_of(found) or {}
    if RECORD_ENTRY in record:
        n_written: int = record[RECORD_ENTRY]["n"]
        return n_written
    if record.get("recipe", {}).get("write_empty_chunks") is False:
        return None
    return found.n_objects
