"""Print time and memory of a level's job as images and chunks grow, as Markdown.

    uv run python tests/benchmarks/grow.py --max-size 2048

The job is `build_pyramid` with one level, in a process of its own each time: uint8, zarr v3, chunks
of 64^3 while the image grows from 256^3 to 2048^3, an image of 1024^3 at most while chunks grow
from 32^3 to 256^3. Each image is removed before the next is made; the largest takes some 5 GB.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from machine import machine, megabytes, table
from measure import HERE, PYTHON, Run, median, run, say, spread

SIZES = (256, 512, 1024, 2048)
CHUNKS = (32, 64, 128, 256)


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """Runs of one image's level 1.

    Attributes
    ----------
    size, chunk
        Extents along each axis.
    """

    size: int
    chunk: int
    runs: list[Run]

    @property
    def peak(self) -> float:
        """Median peak RSS in bytes."""
        return median([run.peak for run in self.runs])

    def cost(self, clock: str) -> float:
        """Return median nanoseconds a voxel of level 0, inside the process."""
        return median([run.report[clock] for run in self.runs]) / self.size**3 * 1e9


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--max-size", type=int, default=2048, help="largest image (%(default)s)")
    parser.add_argument("--codec", choices=("zstd", "blosc-lz4", "raw"), default="zstd")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="threads, and cores to pin to")
    given = parser.parse_args()
    sizes = [size for size in SIZES if size <= given.max_size]
    if not sizes:
        parser.error(f"--max-size must be {SIZES[0]} or more")
    fixed = min(1024, sizes[-1])
    by_size = [_measure(given, size, 64) for size in sizes]
    by_chunk = [
        next((case for case in by_size if (case.size, case.chunk) == (fixed, chunk)), None)
        or _measure(given, fixed, chunk)
        for chunk in CHUNKS
        if chunk <= fixed // 2
    ]
    print(_report(given, by_size, by_chunk))


def _measure(given: argparse.Namespace, size: int, chunk: int) -> Case:
    home = Path(tempfile.mkdtemp(prefix="zarrpyramid-"))
    try:
        for name, extent, edge in (("image.zarr", size, chunk), ("tiny.zarr", 48, 8)):
            if name == "image.zarr":
                say(f"making {extent}^3 in chunks of {edge}^3")
            options = [f"--size={extent}", f"--chunk={edge}", "--dtype=uint8"]
            options += [f"--codec={given.codec}", f"--threads={given.threads}"]
            run([PYTHON, HERE / "make_image.py", home / name, *options])
        for path in (home / "image.zarr").rglob("*"):  # into the page cache
            if path.is_file():
                path.read_bytes()
        runs = []
        for number in range(given.rounds + 1):
            for store in ("image.zarr", "tiny.zarr"):
                shutil.rmtree(home / store / "field" / "1", ignore_errors=True)
            os.sync()
            say(f"round {number} of {given.rounds}" if number else "first round, not counted")
            command: list[str | Path] = [
                PYTHON,
                HERE / "peers" / "run_ours.py",
                home / "image.zarr" / "field",
            ]
            command += [f"--warm-up={home / 'tiny.zarr' / 'field'}", "--levels=1"]
            command += [f"--threads={given.threads}"]
            runs.append(run(command, cores=given.threads))
        return Case(size=size, chunk=chunk, runs=runs[1:])
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _report(given: argparse.Namespace, by_size: list[Case], by_chunk: list[Case]) -> str:
    lines = [
        f"## Growth of a level's job: level 1 of uint8, {given.codec}, {given.threads} threads",
        "",
        f"Median of {given.rounds} runs with least and largest, page cache warm; a voxel is one of "
        "level 0. Building is timed inside the process with kernels loaded, the rest is of the "
        "whole process.",
        "",
        *_flatness(by_size),
        "",
        _table("image", [(f"{case.size}^3", case) for case in by_size]),
        "",
        f"An image of {by_chunk[0].size}^3 in chunks of:",
        "",
        _table("chunks", [(f"{case.chunk}^3", case) for case in by_chunk]),
        "",
        *machine(),
    ]
    return "\n".join(lines)


def _flatness(cases: list[Case]) -> list[str]:
    """Say by how much the largest of a figure exceeds the least, over the sizes it must be flat."""
    large = [case for case in cases if case.size >= 512]
    found = {"peak RSS, 256^3 up": [case.peak for case in cases]}
    if len(large) > 1:
        found["wall a voxel, 512^3 up"] = [case.cost("wall") for case in large]
        found["CPU a voxel, 512^3 up"] = [case.cost("cpu") for case in large]
    return [
        f"- {what}: the largest is {max(values) / min(values) - 1:.0%} above the least"
        for what, values in found.items()
    ]


def _table(what: str, cases: list[tuple[str, Case]]) -> str:
    header = [what, "building, wall s", "wall, ns a voxel", "CPU, ns a voxel"]
    header += ["process, wall s", "process, CPU s", "RSS, MB"]
    rows = [
        [
            name,
            spread([run.report["wall"] for run in case.runs]),
            f"{case.cost('wall'):.2f}",
            f"{case.cost('cpu'):.2f}",
            f"{median([run.wall for run in case.runs]):.2f}",
            f"{median([run.cpu for run in case.runs]):.2f}",
            megabytes(case.peak),
        ]
        for name, case in cases
    ]
    return table(header, rows)


if __name__ == "__main__":
    main()
