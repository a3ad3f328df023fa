"""tensorstore: its downsample driver, each level from the one before, written by its zarr3 driver.

Files are not fsynced, and as many copies run at once as there are threads. The levels take over
level 0's metadata: chunks, shards, codecs.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import tensorstore as ts
from contender import compete

if TYPE_CHECKING:
    from pathlib import Path


def build(group: Path, levels: int, threads: int) -> list[Path]:
    """Make the levels beside array 0."""
    context = ts.Context({"data_copy_concurrency": {"limit": threads}, "file_io_sync": False})
    metadata = json.loads((group / "0" / "zarr.json").read_text(encoding="utf-8"))
    made = []
    for level in range(1, levels + 1):
        source = ts.open(
            {
                "driver": "downsample",
                "downsample_factors": [2] * len(metadata["shape"]),
                "downsample_method": "mean",
                "base": _array(group / str(level - 1)),
            },
            context=context,
            read=True,
        ).result()
        kept = ("chunk_grid", "chunk_key_encoding", "codecs", "data_type", "fill_value")
        target = ts.open(
            {
                **_array(group / str(level)),
                "metadata": {**{key: metadata[key] for key in kept}, "shape": source.shape},
            },
            context=context,
            create=True,
        ).result()
        target.write(source).result()
        made.append(group / str(level))
    return made


def _array(path: Path) -> dict[str, object]:
    return {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{path}/"}}


if __name__ == "__main__":
    compete(build, "tensorstore")
