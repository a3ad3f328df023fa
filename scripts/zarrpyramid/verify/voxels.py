"""Whether the voxels of a level that zarrpyramid made are those that its record promises.

Blocks are made again from the finer level by the recorded method and factors, and compared bit by
bit. After a full look the digests and statistics of the records are compared too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.downsample import digest_header
from zarrpyramid.plan import times
from zarrpyramid.reduce import METHODS, kind_of

from .comparison import Comparison, compare_all, compare_sample, compare_task
from .findings import MOST_SHOWN, Check, Finding
from .origins import recipe_of
from .sampling import draw_sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zarrpyramid.geometry import Shape
    from zarrpyramid.metadata import ArrayMetadata, Record

    from .comparison import CompareTask
    from .pyramid import FoundLevel, Pyramid
    from .sampling import Scope


def check_voxels(
    pyramid: Pyramid, level: FoundLevel, finer: FoundLevel, scope: Scope
) -> Iterator[Check | Finding]:
    """Yield which chunks of a level are not what its recipe makes of the finer level."""
    recipe = recipe_of(level)
    assert level.metadata is not None
    assert finer.metadata is not None
    if recipe is None or not _is_possible(level.metadata, finer.metadata, *recipe):
        yield Check(
            name="voxels", level=level.number, figure="not made again: documents contradict it"
        )
        return
    method, factors = recipe
    source, target = (
        (pyramid.array_path(each), metadata)
        for each, metadata in ((finer, finer.metadata), (level, level.metadata))
    )
    task = compare_task(pyramid.store, source, target, method, factors)
    results, chosen = _comparisons(task, level, scope)
    total, n_wrong = Comparison(), 0
    for result in results:
        total.seen.merge(result.seen)
        total.is_partial |= result.is_partial
        for difference in result.differences:
            n_wrong += 1
            if n_wrong <= MOST_SHOWN:
                yield Finding(
                    what=difference.what,
                    level=level.number,
                    key=pyramid.name(level, difference.key),
                    expected=difference.expected,
                    found=difference.found,
                    way_out=pyramid.repair(scope.options)
                    if difference.key
                    else "restore it from a copy, or have it made again where it is a level made "
                    "here",
                )
    if n_wrong > MOST_SHOWN:
        yield Finding(
            what=f"{n_wrong - MOST_SHOWN} more chunks are not what they must be",
            level=level.number,
            key=pyramid.name(level),
            way_out=pyramid.repair(scope.options),
        )
    yield Check(
        name="voxels",
        level=level.number,
        figure=f"{chosen}, {total.seen.target.n_voxels} voxels made again by {method} of "
        f"{times(factors)}, {n_wrong} chunks differ",
    )
    if scope.full and not total.is_partial:
        yield from _check_digests(pyramid, level, finer, total, scope, is_equal=not n_wrong)


def _comparisons(
    task: CompareTask, level: FoundLevel, scope: Scope
) -> tuple[Iterator[Comparison], str]:
    """Return the comparisons of the blocks in scope, and which blocks these are, for people."""
    if scope.full:
        return compare_all(task, scope.n_workers), "all blocks"
    sample = draw_sample(task.grid, scope.sample, scope.draw)
    mended = {
        geometry.cell_of(task.target.write_shape, index, task.unit)
        for index in scope.also.get(level.path, ())
    }
    places = sorted({*sample.places, *mended})
    chosen = sample.figure + (f", {len(mended)} mended" if mended else "")
    return compare_sample(task, places, scope.n_workers), chosen


def _check_digests(
    pyramid: Pyramid,
    level: FoundLevel,
    finer: FoundLevel,
    total: Comparison,
    scope: Scope,
    *,
    is_equal: bool,
) -> Iterator[Check | Finding]:
    """Compare the record of a level, and what it says of the finer one, with all their voxels."""
    assert finer.metadata is not None
    assert level.metadata is not None
    record: Record = level.record or {}
    source: Record = record.get("source") or {}
    read = total.seen.source.digest(digest_header(finer.metadata))
    facts: list[tuple[FoundLevel, str, object, object]] = [
        (finer, "digest of the voxels that it was made from", source.get("digest"), read)
    ]
    if finer.record is None:
        known = total.seen.source.statistics(dtype=finer.metadata.dtype)
        facts += [(finer, key, source.get(key), known[key]) for key in known]
    if is_equal:
        made = total.seen.target.digest(digest_header(level.metadata))
        known = total.seen.target.statistics(dtype=level.metadata.dtype)
        facts.append((level, "digest", record.get("digest"), made))
        facts += [(level, key, record.get(key), known[key]) for key in known]
    for whose, what, expected, found in facts:
        if expected != found:
            yield Finding(
                what=f"{what} is not that of {level.path}'s record",
                level=whose.number,
                key=pyramid.name(whose),
                expected=str(expected),
                found=str(found),
                way_out=pyramid.repair(scope.options),
            )
    figure = f"digest and statistics, {len(facts)} figures"
    yield Check(name="record", level=level.number, figure=figure)


def _is_possible(level: ArrayMetadata, finer: ArrayMetadata, method: str, factors: Shape) -> bool:
    """Tell whether a method can make an array of these documents from another one."""
    return (
        len(finer.shape) == len(factors)
        and level.shape == geometry.coarse_shape(finer.shape, factors)
        and kind_of(finer.dtype) in METHODS[method].kinds
        and (method == "sum" or level.dtype == finer.dtype)
    )
