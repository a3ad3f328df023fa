"""The recipe that verifies a pyramid: what is looked at, in which order, and what is said of it.

Writes nothing, and needs nothing but the store: levels of ours are held against their records,
those of others against what known methods would have made.
"""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry
from zarrpyramid.downsample import digest_header
from zarrpyramid.errors import VoxelError
from zarrpyramid.plan import times
from zarrpyramid.reduce import METHODS, kind_of

from .consolidation import check_consolidated
from .documents import (
    check_place,
    check_structure,
    factors_between,
    finer_of,
    recipe_of,
    scale_ratio,
)
from .findings import DEFECT, NOTE, WARNING, Check, Finding, Report, replace_command
from .foreign import AttributeTask, Attribution, attribute, blocks_of_objects
from .objects import check_objects, check_remains, take_inventory
from .pyramid import survey_pyramid
from .sampling import draw_sample
from .voxels import Comparison, compare_all, compare_sample, compare_task

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from zarrpyramid.geometry import Index, Shape
    from zarrpyramid.metadata import ArrayMetadata, Record

    from .pyramid import FoundLevel, Survey

logger = logging.getLogger(__name__)

SAMPLE = 20
"""Random blocks of each level, beside its corners and edges."""

_SHOWN = 10
"""Findings of one kind and level that are told one by one."""

_BATCH = 1024


def verify_pyramid(
    path: str,
    *,
    sample: int = SAMPLE,
    full: bool = False,
    seed: int = 0,
    n_workers: int = 1,
    follow_links: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    also: Mapping[str, Iterable[Index]] = {},
) -> Iterator[Check | Finding]:
    """Look at a pyramid, and yield each check and each finding as it comes.

    Parameters
    ----------
    path
        Of the image's group, or its URL.
    sample
        Random blocks of each level that are made again, beside those at its corners and edges.
    full
        Make all blocks again, and digests and statistics of records too.
    seed
        Of the random choice; the same one looks at the same blocks.
    n_workers
        Processes or threads.
    follow_links
        Whether symbolic links are followed out of the store.
    storage_options
        For a URL.
    also
        Objects that are looked at beside the sample, by the path of their level.

    Raises
    ------
    PyramidError
        If there is no pyramid at the path.
    """
    survey = survey_pyramid(path, follow_links=follow_links, storage_options=storage_options)
    how = "all blocks of each level" if full else f"{sample} random blocks a level, seed {seed}"
    yield Check(name="sample", figure=how)
    yield from check_structure(survey)
    yield from check_consolidated(survey)
    yield from check_remains(survey)
    draw = random.Random(seed)
    stored: dict[str, list[Index]] = {}
    for level in survey.levels:
        if level.metadata is not None:
            found = take_inventory(survey, level, sample, draw)
            stored[level.path] = found.sample
            yield from check_objects(survey, level, found)
    look = _Look(
        survey=survey,
        sample=None if full else sample,
        draw=draw,
        workers=n_workers,
        stored=stored,
        options="--full" if full else f"--sample {sample} --seed {seed}",
        also=also,
    )
    for level in survey.levels[1:]:
        finer = finer_of(survey, level)
        if level.metadata is None or finer is None or finer.metadata is None:
            continue
        if level.record is not None:
            yield from look.compare(level, finer)
        else:
            yield from look.attribute(level, finer)


def assure_pyramid(
    path: str,
    *,
    n_workers: int = 1,
    seed: int = 0,
    follow_links: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> Report:
    """Verify a pyramid into the log, and return the report of one that is sound.

    Raises
    ------
    VoxelError
        If it is not.
    """
    report = Report(path=path)
    events = verify_pyramid(
        path,
        seed=seed,
        n_workers=n_workers,
        follow_links=follow_links,
        storage_options=storage_options,
    )
    report.gather(events, logger.info)
    logger.info("%s", report.verdict)
    if not report.is_sound:
        first = next(finding for finding in report.findings if finding.grade == DEFECT)
        raise VoxelError(f"{report.verdict}; the first: {first.line}")
    return report


class _Look:
    """What it takes to look at voxels; `sample` None takes all blocks."""

    def __init__(
        self,
        *,
        survey: Survey,
        sample: int | None,
        draw: random.Random,
        workers: int,
        stored: dict[str, list[Index]],
        options: str,
        also: Mapping[str, Iterable[Index]],
    ) -> None:
        self._survey, self._sample, self._draw = survey, sample, draw
        self._workers, self._stored = workers, stored
        self._options, self._also = options, also

    def compare(self, level: FoundLevel, finer: FoundLevel) -> Iterator[Check | Finding]:
        """Make blocks of a level of ours again, and hold its record against them."""
        survey, recipe = self._survey, recipe_of(level)
        assert level.metadata is not None
        assert finer.metadata is not None
        if recipe is None or not _fits(level.metadata, finer.metadata, *recipe):
            yield Check(
                name="voxels", level=level.number, figure="not made again: documents contradict it"
            )
            return
        method, factors = recipe
        places = survey.array_path(finer), survey.array_path(level)
        task = compare_task(
            survey.store, (places[0], finer.metadata), (places[1], level.metadata), method, factors
        )
        if self._sample is None:
            results, chosen = compare_all(task, self._workers), "all blocks"
        else:
            sample = draw_sample(task.grid, self._sample, self._draw)
            mended = {
                geometry.cell_of(task.target.write_shape, index, task.unit)
                for index in self._also.get(level.path, ())
            }
            results = compare_sample(task, sorted({*sample.places, *mended}), self._workers)
            chosen = sample.figure + (f", {len(mended)} mended" if mended else "")
        seen, n_wrong = Comparison(), 0
        for result in results:
            seen.seen.merge(result.seen)
            seen.is_partial |= result.is_partial
            for difference in result.differences:
                n_wrong += 1
                if n_wrong <= _SHOWN:
                    yield Finding(
                        what=difference.what,
                        level=level.number,
                        key=survey.name(level, difference.key),
                        expected=difference.expected,
                        found=difference.found,
                        way_out=self._mend(level, is_read=bool(difference.key)),
                    )
        if n_wrong > _SHOWN:
            yield Finding(
                what=f"{n_wrong - _SHOWN} more chunks are not what they must be",
                level=level.number,
                key=survey.name(level),
                way_out=self._mend(level, is_read=True),
            )
        yield Check(
            name="voxels",
            level=level.number,
            figure=f"{chosen}, {seen.seen.target.n_voxels} voxels made again by {method} of "
            f"{times(factors)}, {n_wrong} chunks differ",
        )
        if self._sample is None and not seen.is_partial:
            yield from self._check_digests(level, finer, seen, n_wrong)

    def attribute(self, level: FoundLevel, finer: FoundLevel) -> Iterator[Check | Finding]:
        """Say which method explains a level of somebody else's."""
        sources = [finer, *([self._survey.levels[0]] if finer.number else [])]
        best: tuple[Attribution, FoundLevel, str] | None = None
        for source in sources:
            found = self._attributed(level, source)
            if found is None:
                continue
            seen, chosen = found
            if best is None or seen.explained:
                best = seen, source, chosen
            if seen.explained or seen.damaged:
                break
        if best is None:
            yield Check(
                name="voxels",
                level=level.number,
                figure=f"held against no method: its shape is no whole part of {finer.path}'s",
            )
            yield from check_place(self._survey, level, shifts=None)
            return
        yield from self._tell(level, *best)

    def _attributed(self, level: FoundLevel, finer: FoundLevel) -> tuple[Attribution, str] | None:
        survey = self._survey
        if level.metadata is None or finer.metadata is None:
            return None
        if len(level.metadata.shape) != len(finer.metadata.shape):
            return None
        factors = factors_between(
            finer.metadata.shape, level.metadata.shape, scale_ratio(survey, finer, level)
        )
        if factors is None:
            return None
        task = AttributeTask(
            store=survey.store,
            source_path=survey.array_path(finer),
            source=finer.metadata,
            target_path=survey.array_path(level),
            target=level.metadata,
            factors=factors,
        )
        if self._sample is None:
            seen = Attribution()
            for batch in geometry.batches(geometry.iterate_units(task.grid), _BATCH):
                seen.merge(attribute(task, batch, self._workers))
            return seen, f"all {geometry.count(task.grid)} blocks"
        objects = self._stored.get(finer.path, [])
        likely = list(blocks_of_objects(objects, finer.metadata, task))
        sample = draw_sample(task.grid, self._sample, self._draw, likely)
        return attribute(task, sample.places, self._workers), sample.figure

    def _tell(
        self, level: FoundLevel, seen: Attribution, finer: FoundLevel, chosen: str
    ) -> Iterator[Check | Finding]:
        """Say what was seen of a level of somebody else's."""
        survey, explained, best = self._survey, seen.explained, seen.best
        way_out = f"replace the levels: {replace_command(survey.where)}"
        about: dict[str, Any] = {"level": level.number, "key": survey.name(level)}
        figure = f"{chosen}, held against {finer.path}: "
        if explained:
            figure += f"explained by {' or '.join(explained)}"
        elif best is not None and seen.n_voxels:
            share = 1 - best[1].n_wrong / seen.n_voxels
            figure += (
                f"explained by none; nearest is {best[0]}, which explains {share:.2%} of the "
                f"voxels, with a largest difference of {best[1].largest:.6g}"
            )
        yield Check(
            name="voxels",
            level=level.number,
            figure=f"{figure}; brightness {seen.drift:+.3g} of {seen.brightness:.6g}",
        )
        for reason in seen.damaged[:_SHOWN]:
            yield Finding(what=reason, way_out="restore it from a copy, or " + way_out, **about)
        if explained:
            shifts = {METHODS[name.partition(",")[0]].shifts for name in explained}
            yield from check_place(survey, level, shifts=shifts.pop() if len(shifts) == 1 else None)
            return
        yield from check_place(survey, level, shifts=True)
        if seen.is_empty:
            yield Finding(
                what="holds nothing but fill value, and the level before does not"
                if self._stored.get(level.path)
                else "has no stored objects, only its document, and the level before has voxels",
                expected=f"voxels of mean {seen.brightness:.6g}",
                found=f"{seen.n_fill} of {seen.n_voxels} voxels that are fill value",
                way_out=way_out,
                **about,
            )
            return
        if best is None:
            return
        name, fit = best
        if fit.n_wrong_inside and 2 * fit.n_blocks >= max(seen.n_varied, 1):
            for place in fit.wrong_inside:
                yield Finding(
                    what=f"block {list(place)} is not what {name} makes of {finer.path}, as others "
                    "are",
                    expected=f"as {fit.n_blocks} of {seen.n_varied} blocks",
                    way_out=way_out,
                    **about,
                )
            return
        if seen.n_varied and fit.n_blocks == seen.n_varied:
            yield Finding(
                what=f"is {name} of {finer.path} but where windows are cut short at the high edges",
                grade=NOTE,
                **about,
            )
        if seen.drifts:
            yield Finding(
                what="is of another brightness than the voxels that it covers",
                grade=WARNING,
                expected=f"a mean of {seen.brightness:.6g}",
                found=f"{seen.brightness + seen.drift:.6g}",
                **about,
            )

    def _check_digests(
        self, level: FoundLevel, finer: FoundLevel, seen: Comparison, n_wrong: int
    ) -> Iterator[Check | Finding]:
        """Hold the records of a level and of what it was made from against all their voxels."""
        assert finer.metadata is not None
        assert level.metadata is not None
        record: Record = level.record or {}
        source: Record = record.get("source") or {}
        read = seen.seen.source.digest(digest_header(finer.metadata))
        facts: list[tuple[FoundLevel, str, object, object]] = [
            (finer, "digest of the voxels that it was made from", source.get("digest"), read)
        ]
        if finer.record is None:
            known = seen.seen.source.statistics(dtype=finer.metadata.dtype)
            facts += [(finer, key, source.get(key), known[key]) for key in known]
        if not n_wrong:
            made = seen.seen.target.digest(digest_header(level.metadata))
            facts.append((level, "digest", record.get("digest"), made))
            stated = seen.seen.target.statistics(dtype=level.metadata.dtype)
            facts += [(level, key, record.get(key), stated[key]) for key in stated]
        for whose, what, expected, found in facts:
            if expected != found:
                yield Finding(
                    what=f"{what} is not that of {level.path}'s record",
                    level=whose.number,
                    key=self._survey.name(whose),
                    expected=str(expected),
                    found=str(found),
                    way_out=self._mend(level, is_read=True),
                )
        yield Check(
            name="record",
            level=level.number,
            figure=f"digest and statistics, {len(facts)} figures",
        )

    def _mend(self, level: FoundLevel, *, is_read: bool) -> str:
        if is_read:
            return self._survey.repair(self._options)
        return "restore it from a copy, or have it made again where it is a level made here"


def _fits(level: ArrayMetadata, finer: ArrayMetadata, method: str, factors: Shape) -> bool:
    """Tell whether a method can make an array of these documents from another one."""
    return (
        len(finer.shape) == len(factors)
        and level.shape == geometry.coarse_shape(finer.shape, factors)
        and kind_of(finer.dtype) in METHODS[method].kinds
        and (method == "sum" or level.dtype == finer.dtype)
    )
