"""Print voxels and bytes a second and core of whole 3-D pyramids, with memory and files.

    uv run python tests/benchmarks/throughput.py

Each image is a cube in zarr v3, chunks of 64^3, page cache warm, all levels by `build_pyramid` in a
process of its own, from its start to its end: imports, kernels and the flush of the disk are in it.
Voxels and bytes are those of level 0, raw; a core's second is a second of CPU of all processes.
Images are made and removed one by one: the largest takes size^3 * 8 bytes at most.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

from machine import machine, megabytes, table
from measure import HERE, PYTHON, Run, median, run, say

ITEM_SIZES = {"uint8": 1, "uint16": 2, "float32": 4, "float64": 8}
CASES = (
    ("uint8", "zstd", None),
    ("uint16", "raw", None),
    ("uint16", "zstd", None),
    ("uint16", "zstd", 512),
    ("uint16", "blosc-lz4", None),
    ("uint16", "blosc-lz4", 512),
    ("float32", "blosc-lz4", None),
    ("float64", "zstd", None),
)
"""Data type, codec and shards of level 0, which the levels take over."""

_HEAD = (
    *("level 0", "Mvoxel/s a core", "MB/s a core", "Mvoxel/s", "wall, s", "CPU, s"),
    *("MB of the largest process", "files of level 0", "files of levels", "MB of levels"),
)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--case", type=int, action="append", help="number of one case, from 0")
    parser.add_argument("--folder", help="where images are made")
    given = parser.parse_args()
    numbers = given.case or range(len(CASES))
    rows = [_row(given, *CASES[number]) for number in numbers]
    print(
        f"{given.size}^3 to all levels by 2 x 2 x 2 means, {given.threads} cores, medians of "
        f"{given.rounds} runs of a process:\n"
    )
    print(table(_HEAD, rows))
    print("", *machine(), sep="\n")


def _row(given: argparse.Namespace, dtype: str, codec: str, shard: int | None) -> list[str]:
    shard = None if shard is None else min(shard, given.size)
    name = f"{dtype} {codec}" + (f" in shards of {shard}^3" if shard else "")
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        store = Path(folder) / "image.zarr"
        say(f"making {name}")
        options = [f"--{key}={value}" for key, value in (("dtype", dtype), ("codec", codec))]
        options += [f"--shard={shard}"] if shard else []
        options += [f"--size={given.size}", f"--threads={given.threads}"]
        run([PYTHON, HERE / "make_image.py", store, *options])
        n_levels = max(1, (given.size // 64).bit_length() - 1)
        runs = []
        for number in range(given.rounds + 1):  # the first one warms the page cache
            say(f"round {number} of {given.rounds}: {name}")
            runs.append(_build(given, store, n_levels))
        levels = [store / "field" / str(level) for level in range(1, n_levels + 1)]
        n_base, _ = _chunk_files([store / "field" / "0"])
        n_files, n_bytes = _chunk_files(levels)
    wall = median([found.wall for found in runs[1:]])
    cpu = median([found.cpu for found in runs[1:]])
    n_voxels = given.size**3
    return [
        name,
        f"{n_voxels / cpu / 1e6:.0f}",
        f"{n_voxels * ITEM_SIZES[dtype] / cpu / 1e6:.0f}",
        f"{n_voxels / wall / 1e6:.0f}",
        f"{wall:.2f}",
        f"{cpu:.2f}",
        megabytes(median([found.peak for found in runs[1:]])),
        f"{n_base:,}",
        f"{n_files:,}",
        megabytes(n_bytes),
    ]


def _build(given: argparse.Namespace, store: Path, n_levels: int) -> Run:
    for level in range(1, n_levels + 1):
        shutil.rmtree(store / "field" / str(level), ignore_errors=True)
    os.sync()
    command = [PYTHON, HERE / "peers" / "run_ours.py", store / "field"]
    command += [f"--levels={n_levels}", f"--threads={given.threads}"]
    return run(command, cores=given.threads)


def _chunk_files(levels: list[Path]) -> tuple[int, int]:
    """Return how many files hold voxels, and their bytes."""
    found = [path.stat().st_size for level in levels for path in (level / "c").rglob("*/*/*")]
    return len(found), sum(found)


if __name__ == "__main__":
    main()
