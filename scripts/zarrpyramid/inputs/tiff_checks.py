"""Refuses TIFFs of which tifffile gives a part: truncated ones, and those with planes missing."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

import numpy as np

from zarrpyramid.errors import StoreError

from .raw_files import read_bytes

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPageSeries

    from zarrpyramid.geometry import Shape

_BY_METADATA = {"is_ome": "OME-XML", "is_imagej": "ImageJ metadata", "is_shaped": "description"}
_BY_PAGES = ("", "uniform", "generic")
"""Kinds of series that tifffile puts together of pages alone."""


def check_kind(file: TiffFile, series: TiffPageSeries, path: str) -> None:
    """Refuse a file whose pages alone are found, though it says what image they make."""
    if series.transform is not None:
        raise StoreError(
            f"{path} is of the kind {series.kind}, whose voxels are computed of those in the file; "
            "write them as a TIFF of their own"
        )
    said = [word for mark, word in _BY_METADATA.items() if getattr(file, mark)]
    if not said or series.kind not in _BY_PAGES:
        return
    if file.is_ome and "BinaryOnly" in (file.ome_metadata or ""):
        raise StoreError(
            f"{path} is a part of an OME-TIFF, whose metadata is in another file; give that file, "
            "or write the image as one file"
        )
    raise StoreError(
        f"{path} does not hold the image that its {said[0]} describes; it is truncated or damaged: "
        "restore it from a copy, or write it again"
    )


def check_size(path: str, end: int, size: int) -> None:
    """Refuse a file that ends before its last voxel does."""
    if end > size:
        raise StoreError(
            f"{path} ends at byte {size}, its header speaks of voxels up to byte {end}; it is "
            "truncated: restore it from a copy"
        )


def check_chain(file: TiffFile, path: str) -> None:
    """Refuse a file whose chain of pages breaks off, which tifffile takes for its end."""
    last = file.pages[len(file.pages) - 1].offset
    tiff = file.tiff
    fd = file.filehandle.fileno()
    (n_tags,) = struct.unpack(tiff.tagnoformat, read_bytes(fd, path, last, tiff.tagnosize))
    place = last + tiff.tagnosize + n_tags * tiff.tagsize
    (following,) = struct.unpack(tiff.offsetformat, read_bytes(fd, path, place, tiff.offsetsize))
    if following:
        raise StoreError(
            f"{path} has a page at byte {following}, which cannot be read after {len(file.pages)} "
            "others; it is truncated or damaged: restore it from a copy"
        )


def check_pages(series: TiffPageSeries, page_shape: Shape, path: str) -> None:
    """Refuse an image whose planes are not all there, one or more axes of it a page."""
    n_outer = len(series.shape) - len(page_shape)
    missing = [n for n, page in enumerate(series) if page is None]
    if missing:
        place = np.unravel_index(missing[0], series.shape[:n_outer]) if n_outer > 0 else ()
        outer = zip(series.axes[:n_outer].lower(), map(int, place), strict=True)
        named = ", ".join(f"{axis} {n}" for axis, n in outer)
        raise StoreError(
            f"{path} has no voxels for the plane at {named or 0} ({len(missing)} of {len(series)} "
            "planes are missing), which its metadata speaks of; restore the file that holds it, "
            "or write the image again"
        )
    n_pages = math.prod(series.shape[:n_outer])
    if tuple(series.shape[n_outer:]) != page_shape or n_pages != len(series):
        raise StoreError(
            f"{path} holds an image of shape {list(series.shape)} in {len(series)} pages of shape "
            f"{list(page_shape)}, which do not fit; write it again, a plane a page"
        )
