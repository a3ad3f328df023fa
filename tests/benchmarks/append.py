"""Print what a time point costs that is appended to a movie, as Markdown.

    uv run python tests/benchmarks/append.py

A movie of uint16 (t, z, y, x) in chunks of one time point and 64^3 is built whole; then the same
movie without its last time point is built, the last one is appended, and it is built again. Both
by the workflow, and by `build_pyramid` with notes and without, in a process of its own. The fixed
cost is that of a movie of one time point of one chunk, with as many levels.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from machine import machine, table
from measure import PYTHON, REPOSITORY, Run, median, run, say, spread

if TYPE_CHECKING:
    from collections.abc import Callable

_LEVELS = 2

_MAKE = """
import sys
import numpy as np
import zarr
path, n_times, *extents = sys.argv[1], *map(int, sys.argv[2:])
group = zarr.open_group(path, mode="a")
if "0" not in group:
    shape, chunks = (0, *extents), (1, *(min(64, extent) for extent in extents))
    group.create_array("0", shape=shape, chunks=chunks, dtype="uint16")
base = group["0"]
before = base.shape[0]
base.resize((n_times, *extents))
places = np.indices(extents).sum(0)
for time in range(before, n_times):
    noise = np.random.default_rng(time).normal(200, 20, extents)
    base[time] = (noise + 100 * np.sin((places + time) / 40)).astype("uint16")
"""

_BUILD = """
import sys
from zarrpyramid import build_pyramid
store, levels, *notes = sys.argv[1:]
notes = notes[0] if notes else None
axes = ["t", "z", "y", "x"]
build_pyramid(store, axes=axes, levels=int(levels), notes=notes, progress=False)
"""


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=100, help="time points (%(default)s)")
    parser.add_argument("--extents", type=int, nargs=3, default=[64, 512, 512])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="threads, and cores to pin to")
    given = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="zarrpyramid-")).resolve()
    try:
        print(_report(given, {name: _runs(given, home, build) for name, build in _BUILDS.items()}))
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _workflow(store: Path, threads: int) -> Run:
    command = [PYTHON, "-m", "snakemake", "--snakefile", REPOSITORY / "Snakefile"]
    command += ["--directory", store.parent, "--cores", str(threads)]
    command += ["--config", f"store={store}", "axes=[t,z,y,x]", f"levels={_LEVELS}"]
    return run(command, cores=threads)


def _python(store: Path, threads: int, *, notes: bool) -> Run:
    command = [PYTHON, "-c", _BUILD, store, str(_LEVELS)]
    return run([*command, *([store.parent / "notes"] if notes else [])], cores=threads)


_BUILDS: dict[str, Callable[[Path, int], Run]] = {
    "`snakemake`": _workflow,
    "`build_pyramid` with notes": partial(_python, notes=True),
    "`build_pyramid` without": partial(_python, notes=False),
}


def _runs(
    given: argparse.Namespace, home: Path, build: Callable[[Path, int], Run]
) -> dict[str, list[Run]]:
    """Measure a way of building: the whole movie, one time point appended, and nearly nothing."""
    runs: dict[str, list[Run]] = {"whole": [], "appended": [], "fixed": []}
    movies = {"whole": given.times, "appended": given.times - 1, "fixed": 1}
    for number in range(given.rounds):
        say(f"round {number + 1} of {given.rounds}")
        for name, n_times in movies.items():
            folder = home / name
            extents = [64] * 3 if name == "fixed" else given.extents
            _make(folder, n_times, extents)
            made = build(folder / "movie.zarr", given.threads)
            if name == "appended":
                _make(folder, given.times, extents)
                made = build(folder / "movie.zarr", given.threads)
            runs[name].append(made)
            shutil.rmtree(folder)
    return runs


def _make(folder: Path, n_times: int, extents: list[int]) -> None:
    folder.mkdir(exist_ok=True)
    run([PYTHON, "-c", _MAKE, folder / "movie.zarr", str(n_times), *map(str, extents)])


def _report(given: argparse.Namespace, found: dict[str, dict[str, list[Run]]]) -> str:
    shape = " x ".join(map(str, given.extents))
    rows = []
    for name, runs in found.items():
        whole, appended, fixed = (median([run.cpu for run in runs[key]]) for key in runs)
        share = (appended - fixed) / (whole - fixed)
        cells = [spread([run.cpu for run in runs[key]]) for key in runs]
        rows.append([name, *cells, f"{share:.1%}"])
    header = ["", "whole, CPU s", "one appended, CPU s", "fixed, CPU s", "share beyond the fixed"]
    return "\n".join(
        [
            f"## One of {given.times} time points of {shape}, uint16, {_LEVELS} levels",
            "",
            f"Median of {given.rounds} runs with least and largest, {given.threads} threads.",
            "",
            table(header, rows),
            "",
            *machine(),
        ]
    )


if __name__ == "__main__":
    main()
