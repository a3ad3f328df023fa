"""A source of level 0 in files of another format: what level 0 is made of them.

The file's axes, voxel sizes and units become a multiscales of level 0 alone, so that everything
else is planned as for a zarr source.
"""

from __future__ import annotations

import glob
import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry
from zarrpyramid.errors import ConfigError, StoreError
from zarrpyramid.inputs import arrange, open_input
from zarrpyramid.metadata import (
    Axis,
    axis_type,
    encoded_as,
    groups_above,
    new_array,
    read_node,
    with_levels,
)
from zarrpyramid.reduce import ITEM_SIZES

from .axes import NO_UNIT, space_axes
from .chunks import near_cube_of_slabs
from .decision import Decision

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zarrpyramid.config import ImageConfig
    from zarrpyramid.geometry import Shape
    from zarrpyramid.inputs import Input
    from zarrpyramid.metadata import ArrayMetadata
    from zarrpyramid.stores import Store

CHANNELS_KEY = "zarrpyramid_channels"
"""The group's attribute that holds the names which a source file gives its channels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InputSource:
    """An image in files of another format, of which level 0 is made.

    Attributes
    ----------
    image
        What is read, in the order of axes that level 0 has.
    base
        The metadata of the level 0 that is written.
    attributes
        What the file says of axes, voxel sizes and channels, as a zarr group would say it.
    """

    image: Input
    base: ArrayMetadata
    attributes: dict[str, Any]

    @property
    def name(self) -> str:
        """The path of the file, and of the image inside it."""
        return self.image.name

    @property
    def blocks(self) -> Shape:
        """Extents of what the file decodes at once."""
        return self.image.form.blocks

    def objects(self) -> list[tuple[str, int, int]]:
        """Return path, bytes and time of change of the files, in the order of the image.

        Raises
        ------
        StoreError
            If one is not there.
        """
        return [_seen(os.fspath(path)) for path in self.image.files()]
