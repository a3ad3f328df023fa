"""A store that is a local folder: a key is the path of a file in it.

A file is written aside and renamed, so that no reader and no kill ever sees half of one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.errors import StoreError, nearest

from . import files
from .files import TEMPORARY_SUFFIX, failure, flush
from .links import Links
from .lock import locked
from .store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from contextlib import AbstractContextManager

_UNWRITABLE = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EROFS)
_ASIDE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW


class LocalStore(Store):
    """The files below a local folder.

    Instances are small and can be pickled: workers of a cluster open the same absolute path.

    Parameters
    ----------
    durable
        Whether what is written is on disk before what tells of it; False trusts the system to
        write it in its own time, and loses it with the power.
    trusted
        Folders elsewhere into which symbolic links may lead. A link that leads out of the store,
        and into none of them, is never followed.
    """

    has_links = True

    def __init__(
        self, root: str | Path, *, durable: bool = True, trusted: Collection[str] = ()
    ) -> None:
        self.root = Path(root).absolute()
        self.durable = durable
        self._links = Links(self.root, trusted)
        self._checked_folders = self._links.checked
        self._known_folders: set[str] = set()
        self._held: Path | None = None

    def __reduce__(self) -> tuple[Callable[..., LocalStore], tuple[str]]:
        rebuild = partial(LocalStore, durable=self.durable, trusted=self._links.trusted)
        return rebuild, (str(self.root),)

    @property
    def name(self) -> str:
        """The absolute path."""
        return str(self.root)

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

    def version(self, key: str) -> tuple[int, int] | None:
        """Return a file's bytes and time of change in ns, or None where there is none.

        As `stats` gives them: whoever writes a file gives it another one.
        """
        try:
            found = os.stat(f"{self.root}/{key}")  # noqa: PTH116
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise self._failed("read", key, error) from error
        return found.st_size, found.st_ctime_ns

    def versions(self, prefix: str) -> Callable[[str], tuple[int, int] | None]:
        """Return what tells a file's version at the moment it is asked."""
        return lambda key: self.version(f"{prefix}/{key}")

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
                if self.durable and files.SYNCFS is None:
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

    def create(self, key: str, data: bytes, *, over: bytes | None = None) -> bool | None:
        """Write a file where there is none; None without a folder or the right to write in it."""
        path = f"{self.root}/{key}"
        self._links.check(os.path.dirname(path))  # noqa: PTH120
        if over is not None:
            self.delete_if(key, over)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno in _UNWRITABLE:
                return None
            raise self._failed("write", key, error) from error
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
        except OSError as error:  # on a full disk there is room for its name alone
            self.delete(key)
            raise self._failed("write", key, error) from error
        return True

    def delete_if(self, key: str, data: bytes) -> None:
        """Remove a file if it still is `data`."""
        try:
            # Of two that find the same file the second must not remove what the first has put
            # there since.
            with locked(self.root / key):
                super().delete_if(key, data)
        except StoreError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                raise

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
        for entry, key in self._links.walk(prefix):
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

    def link_target(self, prefix: str) -> str | None:
        """Return where a symbolic link leads, or None where there is none."""
        return self._links.target(prefix)

    def link(self, prefix: str, target: str) -> None:
        """Make a symbolic link to a folder, in the place of another one or of nothing."""
        self._make_folder(os.path.dirname(f"{self.root}/{prefix}"))  # noqa: PTH120
        self._links.make(prefix, target)

    def stats(self, prefix: str) -> Iterator[tuple[str, int, int]]:
        """Yield (relative key, bytes, time of change in ns) of all files below a folder.

        The time of change, of the inode: no copy or tool sets it back, as it does the modification
        time.
        """
        for entry, key in self._links.walk(prefix):
            if not entry.is_dir(follow_symlinks=True):
                if entry.is_symlink():
                    self._links.check(entry.path)
                found = entry.stat()
                yield key, found.st_size, found.st_ctime_ns

    def sync(self) -> None:
        """Flush the file system; where it cannot, every file was flushed when it was written."""
        if self.durable and files.SYNCFS is not None:
            flush(self.root)

    @contextlib.contextmanager
    def hold(self, prefix: str, *, shared: bool = False) -> Iterator[None]:
        """Lock a folder; no document may be changed while it is held `shared`."""
        folder = self.root / prefix
        if folder.is_symlink():
            # What is behind it is not ours to lock, and others may link to it as well.
            folder = folder.parent
        if not folder.exists():
            yield
            return
        with locked(folder, shared=shared, waits=False):
            self._held = None if shared else folder
            try:
                yield
            finally:
                self._held = None

    def exclusive(self) -> AbstractContextManager[None]:
        """Lock the store's folder itself."""
        if self._held == self.root:  # and so by us: a second lock would wait for the first
            return contextlib.nullcontext()
        return locked(self.root)

    def above(self) -> tuple[LocalStore, str] | None:
        """Return the store of the folder above."""
        if self.root == self.root.parent:
            return None
        parent = LocalStore(self.root.parent, durable=self.durable, trusted=self._links.trusted)
        return parent, self.root.name

    def folder(self, prefix: str) -> Path:
        """Return the folder of a prefix, which may be absent."""
        return self.root / prefix

    def why_absent(self, prefix: str) -> str:
        """Return what stands in the place of a folder, or that there is no store."""
        for folder, what in ((self.root, "store"), (self.root / prefix, "group")):
            if folder.exists() and not folder.is_dir():
                return f"{folder} is a file, expected the folder of a zarr {what}"
        if self.root.exists():
            return ""
        beside = sorted(place.name for place in self.root.parent.glob("*.z*"))
        near = nearest(self.root.name, beside)
        return f"there is no store {self.root}; check the path given as store{near}"

    def trust(self, path: str) -> None:
        """Follow links that lead where a prefix, or an absolute path, leads to."""
        self._links.trusted.append(os.path.realpath(self.root / path))

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
                self._links.check_folder(folder)
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except StoreError:
            raise
        except (OSError, ValueError) as error:
            if not (getattr(error, "errno", None) == errno.ELOOP and os.path.islink(path)):  # noqa: PTH114
                raise self._failed("read", key, error) from error
        self._links.check(path)
        try:
            return os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._failed("read", key, error) from error

    def _make_folder(self, path: str) -> None:
        if path not in self._known_folders:
            self._links.check_folder(path)
            os.makedirs(path, exist_ok=True)  # noqa: PTH103
            self._known_folders.add(path)

    def _failed(self, verb: str, key: str, error: OSError | ValueError) -> StoreError:
        return failure(verb, f"{self.root}/{key}", error)
