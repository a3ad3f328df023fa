"""Test images: level 0 that the program makes for the demo, for tests and for benchmarks.

Equal settings give equal voxels. Each chunk is made on its own, so that memory is bounded. `noise`
is the same on every host; `blobs` use `exp`, whose last bit may differ between hosts.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zarrpyramid import geometry
from zarrpyramid.arrays import chunk_region, chunks_of_object, open_chunks
from zarrpyramid.errors import StoreError
from zarrpyramid.metadata import absent_groups, make_groups, read_array, write_array
from zarrpyramid.plan import made_base

from .cluster import open_cluster
from .run import run_blocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from zarrpyramid.arrays import Block
    from zarrpyramid.config import TestImage
    from zarrpyramid.geometry import Index, Region, Shape
    from zarrpyramid.metadata import ArrayMetadata, Record
    from zarrpyramid.plan import Image

_ATTRIBUTE = "zarrpyramid_test_image"
_N_BLOBS = 48
_MARK = "test-image.zarrpyramid-partial"
"""Marks a level 0 that is being made: what a killed run leaves is then not taken for user data."""


def make_test_image(
    image: Image, *, n_workers: int, on_block: Callable[[int], None] = lambda n_voxels: None
) -> Record:
    """Make level 0 of an image whose settings ask for a test image, and the groups above it.

    Parameters
    ----------
    n_workers
        Threads or processes.
    on_block
        Called with the voxels of a chunk when it is written.

    Returns
    -------
    Record
        The settings of the test image.

    Raises
    ------
    StoreError
        If something else stands in its place; nothing is written then.
    """
    made = image.plan.image.test_image
    assert made is not None
    record: Record = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in asdict(made).items()
    }
    path = image.level_path(0)
    found = read_array(image.store, path)
    if found is not None:
        if found.attributes.get(_ATTRIBUTE) == record:
            return record
        raise StoreError(
            f"{image.name(0)} is there already and is not the test image asked for; none is ever "
            "made over other data: choose another store or field, or remove it yourself"
        )
    base = made_base(made, image.plan.image.axes)
    base = replace(base, attributes={_ATTRIBUTE: record})
    absent_groups(image.store, image.path, 3)  # refused before anything is made
    if image.store.get(f"{path}/{_MARK}") is None and any(image.store.keys(path)):
        raise StoreError(
            f"{image.name(0)} holds files but no metadata document; a test image is never made "
            "over other data: choose another store or field, or remove them yourself"
        )
    make_groups(image.store, image.path, 3)
    image.store.put(f"{path}/{_MARK}", b"a test image is being made here")
    writer = _Writer(image, base, made)
    grid = geometry.grid_shape(base.shape, base.chunks)
    with open_cluster(image.plan.image.dask_scheduler, image.store, path) as cluster:
        for _ in run_blocks(
            writer,
            grid,
            n_workers=n_workers,
            cluster=cluster,
            shared=image.store.shared,
            note=on_block,
        ):
            pass
    image.store.sync()
    write_array(image.store, path, base)
    image.store.delete(f"{path}/{_MARK}")
    return record


class _Writer:
    """Makes and writes one chunk of a test image, and returns its voxels."""

    def __init__(self, image: Image, base: ArrayMetadata, made: TestImage) -> None:
        self.store, self.path, self.base, self.made = image.store, image.level_path(0), base, made

    def __call__(self, place: Index) -> int:
        chunks = open_chunks(self.store, self.path, self.base)
        (index,) = chunks_of_object(self.base, tuple(place))
        block = draw(self.made, chunk_region(self.base, index))
        chunks.put(index, [chunks.encode(index, block)])
        return int(block.size)


def draw(made: TestImage, region: Region) -> Block:
    """Return the voxels of one chunk of a test image, from the region that the chunk holds.

    `noise` is uniform over the data type's range, or over [0, 1); `blobs` are bright Gaussian spots
    on noise of a twentieth of their height.
    """
    dtype = np.dtype(made.dtype)
    shape = geometry.region_shape(region)
    place = [axis.start for axis in region]
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence([made.seed, *place])))
    if made.pattern == "noise":
        if dtype.kind == "f":
            return random.random(shape).astype(dtype)
        if dtype == np.bool_:
            return random.integers(0, 2, shape).astype(dtype)
        limits = np.iinfo(dtype)
        return random.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    light: Block = random.random(shape, np.float32) * np.float32(0.05)
    for centre, width in _blobs(made):
        profiles = [
            np.exp(-(((np.arange(axis.start, axis.stop) - c) / w) ** 2) / 2).astype(np.float32)
            for axis, c, w in zip(region, centre, width, strict=True)
        ]
        if min(float(profile.max()) for profile in profiles) > 1e-4:
            spot: Any = profiles[0]
            for profile in profiles[1:]:
                spot = np.multiply.outer(spot, profile)
            light += spot
    if dtype == np.bool_:
        light = light > np.float32(0.3)
    elif dtype.kind != "f":
        top = min(np.iinfo(dtype).max, 4000)
        light = np.minimum(light * np.float32(top / 2), np.float32(top))
    return light.astype(dtype)


def random_array(shape: Shape, chunks: Shape) -> Any:
    """Return a dask array of random numbers in [0, 1)."""
    from dask import array

    return array.random.random(shape, chunks=chunks)


def store_array(source: Any, target: Any, *, shared: bool = True) -> None:
    """Write a dask array into a zarr array of the same chunks; `shared` as in `run.run_blocks`."""
    from dask import array

    # No two chunks touch the same object, so that nothing needs a lock.
    array.store(source, target, lock=False, scheduler=None if shared else "threads")


def _blobs(made: TestImage) -> list[tuple[list[float], list[float]]]:
    """Return the centre and the width of every blob, in voxels along each axis."""
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence(made.seed)))
    extents = np.array(made.shape)
    centres = random.random((_N_BLOBS, extents.size)) * extents
    widths = (0.02 + 0.06 * random.random((_N_BLOBS, extents.size))) * extents
    return list(zip(centres.tolist(), widths.tolist(), strict=True))
