"""See that the levels of a pyramid are what they claim to be; run as a process of its own.

Each level is held against the one before it, as it is stored: shape, data type, chunks, shards, and
a sample of blocks against the mean rounded half to even. Other codecs than level 0's are noted.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import zarr

_N_BLOCKS = 8


def check(base: Path, levels: list[Path], tolerance: float) -> dict[str, Any]:
    """Return notes and the largest difference of a sampled voxel, over all levels.

    Raises
    ------
    SystemExit
        If a level is not what it claims to be.
    """
    first = finer = zarr.open_array(base, mode="r")
    notes, worst = set(), 0.0
    for number, path in enumerate(levels, 1):
        level = zarr.open_array(path, mode="r")
        wanted = tuple(-(-extent // 2) for extent in finer.shape)
        if level.shape != wanted or level.dtype != first.dtype:
            raise SystemExit(
                f"level {number} has shape {level.shape} and dtype {level.dtype}, expected "
                f"{wanted} and {first.dtype}"
            )
        for what in ("chunks", "shards", "compressors"):
            found, expected = getattr(level, what), getattr(first, what)
            if found != expected:
                notes.add(f"{what} {_short(found)} where level 0 has {_short(expected)}")
        difference = _difference(finer, level)
        if difference > tolerance:
            raise SystemExit(f"level {number} differs by {difference}, allowed {tolerance}")
        worst, finer = max(worst, difference), level
    return {"notes": sorted(notes), "worst": worst}


def _difference(finer: Any, level: Any) -> float:
    """Return the largest difference: in grey levels for integers, relative for floats."""
    worst = 0.0
    edge = min(64, *level.shape)
    starts = [sorted({0, (extent // 2) // 2 * 2, extent - edge}) for extent in level.shape]
    corners = list(itertools.product(*starts))
    step = max(1, len(corners) // _N_BLOCKS)
    for corner in [*corners[::step], corners[-1]]:
        region = tuple(
            slice(start, min(start + edge, extent))
            for start, extent in zip(corner, level.shape, strict=True)
        )
        source = tuple(
            slice(2 * axis.start, min(2 * axis.stop, extent))
            for axis, extent in zip(region, finer.shape, strict=True)
        )
        found = np.asarray(level[region]).astype(np.float64)
        wanted = _means(np.asarray(finer[source]))
        error = np.abs(found - wanted)
        if level.dtype.kind == "f":
            error /= np.maximum(np.abs(wanted), 1.0)
        worst = max(worst, float(error.max()))
    return worst


def _means(voxels: Any) -> Any:
    """Return the means over 2x2x2 windows, those at an odd edge over what is there."""
    sums, counts = voxels.astype(np.float64), np.ones(voxels.shape)
    for axis, extent in enumerate(voxels.shape):
        starts = np.arange(0, extent, 2)
        sums = np.add.reduceat(sums, starts, axis=axis)
        counts = np.add.reduceat(counts, starts, axis=axis)
    means = sums / counts
    return np.rint(means) if voxels.dtype.kind in "iu" else means


def _short(value: object) -> str:
    return str(value).replace("\n", " ")


def main() -> None:
    """Check the levels given, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", type=Path)
    parser.add_argument("levels", type=Path, nargs="+")
    parser.add_argument("--tolerance", type=float, default=0.0)
    given = parser.parse_args()
    print(json.dumps(check(given.base, given.levels, given.tolerance)))


if __name__ == "__main__":
    main()
