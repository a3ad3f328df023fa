"""What level 0 has lost since levels were made from it, as names, sizes and records tell.

A missing object legitimately stands for fill value, so that a part of level 0 that is gone is told
with figures. All of it gone is a loss where a record shows that there were other voxels. Imports no
array library.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import StoreError
from zarrpyramid.metadata import BYTES_ENTRY, RECORD_ENTRY, parse_number
from zarrpyramid.programs import command
from zarrpyramid.stores import as_arguments

from .source import COPY_KEY, Source
from .stored import OBJECT_KEY, Level, is_beyond, unplanned_levels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zarrpyramid.metadata import ArrayMetadata, Record
    from zarrpyramid.stores import Store

    from .image import Image

_CLOSE = 2.0**-9
"""Part of a fill value by which a voxel of few bits differs from how documents spell it."""


def check_base_kept(image: Image, planned: list[Level]) -> None:
    """Refuse a level 0 without any object whose levels were made from other voxels than fill value.

    Those levels may be all that is left of the image, planned or not: a build makes those that are
    planned of fill value, and removes the others. A store that lists no keys is not asked.

    Parameters
    ----------
    planned
        The levels of the plan, level 0 aside, each of ours or with nothing in its place.

    Raises
    ------
    StoreError
        If levels would be lost so.
    """
    source, base = image.source, Level(image, 0)
    levels = [level for level in planned if level.record or level.is_damaged]
    levels += unplanned_levels(image)
    if not levels:
        return
    if source is None:
        if base.node is None or base.node.kind != "array":
            return
        store, path, name, array = base.store, base.path, base.name, base.metadata
    elif isinstance(source, Source):
        store, path, name, array = source.store, source.path, source.name, source.base
    else:  # a reader of files fails without them
        return
    is_damaged = any(level.is_damaged for level in levels)
    records = (level.record or {} for level in levels)
    if lost := why_all_lost(store, path, array, records, is_damaged=is_damaged):
        again = ""
        if source is None and image.plan.image.test_image is not None:
            again = f", or remove {name} to have the test image made again"
        numbers = [level.number for level in levels]
        raise StoreError(
            f"{name} {lost}; {kept_line(numbers, image.store, image.plan.where, again)}"
        )


def why_all_lost(
    store: Store,
    path: str,
    base: ArrayMetadata,
    records: Iterable[Record],
    *,
    is_damaged: bool = False,
) -> str:
    """Return why a level 0 without any object is lost, or "" where it is not known to be.

    Parameters
    ----------
    records
        As for `why_lost`.
    is_damaged
        Whether the document of a level that was made from it is damaged, with all that it told.
    """
    if not store.lists or _holds_any(store, path):
        return ""
    lost = why_lost(base, [], records)
    if not lost and is_damaged:
        return f"holds not one of its {base.n_objects} objects, and a level's document is damaged"
    return lost


def kept_line(numbers: list[int], store: Store, where: str, again: str = "") -> str:
    """Return that levels of a lost level 0 are kept, and the ways out; `again` is a further one."""
    options = as_arguments(store.options)
    return (
        f"{level_words(numbers)} may be all that is left and will not be made of fill value: bring "
        f"level 0 back{again}, or, where it is to be so, remove them: "
        f"{command('zarrpyramid', 'clean', where)}{options}"
    )


def removal_line(image: Image) -> str:
    """Return which levels of ours a build removes since nobody plans them, or ""."""
    numbers = [level.number for level in unplanned_levels(image)]
    if not numbers:
        return ""
    options = as_arguments(image.store.options)
    last, them = len(image.plan.levels) - 1, "them" if len(numbers) > 1 else "it"
    return (
        f"{level_words(numbers)} of {image.plan.where} will be removed, as the plan ends with "
        f"level {last}; to keep {them} give levels={numbers[-1]}, with the other settings that "
        f"this shows: {command('zarrpyramid', 'reproduce', image.plan.where)}{options}"
    )


def level_words(numbers: list[int]) -> str:
    """Return what messages call some levels.

    >>> level_words([2]), level_words([1, 2])
    ('level 2', 'levels 1, 2')
    """
    return f"level{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"


def why_lost(
    base: ArrayMetadata, objects: list[tuple[str, int, int]], records: Iterable[Record]
) -> str:
    """Return what level 0 is known to have lost, or "" where nothing is known to be.

    Parameters
    ----------
    objects
        As `stored_objects` returns them.
    records
        Of the levels that were made from it, level 1 first; {} of one that has lost it.
    """
    sizes = [size for key, size, _ in objects if not is_beyond(base, key)]
    n_all = base.n_objects
    if n_empty := sizes.count(0):
        return f"has {n_empty} of {n_all} objects without a byte, which nobody can decode"
    copied = base.attributes.get(COPY_KEY)
    copied = copied if isinstance(copied, dict) else {}
    written = n_all if "digest" in copied else 0
    if isinstance(entry := copied.get(RECORD_ENTRY), dict):
        written = entry.get("n", 0)
    if len(sizes) < written:
        return f"lacks {written - len(sizes)} of the objects that were written of its source"
    figures = next(filter(None, map(_figures, records)), {})
    if not sizes and _shows_others(figures, base.fill_value):
        return (
            f"holds not one of its {n_all} objects, and levels were made from voxels of mean "
            f"{_spelled(figures.get('mean'))}"
        )
    n_bytes = copied.get(BYTES_ENTRY)
    if copied.get("taken") == "copy" and isinstance(n_bytes, int) and sum(sizes) != n_bytes:
        return f"holds {sum(sizes)} bytes in {len(sizes)} objects, and {n_bytes} were copied"
    return ""


READ_AGAIN = "run the workflow, which reads the source again, or restore level 0 from a copy"
"""How a level 0 that was taken from a source is mended."""


def way_back(base: ArrayMetadata) -> str:
    """Return how a level 0 that has lost objects is mended."""
    if base.attributes.get(COPY_KEY):
        return READ_AGAIN
    return "restore them from a copy: a run does not make level 0 again"


def missing_line(n_objects: int | None, n_all: int) -> str:
    """Return what is to be said of a level 0 that has no object in some places, or ""."""
    if n_objects is None or n_objects >= n_all:
        return ""
    if not n_objects:
        return f"level 0 has not one of its {n_all} objects: all of it reads as fill value"
    return f"{n_all - n_objects} of {n_all} objects of level 0 are not there and read as fill value"


def _holds_any(store: Store, path: str) -> bool:
    """Tell whether an array has any object, as far as its keys may be listed."""
    try:
        return any(map(OBJECT_KEY.fullmatch, store.keys(path)))
    except StoreError:
        return True  # who reads it finds out


def _figures(record: Record) -> Record:
    """Return what a record tells of level 0's voxels: level 1's does, of others their own."""
    made_from = record.get("source", {})
    return made_from if "mean" in made_from else record


def _shows_others(figures: Record, fill: complex) -> bool:
    """Tell whether figures of voxels show that some were not the fill value."""
    seen = [figures.get(key) for key in ("min", "max")]
    parts = [fill.real, fill.real]
    if seen == [None, None] and isinstance(mean := figures.get("mean"), list):
        seen, parts = mean, [fill.real, fill.imag]
    if figures.get("n_nan") and not _is_nan(fill):
        return True
    return any(
        not _is_fill(value, part)
        for value, part in zip(seen, parts, strict=False)
        if value is not None
    )


def _is_fill(value: Any, fill: float) -> bool:
    """Tell whether an extreme, as a record spells it, may be a fill value."""
    found = parse_number(value)
    if found is None:  # an infinity
        return isinstance(value, str) and math.isinf(fill) and ("-" in value) == (fill < 0)
    return found == fill or (isinstance(found, float) and math.isclose(found, fill, rel_tol=_CLOSE))


def _is_nan(fill: complex) -> bool:
    return math.isnan(fill.real) or math.isnan(fill.imag)


def _spelled(mean: Any) -> str:
    return f"{mean:.6g}" if isinstance(mean, int | float) else str(mean)
