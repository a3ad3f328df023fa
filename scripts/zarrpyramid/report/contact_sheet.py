"""Small pictures of many images side by side: the coarsest level of each, wells as on their plate.

Images of a plate share a window for each channel, so that wells can be compared. Others may have
nothing to do with each other: each is one picture, in the colours and windows of its own channels.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zarrpyramid.errors import PyramidError
from zarrpyramid.metadata import ome_attributes, read_node
from zarrpyramid.verify import read_pyramid

from .channels import find_channels
from .facts import shows_labels
from .figures import as_url, colour_picture, contrast_window, label_picture, slice_picture
from .slices import BUDGET, read_first_slices, read_planes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zarrpyramid.plan import Image

    from .channels import Channel
    from .slices import Slice

    Pixels = np.ndarray[Any, np.dtype[Any]]

MOST_CHANNELS = 3
"""Channels of a plate that are shown."""

MOST_PICTURES = 400
"""Images, at most, that a sheet without a plate shows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Strip:
    """A row of pictures in one: its heading, the picture as a URL, and what it shows."""

    heading: str
    source: str
    alt: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheet:
    """Pictures of a plate's channel, of images, or of labels.

    Attributes
    ----------
    columns
        Headings of the columns of a plate; empty where each strip is one image.
    side
        Pixels of each square.
    """

    title: str
    columns: Sequence[str]
    strips: Sequence[Strip]
    side: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Shown:
    """What was read of an image, and how it is shown; ids have a colour each."""

    slices: Sequence[Slice]
    channels: Sequence[Channel]
    is_labels: bool

    def picture(self, side: int) -> bytes:
        """Return the image as one picture, no edge of which is beyond `side`."""
        if self.is_labels:
            return label_picture(self.slices[0].pixels, side)
        active = [channel for channel in self.channels if channel.is_active]
        planes = [channel.parts(self.slices)[0].pixels for channel in active]
        windows = [channel.window for channel in active]
        return colour_picture(planes, windows, [channel.colour for channel in active], side)


class Contact:
    """What is shown of some images, read once, for sheets of any size.

    Parameters
    ----------
    images
        By name. Of the fields of a well, the first is shown.
    """

    def __init__(self, images: Mapping[str, Image]) -> None:
        fields = {name: image for name, image in images.items() if not image.plan.image.labels}
        self.is_plate = _are_of_one_plate(list(fields.values()))
        found = list(_first_fields(fields) if self.is_plate else images.items())
        shown = found if self.is_plate else found[:MOST_PICTURES]
        self.n_left_out = len(found) - len(shown)
        self._wells, self._planes, self._images = {}, {}, dict[str, _Shown]()
        for name, image in shown:
            if self.is_plate:
                self._wells[name] = image.path.split("/")[-3:-1]
                self._planes[name] = _planes(image)
            elif read := _read(image):
                self._images[name] = read

    def sheets(self, side: int) -> list[Sheet]:
        """Return the sheets, in squares of some pixels."""
        if self.is_plate:
            return list(self._plates(side))
        return [*self._gallery("", side, is_labels=False), *self._gallery("labels", side)]

    def _plates(self, side: int) -> Iterator[Sheet]:
        n_channels = max(map(len, self._planes.values()), default=0)
        for channel in range(min(n_channels, MOST_CHANNELS)):
            planes = {
                name: found[channel] for name, found in self._planes.items() if channel < len(found)
            }
            title = f"channel {channel}" if n_channels > 1 else ""
            window = contrast_window([plane[::4, ::4] for plane in planes.values()])
            yield self._plate(title, planes, window, side)

    def _gallery(self, title: str, side: int, *, is_labels: bool = True) -> Iterator[Sheet]:
        strips = [
            Strip(
                heading=name,
                source=as_url(shown.picture(side)),
                alt=f"coarsest level of {name}",
            )
            for name, shown in self._images.items()
            if shown.is_labels == is_labels
        ]
        if strips:
            yield Sheet(title=title, columns=(), strips=strips, side=side)

    def _plate(
        self, title: str, planes: Mapping[str, Pixels], window: tuple[float, float], side: int
    ) -> Sheet:
        wells = {name: self._wells[name] for name in planes}
        rows = list(dict.fromkeys(row for row, _ in wells.values()))
        found = {column for _, column in wells.values()}
        columns = sorted(found, key=lambda name: (len(name), name))  # 2 before 10
        tiles = {name: _square(plane, side) for name, plane in planes.items()}
        cell = 1 + max(max(tile.shape) for tile in tiles.values())  # a dark line between wells
        grid = {row: np.full((cell, cell * len(columns)), window[0]) for row in rows}
        for name, (row, column) in wells.items():
            tile, left = tiles[name], cell * columns.index(column)
            grid[row][: tile.shape[0], left : left + tile.shape[1]] = tile
        strips = []
        for row, pixels in grid.items():
            strips.append(
                Strip(
                    heading=row,
                    source=as_url(slice_picture(pixels, window, max(pixels.shape))),
                    alt=f"row {row}: the first field of each well, coarsest level, {title}",
                )
            )
        return Sheet(title=title, columns=columns, strips=strips, side=cell)


def _are_of_one_plate(images: Sequence[Image]) -> bool:
    """Tell whether all of some images are fields of wells of the same plate."""
    places = {(image.store.name, *image.path.split("/")[:-3]) for image in images}
    if len(places) != 1 or any(image.path.count("/") < 2 for image in images):
        return False
    above = "/".join(images[0].path.split("/")[:-3])
    try:
        node = read_node(images[0].store, above)
    except PyramidError:
        return False
    return node is not None and "plate" in ome_attributes(node.attributes, "plate")


def _first_fields(images: Mapping[str, Image]) -> Iterator[tuple[str, Image]]:
    """Yield the first image of each well."""
    wells: dict[str, list[str]] = defaultdict(list)
    for name, image in images.items():
        wells[image.path.rpartition("/")[0]].append(name)
    for names in wells.values():
        yield names[0], images[names[0]]


def _planes(image: Image) -> list[Pixels]:
    """Return the middle plane of each channel of the coarsest level; none of one that is absent."""
    try:
        return read_planes(image, len(image.plan.levels) - 1)
    except PyramidError:
        return []


def _read(image: Image) -> _Shown | None:
    """Return the coarsest level of an image; None of one that is absent, damaged or a line."""
    try:
        pyramid = read_pyramid(image.store, image.path)
        coarsest = pyramid.levels[len(image.plan.levels) - 1]
        slices = read_first_slices(pyramid, coarsest, BUDGET)
    except (PyramidError, IndexError):
        return None
    if not slices:
        return None
    is_labels = bool(image.plan.image.labels) or shows_labels(pyramid)
    return _Shown(slices=slices, channels=find_channels(pyramid, slices), is_labels=is_labels)


def _square(plane: Pixels, side: int) -> Pixels:
    """Return a plane in at most `side` x `side` pixels: every k-th of it, as a report shows it."""
    step = max(1, -(-max(plane.shape) // side))
    found: Pixels = plane[::step, ::step].astype(np.float64)
    return found
