"""Which symbolic links of a local store are followed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from zarrpyramid.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


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
