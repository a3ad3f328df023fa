"""What the figures of its voxels say of a level of another program: words, and what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry
from zarrpyramid.plan import times
from zarrpyramid.reduce import METHODS

from .documents import check_translation
from .evidence import MOST_OUTSIDE
from .findings import MOST_SHOWN, NOTE, WARNING
from .ways_out import replacing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zarrpyramid.geometry import Index

    from .evidence import Bounds, Neighbourhood
    from .findings import Finding
    from .fits import Explanation
    from .pyramid import FoundLevel, Pyramid


def figure_of(
    source: FoundLevel,
    found: Explanation,
    beside: FoundLevel,
    around: Neighbourhood,
    chosen: str,
) -> str:
    """Return how a level was held against others, for people."""
    if not chosen:
        why = f"it has other axes than {source.path}, is larger, or far smaller"
        return f"held against nothing: {why}"
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


def unexplained_voxels(
    pyramid: Pyramid, level: FoundLevel, found: Explanation, around: Neighbourhood
) -> str:
    """Return how many voxels of a level no method explains, and where the first one is."""
    if found.explained or found.damaged:
        return ""
    where = level.name if pyramid.is_further else f"level {level.number}"
    first: Index = (0,) * len(level.array.shape)
    if found.best is None or not found.n_voxels:
        n_voxels = around.n_voxels or geometry.count(level.array.shape)
        n_wrong, against = n_voxels, "unexplained" if around.n_voxels else "held against nothing"
    else:
        fit = found.best[1]
        n_wrong, n_voxels, first, against = fit.n_wrong, fit.n_voxels, fit.first, "unexplained"
    return f"{where}: {n_wrong:,} of {n_voxels:,} voxels {against}, the first at {list(first)}"


def explained_faults(
    pyramid: Pyramid,
    level: FoundLevel,
    source: FoundLevel,
    found: Explanation,
    *,
    has_objects: bool,
) -> Iterator[Finding]:
    """Yield what is wrong with a level, by what candidates make."""
    way_out = f"replace the levels: {replacing(pyramid)}"
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


def located_faults(
    pyramid: Pyramid,
    level: FoundLevel,
    source: FoundLevel,
    around: Neighbourhood,
    *,
    is_known: bool,
) -> Iterator[Finding]:
    """Yield what the windows around its voxels show of a level that no method explains."""
    way_out = f"replace the levels: {replacing(pyramid)}"
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
        what = f"is displaced: it shows {source.path} better {times(displaced)} voxels aside"
        yield level.finding(what, way_out=way_out)
    elif around.is_foreign:
        yield level.finding(
            f"does not show {source.path}: its voxels do not follow those that they cover",
            expected=f"a correlation of {around.own.picked:.2f} or more",
            found=f"{around.correlation:.2f}",
            way_out=way_out,
        )
    elif around.can_tell and not around.follows:
        yield level.finding(
            f"hardly follows {source.path}: it is displaced, or shows something else",
            grade=WARNING,
            expected=f"a correlation of {around.own.picked:.2f} or more",
            found=f"{around.correlation:.2f}",
            way_out=way_out,
        )


def _out_of_bounds(
    level: FoundLevel, source: FoundLevel, bounds: Bounds, where: str, way_out: str
) -> Iterator[Finding]:
    """Yield that voxels are outside of their neighbourhoods: too many, or some of them far."""
    there = f"outside of the extremes of {source.path} around them, the first at"
    if bounds.are_broken and bounds.first is not None:
        what = f"{bounds.n_outside:,} of {bounds.n_voxels:,} voxels{where} are {there} "
        share = f"{bounds.n_outside / bounds.n_voxels:.2%}, {bounds.n_far:,} of them far"
        more = {"expected": f"at most {MOST_OUTSIDE:.0%}, few of them far", "found": share}
        yield _located(level, what, bounds.first, way_out=way_out, **more)
    elif bounds.first_far is not None:
        what = f"{bounds.n_far:,} of {bounds.n_voxels:,} voxels{where} are far {there} "
        yield _located(level, what, bounds.first_far, grade=WARNING)


def _located(level: FoundLevel, what: str, first: Index, **more: Any) -> Finding:
    """Return a finding of a voxel, in the object that holds it."""
    chunk = tuple(i // n for i, n in zip(first, level.array.chunks, strict=True))
    return level.finding(f"{what}{list(first)}", key=level.array.chunk_key(chunk), **more)
