"""A new file or folder that is whole or absent: written beside its place, flushed, and renamed."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING

from zarrpyramid.errors import StoreError
from zarrpyramid.plan import free_room
from zarrpyramid.stores import TEMPORARY_SUFFIX, check_folder, locked, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def new_place(place: Path, n_bytes: int, *, is_folder: bool) -> Iterator[Path]:
    """Yield the path that is written to while a block runs; after it, it stands at its place.

    What a killed run has left there is written over. Where the block fails, nothing is left.

    Parameters
    ----------
    n_bytes
        How many will be written.

    Raises
    ------
    StoreError
        If something stands at the place, another process writes it, there is no room, or it cannot
        be written.
    """
    if place.exists() or place.is_symlink():
        raise StoreError(f"{place} is there already; give another name, or remove it")
    check_folder(place)
    partial = place.with_name(place.name + TEMPORARY_SUFFIX)
    busy = f"another process writes {place}; wait until it has ended"
    try:
        free = free_room(place.parent).n_bytes
        if free < n_bytes:
            raise StoreError(
                f"{place} needs {n_bytes:,} bytes, and {free:,} are free in {place.parent}; make "
                "room, or give a place on another disk"
            )
        if is_folder:
            partial.mkdir(exist_ok=True)
        else:
            partial.touch()
        with locked(partial, busy=busy):
            try:
                _clear(partial)
                yield partial
                if is_folder:
                    open_store(str(partial)).sync()
                partial.rename(place)
            except BaseException:
                _remove(partial)
                raise
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"cannot write {place}: {error.strerror or error}") from error


def _clear(partial: Path) -> None:
    """Remove what a run that was killed has left, but not what is locked."""
    if not partial.is_dir():
        os.truncate(partial, 0)
        return
    for inside in partial.iterdir():
        _remove(inside)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
