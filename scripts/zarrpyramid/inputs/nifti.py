"""Reads NIfTI by nibabel: .nii, .nii.gz, and pairs of .hdr and .img, of versions 1 and 2.

The axes are x, y, z, t and c, as in the file; voxels are not turned by its affine. Where the header
has a slope and an intercept, NIfTI says that the image is slope * stored + intercept: that is what
is given, in float32, or in float64 where the stored numbers have more than 16 bits.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np

from zarrpyramid.errors import ConfigError, StoreError

from .gzip_stream import is_gzip
from .image_input import COLOURS, InputForm
from .raw_array import RawArray, RawInput
from .raw_files import files_at
from .units import unit_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.geometry import Region

    from .image_input import Block, Place

_AXES = ("x", "y", "z", "t", "c")
_TIMES = {"sec": "second", "msec": "millisecond", "usec": "microsecond"}
_DAMAGED = (
    nibabel.filebasedimages.ImageFileError,
    nibabel.spatialimages.HeaderDataError,
    EOFError,
    ValueError,
    zlib.error,
)


@dataclass(frozen=True, kw_only=True)
class NiftiInput(RawInput):
    """The image of a NIfTI file.

    Attributes
    ----------
    scaling
        Slope and intercept, or None where the voxels are as stored.
    """

    scaling: tuple[float, float] | None

    def read(self, region: Region) -> Block:
        """Return the voxels of a region."""
        voxels = super().read(region)
        if self.scaling is None:
            return voxels
        number = np.dtype(self.form.dtype).type
        slope, intercept = map(number, self.scaling)
        scaled: Block = voxels.astype(number) * slope + intercept
        return scaled


def open_nifti(place: Place) -> NiftiInput:
    """Open a NIfTI file.

    Raises
    ------
    ConfigError
        If a path inside the file is given, or a series: it has one image.
    StoreError
        If it is damaged or truncated, or holds numbers that zarr does not know.
    """
    if place.inside or place.series not in (None, 0):
        raise ConfigError(f"{place.name} is a NIfTI file, which has one image; give the file alone")
    image, header = _opened(place)
    try:
        dtype, shape = header.get_data_dtype(), tuple(map(int, header.get_data_shape()))
        slope, intercept = header.get_slope_inter()
    except _DAMAGED as error:
        raise _damaged(place, error) from None
    path = str(image.file_map["image"].filename)
    while len(shape) > len(_AXES) and shape[-1] == 1:
        shape = shape[:-1]
    if not shape or min(shape) < 1 or len(shape) > len(_AXES):
        raise StoreError(
            f"{place.path} has the shape {list(shape)}, expected 1 to 5 axes (x, y, z, t, and one "
            "of channels) with voxels; write a part of it"
        )
    axes = _AXES[: len(shape)]
    channels: tuple[str, ...] = ()
    if dtype.names:  # red, green and blue, side by side
        if len(shape) == len(_AXES):
            raise StoreError(
                f"{place.path} has colours and the shape {list(shape)}, expected at most 4 axes "
                "with colours; write a part of it"
            )
        channels = COLOURS[: len(dtype.names)]
        shape, axes, dtype = (len(dtype.names), *shape), ("c", *axes), np.dtype("u1")
    if dtype.kind not in "iufc" or dtype.itemsize > (16 if dtype.kind == "c" else 8):
        raise StoreError(
            f"{place.path} holds {dtype.name}, which zarr does not know; write it as float64"
        )
    stored = RawArray(
        file=files_at([path]),
        offset=int(image.dataobj.offset),
        dtype=dtype.str,
        shape=shape,
        order="F",
        is_gzip=is_gzip(path),
    )
    stored.check()
    form = InputForm(
        shape=shape,
        dtype=dtype.name,
        axes=axes,
        blocks=stored.blocks,
        channels=channels,
        **_sizes(header, axes),
    )
    scaling = None
    if slope is not None and not channels and (slope, intercept) != (1.0, 0.0):
        scaling = (float(slope), float(intercept))
        scaled = np.result_type(dtype, np.float32).name
        origins = form.origins | {
            "dtype": f"its slope {slope:g} and intercept {intercept:g}, which scale {dtype.name}"
        }
        form = replace(form, dtype=scaled, origins=origins)
    return NiftiInput(name=place.path, form=form, stored=stored, scaling=scaling)


def _opened(place: Place) -> tuple[Any, Any]:
    """Return nibabel's image, and the header as it stands in the file."""
    try:
        image: Any = nibabel.load(place.path)
        # nibabel sets what is missing in a header; what is really there counts here.
        holder = image.file_map.get("header", image.file_map["image"])
        with holder.get_prepare_fileobj(mode="rb") as file:
            header = type(image.header).from_fileobj(file, check=False)
    except _DAMAGED as error:
        raise _damaged(place, error) from None
    if not isinstance(image, nibabel.nifti1.Nifti1Pair | nibabel.nifti2.Nifti2Pair):
        raise StoreError(
            f"{place.path} is a file of the kind {type(image).__name__}, expected NIfTI; write it "
            "as .nii"
        )
    return image, header


def _damaged(place: Place, error: Exception) -> StoreError:
    return StoreError(f"{place.path} cannot be read as NIfTI ({error}); copy or write it again")


def _sizes(header: Any, axes: Sequence[str]) -> dict[str, Any]:
    """Return voxel sizes and units by axis, as keywords of `InputForm`."""
    spatial = [axis for axis in axes if axis != "c"]
    # The shortest number that reads as the one in the header.
    numbers = [float(str(size)) for size in header["pixdim"][1 : len(spatial) + 1]]
    sizes = {
        axis: abs(size)
        for axis, size in zip(spatial, numbers, strict=True)
        if size and np.isfinite(size)
    }
    try:
        length, time = header.get_xyzt_units()
    except KeyError:
        length, time = "unknown", "unknown"
    if time in ("hz", "ppm", "rads"):
        sizes.pop("t", None)
    units = {axis: _TIMES.get(time) if axis == "t" else unit_named(length) for axis in sizes}
    found = {axis: unit for axis, unit in units.items() if unit}
    origins = {"axes": "its format"}
    origins |= {"voxel_size": "its header"} if sizes else {}
    origins |= {"unit": "its header"} if found else {}
    return {"voxel_size": sizes, "unit": found, "origins": origins}
