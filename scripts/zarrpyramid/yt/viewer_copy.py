"""A companion of a field for viewers: float32, or its logarithm, with a pyramid of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zarrpyramid.arrays import open_chunks, read_region
from zarrpyramid.errors import ConfigError
from zarrpyramid.metadata import join
from zarrpyramid.pyramids import build_pyramid
from zarrpyramid.verify import find_pyramid

from .fields import axis_names
from .frame import said_to_yt
from .level_0 import boxes, check_settings, new_image, put_box, writing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zarrpyramid.pyramids import Pyramid


def write_viewer_field(
    store: object,
    field: str,
    *,
    log10: bool = True,
    into: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Pyramid:
    """Write an image in float32 beside another one, and build its pyramid.

    Its level 0 equals ``log10(level 0 of the field)`` in float32, or the field itself in float32.
    The logarithm of what is not above 0 is NaN; levels of a logarithm leave NaN out (`nanmean`)
    unless `method` says otherwise. They are means of logarithms: for the eye, not for numbers.

    Parameters
    ----------
    store
        A path, a URL, a zarr store object, or a group opened from one.
    field
        Path of the image in the store.
    log10
        Whether to take the logarithm.
    into
        Path of the new image; the field's with ``_log10`` or ``_float32`` unless given.
    storage_options
        For a URL.
    **settings
        For `build_pyramid`; the levels are those of the field unless they say otherwise.

    Returns
    -------
    Pyramid
        Of the new image.

    Raises
    ------
    PyramidError
        If the field is absent or is not of real numbers, or the new image's place is taken.
    """
    pyramid = find_pyramid(store, field, storage_options=storage_options)
    base = pyramid.levels[0].array
    if np.dtype(base.dtype).kind not in "iufb":
        raise ConfigError(f"{pyramid.where} is of {base.dtype}; expected real numbers")
    said = said_to_yt(pyramid.attributes, pyramid.where)
    suffix = "_log10" if log10 else "_float32"
    path = f"{field.rstrip('/') or 'field'}{suffix}" if into is None else into
    names = axis_names(pyramid, base)
    sizes = dict(zip(names, pyramid.voxel_sizes, strict=False))
    units = {axis["name"]: axis["unit"] for axis in pyramid.axes if axis.get("unit")}
    factors = (pyramid.provenance or {}).get("factors")
    given: dict[str, Any] = {
        **({"method": "nanmean"} if log10 else {}),
        # The levels of the field, where zarrpyramid made them.
        **({"scale_factors": factors, "levels": len(factors)} if factors else {}),
        **({"voxel_size": sizes} if sizes else {}),
        **({"unit": units} if units else {}),
        **({"storage_options": storage_options} if storage_options else {}),
        **settings,
    }
    check_settings(path, given)
    image = new_image(
        store,
        path,
        shape=base.shape,
        chunks=base.chunks,
        dtype="float32",
        axes=names,
        said={**said, "unit": ""} if log10 and said else said,
        storage_options=storage_options,
    )
    voxels = open_chunks(pyramid.store, pyramid.levels[0].at, base)
    with writing([image]) as (target,):
        for region in boxes(image):
            block = read_region(voxels, region)
            if log10:
                with np.errstate(divide="ignore", invalid="ignore"):
                    block = np.log10(block, dtype=np.float64)
                block[~np.isfinite(block)] = np.nan
            with np.errstate(over="ignore"):
                put_box(target, region, block.astype(np.float32))
    return build_pyramid(store, join(path), **given)
