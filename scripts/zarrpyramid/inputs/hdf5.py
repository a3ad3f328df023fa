"""Reads a dataset of an HDF5 file by h5py, whatever its chunks and filters.

Each read opens the file anew, without locks: no handle lives across calls or forks. A file that is
being written (SWMR) is not served.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from zarrpyramid.errors import PyramidError, StoreError
from zarrpyramid.programs import extra_command

from .hdf5_axes import described
from .hdf5_contents import found_dataset
from .hdf5_parts import Part, parts_of
from .image_input import InputForm
from .rows import row_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zarrpyramid.geometry import Region

    from .image_input import Block, Place

_FILTERS = {
    4: "szip",
    6: "scale-offset",
    305: "LZO",
    307: "bzip2",
    32000: "LZF",
    32001: "Blosc",
    32004: "LZ4",
    32008: "bitshuffle",
    32013: "ZFP",
    32015: "Zstandard",
    32017: "SZ",
    32024: "SZ3",
    32026: "Blosc2",
    32028: "SPERR",
}
"""Names of filters by their registered numbers."""


@dataclass(frozen=True, kw_only=True)
class Hdf5Input:
    """One dataset of an HDF5 file.

    Attributes
    ----------
    path, inside
        The file, and the dataset's path in it.
    filters
        Numbers of the filters that its chunks went through.
    parts
        What of it lies in other files: of virtual datasets, and of those with external storage.
    linked
        Files that hold the dataset itself, where it is behind links.
    """

    path: str
    inside: str
    form: InputForm
    filters: tuple[int, ...] = ()
    parts: tuple[Part, ...] = ()
    linked: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """The file and the dataset's path in it."""
        return f"{self.path}::{self.inside}"

    def read(self, region: Region) -> Block:
        """Return the voxels of a region; what was never written has the dataset's fill value."""
        check_filters(self.name, self.filters)
        for part in self.parts:
            if part.meets(region):
                part.check(self.name)
        with opened(self.path) as file:
            dataset = file.get(self.inside)
            if getattr(dataset, "shape", None) != self.form.shape:
                raise StoreError(f"{self.name} has changed since it was opened; start again")
            return read_dataset(self.name, dataset, self.form.dtype, region)

    def files(self, region: Region | None = None) -> Sequence[Path]:
        """Return the file, those that it links to, and those of the parts of a region."""
        found = dict.fromkeys([self.path, *self.linked])
        for part in self.parts:
            if region is None or part.meets(region):
                found[part.file] = None
        return [Path(name) for name in found]


def open_hdf5(place: Place) -> Hdf5Input:
    """Open a dataset of an HDF5 file.

    Raises
    ------
    ConfigError
        If the path inside the file is wrong, or absent where several datasets may be meant; the
        message lists them.
    StoreError
        If the file is truncated, a file that it needs is not there, or a filter's package is not
        installed.
    """
    with opened(place.path) as file:
        inside, dataset = found_dataset(file, place)
        name = f"{place.path}::{inside}"
        filters = filters_of(dataset)
        check_filters(name, filters)
        parts, blocks = parts_of(dataset)
        for part in parts:
            part.check_file(name)
        # A virtual dataset has no chunks of its own: those of its first part stand for them.
        blocks = dataset.chunks or blocks
        if blocks is None or len(blocks) != dataset.ndim:
            blocks = row_blocks(dataset.shape, dataset.dtype.itemsize)
        form = InputForm(
            shape=dataset.shape,
            dtype=dataset.dtype.name,
            blocks=tuple(min(edges) for edges in zip(blocks, dataset.shape, strict=True)),
            **described(dataset),
        )
        own = os.path.realpath(dataset.file.filename)
        linked = () if own == os.path.realpath(place.path) else (own,)
        return Hdf5Input(
            path=place.path, inside=inside, form=form, filters=filters, parts=parts, linked=linked
        )


@contextmanager
def opened(path: str) -> Iterator[Any]:
    """Hold a file open for reading.

    Raises
    ------
    StoreError
        If it is truncated or damaged, which may show later.
    """
    try:
        file = h5py.File(path, "r", locking=False)
    except FileNotFoundError:
        raise StoreError(f"{path} is not there any more; put it back") from None
    except OSError as error:
        why = "truncated" if "truncated" in str(error) else "damaged, or still open for writing"
        raise StoreError(
            f"{path} cannot be opened as HDF5: it is {why} ({error}); copy or write it again"
        ) from None
    with file:
        try:
            yield file
        except PyramidError:
            raise
        except (RuntimeError, OSError, ValueError, KeyError) as error:
            raise StoreError(
                f"{path} cannot be read as HDF5: it is damaged ({error}); copy or write it again"
            ) from error


def filters_of(dataset: Any) -> tuple[int, ...]:
    """Return the numbers of the filters that a dataset's chunks went through."""
    created = dataset.id.get_create_plist()
    return tuple(created.get_filter(n)[0] for n in range(created.get_nfilters()))


def check_filters(name: str, filters: Sequence[int]) -> None:
    """Make the filters of a dataset known to HDF5, by hdf5plugin where it has them not itself.

    Raises
    ------
    StoreError
        If one is not to be had.
    """
    if all(h5py.h5z.filter_avail(number) for number in filters):
        return
    has_plugins = _has_plugins()
    for number in filters:
        if not h5py.h5z.filter_avail(number):
            known = f" ({_FILTERS[number]})" if number in _FILTERS else ""
            way_out = (
                "which hdf5plugin does not have; write the dataset again without it, or set "
                "HDF5_PLUGIN_PATH to the folder of its plugin"
                if has_plugins
                else "which the package hdf5plugin brings, and it is not installed; install it: "
                f"{extra_command('hdf5')}"
            )
            raise StoreError(f"{name} is compressed by the HDF5 filter {number}{known}, {way_out}")


def _has_plugins() -> bool:
    try:
        import hdf5plugin  # noqa: F401 - importing it is what makes the filters known
    except ImportError:
        return False
    return True


def read_dataset(name: str, dataset: Any, dtype: str, region: Region) -> Block:
    """Return a region of a dataset.

    Raises
    ------
    StoreError
        If it is not the dataset that was opened first, or cannot be read.
    """
    if (
        not isinstance(dataset, h5py.Dataset)
        or dataset.dtype.name != dtype
        or dataset.ndim != len(region)
        or any(part.stop > n for part, n in zip(region, dataset.shape, strict=True))
    ):
        raise StoreError(f"{name} has changed since it was opened; start again")
    try:
        voxels = dataset[region]
    except (OSError, RuntimeError) as error:
        raise StoreError(
            f"{name} cannot be read ({error}); the file is damaged: copy or write it again"
        ) from None
    return np.asarray(voxels, dtype=np.dtype(dtype))
