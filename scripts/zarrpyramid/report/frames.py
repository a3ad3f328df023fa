"""Frames that show one field of view: as wide and as high as level 0, with a slice of any level in.

A slice is placed by where its voxels are, so that the same place of the image is at the same place
of all frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarrpyramid.metadata import SYMBOLS
from zarrpyramid.plan import shown_sizes, times, voxel_size

from .figures import as_url, colour_picture, label_picture, step_of
from .markup import Child, Markup, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from zarrpyramid.plan import Image

    from .channels import Channel
    from .figures import Window

    Pixels = np.ndarray[Any, np.dtype[Any]]

_COARSE = 192
"""Pixels along the longer edge up to which each shows as a square."""
_NARROW = 8
"""Times that a frame with a scale bar is longer than wide, at most."""
_BAR = 0.3
"""Share of a frame's width that a scale bar has at most."""

_WORDS = {**SYMBOLS, "x": "\u00d7"}


class Frames:
    """The frames of an image.

    Parameters
    ----------
    planes
        Row and column axis of each plane.
    is_labels
        Whether each id has a colour.
    """

    def __init__(
        self,
        image: Image,
        channels: Sequence[Channel],
        planes: Sequence[tuple[int, int]],
        *,
        is_labels: bool,
    ) -> None:
        self.image, self.channels, self.planes = image, channels, planes
        self.is_labels = is_labels
        self.extents = self._extents(0)

    def name(self, plane: int) -> str:
        """Return the names of a plane's axes."""
        return "".join(self.image.plan.axes[axis].name for axis in self.planes[plane])

    def ratio(self, plane: int) -> float:
        """Return how many times wider than high a frame is."""
        rows, columns = self.planes[plane]
        return self.extents[columns] / self.extents[rows]

    def voxel(self, level: int, plane: int) -> tuple[float, float]:
        """Return the height and the width of a level's voxel, as shares of a frame."""
        own, shape = self._extents(level), self.image.plan.levels[level].shape
        down, right = (own[axis] / shape[axis] / self.extents[axis] for axis in self.planes[plane])
        return down, right

    def draw(
        self, pixels: Sequence[Pixels], side: int, windows: Sequence[Window] | None = None
    ) -> bytes:
        """Return a slice of all channels as a picture, with other windows where some are given."""
        if self.is_labels:
            return label_picture(pixels[0], side)
        windows = windows or [channel.window for channel in self.channels]
        found = [
            (part, window, channel.colour)
            for part, window, channel in zip(pixels, windows, self.channels, strict=True)
            if channel.is_active
        ]
        parts, shown, colours = zip(*found, strict=True)
        return colour_picture(parts, shown, colours, side)

    def frame(
        self,
        plane: int,
        level: int,
        shape: tuple[int, ...],
        picture: bytes,
        side: int,
        alt: str,
        *over: Child,
        style: str = "",
    ) -> Markup:
        """Return a frame with the picture of a slice of some shape, and what lies over it."""
        step = step_of(shape, side)
        down, right = self.voxel(level, plane)
        height, width = (-(-extent // step) * step for extent in shape)
        shown = tag(
            "img",
            src=as_url(picture),
            alt=f"Level {level}: {alt}",
            class_="coarse" if max(shape) < _COARSE else None,
            style=placed(0, 0, width * right, height * down),
        )
        ratio = f"aspect-ratio: {self.ratio(plane):.6g}{style}"
        return tag("div", shown, *over, class_="frame", style=ratio)

    def bar(self, plane: int, level: int) -> Markup | None:
        """Return a scale bar for a frame of a level, where it has room for its text."""
        if not 1 / _NARROW < self.ratio(plane) < _NARROW:
            return None
        axis = self.planes[plane][1]
        length = _round_length(_BAR * self.extents[axis])
        known = self.image.plan.axes[axis]
        unit = SYMBOLS.get(known.unit or "", known.unit or "")
        voxels = f"voxels{' of level 0' * (level > 0)}"
        unit = unit or (voxels if known.size == 1 else "units")
        share = f"width: {100 * length / self.extents[axis]:.4g}%"
        return tag("span", f"{length:.10g} {unit}", class_="bar", style=share)

    def _extents(self, level: int) -> list[float]:
        plan = self.image.plan.levels[level]
        sizes = voxel_size(self.image.plan.axes, plan.downsampling)
        return [size * voxels for size, voxels in zip(sizes, plan.shape, strict=True)]


def voxel_text(image: Image, level: int, *types: str) -> str:
    """Return the extents of a level's voxels along axes of some types, for people."""
    found = [
        (axis, factor)
        for axis, factor in zip(image.plan.axes, image.plan.levels[level].downsampling, strict=True)
        if axis.type in types
    ]
    sizes = shown_sizes([axis for axis, _ in found], tuple(factor for _, factor in found))
    return " ".join(_WORDS.get(word, word) for word in sizes.split(" "))


def crosses(extents: Sequence[float]) -> str:
    """Return extents for people, with a cross between them."""
    return times(extents).replace(" x ", " \u00d7 ")


def placed(left: float, top: float, width: float, height: float) -> str:
    """Return a place in a frame, given in shares of it, as CSS."""
    named = {"left": left, "top": top, "width": width, "height": height}
    return "; ".join(f"{key}: {100 * share:.5g}%" for key, share in named.items())


def _round_length(most: float) -> float:
    """Return the largest of 1, 2 and 5 times a power of ten up to a length.

    >>> _round_length(0.3), _round_length(99.0), _round_length(1.0)
    (0.2, 50.0, 1.0)
    """
    power = float(f"1e{f'{most:.9e}'.partition('e')[2]}")
    return max(step * power for step in (1.0, 2.0, 5.0) if step * power <= most * (1 + 1e-9))
