"""Commands that lay out the workflow, and that free or remove what a run has left."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import BRAIN, add_command, add_options, add_path, options_of

if TYPE_CHECKING:
    import argparse

    from .arguments import Commands


def add_commands(commands: Commands) -> None:
    """Add the commands of this module to a parser."""
    command = add_command(
        commands,
        workflow,
        "lay the workflow's files out in a folder, to run snakemake there",
        ("--copy pyramids", "--copy ~/pyramids"),
        good="the files are laid out",
    )
    command.add_argument(
        "--copy", metavar="DIR", type=Path, required=True, help="folder for the files; it is made"
    )

    command = add_command(
        commands,
        unlock,
        "free an image that a run on another host holds, once it has ended",
        (BRAIN, "demo/demo.zarr/blobs"),
        good="nobody holds the image",
    )
    add_path(command)
    add_options(command)

    command = add_command(
        commands,
        clean,
        "remove the levels made here; level 0 and levels of other programs stay",
        (BRAIN, f"{BRAIN} --base", f"{BRAIN} --foreign"),
        good="no level made here is left",
    )
    add_path(command)
    add_options(command)
    command.add_argument(
        "--base",
        action="store_true",
        help="remove level 0 too, where it was copied from a source or links to it",
    )
    command.add_argument(
        "--foreign",
        action="store_true",
        help="remove listed levels of other programs too",
    )


def workflow(given: argparse.Namespace) -> int:
    """Lay out the workflow's files."""
    from .layouts import lay_out

    folder = given.copy
    names = lay_out(folder)
    print(f"{folder}: {', '.join(names)}")
    print(f"now: cd {folder} && snakemake --cores all --config store=/data/brain.zarr field=raw")
    return 0


def unlock(given: argparse.Namespace) -> int:
    """Free an image."""
    from zarrpyramid.metadata import locate, open_group
    from zarrpyramid.stores import unlock

    store, path = locate(given.path, "", options=options_of(given))
    done = unlock(store, path)
    if not done:
        open_group(store, path)  # says what else stands there
    print(done or f"{given.path} is held by nobody")
    return 0


def clean(given: argparse.Namespace) -> int:
    """Remove levels, and say which."""
    from zarrpyramid.downsample import base_taken, clean, listed_foreign

    options = options_of(given)
    taken = base_taken(given.path, storage_options=options)
    foreign = ", ".join(listed_foreign(given.path, storage_options=options))
    removed = clean(given.path, base=given.base, foreign=given.foreign, storage_options=options)
    shown = ", ".join(map(str, removed)) if removed else "none (no level carries our record)"
    print(f"removed levels: {shown}")
    if foreign and given.foreign:
        print(f"removed levels of other programs: {foreign}")
    elif foreign:
        print(f"listed levels of other programs stay: {foreign}; --foreign removes them too")
    if taken and not given.base:
        print(f"level 0 stays: a {taken} made here, which --base removes too")
    elif given.base and not taken:
        print("level 0 stays: it was not taken from a source")
    return 0
