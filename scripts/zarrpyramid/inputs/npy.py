"""Reads `.npy` files of numpy by mapping them into memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zarrpyramid.errors import StoreError

from .image_input import InputForm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.geometry import Region

    from .image_input import Block, Place


@dataclass(frozen=True, kw_only=True)
class NpyInput:
    """The array of one `.npy` file; it names no axes."""

    name: str
    form: InputForm

    def read(self, region: Region) -> Block:
        """Return a copy of the voxels of a region."""
        voxels = _mapped(self.name)[region]
        return np.array(voxels, dtype=voxels.dtype.newbyteorder("="))

    def files(self, region: Region | None = None) -> Sequence[Path]:
        """Return the one file."""
        return [Path(self.name)]


def open_npy(place: Place) -> NpyInput:
    """Open a `.npy` file.

    Raises
    ------
    StoreError
        If it is damaged, or holds Python objects or records.
    """
    voxels = _mapped(place.path)
    # Of an array in Fortran's order the last axis is the slowest.
    is_c = voxels.flags.c_contiguous
    ones = (1,) * (voxels.ndim - 1)
    blocks = (*ones, voxels.shape[-1]) if is_c else (voxels.shape[0], *ones)
    form = InputForm(shape=voxels.shape, dtype=voxels.dtype.name, blocks=blocks)
    return NpyInput(name=place.path, form=form)


def _mapped(path: str) -> np.memmap[tuple[int, ...], np.dtype[np.generic]]:
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except ValueError as error:
        raise StoreError(f"{path} cannot be read as .npy ({error}); write it again") from None
