"""Commands that show a pyramid: what it is, its levels, a viewer, viewers' faults."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.errors import ArgumentError, GeometryError, printable
from zarrpyramid.programs import command
from zarrpyramid.reduce import METHODS
from zarrpyramid.report import OPENERS, VIEWERS
from zarrpyramid.tables import aligned_table, as_bytes

from .arguments import (
    BRAIN,
    add_answers,
    add_command,
    add_options,
    add_path,
    answer,
    count,
    options_of,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from zarrpyramid.metadata import Record
    from zarrpyramid.verify import LevelStatus

    from .arguments import Commands

_STATUS_COLUMNS = (
    *("level", "factors", "shape", "voxel size", "chunks", "dtype", "objects", "bytes", "listed"),
    *("mean", "digest"),
)


_UNREAD = (
    "no voxel was read, so that an object of level 0 that was lost or replaced since is not seen; "
    "this proves them"
)


def add_commands(commands: Commands) -> None:
    """Add the commands of this module to a parser."""
    command = add_command(
        commands,
        info,
        "show what an image is, whoever made it, or which images a store holds",
        (BRAIN, "/data/brain.zarr", f"{BRAIN} --json"),
        good="it is shown, whether or not it is complete",
    )
    add_path(command)
    add_options(command)
    add_answers(
        command,
        {
            "path": "full path or URL of the group",
            "images": "of a group of images: path, shape, dtype and number of levels of each; "
            "null for an image, and the keys below are null for a group of images",
            "format": "version of OME-NGFF, or null, and zarr_format",
            "is_labels": "whether the group says that it holds labels",
            "axes": "name, type, unit, extent and voxel_size of each",
            "levels": "path, shape, chunks, shards, dtype, codecs, scale, translation, method, "
            "objects, bytes and digest of each",
            "bytes": "of all levels; null where objects are not listed",
            "channels": "label, color and window of each, as the group gives them",
            "labels": "names of the label images of the image",
            "faults": "why it is not complete; null where objects are not listed",
            "warnings": "what is legal and misleads some readers; null likewise",
            "notes": "objects that level 0 does not have, which may stand for fill value; null "
            "likewise",
            "links": "pages on the web that show or check it, for stores at https addresses",
        },
        may_be_quiet=False,
    )

    command = add_command(
        commands,
        thumbnail,
        "write a small picture of an image as PNG: its middle plane, of few chunks",
        (BRAIN, f"{BRAIN} --side 512 --output brain.png"),
        good="the picture is written",
    )
    add_path(command)
    add_options(command)
    command.add_argument(
        "--side",
        type=count,
        default=256,
        metavar="N",
        help="pixels along the longer edge, 1 to 4096; 256 if absent",
    )
    command.add_argument(
        "--output", default="thumbnail.png", metavar="F", help="where; thumbnail.png if absent"
    )
    add_answers(command, {"picture": "path of the picture"})

    command = add_command(
        commands,
        status,
        "show levels, their records and whether they are complete",
        (BRAIN, "demo/demo.zarr/blobs -q"),
        good="all levels are there and complete",
        bad="a level is missing or incomplete, or documents contradict each other",
    )
    add_path(command)
    add_options(command)
    add_answers(
        command,
        {
            "path": "as given",
            "levels": "path, shape, chunks, dtype, objects, bytes and record of each",
            "faults": "what is wrong, each with the way out",
            "warnings": "what is legal and misleads some readers, each with the way out",
            "notes": "objects that level 0 does not have, which may stand for fill value",
        },
    )

    command = add_command(
        commands,
        view,
        "show a pyramid in neuroglancer, in the browser and without a network, or in napari",
        (
            BRAIN,
            f"{BRAIN} --no-browser --port 9000",
            "/data/brain.zarr/raw/labels/cells",
            "https://images.org/brain.zarr/raw",
        ),
        good="it was shown until Ctrl-C, or until napari was closed",
    )
    add_path(command)
    add_options(command)
    command.add_argument(
        "--viewer",
        choices=OPENERS,
        help="the viewer; if absent neuroglancer, or napari where that alone is installed",
    )
    command.add_argument(
        "--port", type=count, default=0, metavar="N", help="port of 127.0.0.1; a free one if absent"
    )
    command.add_argument(
        "--no-browser", action="store_true", help="print the address and open no browser"
    )

    command = add_command(
        commands,
        lint,
        "show what viewers get wrong with a pyramid and how to avoid it",
        (BRAIN, f"{BRAIN} --viewer neuroglancer", f"{BRAIN} --json"),
        good="nothing is known to go wrong",
        bad="something goes wrong or is worth knowing",
    )
    add_path(command)
    add_options(command)
    command.add_argument(
        "--viewer",
        action="append",
        choices=VIEWERS,
        help="show only what this viewer gets wrong; may be given more than once",
    )
    add_answers(
        command,
        {
            "path": "as given",
            "viewers": "those that were asked for",
            "findings": "what goes wrong: grade, viewers, what, way_out, seen and more of each",
        },
    )


def info(given: argparse.Namespace) -> int:
    """Print what an image is."""
    from zarrpyramid.report import describe, description_lines

    found = describe(given.path, storage_options=options_of(given))
    answer(given, found, description_lines(found))
    return 0


def thumbnail(given: argparse.Namespace) -> int:
    """Write a picture."""
    from zarrpyramid.report import draw_thumbnail
    from zarrpyramid.stores import check_folder, write_aside
    from zarrpyramid.verify import find_pyramid

    if Path(given.output).suffix.lower() not in ("", ".png"):
        raise ArgumentError(
            f"--output is {given.output}, expected a name that ends with .png: pictures are "
            f"written as PNG; give {Path(given.output).with_suffix('.png')}"
        )
    check_folder(Path(given.output))
    pyramid = find_pyramid(given.path, storage_options=options_of(given))
    picture = draw_thumbnail(pyramid, given.side)
    if picture is None:
        raise GeometryError(
            f"{given.path} has no picture: expected two axes in space, and a level whose middle "
            "plane lies in 32 MB of chunks, which levels that are coarser have"
        )
    write_aside(Path(given.output), picture)
    answer(given, {"picture": given.output}, [given.output])
    return 0


def status(given: argparse.Namespace) -> int:
    """Print a line a level, and what is wrong."""
    from zarrpyramid.stores import as_arguments
    from zarrpyramid.verify import pyramid_status

    options = options_of(given)
    found = pyramid_status(given.path, storage_options=options)
    levels = [level.document for level in found.levels]
    table = aligned_table(_STATUS_COLUMNS, map(_status_row, found.levels))
    said = {"faults": found.faults, "warnings": found.warnings, "notes": found.notes}
    told = {"levels": levels, **said}
    answer(given, {"path": given.path, **told}, table)
    if not (given.json or given.quiet):
        prove = command("zarrpyramid", "verify", given.path) + as_arguments(options)
        unread = [] if found.faults else [f"{_UNREAD}: {prove}"]
        for line in (
            *found.faults,
            *(f"warning: {warning}" for warning in found.warnings),
            *(f"note: {note}" for note in (*found.notes, *unread)),
        ):
            print(printable(f"zarrpyramid: {line}"), file=sys.stderr)
    return 1 if found.faults else 0


def _status_row(status: LevelStatus) -> Sequence[str]:
    record, expected = status.record or {}, status.expected_objects
    return (
        str(status.level) if status.is_beside else status.path,
        "x".join(map(str, status.factors)) if status.factors else "-",
        "x".join(map(str, status.shape)),
        "x".join(f"{size:.6g}" for size in status.voxel_size) if status.voxel_size else "-",
        "x".join(map(str, status.chunks)),
        status.dtype,
        f"{status.n_objects}/{'?' if expected is None else expected}",
        as_bytes(status.stored_bytes),
        f"no: {status.path}" if status.is_beside else "yes" if status.listed else "no",
        _mean(record),
        record.get("digest") or ("base" if status.level == 0 else "not ours"),
    )


def _mean(record: Record) -> str:
    """Return the mean of a level's voxels, which ids have none of."""
    method = METHODS.get(record.get("recipe", {}).get("method"))
    mean = None if method and method.for_labels else record.get("mean")
    return f"{mean:.6g}" if isinstance(mean, int | float) else "-"


def view(given: argparse.Namespace) -> int:
    """Show an image until the user interrupts."""
    from zarrpyramid.report import view

    view(
        given.path,
        viewer=given.viewer,
        port=given.port,
        opens_browser=not given.no_browser,
        storage_options=options_of(given),
    )
    return 0


def lint(given: argparse.Namespace) -> int:
    """Print what is known to go wrong in viewers."""
    from zarrpyramid.report import lint
    from zarrpyramid.verify import find_pyramid

    viewers = given.viewer or VIEWERS
    findings = lint(find_pyramid(given.path, storage_options=options_of(given)), viewers)
    told = [finding.document for finding in findings]
    lines = [finding.line for finding in findings]
    nothing = f"nothing known goes wrong in {', '.join(viewers)}"
    answer(given, {"path": given.path, "viewers": viewers, "findings": told}, lines or [nothing])
    return 1 if findings else 0
