"""Single files on disk: how one is written, flushed and locked, and the error of a failure."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import logging
import os
import shlex
import stat
from typing import TYPE_CHECKING

from zarrpyramid.errors import AccessError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

logger = logging.getLogger(__name__)

TEMPORARY_SUFFIX = ".zarrpyramid-partial"
"""End of the name of a file that is being written. After a kill it may be removed."""

SYNCFS = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
"""Flushes a whole file system. macOS has no such function: there every file is flushed alone."""


def check_folder(path: Path) -> None:
    """Raise StoreError if there is no folder for a file that a user has named: it may be a typo."""
    if not (folder := path.absolute().parent).is_dir():
        make = shlex.join(["mkdir", "-p", str(folder)])
        raise StoreError(f"{folder} is no folder; check the path, or make it: {make}")


def write_aside(path: Path, data: bytes) -> None:
    """Write a file of results: under another name, flushed and renamed; StoreError if it fails."""
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
        raise failure("write", str(path), error) from error


def flush(folder: Path) -> None:
    """Flush the file system that holds a folder; costs the same for one file and for 10^6."""
    assert SYNCFS is not None
    descriptor = _open(folder)
    try:
        if SYNCFS(descriptor) != 0:
            number = ctypes.get_errno()
            raise failure("flush", str(folder), OSError(number, os.strerror(number)))
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False, busy: str = "") -> Iterator[None]:
    """Hold a lock of the system on a file or a folder while a block runs; it ends with the process.

    A network file system may refuse to lock a folder. The log says so, and nobody is held off.

    Parameters
    ----------
    busy
        The error where another process holds it. Without one, this process waits.

    Raises
    ------
    StoreError
        If the path cannot be opened, or another process holds it.
    """
    descriptor = _open(path)
    try:
        try:
            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB if busy else kind)
        except BlockingIOError:
            raise StoreError(busy) from None
        except OSError as error:
            logger.warning("%s cannot be locked (%s)", path, error.strerror)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would wait for its writer
    except OSError as error:
        raise failure("open", str(path), error) from error


def check_regular(mode: int, path: str) -> None:
    """Raise StoreError unless the mode of something that was opened is that of a regular file.

    A folder raises IsADirectoryError, since no object stands there.
    """
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(path)
    if not stat.S_ISREG(mode):
        raise no_regular_file(path)


def no_regular_file(path: str) -> StoreError:
    """Return the error of a pipe, a socket or a device in the place of a file."""
    return StoreError(
        f"{path} is a pipe, a socket or a device, expected a regular file; remove it, or restore "
        "the file from a copy"
    )


def failure(verb: str, path: str, error: OSError | ValueError) -> StoreError:
    """Return the error of a file that cannot be read or written."""
    told = f"cannot {verb} {path}: {getattr(error, 'strerror', None) or error}"
    if getattr(error, "errno", None) == errno.EROFS:
        told += "; mount its disk for writing, or give a place on another disk"
    is_refused = isinstance(error, PermissionError)
    failed = AccessError(f"{told}; check its permissions") if is_refused else StoreError(told)
    failed.errno = getattr(error, "errno", None)
    return failed
