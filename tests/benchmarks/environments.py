"""A virtual environment for each peer, made by uv and kept outside of the repository."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from measure import PYTHON, say

if TYPE_CHECKING:
    from collections.abc import Sequence


class InstallError(RuntimeError):
    """An environment that cannot be made; the message is uv's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """A peer's Python, and the versions of what stands in it."""

    python: Path
    versions: dict[str, str]


def default_folder() -> Path:
    """Return the folder in which environments are kept from run to run."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "zarrpyramid-benchmarks"


def environment(
    folder: Path,
    name: str,
    requirements: Sequence[str],
    shown: Sequence[str],
    python_wanted: str = PYTHON,
) -> Environment:
    """Return the environment of a name, made anew where its requirements are others.

    Parameters
    ----------
    shown
        Packages whose versions are wanted.
    python_wanted
        A Python as uv takes it, such as "3.12".

    Raises
    ------
    InstallError
        If uv cannot make it.
    """
    wanted = json.dumps([sys.version, python_wanted, *requirements])
    place = folder / f"{name}-{hashlib.sha256(wanted.encode()).hexdigest()[:8]}"
    python, complete = place / "bin" / "python", place / "complete"
    if not complete.exists():
        say(f"installing {name} into {place}")
        shutil.rmtree(place, ignore_errors=True)
        _uv("venv", "--quiet", "--python", python_wanted, str(place))
        # Our own environment has bytecode too; without it imports take twice as long.
        _uv("pip", "install", "--compile-bytecode", "--python", str(python), *requirements)
        complete.touch()
    found = json.loads(_uv("pip", "list", "--format", "json", "--python", str(python)))
    versions = {package["name"]: package["version"] for package in found}
    return Environment(
        python=python, versions={key: versions[key] for key in shown if key in versions}
    )


def _uv(*arguments: str) -> str:
    try:
        done = subprocess.run(["uv", *arguments], capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise InstallError("uv is not on PATH") from error
    except subprocess.CalledProcessError as error:
        raise InstallError(error.stderr.strip()[-1000:]) from error
    return done.stdout
