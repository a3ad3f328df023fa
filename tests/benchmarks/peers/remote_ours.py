"""Our engine on a bucket: the whole pyramid by one call."""

from __future__ import annotations

import importlib
import tempfile

import numpy as np
import zarr
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


def import_all() -> None:
    """Import what a build imports, as the other's module is before the clock starts."""
    for name in ("obstore.store", "zarrpyramid.stores.object_store"):
        importlib.import_module(name)

    with tempfile.TemporaryDirectory() as folder:
        group = zarr.create_group(folder)
        group.create_array("0", shape=(64,) * 3, chunks=(16,) * 3, dtype="uint16")
        build_pyramid(folder, levels=2, n_workers=1, progress=False)


if __name__ == "__main__":
    import_all()
    loading.load_compiled("mean", np.dtype("uint16")).join()
    compete_remotely(build, "zarrpyramid")
