"""Commands that show a pyramid: what a run makes, its levels, a viewer, viewers' faults."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.errors import ConfigError, PyramidError, printable
from zarrpyramid.report import VIEWERS
from zarrpyramid.tables import aligned_table

from .arguments import BRAIN, add_command, add_options, add_path, count, options_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from zarrpyramid.plan import Image
    from zarrpyramid.verify import LevelStatus

    from .arguments import Commands

_STATUS_COLUMNS = (
    *("level", "factors", "shape", "voxels", "chunks", "dtype", "objects", "bytes", "listed"),
    *("mean", "digest"),
)


def add_commands(commands: Commands) -> None:
    """Add the commands of this module to a parser."""
    command = add_command(
        commands,
        plan,
        "show what a run will make and what it needs, before a voxel is read",
        (BRAIN, "--configfile my.yaml", f"{BRAIN} --codecs"),
        good="the plan is shown, whether or not there is room for it here",
        bad="the plan is shown, and a run is refused on any machine",
    )
    add_path(command, nargs="?")
    add_options(command, "a configuration, as snakemake takes it")
    command.add_argument(
        "--codecs",
        action="store_true",
        help="try compressors on 16 chunks of level 1, which are made in memory, and recommend one",
    )

    command = add_command(
        commands,
        view,
        "show a pyramid in the browser, with neuroglancer and without a network",
        (BRAIN, f"{BRAIN} --no-browser --port 9000", "/data/brain.zarr/raw/labels/cells"),
        good="it was shown until Ctrl-C",
    )
    add_path(command)
    command.add_argument(
        "--port", type=count, default=0, metavar="N", help="port of 127.0.0.1; a free one if absent"
    )
    command.add_argument(
        "--no-browser", action="store_true", help="print the address and open no browser"
    )

    command = add_command(
        commands,
        status,
        "show levels, their records and whether they are complete",
        (BRAIN, "demo/demo.zarr/blobs"),
        good="all levels are there and complete",
        bad="a level is missing or incomplete, or documents contradict each other",
    )
    add_path(command)
    add_options(command)

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
    command.add_argument("--json", action="store_true", help="print a list of findings as JSON")
    command.add_argument(
        "--viewer",
        action="append",
        choices=VIEWERS,
        help="show what this viewer gets wrong and no other; may be given more than once",
    )


def plan(given: argparse.Namespace) -> int:
    """Print a forecast for one image, or for all images of a configuration."""
    from zarrpyramid.config import read_config, short_name
    from zarrpyramid.downsample import n_cores, open_path, try_codecs
    from zarrpyramid.plan import Run, forecast
    from zarrpyramid.report import describe_codecs

    if given.path is None and given.configfile is None:
        raise ConfigError("give either STORE/FIELD or --configfile F")
    logs, faults = Path("logs"), dict[str, str]()
    batched, in_batches = list[str](), set[str]()
    if given.path is not None:
        image = open_path(given.path, storage_options=options_of(given), is_read=False)
        images = {short_name(image.store.name, image.path): image}
    else:
        config = read_config(Path(given.configfile))
        run = Run(config, results="results", folder=Path("results"), logs=logs)
        in_batches = run.batches.names
        batched = run.batches.forecast() if in_batches else []
        images = {name: image for name, image in run.found.items() if image is not None}
        faults = run.refused
    faults |= {
        name: fault
        for name, image in images.items()
        if name not in faults and (fault := _fault(image))
    }
    if not images:
        raise ConfigError("; ".join(faults.values()))
    if batched:  # one of them, in place of thousands
        first = next(name for name in images if name in in_batches)
        images = {n: image for n, image in images.items() if n == first or n not in in_batches}
    tables = ["\n".join(batched)] * bool(batched) + [
        forecast(image, logs / name, n_cores(), is_refused=name in faults)
        for name, image in images.items()
    ]
    if given.codecs:
        tried = {name: image for name, image in images.items() if name not in faults}
        tables += ["\n".join(describe_codecs(image, try_codecs(image))) for image in tried.values()]
    for line in "\n\n".join(tables).split("\n"):
        print(printable(line))
    for fault in faults.values():
        print(f"zarrpyramid: a run is refused: {fault}", file=sys.stderr)
    return 1 if faults else 0


def _fault(image: Image) -> str:
    """Return why a run cannot build an image on any machine, or ""."""
    from zarrpyramid.downsample import check_codecs
    from zarrpyramid.plan import check_build

    try:
        check_build(image)
        check_codecs(image)
    except PyramidError as error:
        return str(error)
    return ""


def view(given: argparse.Namespace) -> int:
    """Show an image until the user interrupts."""
    from zarrpyramid.report import view

    view(given.path, port=given.port, opens_browser=not given.no_browser)
    return 0


def status(given: argparse.Namespace) -> int:
    """Print a line a level, and what is wrong with them."""
    from zarrpyramid.verify import pyramid_status

    found = pyramid_status(given.path, storage_options=options_of(given))
    for line in aligned_table(_STATUS_COLUMNS, map(_status_row, found.levels)):
        print(printable(line))
    for fault in found.faults:
        print(printable(f"zarrpyramid: {fault}"), file=sys.stderr)
    return 1 if found.faults else 0


def _status_row(status: LevelStatus) -> Sequence[str]:
    record, expected = status.record or {}, status.expected_objects
    return (
        str(status.level),
        "x".join(map(str, status.factors)) if status.factors else "-",
        "x".join(map(str, status.shape)),
        "x".join(f"{size:.6g}" for size in status.voxel_size) if status.voxel_size else "-",
        "x".join(map(str, status.chunks)),
        status.dtype,
        f"{status.n_objects}/{'?' if expected is None else expected}",
        str(status.stored_bytes),
        f"no: {status.path}" if status.is_beside else "yes" if status.listed else "no",
        f"{record['mean']:.6g}" if isinstance(record.get("mean"), int | float) else "-",
        record.get("digest") or ("base" if status.level == 0 else "not ours"),
    )


def lint(given: argparse.Namespace) -> int:
    """Print what is known to go wrong in viewers."""
    from zarrpyramid.report import lint
    from zarrpyramid.verify import find_pyramid

    viewers = given.viewer or VIEWERS
    findings = lint(find_pyramid(given.path, storage_options=options_of(given)), viewers)
    if given.json:
        print(json.dumps([finding.document for finding in findings], indent=1))
    else:
        for finding in findings:
            print(printable(finding.line))
        if not findings:
            print(f"nothing known goes wrong in {', '.join(viewers)}")
    return 1 if findings else 0
