"""Conditions under which a viewer gets a pyramid wrong; `viewer_rules.toml` says which and how.

A condition takes a pyramid and returns what the viewer stumbles over, as words for a message:
names of levels, axes or data types. It returns nothing where all is well. Conditions look at
documents alone, and OME-NGFF's own rules are those of `verify`.
"""

from __future__ import annotations

import shlex
from itertools import pairwise
from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.metadata import (
    CHANNEL,
    SPACE,
    TIME,
    UNITS,
    has_systems,
    misspelled_keys,
    outer_transformations,
    read_transformations,
)
from zarrpyramid.plan import why_extreme

if TYPE_CHECKING:
    from zarrpyramid.verify import Pyramid

LARGEST_CHUNK = 10 * 2**20
"""Bytes of a chunk's voxels that a browser still fetches and keeps with ease."""
COSTLY_LINE = 2**20
"""Bytes of voxels that a line takes from which on a viewer waits for it."""
LARGEST_SINGLE = 2**30
"""Bytes of an image's voxels up to which one level alone is enough."""
LARGEST_SINGLE_FILE = 2**32 - 1
"""Bytes from which on a zip archive needs ZIP64."""
LARGEST_TEXTURE = 2048
"""Voxels along an axis that every graphics card takes in three dimensions."""

_NEUROGLANCER_DTYPES = {
    *("uint8", "int8", "uint16", "int16"),
    *("uint32", "int32", "uint64", "float32"),
}
_NEUROGLANCER_CODECS = {
    *("blosc", "bytes", "crc32c", "gzip"),
    *("sharding_indexed", "transpose", "zstd"),
}
_NEUROGLANCER_COMPRESSORS = {"blosc", "gzip", "zlib", "zstd"}
_MOST_ENTRIES = 2**16 - 1
_READ_VERSIONS = ("0.4", "0.5-dev", "0.5")
_FIVE_AXES = ["t", "c", "z", "y", "x"]


# The list of levels and their arrays.


def unlisted(pyramid: Pyramid) -> list[str]:
    """Return a word where the group lists no level."""
    return [] if pyramid.listed else ["no level"]


def absent_arrays(pyramid: Pyramid) -> list[str]:
    """Return listed paths without an array of a kind that is served here."""
    return [level.path for level in pyramid.listed if level.metadata is None]


def other_ranks(pyramid: Pyramid) -> list[str]:
    """Return arrays that have more or fewer axes than the multiscales."""
    n_axes = len(pyramid.axes)
    others = [
        f"{level.path} has {len(level.metadata.shape)}"
        for level in pyramid.listed
        if level.metadata is not None and len(level.metadata.shape) != n_axes
    ]
    return [f"{n_axes} axes, the array {', '.join(others)}"] if others else []


def large_single_level(pyramid: Pyramid) -> list[str]:
    """Return the size of an image that has one level and is large."""
    if len(pyramid.arrays) != 1:
        return []
    size = geometry.count(pyramid.arrays[0].shape) * pyramid.arrays[0].item_size
    return [f"{size / 2**30:.1f} GiB"] if size > LARGEST_SINGLE else []


# Versions of OME-NGFF.


def unread_version(pyramid: Pyramid) -> list[str]:
    """Return what is wrong with the stated version of OME-NGFF."""
    version = pyramid.version
    if version is None:
        return ["the multiscales says no version, so it is not taken for OME-Zarr"]
    if version not in _READ_VERSIONS:
        return [f"OME-NGFF {version} is not read by this release, which reads 0.4 and 0.5"]
    is_contradicted = (version, pyramid.zarr_format) == ("0.5", 2)
    return ["OME-NGFF 0.5 needs zarr v3"] if is_contradicted else []


def zarr_v3(pyramid: Pyramid) -> list[str]:
    """Return a word where the group is of zarr v3, and its axes are listed as up to 0.5."""
    return [] if pyramid.zarr_format == 2 or coordinate_systems(pyramid) else ["zarr v3"]


def coordinate_systems(pyramid: Pyramid) -> list[str]:
    """Return the version where axes stand in coordinate systems, as from 0.6 on."""
    is_new = has_systems(pyramid.multiscales or {})
    return [f"OME-NGFF {pyramid.version or '0.6'}"] if is_new else []


def unread_systems(pyramid: Pyramid) -> list[str]:
    """Return the version where axes stand in coordinate systems, and are not all of five."""
    names = [axis["name"] for axis in pyramid.axes]
    return coordinate_systems(pyramid) if names != _FIVE_AXES else []


# Data types.


def dtypes_unread_by_neuroglancer(pyramid: Pyramid) -> list[str]:
    """Return data types that neuroglancer does not read: int64 of zarr v3 is one of them."""
    known = _NEUROGLANCER_DTYPES | ({"int64"} if pyramid.zarr_format == 2 else set())
    return [dtype for dtype in _dtypes(pyramid) if dtype not in known]


def dtypes_refused_by_vizarr(pyramid: Pyramid) -> list[str]:
    """Return data types for which vizarr has no texture."""
    return _dtypes(pyramid, "bool", "float16", "complex")


def mixed_dtypes(pyramid: Pyramid) -> list[str]:
    """Return the data types of levels that have several."""
    dtypes = _dtypes(pyramid)
    return dtypes if len(dtypes) > 1 else []


def complex_dtypes(pyramid: Pyramid) -> list[str]:
    """Return complex data types."""
    return _dtypes(pyramid, "complex")


def wide_integers(pyramid: Pyramid) -> list[str]:
    """Return integers of 64 bits."""
    return _dtypes(pyramid, "int64", "uint64")


def _dtypes(pyramid: Pyramid, *beginnings: str) -> list[str]:
    """Return the data types of the levels, each once; with beginnings, those that begin so."""
    dtypes = dict.fromkeys(array.dtype for array in pyramid.arrays)
    return [dtype for dtype in dtypes if dtype.startswith(beginnings or "")]


# Labels.


def labels(pyramid: Pyramid) -> list[str]:
    """Return a word where the image holds labels."""
    return ["labels"] if pyramid.is_labels else []


def signed_labels(pyramid: Pyramid) -> list[str]:
    """Return signed data types of labels."""
    return _dtypes(pyramid, "int") if pyramid.is_labels else []


def fractional_labels(pyramid: Pyramid) -> list[str]:
    """Return data types of labels that are no integers."""
    whole = _dtypes(pyramid, "int", "uint")
    return [dtype for dtype in _dtypes(pyramid) if dtype not in whole and pyramid.is_labels]


# Codecs, chunks and shards.


def unread_codecs(pyramid: Pyramid) -> list[str]:
    """Return codecs that neuroglancer cannot decode."""
    unknown: set[str] = set()
    for array in pyramid.arrays:
        if array.zarr_format == 3:
            unknown |= {str(codec["name"]) for codec in array.codecs} - _NEUROGLANCER_CODECS
        else:
            compressor = array.document.get("compressor") or {"id": "zstd"}
            others = {str(compressor.get("id"))} - _NEUROGLANCER_COMPRESSORS
            unknown |= {*array.filters, *others}
    return sorted(unknown)


def large_chunks(pyramid: Pyramid) -> list[str]:
    """Return the size of the largest chunk, where it is large."""
    sizes = [geometry.count(array.chunks) * array.item_size for array in pyramid.arrays]
    largest = max(sizes, default=0)
    return [f"{largest / 2**20:.0f} MiB"] if largest > LARGEST_CHUNK else []


def costly_lines(pyramid: Pyramid) -> list[str]:
    """Return extreme chunks of level 0, and the most bytes that a line of it takes."""
    base = pyramid.arrays[0] if pyramid.arrays else None
    space = [axis for axis, kind in enumerate(pyramid.types) if kind == SPACE]
    if base is None or len(base.shape) != len(pyramid.types):
        return []
    if not why_extreme(base.chunks, base.shape, space):
        return []
    chunk = geometry.count(tuple(map(min, base.chunks, base.shape))) * base.item_size
    grid = geometry.grid_shape(base.shape, base.chunks)
    worst = max(space, key=grid.__getitem__)
    size = grid[worst] * chunk
    if size < COSTLY_LINE:
        return []
    edges, name = " x ".join(map(str, base.chunks)), pyramid.axes[worst]["name"]
    return [f"{edges}: a line of {base.shape[worst]} voxels along {name} takes {size / 1e6:.4g} MB"]


def thick_chunks(pyramid: Pyramid) -> list[str]:
    """Return axes of time and channels along which a chunk holds several steps."""
    axes = [axis for axis, kind in enumerate(pyramid.types) if kind in (TIME, CHANNEL)]
    extents = [tuple(map(min, array.chunks, array.shape)) for array in pyramid.arrays]
    return sorted(
        {pyramid.axes[axis]["name"] for axis in axes if any(each[axis] > 1 for each in extents)}
    )


def shards(pyramid: Pyramid) -> list[str]:
    """Return a word where some level is stored in shards."""
    return ["shards"] if any(array.shards is not None for array in pyramid.arrays) else []


# Axes, places and shapes.


def unknown_units(pyramid: Pyramid) -> list[str]:
    """Return units that OME-NGFF does not name."""
    return [
        f"{'null' if axis['unit'] is None else repr(axis['unit'])} of {axis['name']}"
        for axis in pyramid.axes
        if "unit" in axis and str(axis["unit"]) not in UNITS
    ]


def partly_without_unit(pyramid: Pyramid) -> list[str]:
    """Return the space axes without a unit beside others that have one."""
    axes = [axis for axis, kind in zip(pyramid.axes, pyramid.types, strict=True) if kind == SPACE]
    without = [axis["name"] for axis in axes if "unit" not in axis]
    return without if len(without) < len(axes) else []


def misspelled(pyramid: Pyramid) -> list[str]:
    """Return keys of axes that no reader looks for."""
    return [
        f"{key} of {axis['name']} for {meant}"
        for axis in pyramid.axes
        for key, meant in misspelled_keys(axis).items()
    ]


def other_planes(pyramid: Pyramid) -> list[str]:
    """Return the axes of an image without an axis y and a later axis x."""
    names = [axis["name"] for axis in pyramid.axes]
    if "x" in names and "y" in names and names.index("y") < names.index("x"):
        return []
    return names or ["none"]


def unplaced(pyramid: Pyramid) -> list[str]:
    """Return levels without transformations."""
    return [
        str(dataset.get("path"))
        for dataset in pyramid.datasets
        if not dataset.get("coordinateTransformations")
    ]


def translated(pyramid: Pyramid) -> list[str]:
    """Return levels with a translation."""
    return [
        str(dataset.get("path"))
        for dataset in pyramid.datasets
        if any(read_transformations(dataset)[1] or ())
    ]


def outer_transformation(pyramid: Pyramid) -> list[str]:
    """Return a word where the multiscales itself has a transformation that moves or scales."""
    scale, translation = outer_transformations(pyramid.multiscales or {})
    moves = any(translation or ()) or any(size != 1 for size in scale or ())
    return ["the whole multiscales"] if moves else []


def large_coarsest(pyramid: Pyramid) -> list[str]:
    """Return the largest extent of a coarsest level in 3-D, where no graphics card takes it."""
    shape = pyramid.arrays[-1].shape if pyramid.arrays else ()
    extents = [n for n, kind in zip(shape, pyramid.types, strict=False) if kind == SPACE]
    is_large = len(extents) > 2 and max(extents) > LARGEST_TEXTURE
    return [f"{max(extents)} voxels"] if is_large else []


def scaled_beyond_planes(pyramid: Pyramid) -> list[str]:
    """Return axes beside y and x along which coarse levels have fewer voxels."""
    if not pyramid.arrays:
        return []
    ends = zip(pyramid.axes, pyramid.arrays[0].shape, pyramid.arrays[-1].shape, strict=True)
    scaled = [axis["name"] for axis, fine, coarse in ends if fine != coarse]
    return [name for name in scaled if name not in ("y", "x")]


def not_halved(pyramid: Pyramid) -> list[str]:
    """Return the first level that has not half the voxels of the one before along y or x."""
    names = [axis["name"] for axis in pyramid.axes]
    shapes = [array.shape for array in pyramid.arrays]
    for level, (fine, coarse) in enumerate(pairwise(shapes), start=1):
        for name in [name for name in ("y", "x") if name in names]:
            axis = names.index(name)
            # Programs round half an odd extent up or down.
            if coarse[axis] not in (fine[axis] // 2, -(-fine[axis] // 2)):
                return [f"level {level} has {coarse[axis]} voxels along {name} after {fine[axis]}"]
    return []


# Single files.


def single_file(pyramid: Pyramid) -> list[str]:
    """Return the path of a store that is a single file, as a shell takes it."""
    return [shlex.quote(pyramid.store.archive.name)] if pyramid.store.archive else []


def large_single_file(pyramid: Pyramid) -> list[str]:
    """Return what of a single file has no place in the end of a zip archive without ZIP64."""
    archive = pyramid.store.archive
    if archive is None:
        return []
    counts = [
        (len(archive.entries), _MOST_ENTRIES, "objects"),
        (archive.file.size, LARGEST_SINGLE_FILE, "bytes"),
    ]
    return [f"{found:,} {what}" for found, most, what in counts if found >= most]


# Display.


def unwindowed(pyramid: Pyramid) -> list[str]:
    """Return words where an image of levels has no `omero`; 8 bits and labels need none."""
    needs_one = len(pyramid.arrays) > 1 and not pyramid.is_labels
    is_narrow = set(_dtypes(pyramid)) <= {"uint8", "int8", "bool"}
    return (
        ["the group has no omero"] if needs_one and not is_narrow and not pyramid.channels else []
    )


def channels_without_window(pyramid: Pyramid) -> list[str]:
    """Return channels without the window of values that is shown from black to full."""
    return [
        str(channel.get("label", number))
        for number, channel in enumerate(pyramid.channels)
        if not (isinstance(window := channel.get("window"), dict) and {"start", "end"} <= {*window})
    ]
