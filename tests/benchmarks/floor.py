"""Print what codec, files and kernel cost by themselves, and what our engine takes, as Markdown.

    uv run python tests/benchmarks/floor.py --size 1024 --codec zstd --dtype uint16

The floor is a plain loop in one process that reads each object of level 0 and of the levels that it
makes, decodes it into a buffer (numcodecs), reduces it by the compiled kernel, encodes and writes:
no digest, statistics, check or rename. Both are warmed up on a tiny image, and run in turn.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path

from machine import machine, table
from measure import HERE, PYTHON, Run, interleave, median, ratio, run, say, spread


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=1024, help="64 times a power of 2")
    parser.add_argument("--codec", choices=("zstd", "blosc-lz4", "raw"), default="zstd")
    parser.add_argument(
        "--dtype", choices=("uint8", "uint16", "float32", "float64"), default="uint16"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="threads, and cores to pin to")
    given = parser.parse_args()
    n_chunks = given.size // 64
    if given.size % 64 or n_chunks < 2 or n_chunks & (n_chunks - 1):
        parser.error("--size must be 64 times a power of 2")
    home = Path(tempfile.mkdtemp(prefix="zarrpyramid-"))
    try:
        _measure(given, home, levels=n_chunks.bit_length() - 1)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _measure(given: argparse.Namespace, home: Path, levels: int) -> None:
    say("making the image")
    kind = [f"--dtype={given.dtype}", f"--codec={given.codec}", f"--threads={given.threads}"]
    for name, size, chunk in (("image.zarr", given.size, 64), ("tiny.zarr", 48, 8)):
        options = [f"--size={size}", f"--chunk={chunk}", *kind]
        made = run([PYTHON, HERE / "make_image.py", home / name, *options]).report
        if name == "image.zarr":
            size_made = made
    for path in home.rglob("*"):  # into the page cache
        if path.is_file():
            path.read_bytes()
    options = [f"--levels={levels}", f"--threads={given.threads}"]
    options += [f"--warm-up={home / 'tiny.zarr' / 'field'}"]
    group = home / "image.zarr" / "field"

    def contender(script: Path) -> Run:
        for store in ("image.zarr", "tiny.zarr"):
            for level in range(1, levels + 1):
                made = home / store / "field" / str(level)
                if made.exists():  # not removed: ext4 searches past removed inodes for minutes
                    made.rename(home / f"{store}-{level}-{time.time_ns()}")
        os.sync()
        return run([PYTHON, script, group, *options], cores=given.threads)

    scripts = {"floor": HERE / "floor_pass.py", "ours": HERE / "peers" / "run_ours.py"}
    contenders = {name: partial(contender, at) for name, at in scripts.items()}
    for name, first in contenders.items():
        say(f"first round, not timed: {name}")
        first()
    print(_report(given, levels, size_made, interleave(contenders, given.rounds)))


def _report(
    given: argparse.Namespace, levels: int, size: dict[str, int], runs: dict[str, list[Run]]
) -> str:
    figures = {
        name: {key: [run.report[key] for run in found] for key in ("wall", "cpu")}
        for name, found in runs.items()
    }
    stages = [run.report["stages"] for run in runs["floor"]]
    by_stage = {stage: median([found[stage] for found in stages]) for stage in stages[0]}
    over = ratio(figures["ours"]["cpu"], figures["floor"]["cpu"])
    lines = [
        f"## Floor of {given.size}^3 {given.dtype}, {given.codec}, chunks 64^3, {levels} levels",
        "",
        f"Ours takes {over:.2f} times the floor's CPU, the median of each round's ratio.",
        "",
        f"Level 0 holds {size['raw'] / 1e6:.0f} MB in {size['stored'] / 1e6:.0f}. Median of "
        f"{given.rounds} interleaved rounds with least and largest, page cache warm, "
        f"{given.threads} threads on as many cores, kernels loaded.",
        "",
        table(
            ["", "wall, s", "CPU, s"],
            [
                [name, spread(found["wall"]), spread(found["cpu"])]
                for name, found in figures.items()
            ],
        ),
        "",
        "The floor's stages on one thread, CPU s:",
        "",
        table(["", *by_stage, "all"], [["floor", *_seconds([*by_stage.values()])]]),
        "",
        *machine(),
    ]
    return "\n".join(lines)


def _seconds(values: list[float]) -> list[str]:
    return [f"{value:.3f}" for value in [*values, sum(values)]]


if __name__ == "__main__":
    main()
