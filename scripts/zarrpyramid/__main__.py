"""The command line: `zarrpyramid plan`, `status`, `verify`, `lint`, `workflow` and others.

Reads arguments, calls one function, prints. Pyramids are built by the workflow, or from Python.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from . import __version__
from .errors import ConfigError, PyramidError
from .hierarchy import locate
from .logs import warn_to_stderr
from .viewers import VIEWERS, lint, read_pyramid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .pyramid import LevelStatus

_DESCRIPTION = """\
Image pyramids for zarr arrays. Build them with the workflow:

  uv run snakemake --cores all --config store=/data/brain.zarr field=raw

and look after them with these commands.
"""

_COLUMNS = (
    *("level", "factors", "shape", "voxels", "chunks", "dtype", "objects", "bytes", "listed"),
    *("mean", "digest"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, or 1 after a line that says what is wrong.

    `status` also returns 1 where a level is incomplete, `lint` where a viewer gets something wrong.
    `verify` returns 1 where it found a defect, and 2 where it could not run.
    """
    parser = _parser()
    given = parser.parse_args(arguments)
    warn_to_stderr()
    try:
        if given.command == "plan":
            return _plan(given.path, given.configfile)
        if given.command == "workflow":
            return _workflow(given.copy)
        if given.command == "status":
            return _status(given.path)
        if given.command == "verify":
            return _verify(given)
        if given.command == "reproduce":
            return _reproduce(given.path)
        if given.command == "lint":
            return _lint(given.path, given.viewer, given.json)
        return _clean(given.path, given.base)
    except PyramidError as error:
        print(f"zarrpyramid: error: {error}", file=sys.stderr)
        return 2 if given.command == "verify" else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="zarrpyramid",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, purpose, example in (
        ("status", "show levels, their records and whether they are complete", "status"),
        ("verify", "prove a pyramid, whoever made it: 0 sound, 1 defects, 2 no verdict", "verify"),
        ("reproduce", "print the configuration that makes this very pyramid", "reproduce"),
        ("lint", "show what viewers get wrong with a pyramid, and how to avoid it", "lint"),
        ("clean", "remove the levels made here; level 0 and foreign levels stay", "clean"),
    ):
        command = commands.add_parser(
            name,
            help=purpose,
            description=f"{purpose[0].upper()}{purpose[1:]}.",
            epilog=f"example: zarrpyramid {example} /data/brain.zarr/raw",
        )
        command.add_argument("path", metavar="STORE/FIELD", help="path of the image's group")
    verify = commands.choices["verify"]
    much = verify.add_mutually_exclusive_group()
    much.add_argument(
        "--sample",
        type=_count,
        metavar="N",
        help="random blocks of each level that are made again (20), beside corners and edges",
    )
    much.add_argument(
        "--full", action="store_true", help="make all blocks again, and digests and statistics"
    )
    verify.add_argument(
        "--seed", type=_count, help="of the random choice; drawn and shown where not given"
    )
    verify.add_argument("--json", action="store_true", help="print all findings as JSON")
    plan = commands.add_parser(
        "plan",
        help="show what a run will make, and what it needs, before a voxel is read",
        description="Show what a run will make: levels, parts, files, bytes, memory and seconds.",
        epilog="example: zarrpyramid plan --configfile my.yaml",
    )
    plan.add_argument(
        "path", metavar="STORE/FIELD", nargs="?", help="path of an image's group, default settings"
    )
    plan.add_argument("--configfile", metavar="F", help="a configuration, as snakemake takes it")
    workflow = commands.add_parser(
        "workflow",
        help="lay the workflow's files out in a folder, to run snakemake there",
        description="Lay out the workflow: Snakefile, config.yaml, profiles, rules, scripts.",
        epilog="example: zarrpyramid workflow --copy pyramids",
    )
    workflow.add_argument(
        "--copy", metavar="DIR", type=Path, required=True, help="folder that takes them; made"
    )
    commands.choices["clean"].add_argument(
        "--base",
        action="store_true",
        help="remove level 0 too, where it was copied from a source or links to it",
    )
    lint = commands.choices["lint"]
    lint.add_argument("--json", action="store_true", help="print a list of findings as JSON")
    lint.add_argument(
        "--viewer",
        action="append",
        choices=VIEWERS,
        help="look for what this viewer gets wrong alone; may be given more than once",
    )
    return parser


def _count(text: str) -> int:
    """Return a number from the command line that is not negative."""
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def _verify(given: argparse.Namespace) -> int:
    import random
    import traceback

    from .findings import Report
    from .pyramid import n_cores
    from .verify import SAMPLE, verify_pyramid

    seed = random.randrange(1 << 32) if given.seed is None else given.seed
    events = verify_pyramid(
        given.path,
        sample=SAMPLE if given.sample is None else given.sample,
        full=given.full,
        seed=seed,
        n_workers=n_cores(),
    )
    report = Report(path=given.path)
    try:
        report.gather(events, (lambda line: None) if given.json else partial(print, flush=True))
    except PyramidError:
        raise
    except Exception:
        # An exit code of 1 would say that the pyramid is broken.
        traceback.print_exc()
        return 2
    print(report.json() if given.json else report.verdict)
    return 0 if report.is_sound else 1


def _reproduce(path: str) -> int:
    from .reproduction import reproduce

    print(reproduce(path), end="")
    return 0


def _plan(path: str | None, configfile: str | None) -> int:
    from .config import image_configs, read_config, short_name
    from .forecast import forecast
    from .images import open_image
    from .pyramid import n_cores, open_path

    if (path is None) == (configfile is None):
        raise ConfigError("give either STORE/FIELD or --configfile F")
    if path is not None:
        image = open_path(path)
        images = {short_name(image.files.name, image.path): image}
    else:
        configs = image_configs(read_config(Path(configfile or "")), Path("results"))
        images = {config.name: open_image(config) for config in configs}
    logs, n_workers = Path("logs"), n_cores()
    tables = [forecast(image, logs / name, n_workers) for name, image in images.items()]
    print("\n\n".join(tables))
    return 0


def _workflow(folder: Path) -> int:
    from .layouts import lay_out

    names = lay_out(folder)
    print(f"{folder}: {', '.join(names)}")
    print(f"now: cd {folder} && snakemake --cores all --config store=/data/brain.zarr field=raw")
    return 0


def _status(path: str) -> int:
    from .pyramid import level_statuses

    statuses = level_statuses(path)
    rows = [_COLUMNS]
    for status in statuses:
        record, expected = status.record or {}, status.expected_objects
        rows.append(
            (
                str(status.level),
                "x".join(map(str, status.factors)) if status.factors else "-",
                "x".join(map(str, status.shape)),
                "x".join(f"{size:.6g}" for size in status.voxel_size) if status.voxel_size else "-",
                "x".join(map(str, status.chunks)),
                status.dtype,
                f"{status.n_objects}/{'?' if expected is None else expected}",
                str(status.stored_bytes),
                "yes" if status.listed else "no",
                f"{record['mean']:.6g}" if isinstance(record.get("mean"), int | float) else "-",
                record.get("digest") or ("base" if status.level == 0 else "not ours"),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
    faults = _faults(path, statuses)
    for fault in faults:
        print(f"zarrpyramid: {fault}; run the workflow again to mend it", file=sys.stderr)
    return 1 if faults else 0


def _faults(path: str, statuses: Sequence[LevelStatus]) -> list[str]:
    """Return what is wrong with the levels of an image as they are listed and stored."""
    from .pyramid import absent_levels

    there = {status.path: status for status in statuses}
    absent = absent_levels(path)
    faults = [f"level {name} is listed and absent" for name in absent or ()]
    for name, status in there.items():
        if not status.level:
            continue
        if status.fault:
            faults.append(f"level {name} {status.fault}; what is missing reads as fill value")
        if status.record and absent is not None and not status.listed:
            faults.append(f"level {name} is there and not listed")
    return faults


def _lint(path: str, viewers: Sequence[str] | None, as_json: bool) -> int:
    findings = lint(read_pyramid(*locate(path, "")), viewers or VIEWERS)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        for finding in findings:
            print(finding.line)
        if not findings:
            print(f"nothing known goes wrong in {', '.join(viewers or VIEWERS)}")
    return 1 if findings else 0


def _clean(path: str, base: bool) -> int:
    from .pyramid import base_taken, clean

    taken = base_taken(path)
    removed = clean(path, base=base)
    shown = ", ".join(map(str, removed)) if removed else "none (no level carries our record)"
    print(f"removed levels: {shown}")
    if taken and not base:
        print(f"level 0 stays: a {taken} made here, which --base removes too")
    elif base and not taken:
        print("level 0 stays: it was not taken from a source")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
