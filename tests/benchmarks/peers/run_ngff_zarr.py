"""ngff-zarr: its bin shrink by dask (a local mean, rounded half up), written by its own writer.

Level 0 stays as it is, as the writer's `start_level` has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ngff_zarr
import zarr
from contender import compete
from zarr_levels import dask_array

if TYPE_CHECKING:
    from pathlib import Path


def build(group: Path, levels: int, threads: int) -> list[Path]:
    """Make the levels beside array 0."""
    base = zarr.open_array(group / "0", mode="r")
    image = ngff_zarr.to_ngff_image(dask_array.from_zarr(base), dims=("z", "y", "x"))
    multiscales = ngff_zarr.to_multiscales(
        image,
        scale_factors=[2**level for level in range(1, levels + 1)],
        method=ngff_zarr.Methods.DASK_BIN_SHRINK,
        chunks=base.chunks[0],
        cache=False,
    )
    options: dict[str, Any] = {"compressors": list(base.compressors)}
    if base.shards:
        options["chunks_per_shard"] = base.shards[0] // base.chunks[0]
    for level, dataset in enumerate(multiscales.metadata.datasets):
        dataset.path = str(level)
    ngff_zarr.to_ome_zarr(
        group, multiscales, version="0.5", start_level=1, overwrite=False, **options
    )
    return [group / str(level) for level in range(1, levels + 1)]


if __name__ == "__main__":
    compete(build, "ngff-zarr")
