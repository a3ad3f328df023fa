"""Our engine: the whole pyramid by one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contender import compete

import zarrpyramid
from zarrpyramid.arrays import chunks
from zarrpyramid.downsample import pyramid
from zarrpyramid.reduce import loading

if TYPE_CHECKING:
    from pathlib import Path


def build(group: Path, levels: int, threads: int) -> list[Path]:
    """Make the levels beside array 0."""
    zarrpyramid.build_pyramid(
        str(group.parent), group.name, levels=levels, n_workers=threads, progress=False
    )
    return [group / str(level) for level in range(1, levels + 1)]


def load_kernel(group: Path) -> None:
    """Load the compiled kernel, which the engine of a large image loads beside its first blocks."""
    base = pyramid.open_path(str(group)).plan.base
    loading.load_compiled("mean", chunks.native_dtype(base)).join()


if __name__ == "__main__":
    compete(build, "zarrpyramid", load=load_kernel)
