"""The symbolic links of a local store: which are followed, where they lead, how one is made."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from zarrpyramid.errors import StoreError

from .files import TEMPORARY_SUFFIX, failure

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path


_DEEPEST = 16
"""Folders in each other that are looked into."""


class Links:
    """The links in a folder, which are followed into it and into trusted folders alone.

    Attributes
    ----------
    trusted
        Real paths of folders elsewhere.
    checked
        Paths of folders that were seen to be inside, each looked at once.
    """

    def __init__(self, root: Path, trusted: Collection[str]) -> None:
        self.root = root
        self.trusted = [*trusted]
        self.checked: set[str] = set()

    def check_folder(self, path: str) -> None:
        """See, once for each folder, that no link on the way to it leads out of the store."""
        self.check(path)
        self.checked.add(path)

    def check(self, path: str) -> None:
        """See that a path leads into the store, or into a trusted folder.

        Raises
        ------
        StoreError
            If it does not.
        """
        real = os.path.realpath(path)
        roots = (os.path.realpath(self.root), *self.trusted)
        if not any(f"{real}/".startswith(f"{root.rstrip('/')}/") for root in roots):
            raise StoreError(
                f"{path} leads through a symbolic link to {real}, out of the store; links are only "
                "followed with follow_links: true"
            )

    def walk(self, prefix: str) -> Iterator[tuple[os.DirEntry[str], str]]:
        """Yield what is below a prefix, files and folders, each with its key relative to it."""
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
                    yield entry, key
                    # No key is that deep, but a link to a folder above would have no end.
                    if entry.is_dir(follow_symlinks=True) and key.count("/") < _DEEPEST:
                        if entry.is_symlink():
                            self.check(entry.path)
                        pending.append(f"{key}/")

    def target(self, prefix: str) -> str | None:
        """Return where a link leads, or None where there is none."""
        try:
            return os.readlink(self.root / prefix)  # noqa: PTH115
        except (OSError, ValueError):
            return None

    def make(self, prefix: str, target: str) -> None:
        """Make a link to a folder aside, and rename it."""
        path = f"{self.root}/{prefix}"
        partial = f"{path}.{os.getpid()}{TEMPORARY_SUFFIX}"
        try:
            os.symlink(target, partial, target_is_directory=True)  # noqa: PTH211
            os.rename(partial, path)  # noqa: PTH104
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(partial)  # noqa: PTH108
            raise failure("link", path, error) from error
