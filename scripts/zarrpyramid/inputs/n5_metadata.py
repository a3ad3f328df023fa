"""Attributes of N5: datasets, the container around them, and the voxel sizes that they give."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from zarrpyramid.errors import StoreError

from .n5_blocks import COMPRESSIONS
from .units import unit_named

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from zarrpyramid.geometry import Shape

    Attributes = dict[str, Any]

DOCUMENT = "attributes.json"
_DTYPES = {
    *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
    *("float32", "float64"),
}
_NAMES = {"time": "t", "channel": "c"} | {name: name for name in "tczyx"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """What an N5 dataset says of its array, in C order."""

    shape: Shape
    blocks: Shape
    dtype: str
    compression: str


def attributes(folder: Path) -> Attributes:
    """Return the attributes of a group or dataset, {} where it has none.

    Raises
    ------
    StoreError
        If they are no JSON object.
    """
    try:
        found = json.loads((folder / DOCUMENT).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise StoreError(f"{folder / DOCUMENT} is no JSON object; restore it from a copy")
    return found


def is_dataset(found: Attributes) -> bool:
    """Tell whether attributes are those of a dataset."""
    return "dimensions" in found and "blockSize" in found


def parsed(folder: Path, found: Attributes) -> Dataset:
    """Return what the attributes of a dataset say.

    Raises
    ------
    StoreError
        If they are damaged, or of a data type or compression that is not served.
    """
    compression = found.get("compression", found.get("compressionType", "raw"))
    kind = compression.get("type", "raw") if isinstance(compression, dict) else compression
    keys = ("dimensions", "blockSize", "dataType")
    shape, blocks, dtype = (found.get(key) for key in keys)
    if not _are_extents(shape) or not _are_extents(blocks) or len(shape) != len(blocks):
        raise StoreError(
            f"{folder / DOCUMENT} has the dimensions {shape} and the blockSize {blocks}, expected "
            "two lists of as many positive integers; restore it from a copy"
        )
    if dtype not in _DTYPES:
        raise StoreError(
            f"{folder} holds {dtype}, expected integers, or floats of 32 or 64 bits; give another "
            "dataset"
        )
    if kind not in COMPRESSIONS:
        raise StoreError(
            f"{folder} is compressed by {kind}, which nothing here reads, expected one of "
            f"{', '.join(COMPRESSIONS)}; write it with one of these"
        )
    return Dataset(
        shape=tuple(shape[::-1]), blocks=tuple(blocks[::-1]), dtype=str(dtype), compression=kind
    )


def _are_extents(found: object) -> TypeGuard[list[int]]:
    return (
        isinstance(found, list)
        and len(found) > 0
        and all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in found)
    )


def container(folder: Path) -> Path:
    """Return the container that a folder is in: the one above with N5's version, or N5's name."""
    for above in (folder, *folder.parents):
        if above.name.lower().endswith(".n5") or "n5" in attributes(above):
            return above
    return folder


def datasets(folder: Path, most: int) -> Iterator[tuple[Path, Attributes]]:
    """Yield datasets below a folder, at most so many, without looking for some in their blocks."""
    pending = [folder]
    while pending and most:
        here = pending.pop()
        found = attributes(here)
        if is_dataset(found):
            most -= 1
            yield here, found
            continue
        pending += sorted((child for child in here.iterdir() if child.is_dir()), reverse=True)


def described(folder: Path, n_axes: int) -> dict[str, Any]:
    """Return axes, voxel sizes and units of a dataset, as keywords of `InputForm`.

    What the dataset itself does not say, the groups above it may, up to its container. There sizes
    are those of the finest level.
    """
    top = container(folder)
    above = (folder, *folder.parents)
    said = [(each, attributes(each)) for each in above[: above.index(top) + 1]]
    axes: tuple[str, ...] = ()
    for _, found in said:
        names = found.get("axes")
        if not axes and isinstance(names, list):
            meant = tuple(_NAMES.get(str(name).lower(), "") for name in reversed(names))
            axes = meant if all(meant) and len(set(meant)) == len(meant) == n_axes else ()
    spatial = axes or tuple("tczyx"[-n_axes:])
    factors = said[0][1].get("downsamplingFactors")
    for each, found in said:
        sizes, units = _sizes(found, spatial[::-1])
        if not sizes:
            continue
        if each != folder and _are_numbers(factors, n_axes):
            steps = dict(zip(spatial[::-1], factors, strict=True))
            sizes = {axis: size * steps[axis] for axis, size in sizes.items()}
        where = "its attributes" if each == folder else f"the attributes of {each.name}"
        origins = {"voxel_size": where, **({"unit": where} if units else {})}
        break
    else:
        sizes, units, origins = {}, {}, {}
    if axes:
        origins["axes"] = "its attributes"
    return {"axes": axes, "voxel_size": sizes, "unit": units, "origins": origins}


def _sizes(found: Attributes, axes: Sequence[str]) -> tuple[dict[str, float], dict[str, str]]:
    """Return the sizes and units that attributes give for axes in N5's order."""
    transform = found.get("transform")
    if isinstance(transform, dict) and isinstance(names := transform.get("axes"), list):
        # COSEM's names the axes that it speaks of.
        named = [_NAMES.get(str(name).lower(), "") for name in names]
        if set(named) <= set(axes):
            return _by_axis(named, transform.get("scale"), transform.get("units"))
    resolution: Any = found.get("pixelResolution", found.get("resolution"))
    unit = found.get("units", found.get("unit"))
    if isinstance(resolution, dict):
        resolution, unit = resolution.get("dimensions"), resolution.get("unit")
    # Three numbers mean x, y and z, whatever else there is.
    spatial = [axis for axis in axes if axis in "xyz"]
    is_spatial = isinstance(resolution, list) and len(resolution) == len(spatial)
    return _by_axis(spatial if is_spatial else axes, resolution, unit)


def _by_axis(
    axes: Sequence[str], sizes: object, units: object
) -> tuple[dict[str, float], dict[str, str]]:
    if not _are_numbers(sizes, len(axes)):
        return {}, {}
    found = dict(zip(axes, map(float, sizes), strict=True))
    listed = [units] * len(axes) if isinstance(units, str) else units
    if not isinstance(listed, list) or len(listed) != len(axes):
        return found, {}
    named = {axis: unit_named(unit) for axis, unit in zip(axes, listed, strict=True)}
    return found, {axis: unit for axis, unit in named.items() if unit}


def _are_numbers(found: object, n_axes: int) -> TypeGuard[list[float]]:
    return (
        isinstance(found, list)
        and len(found) == n_axes
        and all(isinstance(n, int | float) and not isinstance(n, bool) and n > 0 for n in found)
    )
