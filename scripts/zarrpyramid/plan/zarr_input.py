"""A zarr array read as files of other formats are, where a part of it or another order is wanted.

Without such a setting its stored objects are copied as they are, which `source` finds.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import product
from operator import contains
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import ConfigError
from zarrpyramid.inputs import InputForm
from zarrpyramid.metadata import ZARR_FORMATS, channel_names, join, ome_attributes, read_axes

from .axis_order import check_meant, is_ordered
from .stored import OBJECT_KEY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.config import ImageConfig
    from zarrpyramid.geometry import Region
    from zarrpyramid.inputs import Block
    from zarrpyramid.metadata import ArrayMetadata
    from zarrpyramid.stores import Store

    from .source import Source

PART_KEYS = ("channel", "crop", "transpose")
"""The settings that take a part of a source, or another order of its axes."""

_FEW = 1 << 10
"""Stored objects, at most, that are asked for one by one."""


@dataclass(frozen=True, kw_only=True)
class ZarrInput:
    """A zarr array in a folder, whose voxels are decoded."""

    store: Store
    path: str
    base: ArrayMetadata
    name: str
    form: InputForm

    def read(self, region: Region) -> Block:
        """Return the voxels of a region; a missing chunk is fill value."""
        from zarrpyramid.arrays import open_chunks, read_region

        return read_region(open_chunks(self.store, self.path, self.base), region)

    def files(self, region: Region | None = None) -> Sequence[Path]:
        """Return the files of the stored objects that are there."""
        if self.store.archive is not None:
            return [Path(self.store.archive.name)]
        base = self.base
        region = region or tuple(map(slice, (0,) * len(base.shape), base.shape))
        edges = zip(region, base.write_shape, strict=True)
        span = [range(part.start // edge, -(-part.stop // edge)) for part, edge in edges]
        if math.prod(map(len, span)) > _FEW:  # most may be absent
            there = self.store.keys(self.path)
            keys = sorted(key for key in there if OBJECT_KEY.fullmatch(key) and _is_in(key, span))
            return [Path(self.store.name, join(self.path, key)) for key in keys]
        keys = [base.object_key(index) for index in product(*span)]
        paths = [Path(self.store.name, join(self.path, key)) for key in keys]
        return [path for path in paths if path.exists()]


def _is_in(key: str, span: Sequence[range]) -> bool:
    """Tell whether an object of this key lies in ranges of places.

    >>> _is_in("c/1/10", [range(2), range(11)]), _is_in("2.0", [range(2), range(11)])
    (True, False)
    """
    numbers = [int(number) for number in re.findall(r"\d+", key)]
    return len(numbers) == len(span) and all(map(contains, span, numbers))


def is_read(config: ImageConfig, source: Source) -> bool:
    """Tell whether a source cannot be copied as it is: a part or another form of it is wanted."""
    return bool(_asked(config, source)) or not is_ordered(config.axes or _names(source))


def kept_attributes(config: ImageConfig, source: Source) -> dict[str, Any]:
    """Return what a source's group says that also holds for a part of it.

    That is what makes it an image of labels, and how viewers show its channels, if all are taken.
    """
    keys = ("image-label", *(["omero"] if config.channel is None else []))
    holders = {key: ome_attributes(source.attributes, key) for key in keys}
    return {key: holder[key] for key, holder in holders.items() if key in holder}


def _asked(config: ImageConfig, source: Source) -> list[str]:
    """Return the settings that take a part, another order or zarr format; channel 0 is a part."""
    wanted = ZARR_FORMATS.get(config.ngff_version, source.base.zarr_format)
    is_other = wanted != source.base.zarr_format
    parts = [key for key in PART_KEYS if getattr(config, key) not in (None, {})]
    return [*parts, *(["ngff_version"] if is_other else [])]


def _names(source: Source) -> tuple[str, ...]:
    """Return the names of a source's axes; () where nothing names all of them."""
    base = source.base
    axes = read_axes(source.attributes, len(base.shape)) or ()
    names = [axis.name for axis in axes] or [name for name in base.dimension_names or () if name]
    return tuple(names) if len(names) == len(base.shape) else ()


def zarr_input(config: ImageConfig, source: Source) -> ZarrInput:
    """Return a zarr source as an input.

    Raises
    ------
    ConfigError
        If it is no folder.
    """
    if source.store.is_remote:
        asked = next(iter(_asked(config, source)), "axes")
        raise ConfigError(
            f"image {config.name}: {asked} asks for a part or another form of the source, but "
            f"{source.name} is a URL, of which level 0 is copied as it is; copy it into a folder "
            "first, and give that as source"
        )
    base = source.base
    axes = read_axes(source.attributes, len(base.shape)) or ()
    names, said = _names(source), "its group's multiscales"
    check_meant(config, names, source.name)
    origins = dict.fromkeys(("voxel_size", "unit"), said)
    if names:
        origins["axes"] = said if axes else "its dimension_names"
    form = InputForm(
        shape=base.shape,
        dtype=base.dtype,
        axes=names,
        blocks=base.chunks,
        voxel_size={axis.name: axis.size for axis in axes},
        unit={axis.name: axis.unit for axis in axes if axis.unit},
        offset={axis.name: axis.offset for axis in axes if axis.offset is not None},
        channels=channel_names(source.attributes),
        origins=origins,
    )
    return ZarrInput(store=source.store, path=source.path, base=base, name=source.name, form=form)
