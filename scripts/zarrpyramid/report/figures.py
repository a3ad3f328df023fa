"""Pictures for a report: slices as WebP, charts as SVG, all in one style.

The only module that imports matplotlib, without a window and without its global state. Keeps out
HTML, files and where numbers come from.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib import image as mpl_image
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    Pixels = np.ndarray[Any, np.dtype[Any]]
    Floats = np.ndarray[Any, np.dtype[np.float64]]

INK, FAINT, ACCENT = "#5b6472", "#e6e8ec", "#0f766e"
NOT_FINITE = "#b5338a"
"""Colour of voxels that are NaN or infinite."""

_STYLE: Any = {  # whose keys matplotlib's types list, another list in each release
    "svg.fonttype": "none",
    "svg.hashsalt": "zarrpyramid",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
}
# Margins are given: a layout that matplotlib finds takes as long as the chart.
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_LEVELS = mpl.colormaps["viridis"]


def contrast_window(pixels: Sequence[Pixels]) -> tuple[float, float]:
    """Return the 0.5th and 99.8th percentile of all finite pixels; a window that is never empty."""
    flat = [np.asarray(plane, np.float64).ravel() for plane in pixels]
    values = np.concatenate(flat) if flat else np.empty(0)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return 0.0, 1.0
    low, high = (float(edge) for edge in np.percentile(values, [0.5, 99.8]))
    if high <= low:
        low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 1.0, high + 1.0)


def slice_picture(pixels: Pixels, window: tuple[float, float], side: int) -> bytes:
    """Return a slice in grey as WebP, every k-th pixel of it, so that no edge is beyond `side`."""
    shown = np.asarray(_thinned(pixels, side), np.float64)
    grey = mpl.colormaps["gray"].with_extremes(bad=NOT_FINITE)
    scaled = np.ma.masked_invalid((shown - window[0]) / (window[1] - window[0]))
    return _webp(grey(scaled, bytes=True), lossless=scaled.size <= 64**2)


def label_picture(pixels: Pixels, side: int) -> bytes:
    """Return a slice of labels as WebP: an id has the same colour in all pictures, 0 is black."""
    ids = np.asarray(_thinned(pixels, side)).astype(np.uint64)
    # Fibonacci hashing: neighbouring ids get colours far apart.
    hashed = ids * np.uint64(0x9E3779B97F4A7C15)
    hue = (hashed >> np.uint64(40)).astype(np.float64) / 2**24
    light = 0.62 + 0.38 * ((hashed >> np.uint64(20)) & np.uint64(0xFF)).astype(np.float64) / 255
    turns = np.array([0.0, 1 / 3, 2 / 3])
    # A cosine a channel: no colour map has as many colours.
    colour = light[..., None] * (0.58 + 0.42 * np.cos(2 * np.pi * (hue[..., None] - turns)))
    colour[ids == 0] = 0.0
    rgba = np.concatenate([colour, np.ones((*ids.shape, 1))], axis=-1)
    return _webp((255 * rgba).astype(np.uint8), lossless=True)


def drift_chart(levels: Sequence[int], statistics: Mapping[str, Sequence[float]]) -> bytes:
    """Return statistics by level as charts side by side, each on an axis of its own."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.0, 2.3))
        margins = {"left": 0.085, "right": 0.99, "bottom": 0.2, "top": 0.82, "wspace": 0.42}
        all_axes = figure.subplots(1, len(statistics), squeeze=False, gridspec_kw=margins)[0]
        for axes, (name, values) in zip(all_axes, statistics.items(), strict=True):
            axes.plot(levels, values, marker="o", color=ACCENT)
            axes.set_title(name, fontsize=9, loc="left", color=INK)
            axes.margins(x=0.12, y=0.25)
            axes.ticklabel_format(axis="y", useOffset=False)
            axes.yaxis.get_major_locator().set_params(nbins=4)
            _level_axis(axes)
        return _svg(figure)


def histogram_chart(edges: Floats, counts: Mapping[int, Pixels]) -> bytes:
    """Return the shares of voxels by value, one line a level, on a logarithmic axis."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.0, 2.9))
        axes = figure.subplots(
            gridspec_kw={"left": 0.07, "right": 0.99, "bottom": 0.16, "top": 0.97}
        )
        for position, (level, found) in enumerate(sorted(counts.items())):
            share = found / max(found.sum(), 1)
            colour = _LEVELS(0.9 * position / max(len(counts) - 1, 1))
            axes.stairs(
                np.where(share > 0, share, np.nan),
                edges,
                color=colour,
                label=f"level {level}",
                linewidth=1.6,
                baseline=None,
            )
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(_power))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("value")
        axes.set_ylabel("share of voxels")
        axes.legend(ncols=min(len(counts), 6), fontsize=8, loc="upper right")
        return _svg(figure)


def speed_chart(levels: Sequence[int], seconds: Sequence[float], rates: Sequence[float]) -> bytes:
    """Return seconds and GB/s by level as two bar charts."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.0, 2.1))
        margins = {"left": 0.01, "right": 0.99, "bottom": 0.22, "top": 0.88, "wspace": 0.04}
        for axes, values, name in zip(
            figure.subplots(1, 2, gridspec_kw=margins),
            (seconds, rates),
            ("seconds", "GB/s of voxels read"),
            strict=True,
        ):
            bars = axes.bar(levels, values, width=0.55, color=ACCENT)
            axes.bar_label(bars, fmt="%.3g", fontsize=8, padding=2, color=INK)
            axes.set_title(name, fontsize=9, loc="left", color=INK)
            axes.margins(x=0.1, y=0.2)
            axes.set_yticks([])  # the bars say it
            _level_axis(axes)
        return _svg(figure)


def _level_axis(axes: Axes) -> None:
    axes.set_xlabel("level")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=False, axis="x")


def _power(value: float, position: int) -> str:
    """Return a power of ten as text; what matplotlib makes is drawn by its own reader of TeX."""
    exponent = str(round(np.log10(value)))
    return f"10{exponent.translate(_RAISED)}" if exponent != "0" else "1"


def _thinned(pixels: Pixels, side: int) -> Pixels:
    step = max(1, -(-max(pixels.shape) // side))
    return pixels[::step, ::step]


def _webp(rgba: Pixels, *, lossless: bool) -> bytes:
    buffer = io.BytesIO()
    options = {"lossless": True} if lossless else {"quality": 82}
    mpl_image.imsave(buffer, rgba, format="webp", pil_kwargs=options)
    return buffer.getvalue()


def _svg(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    # Without date and program: equal charts have equal bytes.
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(buffer, format="svg", metadata=nothing)
    return buffer.getvalue()
