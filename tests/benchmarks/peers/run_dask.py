"""dask: `dask.array.coarsen` of a mean, rounded half to even, stored level by level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array
import numpy as np
from contender import compete
from zarr_levels import write_levels

if TYPE_CHECKING:
    from pathlib import Path


def build(group: Path, levels: int, threads: int) -> list[Path]:
    """Make the levels beside array 0."""

    def reduce(finer: Any) -> Any:
        means = dask.array.coarsen(np.mean, finer, dict.fromkeys(range(finer.ndim), 2))
        return (means if finer.dtype.kind == "f" else dask.array.rint(means)).astype(finer.dtype)

    return write_levels(group, levels, reduce)


if __name__ == "__main__":
    compete(build, "dask")
