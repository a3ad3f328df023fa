"""How the programs of this package are called where this process runs.

Messages and closing lines name commands. A clone has `uv run`; a copied workflow, a module and an
installed package have not.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_SCRIPTS = Path(__file__).parents[1]

NAPARI_PACKAGES = ("napari[all]", "napari-ome-zarr")
"""What shows a pyramid in napari."""


def command(program: str, *words: str) -> str:
    """Return the line that calls a program with these words, quoted for a shell.

    Parameters
    ----------
    program
        `zarrpyramid`, `snakemake` or `python`.
    """
    return " ".join([_call(program), *map(shlex.quote, words)])


def source_words(*settings: str) -> str:
    """Return how a new store is made of a source: the words for snakemake, and the other command.

    Parameters
    ----------
    settings
        As `source=PATH`.
    """
    given = [word for setting in settings for word in ("--set", setting)]
    return (
        f"--config {shlex.join(settings)} store=NEW.zarr, or "
        f"{command('zarrpyramid', 'build', 'NEW.zarr', *given)}"
    )


def extra_command(extra: str) -> str:
    """Return the line that installs an extra of this package, into what runs this process."""
    if clone := _clone():
        elsewhere = "" if _is_clone(Path.cwd()) else f" --project {shlex.quote(str(clone))}"
        return f"uv sync --inexact --extra {extra}{elsewhere}"
    is_source = (_SCRIPTS.parent / "pyproject.toml").exists() and not _is_installed()
    return install_command(f"{_SCRIPTS.parent if is_source else 'zarrpyramid'}[{extra}]")


def install_command(*packages: str) -> str:
    """Return the line that installs packages into the environment that runs this process."""
    words = shlex.join(packages)
    if find_spec("pip") is None and shutil.which("uv"):  # as uv makes environments
        return f"uv pip install --python {shlex.quote(sys.executable)} {words}"
    return f"{_python()} -m pip install {words}"


def view_command(group: str) -> str:
    """Return the line that shows a pyramid in neuroglancer, or "" where that is not installed."""
    if _is_clone(Path.cwd()):
        return f"uv run --extra view zarrpyramid view {shlex.quote(group)}"
    if find_spec("neuroglancer") is None or find_spec("tornado") is None:
        return ""
    return command("zarrpyramid", "view", group)


def napari_command(group: str) -> str:
    """Return the line that shows a pyramid in napari, or "" where that is not installed."""
    if find_spec("napari") is None or find_spec("napari_ome_zarr") is None:
        return ""
    return command("napari", "--plugin", "napari-ome-zarr", group)


def _call(program: str) -> str:
    """Return how a program is called."""
    if _is_clone(Path.cwd()):
        return f"uv run {program}"
    if program == "python":
        return _python()
    beside = Path(sys.executable).parent / program
    if beside.exists():
        return _short(program, beside)
    module = f"{_python()} -m {program}"
    is_installed = program != "zarrpyramid" or _SCRIPTS.name != "scripts"
    return module if is_installed else f"PYTHONPATH={shlex.quote(str(_SCRIPTS))} {module}"


def _python() -> str:
    return _short("python", Path(sys.executable))


def _short(name: str, path: Path) -> str:
    """Return a name where the shell finds this very program by it, else its path.

    `uv run` puts the environment on the path of what it starts, and not on that of the shell.
    """
    found = None if "UV_RUN_RECURSION_DEPTH" in os.environ else shutil.which(name)
    return name if found is not None and Path(found) == path else shlex.quote(str(path))


def _is_installed() -> bool:
    """Tell whether this package is installed, as it is where a clone is, too."""
    from importlib.metadata import PackageNotFoundError, distribution  # 10 ms

    try:
        distribution("zarrpyramid")
    except PackageNotFoundError:
        return False
    return True


def _is_clone(here: Path) -> bool:
    """Tell whether `uv run` in a folder calls what runs this process."""
    return _clone() is not None and _project(here) == _clone()


@cache
def _clone() -> Path | None:
    """Return the clone whose environment runs this process, None where it is of none."""
    folder = _project(Path(sys.prefix))
    if folder is None or shutil.which("uv") is None:
        return None
    import tomllib  # 5 ms, which a command that is never shown saves

    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    return folder if project.get("project", {}).get("name") == "zarrpyramid" else None


def _project(here: Path) -> Path | None:
    """Return the folder of the project in which a folder is, as uv finds it."""
    folders = (folder for folder in (here, *here.parents) if (folder / "pyproject.toml").exists())
    return next(folders, None)
