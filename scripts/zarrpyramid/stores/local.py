"""A store that is a local folder: a key is the path of a file in it.

A file is written aside and renamed, so that no reader and no kill ever sees half of one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.errors import StoreError, nearest

from . import files
from .answers import Answers
from .files import TEMPORARY_SUFFIX, check_regular, failure, flush, locked
from .links import Links, stat_of
from .store import Store
from .stored_object import OpenFile, fill

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from .stored_object import StoredObject

_ASIDE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW


class LocalStore(Store):
    """The files below a local folder. A pickle is small: workers open the same absolute path.

    Parameters
    ----------
    durable
        Whether data are on disk before the documents that tell of them. False leaves the moment to
        the system: a power cut loses what it has not written.
    trusted
        Folders elsewhere into which symbolic links may lead. Other links that lead out of the store
        are refused.
    """

    has_links = True

    def __init__(
        self, root: str | Path, *, durable: bool = True, trusted: Collection[str] = ()
    ) -> None:
        self.root = Path(root).absolute()
        self.durable = durable
        self._links = Links(self.root, trusted)
        self._known_folders: set[str] = set()
        self._held: tuple[Path, ...] = ()
        self._answers = Answers()

    def __reduce__(self) -> tuple[Callable[..., LocalStore], tuple[str]]:
        rebuild = partial(LocalStore, durable=self.durable, trusted=self._links.trusted)
        return rebuild, (str(self.root),)

    @property
    def name(self) -> str:
        return str(self.root)

    def get(self, key: str) -> bytes | None:
        return self._read(key, 0, None)

    def get_small(self, key: str, most: int) -> bytes | None:
        return self._document(key, most)

    def _document(self, key: str, most: int | None = None, *, anew: bool = False) -> bytes | None:
        read = partial(self._read, key, 0, None, most)
        data: bytes | None = self._answers.ask(("object", f"{self.root}/{key}"), read, anew=anew)
        return data

    @contextlib.contextmanager
    def remembered(
        self,
        objects: Iterable[str] = (),
        *,
        folders: Iterable[str] = (),
        trees: Iterable[str] = (),
        anew: bool = False,
    ) -> Iterator[None]:
        if anew:
            self._answers.forget(("object", f"{self.root}/{key}") for key in objects)
        with self._answers.kept():
            yield

    def get_range(self, key: str, start: int, length: int) -> bytes | None:
        return self._read(key, start, length)

    def _read(
        self, key: str, start: int, length: int | None, most: int | None = None
    ) -> bytes | None:
        # os.open and one pread: 7 us, against 16 us through pathlib and a buffered file.
        descriptor = self._links.open(f"{self.root}/{key}")
        if descriptor is None:
            return None
        try:
            found = os.fstat(descriptor)
            check_regular(found.st_mode, f"{self.root}/{key}")
            size = found.st_size
            if most is not None and size > most:
                raise self._too_large(key, size, most)
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
        except StoreError:
            raise
        except OSError as error:
            raise self._failed("read", key, error) from error
        else:
            return data
        finally:
            os.close(descriptor)

    def get_into(
        self, key: str, buffer: memoryview, start: int = 0, length: int | None = None
    ) -> bytes | memoryview | None:
        # New memory for every file of 256 KB costs 80 us of page faults, as much as decoding it.
        if length is not None and length > len(buffer):
            return self.get_range(key, start, length)
        wanted = buffer if length is None else buffer[:length]
        descriptor = self._links.open(f"{self.root}/{key}")
        if descriptor is None:
            return None
        try:
            known = os.fstat(descriptor)
            check_regular(known.st_mode, f"{self.root}/{key}")
            # Without its size, a second read would be needed to find its end.
            found = fill(descriptor, wanted[: max(0, known.st_size - start)], start)
        except IsADirectoryError:
            return None
        except StoreError:
            raise
        except OSError as error:
            raise self._failed("read", key, error) from error
        finally:
            os.close(descriptor)
        if length is not None or len(found) < len(buffer):
            return found
        # A file that is much longer than expected is damaged; its end is not read.
        return self.get_range(key, 0, 4 * len(buffer))

    def opened(self, key: str) -> StoredObject | None:
        path = f"{self.root}/{key}"
        descriptor = self._links.open(path)
        if descriptor is None:
            return None
        try:
            check_regular(os.fstat(descriptor).st_mode, path)
            return OpenFile(path, descriptor)
        except IsADirectoryError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise

    def version(self, key: str) -> tuple[int, int] | None:
        try:
            found = os.stat(f"{self.root}/{key}")  # noqa: PTH116
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise self._failed("read", key, error) from error
        return None if stat.S_ISDIR(found.st_mode) else (found.st_size, found.st_ctime_ns)

    def versions(self, prefix: str) -> Callable[[str], tuple[int, int] | None]:
        return lambda key: self.version(f"{prefix}/{key}")

    def put(self, key: str, data: bytes | memoryview) -> None:
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
            self._answers.drop(path)
        except StoreError:
            raise
        except (OSError, ValueError) as error:
            with contextlib.suppress(OSError, ValueError):
                os.unlink(aside)  # noqa: PTH108
            raise self._failed("write", key, error) from error

    def replace(self, key: str, change: Callable[[bytes | None], bytes | None]) -> None:
        data = change(self._document(key, anew=True))
        if data is not None:
            self.put(key, data)
            self._answers.ask(("object", f"{self.root}/{key}"), lambda: data)  # where it is kept

    def create(self, key: str, data: bytes, *, over: bytes | None = None) -> bool | None:
        path = f"{self.root}/{key}"
        self._answers.drop(path)
        self._links.check(os.path.dirname(path))  # noqa: PTH120
        if over is not None:
            self.delete_if(key, over)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            if os.path.isdir(path):  # noqa: PTH112
                raise StoreError(f"{path} is a folder, expected a file; move it away") from None
            return False
        except (FileNotFoundError, NotADirectoryError):  # nothing is built in it
            return None
        except OSError as error:
            # Where the folder takes nothing, nothing is built in it, either.
            if not os.access(os.path.dirname(path), os.W_OK):  # noqa: PTH120
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
        try:
            # Two processes may find the same file. The second must not remove what the first has
            # put in its place since.
            with locked(self.root / key):
                super().delete_if(key, data)
        except StoreError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                raise

    def delete(self, key: str) -> None:
        self._answers.drop(f"{self.root}/{key}")
        try:
            (self.root / key).unlink(missing_ok=True)
        except NotADirectoryError:
            return
        except OSError as error:
            raise self._failed("remove", key, error) from error

    def delete_tree(self, prefix: str) -> None:
        path = self.root / prefix
        self._known_folders.clear()
        self._answers.drop(f"{self.root}/{prefix}".rstrip("/"))
        try:
            if path.is_symlink():
                path.unlink()
            elif path.exists():
                shutil.rmtree(path)
        except OSError as error:
            raise self._failed("remove", prefix, error) from error

    def keys(self, prefix: str) -> Iterator[str]:
        return (key for _, key in self._links.walk(prefix))

    def children(self, prefix: str) -> list[str]:
        try:
            with os.scandir(self.root / prefix) as entries:
                return sorted(entry.name for entry in entries if entry.is_dir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except (OSError, ValueError) as error:
            raise self._failed("list", prefix, error) from error

    def link_target(self, prefix: str) -> str | None:
        try:
            return os.readlink(self.root / prefix)  # noqa: PTH115
        except (OSError, ValueError):
            return None

    def link(self, prefix: str, target: str) -> None:
        path = f"{self.root}/{prefix}"
        aside = f"{path}.{os.getpid()}{TEMPORARY_SUFFIX}"
        self._make_folder(os.path.dirname(path))  # noqa: PTH120
        try:
            os.symlink(target, aside, target_is_directory=True)  # noqa: PTH211
            os.rename(aside, path)  # noqa: PTH104
            self._answers.drop(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(aside)  # noqa: PTH108
            raise self._failed("link", prefix, error) from error

    def stats(self, prefix: str) -> Iterator[tuple[str, int, int]]:
        # The version is the inode's time of change: copies and tools set the time of modification
        # back, and never this one.
        for entry, key in self._links.walk(prefix):
            if entry.is_symlink():
                self._links.check(entry.path)
            if found := stat_of(entry):
                yield key, found.st_size, found.st_ctime_ns

    def sync(self) -> None:
        if self.durable and files.SYNCFS is not None:  # else `put` has flushed every file
            flush(self.root)

    @contextlib.contextmanager
    def hold(self, prefix: str, *, shared: bool = False) -> Iterator[None]:
        folder = self.root / prefix
        if folder.is_symlink():  # its target belongs to others, who may link to it as well
            folder = folder.parent
        if folder in self._held or not folder.exists():
            yield
            return
        busy = (
            f"another process is building the levels beside {folder}, perhaps one that a killed "
            "run left; wait until it has ended, or stop it, and run again"
        )
        with locked(folder, shared=shared, busy=busy):
            before = self._held
            self._held = before if shared else (*before, folder)
            try:
                yield
            finally:
                self._held = before

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        # What this process has locked already, a second lock would wait for.
        is_locked = self.root in self._held or self._answers.is_changing
        with contextlib.ExitStack() as stack:
            if not is_locked:
                stack.enter_context(locked(self.root))
            stack.enter_context(self._answers.changing(alone=True))
            yield

    def above(self) -> tuple[LocalStore, str] | None:
        if self.root == self.root.parent:
            return None
        parent = LocalStore(self.root.parent, durable=self.durable, trusted=self._links.trusted)
        return parent, self.root.name

    def folder(self, prefix: str) -> Path:
        return self.root / prefix

    def why_absent(self, prefix: str) -> str:
        for folder, what in ((self.root, "store"), (self.root / prefix, "group")):
            if folder.exists() and not folder.is_dir():
                return (
                    f"{folder} is a file, expected the folder of a zarr {what}; give the folder "
                    "that holds zarr.json or .zgroup"
                )
        if self.root.exists():
            return ""
        beside = sorted(place.name for place in self.root.parent.glob("*.z*"))
        near = nearest(self.root.name, beside)
        return f"there is no store {self.root}; check the path{near}"

    def trust(self, path: str) -> None:
        self._links.trusted.append(os.path.realpath(self.root / path))

    def _make_folder(self, path: str) -> None:
        if path not in self._known_folders:
            self._links.check_folder(path)
            os.makedirs(path, exist_ok=True)  # noqa: PTH103
            self._known_folders.add(path)

    def _failed(self, verb: str, key: str, error: OSError | ValueError) -> StoreError:
        return failure(verb, f"{self.root}/{key}", error)
