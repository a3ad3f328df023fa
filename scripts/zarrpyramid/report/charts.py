"""The histograms of all levels in one chart: lines as SVG, texts beside them.

Texts keep their size however wide the page is; the drawing is stretched below them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .markup import Child, Markup, tag

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

WIDTH, HEIGHT = 1000, 300
"""Units of the drawing."""
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def histogram_chart(edges: Sequence[float], counts: Mapping[int, Sequence[int]]) -> Markup:
    """Return the shares of voxels by value, a line a level, on a logarithmic axis.

    Parameters
    ----------
    edges
        Of the bins, one more than there are bins.
    counts
        Voxels in each bin, by level.
    """
    shares = {
        level: [n / max(sum(found), 1) for n in found] for level, found in sorted(counts.items())
    }
    seen = [share for found in shares.values() for share in found if share > 0] or [1.0]
    low, high = math.floor(math.log10(min(seen))), math.ceil(math.log10(max(seen)))
    low = min(low, high - 1)

    def y(share: float) -> float:
        return round(HEIGHT * (high - math.log10(share)) / (high - low), 1)

    columns = [round(WIDTH * _share(edge, edges[0], edges[-1]), 1) for edge in edges]
    hues = {
        level: 280 - 205 * place / max(len(shares) - 1, 1) for place, level in enumerate(shares)
    }
    lines: list[Child] = [
        tag(
            "path",
            d="".join(_stairs(columns, [y(share) if share else None for share in found])),
            style=f"--hue: {hues[level]:.0f}",
        )
        for level, found in shares.items()
    ]
    powers = range(high, low - 1, -math.ceil((high - low) / 6))
    at = {power: 100 * (high - power) / (high - low) for power in powers}
    texts: list[Child] = [
        *(
            tag("span", _power(power), class_="y", style=f"top: {top:.4g}%")
            for power, top in at.items()
        ),
        *(
            tag(
                "span",
                text,
                class_="x",
                style=f"left: {100 * _share(value, edges[0], edges[-1]):.4g}%",
            )
            for value, text in ticks(edges[0], edges[-1], 6)
        ),
    ]
    grid = "".join(f"M0 {HEIGHT * top / 100:.4g}H{WIDTH}" for top in at.values())
    drawing = tag(
        "svg",
        tag("path", d=grid, class_="grid"),
        lines,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        preserveAspectRatio="none",
        aria_hidden="true",
    )
    legend: list[Child] = [
        tag("li", tag("span", class_="swatch", style=f"--hue: {hue:.0f}"), f"level {level}")
        for level, hue in hues.items()
    ]
    named = ", ".join(map(str, shares))
    return tag(
        "div",
        tag("ul", legend, class_="legend"),
        tag("div", drawing, texts, class_="plot"),
        class_="chart",
        role="img",
        aria_label=f"Histograms of levels {named}, from {edges[0]:.6g} to {edges[-1]:.6g}",
    )


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


def _share(value: float, low: float, high: float) -> float:
    """Return where a value lies in a range, 0 to 1; halves, as a range may be wider than floats."""
    return (value / 2 - low / 2) / (high / 2 - low / 2)


def _stairs(columns: Sequence[float], heights: Sequence[float | None]) -> Iterator[str]:
    """Yield the pieces of a path of steps, which has a gap where a height is None."""
    is_drawing = False
    for place, height in enumerate(heights):
        if height is not None:
            yield f"V{height}" if is_drawing else f"M{columns[place]} {height}"
            yield f"H{columns[place + 1]}"
        is_drawing = height is not None


def _power(exponent: int) -> str:
    return f"10{str(exponent).translate(_RAISED)}" if exponent else "1"
