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
from zarrpyramid.metadata import SPACE, labels_group
from zarrpyramid.reduce import METHODS, kind_of

from .comparison import on_places
from .documents import fits_shapes
from .evidence import FAR, Neighbourhood
from .explanation import ExplainTask
from .faults import explained_faults, figure_of, located_faults, unexplained_voxels
from .findings import Check
from .fits import Explanation
from .neighbourhood import NeighbourTask
from .origins import factors_between, scale_ratio
from .sampling import all_blocks, draw_sample

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from zarrpyramid.geometry import Index, Shape

    from .boxes import BoxTask
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
        figure=figure_of(source, found, beside, around, chosen),
        unexplained=unexplained_voxels(pyramid, level, found, around),
        proven=is_known or around.follows,
    )
    has_objects = bool(stored.get(level.path))
    yield from explained_faults(pyramid, level, source, found, has_objects=has_objects)
    if not found.is_empty:
        yield from located_faults(pyramid, level, beside, around, is_known=is_known)
    if found.damaged or not found.n_voxels:
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
        if not task.has_room:
            continue
        results, figure = _look_at(task, scope, stored.get(each.path, ()))
        seen = Explanation()
        for result in results:
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
        if task is None or not task.has_room:
            continue
        task = replace(task, margin=margin)
        results, figure = _look_at(task, scope, stored.get(each.path, ()))
        seen = Neighbourhood()
        for result in results:
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
    is_marked = pyramid.is_labels or labels_group(pyramid.path) is not None
    can_be = kind_of(task.target.dtype) in METHODS["mode"].kinds
    return replace(task, whole=scope.full, is_labels=is_marked and can_be)


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


def _look_at(task: BoxTask, scope: Scope, stored: Sequence[Index]) -> tuple[Iterator[Any], str]:
    """Return what a task finds at the blocks in scope, and which these are, for people.

    Half of the random ones are those of stored objects of the finer level: in an empty volume a
    lone bright spot would else never be looked at.
    """
    if scope.full:
        n_all = geometry.count(task.grid)
        places = geometry.iterate_units(task.grid)
        return scope.told(on_places(task, places, scope.n_workers), n_all), all_blocks(n_all)
    cells = geometry.multiply(task.factors, task.unit)
    corners = [geometry.multiply(index, task.source.write_shape) for index in stored]
    likely = [tuple(i // n for i, n in zip(corner, cells, strict=True)) for corner in corners]
    inside = [
        place for place in likely if all(i < n for i, n in zip(place, task.grid, strict=True))
    ]
    sample = draw_sample(task.grid, scope.sample, scope.draw, inside)
    results = on_places(task, sample.places, scope.n_workers)
    return scope.told(results, len(sample.places)), sample.figure
