"""The workflow's files, as they come with the package, laid out in a folder of the user's.

What is laid out is the wiring alone: Snakefile, rules, scripts, profiles and the first
configuration. Jobs import the library that is installed.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from zarrpyramid.errors import StoreError

_SHIPPED = Path(__file__).parents[1] / "layout"
_CLONED = Path(__file__).parents[3]
_PARTS = ("Snakefile", "config.yaml", "environment.yml", "profiles", "workflow")


def lay_out(folder: Path) -> list[str]:
    """Copy the workflow's files into a folder, which is made; return what stands there, sorted.

    Parameters
    ----------
    folder
        Absent, or without any of the names that are laid out.

    Raises
    ------
    StoreError
        If one of the names is there already (nothing is copied then), or a file cannot be written.
    """
    home = _SHIPPED if _SHIPPED.exists() else _CLONED
    scripts = sorted((home / "scripts").glob("*.py"))
    sources = {name: home / name for name in _PARTS}
    sources |= {f"scripts/{path.name}": path for path in scripts}
    names = sorted({name.partition("/")[0] for name in sources})
    taken = [name for name in names if (folder / name).exists()]
    if taken:
        raise StoreError(
            f"{folder}: expected a folder without {', '.join(names)}, found {', '.join(taken)}; "
            "name another folder"
        )
    try:
        (folder / "scripts").mkdir(parents=True)
        for name, source in sources.items():
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, folder / name, ignore=ignored)
            else:
                shutil.copy2(source, folder / name)
    except OSError as error:
        reason = error.strerror or error
        raise StoreError(
            f"{folder}: the workflow cannot be laid out: {reason}; name another folder"
        ) from error
    return names
