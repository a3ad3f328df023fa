"""Reads MRC and CCP4 files, whose header mrcfile reads: volumes, stacks of images or of volumes."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE
from mrcfile.utils import (
    byte_order_from_machine_stamp,
    data_dtype_from_header,
    data_shape_from_header,
)

from zarrpyramid.errors import ConfigError, StoreError

from .gzip_stream import is_gzip, read_gzip
from .image_input import InputForm
from .raw_array import RawArray, RawInput
from .raw_files import files_at

if TYPE_CHECKING:
    from zarrpyramid.geometry import Shape

    from .image_input import Place

_HEADER_BYTES, _STAMP = 1024, 212
_IMOD_PLACE, _IMOD_STAMP, _SIGNED = 152, 1146047817, 1
"""Where IMOD marks its files, its mark, and the flag that says that bytes are signed."""

_LARGEST = 2**40
_MODES = (0, 1, 2, 4, 6, 12)
_NO_MODES = {3: "complex numbers of two int16", 101: "packed 4-bit numbers"}


def open_mrc(place: Place) -> RawInput:
    """Open an MRC file, which gzip may have compressed.

    Raises
    ------
    ConfigError
        If a path inside the file is given, or a series: it has one image.
    StoreError
        If it is damaged or truncated, or of a mode that is not served.
    """
    if place.inside or place.series not in (None, 0):
        raise ConfigError(f"{place.name} is an MRC file, which has one image; give the file alone")
    is_packed = is_gzip(place.path)
    header = _header(place, is_packed=is_packed)
    dtype = _dtype(header)
    shape: Shape = data_shape_from_header(header) if int(header.mz) else (0,)
    if not all(0 < extent < _LARGEST for extent in shape):
        raise StoreError(
            f"{place.path} has the shape {list(shape)}, which no MRC file has; check it"
        )
    stored = RawArray(
        file=files_at([place.path]),
        offset=_HEADER_BYTES + int(header.nsymbt),
        dtype=dtype.str,
        shape=shape,
        order="C",
        is_gzip=is_packed,
    )
    stored.check()
    form = InputForm(
        shape=shape, dtype=dtype.name, blocks=stored.blocks, **_described(header, shape)
    )
    return RawInput(name=place.path, form=form, stored=stored)


def _header(place: Place, *, is_packed: bool) -> Any:
    """Return the header in its byte order, of which old files have no mark, or a wrong one."""
    if is_packed:
        data = bytes(read_gzip(place.path, 0, _HEADER_BYTES))
    else:
        with Path(place.path).open("rb") as file:
            data = file.read(_HEADER_BYTES)
    if data[:3] == b"BZh":
        raise StoreError(
            f"{place.path} is compressed by bzip2, expected MRC as it is or compressed by gzip; "
            "write it so: bunzip2 -k FILE"
        )
    if len(data) < _HEADER_BYTES:
        raise StoreError(
            f"{place.path} cannot be read as MRC (it has {len(data)} bytes, its header has "
            f"{_HEADER_BYTES}); copy or write it again"
        )
    orders: tuple[Any, ...] = ("<", ">")
    with contextlib.suppress(ValueError):
        orders = (byte_order_from_machine_stamp(data[_STAMP : _STAMP + 4]), *orders)
    for order in orders:
        header = np.frombuffer(data, HEADER_DTYPE.newbyteorder(order)).reshape(()).view(np.recarray)
        mode = int(header.mode)
        if mode in _NO_MODES:
            raise StoreError(
                f"{place.path} is of MRC's mode {mode}, {_NO_MODES[mode]}, which zarr does not "
                "know; write it in another mode"
            )
        if mode in _MODES:
            return header
    raise StoreError(
        f"{place.path} cannot be read as MRC (its mode would be {mode}, expected one of "
        f"{', '.join(map(str, _MODES))}); copy or write it again"
    )


def _dtype(header: Any) -> np.dtype[Any]:
    """Return the data type; IMOD's bytes may be unsigned, which MRC has no mode for."""
    stamp, flags = _imod(header)
    if int(header.mode) == 0 and stamp == _IMOD_STAMP and not flags & _SIGNED:
        return np.dtype("u1")
    dtype: np.dtype[Any] = data_dtype_from_header(header)
    return dtype


def _imod(header: Any) -> tuple[int, int]:
    words = np.frombuffer(header.tobytes()[_IMOD_PLACE : _IMOD_PLACE + 8], "i4")
    words = words if header.mode.dtype.isnative else words.byteswap()
    return int(words[0]), int(words[1])


def _described(header: Any, shape: Shape) -> dict[str, Any]:
    """Return axes, voxel sizes and units, as keywords of `InputForm`."""
    numbers = [int(header[key]) for key in ("maps", "mapr", "mapc")]
    usual = ["z", "y", "x"]
    names = ["xyz"[n - 1] for n in numbers] if sorted(numbers) == [1, 2, 3] else usual
    # Of a stack of volumes the first axis has no name.
    axes = tuple(names[-len(shape) :]) if len(shape) <= len(names) else ()
    is_stack = int(header.ispg) == 0 and int(header.mz) == 1 and len(shape) > 2 and shape[0] > 1
    sizes = {}
    for axis in axes or usual:
        n_cells, length = int(header[f"m{axis}"]), float(str(header.cella[axis]))
        # The images of a stack lie side by side in no space.
        if n_cells > 0 and length > 0 and not (is_stack and axis == axes[0]):
            sizes[axis] = length / n_cells
    origins = {"axes": "its header"} if axes else {}
    origins |= {"voxel_size": "its header", "unit": "its format"} if sizes else {}
    return {
        "axes": axes,
        "voxel_size": sizes,
        "unit": dict.fromkeys(sizes, "angstrom"),
        "origins": origins,
    }
