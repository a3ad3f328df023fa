"""Print as Markdown what images of 2^40 and 2^50 voxels ask of a cluster, by their plans.

    uv run python tests/benchmarks/scale.py

Levels, parts and objects are those of the plan of an image that has metadata alone. Rate and file
operations are measured on an image of 512^3 voxels (`--edge`) with as many chunks in a shard; the
rest is given as arguments.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import zarr
from machine import machine, table

from zarrpyramid import geometry
from zarrpyramid.config import image_config
from zarrpyramid.downsample.base import seal_base
from zarrpyramid.downsample.level import build_level
from zarrpyramid.downsample.synthetic import draw
from zarrpyramid.plan.image import open_image

SHAPES = {40: (2**14, 2**13, 2**13), 50: (2**16, 2**17, 2**17)}
OPERATIONS = ("open", "os.rename", "os.mkdir", "os.remove", "os.scandir")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rates:
    """What a level costs: seconds of a core a voxel read, operations a chunk and an object."""

    core_seconds: float
    per_chunk: float
    per_object: float


def open_planned(folder, shape, chunks, shards):
    """Return an image that has metadata and no voxel."""
    group = zarr.create_group(folder)
    group.create_array("0", shape=shape, chunks=chunks, shards=shards, dtype="uint16")
    return open_image(image_config("image", {"store": str(folder)}))


def measure(folder, sharded, n_workers, edge):
    """Build level 1 of a small image; return wall seconds a source voxel, and operations."""
    inner = 32 if n_workers == 1 else 64
    shards = (8 * inner,) * 3 if sharded else None
    image = open_planned(folder, (edge,) * 3, (inner,) * 3, shards)
    config = image_config(
        "made",
        {
            "store": str(folder / "made"),
            "test_image": {"shape": [edge] * 3, "chunks": [128] * 3},
        },
    )
    array = zarr.open_array(folder / "0")
    step = min(256, edge)
    for place in geometry.iterate_units((edge // step,) * 3):
        region = tuple(slice(i * step, (i + 1) * step) for i in place)
        array[region] = draw(config.test_image, region)
    record = seal_base(image)
    counted = Counter()
    counting = [True]

    def hook(event, _):
        if counting[0] and event in OPERATIONS:
            counted[event] += 1

    if n_workers == 1:  # in threads of this process, where the hook sees all
        sys.addaudithook(hook)
    start = time.perf_counter()
    build_level(image, 1, record, n_workers=n_workers)
    seconds = time.perf_counter() - start
    counting[0] = False
    return seconds / edge**3, counted, image.plan.levels[:2]


def measured_rates(n_cores, edge):
    """Return the rates of chunks on their own and in shards."""
    found = {}
    for sharded in (False, True):
        with contextlib.ExitStack() as stack:
            folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2)]
            seconds, _, _ = measure(folders[0], sharded, n_cores, edge)
            _, counted, (source, target) = measure(folders[1], sharded, 1, edge)
        found[sharded] = Rates(
            core_seconds=seconds * n_cores,
            per_chunk=(counted["open"] - target.n_objects) / source.n_chunks,
            # Made aside and renamed.
            per_object=1 + counted["os.rename"] / target.n_objects,
        )
    return found


def row(exponent, shards, rates, given):
    """Return one image's line of the table."""
    with tempfile.TemporaryDirectory() as folder:
        plan = open_planned(folder, SHAPES[exponent], (128,) * 3, shards).plan
    parts = [plan.cut(level.level).n_parts for level in plan.levels[1:]]
    in_parts = [n for n in parts if n > 1]
    # The first seals level 0 and opens its first parts. What gathers parts opens the next level's.
    n_jobs = 1 + sum(n + 1 for n in in_parts)
    n_cores = given.nodes * given.cores
    wall = 0.0
    for level, n_parts in enumerate(parts, start=1):
        n_voxels = geometry.count(plan.levels[level - 1].shape)
        # So many parts run at once, each on the cores that it asks for.
        at_once = min(n_parts, n_cores // given.threads)
        rounds = math.ceil(n_parts / at_once)
        seconds = n_voxels / n_parts * rates.core_seconds / given.threads
        wall += rounds * (seconds + (given.wait if n_parts > 1 else 0))
        wall += given.wait if n_parts > 1 else 0
    work = sum(geometry.count(level.shape) for level in plan.levels[:-1]) * rates.core_seconds
    n_read = sum(level.n_chunks for level in plan.levels[:-1])
    n_written = sum(level.n_objects for level in plan.levels[1:])
    operations = n_read * rates.per_chunk + n_written * rates.per_object
    return [
        f"2^{exponent}, {'shards of 1024^3' if shards else 'no shards'}",
        str(len(parts)),
        " + ".join(map(str, in_parts)) or "none",
        f"{n_jobs:,}",
        f"{plan.levels[0].n_objects:,}",
        f"{n_written:,}",
        f"{work / 3600:,.1f}",
        f"{wall / 3600:,.2f}",
        f"{operations:.2g}",
        f"{operations / wall:,.0f}",
    ]


def main():
    """Measure, calculate and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--cores", type=int, default=32, help="of a node")
    parser.add_argument("--threads", type=int, default=8, help="cores that a part asks for")
    parser.add_argument("--wait", type=float, default=30, help="seconds a job waits and starts")
    parser.add_argument("--measured-on", type=int, default=2, help="cores of this machine")
    parser.add_argument("--edge", type=int, default=512, help="of the image that is measured")
    given = parser.parse_args()
    rates = measured_rates(given.measured_on, given.edge)
    print(*machine(), sep="\n")
    for sharded, rate in rates.items():
        form = "in shards" if sharded else "on their own"
        print(
            f"\nChunks {form}: {1e-6 / rate.core_seconds:.0f} million voxels a second and core; "
            f"{rate.per_chunk:.2f} opened files a chunk read, {rate.per_object:.2f} changes of "
            "names an object written."
        )
    print()
    rows = [
        row(exponent, shards, rates[shards is not None], given)
        for exponent, shards in ((40, None), (40, (1024,) * 3), (50, (1024,) * 3))
    ]
    heads = ["voxels", "levels", "parts", "submissions", "objects of level 0", "objects written"]
    heads += ["core hours", "hours", "operations on names", "of them a second"]
    print(table(heads, rows))


if __name__ == "__main__":
    main()
