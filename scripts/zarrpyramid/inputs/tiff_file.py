"""Reads the image of one TIFF, or of the files that its OME-XML names: one of its series.

All pages' places are found once, at opening. Of pyramids in a file level 0 is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tifffile import TIFF

from zarrpyramid.errors import ConfigError, StoreError, nearest
from zarrpyramid.geometry import count, region_shape, unit_number

from .image_input import InputForm
from .raw_files import Files, files_at, read_box
from .rows import row_blocks
from .tiff_axes import UNNAMED, axis_names
from .tiff_checks import check_chain, check_kind, check_pages, check_size
from .tiff_page import Layout, Segments, layout_of, opened_tiff
from .tiff_scale import Scale, scale_of, with_colours

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tifffile import TiffFile, TiffPageSeries

    from zarrpyramid.geometry import Region

    from .image_input import Block

    Numbers = np.ndarray[Any, np.dtype[np.int64]]

_OWN_CHAINS = ("imagej", "lsm", "mmstack", "ndpi", "ndtiff", "stk")
"""Kinds of series whose planes are counted by other means than the chain of pages."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pages:
    """Where pages lie.

    Attributes
    ----------
    file
        The number of each page's file.
    offsets, counts
        Place and size of each strip or tile: one row a page.
    starts
        Where each page's voxels lie one after the other, or None.
    tables
        Tables of JPEG, one a page, or () where no page has any.
    """

    file: Numbers
    offsets: Numbers
    counts: Numbers
    starts: tuple[int | None, ...]
    tables: tuple[bytes | None, ...]

    def segments(self, number: int) -> Segments:
        """Return where the strips or tiles of a page lie."""
        return Segments(
            start=self.starts[number],
            offsets=self.offsets[number],
            counts=self.counts[number],
            tables=self.tables[number] if self.tables else None,
        )


@dataclass(frozen=True, kw_only=True)
class TiffImage:
    """One series of a TIFF.

    Attributes
    ----------
    scale
        What the file says of voxels, also along axes that it has not.
    start
        Where all voxels lie one after the other, or None: then `pages` has the place of each page.
    """

    name: str
    form: InputForm
    known: Files
    layout: Layout
    scale: Scale
    start: int | None
    pages: Pages | None

    def read(self, region: Region) -> Block:
        """Return the voxels of a region."""
        out = np.empty(region_shape(region), self.form.dtype)
        if self.start is not None:
            with self.known.opened(0) as file:
                read_box(file, self.known.paths[0], self.start, self.form.shape, region, out)
            return out.byteswap(inplace=True) if self.layout.is_swapped else out
        pages, n_outer = self.pages, len(self.form.shape) - len(self.layout.shape)
        assert pages is not None
        grid = self.form.shape[:n_outer]
        places = list(product(*(range(part.start, part.stop) for part in region[:n_outer])))
        numbers = [unit_number(place, grid) for place in places]
        targets = out.reshape(len(places), *out.shape[n_outer:])
        for number_of_file in sorted({int(pages.file[number]) for number in numbers}):
            path = self.known.paths[number_of_file]
            with self.known.opened(number_of_file) as file:
                for number, target in zip(numbers, targets, strict=True):
                    if pages.file[number] != number_of_file:
                        continue
                    inner = region[n_outer:]
                    self.layout.read(file, path, pages.segments(number), inner, target)
        return out

    def files(self, region: Region | None = None) -> Sequence[Path]:
        """Return the files of a region's pages."""
        if region is None or self.pages is None or len(self.known.paths) == 1:
            return [*map(Path, self.known.paths)]
        n_outer = len(self.form.shape) - len(self.layout.shape)
        grid = np.reshape(self.pages.file, self.form.shape[:n_outer])
        return [Path(self.known.paths[n]) for n in np.unique(grid[region[:n_outer]])]


def open_file(path: str, series: int | str | None = None) -> TiffImage:
    """Open a file.

    Raises
    ------
    StoreError
        If it is damaged, truncated, or coded in a way that no installed package reads.
    ConfigError
        If it has several series, and none of them is chosen.
    """
    with opened_tiff(path) as file:
        chosen = _chosen(file, path, series)
        return _image(file, chosen, path, len(file.series) > 1)


def _chosen(file: TiffFile, path: str, wanted: int | str | None) -> TiffPageSeries:
    there = list(file.series)
    if not there:
        raise StoreError(f"{path} has no image; restore it from a copy")
    if file.is_lsm and wanted is None:
        there = there[:1]  # the others are its thumbnails
    if wanted is None:
        if len(there) > 1:
            raise ConfigError(
                f"{path} has {len(there)} series: {_listed(there)}; give series: N, one of these "
                "numbers"
            )
        return there[0]
    if isinstance(wanted, int) and not isinstance(wanted, bool) and 0 <= wanted < len(there):
        return there[wanted]
    named = [found for found in there if found.name == wanted]
    if len(named) != 1:
        hint = nearest(wanted, [found.name for found in there]) if isinstance(wanted, str) else ""
        which = "has two series" if len(named) > 1 else "has no series"
        raise ConfigError(f"{path} {which} {wanted!r}{hint}; there are: {_listed(there)}")
    return named[0]


def _listed(there: Sequence[TiffPageSeries]) -> str:
    shown = [
        f"{n}: {f'{found.name!r}, ' if found.name else ''}{list(found.shape)} {found.dtype}"
        for n, found in enumerate(there)
    ]
    return "; ".join([*shown[:20], *(["..."] if len(shown) > 20 else [])])


def _image(file: TiffFile, series: TiffPageSeries, path: str, is_one_of: bool) -> TiffImage:
    check_kind(file, series, path)
    paths: set[str] = set()
    if series.is_multifile:
        paths = {page.parent.filehandle.path for page in series if page is not None}
    known = files_at(sorted(paths) or [path])
    source = series.keyframe.parent.filehandle.path if paths else path
    layout = layout_of(series.keyframe, source, known.stamps[known.paths.index(source)])
    shape = tuple(map(int, series.shape))
    item = np.dtype(layout.dtype).itemsize
    if not paths and series.kind not in _OWN_CHAINS:
        check_chain(file, path)
    # Pages need not be there where one says what lies after the other, as in ImageJ's beyond 4 GB.
    start = series.dataoffset if layout.is_plain and not paths else None
    pages = None
    if start is not None:
        check_size(path, start + count(shape) * item, known.stamps[0][0])
        blocks = row_blocks(shape, item)
    else:
        check_pages(series, layout.shape, path)
        pages = _places(series, layout, known)
        blocks = (*(1,) * (len(shape) - len(layout.shape)), *layout.blocks)
    axes = axis_names(series.axes)
    if not axes:
        raise ConfigError(
            f"{path} has the axes {series.axes}, in tifffile's letters, of extents {list(shape)}, "
            "expected no more than time, channels, z, y and x; write the parts of it as files of "
            "their own"
        )
    said = with_colours(scale_of(file, series), series)
    scale = said.along(axes, shape)
    form = InputForm(
        shape=shape,
        dtype=layout.dtype,
        axes=axes,
        blocks=blocks,
        voxel_size=scale.size,
        unit=scale.unit,
        channels=scale.channels,
        origins={"axes": _why_axes(series, said.origin), **scale.origins()},
    )
    name = f"{path} (series {series._index})" if is_one_of else path
    return TiffImage(
        name=name, form=form, known=known, layout=layout, scale=said, start=start, pages=pages
    )


def _why_axes(series: TiffPageSeries, origin: str) -> str:
    if {*series.axes} & {*UNNAMED}:
        return "the order of its pages"
    why = origin if series.kind in ("ome", "imagej", "lsm") else "its format"
    pairs = zip(series.axes, axis_names(series.axes), strict=True)
    others = [f"{TIFF.AXES_NAMES[a]} is taken for {b}" for a, b in pairs if a not in "TCZYXS"]
    return "; ".join([why, *others])


def _places(series: TiffPageSeries, layout: Layout, known: Files) -> Pages:
    """Return where all pages lie, each with as many strips or tiles as its extents ask for."""
    numbers = {path: n for n, path in enumerate(known.paths)}
    n_segments, offsets, counts, tables, files = layout.n_segments, [], [], [], []
    for n, page in enumerate(series):
        assert page is not None
        places, sizes = page.dataoffsets[:n_segments], page.databytecounts[:n_segments]
        if len(places) != n_segments or len(sizes) != n_segments:
            raise StoreError(
                f"{known.paths[0]} has {len(places)} strips or tiles in page {n}, expected "
                f"{n_segments}; restore it from a copy"
            )
        offsets.append(places)
        counts.append(sizes)
        tables.append(page.jpegtables)
        files.append(numbers[page.parent.filehandle.path] if len(numbers) > 1 else 0)
    pages = Pages(
        file=np.array(files, np.int64),
        offsets=np.array(offsets, np.int64),
        counts=np.array(counts, np.int64),
        starts=tuple(map(layout.start, offsets, counts)),
        tables=tuple(tables) if any(tables) else (),
    )
    ends = (pages.offsets + pages.counts).max(axis=1)
    for n, (path, stamp) in enumerate(zip(known.paths, known.stamps, strict=True)):
        check_size(path, int(ends[pages.file == n].max(initial=0)), stamp[0])
    return pages
