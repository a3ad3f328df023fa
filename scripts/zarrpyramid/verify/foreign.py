"""What is known of the voxels of a level that another program made: which method explains them.

The level is compared with what each candidate makes of the level before it, and of level 0 where
that explains it better. A level that no method explains is not a defect, since filters are many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.reduce import METHODS

from .comparison import on_places
from .documents import check_translation
from .explanation import ExplainTask, Explanation
from .findings import MOST_SHOWN, NOTE, WARNING, Check
from .origins import factors_between, scale_ratio
from .sampling import draw_sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from zarrpyramid.geometry import Index

    from .findings import Finding
    from .pyramid import FoundLevel, Pyramid
    from .sampling import Scope


def check_foreign_voxels(
    pyramid: Pyramid,
    level: FoundLevel,
    finer: FoundLevel,
    scope: Scope,
    stored: Mapping[str, Sequence[Index]],
) -> Iterator[Check | Finding]:
    """Yield which method explains a level, and what is wrong with it.

    Parameters
    ----------
    stored
        Some stored objects of each level, by its path.
    """
    best: tuple[Explanation, FoundLevel, str] | None = None
    for source in [finer, *([pyramid.levels[0]] if finer.number else [])]:
        task = _explain_task(pyramid, level, source)
        if task is None:
            continue
        # Half of the random blocks are those of stored objects of the finer level: in an empty
        # volume a lone bright spot would else never be looked at.
        objects = _blocks_of(stored.get(source.path, ()), task)
        places: Iterable[Index] = geometry.iterate_units(task.grid)
        chosen = f"all {geometry.count(task.grid)} blocks"
        if not scope.full:
            sample = draw_sample(task.grid, scope.sample, scope.draw, objects)
            places, chosen = sample.places, sample.figure
        found = Explanation()
        for result in on_places(task, places, scope.n_workers):
            found.merge(result)
        if best is None or found.explained:
            best = found, source, chosen
        if found.explained or found.damaged:
            break
    if best is None:
        figure = f"not compared with any method: its shape is not {finer.path}'s shape divided by "
        figure += "whole factors"
        yield Check(name="voxels", level=level.number, figure=figure)
        yield from check_translation(pyramid, level, shifts=None)
        return
    found, source, chosen = best
    figure = f"{chosen}, held against {source.path}: {_explained_by(found)}brightness "
    figure += f"{found.drift:+.3g} of {found.brightness:.6g}"
    yield Check(name="voxels", level=level.number, figure=figure)
    has_objects = bool(stored.get(level.path))
    yield from _findings(pyramid, level, source, found, has_objects=has_objects)


def _explain_task(pyramid: Pyramid, level: FoundLevel, finer: FoundLevel) -> ExplainTask | None:
    """Return the task that explains a level by another one, None where no factors lead there."""
    if finer.metadata is None or len(finer.metadata.shape) != len(level.array.shape):
        return None
    ratio = scale_ratio(pyramid, finer, level)
    factors = factors_between(finer.array.shape, level.array.shape, ratio)
    arrays = [(each.at, each.array) for each in (finer, level)]
    return None if factors is None else ExplainTask.of(pyramid.store, arrays, factors)


def _blocks_of(objects: Sequence[Index], task: ExplainTask) -> list[Index]:
    """Return the blocks of a level in which the first voxels of objects of the finer level lie."""
    cells = geometry.multiply(task.factors, task.unit)
    corners = [geometry.multiply(index, task.source.write_shape) for index in objects]
    places = [tuple(i // n for i, n in zip(corner, cells, strict=True)) for corner in corners]
    return [place for place in places if all(i < n for i, n in zip(place, task.grid, strict=True))]


def _explained_by(found: Explanation) -> str:
    """Return which candidates explain the level, or the nearest, for people."""
    if found.explained:
        return f"explained by {' or '.join(found.explained)}; "
    if found.best is None or not found.n_voxels:
        return "; "
    name, fit = found.best
    share = 1 - fit.n_wrong / found.n_voxels
    return (
        f"explained by none; nearest is {name}, which explains {share:.2%} of the voxels, "
        f"with a largest difference of {fit.largest:.6g}; "
    )


def _findings(
    pyramid: Pyramid, level: FoundLevel, finer: FoundLevel, found: Explanation, *, has_objects: bool
) -> Iterator[Finding]:
    """Yield what is wrong with a level, by the figures of its blocks."""
    way_out = f"replace the levels: {pyramid.replacing}"
    for reason in found.damaged[:MOST_SHOWN]:
        yield level.finding(reason, way_out=f"restore it from a copy, or {way_out}")
    if found.explained:
        shifts = {METHODS[name.partition(",")[0]].shifts for name in found.explained}
        is_known = len(shifts) == 1
        yield from check_translation(pyramid, level, shifts=shifts.pop() if is_known else None)
        return
    yield from check_translation(pyramid, level, shifts=True)
    if found.is_empty:
        yield level.finding(
            "holds nothing but fill value, and the level before does not"
            if has_objects
            else "has no stored objects, only its document, and the level before has voxels",
            expected=f"voxels of mean {found.brightness:.6g}",
            found=f"{found.n_fill} of {found.n_voxels} voxels that are fill value",
            way_out=way_out,
        )
        return
    if found.best is None:
        return
    name, fit = found.best
    if fit.wrong_inside and 2 * fit.n_blocks >= max(found.n_varied, 1):
        for place in fit.wrong_inside:
            what = f"block {list(place)} is not what {name} makes of {finer.path}, as others are"
            expected = f"as {fit.n_blocks} of {found.n_varied} blocks"
            yield level.finding(what, expected=expected, way_out=way_out)
        return
    if found.n_varied and fit.n_blocks == found.n_varied:
        what = f"equals {name} of {finer.path}, except where windows are cut at the high edges"
        yield level.finding(what, grade=NOTE)
    if found.drifts:
        yield level.finding(
            "is of another brightness than the voxels that it covers",
            grade=WARNING,
            expected=f"a mean of {found.brightness:.6g}",
            found=f"{found.brightness + found.drift:.6g}",
        )
