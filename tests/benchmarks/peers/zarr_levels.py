"""Levels written by dask into zarr, for the peers that leave writing to the two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zarr
from dask import array

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


# dask gives types to some of its functions, and not to others.
dask_array: Any = array


def write_levels(group: Path, levels: int, reduce: Callable[[Any], Any]) -> list[Path]:
    """Make each level from the stored one before it; `reduce` maps one dask array to the next."""
    base = zarr.open_array(group / "0", mode="r")
    made = []
    for level in range(1, levels + 1):
        finer = zarr.open_array(group / str(level - 1), mode="r")
        # One dask chunk a stored object: two writers of one shard lose what the other wrote.
        unit = finer.shards or finer.chunks
        coarser = reduce(dask_array.from_array(finer, chunks=unit))
        target = zarr.create_array(
            group / str(level),
            shape=coarser.shape,
            chunks=base.chunks,
            shards=base.shards,
            dtype=base.dtype,
            compressors=base.compressors or None,
            fill_value=base.fill_value,
        )
        dask_array.store(coarser.rechunk(unit), target, lock=False)
        made.append(group / str(level))
    return made
