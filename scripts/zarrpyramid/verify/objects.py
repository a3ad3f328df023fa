"""Whether the stored objects of each level are all there, and nothing else is.

One walk over the keys of a level counts them, with a bit for each; it opens none of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.arrays import open_chunks
from zarrpyramid.errors import MetadataError, PyramidError
from zarrpyramid.metadata import (
    ARRAY_DOCUMENTS,
    BYTES_ENTRY,
    RECORD_ENTRY,
    KeyTally,
    join,
    levels_there,
    object_stats,
    read_node,
)
from zarrpyramid.plan import LITTER_KEY, OBJECT_KEY, REMAINDERS, expected_objects, object_place
from zarrpyramid.tables import as_bytes

from .findings import DEFECT, MOST_SHOWN, NOTE, WARNING, Check, Finding
from .ways_out import making, relisting

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zarrpyramid.geometry import Index, Shape
    from zarrpyramid.metadata import ArrayMetadata

    from .pyramid import FoundLevel, Pyramid
    from .sampling import Scope

_MOST_BITS = 1 << 30
"""Objects up to which missing ones are named: a bit each, 128 MB."""


@dataclass(slots=True)
class Inventory:
    """What the folder of a level holds.

    Attributes
    ----------
    empty, litter, beyond, strange
        Keys of empty objects, of temporary files of a run that died, of objects beyond the extents
        of a level of ours, and of no object of the array.
    sample
        Places of some of the stored objects.
    seen
        A bit for each place of the grid; None where there are too many.
    """

    n_objects: int = 0
    n_bytes: int = 0
    empty: list[str] = field(default_factory=list)
    litter: list[str] = field(default_factory=list)
    beyond: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    sample: list[Index] = field(default_factory=list)
    tally: KeyTally = field(default_factory=KeyTally)
    seen: bytearray | None = None


def take_inventory(pyramid: Pyramid, level: FoundLevel, scope: Scope) -> Inventory:
    """Look at every key of a level that is there."""
    metadata = level.array
    grid = geometry.grid_shape(metadata.shape, metadata.write_shape)
    n_all = geometry.count(grid)
    found = Inventory(seen=bytearray(n_all // 8 + 1) if n_all <= _MOST_BITS else None)
    inside = tuple(
        f"{other.path[len(level.path) + 1 :]}/"
        for other in pyramid.levels
        if other.path.startswith(f"{level.path}/")
    )
    for key, size, _ in object_stats(pyramid.store, level.at):
        if key in ARRAY_DOCUMENTS or key.startswith(inside):
            continue
        index = _place(metadata, key, grid)
        if index is None:
            is_beyond = level.record is not None and object_place(metadata, key) is not None
            kind = found.beyond if is_beyond else found.litter if _is_litter(key) else found.strange
            kind.append(key)
        elif size == 0:
            found.empty.append(key)
        else:
            found.n_objects += 1
            found.n_bytes += size
            found.tally.add(key)
            # Each stored object is as likely as any other to be in the sample.
            if len(found.sample) < scope.sample:
                found.sample.append(index)
            elif (slot := scope.draw.randrange(found.n_objects)) < scope.sample:
                found.sample[slot] = index
            if found.seen is not None:
                number = geometry.unit_number(index, grid)
                found.seen[number >> 3] |= 1 << (number & 7)
    return found


def check_objects(
    pyramid: Pyramid, level: FoundLevel, found: Inventory
) -> Iterator[Check | Finding]:
    """Yield what an inventory shows."""
    n_all = level.array.n_objects
    record = level.record
    expected = None if record is None else expected_objects(level.array)
    n_written = n_all if expected is None else expected
    written = "" if n_written == n_all else "written "
    yield Check(
        name="objects",
        level=level.number,
        figure=f"{found.n_objects:,} of {n_written:,} {written}object{'s' * (n_written != 1)}, "
        f"{as_bytes(found.n_bytes)}",
    )
    again = "" if record is None else pyramid.repair()

    def named(keys: Sequence[str], what: str, grade: str, way_out: str) -> Iterator[Finding]:
        """Yield a finding for each of the first keys, and one for all others."""
        for key in keys[:MOST_SHOWN]:
            yield level.finding(what, key=key, grade=grade, way_out=way_out)
        if len(keys) > MOST_SHOWN:
            what = f"{len(keys) - MOST_SHOWN} more: {what}"
            yield level.finding(what, grade=grade, way_out=way_out)

    yield from named(
        found.empty, "is empty, and no chunk", DEFECT, again or "restore it from a copy"
    )
    if expected is not None and found.n_objects < expected:
        what = f"lacks {expected - found.n_objects} stored objects, which read as fill value"
        yield level.finding(what, expected=expected, found=found.n_objects, way_out=again)
        if expected == n_all:
            yield from named(_missing(level.array, found), "is missing", DEFECT, again)
    elif record is not None and RECORD_ENTRY in record:
        if found.tally.record != record[RECORD_ENTRY]:
            yield level.finding("has other stored objects than were written", way_out=again)
    elif record is None and found.n_objects < n_all:
        lack = f"{n_all - found.n_objects} of {n_all}" if found.n_objects else "all"
        what = f"{lack} of its objects are not stored and read as fill value"
        yield level.finding(what, grade=NOTE)
    n_bytes = (record or {}).get(BYTES_ENTRY, found.n_bytes)
    if found.n_objects == n_written and found.n_bytes != n_bytes:
        what = "has objects of other sizes than were written"
        yield level.finding(what, expected=f"{n_bytes} bytes", found=found.n_bytes, way_out=again)
    remove = again or "remove it, after the run that writes it, if there is one"
    grade = WARNING if record is None else DEFECT
    yield from named(found.litter, "was left by a run that died", grade, remove)
    beyond = "is beyond the level's extents: a growth was killed, or undone"
    yield from named(found.beyond, beyond, DEFECT, again)
    yield from named(found.strange, "is no object of this array", WARNING, "move it away")


def check_codecs(pyramid: Pyramid) -> Iterator[Finding]:
    """Yield the levels whose objects nobody can decode, whatever they hold."""
    for level in pyramid.levels:
        if level.metadata is not None:
            try:
                open_chunks(pyramid.store, level.at, level.metadata)
            except PyramidError as error:
                way_out = pyramid.repair() if pyramid.ours else "fix its document"
                yield level.finding(f"cannot be decoded: {error}", way_out=way_out)


def check_remains(pyramid: Pyramid) -> Iterator[Finding]:
    """Yield folders at the paths of levels that hold objects and no array.

    Raises
    ------
    StoreError
        If what stands at such a path cannot be looked at: that is no verdict.
    """
    paths = pyramid.paths
    known = {level.path for level in (*pyramid.levels, *pyramid.others) if level.metadata}
    listed = {level.path for level in pyramid.listed}
    for number in levels_there(pyramid.store, pyramid.path, paths):
        path = paths.path(number)
        place = join(pyramid.path, path)
        try:
            is_there = path in known or read_node(pyramid.store, place) is not None
        except MetadataError:
            continue
        keys = [] if is_there else list(pyramid.store.keys(place))
        n_objects = sum(bool(OBJECT_KEY.fullmatch(key)) or _is_litter(key) for key in keys)
        if n_objects:
            is_planned = pyramid.provenance is None or number <= len(pyramid.stated_factors)
            way_out = making(pyramid) if is_planned else "remove the folder"
            if path in listed or (pyramid.ours and not is_planned):
                way_out = relisting(pyramid)
            yield Finding(
                what=f"holds {n_objects} objects and no array: a run died while it made it",
                grade=DEFECT if pyramid.ours else WARNING,
                key=join(pyramid.where, path),
                way_out="remove the folder" if pyramid.foreign else way_out,
            )


def _is_litter(key: str) -> bool:
    """Tell whether a key is of what a run removes when it ends, and a run that died did not."""
    return bool(LITTER_KEY.fullmatch(key)) or key.startswith(f"{REMAINDERS}/")


def _missing(metadata: ArrayMetadata, found: Inventory) -> list[str]:
    """Return the first keys that are missing, as many as are reported."""
    grid = geometry.grid_shape(metadata.shape, metadata.write_shape)
    empty, keys = set(found.empty), []
    seen = found.seen or b""
    for number, index in enumerate(geometry.iterate_units(grid) if seen else ()):
        if not seen[number >> 3] >> (number & 7) & 1:
            key = metadata.object_key(index)
            if key not in empty:
                keys.append(key)
            if len(keys) == MOST_SHOWN:
                break
    return keys


def _place(metadata: ArrayMetadata, key: str, grid: Shape) -> Index | None:
    """Return the place of an object in the grid, or None where the key is of none."""
    index = object_place(metadata, key)
    is_inside = index is not None and all(i < n for i, n in zip(index, grid, strict=True))
    return index if is_inside else None
