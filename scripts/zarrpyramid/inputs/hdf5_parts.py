"""Parts of an HDF5 dataset that lie in other files: virtual datasets, and external storage.

HDF5 gives fill values for what is missing there, without a word. Here it is looked for.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py

from zarrpyramid.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zarrpyramid.geometry import Region, Shape


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One of the parts of a dataset.

    Attributes
    ----------
    file, inside
        The file, and the dataset in it; "" where the voxels lie in the file as they are.
    region
        Which voxels it holds; None where it may be any.
    extents
        How far it must reach along each axis.
    n_bytes
        How many bytes the file has at least, where they lie in it as they are.
    """

    file: str
    inside: str = ""
    region: Region | None = None
    extents: Shape = ()
    n_bytes: int = 0

    def meets(self, region: Region) -> bool:
        """Tell whether it holds voxels of a region."""
        return self.region is None or all(
            own.start < asked.stop and asked.start < own.stop
            for own, asked in zip(self.region, region, strict=True)
        )

    def check_file(self, name: str) -> None:
        """Raise StoreError if the file is not there, or too short."""
        try:
            n_bytes = Path(self.file).stat().st_size
        except OSError:
            raise StoreError(
                f"{name} has a part in {self.file}, which is not there; put it back, or give the "
                "dataset of another file"
            ) from None
        if n_bytes < self.n_bytes:
            raise StoreError(
                f"{name} has a part in {self.file}, which has {n_bytes} bytes, expected at least "
                f"{self.n_bytes}; copy it again"
            )

    def check(self, name: str) -> None:
        """Raise StoreError if what it shall hold is not there."""
        self.check_file(name)
        if not self.inside:
            return
        try:
            with h5py.File(self.file, "r", locking=False) as file:
                found = file.get(self.inside)
                shape = found.shape if isinstance(found, h5py.Dataset) else None
        except OSError as error:
            raise StoreError(
                f"{name} has a part in {self.file}, which cannot be read ({error}); copy it again"
            ) from None
        if shape is None:
            raise StoreError(
                f"{name} has a part in the dataset {self.inside} of {self.file}, which is not "
                "there; put it back"
            )
        if len(shape) == len(self.extents) and any(
            found < needed for found, needed in zip(shape, self.extents, strict=True)
        ):
            raise StoreError(
                f"{name} has a part in {self.file}::{self.inside} of shape {list(shape)}, expected "
                f"at least {list(self.extents)}; copy it again"
            )


def parts_of(dataset: Any) -> tuple[tuple[Part, ...], Shape | None]:
    """Return the parts of a dataset in other files, and the chunks of the first of them."""
    if dataset.is_virtual:
        return _virtual(dataset)
    return tuple(_external(dataset)), None


def _virtual(dataset: Any) -> tuple[tuple[Part, ...], Shape | None]:
    created = dataset.id.get_create_plist()
    own = os.path.realpath(dataset.file.filename)
    parts: list[Part] = []
    chunks: Shape | None = None
    for number in range(created.get_virtual_count()):
        file, inside = created.get_virtual_filename(number), created.get_virtual_dsetname(number)
        if "%b" in file:  # a part for each number from 0 on; those that are not there end it
            parts += _numbered(own, file, inside)
            continue
        path = own if file == "." else _found(own, file)
        selected = created.get_virtual_vspace(number)
        if not parts and Path(path).is_file():
            with h5py.File(path, "r", locking=False) as first:
                found = first.get(inside)
                chunks = found.chunks if isinstance(found, h5py.Dataset) else None
        if path == own:  # no other file, and the same dataset is looked for by HDF5
            parts.append(Part(file=path, inside=inside, region=_box(selected, dataset.shape)))
            continue
        region = _box(selected, dataset.shape)
        extents = _reach(created.get_virtual_srcspace(number), region)
        parts.append(Part(file=path, inside=inside, region=region, extents=extents))
    return tuple(parts), chunks


def _numbered(own: str, file: str, inside: str) -> Iterator[Part]:
    for number in count():
        path = _found(own, file.replace("%b", str(number)))
        if not Path(path).is_file():
            return
        yield Part(file=path, inside=inside.replace("%b", str(number)))


def _box(selected: Any, shape: Shape) -> Region | None:
    """Return the box around a selection, or None where it has no end."""
    try:
        first, last = selected.get_select_bounds()
    except (ValueError, RuntimeError):
        return None
    if any(end >= extent for end, extent in zip(last, shape, strict=True)):
        return None
    return tuple(slice(int(a), int(b) + 1) for a, b in zip(first, last, strict=True))


def _reach(selected: Any, region: Region | None) -> Shape:
    """Return how far a part must reach, or () where that is not known."""
    if selected.get_select_type() == h5py.h5s.SEL_ALL and region is not None:
        return tuple(part.stop - part.start for part in region)
    try:
        return tuple(int(end) + 1 for end in selected.get_select_bounds()[1])
    except (ValueError, RuntimeError):
        return ()


def _external(dataset: Any) -> Iterator[Part]:
    for file, offset, size in dataset.external or ():
        # HDF5 looks for these from the working directory on.
        prefix = os.environ.get("HDF5_EXTFILE_PREFIX", "")
        prefix = prefix.replace("${ORIGIN}", os.path.dirname(dataset.file.filename))  # noqa: PTH120
        path = os.path.realpath(os.path.join(prefix, file))  # noqa: PTH118
        is_open = size == h5py.h5f.UNLIMITED
        yield Part(file=path, n_bytes=offset + (dataset.nbytes if is_open else size))


def _found(own: str, file: str) -> str:
    """Return where HDF5 finds a file that a virtual dataset names."""
    folder, prefix = os.path.dirname(own), os.environ.get("HDF5_VDS_PREFIX", "")  # noqa: PTH120
    named = file if file.startswith("/") else f"{folder}/{file}"
    places = [
        *([f"{prefix}/{file}"] if prefix else []),
        named,
        f"{folder}/{os.path.basename(file)}",  # noqa: PTH119 - thousands of parts
        os.path.abspath(file),  # noqa: PTH100
    ]
    return next((place for place in places if os.path.isfile(place)), named)  # noqa: PTH113
