"""Our engine: the whole pyramid by one call."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from contender import compete

import zarrpyramid
from zarrpyramid import chunks, kernels, pyramid, reduction

if TYPE_CHECKING:
    from pathlib import Path


def build(group: Path, levels: int, threads: int) -> list[Path]:
    """Make the levels beside array 0."""
    zarrpyramid.build_pyramid(
        str(group.parent), group.name, levels=levels, n_workers=threads, progress=False
    )
    return [group / str(level) for level in range(1, levels + 1)]


def load_kernel(group: Path) -> None:
    """Load the compiled kernel if the image is one that it is used for.

    The engine loads it beside its first blocks, so that a tiny image does not bring it.
    """
    base = pyramid.open_path(str(group)).plan.base
    if math.prod(base.shape) >= reduction.COMPILED_PAYS:
        while not kernels.compiled_is_ready(chunks.native_dtype(base)):
            time.sleep(0.01)


if __name__ == "__main__":
    compete(build, "zarrpyramid", load=load_kernel)
