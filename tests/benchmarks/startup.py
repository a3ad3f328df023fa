"""Print what a job costs before and beside its voxels, as Markdown.

    uv run python tests/benchmarks/startup.py

The workflow is run once on an image of 256^3 that it makes itself: its level 1 has eight blocks of
64^3, its level 2 has one. Every script that Snakemake starts is kept as it stands, with the
environment it had, and then run again round by round: the very process that Snakemake runs, without
Snakemake. An empty script of another workflow shows what Snakemake's preamble and Python take.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from machine import machine, megabytes, table
from measure import HERE, PYTHON, REPOSITORY, Run, interleave, median, run, say, spread

_HEAVY = ("numpy", "numcodecs", "numba", "dask", "zarr", "yaml", "xxhash", "tqdm", "snakemake")
_IMPORT_TIME = re.compile(r"^import time:\s+\d+ \|\s+(\d+) \| (\s*)(\S+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A script as Snakemake started it, with its words and what it reads on stdin."""

    name: str
    script: Path
    environment: dict[str, str]
    folder: Path
    words: list[str]
    text: str

    def __call__(self) -> Run:
        """Run it in the workflow's directory."""
        command = [PYTHON, self.script, *self.words]
        return run(command, cwd=self.folder, environment=self.environment, text=self.text)

    def imports(self) -> str:
        """Run it once more, and return the wall ms of the packages that it imports."""
        done = subprocess.run(
            [PYTHON, "-X", "importtime", str(self.script), *self.words],
            input=self.text,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        found = {name: int(time) for time, _, name in _IMPORT_TIME.findall(done.stderr)}
        return ", ".join(f"{name} {found[name] / 1e3:.0f}" for name in _HEAVY if name in found)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=256, help="a multiple of 128 (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    if given.size % 128:
        parser.error("--size must be a multiple of 128")
    home = Path(tempfile.mkdtemp(prefix="zarrpyramid-")).resolve()
    try:
        _measure(given, home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _measure(given: argparse.Namespace, home: Path) -> None:
    store = home / "image.zarr"
    made = {"shape": [given.size] * 3, "chunks": [64] * 3, "dtype": "uint16"}
    image = {"store": str(store), "field": "field", "test_image": made}
    config = home / "config.json"
    config.write_text(json.dumps({"images": {"small": image}}), encoding="utf-8")
    ours = _snakemake(REPOSITORY, home / "ours", ["--configfile", str(config)])
    empty = _snakemake(HERE / "empty", home / "empty", ["--config", "levels=1"])
    jobs = {"an empty script": _captured(empty, home / "empty")[1]}
    jobs.update({job.name: job for job in _captured(ours, home / "ours")})

    # In their order they make the store anew in every round, as the workflow does.
    def contender(job: Job) -> Run:
        if job.name == "make_test_image":
            shutil.rmtree(store)
        return job()

    runs = interleave({name: partial(contender, job) for name, job in jobs.items()}, given.rounds)
    imports = {}
    for name, job in jobs.items():
        if name == "make_test_image":
            shutil.rmtree(store)
        imports[name] = job.imports()
    say("parsing the Snakefile")
    command: list[str | Path] = [PYTHON, HERE / "parse_cost.py", config, REPOSITORY]
    parses = [run(command, cwd=home / "ours") for _ in range(given.rounds)]
    plans = interleave(
        {
            "ours": lambda: run([*ours, "--dry-run"], cwd=home / "ours"),
            "empty": lambda: run([*empty, "--dry-run"], cwd=home / "empty"),
        },
        given.rounds,
    )
    print(_report(given, runs, imports, parses, plans))


def _snakemake(workflow: Path, home: Path, options: list[str]) -> list[str]:
    """Run a workflow with its scripts kept in `home/kept`; return the command without that."""
    kept = home / "kept"
    kept.mkdir(parents=True)
    command = [PYTHON, "-m", "snakemake", "--snakefile", str(workflow / "Snakefile")]
    command += ["--directory", str(home), "--cores", "2", *options]
    say(f"running the workflow in {workflow.name}")
    capture = {"PYTHONPATH": str(HERE / "capture"), "ZARRPYRAMID_CAPTURE": str(kept)}
    run(command, cwd=home, environment=capture)
    return command


def _captured(command: list[str], home: Path) -> list[Job]:
    jobs: list[Job] = []
    for folder in sorted((home / "kept").iterdir()):
        (script,) = folder.glob("*.py")
        environment = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
        del environment["ZARRPYRAMID_CAPTURE"]
        path = environment["PYTHONPATH"].split(os.pathsep)
        path.remove(str(HERE / "capture"))
        environment["PYTHONPATH"] = os.pathsep.join(path)
        name = script.stem.rpartition(".")[2]  # a temporary name ends with the script's
        if name == "downsample_level":
            name += f" {1 + sum(job.name.startswith(name) for job in jobs)}"
        words, text = json.loads((folder / "given.json").read_text(encoding="utf-8"))
        given = {"environment": environment, "words": words, "text": text}
        jobs.append(Job(name=name, script=script, folder=home, **given))
    if not jobs:
        raise SystemExit(f"no script was kept of {' '.join(command)}")
    return jobs


def _report(
    given: argparse.Namespace,
    runs: dict[str, list[Run]],
    imports: dict[str, str],
    parses: list[Run],
    plans: dict[str, list[Run]],
) -> str:
    blocks = given.size // 128
    own = [a.cpu - b.cpu for a, b in zip(plans["ours"], plans["empty"], strict=True)]
    lines = [
        "## Start-up of jobs, and parsing",
        "",
        f"Whole processes as Snakemake runs them, median of {given.rounds} interleaved rounds with "
        f"least and largest. Level 1 of the {given.size}^3 uint16 image has {blocks**3} blocks.",
        "",
        table(
            ["script", "CPU, s", "wall, s", "RSS, MB", "imports, wall ms"],
            [
                [
                    name,
                    spread([run.cpu for run in found]),
                    spread([run.wall for run in found]),
                    megabytes(median([run.peak for run in found])),
                    imports[name],
                ]
                for name, found in runs.items()
            ],
        ),
        "",
        "Parsing, CPU s:",
        "",
        table(
            ["", "CPU, s"],
            [
                ["imports of ours, Snakemake being there", _of(parses, "imports")],
                ["planning of one image", _of(parses, "plan")],
                ["`snakemake -n`, ours", spread([run.cpu for run in plans["ours"]])],
                ["`snakemake -n`, empty workflow", spread([run.cpu for run in plans["empty"]])],
                ["ours less empty", spread(own)],
            ],
        ),
        "",
        f"- parsing imports of others: {', '.join(parses[0].report['packages'])}",
        *machine(),
    ]
    return "\n".join(lines)


def _of(runs: list[Run], key: str) -> str:
    return spread([run.report[key] for run in runs])


if __name__ == "__main__":
    main()
