"""Files of other image formats, such as TIFF and HDF5: what they are, and how they become zarr.

They are known by their first bytes, and by their names where those say nothing.
"""

from __future__ import annotations

import contextlib
import json
import shlex
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from zarrpyramid.programs import python_command

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
        A Python expression that reads a `FILE` into an array; "" where `command` is the way.
    command
        A shell's command that makes the store NEW.zarr of a `FILE`.
    given
        What is then given as store, and as field.
    """

    name: str
    marks: tuple[tuple[int, bytes], ...] = ()
    suffixes: tuple[str, ...]
    reading: str = ""
    command: str = "bioformats2raw --resolutions 1 FILE NEW.zarr"
    given: str = "NEW.zarr as store and '0' as field, or NEW.zarr/0 as source"

    def holds(self, start: bytes) -> bool:
        """Tell whether a file that starts like this is of this format."""
        return any(start[place : place + len(mark)] == mark for place, mark in self.marks)

    def way_out(self, file: str) -> str:
        """Return how a file becomes a zarr store that can be given."""
        if not self.reading:
            return f"{self.command.replace('FILE', shlex.quote(file))}, and give {self.given}"
        module, voxels = (
            self.reading.partition(".")[0],
            self.reading.replace("FILE", json.dumps(file)),
        )
        make = f'zarr.create_group("NEW.zarr").create_array("0", data={voxels})'
        run = python_command(f"import {module}, zarr; {make}", module)
        return f"{run}, and give NEW.zarr as store or source"


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
    ImageFormat(
        name="ZIP",
        marks=((0, b"PK\3\4"),),
        suffixes=(".zip", ".ozx"),
        command="unzip -q FILE -d NEW.zarr",
        given="NEW.zarr",
    ),
)
"""Formats that people take for a store; of two that share their first bytes, the name decides."""

_START, _MOST_LISTED = 512, 1000


def why_no_store(place: str) -> str:
    """Return what is said of images of another format at a path or URL, or "" where none are there.

    That is a file, what would be inside a file, or a folder of files that is no zarr group.
    """
    path, start = Path(place), b""
    while not is_url(place) and not path.exists():
        path = path.parent
    if path.is_file():  # a pipe would wait for its writer
        with contextlib.suppress(OSError), path.open("rb") as file:
            start = file.read(_START)
    elif not is_url(place):
        return _why_folder(path) if path == Path(place) else ""
    shown = place if is_url(place) else str(path)
    named = [known for known in FORMATS if shown.lower().endswith(known.suffixes)]
    for known in (*named, *FORMATS):
        if known in named or known.holds(start):
            return (
                f"{shown} is a file of the format {known.name}, expected the folder of a zarr "
                f"store; write it as one: {known.way_out(shown)}"
            )
    return ""


def _why_folder(folder: Path) -> str:
    try:
        names = sorted(item.name for item in islice(folder.iterdir(), _MOST_LISTED))
    except OSError:
        return ""
    for known in FORMATS:
        files = [name for name in names if name.lower().endswith(known.suffixes)]
        if files:
            is_series = len(files) > 1 and known.name == "TIFF"
            which = f"*{Path(files[0]).suffix}" if is_series else files[0]
            return (
                f"{folder} holds files of the format {known.name} such as {files[0]}, expected the "
                f"folder of a zarr store; write them as one: {known.way_out(f'{folder}/{which}')}"
            )
    return ""
