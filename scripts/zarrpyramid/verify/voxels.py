"""Whether the voxels of a level that zarrpyramid made are those that its record promises.

Blocks are made again from the finer level by the recorded method and factors, and compared bit by
bit. Where all blocks were made again, the digests and statistics of the records are compared too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.arrays import chunks_of_object, open_chunks
from zarrpyramid.downsample import BlockResult, digest_header
from zarrpyramid.errors import AccessError, StoreError
from zarrpyramid.metadata import fits_no_data
from zarrpyramid.plan import remainders_header, times
from zarrpyramid.reduce import METHODS, kind_of

from .comparison import (
    CompareOnceTask,
    CompareWeightedTask,
    compare_all,
    on_places,
    proof,
)
from .copied import compare_copied, damaged
from .findings import MOST_SHOWN, Check
from .origins import copied_record, left_out_of, method_name, recipe_of
from .rounding import affordable, comparison_of
from .sampling import draw_sample
from .weighing import not_weighed, why_not_weighed

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from zarrpyramid.geometry import Index, Shape
    from zarrpyramid.metadata import ArrayMetadata, Record
    from zarrpyramid.reduce import NoData

    from .comparison import CompareTask, Comparison, Difference
    from .findings import Finding
    from .pyramid import FoundLevel, Pyramid
    from .sampling import Scope


def check_voxels(
    pyramid: Pyramid, level: FoundLevel, finer: FoundLevel, scope: Scope
) -> Generator[Check | Finding, None, set[str]]:
    """Yield the chunks of a level that differ from what its recipe makes of the finer level.

    Returns the paths of the levels of which every voxel in scope was read.
    """
    if reason := why_not_weighed(pyramid, level, finer):
        yield not_weighed(level, reason)
        return set()
    recipe, task = recipe_of(level), comparison_of(pyramid, level, finer)
    is_possible = recipe and _is_possible(level.array, finer.array, *recipe, left_out_of(level))
    if recipe is None or task is None or not is_possible:
        figure = "not made again: documents contradict it"
        yield Check(name="voxels", level=level.number, figure=figure)
        return set()
    _, factors = recipe
    results, chosen, is_all = _comparisons(task, level, scope)
    seen, is_partial, n_wrong = BlockResult(), False, 0
    repair = pyramid.repair(scope.options)
    for result in results:
        seen.merge(result.seen)
        is_partial |= result.is_partial
        for difference in result.differences:
            n_wrong += 1
            if n_wrong <= MOST_SHOWN:
                yield _finding(level, difference, repair)
    if n_wrong > MOST_SHOWN:
        what = f"{n_wrong - MOST_SHOWN} more chunks are not what they must be"
        yield level.finding(what, way_out=repair)
    method, comma, how = method_name(level).partition(", ")
    yield Check(
        name="voxels",
        level=level.number,
        figure=f"{chosen}, {seen.target.n_voxels:,} voxels made again by "
        f"{method} of {times(factors)}{comma}{how}, {n_wrong} chunks differ",
    )
    if not is_all or is_partial or (n_wrong and not scope.full):  # whose repair mends the record
        return {level.path, finer.path}
    facts = _facts(level, finer, seen, is_equal=not n_wrong)
    if isinstance(task, CompareOnceTask) and not n_wrong:
        header = remainders_header(level.array, task.whole, task.base.shape)
        left, record = seen.target.fingerprint(header), level.record or {}
        facts.append((level, "digest of remainders", record.get("remainders"), left))
        mean = seen.target.weighted_mean(geometry.count(task.base.shape))
        facts.append((level, "weighted mean", record.get("weighted_mean"), mean))
    if isinstance(task, CompareWeightedTask):
        read = seen.weights.digest(digest_header(task.weights))
        known = ((level.record or {}).get("source") or {}).get("weights")
        facts.append((level, "digest of the weights that it was made with", known, read))
    for whose, what, expected, found in facts:
        is_lost = whose.number > 0 and whose.record is None  # which is told of its document
        if expected != found and not is_lost:
            what = f"{what} is not that of {level.path}'s record"
            mend = pyramid.repair("--full")  # which alone reads what the record says of the source
            yield whose.finding(what, expected=expected, found=found, way_out=mend)
    if finer.number == 0 and copied_record(finer):
        yield from compare_copied(finer, proof(seen.source, finer.array))
        figure = f"digest of all {seen.source.n_voxels:,} voxels, as they were read from the source"
        yield Check(name="source", level=finer.number, figure=figure)
    figure = f"digest and statistics, {len(facts)} figures"
    yield Check(name="record", level=level.number, figure=figure)
    return {level.path, finer.path}


def check_decoding(pyramid: Pyramid, level: FoundLevel, scope: Scope) -> Iterator[Check | Finding]:
    """Yield the objects of a level that cannot be decoded, where nothing else reads them."""
    metadata = level.array
    grid = geometry.grid_shape(metadata.shape, metadata.write_shape)
    places, n_places, chosen = geometry.iterate_units(grid), geometry.count(grid), "all objects"
    if not scope.full:
        sample = draw_sample(grid, scope.sample, scope.draw)
        places, n_places = iter(sample.places), len(sample.places)
        chosen = sample.figure.replace("block", "object")
    chunks = open_chunks(pyramid.store, level.at, metadata)

    def why_damaged(place: Index) -> str:
        try:
            for index in chunks_of_object(metadata, place):
                payload = chunks.payload(index)
                if payload is not None:
                    chunks.decode(index, payload)
        except AccessError:
            raise
        except StoreError as error:
            return str(error)
        return ""

    n_damaged = 0
    looks = scope.told(on_places(why_damaged, places, scope.n_workers), n_places)
    for reason in filter(None, looks):
        n_damaged += 1
        if n_damaged <= MOST_SHOWN:
            yield damaged(level, reason)
    if n_damaged > MOST_SHOWN:
        yield level.finding(f"{n_damaged - MOST_SHOWN} more objects are damaged")
    figure = f"{chosen} decoded, {n_damaged} damaged"
    yield Check(name="decoded", level=level.number, figure=figure)


def _comparisons(
    task: CompareTask, level: FoundLevel, scope: Scope
) -> tuple[Iterator[Comparison], str, bool]:
    """Return the comparisons of the blocks in scope, which these are, and whether these are all."""
    if scope.full:
        return compare_all(task, scope.n_workers, scope.on_share), "all blocks", True
    sample = draw_sample(task.grid, scope.sample, scope.draw)
    objects = scope.also.get(level.path, ())
    mended = {geometry.cell_of(task.target.write_shape, index, task.unit) for index in objects}
    places = sorted({*sample.places, *mended})
    chosen = sample.figure + (f", {len(mended)} mended" if mended else "")
    n_read = affordable(task, len(places))
    if n_read < len(places):
        places = sorted(scope.draw.sample(places, n_read))
        chosen = f"{n_read} of {sample.n_blocks} blocks, as each is made of much of level 0"
    looks = scope.told(on_places(task, places, scope.n_workers), len(places))
    return looks, chosen, len(places) == sample.n_blocks


def _finding(level: FoundLevel, difference: Difference, repair: str) -> Finding:
    index, key, what = difference.index, "", difference.what
    way_out = "restore it from a copy, or have it made again where it is a level made here"
    if index is not None:
        key, way_out = level.array.chunk_key(index), repair
        what = what.partition("; restore it")[0]
    elif "; " in what:  # a reader has named one
        way_out = ""
    expected, found = difference.expected, difference.found
    return level.finding(what, key=key, expected=expected, found=found, way_out=way_out)


def _facts(
    level: FoundLevel, finer: FoundLevel, seen: BlockResult, *, is_equal: bool
) -> list[tuple[FoundLevel, str, object, object]]:
    """Return what the record of a level says of it and of the finer one, and what they hold."""
    record: Record = level.record or {}
    source: Record = record.get("source") or {}
    read = seen.source.digest(digest_header(finer.array))
    facts: list[tuple[FoundLevel, str, object, object]] = [
        (finer, "digest of the voxels that it was made from", source.get("digest"), read)
    ]
    if finer.record is None:
        known = seen.source.statistics(dtype=finer.array.dtype)
        facts += [(finer, key, source.get(key), known[key]) for key in known]
    if is_equal:
        known = proof(seen.target, level.array)
        facts += [(level, key, record.get(key), known[key]) for key in known]
    return facts


def _is_possible(
    level: ArrayMetadata, finer: ArrayMetadata, method: str, factors: Shape, left_out: NoData
) -> bool:
    """Tell whether a method can make an array of these documents from another one."""
    return (
        len(finer.shape) == len(factors)
        and level.shape == geometry.coarse_shape(finer.shape, factors)
        and kind_of(finer.dtype) in METHODS[method].kinds
        and (not METHODS[method].keeps_dtype or level.dtype == finer.dtype)
        and fits_no_data(left_out, method, factors, finer.shape, finer.dtype)
    )
