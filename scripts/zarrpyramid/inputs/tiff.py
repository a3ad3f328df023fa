"""Reads TIFF: a folder or a pattern of slices, or the image in one file."""

from __future__ import annotations

import functools
import glob
import os
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zarrpyramid.errors import ConfigError, StoreError
from zarrpyramid.geometry import region_shape, unit_number

from .raw_files import Files, files_at
from .slice_names import in_order
from .tiff_axes import with_samples_as_channels
from .tiff_file import TiffImage, open_file
from .tiff_header import read_header
from .tiff_page import Layout, Segments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.geometry import Region, Shape

    from .image_input import Block, Input, InputForm, Place
    from .raw_files import Stamp

_SUFFIXES = (".tif", ".tiff", ".btf", ".lsm")
"""Ends of names of those files in a folder that are slices."""


@dataclass(frozen=True, kw_only=True)
class TiffSlices:
    """A stack of files with one page each.

    Attributes
    ----------
    grid
        Files along each of the axes that they stand for.
    series
        What was asked for of the series of each file.
    layout
        How the first one stores its voxels.
    tags
        What its header says of that.
    """

    name: str
    form: InputForm
    known: Files
    grid: Shape
    series: int | str | None
    layout: Layout
    tags: tuple[object, ...]

    def read(self, region: Region) -> Block:
        """Return the voxels of a region."""
        out = np.empty(region_shape(region), self.form.dtype)
        n_outer = len(self.grid)
        places = product(*(range(part.start, part.stop) for part in region[:n_outer]))
        targets = out.reshape(-1, *out.shape[n_outer:])
        for place, target in zip(places, targets, strict=True):
            self._read_slice(unit_number(place, self.grid), region[n_outer:], target)
        return out

    def _read_slice(self, number: int, region: Region, out: Block) -> None:
        path, stamp = self.known.paths[number], self.known.stamps[number]
        with self.known.opened(number) as file:
            header = read_header(file, path, stamp[0])
            layout = self.layout
            if not header.is_single or header.form != self.tags:
                layout = self._other_layout(path, stamp)
            counts = header.counts or (layout.n_bytes,)
            if not len(header.offsets) == len(counts) == layout.n_segments:
                raise StoreError(
                    f"{path} has {len(header.offsets)} strips or tiles, expected "
                    f"{layout.n_segments}; restore it from a copy"
                )
            segments = Segments(
                start=layout.start(header.offsets, counts),
                offsets=header.offsets,
                counts=counts,
                tables=header.tables,
            )
            layout.read(file, path, segments, region, out)

    def _other_layout(self, path: str, stamp: Stamp) -> Layout:
        """Return the layout of a slice that is stored otherwise than the first."""
        image = _opened(path, self.series, stamp)
        first = self.known.paths[0]
        if image.layout.shape != image.form.shape:
            raise StoreError(
                f"{path} holds {len(image.form.shape)} axes, of shape {list(image.form.shape)}, "
                f"where {first} is one slice; take it out, or write it as slices"
            )
        _check_alike(image.form, path, self.layout.shape, self.layout.dtype, first)
        return image.layout

    def files(self, region: Region | None = None) -> Sequence[Path]:
        """Return the slices of a region."""
        return _files_of(self.known, self.grid, region)


@dataclass(frozen=True, kw_only=True)
class TiffStacks:
    """Files with an image of several planes each, along axes that their names speak of."""

    name: str
    form: InputForm
    known: Files
    grid: Shape
    series: int | str | None
    part: TiffImage = field(repr=False)

    def read(self, region: Region) -> Block:
        """Return the voxels of a region."""
        out = np.empty(region_shape(region), self.form.dtype)
        n_outer = len(self.grid)
        places = product(*(range(part.start, part.stop) for part in region[:n_outer]))
        targets = out.reshape(-1, *out.shape[n_outer:])
        for place, target in zip(places, targets, strict=True):
            number = unit_number(place, self.grid)
            path = self.known.paths[number]
            with self.known.opened(number):  # it is as it was when the image was opened
                image = _opened(path, self.series, self.known.stamps[number])
                _check_alike(
                    image.form, path, self.part.form.shape, self.form.dtype, self.known.paths[0]
                )
                target[...] = image.read(region[n_outer:])
        return out

    def files(self, region: Region | None = None) -> Sequence[Path]:
        """Return the files of a region."""
        return _files_of(self.known, self.grid, region)


def open_tiff(place: Place) -> Input:
    """Open a file, a folder of slices, or a pattern of their paths.

    A folder or pattern of one file is that file. Of a folder, files of other formats are left out,
    and those whose names begin with a dot.

    Raises
    ------
    StoreError
        If a slice is missing, or a file is damaged.
    ConfigError
        If it cannot be told which image is meant, or how its slices are put together.
    """
    if place.inside:
        raise ConfigError(
            f"{place.name} names a path inside a TIFF, which has none; leave ::{place.inside} out, "
            "and give series: N where it has several images"
        )
    path = Path(place.path)
    paths = [place.path] if path.is_file() else _paths(place)
    if len(paths) == 1:
        return with_samples_as_channels(open_file(paths[0], place.series))
    return with_samples_as_channels(_open_files(place, paths))


def _paths(place: Place) -> list[str]:
    if os.path.isdir(place.path):  # noqa: PTH112 - a pattern may be too long for a Path
        with os.scandir(place.path) as entries:
            names = [
                entry.name
                for entry in entries
                if not entry.name.startswith(".") and not entry.is_dir()
            ]
        found = [f"{place.path.rstrip('/')}/{name}" for name in names if _is_named_tiff(name)]
        if not found:
            raise StoreError(
                f"{place.path} holds no TIFF, expected files that end in {', '.join(_SUFFIXES)}; "
                "check the path, or give a pattern"
            )
        return found
    matched = [path for path in glob.glob(place.path) if Path(path).is_file()]  # noqa: PTH207
    found = [path for path in matched if _is_named_tiff(path)] or matched
    if not found:
        raise StoreError(f"{place.path} matches no file; check the pattern")
    return found


def _is_named_tiff(name: str) -> bool:
    return name.lower().endswith(_SUFFIXES)


def _open_files(place: Place, paths: Sequence[str]) -> Input:
    folder = os.path.commonpath([os.path.dirname(path) for path in paths])  # noqa: PTH120
    start = len(folder.rstrip("/")) + 1
    order = in_order([path[start:] for path in paths], place.path)
    known = files_at(f"{folder.rstrip('/')}/{name}" for name in order.names)
    first = open_file(known.paths[0], place.series)
    if len(first.known.paths) > 1:
        return _ome_files(first, place, known)
    part = first.form
    with known.opened(0) as file:
        header = read_header(file, known.paths[0], known.stamps[0][0])
    axes, is_plane = order.axes, part.shape == first.layout.shape
    if is_plane and axes == ("",):
        axes = ("z",)
    elif "" in axes or {*axes} & {*part.axes}:
        raise ConfigError(
            f"{place.path} holds {len(paths)} files of shape {list(part.shape)}, axes "
            f"{list(part.axes)}, and which axis they make cannot be told; put t, c or z, one that "
            "they do not have, before the number in their names, or give one file"
        )
    shape, axes = (*order.shape, *part.shape), (*axes, *part.axes)
    scale = first.scale.along(axes, shape)
    form = replace(
        part,
        shape=shape,
        axes=axes,
        blocks=(*(1,) * len(order.shape), *part.blocks),
        voxel_size=scale.size,
        unit=scale.unit,
        channels=scale.channels,
        origins={"axes": "the names of its files", **scale.origins()},
    )
    kept: dict[str, Any] = {
        "name": place.path,
        "form": form,
        "known": known,
        "grid": order.shape,
        "series": place.series,
    }
    if is_plane and header.is_single:
        return TiffSlices(layout=first.layout, tags=header.form, **kept)
    return TiffStacks(part=first, **kept)


def _ome_files(image: TiffImage, place: Place, known: Files) -> TiffImage:
    """Return the image of files whose OME-XML puts them together."""
    named, there = ({os.path.realpath(path) for path in f.paths} for f in (image.known, known))
    if named != there:
        raise ConfigError(
            f"{place.path} holds {len(there)} files, the OME-XML of {known.paths[0]} puts "
            f"{len(named)} together; give that file as source"
        )
    return replace(image, name=place.path)


def _check_alike(found: InputForm, path: str, shape: Shape, dtype: str, first: str) -> None:
    if found.shape != shape or found.dtype != dtype:
        raise StoreError(
            f"{path} has shape {list(found.shape)} and dtype {found.dtype}, expected "
            f"{list(shape)} and {dtype} as in {first}; take it out, or write it again"
        )


def _files_of(known: Files, grid: Shape, region: Region | None) -> Sequence[Path]:
    if region is None:
        return [*map(Path, known.paths)]
    places = product(*(range(part.start, part.stop) for part in region[: len(grid)]))
    return [Path(known.paths[unit_number(place, grid)]) for place in places]


@functools.lru_cache(maxsize=1024)
def _opened(path: str, series: int | str | None, stamp: Stamp) -> TiffImage:
    """Open a file; one that has changed is another one."""
    return open_file(path, series)
