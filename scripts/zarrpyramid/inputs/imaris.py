"""Reads Imaris files (.ims), which are HDF5: the finest of their levels, as t, c, z, y, x.

Imaris pads its datasets to whole chunks. The extents of the image stand in its `DataSetInfo`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from zarrpyramid.errors import ConfigError, StoreError

from .hdf5 import check_filters, filters_of, opened, read_dataset
from .hdf5_contents import why_no_image
from .image_input import InputForm
from .rows import row_blocks
from .units import unit_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.geometry import Region

    from .image_input import Block, Place

_AXES = ("t", "c", "z", "y", "x")
_LEVEL = "DataSet/ResolutionLevel 0"


@dataclass(frozen=True, kw_only=True)
class ImarisInput:
    """The finest level of an Imaris file.

    Attributes
    ----------
    filters
        Numbers of the HDF5 filters that its chunks went through.
    """

    name: str
    form: InputForm
    filters: tuple[int, ...]

    def read(self, region: Region) -> Block:
        """Return the voxels of a region."""
        check_filters(self.name, self.filters)
        times, channels, *box = region
        shape = tuple(part.stop - part.start for part in region)
        voxels = np.empty(shape, dtype=self.form.dtype)
        with opened(self.name) as file:
            for t in range(times.start, times.stop):
                for c in range(channels.start, channels.stop):
                    path = _data(t, c)
                    voxels[t - times.start, c - channels.start] = read_dataset(
                        f"{self.name}::{path}", file.get(path), self.form.dtype, tuple(box)
                    )
        return voxels

    def files(self, region: Region | None = None) -> Sequence[Path]:
        """Return the one file."""
        return [Path(self.name)]


def open_imaris(place: Place) -> ImarisInput:
    """Open an Imaris file.

    Raises
    ------
    ConfigError
        If a path inside the file is given, or a series: it has one image.
    StoreError
        If it has not the layout of Imaris 5.5 or later, or a channel of a time point is not there.
    """
    if place.inside or place.series not in (None, 0):
        raise ConfigError(
            f"{place.name} is an Imaris file, which has one image; give {place.path} alone, with "
            "channel to take one channel"
        )
    with opened(place.path) as file:
        level, image = file.get(_LEVEL), file.get("DataSetInfo/Image")
        if not isinstance(level, h5py.Group) or not isinstance(image, h5py.Group):
            raise StoreError(
                f"{place.path} has no {_LEVEL} and DataSetInfo/Image, expected an Imaris file of "
                "version 5.5 or later; save it anew by Imaris, or give its name the end .h5 and "
                "the path of a dataset after ::"
            )
        times = _numbers(level, "TimePoint ")
        first = level.get("TimePoint 0")
        channels = _numbers(first, "Channel ") if isinstance(first, h5py.Group) else 0
        extents = tuple(int(_word(image, key, place)) for key in "ZYX")
        datasets = [file.get(_data(t, c)) for t in range(times) for c in range(channels)]
        for number, dataset in enumerate(datasets):
            t, c = divmod(number, channels)
            problem = _problem(dataset, datasets[0], extents)
            if problem:
                raise StoreError(f"{place.path}::{_data(t, c)} {problem}; save the file again")
        if not datasets:
            raise StoreError(f"{place.path} has no time point or no channel; save the file again")
        filters = filters_of(datasets[0])
        check_filters(place.path, filters)
        voxel_size, unit = _sizes(image, extents)
        names = tuple(
            _attribute(file.get(f"DataSetInfo/Channel {c}"), "Name") for c in range(channels)
        )
        origins = {"axes": "its layout"}
        origins |= {"voxel_size": "its extent"} if voxel_size else {}
        origins |= {"unit": "its DataSetInfo"} if unit else {}
        origins |= {"channels": "its DataSetInfo"} if all(names) else {}
        chunks = datasets[0].chunks or row_blocks(extents, datasets[0].dtype.itemsize)
        form = InputForm(
            shape=(times, channels, *extents),
            dtype=datasets[0].dtype.name,
            axes=_AXES,
            blocks=(1, 1, *(min(edges) for edges in zip(chunks, extents, strict=True))),
            voxel_size=voxel_size,
            unit=unit,
            channels=names if all(names) else (),
            origins=origins,
        )
    return ImarisInput(name=place.path, form=form, filters=filters)


def _data(t: int, c: int) -> str:
    return f"{_LEVEL}/TimePoint {t}/Channel {c}/Data"


def _numbers(group: Any, start: str) -> int:
    """Return how many children a group has whose names start like this."""
    return sum(1 for name in group if name.startswith(start))


def _problem(dataset: Any, first: Any, extents: Sequence[int]) -> str:
    """Return why a dataset is not one of this image's, or ""."""
    if not isinstance(dataset, h5py.Dataset):
        return "is not there"
    if why_no_image(dataset):
        return why_no_image(dataset)
    if dataset.dtype != first.dtype:
        return f"is of {dataset.dtype.name}, expected {first.dtype.name} as the first channel"
    if dataset.ndim != 3 or any(n < m for n, m in zip(dataset.shape, extents, strict=True)):
        return f"has the shape {list(dataset.shape)}, expected at least {list(extents)}"
    return ""


def _attribute(group: Any, key: str) -> str:
    """Return an attribute, which Imaris writes letter by letter."""
    if group is None or key not in group.attrs:
        return ""
    value = group.attrs[key]
    letters = [value] if isinstance(value, str | bytes) else list(np.ravel(value))
    words = (one.decode("utf-8", "replace") if isinstance(one, bytes) else one for one in letters)
    return "".join(map(str, words)).strip("\0 ")


def _word(image: Any, key: str, place: Place) -> str:
    word = _attribute(image, key)
    if not word.isdigit() or int(word) < 1:
        raise StoreError(
            f"{place.path}: attribute {key} of DataSetInfo/Image is {word!r}, expected the number "
            "of voxels; save the file again"
        )
    return word


def _sizes(image: Any, extents: Sequence[int]) -> tuple[dict[str, float], dict[str, str]]:
    """Return voxel sizes and units, from the extent that the image covers."""
    sizes = {}
    for number, (axis, extent) in enumerate(zip("xyz", reversed(extents), strict=True)):
        try:
            ends = [float(_attribute(image, f"Ext{end}{number}")) for end in ("Min", "Max")]
        except ValueError:
            continue
        if ends[1] > ends[0]:
            sizes[axis] = (ends[1] - ends[0]) / extent
    unit = unit_named(_attribute(image, "Unit"))
    return sizes, dict.fromkeys(sizes, unit) if unit else {}
