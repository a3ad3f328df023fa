"""The pictures of a report: the zoom strip, the planes of the finest level, and its channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zarrpyramid.metadata import CHANNEL, TIME

from .channels import find_channels
from .figures import label_picture, slice_picture
from .frames import Frames
from .markup import Child, Markup, tag
from .slices import MOST_CHANNELS
from .zoom import HEIGHT, zoom_strip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.plan import Image
    from zarrpyramid.verify import Pyramid

    from .slices import Preview

_HIGHEST = 40
"""Rem that the planes are high, at most: not much more than a screen."""


def pictures_section(
    image: Image, shown: Sequence[Preview], pyramid: Pyramid, side: int, *, is_labels: bool
) -> list[Child]:
    """Return all pictures.

    Parameters
    ----------
    shown
        Levels that have slices, the finest first.
    side
        Pixels along the longer edge of a picture of the strip; planes have a quarter more.
    is_labels
        Whether each id has a colour.
    """
    finest = shown[0]
    channels = find_channels(pyramid, finest.slices)
    planes = list(dict.fromkeys((part.rows, part.columns) for part in finest.slices))
    frames = Frames(image, channels, planes, is_labels=is_labels)
    title = f"{'Planes' if len(_crossing(frames)) > 1 else 'Plane'} of level {finest.level}"
    return [
        tag("h2", "Pictures", id="pictures"),
        tag("p", _caption(image, len(planes), len(shown), is_labels=is_labels)),
        None if is_labels else _legend(frames),
        zoom_strip(frames, shown, side) if len(shown) > 1 else None,
        tag("h3", title),
        _planes(frames, finest, side * 5 // 4),
        _channels(frames, finest, side * 5 // 8) if len(channels) > 1 else None,
    ]


def _caption(image: Image, n_planes: int, n_shown: int, *, is_labels: bool) -> str:
    """Return what the pictures show, as sentences."""
    axes, shape = image.plan.axes, image.plan.levels[0].shape
    dtype = image.plan.base.dtype
    types = {axis.type: number for number, axis in enumerate(axes)}
    text = "The middle of the image" if n_planes > 1 else "The image"
    text += ", the same field of view at every level." if n_shown > 1 else "."
    if is_labels:
        text += " Each id has a colour of its own."
    if TIME in types and shape[types[TIME]] > 1:
        text += " The first time point."
    if CHANNEL in types and shape[types[CHANNEL]] > MOST_CHANNELS:
        text += f" The first {MOST_CHANNELS} of {shape[types[CHANNEL]]} channels."
    if dtype.startswith("complex"):
        text += " Magnitudes of complex voxels."
    if dtype.startswith(("float", "complex")):
        text += " Magenta is NaN or infinite."
    return text


def _legend(frames: Frames) -> Markup:
    """Return which value is black and which is full, of each channel."""
    if len(frames.channels) == 1:
        (channel,) = frames.channels
        said = f"Black is {channel.window[0]:.4g}, white is {channel.window[1]:.4g}."
        return tag("p", f"{channel.name}: {said}" if channel.name else said, class_="soft")
    entries: list[Child] = [
        tag(
            "li",
            tag("span", class_="swatch", style=f"background: #{channel.colour}"),
            tag("b", channel.name),
            f" {channel.window[0]:.4g} to {channel.window[1]:.4g}"
            + ("" if channel.is_active else ", not in the pictures in colour"),
        )
        for channel in frames.channels
    ]
    return tag("ul", entries, class_="legend")


def _crossing(frames: Frames) -> list[int]:
    """Return the planes that show more than a line, the first one among them."""
    shape = frames.image.plan.levels[0].shape
    return [
        number
        for number, plane in enumerate(frames.planes)
        if not number or min(shape[axis] for axis in plane) > 1
    ]


def _planes(frames: Frames, finest: Preview, side: int) -> Markup:
    """Return the planes of the finest level side by side, all at one scale."""
    numbers = _crossing(frames)
    shown = [frames.planes[number] for number in numbers]
    widths = [frames.extents[columns] for _, columns in shown]
    channels = [channel.parts(finest.slices) for channel in frames.channels]
    views: list[Child] = []
    for number, width in zip(numbers, widths, strict=True):
        pixels = [parts[number].pixels for parts in channels]
        name = frames.name(number)
        bar = None if number else frames.bar(number, finest.level)
        views.append(
            frames.frame(
                *(number, finest.level, pixels[0].shape, frames.draw(pixels, side), side),
                *(f"middle {name} plane", tag("i", name) if len(shown) > 1 else None, bar),
                style=f"; --share: {width / max(widths):.4g}",
            )
        )
    tracks = " ".join(f"minmax(0, {width:.6g}fr)" for width in widths)
    highest = max(frames.extents[rows] for rows, _ in shown)
    style = f"grid-template-columns: {tracks}; max-width: {_HIGHEST * sum(widths) / highest:.4g}rem"
    return tag("div", *views, class_="planes", style=style)


def _channels(frames: Frames, finest: Preview, side: int) -> list[Child]:
    """Return the first plane of each channel of the finest level, in grey or by its ids."""
    drawn: list[Child] = []
    for channel in frames.channels:
        pixels = channel.parts(finest.slices)[0].pixels
        picture = (
            label_picture(pixels, side)
            if frames.is_labels
            else slice_picture(pixels, channel.window, side)
        )
        said = f"middle {frames.name(0)} slice of {channel.name}"
        drawn.append(
            tag(
                "figure",
                tag("figcaption", tag("b", channel.name)),
                frames.frame(0, finest.level, pixels.shape, picture, side, said),
                class_="panel",
            )
        )
    style = f"--columns: {max(len(drawn), 3)}; --width: {HEIGHT * frames.ratio(0):.4g}rem"
    return [tag("h3", "Channels"), tag("div", *drawn, class_="strip one", style=style)]
