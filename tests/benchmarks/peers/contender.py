"""What every contender's process shares: arguments, clocks, and the line of JSON at its end.

Standard library only: it runs in environments that hold nothing of ours.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Build = Callable[[Path, int, int], list[Path]]


def cpu_seconds() -> float:
    """Return what this process and those that it has waited for have used so far."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def compete(build: Build, package: str, load: Callable[[Path], None] | None = None) -> None:
    """Build the pyramid that the command line names, and report how long it took.

    Parameters
    ----------
    build
        Called with the folder of the group that holds array `0`, the number of levels to make and
        of threads; returns the folders of the levels, finest first.
    package
        Whose version is reported.
    load
        Called with the folder after the warm-up, to load what a tiny image does not need.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("group", type=Path)
    parser.add_argument("--levels", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--warm-up", type=Path, help="group of a tiny image to begin with")
    given = parser.parse_args()
    with contextlib.redirect_stdout(sys.stderr):
        if given.warm_up is not None:
            build(given.warm_up, 1, given.threads)
            if load is not None:
                load(given.group)
        cpu, wall = cpu_seconds(), time.perf_counter()
        levels = build(given.group, given.levels, given.threads)
        wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
    report = {
        "wall": wall,
        "cpu": cpu,
        "levels": [str(level) for level in levels],
        "version": version(package),
    }
    print(json.dumps(report))


def compete_remotely(build: Callable[[int, int, int], None], package: str) -> None:
    """Build the pyramid in the bucket at a port, and report how long it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--levels", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    given = parser.parse_args()
    with contextlib.redirect_stdout(sys.stderr):
        cpu, wall = cpu_seconds(), time.perf_counter()
        build(given.port, given.levels, given.threads)
        wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
    print(json.dumps({"wall": wall, "cpu": cpu, "version": version(package)}))
