"""Charts of a report as positions and texts, which the template `chart.svg.jinja` draws.

Everything is in units of the drawing, from its upper left corner: 648 of them are its width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

WIDTH = 648
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MOST_LEVELS = 16
"""Levels that each have a number below a chart; of more, every second or third one has."""
_ROW = 8
"""Names in a row of a legend."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A tick, a point, a bar or a name in a legend, with its text."""

    x: float = 0.0
    y: float = 0.0
    height: float = 0.0
    text: str = ""
    colour: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """One frame of a chart with its axes, and what is drawn in it.

    Attributes
    ----------
    left, top, right, bottom
        The frame.
    x_ticks, y_ticks
        Values along the axes. Each of `y_ticks` has a line across the frame.
    lines
        Colour and path of each line, the path as SVG writes it.
    points
        Where the lines have dots.
    bars
        Their upper middles, heights and texts; `bar_width` is the width of all.
    """

    left: float
    top: float
    right: float
    bottom: float
    title: str = ""
    x_label: str = "level"
    y_label: str = ""
    x_ticks: Sequence[Mark] = ()
    y_ticks: Sequence[Mark] = ()
    lines: Sequence[tuple[str, str]] = ()
    points: Sequence[Mark] = ()
    bars: Sequence[Mark] = ()
    bar_width: float = 0.0

    def x(self, share: float) -> float:
        """Return the position at a share of the width, 0 at the left."""
        return round(self.left + share * (self.right - self.left), 2)

    def y(self, share: float) -> float:
        """Return the position at a share of the height, 0 at the bottom."""
        return round(self.bottom - share * (self.bottom - self.top), 2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """A drawing of one or more panels; `alt` says in words what it shows."""

    height: int
    alt: str
    panels: Sequence[Panel]
    legend: Sequence[Mark] = ()
    width: int = WIDTH


def drift_chart(
    levels: Sequence[int], statistics: Mapping[str, Sequence[float]], alt: str
) -> Chart:
    """Return statistics by level as panels side by side, each with an axis of its own."""
    panels = []
    step = WIDTH / len(statistics)
    for place, (name, values) in enumerate(statistics.items()):
        frame = Panel(left=place * step + 58, top=24, right=(place + 1) * step - 8, bottom=132)
        finite = [value for value in values if math.isfinite(value)] or [0.0]
        low, high = _widened(min(finite), max(finite))

        def y(value: float, frame: Panel = frame, low: float = low, high: float = high) -> float:
            return frame.y(0.14 + 0.72 * _share(value, low, high))  # room above and below

        points = [
            Mark(x=frame.x(share), y=y(value))
            for share, value in zip(_shares(len(levels)), values, strict=True)
            if math.isfinite(value)
        ]
        path = "L".join(f"{point.x} {point.y}" for point in points)
        panels.append(
            replace(
                frame,
                title=name,
                x_ticks=_level_ticks(frame, levels),
                y_ticks=[Mark(y=y(value), text=text) for value, text in ticks(low, high, 5)],
                lines=[("", f"M{path}")] if path else [],
                points=points,
            )
        )
    return Chart(height=166, alt=alt, panels=panels)


def histogram_chart(edges: Sequence[float], counts: Mapping[int, Sequence[int]], alt: str) -> Chart:
    """Return the shares of voxels by value, a line a level, on a logarithmic axis.

    Parameters
    ----------
    edges
        Of the bins, one more than there are bins.
    counts
        Voxels in each bin, by level.
    """
    n_rows = -(-len(counts) // _ROW)
    frame = Panel(left=46, top=10 + 14 * n_rows, right=WIDTH - 8, bottom=182 + 14 * n_rows)
    shares = {
        level: [n / max(sum(found), 1) for n in found] for level, found in sorted(counts.items())
    }
    seen = [share for found in shares.values() for share in found if share > 0] or [1.0]
    low, high = math.floor(math.log10(min(seen))), math.ceil(math.log10(max(seen)))
    low = min(low, high - 1)
    colours = {
        level: _colour(place / max(len(counts) - 1, 1)) for place, level in enumerate(shares)
    }

    def x(value: float) -> float:
        return frame.x(_share(value, edges[0], edges[-1]))

    def y(share: float) -> float:
        return frame.y((math.log10(share) - low) / (high - low))

    columns = [x(edge) for edge in edges]
    paths = [
        (
            colours[level],
            "".join(_stairs(columns, [y(share) if share else None for share in found])),
        )
        for level, found in shares.items()
    ]
    every = math.ceil((high - low) / 8)
    panel = replace(
        frame,
        x_label="value",
        y_label="share of voxels",
        x_ticks=[Mark(x=x(value), text=text) for value, text in ticks(edges[0], edges[-1], 8)],
        y_ticks=[
            Mark(y=frame.y((power - low) / (high - low)), text=_power(power))
            for power in range(high, low - 1, -every)
        ],
        lines=paths,
    )
    legend = [
        Mark(
            x=WIDTH - 8 - 68 * (min(len(colours), _ROW) - place % _ROW),
            y=10 + 14 * (place // _ROW),
            text=f"level {level}",
            colour=colour,
        )
        for place, (level, colour) in enumerate(colours.items())
    ]
    return Chart(height=214 + 14 * n_rows, alt=alt, panels=[panel], legend=legend)


def speed_chart(
    levels: Sequence[int], seconds: Sequence[float], rates: Sequence[float], alt: str
) -> Chart:
    """Return seconds and GB/s by level as two panels of bars."""
    panels = []
    titles = {"seconds": seconds, "GB/s of voxels read": rates}
    for place, (title, values) in enumerate(titles.items()):
        left = 8 + place * (WIDTH / 2)
        frame = Panel(left=left, top=34, right=left + WIDTH / 2 - 24, bottom=118)
        most = max(values)
        bars = [
            Mark(
                x=frame.x(share),
                y=frame.y(value / most),
                height=round(frame.bottom - frame.y(value / most), 2),
                text=f"{value:.3g}",
            )
            for share, value in zip(_shares(len(levels)), values, strict=True)
        ]
        panels.append(
            replace(
                frame,
                title=title,
                x_ticks=_level_ticks(frame, levels),
                bars=bars,
                bar_width=round(min(0.55 / len(levels) * (frame.right - frame.left), 60), 2),
            )
        )
    return Chart(height=150, alt=alt, panels=panels)


def ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """Return round values in a range and their texts, about `most` of them.

    >>> ticks(0.0, 38.0, 4), ticks(197.5776, 197.5787, 3)[0]
    ([(0.0, '0'), (10.0, '10'), (20.0, '20'), (30.0, '30')], (197.578, '197.578'))
    """
    width = high / most - low / most
    if not 0 < width < math.inf:
        return []
    power = 10.0 ** math.floor(math.log10(width))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= width * (1 - 1e-9))
    # As many digits as tell one tick from the next.
    digits = max(6, math.floor(math.log10(max(abs(low), abs(high)) / step)) + 2)
    numbers = range(math.ceil(low / step), math.floor(high / step) + 1)
    return [(number * step, f"{number * step:.{digits}g}") for number in numbers]


def _widened(low: float, high: float) -> tuple[float, float]:
    """Return a range that is never empty."""
    room = 0.0 if high > low else max(abs(low) / 16, 1e-3)
    return low - room, high + room


def _share(value: float, low: float, high: float) -> float:
    """Return where a value lies in a range, 0 to 1; halves, as a range may be wider than floats."""
    return (value / 2 - low / 2) / (high / 2 - low / 2)


def _shares(n: int) -> list[float]:
    return [(place + 0.5) / n for place in range(n)]


def _level_ticks(frame: Panel, levels: Sequence[int]) -> list[Mark]:
    every = -(-len(levels) // _MOST_LEVELS)
    marks = zip(_shares(len(levels)), levels, strict=True)
    return [Mark(x=frame.x(share), text=str(level)) for share, level in marks][::every]


def _stairs(columns: Sequence[float], heights: Sequence[float | None]) -> Iterator[str]:
    """Yield the pieces of a path of steps, which has a gap where a height is None."""
    is_drawing = False
    for place, height in enumerate(heights):
        if height is not None:
            yield f"V{height}" if is_drawing else f"M{columns[place]} {height}"
            yield f"H{columns[place + 1]}"
        is_drawing = height is not None


def _colour(share: float) -> str:
    """Return a colour from dark violet (0) over blue to light green (1)."""
    return f"hsl({280 - 205 * share:.0f} {60 + 5 * share:.0f}% {26 + 22 * share:.0f}%)"


def _power(exponent: int) -> str:
    return f"10{str(exponent).translate(_RAISED)}" if exponent else "1"
