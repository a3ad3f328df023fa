"""Reads regions of one TIFF page: raw voxels by offset, others strip by strip or tile by tile."""

from __future__ import annotations

import functools
import logging
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from tifffile import TiffFile, TiffPage

from zarrpyramid.errors import PyramidError, StoreError
from zarrpyramid.geometry import count, covering_units, intersection, relative_region, unit_number
from zarrpyramid.programs import extra_command

from .raw_files import read_box, read_bytes
from .rows import row_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from zarrpyramid.geometry import Region, Shape

    from .image_input import Block
    from .raw_files import Stamp

    Numbers = np.ndarray[Any, np.dtype[np.int64]]

_JPEG = (6, 7, 34892, 33007)
"""Codecs whose strips need what stands in the page's header."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Segments:
    """Where the strips or tiles of a page lie.

    Attributes
    ----------
    start
        Where the page's voxels lie one after the other, or None.
    tables
        What all strips of a JPEG share.
    """

    start: int | None
    offsets: Numbers | Sequence[int]
    counts: Numbers | Sequence[int]
    tables: bytes | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """How a page stores its voxels; pages of equal form share one.

    Attributes
    ----------
    shape
        Extents of the page's array.
    whole
        Extents with an edge of 1 for each that is not there: separate samples, depth, rows,
        columns, samples side by side.
    segment
        Extents of a strip or tile along depth, rows and columns.
    is_plain
        Whether the bytes of strips are the voxels, in this or the other byte order.
    is_swapped
        Whether that is not the order of this machine.
    source
        A page of this form, which is decoded by tifffile: path, place of its header, stamp.
    """

    shape: Shape
    whole: Shape
    dtype: str
    segment: Shape
    is_tiled: bool
    is_plain: bool
    is_swapped: bool
    is_jpeg: bool
    codec: str
    nodata: float
    jpeg_header: bytes | None
    source: tuple[str, int, Stamp]

    @property
    def n_segments(self) -> int:
        """Strips or tiles of a page."""
        return self.whole[0] * count(self.grid)

    @property
    def grid(self) -> Shape:
        """Strips or tiles along depth, rows and columns."""
        edges = zip(self.whole[1:4], self.segment, strict=True)
        return tuple(-(-extent // edge) for extent, edge in edges)

    @property
    def n_bytes(self) -> int:
        """Bytes of the page's array."""
        return count(self.shape) * np.dtype(self.dtype).itemsize

    @property
    def blocks(self) -> Shape:
        """What is decoded at once, of the page's array."""
        if self.is_plain and not self.is_tiled:
            return row_blocks(self.shape, np.dtype(self.dtype).itemsize)
        whole = (1, *map(min, self.segment, self.whole[1:4]), self.whole[4])
        return tuple(whole[n] for n in self.axes)

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of the page's array among those of `whole`; those of 1 may be left out."""
        axes = [n for n, extent in enumerate(self.whole) if n in (2, 3) or extent > 1]
        return tuple(axes)

    def start(self, offsets: Sequence[int], counts: Sequence[int]) -> int | None:
        """Return where the voxels of a page lie one after the other; None if they do not."""
        if not self.is_plain or (self.is_tiled and self.n_segments > 1):
            return None
        if len(offsets) != 1:
            ends = [place + size for place, size in zip(offsets, counts, strict=True)]
            if sum(counts) != self.n_bytes or list(offsets[1:]) != ends[:-1]:
                return None
        if self.is_tiled and self.segment != self.whole[1:4]:
            return None
        return offsets[0] or None

    def read(
        self,
        file: int,
        path: str,
        segments: Segments,
        region: Region,
        out: Block,
    ) -> None:
        """Read a region of a page into an array in C order.

        Raises
        ------
        StoreError
            If it cannot be read.
        """
        if segments.start is not None:
            read_box(file, path, segments.start, self.shape, region, out)
            if self.is_swapped:
                out.byteswap(inplace=True)
            return
        parts = iter(region)
        whole = tuple(next(parts) if n in self.axes else slice(0, 1) for n in range(5))
        view = out.reshape([part.stop - part.start for part in whole])
        decode = _decoder(*self.source)
        extra: dict[str, Any] = {}
        if self.is_jpeg:
            extra = {"jpegtables": segments.tables, "jpegheader": self.jpeg_header}
        units = (1, *self.segment, self.whole[4])
        grid = (self.whole[0], *self.grid, 1)
        offsets, counts = segments.offsets, segments.counts
        found = [(unit_number(index, grid), index) for index in covering_units(whole, units)]
        for number, index in sorted(found, key=lambda item: offsets[item[0]]):
            box = tuple(
                slice(n * unit, min((n + 1) * unit, extent))
                for n, unit, extent in zip(index, units, self.whole, strict=True)
            )
            shared = intersection(box, whole)
            target = view[relative_region(shared, whole)]
            if not counts[number]:
                self._fill(path, number, target)
                continue
            coded = read_bytes(file, path, int(offsets[number]), int(counts[number]))
            try:
                voxels = decode(coded, number, **extra)[0]
                target[...] = voxels[None][relative_region(shared, box)]
            except Exception as error:  # whatever a codec raises
                raise StoreError(
                    f"{path} cannot be decoded: {self.kind} {number}, at byte {offsets[number]}, "
                    f"coded by {self.codec}: {error}; restore it from a copy"
                ) from error

    @property
    def kind(self) -> str:
        """What a segment is called."""
        return "tile" if self.is_tiled else "strip"

    def _fill(self, path: str, number: int, out: Block) -> None:
        # A tile without bytes is one that its writer left out, as GDAL does; a strip is lost.
        if not self.is_tiled:
            raise StoreError(
                f"{path} has no bytes for strip {number}; its writer did not finish: restore it "
                "from a copy"
            )
        out[...] = self.nodata


@contextmanager
def opened_tiff(path: str) -> Iterator[TiffFile]:
    """Give an open file; what tifffile logs of its damage is left out, since an error says it.

    Raises
    ------
    StoreError
        If it cannot be understood.
    """
    silent = _IS_SILENT.set(True)
    try:
        with TiffFile(path) as file:
            yield file
    except PyramidError:
        raise
    except Exception as error:  # whatever a damaged file leads to
        raise StoreError(
            f"{path} cannot be read as TIFF ({error}); restore it from a copy"
        ) from error
    finally:
        _IS_SILENT.reset(silent)


_IS_SILENT = ContextVar("_IS_SILENT", default=False)
logging.getLogger("tifffile").addFilter(lambda record: not _IS_SILENT.get())


def layout_of(page: TiffPage, path: str, stamp: Stamp) -> Layout:
    """Return how a page stores its voxels.

    Raises
    ------
    StoreError
        If they cannot be decoded, with the package that could.
    """
    try:
        page.decode(None, 0, **({"jpegheader": None} if page.compression in _JPEG else {}))
    except Exception as error:
        raise StoreError(_undecodable(page, path, str(error))) from None
    dtype = page.dtype
    assert dtype is not None  # else it is not decoded
    if page.is_tiled:
        segment: Shape = (page.tiledepth, page.tilelength, page.tilewidth)
    else:
        segment = (1, min(page.rowsperstrip, page.imagelength) or 1, page.imagewidth)
    is_plain = (
        page.compression == 1
        and page.bitspersample == dtype.itemsize * 8
        and page.sampleformat != 5
        and page.fillorder == 1
        and page.predictor == 1
        and not page.is_subsampled
    )
    layout = Layout(
        shape=page.shape,
        whole=page.shaped,
        dtype=dtype.name,
        segment=segment,
        is_tiled=page.is_tiled,
        is_plain=is_plain,
        is_swapped=dtype.itemsize > 1 and (page.parent.byteorder == "<") != _IS_LITTLE,
        is_jpeg=page.compression in _JPEG,
        codec=getattr(page.compression, "name", str(page.compression)),
        nodata=page.nodata,
        jpeg_header=page.jpegheader,
        source=(path, page.offset, stamp),
    )
    if tuple(page.shaped[n] for n in layout.axes) != page.shape or 0 in page.shape:
        raise StoreError(f"{path} has pages of shape {list(page.shape)}; write the file again")
    return layout


_IS_LITTLE = sys.byteorder == "little"


def _undecodable(page: TiffPage, path: str, reason: str) -> str:
    codec = getattr(page.compression, "name", str(page.compression))
    if "imagecodecs" in reason:
        return (
            f"{path} is compressed by {codec}, which imagecodecs reads, a package that is not "
            f"installed; install it: {extra_command('tiff')}"
        )
    return f"{path} cannot be decoded, it is coded by {codec} ({reason}); write it by another codec"


@functools.lru_cache(maxsize=64)
def _decoder(path: str, offset: int, stamp: Stamp) -> Callable[..., tuple[Any, Any, Any]]:
    """Return what decodes strips and tiles of a page's form; each process has its own."""
    with opened_tiff(path) as file:
        file.filehandle.seek(offset)
        return TiffPage(file, 0).decode
