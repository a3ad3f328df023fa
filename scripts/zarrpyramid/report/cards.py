"""The pictures of a report: for each channel a card a level, its middle slices side by side."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zarrpyramid.metadata import CHANNEL, SPACE, SYMBOLS, TIME
from zarrpyramid.plan import shown_sizes, times, voxel_size

from .figures import contrast_window, label_picture, slice_picture
from .slices import MOST_CHANNELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.plan import Image
    from zarrpyramid.verify import Pyramid

    from .slices import Preview, Slice

_COARSE = 150
"""Pixels along the longer edge up to which each shows as a square."""
_BAR = 0.3
"""Share of a picture's width that a scale bar has at most."""
_WORDS = {**SYMBOLS, "x": "\u00d7"}


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """One slice: its picture as a URL, its axes, and its shape as a ratio in CSS."""

    source: str
    alt: str
    axes: str
    ratio: str
    is_coarse: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """The views of a level. Side by side and one below the other they share axes.

    Attributes
    ----------
    columns, width
        Tracks of the grid that holds the views, and its width in rem.
    bar_share, bar_text
        Length of the scale bar in the first view, in percent of its width, and what it says.
    """

    level: int
    shape: str
    voxel_size: str
    columns: str
    width: str
    views: Sequence[View]
    bar_share: str
    bar_text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Channel:
    """The cards of a channel, the finest level first; `window` says what is black and white."""

    name: str
    window: str
    cards: Sequence[Card]


def channel_cards(
    image: Image, shown: Sequence[Preview], pyramid: Pyramid, side: int, *, is_labels: bool
) -> list[Channel]:
    """Return the pictures of all channels.

    Parameters
    ----------
    shown
        Levels that have slices, the finest first.
    side
        Pixels along the longer edge of a picture.
    is_labels
        Whether each id has a colour; grey values otherwise.
    """
    channels = []
    for number in dict.fromkeys(part.channel for part in shown[0].slices):
        parts = [[part for part in each.slices if part.channel == number] for each in shown]
        window = contrast_window([part.pixels for part in parts[0]])
        said = "" if is_labels else f"Black is {window[0]:.4g}, white is {window[1]:.4g}."
        cards = []
        for preview, own in zip(shown, parts, strict=True):
            pictures = [
                label_picture(part.pixels, side)
                if is_labels
                else slice_picture(part.pixels, window, side)
                for part in own
            ]
            cards.append(_card(image, preview.level, own, pictures))
        name = "" if number is None else _channel_name(pyramid, number)
        channels.append(Channel(name=name, window=said, cards=cards))
    return channels


def caption(image: Image, shown: Sequence[Preview], *, is_labels: bool) -> str:
    """Return what the pictures show, as sentences."""
    said = "The middle of the image" if len(shown[0].slices) > 1 else "The image"
    text = f"{said}, {'with a colour an id' if is_labels else 'in the same window at every level'}."
    types = {axis.type: number for number, axis in enumerate(image.plan.axes)}
    shape, dtype = image.plan.levels[0].shape, image.plan.base.dtype
    if TIME in types and shape[types[TIME]] > 1:
        text += " The first time point."
    if CHANNEL in types and shape[types[CHANNEL]] > MOST_CHANNELS:
        text += f" The first {MOST_CHANNELS} of {shape[types[CHANNEL]]} channels."
    if dtype.startswith("complex"):
        text += " Magnitudes of complex voxels."
    if dtype.startswith(("float", "complex")):
        text += " Magenta is NaN or infinite."
    return text


def _channel_name(pyramid: Pyramid, channel: int) -> str:
    known = pyramid.channels
    label = known[channel].get("label") if channel < len(known) else None
    return f"Channel {channel}: {label}" if label else f"Channel {channel}"


def _card(image: Image, level: int, parts: Sequence[Slice], pictures: Sequence[bytes]) -> Card:
    plan, axes = image.plan.levels[level], image.plan.axes
    sizes = voxel_size(axes, plan.downsampling)
    extents = [size * voxels for size, voxels in zip(sizes, plan.shape, strict=True)]
    first = parts[0]
    down, right = extents[first.rows], extents[first.columns]
    depth = extents[parts[1].rows] if len(parts) > 1 else 0.0
    views = [
        View(
            source=f"data:image/webp;base64,{base64.b64encode(data).decode()}",
            alt=f"Middle {axes[part.rows].name}{axes[part.columns].name} slice of level {level}"
            + ("" if part.channel is None else f", channel {part.channel}"),
            axes=f"{axes[part.rows].name}{axes[part.columns].name}",
            ratio=f"{extents[part.columns]:.6g} / {extents[part.rows]:.6g}",
            # Browsers show larger ones smaller than they are, and better with smooth edges.
            is_coarse=max(part.pixels.shape) < _COARSE,
        )
        for part, data in zip(parts, pictures, strict=True)
    ]
    spaces = [number for number, axis in enumerate(axes) if axis.type == SPACE]
    size = shown_sizes([axes[n] for n in spaces], tuple(plan.downsampling[n] for n in spaces))
    bar = _round_length(_BAR * right)
    return Card(
        level=level,
        shape=crosses(plan.shape),
        voxel_size=" ".join(_WORDS.get(word, word) for word in size.split(" ")),
        columns=" ".join(f"minmax(4px, {share:.6g}fr)" for share in (right, depth) if share),
        # No card is much higher than a screen.
        width=f"{30 * (right + depth) / (down + depth):.4g}",
        # The third view, whose columns are the depth, stands to the right of the first.
        views=[views[0], *views[2:], *views[1:2]],
        bar_share=f"{100 * bar / right:.4g}",
        bar_text=f"{bar:.10g} {_bar_unit(image, first.columns)}",
    )


def crosses(extents: Sequence[float]) -> str:
    """Return extents for people, with a cross between them."""
    return times(extents).replace(" x ", " \u00d7 ")


def _bar_unit(image: Image, axis: int) -> str:
    known = image.plan.axes[axis]
    named = SYMBOLS.get(known.unit or "", known.unit or "")
    return named or ("voxels of level 0" if known.size == 1 else "units")


def _round_length(most: float) -> float:
    """Return the largest of 1, 2 and 5 times a power of ten up to a length.

    >>> _round_length(0.3), _round_length(99.0), _round_length(1.0)
    (0.2, 50.0, 1.0)
    """
    power = float(f"1e{f'{most:.9e}'.partition('e')[2]}")
    return max(step * power for step in (1.0, 2.0, 5.0) if step * power <= most * (1 + 1e-9))
