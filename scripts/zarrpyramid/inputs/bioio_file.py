"""Reads what bioio's readers read: CZI, ND2, LIF, and others of which a reader is installed.

The axes are bioio's: T, C, Z, Y, X, with the samples of colours as the channels. Mosaics are put
together as bioio does. bioio takes seconds to be imported, and decodes whole planes.
"""

from __future__ import annotations

import os
import threading
import warnings
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bioio
import numpy as np
from bioio_base.exceptions import UnsupportedFileFormatError

from zarrpyramid.errors import ConfigError, PyramidError, StoreError, nearest
from zarrpyramid.programs import extra_command
from zarrpyramid.stores import image_format

from .image_input import COLOURS, InputForm, bioio_command
from .units import unit_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.geometry import Region

    from .image_input import Block, Place

_PLANES = ["Y", "X", "S"]
_IN_MICROMETERS = {"bioio_czi", "bioio_nd2", "bioio_lif"}
"""Readers whose sizes are in micrometres, which bioio does not say."""

_MOST_LISTED = 20

_opened = threading.local()
"""The image that a thread read last, with the process that opened it."""


@dataclass(frozen=True, kw_only=True)
class BioioInput:
    """One scene of a file.

    Attributes
    ----------
    scene
        Its number.
    order
        The dimensions of bioio's array.
    stamp
        Size and time of change of the file when it was opened.
    """

    path: str
    scene: int
    name: str
    form: InputForm
    order: str
    stamp: tuple[int, int]

    def read(self, region: Region) -> Block:
        """Return the voxels of a region."""
        if _stamp(self.path) != self.stamp:
            raise StoreError(f"{self.name} has changed since it was opened; start again")
        asked: dict[str, slice | int] = dict(zip(self.form.axes, region, strict=True))
        if "S" in self.order:  # samples are the channels, and of bioio's there is one
            asked["s"] = asked.pop("c")
            asked["c"] = 0
        try:
            voxels = _scene(self.path, self.scene).dask_data
            found = voxels[tuple(asked[axis] for axis in self.order.lower())]
            return np.asarray(found.compute(scheduler="synchronous"), self.form.dtype)
        except (PyramidError, MemoryError):
            raise
        except Exception as error:
            raise _unread(self.name, error) from error

    def files(self, region: Region | None = None) -> Sequence[Path]:
        """Return the file."""
        return [Path(self.path)]


def open_bioio(place: Place) -> BioioInput:
    """Open a scene of a file by the reader of bioio that takes it.

    Raises
    ------
    ConfigError
        If there are several scenes and none is named, or it is not there; the message lists them.
    StoreError
        If no reader that is installed takes the file, or it cannot be read.
    """
    if place.inside:
        raise ConfigError(
            f"{place.name}: bioio reads no path inside a file; name a scene by series"
        )
    try:
        return _opened_scene(place)
    except (PyramidError, MemoryError):
        raise
    except Exception as error:
        raise _unread(place.path, error) from error


def _opened_scene(place: Place) -> BioioInput:
    stamp = _stamp(place.path)
    image = _image(place.path)
    number = _number(image, place)
    image.set_scene(number)
    order, shape = image.dims.order, image.dask_data.shape
    blocks = image.dask_data.chunksize
    channels = tuple(str(name) for name in image.channel_names or ())
    name = f"{place.path} (scene {image.current_scene})" if len(image.scenes) > 1 else place.path
    extents = dict(zip(order, shape, strict=True))
    if "M" in extents or ("S" in extents and extents["C"] > 1):
        what = "tiles that bioio does not put together" if "M" in extents else "colours in channels"
        raise StoreError(f"{name} has {what}, expected T, C, Z, Y, X; write it as OME-TIFF")
    axes = tuple(order.lower())
    if "S" in extents:
        kept = [n for n, axis in enumerate(order) if axis != "C"]
        axes = tuple("c" if order[n] == "S" else axes[n] for n in kept)
        shape, blocks = tuple(shape[n] for n in kept), tuple(blocks[n] for n in kept)
        channels = COLOURS[: extents["S"]] if extents["S"] in (3, 4) else ()
    form = InputForm(
        shape=tuple(map(int, shape)),
        dtype=np.dtype(image.dtype).name,
        axes=axes,
        blocks=tuple(map(int, blocks)),
        channels=channels if len(channels) == extents.get("S", extents.get("C")) else (),
        **_sizes(image, axes),
    )
    return BioioInput(path=place.path, scene=number, name=name, form=form, order=order, stamp=stamp)


def _stamp(path: str) -> tuple[int, int]:
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        raise StoreError(f"{path} is not there any more; put it back") from None
    return found.st_size, found.st_mtime_ns


def _image(path: str) -> Any:
    try:
        with warnings.catch_warnings():  # those of other packages, about each other
            warnings.simplefilter("ignore")
            try:
                return bioio.BioImage(path, chunk_dims=_PLANES)
            except TypeError:  # a reader that always takes planes
                return bioio.BioImage(path)
    except UnsupportedFileFormatError as error:
        known = image_format(path)
        way_out = (
            f"install it: {extra_command(known.extra)}"
            if known and known.extra
            else f"take the one for such files: {bioio_command(path)}"
        )
        raise StoreError(
            f"{path} is read by no installed reader of bioio, or is damaged; {way_out}"
        ) from error


def _scene(path: str, scene: int) -> Any:
    """Return a scene that this thread has to itself."""
    key = (os.getpid(), path, scene, _stamp(path))
    if getattr(_opened, "key", None) != key:
        image = _image(path)
        image.set_scene(scene)
        _opened.key, _opened.image = key, image
    return _opened.image


def _number(image: Any, place: Place) -> int:
    scenes, series = list(image.scenes), place.series
    if series is None and len(scenes) == 1:
        return 0
    if isinstance(series, str) and series in scenes:
        return scenes.index(series)
    if isinstance(series, int) and 0 <= series < len(scenes):
        return series
    listed = []
    for number, scene in enumerate(scenes[:_MOST_LISTED]):
        image.set_scene(number)
        shape = [int(extent) for extent in image.dims.shape]
        listed.append(f"{number} {scene!r} {shape} {np.dtype(image.dtype).name}")
    more = len(scenes) - len(listed)
    there = ", ".join(listed) + (f" and {more} more" if more else "")
    if series is None:
        raise ConfigError(f"{place.path} has {len(scenes)} scenes: {there}; give series: N")
    hint = nearest(series, scenes) if isinstance(series, str) else ""
    raise ConfigError(
        f"series is {series!r}, {place.path} has {len(scenes)} scenes: {there}{hint}; give one of "
        "them by number or name"
    )


def _sizes(image: Any, axes: Sequence[str]) -> dict[str, Any]:
    """Return voxel sizes and units by axis, as keywords of `InputForm`."""
    reader = type(image.reader).__module__.partition(".")[0]
    said, found = image.physical_pixel_sizes, image.dimension_properties
    sizes = {axis: getattr(said, axis.upper(), None) for axis in axes if axis in "zyx"}
    sizes = {axis: float(size) for axis, size in sizes.items() if size and size > 0}
    units: dict[str, str] = {}
    for axis in sizes:
        unit = getattr(getattr(found, axis.upper(), None), "unit", None)
        named = unit_named(unit) if unit else None
        if named or reader in _IN_MICROMETERS:
            units[axis] = named or "micrometer"
    interval = image.time_interval
    if "t" in axes and isinstance(interval, timedelta) and interval.total_seconds() > 0:
        sizes["t"], units["t"] = interval.total_seconds(), "second"
    where = f"its metadata, by {reader.replace('_', '-')}"
    origins = {"axes": "bioio", **({"voxel_size": where} if sizes else {})}
    origins |= {"unit": where} if units else {}
    return {"voxel_size": sizes, "unit": units, "origins": origins}


def _unread(name: str, error: Exception) -> StoreError:
    why = str(error) or type(error).__name__
    return StoreError(f"{name} cannot be read by bioio ({why}); copy or write the file again")
