"""An array whose voxels lie in a file one after the other, as they are or in a gzip stream."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zarrpyramid.errors import StoreError
from zarrpyramid.geometry import region_shape

from .gzip_stream import read_gzip
from .raw_files import Files, read_box
from .rows import row_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.geometry import Region, Shape

    from .image_input import Block, InputForm

_PIECE = 2**26
"""Bytes that are decompressed at once, at most where a row is no longer."""

_GZIP_BLOCK = 2**24
"""Bytes of a block in a gzip stream, where each read starts with decompressing what is before."""


@dataclass(frozen=True, kw_only=True)
class RawArray:
    """An array in a file.

    Attributes
    ----------
    file
        The one file, as it was when its header was read; once it has changed it is not read.
    offset
        Where its first byte stands, in what the file holds once it is decompressed.
    dtype
        With its byte order, such as ">i2".
    order
        "C", or "F" where the first axis is the one along which neighbours lie side by side.
    """

    file: Files
    offset: int
    dtype: str
    shape: Shape
    order: str
    is_gzip: bool

    @property
    def path(self) -> str:
        """Path of the file."""
        return self.file.paths[0]

    @property
    def blocks(self) -> Shape:
        """Extents of what is read at once."""
        size = np.dtype(self.dtype).itemsize
        if self.is_gzip:
            return row_blocks(self.shape, size, order=self.order, n_bytes=_GZIP_BLOCK)
        return row_blocks(self.shape, size, order=self.order)

    def check(self) -> None:
        """Raise StoreError if the file is too short; of gzip only reading tells."""
        n_bytes, _ = self.file.stamps[0]
        if self.offset < 0:
            raise StoreError(
                f"{self.path} says that its voxels begin at byte {self.offset}; copy or write "
                "it again"
            )
        expected = self.offset + math.prod(self.shape) * np.dtype(self.dtype).itemsize
        if not self.is_gzip and n_bytes < expected:
            raise StoreError(
                f"{self.path} is truncated: it has {n_bytes} bytes, expected {expected} for the "
                f"shape {list(self.shape)} of {np.dtype(self.dtype).name}; copy it again"
            )

    def read(self, region: Region) -> Block:
        """Return the voxels of a region, in the byte order of this machine.

        Raises
        ------
        StoreError
            If the file is truncated, or has changed.
        """
        dtype = np.dtype(self.dtype)
        with self.file.opened(0) as file:
            voxels = self._decompressed(region) if self.is_gzip else self._read(file, region)
        if dtype.isnative:
            return voxels
        return voxels.byteswap(inplace=True).view(dtype.newbyteorder("="))

    def _read(self, file: int, region: Region) -> Block:
        """Return a region of what is not compressed.

        It is not mapped into memory: a process that looks at what a file has lost meanwhile is
        ended by a signal.
        """
        is_c = self.order == "C"
        shape, box = (self.shape, region) if is_c else (self.shape[::-1], region[::-1])
        voxels = np.empty(region_shape(box), self.dtype)
        read_box(file, self.path, self.offset, shape, box, voxels)
        return voxels if is_c else voxels.transpose()

    def _decompressed(self, region: Region) -> Block:
        """Return a region, read in runs of whole rows, from the file's start to its end."""
        dtype = np.dtype(self.dtype)
        is_c = self.order == "C"
        shape = self.shape if is_c else self.shape[::-1]
        box = region if is_c else region[::-1]
        strides = [math.prod(shape[n + 1 :]) * dtype.itemsize for n in range(len(shape))]
        # The axis of the runs: the slowest one of which a piece holds one place at least.
        axis = next((n for n, stride in enumerate(strides) if stride <= _PIECE), len(shape) - 1)
        step = max(1, _PIECE // strides[axis])
        voxels = np.empty([part.stop - part.start for part in box], dtype)
        for outer in itertools.product(*(range(part.start, part.stop) for part in box[:axis])):
            into = tuple(n - part.start for n, part in zip(outer, box[:axis], strict=True))
            for first in range(box[axis].start, box[axis].stop, step):
                last = min(first + step, box[axis].stop)
                before = sum(n * stride for n, stride in zip(outer, strides, strict=False))
                start = self.offset + before + first * strides[axis]
                found = read_gzip(self.path, start, (last - first) * strides[axis])
                rows = np.frombuffer(found, dtype).reshape((last - first, *shape[axis + 1 :]))
                run = slice(first - box[axis].start, last - box[axis].start)
                voxels[(*into, run)] = rows[(slice(None), *box[axis + 1 :])]
        return voxels if is_c else voxels.transpose()


@dataclass(frozen=True, kw_only=True)
class RawInput:
    """The one image of a file, whose voxels are such an array."""

    name: str
    form: InputForm
    stored: RawArray

    def read(self, region: Region) -> Block:
        """Return the voxels of a region."""
        return self.stored.read(region)

    def files(self, region: Region | None = None) -> Sequence[Path]:
        """Return the file, or the two of a pair of header and voxels."""
        return [Path(name) for name in dict.fromkeys([self.name, self.stored.path])]
