"""The tables of a report: what a level is, the rest of what is known of it, and its times."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from zarrpyramid.metadata import SPACE, TIME
from zarrpyramid.reduce import METHODS
from zarrpyramid.tables import as_bytes

from .facts import number
from .frames import crosses, voxel_text
from .markup import Child, Markup, table, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.plan import Image

    from .facts import LevelFacts

_COLUMNS = ("level", "shape", "voxel size", "factors", "chunks", "files", "bytes", "mean", "drift")
_REST = ("level", "shards", "of raw", "min", "max", "NaN", "digest")
_TIMES = ("level", "measured", "seconds", "planned", "GB/s", "memory", "planned memory")


def levels_section(image: Image, facts: Sequence[LevelFacts], *, is_labels: bool) -> list[Child]:
    """Return the tables of the levels; the mean of ids says nothing."""
    n = len(_COLUMNS) - (2 if is_labels else 0)
    rows = [_row(image, facts, level)[:n] for level in facts]
    numbers = ("files", "bytes", "mean", "drift")
    rest = table("More of each level", _REST, map(_rest, facts), numbers=_REST[2:-1], is_named=True)
    return [
        tag("h2", "Levels", id="levels"),
        None if is_labels else _drift(image, facts),
        table("Levels", _COLUMNS[:n], rows, numbers=numbers, is_named=True),
        tag("details", tag("summary", "Extremes, shards and digests"), rest),
    ]


def times_section(facts: Sequence[LevelFacts]) -> list[Child]:
    """Return a table of seconds and memory, measured and planned; nothing where none is known."""
    timed = [(level, level.seconds) for level in facts if level.seconds is not None]
    if not timed:
        return []
    told = [seconds for _, seconds in timed]
    longest = max([*told, *(level.planned_seconds or 0.0 for level, _ in timed)])
    rows = [
        (
            str(level.plan.level),
            _bar(seconds, level.planned_seconds, longest),
            f"{seconds:.3g} s",
            _figure(level.planned_seconds, " s"),
            _figure(_rate(facts, level.plan.level)),
            *("-" if n is None else as_bytes(n) for n in (level.peak_bytes, level.planned_bytes)),
        )
        for level, seconds in timed
    ]
    said = (
        "What each level took, from the start of its jobs to their end. The line across a bar is "
        "what was planned. GB/s are of voxels read."
    )
    return [
        tag("h2", "Time and memory", id="time"),
        tag("p", said, class_="soft"),
        table("Time and memory", _TIMES, rows, numbers=_TIMES[2:], is_named=True),
    ]


def _bar(seconds: float, planned: float | None, longest: float) -> Markup:
    """Return seconds as a bar, with a line where they were planned to end."""
    full = longest or 1.0
    line = None if planned is None else tag("i", style=f"left: {100 * planned / full:.4g}%")
    taken = tag("b", style=f"width: {100 * seconds / full:.4g}%")
    return tag("span", taken, line, class_="track", aria_hidden="true")


def _row(image: Image, facts: Sequence[LevelFacts], level: LevelFacts) -> list[str]:
    plan, size = level.plan, level.stored_bytes
    return [
        str(plan.level),
        crosses(plan.shape),
        voxel_text(image, plan.level, SPACE, TIME) or "-",
        crosses(plan.factors) if plan.level else "-",
        crosses(plan.chunks),
        "-" if level.n_objects is None else f"{level.n_objects:,}",
        "-" if size is None else as_bytes(size),
        _short(level.statistics.get("weighted_mean", level.statistics.get("mean"))),
        _drifted(facts[0], level),
    ]


def _rest(level: LevelFacts) -> list[str]:
    plan, size = level.plan, level.stored_bytes
    return [
        str(plan.level),
        crosses(plan.shards) if plan.shards else "-",
        "-" if size is None else f"{size / plan.raw_bytes:.1%}",
        *(_short(level.statistics.get(key)) for key in ("min", "max", "n_nan")),
        str(level.statistics.get("digest", "-")),
    ]


def _mean(level: LevelFacts) -> float | None:
    """Return the mean of a level.

    Where means are rounded once, each voxel counts as often as it stands for one of level 0.
    """
    weighted = level.number("weighted_mean")
    return level.number("mean") if weighted is None else weighted


def _drifted(base: LevelFacts, level: LevelFacts) -> str:
    """Return how far the mean of a level is from that of level 0."""
    found, first = _mean(level), _mean(base)
    if level is base or found is None or first is None:
        return "-"
    return f"{found - first:+.2g}" if found != first else "0"


def _drift(image: Image, facts: Sequence[LevelFacts]) -> Markup | None:
    """Return a sentence on how the mean moves from level to level, where that is known."""
    means = [mean for level in facts if (mean := _mean(level)) is not None]
    if len(means) < 2:
        return None
    low, high = (facts[0].number(key) for key in ("min", "max"))
    span = 0.0 if low is None or high is None else high - low
    drift = max(abs(mean - means[0]) for mean in means)
    if not drift:
        return tag("p", "The mean is the same at every level.", class_="soft")
    share = f", {drift / span:.1g} of the range of values" if 0 < span < math.inf else ""
    said = f"The mean drifts by at most {drift:.2g}{share}."
    if all("weighted_mean" in level.statistics for level in facts[1:]):
        said += " Each voxel counts as often as it has voxels of level 0 below it: rounding alone"
        said += " moves the mean, by half a unit at most."
    elif METHODS[image.plan.image.method].rounds:
        said += " Rounding moves it, and so do windows that stick out at an odd edge."
    if image.plan.image.weights:
        said += " The weights move it too."
    if image.plan.levels[-1].no_data.is_given:
        said += " No data counts as the number that stands for it, and moves it too."
    return tag("p", said, class_="soft")


def _rate(facts: Sequence[LevelFacts], level: int) -> float | None:
    """Return the GB/s at which a level's job went through the voxels of the level before."""
    seconds = facts[level].seconds
    if not level or not seconds:
        return None
    return facts[level - 1].plan.raw_bytes / seconds / 1e9


def _figure(value: float | None, unit: str = "") -> str:
    return "-" if value is None else f"{value:.3g}{unit}"


def _short(value: Any) -> str:
    """Return a statistic for people; of a complex one the real and the imaginary part."""
    if isinstance(value, list):
        return " + ".join(f"{float(part):.6g}{'i' * place}" for place, part in enumerate(value))
    return f"{value:.6g}" if isinstance(value, float) else number(value)
