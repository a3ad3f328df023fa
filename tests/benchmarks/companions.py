"""Print what a companion costs at level 1, beside a pyramid of its own, as Markdown.

    uv run python tests/benchmarks/companions.py --size 512

CPU s of `build_level` of level 1, without the start of the process, in a process of its own each
time, one worker: by `mean`, by `max`, and by `mean` with `also: [max]` and `also: [max, min]`, in
turn. The least of all rounds counts: CPU is less on a quiet machine, and never too little.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import zarr

CODECS = {
    "zstd": zarr.codecs.ZstdCodec(),
    "zstd:1": zarr.codecs.ZstdCodec(level=1),
    "blosc-lz4": zarr.codecs.BloscCodec(cname="lz4", shuffle="shuffle"),
    "raw": None,
}
KINDS = {
    "mean": {},
    "max": {"method": "max"},
    "one": {"also": ["max"]},
    "two": {"also": ["max", "min"]},
}
JOB = """
import json, sys, time
from zarrpyramid.config import check_config, image_config
from zarrpyramid.downsample import build_level, seal_base
from zarrpyramid.plan import open_image
given = {"store": sys.argv[1], "levels": 1, "scale_factors": 2, "durability": "none"}
image = open_image(image_config("i", check_config({**given, **json.loads(sys.argv[2])})))
record = seal_base(image)
before = time.process_time()
build_level(image, 1, record, n_workers=1)
print(time.process_time() - before)
"""


def make(store: Path, size: int, codec: str, dtype: str) -> None:
    """Make a smooth image with noise, in chunks of 64^3."""
    how = {"chunks": (64,) * 3, "dtype": dtype, "compressors": CODECS[codec]}
    names = {"dimension_names": ["z", "y", "x"]}
    array = zarr.create_group(store).create_array("0", shape=(size,) * 3, **how, **names)
    draw = np.random.default_rng(0)
    for start in range(0, size, 64):
        z, y, x = np.ogrid[start : start + 64, 0:size, 0:size]
        field = 1000 + 800 * np.sin(z / 40) * np.sin(y / 37) * np.sin(x / 31)
        array[start : start + 64] = (field + draw.normal(0, 30, field.shape)).astype(dtype)


def cost(store: Path, settings: dict[str, object]) -> float:
    """Return the CPU s of level 1 by some settings."""
    for name in ("1", "max", "min"):
        shutil.rmtree(store / name, ignore_errors=True)
    done = subprocess.run(
        [sys.executable, "-c", JOB, str(store), json.dumps(settings)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    return float(done.stdout)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--dtype", default="uint16")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    print("| | mean | max alone | one companion more | of max alone | a second more | |")
    print("|---|---|---|---|---|---|---|")
    for codec in CODECS:
        with tempfile.TemporaryDirectory() as folder:
            store = Path(folder) / "image.zarr"
            make(store, given.size, codec, given.dtype)
            rounds = [[cost(store, how) for how in KINDS.values()] for _ in range(given.rounds)]
        mean, alone, one, two = (min(each) for each in zip(*rounds, strict=True))
        shares = [f"{more:.2f} | {more / alone:.0%}" for more in (one - mean, two - one)]
        print(f"| {codec} | {mean:.2f} | {alone:.2f} | {' | '.join(shares)} |", flush=True)


if __name__ == "__main__":
    main()
