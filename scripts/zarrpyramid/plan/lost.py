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
from .stored import OBJECT_KEY, Level, is_beyond

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zarrpyramid.metadata import ArrayMetadata, Record
    from zarrpyramid.stores import Store

    from .image import Image

_CLOSE = 2.0**-9
"""Part of a fill value by which a voxel of few bits differs from how documents spell it."""


def check_base_kept(image: Image, levels: list[Level]) -> None:
    """Refuse a level 0 without any object whose levels were made from other voxels than fill value.

    Those levels may be all that is left of the image. A store that lists no keys is not asked.

    Parameters
    ----------
    levels
        Those that carry our record, or did before their documents were damaged.

    Raises
    ------
    StoreError
        If levels would be made of fill value in their place.
    """
    source, base = image.source, Level(image, 0)
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
    if not store.lists or _holds_any(store, path):
        return
    lost = why_lost(array, [], (level.record or {} for level in levels))
    if not lost and any(level.is_damaged for level in levels):
        lost = f"holds not one of its {array.n_objects} objects, and a level's document is damaged"
    if not lost:
        return
    again = ""
    if source is None and image.plan.image.test_image is not None:
        again = f", or remove {name} to have the test image made again"
    options = as_arguments(image.store.options) if image.store.is_remote else ""
    raise StoreError(
        f"{name} {lost}; level{'s' * (len(levels) > 1)} "
        f"{', '.join(str(level.number) for level in levels)} may be all that is left and will not "
        f"be made of fill value: bring level 0 back{again}, or, where it is to be so, remove them: "
        f"{command('zarrpyramid', 'clean', image.plan.where)}{options}"
    )


def why_lost(
    base: ArrayMetadata, objects: list[tuple[str, int, int]], records: Iterable[Record]
) -> str:
    """Return what level 0 is known to have lost, or "" where nothing is known to be.

    Parameters
    ----------
    objects
        As `stored_objects` returns them.
    records
        Of the levels that were made from it, level 1 first.
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
    figures = next(map(_figures, records), {})
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
