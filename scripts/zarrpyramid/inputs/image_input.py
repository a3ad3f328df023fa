"""One image in files of another format than zarr: what it is, and how its voxels are read.

`Input` is what every reader gives. It says what the file says, in the file's own order of axes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from zarrpyramid.programs import install_command

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np

    from zarrpyramid.geometry import Region, Shape

    Block = np.ndarray[Any, np.dtype[Any]]


COLOURS = ("red", "green", "blue", "alpha")
"""Names of the channels of a colour picture."""

_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".bmp")


def bioio_command(path: str) -> str:
    """Return how bioio's reader of a file is installed, as far as it is known which that is."""
    if path.lower().endswith(_PICTURES):
        return install_command("bioio", "bioio-imageio")
    return "install bioio and bioio-NAME"


@dataclass(frozen=True, kw_only=True, slots=True)
class InputForm:
    """What a file says of its image. What it does not say is left out.

    Attributes
    ----------
    shape
        Extents in voxels, in the order of the array that `Input.read` cuts regions of.
    dtype
        Name without byte order, such as "uint16"; one that zarr knows.
    axes
        Names in the same order: t, c, z, y, x where they mean these. () where nothing names them.
    blocks
        Extents of what is decoded at once, from the array's origin on. Reading one voxel of a block
        costs the whole block, and reading a part of an array without such blocks costs that part:
        then an edge may be 1.
    voxel_size, unit
        By name of axis. Units are spelled as OME-NGFF does (micrometer, millimeter, second).
    offset
        By name of axis, where the centre of the first voxel is, in `unit`.
    channels
        Names of the channels, one for each place along c, or ().
    origins
        Where the file says it, by the name of an attribute: {"voxel_size": "its OME-XML"}.
    """

    shape: Shape
    dtype: str
    axes: tuple[str, ...] = ()
    blocks: Shape
    voxel_size: dict[str, float] = field(default_factory=dict)
    unit: dict[str, str] = field(default_factory=dict)
    offset: dict[str, float] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    origins: dict[str, str] = field(default_factory=dict)


class Input(Protocol):
    """An image that level 0 can be made from.

    It is small and can be pickled, and holds no open file: processes that are forked and threads
    read from it side by side. What a reader has found out about a file, such as the places of its
    slices, it keeps as plain values, since `read` is called many times.
    """

    @property
    def name(self) -> str:
        """What messages call it: the path, and what is inside the file."""

    @property
    def form(self) -> InputForm:
        """What the file says of its image."""

    def read(self, region: Region) -> Block:
        """Return the voxels of a region, in C order or not, in the byte order of this machine.

        Raises
        ------
        StoreError
            If they cannot be read: the file is truncated, changed, or of a codec whose package is
            not installed, which the message names.
        """

    def files(self, region: Region | None = None) -> Sequence[Path]:
        """Return the files that hold a region, or all of the image, in a fixed order.

        Their names, sizes and times tell whether the image has changed.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where an image is, as a configuration has it.

    Attributes
    ----------
    path
        Absolute path of a file or a folder, or a pattern of paths with `*`, `?` or `[...]`.
    inside
        Path of the image inside the file, after ``::``; "" where none is given.
    series
        Number or name of one of several images in a file; None where none is given.
    """

    path: str
    inside: str = ""
    series: int | str | None = None

    @property
    def name(self) -> str:
        """The place as a configuration has it."""
        return f"{self.path}::{self.inside}" if self.inside else self.path
