"""Refuses TIFFs of which tifffile gives a part: truncated ones, and those with planes missing."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

import numpy as np

from zarrpyramid.errors import StoreError

from .raw_files import read_bytes
from .tiff_header import NEEDED_TAGS

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPageSeries

    from zarrpyramid.geometry import Shape

    Tags = list[tuple[int, int, int, bytes]]
_BY_METADATA = {"is_ome": "OME-XML", "is_imagej": "ImageJ metadata", "is_shaped": "description"}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
"""Bytes of a value, by the number of its type."""
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
            f"{path} ends at byte {size}, its header names voxels up to byte {end}; it is "
            "truncated: restore it from a copy"
        )


def check_chain(file: TiffFile, path: str) -> None:
    """Refuse a file whose chain of pages breaks off, which tifffile takes for its end.

    So is one whose first page lacks a tag's value, such as the OME-XML at its end.
    """
    first, size = file.pages.first, file.filehandle.size
    tags, _ = _page_at(file, path, first.offset)
    for tag, kind, count, value in tags:
        if tag in NEEDED_TAGS and tag not in first.tags:
            raise StoreError(
                f"{path} has a damaged TIFF header (its tag {tag} cannot be read); restore it from "
                "a copy"
            )
        n_bytes = count * _SIZES.get(kind, 0)
        place = struct.unpack(file.tiff.offsetformat, value)[0]
        if n_bytes > len(value) and place + n_bytes > size:
            raise StoreError(
                f"{path} ends at byte {size}, its tag {tag} at byte {place + n_bytes}; it is "
                "truncated: restore it from a copy"
            )
    n_pages = len(file.pages)
    _, following = _page_at(file, path, file.pages[n_pages - 1].offset)
    if following:
        raise StoreError(
            f"{path} has a page at byte {following}, which cannot be read after {n_pages} others; "
            "it is truncated or damaged: restore it from a copy"
        )


def _page_at(file: TiffFile, path: str, place: int) -> tuple[Tags, int]:
    """Return the tags of a page, and where the next one is."""
    tiff, handle = file.tiff, file.filehandle.fileno()
    (n_tags,) = struct.unpack(tiff.tagnoformat, read_bytes(handle, path, place, tiff.tagnosize))
    place += tiff.tagnosize
    size = n_tags * tiff.tagsize
    found = read_bytes(handle, path, place, size + tiff.offsetsize)
    form = tiff.tagformat1 + tiff.tagformat2.lstrip("<>")
    following = struct.unpack(tiff.offsetformat, found[size:])[0]
    return list(struct.iter_unpack(form, found[:size])), following


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
            f"{list(page_shape)}, which do not fit; write it again, one plane per page"
        )
