"""Small pictures of many images side by side: the coarsest level of each, wells as on their plate.

Images of a plate share a window for each channel, so that wells can be compared; others have one
each, since they may have nothing to do with each other.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zarrpyramid.errors import PyramidError
from zarrpyramid.metadata import ome_attributes, read_node

from .figures import as_url, contrast_window, label_picture, slice_picture
from .slices import read_planes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zarrpyramid.plan import Image

    Pixels = np.ndarray[Any, np.dtype[Any]]

MOST_CHANNELS = 3
"""Channels that are shown."""

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
    """Pictures of a channel, or of labels.

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


class Contact:
    """What is shown of some images, read once, for sheets of any size.

    Parameters
    ----------
    images
        By name. Of the fields of a well, the first is shown.
    """

    def __init__(self, images: Mapping[str, Image]) -> None:
        first = next(iter(images.values()), None)
        self.is_plate = first is not None and _plate_of(first) is not None
        pictures = {name: image for name, image in images.items() if not image.plan.image.labels}
        labels = {name: image for name, image in images.items() if image.plan.image.labels}
        if self.is_plate:
            pictures = dict(_first_fields(pictures))
            labels = {}
        found = [*pictures.items(), *labels.items()]
        shown = found if self.is_plate else found[:MOST_PICTURES]
        self.n_left_out = len(found) - len(shown)
        self._wells = {name: image.path.split("/")[-3:-1] for name, image in shown}
        self._labels = {name for name, _ in shown if name in labels}
        self._planes: dict[str, list[Pixels]] = {name: _planes(image) for name, image in shown}

    def sheets(self, side: int) -> list[Sheet]:
        """Return the sheets, in squares of some pixels."""
        n_channels = max(map(len, self._planes.values()), default=0)
        made = []
        for channel in range(min(n_channels, MOST_CHANNELS)):
            planes = {name: found[channel] for name, found in self._planes.items()
                      if channel < len(found) and name not in self._labels}  # fmt: skip
            if planes:
                title = f"channel {channel}" if n_channels > 1 else ""
                if self.is_plate:
                    window = contrast_window([plane[::4, ::4] for plane in planes.values()])
                    made.append(self._plate(title, planes, window, side))
                else:
                    made.append(self._gallery(title, planes, side))
        labels = {name: self._planes[name][0] for name in self._labels if self._planes[name]}
        if labels:
            made.append(self._gallery("labels", labels, side, is_labels=True))
        return made

    def _gallery(
        self, title: str, planes: Mapping[str, Pixels], side: int, *, is_labels: bool = False
    ) -> Sheet:
        strips = [
            Strip(
                heading=name,
                source=as_url(
                    label_picture(plane, side)
                    if is_labels
                    else slice_picture(plane, contrast_window([plane]), side)
                ),
                alt=f"coarsest level of {name}",
            )
            for name, plane in planes.items()
        ]
        return Sheet(title=title, columns=(), strips=strips, side=side)

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


def _plate_of(image: Image) -> object | None:
    """Return what the group above an image's well says of its plate, or None."""
    steps = image.path.split("/")
    if len(steps) < 3:
        return None
    try:
        node = read_node(image.store, "/".join(steps[:-3]))
    except PyramidError:
        return None
    return None if node is None else ome_attributes(node.attributes, "plate").get("plate")


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


def _square(plane: Pixels, side: int) -> Pixels:
    """Return a plane in at most `side` x `side` pixels: every k-th of it, as a report shows it."""
    step = max(1, -(-max(plane.shape) // side))
    found: Pixels = plane[::step, ::step].astype(np.float64)
    return found
