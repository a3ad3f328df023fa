"""ome-zarr: its local mean on dask arrays, stored level by level.

Its `write_image` would write level 0 anew beside the levels, so its reduction alone is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contender import compete
from ome_zarr.dask_utils import local_mean
from zarr_levels import write_levels

if TYPE_CHECKING:
    from pathlib import Path


def build(group: Path, levels: int, threads: int) -> list[Path]:
    """Make the levels beside array 0."""

    def reduce(finer: Any) -> Any:
        return local_mean(finer, tuple(extent // 2 for extent in finer.shape))

    return write_levels(group, levels, reduce)


if __name__ == "__main__":
    compete(build, "ome-zarr")
