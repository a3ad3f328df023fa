"""Contrast windows of an image that has level 0 alone, where no level 1 has counted its values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zarrpyramid import geometry
from zarrpyramid.arrays import chunk_region, native_dtype, open_chunks, read_chunk
from zarrpyramid.metadata import CHANNEL, join, omero_document
from zarrpyramid.plan import CHANNELS_KEY

if TYPE_CHECKING:
    from zarrpyramid.metadata import Record
    from zarrpyramid.verify import Pyramid

MOST_BYTES = 2**26
"""Voxels that are read at most: those of a larger image are read in no moment."""
_TAILS = (0.001, 0.999)


def channels_of_lone_level(pyramid: Pyramid, name: str) -> list[Record]:
    """Return each channel of an image as its `omero` would list it; [] where that is not known.

    Known it is of small images with one level, of integers or floats.
    """
    metadata = pyramid.levels[0].metadata if len(pyramid.levels) == 1 else None
    if metadata is None or np.dtype(metadata.dtype).kind not in "uif":
        return []
    if geometry.count(metadata.shape) * metadata.item_size > MOST_BYTES:
        return []
    chunks = open_chunks(pyramid.store, join(pyramid.path, pyramid.levels[0].path), metadata)
    voxels = np.empty(metadata.shape, native_dtype(metadata))
    for index in geometry.iterate_units(geometry.grid_shape(metadata.shape, metadata.chunks)):
        voxels[chunk_region(metadata, index)] = read_chunk(chunks, index)
    planes = [voxels]
    if CHANNEL in pyramid.types:
        planes = [*np.moveaxis(voxels, pyramid.types.index(CHANNEL), 0)]
    made = omero_document(
        [_window(plane) for plane in planes],
        n_channels=len(planes),
        name=name,
        dtype=metadata.dtype,
        labels=pyramid.attributes.get(CHANNELS_KEY),
    )
    return made["channels"] if made else []


def _window(plane: np.ndarray) -> list[float] | None:
    """Return the 0.1 % and the 99.9 % quantile of the finite voxels of a channel."""
    finite = plane[np.isfinite(plane)]
    if not finite.size:
        return None
    ends = np.quantile(finite, _TAILS, method="inverted_cdf")
    return [value.item() for value in ends]
