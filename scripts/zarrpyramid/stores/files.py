"""Single files on disk: written aside and renamed, flushed, and what is said of a failure."""

from __future__ import annotations

import contextlib
import ctypes
import os
from typing import TYPE_CHECKING

from zarrpyramid.errors import StoreError

from .lock import opened

if TYPE_CHECKING:
    from pathlib import Path

TEMPORARY_SUFFIX = ".zarrpyramid-partial"
"""Ends the name of a file that is being written; after a kill it is litter that may be removed."""

SYNCFS = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
"""Flushes a whole file system. Linux has it; macOS does not: there every file is flushed alone."""


def write_aside(path: Path, data: bytes) -> None:
    """Write a file of results so that it is whole and on disk when it has its name.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from error


def flush(folder: Path) -> None:
    """Flush the file system that holds a folder; costs the same for one file and for 10^6."""
    assert SYNCFS is not None
    descriptor = opened(folder)
    try:
        if SYNCFS(descriptor) != 0:
            number = ctypes.get_errno()
            raise failure("flush", str(folder), OSError(number, os.strerror(number)))
    finally:
        os.close(descriptor)


def failure(verb: str, path: str, error: OSError | ValueError) -> StoreError:
    """Return what is raised where a file cannot be read or written."""
    failed = StoreError(f"cannot {verb} {path}: {getattr(error, 'strerror', None) or error}")
    failed.errno = getattr(error, "errno", None)
    return failed
