"""Commands for a pyramid in a single file: it is made, and made a folder again."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from zarrpyramid.errors import printable

from .arguments import BRAIN, add_answers, add_command, add_options, answer, options_of, shows_bar

if TYPE_CHECKING:
    import argparse

    from .arguments import Commands


def add_commands(commands: Commands) -> None:
    """Add the commands of this module to a parser."""
    command = add_command(
        commands,
        pack,
        "write an image, or a group of images, into a single file (.ozx) to be sent and kept",
        (BRAIN, f"{BRAIN} brain.ozx", "/data/plate.zarr /archive/plate.ozx"),
        good="the file is written, and sealed",
    )
    command.add_argument(
        "path",
        metavar="STORE/FIELD",
        help="path or URL of the group of an image, a plate or a series, of OME-NGFF 0.5 or later",
    )
    command.add_argument(
        "file",
        metavar="FILE.ozx",
        nargs="?",
        help="the file, which must not be there; beside the store if absent",
    )
    add_options(command)
    add_answers(
        command,
        {
            "path": "as given",
            "file": "path of the file",
            "objects": "objects in it",
            "bytes": "its size",
            "xxh3_128": "the digest by which it is sealed",
            "notes": "objects that a level 0 does not have, which may stand for fill value",
        },
    )

    command = add_command(
        commands,
        unpack,
        "make a folder again from a single file (.ozx, .zip), byte for byte",
        ("brain.ozx", "brain.ozx /data/brain.zarr"),
        good="the folder is there, every object has its checksum, and a sealed file its seal",
    )
    command.add_argument("file", metavar="FILE.ozx", help="path or URL of the file")
    command.add_argument(
        "folder",
        metavar="FOLDER",
        nargs="?",
        help="the folder, which must not be there; beside the file if absent",
    )
    add_options(command)
    add_answers(command, {"file": "as given", "folder": "path of the folder"})


def pack(given: argparse.Namespace) -> int:
    """Write a file, and say what is in it."""
    from zarrpyramid.share import pack

    options = options_of(given)
    done = pack(given.path, given.file, storage_options=options, progress=shows_bar(given))
    told = {
        "path": given.path,
        "file": str(done.file),
        "objects": done.n_objects,
        "bytes": done.n_bytes,
        "xxh3_128": done.digest,
        "notes": done.notes,
    }
    figures = f"{done.n_objects:,} objects, {done.n_bytes:,} bytes"
    answer(given, told, [f"{done.file}: {figures}, sealed by {done.digest}"])
    for note in () if given.json or given.quiet else done.notes:
        print(printable(f"zarrpyramid: note: {note}"), file=sys.stderr)
    return 0


def unpack(given: argparse.Namespace) -> int:
    """Make a folder, and say where it is."""
    from zarrpyramid.share import unpack

    options = options_of(given, given.file)
    place = unpack(given.file, given.folder, storage_options=options, progress=shows_bar(given))
    told = {"file": given.file, "folder": str(place)}
    answer(given, told, [f"{place}: every object has its checksum"])
    return 0
