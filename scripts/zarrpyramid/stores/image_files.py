"""Files of other image formats, such as TIFF and HDF5: what they are, and how they become zarr.

They are known by their first bytes, and by their names where those say nothing.
"""

from __future__ import annotations

import contextlib
import json
import shlex
from dataclasses import dataclass
from pathlib import Path

from .urls import is_url


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageFormat:
    """One format.

    Attributes
    ----------
    name
        What people call it.
    marks
        Bytes by which its files are known, each with the place where they stand.
    suffixes
        Ends of its files' names, in small letters.
    reading
        A Python expression that reads a `FILE` into an array; "" where bioformats2raw is the way.
    """

    name: str
    marks: tuple[tuple[int, bytes], ...] = ()
    suffixes: tuple[str, ...]
    reading: str = ""

    def holds(self, start: bytes) -> bool:
        """Tell whether a file that starts like this is of this format."""
        return any(start[place : place + len(mark)] == mark for place, mark in self.marks)

    def way_out(self, file: str) -> str:
        """Return how a file becomes a zarr store that can be given."""
        if not self.reading:
            command = f"bioformats2raw --resolutions 1 {shlex.quote(file)} NEW.zarr"
            return f"{command}, and give NEW.zarr as store and '0' as field"
        module, voxels = (
            self.reading.partition(".")[0],
            self.reading.replace("FILE", json.dumps(file)),
        )
        make = f'zarr.create_group("NEW.zarr").create_array("0", data={voxels})'
        return f"python -c {shlex.quote(f'import {module}, zarr; {make}')}, and give NEW.zarr"


FORMATS = (
    ImageFormat(
        name="TIFF",
        marks=((0, b"II*\0"), (0, b"MM\0*"), (0, b"II+\0"), (0, b"MM\0+")),
        suffixes=(".tif", ".tiff", ".btf", ".lsm"),
        reading="tifffile.imread(FILE)",
    ),
    ImageFormat(name="Imaris", suffixes=(".ims",)),
    ImageFormat(
        name="HDF5",
        marks=((0, b"\x89HDF\r\n\x1a\n"),),
        suffixes=(".h5", ".hdf5", ".hdf"),
        reading='h5py.File(FILE)["DATASET"][...]',
    ),
    ImageFormat(name="CZI", marks=((0, b"ZISRAWFILE"),), suffixes=(".czi",)),
    ImageFormat(name="ND2", marks=((0, b"\xda\xce\xbe\n"),), suffixes=(".nd2",)),
    ImageFormat(name="LIF", suffixes=(".lif",)),
    ImageFormat(
        name="MRC",
        marks=((208, b"MAP "),),
        suffixes=(".mrc", ".rec", ".map"),
        reading="mrcfile.read(FILE)",
    ),
    ImageFormat(
        name="NIfTI",
        marks=((344, b"n+1\0"), (344, b"ni1\0"), (4, b"n+2\0")),
        suffixes=(".nii", ".nii.gz"),
        reading="nibabel.load(FILE).dataobj.get_unscaled().T",
    ),
    ImageFormat(name="DICOM", marks=((128, b"DICM"),), suffixes=(".dcm",)),
    ImageFormat(
        name="numpy", marks=((0, b"\x93NUMPY"),), suffixes=(".npy",), reading="numpy.load(FILE)"
    ),
)
"""Formats that people take for a store; of two that share their first bytes, the name decides."""

_START = 512


def why_no_store(place: str) -> str:
    """Return what is said of a file or a URL of another image format, or "" where it is none."""
    path, start = Path(place), b""
    if path.is_file():  # a pipe would wait for its writer
        with contextlib.suppress(OSError), path.open("rb") as file:
            start = file.read(_START)
    elif not is_url(place):
        return ""
    named = [known for known in FORMATS if place.lower().endswith(known.suffixes)]
    for known in (*named, *FORMATS):
        if known in named or known.holds(start):
            return (
                f"{place} is a file of the format {known.name}, expected the folder of a zarr "
                f"store; write it as one: {known.way_out(place)}"
            )
    return ""
