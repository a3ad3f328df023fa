"""Files of other image formats, such as TIFF and HDF5: what they are, and what is done with them.

They are known by their first bytes, and by their names where those say nothing.
"""

from __future__ import annotations

import contextlib
import json
import shlex
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from zarrpyramid.programs import source_words

from .archive_store import split_archive
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
    extra
        The extra of this package that brings what reads it; "" where `command` is the way.
    inside
        What follows the file's path where the image has a path inside it.
    command
        A shell's command that makes the store NEW.zarr of a `FILE`.
    given
        What is then given.
    """

    name: str
    marks: tuple[tuple[int, bytes], ...] = ()
    suffixes: tuple[str, ...]
    extra: str = ""
    inside: str = ""
    command: str = ""
    given: str = ""

    def holds(self, start: bytes) -> bool:
        """Tell whether a file that starts like this is of this format."""
        return any(start[place : place + len(mark)] == mark for place, mark in self.marks)

    def way_out(self, file: str) -> str:
        """Return how a pyramid is made of a file."""
        if is_url(file) and not self.command:
            return "download it, and give the file as source of a new store"
        if self.command:
            return (
                f"write it as one: {self.command.replace('FILE', shlex.quote(file))}, and give "
                f"{self.given}"
            )
        return f"give it as source of a new store: {source_words(f'source={file}{self.inside}')}"


FORMATS = (
    ImageFormat(
        name="TIFF",
        marks=((0, b"II*\0"), (0, b"MM\0*"), (0, b"II+\0"), (0, b"MM\0+")),
        suffixes=(".tif", ".tiff", ".btf", ".lsm"),
        extra="tiff",
    ),
    ImageFormat(name="Imaris", suffixes=(".ims",), extra="hdf5"),
    ImageFormat(
        name="HDF5",
        # Matlab's files begin with a block of its own.
        marks=((0, b"\x89HDF\r\n\x1a\n"), (512, b"\x89HDF\r\n\x1a\n")),
        suffixes=(".h5", ".hdf5", ".hdf", ".nxs"),
        extra="hdf5",
        inside="::DATASET",
    ),
    ImageFormat(name="N5", suffixes=(".n5",)),
    ImageFormat(name="CZI", marks=((0, b"ZISRAWFILE"),), suffixes=(".czi",), extra="czi"),
    ImageFormat(name="ND2", marks=((0, b"\xda\xce\xbe\n"),), suffixes=(".nd2",), extra="nd2"),
    ImageFormat(name="LIF", suffixes=(".lif",), extra="lif"),
    ImageFormat(
        name="MRC",
        marks=((208, b"MAP "),),
        suffixes=(".mrc", ".mrcs", ".rec", ".map", ".st", ".ali", ".mrc.gz", ".map.gz"),
        extra="mrc",
    ),
    ImageFormat(
        name="NIfTI",
        marks=((344, b"n+1\0"), (344, b"ni1\0"), (4, b"n+2\0"), (4, b"ni2\0")),
        suffixes=(".nii", ".nii.gz"),
        extra="nifti",
    ),
    ImageFormat(
        name="DICOM",
        marks=((128, b"DICM"),),
        suffixes=(".dcm",),
        command="bioformats2raw --resolutions 1 FILE NEW.zarr",
        given="NEW.zarr as store and '0' as field, or NEW.zarr/0 as source",
    ),
    ImageFormat(name="numpy", marks=((0, b"\x93NUMPY"),), suffixes=(".npy",), extra="inputs"),
    ImageFormat(
        name="ZIP",  # with another name than those of archives that are opened
        marks=((0, b"PK\3\4"),),
        suffixes=(),
        command="unzip -q FILE -d NEW.zarr",
        given="NEW.zarr",
    ),
)
"""Formats that people take for a store; of two that share their first bytes, the name decides."""

_START, _MOST_LISTED, _MOST_KINDS = 520, 1000, 3
_N5_DOCUMENT = "attributes.json"
_ZARR_DOCUMENTS = ("zarr.json", ".zgroup", ".zarray")


def image_format(place: str) -> ImageFormat | None:
    """Return the format of a file, of the files in a folder, or of what is at a URL, by its name.

    None where it is of none of them, or nothing is there. A path inside a file or inside a folder
    of N5 counts as the file or the folder.
    """
    found = _found(place)
    return found and found[0]


def why_no_store(place: str) -> str:
    """Return what is said of images of another format at a path or URL, or "" where none are there.

    That is a file, what would be inside a file, or a folder of files that is no zarr group.
    """
    found = _found(place)
    if found is None:
        return ""
    known, shown, held = found
    if held:
        return (
            f"{shown} holds files of the format {known.name} such as {held}, expected the folder "
            f"of a zarr store; {known.way_out(shown)}"
        )
    return (
        f"{shown} is a file of the format {known.name}, expected the folder of a zarr store; "
        f"{known.way_out(shown)}"
    )


def what_is_in(folder: Path) -> str:
    """Return what a folder without an image holds, and which image just below it may be meant."""
    try:
        items = sorted(islice(folder.iterdir(), _MOST_LISTED))
    except OSError:
        return ""
    kinds = Counter("folders" if item.is_dir() else item.suffix or "other" for item in items)
    held = ", ".join(f"{kind} ({n})" for kind, n in kinds.most_common(_MOST_KINDS)) or "nothing"
    for item in items:
        found = _found_in(item) if item.is_dir() else None
        if found and not found[0].command:
            return f"; it holds {held}; did you mean {found[1]} ({found[0].name})?"
    return f"; it holds {held}; give the folder or the file of an image"


def _found(place: str) -> tuple[ImageFormat, str, str] | None:
    """Return a format, the file or folder of it, and the name of a file in a folder of them.

    None of an archive, which is opened as a store.
    """
    if split_archive(place):
        return None
    path, start = Path(place), b""
    while not is_url(place) and not path.exists() and path.name:
        path = path.parent
    if path.is_file():  # a pipe would wait for its writer
        with contextlib.suppress(OSError), path.open("rb") as file:
            start = file.read(_START)
    elif not is_url(place):
        return _found_n5(path) or (_found_in(path) if path == Path(place) else None)
    shown = place if is_url(place) else str(path)
    named = [known for known in FORMATS if shown.lower().endswith(known.suffixes)]
    for known in (*named, *FORMATS):
        if known in named or known.holds(start):
            return known, shown, ""
    return None


def _found_n5(folder: Path) -> tuple[ImageFormat, str, str] | None:
    """Return N5 where a folder, or one above it, says that it is N5's."""
    n5 = next(known for known in FORMATS if known.name == "N5")
    for above in (folder, *folder.parents):
        is_named = above.name.lower().endswith(n5.suffixes) and above.is_dir()
        if is_named and not any((above / document).exists() for document in _ZARR_DOCUMENTS):
            return n5, str(folder), ""
        with contextlib.suppress(OSError, ValueError):
            said = json.loads((above / _N5_DOCUMENT).read_bytes())
            # A container says so, but need not be named; a dataset says what it is.
            if "n5" in said or (above == folder and {"dimensions", "blockSize"} <= set(said)):
                return n5, str(folder), ""
    return None


def _found_in(folder: Path) -> tuple[ImageFormat, str, str] | None:
    try:
        names = sorted(item.name for item in islice(folder.iterdir(), _MOST_LISTED))
    except OSError:
        return None
    for known in FORMATS:
        files = [name for name in names if name.lower().endswith(known.suffixes)]
        if files:
            # Of slices the folder is the image, of other formats each file is one.
            shown = str(folder) if known.name == "TIFF" else f"{folder}/{files[0]}"
            return known, shown, files[0] if known.name == "TIFF" else ""
    return None
