"""Timing of child processes; standard library only.

A child inherits the peak memory of the process that starts it, so whoever measures must stay small:
voxels, zarr and numpy belong into children.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
PYTHON = sys.executable

# What the environment may hold to the advantage or to the harm of one contender alone.
_LEFT_OUT = ("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "SNAKEMAKE_PROFILE")


class ChildError(RuntimeError):
    """A child that ended with an error; the message holds the end of what it said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One run of one process and of all that it started and waited for.

    Attributes
    ----------
    wall, cpu
        Seconds; `cpu` is user and system time of the whole tree.
    peak
        Bytes of the largest single process of the tree.
    report
        What the child printed as JSON on its last line, else empty.
    """

    wall: float
    cpu: float
    peak: int
    report: dict[str, Any] = field(default_factory=dict)


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    cores: int | None = None,
    text: str = "",
) -> Run:
    """Run a command to its end and measure it.

    Parameters
    ----------
    cwd
        Working directory of the child.
    environment
        Variables added to those of this process.
    text
        What the child reads on stdin.
    cores
        Pin the child and its children to as many of the cores that this process may use.

    Raises
    ------
    ChildError
        If it ends with anything but 0.
    """
    variables = {key: value for key, value in os.environ.items() if key not in _LEFT_OUT}
    variables.update(environment or {})
    pinned = sorted(os.sched_getaffinity(0))[:cores]
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
    ):
        given.write(text.encode())
        given.seek(0)
        start = time.perf_counter()
        child = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env=variables,
            stdin=given,
            stdout=output,
            stderr=errors,
            preexec_fn=lambda: os.sched_setaffinity(0, pinned),
        )
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            child.kill()
            child.wait()
            raise
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            said = _text(errors)[-2000:] or _text(output)[-2000:]
            raise ChildError(f"{Path(command[0]).name} {command[1]}: {said.strip()}")
        return Run(
            wall=wall,
            cpu=usage.ru_utime + usage.ru_stime,
            peak=usage.ru_maxrss * 1024,
            report=_report(_text(output)),
        )


def interleave(contenders: Mapping[str, Callable[[], Run]], rounds: int) -> dict[str, list[Run]]:
    """Run all contenders once, then all once more, and so on: A B C A B C.

    What slows the machine for a while then slows all of them.
    """
    runs: dict[str, list[Run]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name, contender in contenders.items():
            say(f"round {number + 1} of {rounds}: {name}")
            runs[name].append(contender())
    return runs


def say(text: str) -> None:
    """Tell how far it is; results alone go to standard output."""
    print(text, file=sys.stderr, flush=True)


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def spread(values: Sequence[float]) -> str:
    """Return the median with the least and the largest value, in milliseconds below one."""
    digits = 3 if median(values) < 1 else 2
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    low, high = min(values), max(values)
    return f"{median(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the ratios of each round."""
    return median([a / b for a, b in zip(ours, theirs, strict=True)])


def _text(file: Any) -> str:
    file.seek(0)
    text: str = file.read().decode(errors="replace")
    return text


def _report(output: str) -> dict[str, Any]:
    lines = output.strip().splitlines()
    try:
        report = json.loads(lines[-1])
    except (IndexError, ValueError):
        return {}
    return report if isinstance(report, dict) else {}
