"""Reads `.npy` files of numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zarrpyramid.errors import StoreError

from .image_input import InputForm
from .raw_array import RawArray, RawInput
from .raw_files import files_at

if TYPE_CHECKING:
    from .image_input import Place


def open_npy(place: Place) -> RawInput:
    """Open a `.npy` file.

    Raises
    ------
    StoreError
        If it is damaged, or holds Python objects or records.
    """
    path = place.path
    try:
        found = np.lib.format.open_memmap(path, mode="r")
    except ValueError as error:
        raise StoreError(f"{path} cannot be read as .npy ({error}); write it again") from None
    if not found.ndim:
        raise StoreError(f"{path} holds a single number, expected an array; write an image there")
    # Of an array in Fortran's order the last axis is the slowest.
    is_c = found.flags.c_contiguous
    ones = (1,) * (found.ndim - 1)
    blocks = (*ones, found.shape[-1]) if is_c else (found.shape[0], *ones)
    stored = RawArray(
        file=files_at([path]),
        offset=found.offset,
        dtype=found.dtype.str,
        shape=found.shape,
        order="C" if is_c else "F",
        is_gzip=False,
    )
    form = InputForm(shape=found.shape, dtype=found.dtype.name, blocks=blocks)
    return RawInput(name=path, form=form, stored=stored)
