"""The dask scheduler that the user has set: in this process, in the environment, or in a file.

To import dask takes longer than a small level, so it is only asked where there may be something to
hear.
"""

from __future__ import annotations

import contextlib
import os
import re
import site
import sys
from pathlib import Path
from typing import Any

_NAMED = re.compile(rb"^[^#\n]*scheduler", re.MULTILINE)
"""A line of a file of dask's that is no comment and may set a scheduler: dask itself tells."""

_FILES = {".json", ".yaml", ".yml"}


def users_scheduler() -> Any:
    """Return the client's or scheduler's function that runs a graph, or None where none is set."""
    # Where dask was not imported nobody has set anything in this process.
    if "dask.base" not in sys.modules and not _may_be_set():
        return None
    from dask import config
    from dask.base import get_scheduler

    # Without this, dask imports distributed to look for a client, at twice dask's own cost.
    if "distributed" in sys.modules or config.get("scheduler", None):
        return get_scheduler()  # type: ignore[no-untyped-call]
    return None


def _may_be_set() -> bool:
    """Tell whether dask may find a scheduler in the environment or in its files, on its import."""
    given = {name.lower() for name in os.environ if name.startswith("DASK_")}
    if given & {"dask_scheduler", "dask_internal_inherit_config"}:
        return True
    return any(map(_may_set, _paths()))


def _paths() -> list[Path]:
    """Return the files and folders that dask reads on its import."""
    roots = (sys.prefix, *site.PREFIXES)
    return [
        Path(os.environ.get("DASK_ROOT_CONFIG", "/etc/dask")),
        *(Path(root, "etc", "dask") for root in roots),
        Path("~/.config/dask").expanduser(),
        *(Path(path) for path in [os.environ.get("DASK_CONFIG")] if path),
    ]


def _may_set(path: Path) -> bool:
    """Tell whether a file, or one in a folder, may set a scheduler; dask skips what is refused."""
    with contextlib.suppress(OSError):
        if not path.is_dir():
            return bool(_NAMED.search(path.read_bytes()))
        return any(_may_set(each) for each in path.iterdir() if each.suffix.lower() in _FILES)
    return False
