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
    """Return the line that installs an extra of this package."""
    if _is_clone(Path.cwd()):
        return f"uv sync --inexact --extra {extra}"
    return f"{_python()} -m pip install {shlex.quote(f'zarrpyramid[{extra}]')}"


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


@cache
def _is_clone(here: Path) -> bool:
    """Tell whether a folder is in a clone whose environment runs this process, and uv is there."""
    folders = [folder for folder in (here, *here.parents) if (folder / "pyproject.toml").exists()]
    if not folders or shutil.which("uv") is None:
        return False
    import tomllib  # 5 ms, which a command that is never shown saves

    project = tomllib.loads((folders[0] / "pyproject.toml").read_text(encoding="utf-8"))
    is_ours = project.get("project", {}).get("name") == "zarrpyramid"
    return is_ours and Path(sys.prefix).is_relative_to(folders[0])
