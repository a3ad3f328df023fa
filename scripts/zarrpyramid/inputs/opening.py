"""Which reader opens a source: by the file's name or first bytes, or by an entry point."""

from __future__ import annotations

import glob
import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.errors import ConfigError, StoreError
from zarrpyramid.programs import extra_command
from zarrpyramid.stores import image_format, is_url, split_archive

from .image_input import Place, bioio_command

if TYPE_CHECKING:
    from collections.abc import Callable

    from .image_input import Input

    Reader = Callable[[Place], Input]

_BIOIO = ("bioio_file", "open_bioio")

READERS = {
    **dict.fromkeys(("CZI", "ND2", "LIF"), _BIOIO),
    "numpy": ("npy", "open_npy"),
    "HDF5": ("hdf5", "open_hdf5"),
    "Imaris": ("imaris", "open_imaris"),
    "N5": ("n5", "open_n5"),
    "NIfTI": ("nifti", "open_nifti"),
    "MRC": ("mrc", "open_mrc"),
    "TIFF": ("tiff", "open_tiff"),
}
"""The module here and its function that opens a format, by the format's name in `stores`.

What has no name there is left to bioio, where it is installed.
"""

ENTRY_POINTS = "zarrpyramid.readers"
"""The group of entry points of readers of one's own, each named as the end of a file's name."""

_SEPARATOR = "::"
"""What stands between a file and the path of an image inside it."""


def split_place(source: str, series: int | str | None = None) -> Place:
    """Return a source as a place: what stands before ``::``, and what stands after it.

    >>> split_place("/data/scan.h5::/entry/data").inside
    '/entry/data'
    """
    path, _, inside = source.partition(_SEPARATOR)
    return Place(path=path, inside=inside, series=series)


def open_input(source: str, series: int | str | None = None) -> Input | None:
    """Open the image in a file of another format, or in a folder of such files.

    Parameters
    ----------
    source
        Path of a file or a folder, or a pattern of paths; after ``::`` the path of an image inside
        the file.
    series
        Number or name of one of several images in a file.

    Returns
    -------
    Input or None
        None where the source is of no known format, as a zarr store is.

    Raises
    ------
    PyramidError
        If nothing is there, the package that reads the format is not installed, or the file is
        damaged or does not hold what is asked for.
    """
    if is_url(source) or split_archive(source):
        return None
    place = split_place(source, series)
    reader = _own_reader(place) or _known_reader(place)
    if reader is None:
        return None
    try:
        return reader(place)
    except (OSError, ValueError, KeyError) as error:
        if isinstance(error, ConfigError | StoreError):
            raise
        raise StoreError(f"{place.name} cannot be read ({error}); write the file again") from error


def _own_reader(place: Place) -> Reader | None:
    """Return the reader of an entry point; the longest end of a name that fits wins."""
    from importlib.metadata import entry_points  # 30 ms, which an image without a source saves

    found = [
        point
        for point in entry_points(group=ENTRY_POINTS)
        if place.path.lower().endswith(f".{point.name.lower()}")
    ]
    if not found:
        return None
    point = max(found, key=lambda point: len(point.name))
    try:
        reader: Reader = point.load()
    except (ImportError, AttributeError) as error:
        raise StoreError(
            f"{place.path}: the reader of .{point.name}, {point.value}, cannot be loaded "
            f"({error}); fix its package, or uninstall it"
        ) from error
    return reader


def _known_reader(place: Place) -> Reader | None:
    path = place.path
    if glob.has_magic(path) and not os.path.exists(path):  # noqa: PTH110 - may be a pattern
        matched = sorted(glob.glob(path))  # noqa: PTH207 - absolute
        if not matched:
            raise StoreError(f"{path} matches no file; check the pattern")
        known = next(filter(None, map(image_format, matched)), None)  # others may lie beside
    else:
        known = image_format(path)
    if known is None and Path(path).is_file():
        if find_spec("bioio") is None:
            raise StoreError(
                f"{path} is in no format that is read here ({', '.join(READERS)}); save it as "
                "TIFF, give the folder of a zarr store, name a reader of your own, or take "
                f"bioio's: {bioio_command(path)}"
            )
    elif known is None or known.name not in READERS:
        return None
    module, function = READERS[known.name] if known else _BIOIO
    try:
        reader: Reader = getattr(import_module(f"{__package__}.{module}"), function)
    except ModuleNotFoundError as error:
        if known is None:
            raise
        raise StoreError(
            f"{Path(path).name} is of the format {known.name}, which {error.name} reads, a package "
            f"that is not installed; install it: {extra_command(known.extra)}"
        ) from None
    return reader
