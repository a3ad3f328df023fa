"""Commands that free or remove what a run has left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .arguments import BRAIN, add_answers, add_command, add_options, add_path, answer, options_of

if TYPE_CHECKING:
    import argparse

    from .arguments import Commands


def add_commands(commands: Commands) -> None:
    """Add the commands of this module to a parser."""
    command = add_command(
        commands,
        unlock,
        "free an image that a run on another host holds, once it has ended",
        (BRAIN, "demo/demo.zarr/blobs"),
        good="nobody holds the image",
    )
    add_path(command)
    add_options(command)
    add_answers(command, {"path": "as given", "freed": "who held it; null where nobody did"})

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
        help="also remove level 0, if it was copied from a source or links to it",
    )
    command.add_argument(
        "--foreign",
        action="store_true",
        help="also remove listed levels of other programs",
    )
    add_answers(
        command,
        {
            "path": "as given",
            "removed": "numbers of the levels made here that were removed",
            "removed_of_others": "paths of levels of other programs that were removed",
            "kept_of_others": "paths of those that stay",
            "base": '"copy" or "link" for a level 0 that was made here, else null',
        },
    )


def unlock(given: argparse.Namespace) -> int:
    """Free an image."""
    from zarrpyramid.metadata import locate, open_group
    from zarrpyramid.stores import unlock

    store, path = locate(given.path, "", options=options_of(given))
    done = unlock(store, path)
    if not done:
        open_group(store, path)  # says what else stands there
    line = done or f"{given.path} is held by nobody"
    answer(given, {"path": given.path, "freed": done or None}, [line])
    return 0


def clean(given: argparse.Namespace) -> int:
    """Remove levels, and say which."""
    from zarrpyramid.downsample import base_taken, clean, listed_foreign

    options = options_of(given)
    taken = base_taken(given.path, storage_options=options)
    others = listed_foreign(given.path, storage_options=options)
    removed = clean(given.path, base=given.base, foreign=given.foreign, storage_options=options)
    shown = ", ".join(map(str, removed)) if removed else "none (no level carries our record)"
    lines, foreign = [f"removed levels: {shown}"], ", ".join(others)
    if foreign and given.foreign:
        lines.append(f"removed levels of other programs: {foreign}")
    elif foreign:
        lines.append(f"listed levels of other programs stay: {foreign}; --foreign removes them too")
    if taken and not given.base:
        lines.append(f"level 0 stays: a {taken} made here, which --base removes too")
    elif given.base and not taken:
        lines.append("level 0 stays: it was not taken from a source")
    told = {
        "path": given.path,
        "removed": removed,
        "removed_of_others": others if given.foreign else [],
        "kept_of_others": [] if given.foreign else others,
        "base": taken,
    }
    answer(given, told, lines)
    return 0
