"""The zoom strip: the same field of view at every level, each with a loupe on the same detail."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from zarrpyramid.metadata import SPACE

from .detail import find_detail
from .figures import as_url, contrast_window
from .frames import crosses, placed, voxel_text
from .markup import Markup, join, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from .detail import Detail
    from .figures import Window
    from .frames import Frames
    from .slices import Preview

    Pixels = np.ndarray[Any, np.dtype[Any]]

HEIGHT = 22
"""Rem that a frame of a strip is high, at most."""
_IN_A_ROW = 6


def zoom_strip(frames: Frames, shown: Sequence[Preview], side: int) -> Markup:
    """Return the first plane at every level that is shown, the finest first."""
    levels = [
        [channel.parts(preview.slices)[0].pixels for channel in frames.channels]
        for preview in shown
    ]
    active = [number for number, channel in enumerate(frames.channels) if channel.is_active]
    detail = find_detail(
        [[pixels[number] for number in active] for pixels in levels],
        [frames.channels[number].window for number in active],
        frames.ratio(0),
        is_labels=frames.is_labels,
    )
    finest, _ = _cut(frames, shown[0].level, levels[0], detail)
    windows = None
    if len(active) == 1 and not frames.is_labels:  # other proportions would be other colours
        windows = [contrast_window(finest)]
        windows *= len(frames.channels)
    panels = [
        _panel(frames, preview.level, pixels, detail, windows, side, has_bar=preview is shown[0])
        for preview, pixels in zip(shown, levels, strict=True)
    ]
    is_few = len(panels) == 2
    columns = -(-len(panels) // -(-len(panels) // _IN_A_ROW))
    style = f"--columns: {columns}; --width: {HEIGHT * frames.ratio(0):.4g}rem"
    note = (
        f"{'Right of' if is_few else 'Below'} each level is the framed detail, magnified: "
        f"{crosses(finest[0].shape)} voxels of level "
        f"{shown[0].level} where the image has most structure. Each voxel is a box"
        f"{', and the contrast is that of the detail' if windows else ''}."
    )
    return join(
        tag("div", *panels, class_="strip few" if is_few else "strip", style=style),
        tag("p", note, class_="soft"),
    )


def _panel(
    frames: Frames,
    level: int,
    pixels: Sequence[Pixels],
    detail: Detail,
    windows: Sequence[Window] | None,
    side: int,
    *,
    has_bar: bool,
) -> Markup:
    shape = frames.image.plan.levels[level].shape
    place = placed(detail.left, detail.top, detail.width, detail.height)
    mark = tag("span", class_="mark", style=place)
    said = f"middle {frames.name(0)} slice"
    picture = frames.draw(pixels, side)
    bar = frames.bar(0, level) if has_bar else None
    return tag(
        "figure",
        tag(
            "figcaption",
            tag("b", f"Level {level}"),
            tag("span", crosses(shape)),
            tag("span", f"voxel {voxel_text(frames.image, level, SPACE)}"),
        ),
        frames.frame(0, level, pixels[0].shape, picture, side, said, mark, bar),
        _loupe(frames, level, pixels, detail, windows),
        class_="panel",
    )


def _loupe(
    frames: Frames,
    level: int,
    pixels: Sequence[Pixels],
    detail: Detail,
    windows: Sequence[Window] | None,
) -> Markup:
    cut, place = _cut(frames, level, pixels, detail)
    shape = cut[0].shape
    shown = tag(
        "img",
        src=as_url(frames.draw(cut, max(shape), windows)),
        alt=f"Level {level}: the detail, {crosses(shape)} voxels",
        class_="coarse",
        style=place,
    )
    ratio = frames.ratio(0) * detail.width / detail.height
    style = f"aspect-ratio: {ratio:.6g}; --width: {HEIGHT * ratio:.4g}rem"
    return tag("div", shown, class_="frame loupe", style=style)


def _cut(
    frames: Frames, level: int, pixels: Sequence[Pixels], detail: Detail
) -> tuple[list[Pixels], str]:
    """Return the voxels of a level that a detail touches, and their place in the loupe."""
    down, right = frames.voxel(level, 0)
    height, width = pixels[0].shape
    top, bottom = _touched(detail.top, detail.height, down, height)
    left, end = _touched(detail.left, detail.width, right, width)
    place = placed(
        (left * right - detail.left) / detail.width,
        (top * down - detail.top) / detail.height,
        (end - left) * right / detail.width,
        (bottom - top) * down / detail.height,
    )
    return [part[top:bottom, left:end] for part in pixels], place


def _touched(first: float, extent: float, voxel: float, n: int) -> tuple[int, int]:
    """Return the first voxel of `n` that a stretch touches, and the one after the last."""
    start = min(int(first / voxel + 1e-6), n - 1)
    return start, max(start + 1, min(math.ceil((first + extent) / voxel - 1e-6), n))
