"""pyramid-sampler: `Downsampler.downsample`, on a v3 group.

It creates its levels with zarr's default codec and without shards, whatever level 0 has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import zarr
from contender import compete
from pyramid_sampler import Downsampler

if TYPE_CHECKING:
    from pathlib import Path


def build(group: Path, levels: int, threads: int) -> list[Path]:
    """Make the levels beside array 0."""
    base = zarr.open_array(group / "0", mode="r")
    sampler = Downsampler(str(group.parent), (2, 2, 2), base.shape, chunks=base.chunks)
    sampler.downsample(levels + 1, group.name)
    return [group / str(level) for level in range(1, levels + 1)]


if __name__ == "__main__":
    compete(build, "pyramid-sampler")
