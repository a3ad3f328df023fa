"""Print what the largest images and runs cost, as Markdown: files, images, memory, a cold disk.

    uv run python tests/benchmarks/limits.py files images memory chunk cold

files   200,000 chunk files in level 0 and as many in level 1: planned, built, looked at again, and
        cleaned.
images  20,000 images of documents alone: planned.
memory  Level 1 of 256^3 to 2048^3 voxels of uint8 in chunks of 64^3.
chunk   Level 1 of 2048^3 voxels of uint8 in chunks of 1024^3, 1 GiB each.
cold    Level 1 of an image whose files are dropped from the page cache before each run, beside a
        bare read of the same files, dropped too.

Chunks of `memory` and `chunk` are links to few files, so that 8 GiB of voxels take no room on the
disk; they are decoded as any others.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

from machine import machine, megabytes, table
from measure import HERE, PYTHON, REPOSITORY, Run, run, say

GRID = (64, 56, 56)
"""Chunks along each axis of `files`: 200,704."""
N_IMAGES = 20_000
_MAKE = """
import sys, numpy as np, zarr
path, shape, chunk, codec = sys.argv[1], *map(int, sys.argv[2:4]), sys.argv[4]
codecs = {} if codec == "zstd" else {"compressors": None}
group = zarr.create_group(path)
array = group.create_array("0", shape=(shape,) * 3, chunks=(chunk,) * 3, dtype="uint8",
    dimension_names=["z", "y", "x"], **codecs)
plane = np.arange(chunk * chunk, dtype="uint32").reshape(1, chunk, chunk)
for n in range(min(8, shape // chunk)):
    block = (plane // 977 % 200 + np.arange(chunk).reshape(-1, 1, 1) // 3 % 50 + n).astype("uint8")
    array[:chunk, :chunk, n * chunk : (n + 1) * chunk] = block
"""


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    measures = {
        "files": _files,
        "images": _images,
        "memory": _memory,
        "chunk": _chunk,
        "cold": _cold,
    }
    parser.add_argument("what", nargs="+", choices=measures)
    parser.add_argument("--folder", help="where images are made")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--size", type=int, default=1024, help="of the image of `cold`")
    given = parser.parse_args()
    for what in given.what:
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            print(measures[what](given, Path(folder)), end="\n\n", flush=True)
            say(f"removing the images of {what}")
    print(*machine(), sep="\n")


def _workflow(given: argparse.Namespace, folder: Path, settings: str, *options: str) -> Run:
    (folder / "limits.yaml").write_text(settings)
    command: list[str | Path] = [PYTHON, "-m", "snakemake", "--snakefile", REPOSITORY / "Snakefile"]
    command += ["--workflow-profile", REPOSITORY / "profiles/default", "--quiet"]
    command += [f"--cores={given.cores}", "--configfile", folder / "limits.yaml", *options]
    return run(command, cwd=folder)


def _table(found: dict[str, Run]) -> str:
    rows = [
        (what, f"{one.wall:.1f}", f"{one.cpu:.1f}", megabytes(one.peak))
        for what, one in found.items()
    ]
    return table(("", "wall, s", "CPU, s", "MB of the largest process"), rows)


def _files(given: argparse.Namespace, folder: Path) -> str:
    store = folder / "files.zarr"
    say("making 200,704 chunk files")
    run([PYTHON, "-c", _MAKE, store, "8", "8", "raw"])
    document = store / "0/zarr.json"
    shape = [8 * n for n in GRID]
    told = document.read_text().replace(" ", "").replace("\n", "")
    document.write_text(told.replace('"shape":[8,8,8]', f'"shape":{shape}'))
    for z, y in product(range(GRID[0]), range(GRID[1])):
        (store / f"0/c/{z}/{y}").mkdir(parents=True, exist_ok=True)
        for x in range(GRID[2]):
            (store / f"0/c/{z}/{y}/{x}").write_bytes(bytes([(z * 7 + y * 3 + x) % 256]) * 512)
    settings = "{store: files.zarr, field: '', chunks: [4, 4, 4], levels: 1, base_watch: objects}"
    zarrpyramid: list[str | Path] = [PYTHON, "-m", "zarrpyramid"]
    found = {}
    for what, options in (
        ("planned: `snakemake -n`", ["-n"]),
        ("built: `snakemake`", []),
        ("planned again, nothing to do", ["-n"]),
        ("run again, nothing to do", []),
    ):
        say(what)
        found[what] = _workflow(given, folder, settings, *options)
    for command in ("status", "clean"):
        say(command)
        found[f"`zarrpyramid {command}`"] = run([*zarrpyramid, command, store], cwd=folder)
    return f"200,704 chunk files in level 0, as many in level 1:\n\n{_table(found)}"


def _images(given: argparse.Namespace, folder: Path) -> str:
    say(f"making {N_IMAGES:,} images of documents")
    run([PYTHON, "-c", _MAKE, folder / "one", "128", "32", "zstd"])
    group, array = ((folder / f"one/{name}").read_bytes() for name in ("zarr.json", "0/zarr.json"))
    for n in range(N_IMAGES):
        (folder / f"many.zarr/{n:05}/0").mkdir(parents=True)
        (folder / f"many.zarr/{n:05}/zarr.json").write_bytes(group)
        (folder / f"many.zarr/{n:05}/0/zarr.json").write_bytes(array)
    (folder / "many.zarr/zarr.json").write_bytes(group)
    say("planning")
    found = {"planned: `snakemake -n`": _workflow(given, folder, "container: many.zarr", "-n")}
    return f"{N_IMAGES:,} images of 128^3:\n\n{_table(found)}"


def _linked(store: Path, size: int, chunk: int) -> None:
    """Make an image whose chunks are links to its first few, along each axis in turn."""
    run([PYTHON, "-c", _MAKE, store, str(size), str(chunk), "zstd"])
    n, folder = size // chunk, store / "0/c"
    there = [folder / f"0/0/{x}" for x in range(min(8, n))]
    for z, y, x in product(range(n), repeat=3):
        place = folder / f"{z}/{y}/{x}"
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            os.link(there[(z + 3 * y + 5 * x) % len(there)], place)


def _level_1(given: argparse.Namespace, store: Path) -> Run:
    shutil.rmtree(store / "1", ignore_errors=True)
    os.sync()
    command: list[str | Path] = [PYTHON, HERE / "peers/run_ours.py", store, "--levels=1"]
    return run([*command, f"--threads={given.cores}"])


def _memory(given: argparse.Namespace, folder: Path) -> str:
    found = {}
    for size in (256, 512, 1024, 2048):
        store = folder / f"{size}.zarr" / "field"
        say(f"{size}^3")
        _linked(store, size, 64)
        found[f"{size}^3"] = _level_1(given, store)
    return f"Level 1 of uint8, chunks of 64^3, {given.cores} cores:\n\n{_table(found)}"


def _chunk(given: argparse.Namespace, folder: Path) -> str:
    store = folder / "chunk.zarr" / "field"
    say("2048^3 in chunks of 1024^3")
    _linked(store, 2048, 1024)
    told = f"Level 1 of 2048^3 uint8, chunks of 1024^3 (1 GiB), {given.cores} cores"
    return f"{told}:\n\n{_table({'2048^3': _level_1(given, store)})}"


def _cold(given: argparse.Namespace, folder: Path) -> str:
    store = folder / "cold.zarr"
    say(f"making {given.size}^3")
    run([PYTHON, HERE / "make_image.py", store, f"--size={given.size}", "--codec=zstd"])
    files = sorted(path for path in (store / "field/0/c").rglob("*") if path.is_file())
    n_bytes = sum(path.stat().st_size for path in files)
    rows = []
    for what in ("a bare read, one thread", f"a bare read, {given.cores} threads", "level 1"):
        say(what)
        os.sync()
        for path in files:
            _drop(path)
        start = time.perf_counter()
        if what == "level 1":
            _level_1(given, store / "field")
        else:
            with ThreadPoolExecutor(1 if "one" in what else given.cores) as pool:
                for _ in pool.map(Path.read_bytes, files):
                    pass
        wall = time.perf_counter() - start
        rows.append((what, f"{wall:.2f}", f"{n_bytes / wall / 1e6:.0f}"))
    head = ("", "wall, s", "MB of files read a second")
    told = f"{given.size}^3 uint16 zstd, {len(files):,} files of {n_bytes / 1e6:.0f} MB, not cached"
    return f"{told}:\n\n{table(head, rows)}"


def _drop(path: Path) -> None:
    """Drop a file from the page cache; what is not on the disk yet stays."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main()
