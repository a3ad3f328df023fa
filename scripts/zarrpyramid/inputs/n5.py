"""Reads a dataset of an N5 container: `data.n5/volumes/raw`, or `data.n5::volumes/raw`.

The array is given in C order, the reverse of N5's dimensions. A block that is not there is 0, as N5
says.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zarrpyramid.errors import ConfigError, StoreError, nearest
from zarrpyramid.geometry import covering_units, unit_region

from .image_input import InputForm
from .n5_blocks import decode_block
from .n5_metadata import (
    DOCUMENT,
    Dataset,
    attributes,
    container,
    datasets,
    described,
    is_dataset,
    parsed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zarrpyramid.geometry import Index, Region

    from .image_input import Block, Place

_FINEST = "s0"
_MOST_SEEN, _MOST_LISTED = 1000, 30


@dataclass(frozen=True, kw_only=True)
class N5Input:
    """One dataset of an N5 container; `name` is its folder."""

    name: str
    form: InputForm
    dataset: Dataset

    def read(self, region: Region) -> Block:
        """Return the voxels of a region."""
        folder = Path(self.name)
        found = attributes(folder)
        # Without this a folder that is gone would be nothing but zeros.
        if not is_dataset(found) or parsed(folder, found) != self.dataset:
            raise StoreError(f"{self.name} has changed since it was opened; start again")
        voxels = np.zeros([part.stop - part.start for part in region], self.dataset.dtype)
        for index in covering_units(region, self.dataset.blocks):
            file = self._file(index)
            try:
                data = file.read_bytes()
            except FileNotFoundError:
                continue
            said = self.dataset
            block = decode_block(str(file), data, said.dtype, said.compression, said.blocks)
            box = unit_region(index, self.dataset.blocks, self.dataset.shape)
            shape = tuple(part.stop - part.start for part in box)
            # Some writers pad blocks at the edge.
            if any(n < m for n, m in zip(block.shape, shape, strict=True)):
                raise StoreError(
                    f"{file} has the shape {list(block.shape)}, expected {list(shape)}; copy it "
                    "again"
                )
            into, taken = [], []
            for own, asked in zip(box, region, strict=True):
                start, stop = max(own.start, asked.start), min(own.stop, asked.stop)
                into.append(slice(start - asked.start, stop - asked.start))
                taken.append(slice(start - own.start, stop - own.start))
            voxels[tuple(into)] = block[tuple(taken)]
        return voxels

    def files(self, region: Region | None = None) -> Sequence[Path]:
        """Return its document, and the blocks that are there."""
        document = Path(self.name) / DOCUMENT
        if region is None:
            return [document, *_files_below(self.name)]
        files = map(self._file, covering_units(region, self.dataset.blocks))
        return [document, *(file for file in files if file.exists())]

    def _file(self, index: Index) -> Path:
        return Path(self.name, *map(str, reversed(index)))


def open_n5(place: Place) -> N5Input:
    """Open a dataset of an N5 container, or the `s0` of a group.

    Raises
    ------
    ConfigError
        If there is no dataset, or several may be meant; the message lists them.
    StoreError
        If it is damaged, or of a data type or compression that is not served.
    """
    folder = Path(place.path, *filter(None, place.inside.split("/")))
    if place.series is not None:
        raise ConfigError(
            f"series is {place.series!r}, but datasets of N5 are named by their path: give source: "
            f"{place.path}/DATASET"
        )
    if not folder.is_dir():
        raise _not_there(folder)
    found = attributes(folder)
    if not is_dataset(found) and is_dataset(attributes(folder / _FINEST)):
        folder = folder / _FINEST
        found = attributes(folder)
    if not is_dataset(found):
        folder = _only(folder)
        found = attributes(folder)
    dataset = parsed(folder, found)
    form = InputForm(
        shape=dataset.shape,
        dtype=dataset.dtype,
        blocks=tuple(map(min, dataset.blocks, dataset.shape)),
        **described(folder, len(dataset.shape)),
    )
    return N5Input(name=str(folder), form=form, dataset=dataset)


def _only(folder: Path) -> Path:
    """Return the only dataset below a folder, or the `s0` of the only pyramid there."""
    there = [path for path, _ in datasets(folder, _MOST_SEEN)]
    finest = [path for path in there if path.name == _FINEST]
    for found in (there, finest):
        if len(found) == 1 and all(path.parent == found[0].parent for path in there):
            return found[0]
    if not there:
        raise ConfigError(f"{folder} has no dataset below it; check the path")
    raise ConfigError(
        f"{folder} has {len(there)} datasets: {_listed(folder)}; give one as source: {there[0]}"
    )


def _not_there(folder: Path) -> ConfigError:
    above = folder
    while not above.is_dir():
        above = above.parent
    top = container(above)
    inside = str(folder.relative_to(top)) if folder.is_relative_to(top) else str(folder)
    there = [str(path.relative_to(top)) for path, _ in datasets(top, _MOST_SEEN)]
    return ConfigError(
        f"{top} has no dataset {inside}{nearest(inside, there)}; there are {_listed(top)}; give "
        f"one of them as source: {top}/DATASET"
    )


def _listed(folder: Path) -> str:
    words = []
    for path, found in datasets(folder, _MOST_SEEN):
        dimensions = found["dimensions"]
        shape = dimensions[::-1] if isinstance(dimensions, list) else dimensions
        words.append(f"{path.relative_to(folder)} {shape} {found.get('dataType')}")
    more = len(words) - _MOST_LISTED
    listed = ", ".join(words[:_MOST_LISTED]) or "no datasets"
    return f"{listed} and {more} more" if more > 0 else listed


def _files_below(folder: str) -> Iterator[Path]:
    for here, names, files in os.walk(folder):
        names.sort()
        yield from (Path(here, name) for name in sorted(files) if name.isdigit())
