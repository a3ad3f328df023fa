"""Print ratio and speed of codecs on averaged voxels of several kinds, as Markdown.

    uv run python tests/benchmarks/codecs.py
    uv run python tests/benchmarks/codecs.py --image /data/brain.zarr/raw

Images are 256^3 in chunks of 64^3, made in a temporary folder. What is printed is what `zarrpyramid
plan --codecs` finds: level 1, in memory, in CPU time of one thread.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from machine import machine, table
from measure import say

from zarrpyramid.config import check_config, image_config
from zarrpyramid.downsample import try_codecs
from zarrpyramid.plan import open_image

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOWN = ("none", "zstd", "zstd:1", "gzip", "blosc-lz4", "blosc-zstd:1", "blosc-zstd:1:bitshuffle")
SHOWN += ("blosc-zstd:3", "blosc-zstd")


def images() -> Iterator[tuple[str, Any, str]]:
    """Yield names, voxels and methods."""
    random = np.random.default_rng(0)
    z, y, x = np.indices((256,) * 3, np.float32)
    field = (np.sin(z / 20) + np.cos(y / 31) + np.sin(x / 17 + z / 40)) * 2000 + 8000
    noisy = field + random.normal(0, 30, field.shape)
    photons = random.poisson(np.clip((field - 6000) / 60, 0.1, None)) + 100
    cells = z // 24 * 1000 + y // 30 * 37 + x // 19
    outside = (z % 24 - 12) ** 2 + (y % 30 - 15) ** 2 + (x % 19 - 9) ** 2 > 80
    cells[outside] = 0
    yield "uint16, smooth field and noise", noisy.astype("uint16"), "mean"
    yield "uint16, counts of photons", photons.astype("uint16"), "mean"
    yield "float32, smooth field and noise", noisy.astype("float32"), "mean"
    yield "uint8, smooth field and noise", (noisy / 60).clip(0, 255).astype("uint8"), "mean"
    yield "uint32, labels", cells.astype("uint32"), "mode"


def cells(path: str, method: str) -> list[str]:
    """Return ratio and speed of encoding and decoding for each codec that is shown."""
    settings = {"store": path, "method": method, "levels": 1}
    trials = try_codecs(open_image(image_config("image", check_config(settings))))
    found = {name: trial for trial in trials for name in (trial.compressor, *trial.others)}
    return [
        f"{one.raw_bytes / one.stored_bytes:.2f}, {one.raw_bytes / one.encode_seconds / 1e6:.0f}, "
        f"{one.raw_bytes / one.decode_seconds / 1e6:.0f}"
        for one in map(found.__getitem__, SHOWN)
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image", help="an image of yours in place of those that are made")
    parser.add_argument("--method", default="mean", help="of that image")
    given = parser.parse_args()
    rows = []
    if given.image:
        rows.append([given.image, *cells(given.image, given.method)])
    for name, voxels, method in () if given.image else images():
        say(name)
        with tempfile.TemporaryDirectory() as folder:
            group = zarr.create_group(Path(folder) / "image")
            group.create_array("0", data=voxels, chunks=(64,) * 3)
            rows.append([name, *cells(f"{folder}/image", method)])
    print("Ratio, and MB/s of encoding and of decoding:\n")
    print(table(["", *SHOWN], rows))
    print("", *machine(), sep="\n")


if __name__ == "__main__":
    main()
