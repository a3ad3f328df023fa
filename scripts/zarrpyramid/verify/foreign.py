"""What is known of the voxels of a level that another program made: which method explains them.

The level is compared with what each candidate makes of the level before it, and of level 0 where
that explains it better. A level that no method explains is not a defect, since filters are many: it
is held against the windows around its voxels. What is unexplained is counted and located.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeVar

from zarrpyramid import geometry
from zarrpyramid.metadata import SPACE
from zarrpyramid.plan import times
from zarrpyramid.reduce import METHODS, kind_of

from .comparison import on_places
from .documents import check_translation, fits_shapes
from .evidence import FAR, MOST_OUTSIDE, Neighbourhood
from .explanation import ExplainTask, Explanation
from .findings import MOST_SHOWN, NOTE, WARNING, Check
from .neighbourhood import NeighbourTask
from .origins import factors_between, scale_ratio
from .sampling import draw_sample

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from zarrpyramid.geometry import Index, Shape

    from .boxes import BoxTask
    from .evidence import Bounds
    from .findings import Finding
    from .pyramid import FoundLevel, Pyramid
    from .sampling import Scope

    Stored = Mapping[str, Sequence[Index]]

Task = TypeVar("Task", bound="BoxTask")


def check_foreign_voxels(
    pyramid: Pyramid, level: FoundLevel, finer: FoundLevel, scope: Scope, stored: Stored
) -> Generator[Check | Finding, None, set[str]]:
    """Yield which method explains a level, and what is wrong with it.

    Returns the paths of the levels of which every voxel in scope was read.

    Parameters
    ----------
    stored
        Some stored objects of each level, by its path.
    """
    sources = [finer, *([pyramid.levels[0]] if finer.number else [])]
    found, source, chosen = _explain(pyramid, level, sources, scope, stored)
    is_known = bool(found.explained) or found.is_claimed
    around, beside = Neighbourhood(), source
    if not found.explained and not found.damaged:
        nearby = [source] if is_known else sources
        margin = FAR * (found.largest - found.least) if found.n_finite else math.inf
        around, beside, figure = _look_around(pyramid, level, nearby, scope, stored, margin)
        chosen = chosen or figure
    yield Check(
        name="voxels",
        level=level.number,
        figure=_figure(source, found, beside, around, chosen),
        unexplained=_unexplained(level, found, around),
        proven=is_known or around.follows,
    )
    has_objects = bool(stored.get(level.path))
    yield from _findings(pyramid, level, source, found, has_objects=has_objects)
    if not found.is_empty:
        yield from _misplaced(pyramid, level, beside, around, is_known=is_known)
    if found.damaged or not chosen:
        return set()
    factors = _factors(pyramid, level, source)
    reached = geometry.multiply(level.array.shape, factors) if factors else ()
    is_whole = factors and all(a >= b for a, b in zip(reached, source.array.shape, strict=True))
    return {level.path, source.path} if is_whole or not scope.full else {level.path}


def _explain(
    pyramid: Pyramid,
    level: FoundLevel,
    sources: Sequence[FoundLevel],
    scope: Scope,
    stored: Stored,
) -> tuple[Explanation, FoundLevel, str]:
    """Return what candidates explain of a level, by which other level, and in which blocks.

    Of several levels that is the one by which they explain most.
    """
    found, source, chosen = Explanation(), sources[0], ""
    for each in sources:
        factors = _factors(pyramid, level, each)
        if factors is None:
            continue
        task = _in_scope(ExplainTask.of(*_arrays(pyramid, level, each), factors), pyramid, scope)
        places, figure = _places(task, scope, stored.get(each.path, ()))
        seen = Explanation()
        for result in on_places(task, places, scope.n_workers):
            seen.merge(result)
        if not chosen or seen.share > found.share or seen.damaged:
            found, source, chosen = seen, each, figure
        if found.explained or found.damaged:
            break
    return found, source, chosen


def _look_around(
    pyramid: Pyramid,
    level: FoundLevel,
    sources: Sequence[FoundLevel],
    scope: Scope,
    stored: Stored,
    margin: float,
) -> tuple[Neighbourhood, FoundLevel, str]:
    """Return what the windows around its voxels show of a level, by which other, in which blocks.

    Of several levels that is the first, unless a later one holds where that does not.
    """
    around, source, chosen = Neighbourhood(), sources[0], ""
    for each in sources:
        task = _neighbour_task(pyramid, level, each, scope)
        if task is None:
            continue
        task = replace(task, margin=margin)
        places, figure = _places(task, scope, stored.get(each.path, ()))
        seen = Neighbourhood()
        for result in on_places(task, places, scope.n_workers):
            seen.merge(result)
        if not chosen or not seen.is_broken:
            around, source, chosen = seen, each, figure
        if not around.is_broken:
            break
    return around, source, chosen


def _arrays(pyramid: Pyramid, level: FoundLevel, source: FoundLevel) -> tuple[Any, Any]:
    """Return the store, and paths and metadata of a level and of what it is held against."""
    return pyramid.store, [(each.at, each.array) for each in (source, level)]


def _factors(pyramid: Pyramid, level: FoundLevel, source: FoundLevel) -> Shape | None:
    """Return the whole factors that lead to a level from another one, None where none do."""
    if source.metadata is None or len(source.array.shape) != len(level.array.shape):
        return None
    arrays = source.array, level.array
    ratio = scale_ratio(pyramid, source, level)
    units = (arrays[0].write_shape, arrays[1].write_shape)
    return factors_between(arrays[0].shape, arrays[1].shape, ratio, units)


def _in_scope(task: Task, pyramid: Pyramid, scope: Scope) -> Task:
    """Return a task that looks at as much of a block as the scope asks for."""
    is_integer = kind_of(task.target.dtype) in METHODS["mode"].kinds
    return replace(task, whole=scope.full, is_labels=pyramid.is_labels and is_integer)


def _neighbour_task(
    pyramid: Pyramid, level: FoundLevel, source: FoundLevel, scope: Scope
) -> NeighbourTask | None:
    """Return the task that holds a level against the windows of another one, None for no windows.

    Where no whole factors lead to the level, its windows are as large as its scale says, or else
    its shape.
    """
    if source.metadata is None:
        return None
    finer, coarser = source.array.shape, level.array.shape
    factors = _factors(pyramid, level, source)
    if factors is not None:
        ratio = tuple((factor, 1) for factor in factors)
    elif len(finer) == len(coarser) and all(a >= b for a, b in zip(finer, coarser, strict=True)):
        stated = scale_ratio(pyramid, source, level)
        if stated is not None and fits_shapes(stated, source.array, level.array):
            ratio = tuple(Fraction(by).limit_denominator(1000).as_integer_ratio() for by in stated)
        else:
            ratio = tuple(zip(finer, coarser, strict=True))
        factors = geometry.coarse_shape(finer, coarser)
    else:
        return None
    types = pyramid.types if len(pyramid.types) == len(ratio) else [SPACE] * len(ratio)
    moves = tuple(axis for axis, (a, b) in enumerate(ratio) if a > b or types[axis] == SPACE)
    task = NeighbourTask.of(*_arrays(pyramid, level, source), factors)
    return replace(_in_scope(task, pyramid, scope), ratio=ratio, moves=moves)


def _places(task: BoxTask, scope: Scope, stored: Sequence[Index]) -> tuple[Iterable[Index], str]:
    """Return the blocks in scope, and which these are, for people.

    Half of the random ones are those of stored objects of the finer level: in an empty volume a
    lone bright spot would else never be looked at.
    """
    if scope.full:
        return geometry.iterate_units(task.grid), f"all {geometry.count(task.grid)} blocks"
    cells = geometry.multiply(task.factors, task.unit)
    corners = [geometry.multiply(index, task.source.write_shape) for index in stored]
    likely = [tuple(i // n for i, n in zip(corner, cells, strict=True)) for corner in corners]
    inside = [
        place for place in likely if all(i < n for i, n in zip(place, task.grid, strict=True))
    ]
    sample = draw_sample(task.grid, scope.sample, scope.draw, inside)
    return sample.places, sample.figure


def _figure(
    source: FoundLevel,
    found: Explanation,
    beside: FoundLevel,
    around: Neighbourhood,
    chosen: str,
) -> str:
    """Return how a level was held against others, for people."""
    if not chosen:
        return f"held against nothing: it has other axes than {source.path}, or is larger"
    words = f"{chosen}, held against {source.path}: "
    if found.explained:
        words += f"explained by {' or '.join(found.explained)}; "
    elif found.best is None or not found.n_voxels:
        words += "compared with no method, since no whole factors lead from there; "
    else:
        name, fit = found.best
        words += (
            f"explained by none; nearest is {name}, which explains {found.share:.2%} of the "
            f"voxels, with a largest difference of {fit.largest:.6g}; "
        )
    if around.n_voxels:
        words += (
            f"{around.n_outside} voxels outside of the extremes of {beside.path} around them, "
            f"correlation {around.correlation:.4f}; "
        )
    if found.n_finite:
        words += f"brightness {found.drift:+.3g} of {found.brightness:.6g}"
    return words.removesuffix("; ")


def _unexplained(level: FoundLevel, found: Explanation, around: Neighbourhood) -> str:
    """Return how many voxels of a level no method explains, and where the first one is."""
    if found.explained or found.damaged:
        return ""
    first: Index = (0,) * len(level.array.shape)
    if found.best is None or not found.n_voxels:
        n_voxels = around.n_voxels or geometry.count(level.array.shape)
        n_wrong, against = n_voxels, "unexplained" if around.n_voxels else "held against nothing"
    else:
        fit = found.best[1]
        n_wrong, n_voxels, first, against = fit.n_wrong, fit.n_voxels, fit.first, "unexplained"
    return f"{n_wrong:,} of {n_voxels:,} voxels {against}, the first at {list(first)}"


def _findings(
    pyramid: Pyramid,
    level: FoundLevel,
    source: FoundLevel,
    found: Explanation,
    *,
    has_objects: bool,
) -> Iterator[Finding]:
    """Yield what is wrong with a level, by what candidates make."""
    way_out = f"replace the levels: {pyramid.replacing}"
    for reason in found.damaged[:MOST_SHOWN]:
        yield level.finding(reason, way_out=f"restore it from a copy, or {way_out}")
    known = found.explained or ([found.best[0]] if found.best and found.is_claimed else [])
    shifts = {METHODS[name.partition(",")[0]].shifts for name in known}
    if found.explained:
        is_known = len(shifts) == 1
        yield from check_translation(pyramid, level, shifts=shifts.pop() if is_known else None)
        return
    yield from check_translation(pyramid, level, shifts=shifts.pop() if shifts else True)
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
    for count, where in ((fit.inner, ""), (fit.cut, " in windows that are cut short")):
        if count.holds and count.first is not None:
            wrong = f"{count.n_wrong:,} of {count.n_voxels:,} voxels{where} are not what {name}"
            what = f"{wrong} makes of {source.path}, as the others are; the first at "
            yield _located(level, what, count.first, way_out=way_out)
    if found.is_claimed and fit.cut.n_wrong and not fit.cut.holds:
        where = (
            f"{fit.cut.n_wrong:,} of {fit.cut.n_voxels:,} windows that are cut at the high edges"
        )
        yield level.finding(f"equals {name} of {source.path}, except in {where}", grade=NOTE)
    if found.first_beyond is not None:
        what = f"{found.n_beyond:,} voxels beyond the end of {source.path} are not fill value, "
        yield _located(level, f"{what}the first at ", found.first_beyond, grade=WARNING)
    if found.drifts and not found.is_claimed:
        yield level.finding(
            "is of another brightness than the voxels that it covers",
            grade=WARNING,
            expected=f"a mean of {found.brightness:.6g}",
            found=f"{found.brightness + found.drift:.6g}",
        )


def _misplaced(
    pyramid: Pyramid,
    level: FoundLevel,
    source: FoundLevel,
    around: Neighbourhood,
    *,
    is_known: bool,
) -> Iterator[Finding]:
    """Yield what the windows around its voxels show of a level that no method explains."""
    way_out = f"replace the levels: {pyramid.replacing}"
    if around.first is not None:
        what = f"{around.n_strange:,} of {around.n_voxels:,} voxels hold ids that stand nowhere "
        what += f"near in {source.path}, the first at "
        more = {"found": around.id, "way_out": way_out}
        yield _located(level, what, around.first, expected="ids of their windows", **more)
    if not is_known:
        yield from _out_of_bounds(level, source, around.inner, "", way_out)
    yield from _out_of_bounds(level, source, around.edge, " at the high edges", way_out)
    if is_known or not around.n_voxels:
        return
    if (displaced := around.displacement) is not None:
        what = f"shows {source.path} displaced by {times(displaced)} voxels"
        yield level.finding(what, way_out=way_out)
    elif around.is_foreign:
        yield level.finding(
            f"does not show {source.path}: its voxels do not follow those that they cover",
            expected=f"a correlation of {around.own.picked:.2f} or more",
            found=f"{around.correlation:.2f}",
            way_out=way_out,
        )
    elif around.can_tell and not around.follows:
        what = f"nothing shows that it is of {source.path}: its voxels hardly follow those there"
        found = f"a correlation of {around.correlation:.2f}"
        yield level.finding(what, grade=WARNING, found=found, way_out=way_out)


def _out_of_bounds(
    level: FoundLevel, source: FoundLevel, bounds: Bounds, where: str, way_out: str
) -> Iterator[Finding]:
    """Yield that voxels are outside of their neighbourhoods: too many, or some of them far."""
    there = f"outside of the extremes of {source.path} around them, the first at"
    if bounds.are_broken and bounds.first is not None:
        what = f"{bounds.n_outside:,} of {bounds.n_voxels:,} voxels{where} are {there} "
        share = f"{bounds.n_outside / bounds.n_voxels:.2%}"
        more = {"expected": f"at most {MOST_OUTSIDE:.0%}, and none far", "found": share}
        yield _located(level, what, bounds.first, way_out=way_out, **more)
    elif bounds.first_far is not None:
        what = f"{bounds.n_far:,} of {bounds.n_voxels:,} voxels{where} are far {there} "
        yield _located(level, what, bounds.first_far, grade=WARNING)


def _located(level: FoundLevel, what: str, first: Index, **more: Any) -> Finding:
    """Return a finding of a voxel, in the object that holds it."""
    chunk = tuple(i // n for i, n in zip(first, level.array.chunks, strict=True))
    return level.finding(f"{what}{list(first)}", key=level.array.chunk_key(chunk), **more)
