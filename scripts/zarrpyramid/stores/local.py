"""Keys and bytes of a store that is a local folder.

`Files` is all that the package asks of a store; what keys mean is for others to know. Every object
is written aside and renamed, so that no reader and no kill ever sees half of one.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import logging
import os
import shutil
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from zarrpyramid.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from contextlib import AbstractContextManager

logger = logging.getLogger(__name__)

TEMPORARY_SUFFIX = ".zarrpyramid-partial"
"""Ends the name of a file that is being written; after a kill it is litter that may be removed."""


_DEEPEST = 16
_ASIDE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW


class Store(Protocol):
    """A store as keys (paths with ``/``) and bytes."""

    @property
    def name(self) -> str:
        """Where the store is, for messages."""

    @property
    def shared(self) -> bool:
        """Whether other processes that get a pickle of it reach the same objects."""

    @property
    def lists(self) -> bool:
        """Whether it tells its keys; else `keys`, `children` and `stats` raise StoreError."""

    @property
    def at_once(self) -> int:
        """How many requests shall be under way at once, where answers are waited for; else 1."""

    def get(self, key: str) -> bytes | None:
        """Return an object, or None where there is none."""

    def get_range(self, key: str, start: int, length: int) -> bytes | None:
        """Return part of an object; a negative start counts from its end."""

    def get_into(
        self, key: str, buffer: memoryview, start: int = 0, length: int | None = None
    ) -> bytes | memoryview | None:
        """Return an object or part of it, in a buffer if it is known to fit there."""

    def size(self, key: str) -> int | None:
        """Return the bytes of an object, or None where there is none."""

    def put(self, key: str, data: bytes | memoryview) -> None:
        """Write an object whole or not at all."""

    def replace(self, key: str, change: Callable[[bytes | None], bytes | None]) -> None:
        """Replace an object by what `change` makes of it, or of none; None leaves it.

        To be called under `exclusive`. Where a store has no locks, `change` may be asked again.
        """

    def delete(self, key: str) -> None:
        """Remove an object if it is there."""

    def delete_tree(self, prefix: str) -> None:
        """Remove every object below a prefix."""

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys of all objects below a prefix, relative to it, in no order."""

    def children(self, prefix: str) -> list[str]:
        """Return the sorted names directly below a prefix that have objects below them."""

    def is_link(self, prefix: str) -> bool:
        """Tell whether a prefix stands for objects that are somewhere else."""

    def stats(self, prefix: str) -> Iterator[tuple[str, int, int]]:
        """Yield (relative key, bytes, version) of all objects; a rewrite changes the version."""

    def sync(self) -> None:
        """Return once all that was written would survive a power cut."""

    def hold(self, prefix: str, *, shared: bool = False) -> AbstractContextManager[None]:
        """Keep other processes from building what hangs on a prefix; refuse where one is at it.

        Those that hold it shared, as the parts of a level do, hold off all but each other.
        """

    def exclusive(self) -> AbstractContextManager[None]:
        """Hold off other processes that change documents of this store."""


# Linux has it; macOS does not.
_SYNCFS = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)


class LocalStore:
    """The files below a local folder.

    Instances are small and can be pickled: workers of a cluster open the same absolute path.

    Attributes
    ----------
    durable
        Whether what is written shall be on disk before what tells of it; False trusts the system
        to write it in its own time, and loses it with the power.
    trusted
        Folders elsewhere into which symbolic links may lead. One that leads out of the folder, and
        into none of them, is never followed.
    """

    def __init__(
        self, root: str | Path, *, durable: bool = True, trusted: Collection[str] = ()
    ) -> None:
        self.root = Path(root).absolute()
        self.durable = durable
        self.trusted = [*trusted]
        self._checked_folders: set[str] = set()
        self._known_folders: set[str] = set()
        self._held: Path | None = None

    def __reduce__(self) -> tuple[Callable[..., LocalStore], tuple[str]]:
        rebuild = partial(LocalStore, durable=self.durable, trusted=self.trusted)
        return rebuild, (str(self.root),)

    @property
    def name(self) -> str:
        """The absolute path."""
        return str(self.root)

    @property
    def shared(self) -> bool:
        """True: a process that sees the same file system reaches the same files."""
        return True

    @property
    def lists(self) -> bool:
        """True."""
        return True

    @property
    def at_once(self) -> int:
        """1: no thread waits long for a file."""
        return 1

    def get(self, key: str) -> bytes | None:
        """Return a file's bytes, or None where there is no file."""
        return self._read(key, 0, None)

    def get_range(self, key: str, start: int, length: int) -> bytes | None:
        """Return part of a file, short at its end; a negative start counts from the end."""
        return self._read(key, start, length)

    def get_into(
        self, key: str, buffer: memoryview, start: int = 0, length: int | None = None
    ) -> bytes | memoryview | None:
        """Return a file or part of it, in a buffer if it fits there.

        New memory for every file of 256 KB cost 80 us of page faults, as much as decoding it.
        """
        if length is not None and length > len(buffer):
            return self.get_range(key, start, length)
        wanted = buffer if length is None else buffer[:length]
        descriptor = self._open(key)
        if descriptor is None:
            return None
        try:
            filled = 0
            while filled < len(wanted):
                got = os.preadv(descriptor, [wanted[filled:]], start + filled)
                if not got:
                    return wanted[:filled]
                filled += got
        except IsADirectoryError:
            return None
        except OSError as error:
            raise self._failed("read", key, error) from error
        finally:
            os.close(descriptor)
        # What is much longer than expected is damaged, and not read to its end.
        return wanted if length is not None else self.get_range(key, 0, 4 * len(buffer))

    def size(self, key: str) -> int | None:
        """Return a file's bytes, or None where there is no file."""
        try:
            return os.stat(f"{self.root}/{key}").st_size  # noqa: PTH116
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise self._failed("read", key, error) from error

    def version(self, key: str) -> tuple[int, int] | None:
        """Return a file's bytes and time of change in ns, or None where there is none.

        As `stats` gives them: whoever writes a file gives it another one.
        """
        try:
            found = os.stat(f"{self.root}/{key}")  # noqa: PTH116
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._failed("read", key, error) from error
        return found.st_size, found.st_ctime_ns

    def put(self, key: str, data: bytes | memoryview) -> None:
        """Write a file aside and rename it, making folders as needed."""
        path = f"{self.root}/{key}"
        aside = f"{path}.{os.getpid()}-{threading.get_ident()}{TEMPORARY_SUFFIX}"
        try:
            self._make_folder(os.path.dirname(path))  # noqa: PTH120 - pathlib costs 4 us a chunk
            descriptor = os.open(aside, _ASIDE, 0o666)
            try:
                view = memoryview(data).cast("B")
                while view:
                    view = view[os.write(descriptor, view) :]
                if self.durable and _SYNCFS is None:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.rename(aside, path)  # noqa: PTH104
        except StoreError:
            raise
        except (OSError, ValueError) as error:
            with contextlib.suppress(OSError, ValueError):
                os.unlink(aside)  # noqa: PTH108
            raise self._failed("write", key, error) from error

    def replace(self, key: str, change: Callable[[bytes | None], bytes | None]) -> None:
        """Replace a file by what `change` makes of it; `exclusive` holds others off."""
        data = change(self.get(key))
        if data is not None:
            self.put(key, data)

    def delete(self, key: str) -> None:
        """Remove a file, if it is there."""
        try:
            (self.root / key).unlink(missing_ok=True)
        except NotADirectoryError:
            return
        except OSError as error:
            raise self._failed("remove", key, error) from error

    def delete_tree(self, prefix: str) -> None:
        """Remove a folder and all below it; a link is removed, never followed."""
        path = self.root / prefix
        self._known_folders.clear()
        try:
            if path.is_symlink():
                path.unlink()
            elif path.exists():
                shutil.rmtree(path)
        except OSError as error:
            raise self._failed("remove", prefix, error) from error

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the relative keys of all files below a folder."""
        for entry, key in self._walk(prefix):
            if not entry.is_dir(follow_symlinks=True):
                yield key

    def children(self, prefix: str) -> list[str]:
        """Return the names of the folders in a folder."""
        try:
            with os.scandir(self.root / prefix) as entries:
                return sorted(entry.name for entry in entries if entry.is_dir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except (OSError, ValueError) as error:
            raise self._failed("list", prefix, error) from error

    def is_link(self, prefix: str) -> bool:
        """Tell whether a folder is a symbolic link."""
        return (self.root / prefix).is_symlink()

    def link_target(self, prefix: str) -> str | None:
        """Return where a symbolic link leads, or None where there is none."""
        try:
            return os.readlink(self.root / prefix)  # noqa: PTH115
        except (OSError, ValueError):
            return None

    def link(self, prefix: str, target: str) -> None:
        """Make a symbolic link to a folder, aside and renamed, in the place of another or none."""
        path = f"{self.root}/{prefix}"
        partial = f"{path}.{os.getpid()}{TEMPORARY_SUFFIX}"
        try:
            self._make_folder(os.path.dirname(path))  # noqa: PTH120
            os.symlink(target, partial, target_is_directory=True)  # noqa: PTH211
            os.rename(partial, path)  # noqa: PTH104
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(partial)  # noqa: PTH108
            raise self._failed("link", prefix, error) from error

    def stats(self, prefix: str) -> Iterator[tuple[str, int, int]]:
        """Yield (relative key, bytes, time of change in ns) of all files below a folder.

        The time of change, of the inode: no copy or tool sets it back, as it does the modification
        time.
        """
        for entry, key in self._walk(prefix):
            if not entry.is_dir(follow_symlinks=True):
                if entry.is_symlink():
                    self._check_link(entry.path)
                found = entry.stat()
                yield key, found.st_size, found.st_ctime_ns

    def sync(self) -> None:
        """Flush the file system that holds the folder; costs the same for one file and for 10^6.

        Where the system cannot, every file was flushed when it was written.
        """
        if not self.durable or _SYNCFS is None:
            return
        descriptor = self._open_folder(self.root)
        try:
            if _SYNCFS(descriptor) != 0:
                number = ctypes.get_errno()
                raise self._failed("flush", "", OSError(number, os.strerror(number)))
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def hold(self, prefix: str, *, shared: bool = False) -> Iterator[None]:
        """Hold a lock on a folder, which ends with the process and leaves no file behind.

        A shared one holds off those alone that are not; no document may be changed under it.

        Raises
        ------
        StoreError
            If another process holds it.
        """
        folder = self.root / prefix
        if folder.is_symlink():
            # What is behind it is not ours to lock, and others may link to it as well.
            folder = folder.parent
        if not folder.exists():
            yield
            return
        descriptor = self._open_folder(folder)
        try:
            try:
                kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StoreError(
                    f"another process is building the levels beside {folder}, perhaps one that a "
                    "killed run left; wait until it has ended, or stop it, and run again"
                ) from None
            except OSError as error:
                logger.warning("%s cannot be locked (%s)", folder, error.strerror)
            self._held = None if shared else folder
            yield
        finally:
            self._held = None
            os.close(descriptor)

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold a lock on the folder itself, which leaves no file behind.

        Some network file systems refuse to lock a folder; there, images that share a store with
        consolidated metadata must not be built at the same time, and the log says so.
        """
        if self._held == self.root:  # and so by us: a second lock would wait for the first
            yield
            return
        descriptor = self._open_folder(self.root)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            except OSError as error:
                logger.warning("%s cannot be locked (%s)", self.root, error.strerror)
            yield
        finally:
            os.close(descriptor)

    def _walk(self, prefix: str) -> Iterator[tuple[os.DirEntry[str], str]]:
        pending = [""]
        while pending:
            folder = pending.pop()
            try:
                entries = os.scandir(f"{self.root}/{prefix}/{folder}")
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (OSError, ValueError) as error:
                raise self._failed("list", f"{prefix}/{folder}", error) from error
            with entries:
                for entry in entries:
                    key = f"{folder}{entry.name}"
                    yield entry, key
                    # No key is that deep, but a link to a folder above would have no end.
                    if entry.is_dir(follow_symlinks=True) and key.count("/") < _DEEPEST:
                        if entry.is_symlink():
                            self._check_link(entry.path)
                        pending.append(f"{key}/")

    def _read(self, key: str, start: int, length: int | None) -> bytes | None:
        # os.open and one pread: 7 us, against 16 us through pathlib and a buffered file.
        descriptor = self._open(key)
        if descriptor is None:
            return None
        try:
            size = os.fstat(descriptor).st_size
            first = max(0, size + start) if start < 0 else start
            wanted = max(0, size - first) if length is None else length
            data = os.pread(descriptor, wanted, first)
            while len(data) < wanted:  # one call reads 2 GiB at most
                more = os.pread(descriptor, wanted - len(data), first + len(data))
                if not more:
                    break
                data += more
        except IsADirectoryError:
            return None
        except OSError as error:
            raise self._failed("read", key, error) from error
        else:
            return data
        finally:
            os.close(descriptor)

    def _open(self, key: str) -> int | None:
        path = f"{self.root}/{key}"
        try:
            folder = path.rpartition("/")[0]
            if folder not in self._checked_folders:
                self._check_folder(folder)
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except StoreError:
            raise
        except (OSError, ValueError) as error:
            if not (getattr(error, "errno", None) == errno.ELOOP and os.path.islink(path)):  # noqa: PTH114
                raise self._failed("read", key, error) from error
        self._check_link(path)
        try:
            return os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._failed("read", key, error) from error

    def _open_folder(self, folder: Path) -> int:
        try:
            return os.open(folder, os.O_RDONLY)
        except OSError as error:
            raise StoreError(f"cannot open {folder}: {error.strerror or error}") from error

    def _make_folder(self, path: str) -> None:
        if path not in self._known_folders:
            self._check_folder(path)
            os.makedirs(path, exist_ok=True)  # noqa: PTH103
            self._known_folders.add(path)

    def _check_folder(self, path: str) -> None:
        """See, once for each folder, that no link on the way to it leads out of the store."""
        self._check_link(path)
        self._checked_folders.add(path)

    def _check_link(self, path: str) -> None:
        real = os.path.realpath(path)
        roots = (os.path.realpath(self.root), *self.trusted)
        if not any(f"{real}/".startswith(f"{root.rstrip('/')}/") for root in roots):
            raise StoreError(
                f"{path} leads through a symbolic link to {real}, out of the store; links are only "
                "followed with follow_links: true"
            )

    def _failed(self, verb: str, key: str, error: OSError | ValueError) -> StoreError:
        reason = getattr(error, "strerror", None) or error
        failure = StoreError(f"cannot {verb} {self.root}/{key}: {reason}")
        failure.errno = getattr(error, "errno", None)
        return failure


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
