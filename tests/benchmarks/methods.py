"""Speed of every method on chunks in memory: million voxels of input a second on one core.

    flock -x LOCK uv run python tests/benchmarks/methods.py [--methods mode,median]

Intensities are smooth blobs with noise, labels a Voronoi diagram of cells some 40 voxels wide, as
of a segmented volume. Of each chunk of 64^3 (63^3 for windows of 3), all eight of a volume are
reduced in turn; the figure is the median of the passes.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from machine import machine, table

from zarrpyramid.reduce.dtypes import kind_of
from zarrpyramid.reduce.methods import METHODS
from zarrpyramid.reduce.windows import reduce_windows

if TYPE_CHECKING:
    from collections.abc import Iterator

    Block = np.ndarray[Any, np.dtype[Any]]

DTYPES = ("uint8", "uint16", "uint32", "uint64", "float32", "float64")
LABELS = ("mode", "mode_nonzero")
WIDE = {"uint8": "uint32", "uint16": "uint32", "uint32": "uint64"}
N_PASSES = 7


def cells(edge: int, width: int = 40) -> Block:
    """Return labels of the nearest of many seeds, one in each cube of `width`; some are 0."""
    random = np.random.default_rng(1)
    n = edge // width + 3
    seeds = (np.indices((n,) * 3).reshape(3, -1).T + random.random((n**3, 3)) - 1) * width
    axes = [np.arange(edge, dtype=np.float32)] * 3
    own = [axis.astype(int) // width + 1 for axis in axes]
    nearest = np.full((edge,) * 3, np.inf, np.float32)
    labels = np.zeros((edge,) * 3, np.uint32)
    for shift in itertools.product((-1, 0, 1), repeat=3):
        cube = np.ix_(*(np.clip(o + s, 0, n - 1) for o, s in zip(own, shift, strict=True)))
        number = np.ravel_multi_index(cube, (n,) * 3)
        places = seeds[number]
        grid = np.meshgrid(*axes, indexing="ij", sparse=True)
        distance = sum((places[..., a] - grid[a]) ** 2 for a in range(3)).astype(np.float32)
        closer = distance < nearest
        nearest[closer], labels[closer] = distance[closer], number[closer]
    return np.where(labels % 5 == 0, 0, labels * 7919 % 250)


def blobs(edge: int) -> Block:
    """Return smooth bright spots and noise, 0 to 250."""
    z, y, x = np.meshgrid(*[np.linspace(0, 9, edge)] * 3, indexing="ij", sparse=True)
    smooth = 100 * (1 + np.sin(z) * np.sin(1.3 * y) * np.sin(0.7 * x))
    return np.clip(smooth + np.random.default_rng(2).normal(0, 12, smooth.shape), 0, 250)


def chunks(volume: Block, edge: int) -> Iterator[Block]:
    """Yield the eight chunks of a volume."""
    for corner in itertools.product((0, edge), repeat=3):
        yield np.ascontiguousarray(volume[tuple(slice(start, start + edge) for start in corner)])


def speed(method: str, source: list[Block], factor: int, *, compiled: bool) -> float:
    """Return million voxels a second."""
    factors = (factor,) * 3
    dtype = source[0].dtype
    wide = WIDE.get(dtype.name, dtype.name) if method == "sum" else dtype
    out = np.empty(tuple(extent // factor for extent in source[0].shape), wide)
    seconds = []
    for _ in range(N_PASSES + 1):
        start = time.perf_counter()
        for block in source:
            reduce_windows(method, block, factors, out, compiled=compiled)
        seconds.append(time.perf_counter() - start)
    return len(source) * source[0].size / statistics.median(seconds[1:]) / 1e6


def main() -> None:
    """Print a table of all methods and dtypes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--methods", default=",".join(METHODS))
    given = parser.parse_args()
    volumes = {True: cells(128), False: blobs(128)}
    rows = []
    for method in given.methods.split(","):
        for dtype in DTYPES:
            if kind_of(dtype) not in METHODS[method].kinds:
                continue
            volume = volumes[method in LABELS].astype(dtype)
            row = [method, dtype]
            for factor, edge in ((2, 64), (3, 63)):
                source = list(chunks(volume, edge))
                for form in (False, True):
                    found = speed(method, source, factor, compiled=form)
                    row += [f"{found:,.0f}"]
            rows.append(row)
    header = ("method", "dtype", "2x2x2 numpy", "2x2x2 numba", "3x3x3 numpy", "3x3x3 numba")
    print("\n".join(machine()))
    print("\nmillion voxels a second on one core\n")
    print(table(header, rows))


if __name__ == "__main__":
    main()
