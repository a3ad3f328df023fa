"""The symbolic links in a local store: which are followed where files are opened and listed."""

from __future__ import annotations

import errno
import os
from functools import cached_property
from typing import TYPE_CHECKING

from zarrpyramid.errors import StoreError

from .files import failure, no_regular_file

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

_READ = os.O_RDONLY | os.O_NONBLOCK
"""A named pipe in the place of a file is opened at once, and then found to be none."""
_DEEPEST = 16
"""How deep folders are walked. No key is that deep; a link to a folder above has no end."""


class Links:
    """The links below a folder. They are followed into it and into `trusted` folders alone.

    Attributes
    ----------
    trusted
        Real paths of folders elsewhere.
    checked
        Paths of folders that `check_folder` has found inside.
    """

    def __init__(self, root: Path, trusted: Collection[str]) -> None:
        self.root = root
        self.trusted = [*trusted]
        self.checked: set[str] = set()

    @cached_property
    def _real_root(self) -> str:
        """The folder without links, as it was at the first look."""
        return os.path.realpath(self.root)

    def check_folder(self, path: str) -> None:
        """Check a folder as `check` does, and remember it.

        Below one that was checked, it leads elsewhere only where it is a link itself.
        """
        parent, _, name = path.rpartition("/")
        is_below = parent in self.checked and name not in ("", ".", "..")
        if not is_below or os.path.islink(path):  # noqa: PTH114
            self.check(path)
        self.checked.add(path)

    def check(self, path: str) -> None:
        """Raise StoreError unless a path leads into the store or into a trusted folder."""
        real = os.path.realpath(path)
        roots = (self._real_root, *self.trusted)
        if not any(f"{real}/".startswith(f"{root.rstrip('/')}/") for root in roots):
            if not f"{os.path.normpath(path)}/".startswith(f"{os.path.normpath(self.root)}/"):
                raise StoreError(
                    f"{path} is outside of {self.root}; give the store that it is in, or a path "
                    "without '..'"
                )
            raise StoreError(
                f"{path} leads through a symbolic link to {real}, out of the store; links are only "
                "followed with follow_links: true, by verify with --follow-links"
            )

    def open(self, path: str) -> int | None:
        """Return a descriptor of a file to be read, or None where there is none."""
        try:
            folder = path.rpartition("/")[0]
            if folder not in self.checked:
                self.check_folder(folder)
            return os.open(path, _READ | os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except StoreError:
            raise
        except (OSError, ValueError) as error:
            if not (getattr(error, "errno", None) == errno.ELOOP and os.path.islink(path)):  # noqa: PTH114
                raise _failure(path, error) from error
        self.check(path)
        try:
            return os.open(path, _READ)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _failure(path, error) from error

    def walk(self, prefix: str) -> Iterator[tuple[os.DirEntry[str], str]]:
        """Yield the files below a prefix, each with its key relative to it."""
        pending = [""]
        while pending:
            folder = pending.pop()
            try:
                entries = os.scandir(f"{self.root}/{prefix}/{folder}")
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (OSError, ValueError) as error:
                raise failure("list", f"{self.root}/{prefix}/{folder}", error) from error
            with entries:
                for entry in entries:
                    key = f"{folder}{entry.name}"
                    if not _is_folder(entry):
                        yield entry, key
                    elif key.count("/") < _DEEPEST:
                        if entry.is_symlink():
                            self.check(entry.path)
                        pending.append(f"{key}/")


def stat_of(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Return what the system tells of a file in a folder; None where it has gone or leads nowhere.

    Raises
    ------
    StoreError
        If the system tells nothing, as of a link that leads back to itself.
    """
    try:
        return entry.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failure(entry.path, error) from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=True)
    except OSError as error:
        raise _failure(entry.path, error) from error


def _failure(path: str, error: OSError | ValueError) -> StoreError:
    """Return the error of a file that cannot be opened; a socket never can."""
    match getattr(error, "errno", None):
        case errno.ENXIO:
            return no_regular_file(path)
        case errno.ELOOP:
            return StoreError(
                f"{path} is a symbolic link that leads back to itself, expected a file; remove it, "
                "or restore the file from a copy"
            )
    return failure("read", path, error)
