"""Whether level 0 still holds what was read of its source, and the objects that records know."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.arrays import open_chunks
from zarrpyramid.downsample import BlockResult
from zarrpyramid.errors import AccessError, StoreError
from zarrpyramid.plan import READ_AGAIN, stored_objects, way_back, why_lost

from .comparison import counted, on_places, proof
from .findings import Check
from .origins import copied_record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zarrpyramid.metadata import Record

    from .findings import Finding
    from .pyramid import FoundLevel, Pyramid
    from .sampling import Scope


def check_copied(pyramid: Pyramid, scope: Scope) -> Iterator[Check | Finding]:
    """Yield in what the voxels of level 0 are not those that were read from its source.

    All of them are decoded. Nothing is yielded of a level 0 that was not made of files.
    """
    level = pyramid.levels[0]
    record = copied_record(level)
    if record is None:
        return
    chunks, seen = open_chunks(pyramid.store, level.at, level.array), BlockResult()
    grid = geometry.grid_shape(level.array.shape, level.array.write_shape)
    try:
        places = geometry.iterate_units(grid)
        looks = on_places(partial(counted, chunks), places, scope.n_workers)
        for one in scope.told(looks, geometry.count(grid)):
            seen.merge(one)
    except AccessError:
        raise
    except StoreError as error:
        yield damaged(level, str(error))
        return
    known = proof(seen.target, level.array)
    yield from compare_copied(level, known)
    figure = f"digest of all {seen.target.n_voxels:,} voxels, as they were read from the source"
    yield Check(name="source", level=level.number, figure=figure)


def damaged(level: FoundLevel, reason: str) -> Finding:
    """Return what is said of an object that cannot be decoded, by the error of its reader.

    What was made of files is in the files: nobody needs to have it read as fill value.
    """
    if level.number or copied_record(level) is None:
        return level.finding(reason)
    return level.finding(reason.partition("; restore it")[0], way_out=READ_AGAIN)


def compare_copied(level: FoundLevel, known: Record) -> Iterator[Finding]:
    """Yield the figures of level 0's voxels that are not those which were read from its source."""
    record = copied_record(level) or {}
    for key, found in known.items():
        if record.get(key) != found:
            what = f"{key} of the voxels is not that of those which were read from the source"
            yield level.finding(what, expected=record.get(key), found=found, way_out=READ_AGAIN)


def check_base_objects(pyramid: Pyramid) -> Iterator[Finding]:
    """Yield that level 0 has lost objects, as far as records know of them."""
    level = pyramid.levels[0]
    if level.metadata is None:
        return
    there = [each for each in stored_objects(pyramid.store, level.at) if each[1]]
    if lost := why_lost(level.array, there, (each.record or {} for each in pyramid.levels[1:])):
        yield level.finding(lost, way_out=way_back(level.array))
