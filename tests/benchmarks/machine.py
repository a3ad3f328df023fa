"""What stands around a benchmark's figures: the machine, versions, and Markdown tables."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PACKAGES = ("zarrpyramid", "snakemake", "zarr", "numcodecs", "numpy", "numba", "dask", "xxhash")


def machine() -> list[str]:
    """Return lines that describe this machine and the packages of this environment."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return [
        f"- CPU: {_cpu()}, {len(os.sched_getaffinity(0))} cores",
        f"- memory: {memory / 2**30:.0f} GiB",
        f"- system: {_system()}, {platform.system()} {platform.release()}",
        f"- Python {platform.python_version()}; {listed(own_versions())}",
    ]


def own_versions() -> dict[str, str]:
    """Return the versions of our package and of what it stands on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def listed(versions: Mapping[str, str]) -> str:
    """Return versions as one line."""
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; all columns but the first are numbers."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, rule, *rows])


def megabytes(n_bytes: float) -> str:
    """Return bytes as whole MB."""
    return f"{n_bytes / 1e6:.0f}"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.platform()
