"""The folder of a zarr store, made of a single file, equal to what was packed to the byte."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from zarrpyramid.downsample import byte_bar
from zarrpyramid.errors import StoreError
from zarrpyramid.stores import is_url, open_store

from .new_place import new_place

if TYPE_CHECKING:
    from collections.abc import Mapping


def unpack(
    file: str | Path,
    folder: str | Path | None = None,
    *,
    storage_options: Mapping[str, Any] | None = None,
    progress: bool | None = None,
) -> Path:
    """Make a new folder of the objects in an archive, and return its path.

    Every object is held against the checksum that the archive has of it, and a file that `pack` has
    sealed against its seal.

    Parameters
    ----------
    folder
        By default beside the file, or here if the file is a URL, with its name.
    storage_options
        Options of a URL.
    progress
        Whether to show a bar; None shows one on a terminal and in a notebook.

    Raises
    ------
    PyramidError
        If the file is no archive or is damaged, leads out of the folder, or the folder is there or
        cannot be written. Nothing is left then.
    """
    path = str(file) if is_url(str(file)) else str(Path(file).absolute())
    archive = open_store(path, storage_options).archive
    if not (is_url(path) or Path(path).exists()):
        raise StoreError(f"there is no file {path}; check the path")
    if archive is None or archive.name != path:
        raise StoreError(f"{path} is no file that ends with .ozx or .zip; give one")
    if not archive.entries:
        raise StoreError(f"{path} holds no object; copy or download it again")
    place = (
        Path(folder)
        if folder is not None
        else _default_name(Path(path).name if is_url(path) else path)
    ).absolute()
    n_bytes = sum(entry.file_size for entry in archive.entries.values())
    with (
        new_place(place, n_bytes, is_folder=True) as partial,
        byte_bar(place.name, n_bytes, shown=progress) as count,
    ):
        for key, entry in archive.entries.items():
            target = partial / key
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as opened:
                for piece in archive.pieces(entry):
                    count(opened.write(piece))
        archive.check_seal()  # last: a checksum tells which object is damaged
    return place


def _default_name(file: str) -> Path:
    """Return the folder's path, which ends with .zarr."""
    stem = Path(file).with_suffix("")
    return stem if stem.suffix == ".zarr" else stem.with_name(f"{stem.name}.zarr")
