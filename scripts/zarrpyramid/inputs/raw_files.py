"""Files of voxels that are read by offset, straight into the array that is given out."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from zarrpyramid.errors import StoreError
from zarrpyramid.geometry import region_shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zarrpyramid.geometry import Region, Shape

    from .image_input import Block

_SMALL = 2**15
"""Bytes of a run below which whole rows are read and cut: a call costs as much as copying 16 KB."""
_MOST_CUT = 2**18
"""Bytes of whole rows up to which this is done; beyond, most of what is read would be cut off."""
_BUFFER = 2**22

Stamp = tuple[int, int]
"""Size in bytes, and time of the last change in nanoseconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Files:
    """Files as they were when the image was opened; one that has changed since is not read."""

    paths: tuple[str, ...]
    stamps: tuple[Stamp, ...]

    @contextmanager
    def opened(self, number: int) -> Iterator[int]:
        """Give a file's descriptor while it is as it was, before and after it is read.

        Raises
        ------
        StoreError
            If it has changed, or is gone.
        """
        path = self.paths[number]
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise StoreError(
                f"{path} is gone, which was there when the image was opened; restore it, and run "
                "again"
            ) from None
        except OSError as error:
            raise StoreError(f"{path} cannot be opened: {error.strerror}") from error
        try:
            self._check(file, number)
            yield file
            self._check(file, number)
        finally:
            os.close(file)

    def _check(self, file: int, number: int) -> None:
        if stamp_of(os.fstat(file)) != self.stamps[number]:
            raise StoreError(
                f"{self.paths[number]} has changed since the image was opened; let its writer "
                "finish, and run again"
            )


def stamp_of(found: os.stat_result) -> Stamp:
    """Return what a file's change shows in."""
    return found.st_size, found.st_mtime_ns


def files_at(paths: Iterable[str]) -> Files:
    """Return files as they are now.

    Raises
    ------
    StoreError
        If one is not there.
    """
    known = tuple(paths)
    try:
        stamps = tuple(stamp_of(os.stat(path)) for path in known)  # noqa: PTH116
    except FileNotFoundError as error:
        raise StoreError(f"{error.filename} is not there; put it back") from None
    return Files(paths=known, stamps=stamps)


def read_bytes(file: int, path: str, offset: int, size: int) -> bytes:
    """Return bytes of a file, all that are asked for.

    Raises
    ------
    StoreError
        If the file ends before.
    """
    found = os.pread(file, size, offset)
    while len(found) < size:
        more = os.pread(file, size - len(found), offset + len(found))
        if not more:
            raise _truncated(path, offset + size, offset + len(found))
        found += more
    return found


def read_box(file: int, path: str, offset: int, shape: Shape, region: Region, out: Block) -> None:
    """Read a region of an array that lies in a file in C order, without gaps.

    Parameters
    ----------
    offset
        Place of the array in the file, in bytes.
    shape
        Extents of the whole array.
    out
        Takes the region's voxels, in C order, in the byte order of the file.
    """
    extents = region_shape(region)
    strides = [out.itemsize] * len(shape)
    for n in range(len(shape) - 1, 0, -1):
        strides[n - 1] = strides[n] * shape[n]
    axis = len(shape) - 1  # what lies side by side is a part of this axis, and all of those after
    while axis > 0 and extents[axis] == shape[axis]:
        axis -= 1
    cut = axis  # axes after this one are read whole and cut
    while (
        cut > 0
        and extents[cut] * strides[cut] < _SMALL
        and strides[cut - 1] <= min(_MOST_CUT, _BUFFER)
    ):
        cut -= 1
    step = extents[cut] if cut == axis else max(1, _BUFFER // strides[cut])
    for outer in product(*(range(extent) for extent in extents[:cut])):
        start = offset + sum(
            (part.start + n) * stride
            for part, n, stride in zip(region, outer, strides, strict=False)
        )
        for first in range(0, extents[cut], step):
            n_rows = min(step, extents[cut] - first)
            place = start + (region[cut].start + first) * strides[cut]
            rows: Block = out[outer][first : first + n_rows]
            if cut == axis:
                _read_into(file, path, place, rows)
            else:
                whole = np.empty((n_rows, *shape[cut + 1 :]), out.dtype)
                _read_into(file, path, place, whole)
                rows[...] = whole[(slice(None), *region[cut + 1 :])]


def _read_into(file: int, path: str, offset: int, out: Block) -> None:
    left = memoryview(out.reshape(-1).view(np.uint8).data)
    while len(left):
        n_read = os.preadv(file, [left], offset)
        if not n_read:
            raise _truncated(path, offset + len(left), offset)
        left, offset = left[n_read:], offset + n_read


def _truncated(path: str, expected: int, found: int) -> StoreError:
    return StoreError(
        f"{path} ends at byte {found}, its header names what goes up to byte {expected}; it is "
        "truncated: restore it from a copy"
    )
