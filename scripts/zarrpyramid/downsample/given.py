"""What a rule hands to the script of a job: two paths of logs, and all else as JSON on stdin.

A script that Snakemake starts by its directive `script` unpickles an object of Snakemake's, and
imports Snakemake for that: 0.1 CPU s a job, half of what a job takes that only writes documents.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import TextIO

    from zarrpyramid.plan import Job


@dataclass(frozen=True, kw_only=True)
class GivenJob:
    """A job of a rule, by the names of the rule.

    Attributes
    ----------
    log, timing
        Paths of its logs, for `job_log`.
    input, output
        Paths, or lists of them, by name.
    params
        What the run answers of the job, such as ``image``, its settings.
    level, part
        Numbers of its level and part, where it has one.
    n_parts
        Of how many parts it gathers the sentinels, or 0. Their paths would not fit into a command.
    threads
        How many it may use.
    """

    log: str
    timing: str
    input: Any
    output: Any
    params: Any
    level: int
    part: int
    n_parts: int
    threads: int


def hand_job(
    job: Job,
    inputs: dict[str, Any],
    outputs: dict[str, str],
    threads: int,
    params: dict[str, Any],
) -> str:
    """Return what `given_job` reads on stdin; a command could not hold the paths of all parts."""
    n_parts = len(inputs.get("parts", []))
    given = {
        "input": {name: path for name, path in inputs.items() if name != "parts"},
        "output": outputs,
        "params": params,
        "level": job.level,
        "part": job.part or 0,
        "n_parts": n_parts,
        "threads": threads,
    }
    return json.dumps(given)


def given_job(words: list[str] | None = None, stdin: TextIO | None = None) -> GivenJob:
    """Return the job that the command line and stdin of this process describe."""
    log, timing = sys.argv[1:] if words is None else words
    given = json.load(sys.stdin if stdin is None else stdin)
    for key in ("input", "output", "params"):
        given[key] = SimpleNamespace(**given[key])
    return GivenJob(log=log, timing=timing, **given)
