"""The command line: what `zarrpyramid --help` lists.

Reads arguments, calls one function, prints. Pyramids are built by the workflow, or from Python.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from zarrpyramid import __version__
from zarrpyramid.downsample import warn_to_stderr
from zarrpyramid.errors import ConfigError, PyramidError, printable, suggestion
from zarrpyramid.metadata import locate
from zarrpyramid.report import VIEWERS, lint
from zarrpyramid.tables import aligned_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zarrpyramid.downsample import LevelStatus

_DESCRIPTION = """\
Image pyramids for zarr arrays. Build them with the workflow:

  uv run snakemake --cores all --config store=/data/brain.zarr field=raw

and look after them with these commands, of which each has examples: zarrpyramid COMMAND --help
"""

_BRAIN = "/data/brain.zarr/raw"
_COMMANDS = {
    "plan": (
        "show what a run will make and what it needs, before a voxel is read",
        (_BRAIN, "--configfile my.yaml"),
    ),
    "view": (
        "show a pyramid in the browser, with neuroglancer and without a network",
        (_BRAIN, f"{_BRAIN} --no-browser --port 9000", "/data/brain.zarr/raw/labels/cells"),
    ),
    "status": (
        "show levels, their records and whether they are complete: 0 all are, 1 not",
        (_BRAIN, "demo/demo.zarr/blobs"),
    ),
    "verify": (
        "prove a pyramid, whoever made it: 0 sound, 1 defects, 2 no verdict",
        (
            _BRAIN,
            f"{_BRAIN} --full",
            f"{_BRAIN} --sample 100 --seed 7 --json",
            f"{_BRAIN} --repair",
            "s3://bucket/brain.zarr/raw --storage-option endpoint=http://minio.lab:9000",
        ),
    ),
    "lint": (
        "show what viewers get wrong with a pyramid and how to avoid it: 0 nothing, 1 something",
        (_BRAIN, f"{_BRAIN} --viewer neuroglancer", f"{_BRAIN} --json"),
    ),
    "reproduce": (
        "print the configuration that makes this very pyramid",
        (_BRAIN, f"{_BRAIN} > same.yaml"),
    ),
    "workflow": (
        "lay the workflow's files out in a folder, to run snakemake there",
        ("--copy pyramids", "--copy ~/pyramids"),
    ),
    "unlock": (
        "free an image that a run on another host holds, once it has ended",
        (_BRAIN, "demo/demo.zarr/blobs"),
    ),
    "clean": (
        "remove the levels made here; level 0 and foreign levels stay",
        (_BRAIN, f"{_BRAIN} --base"),
    ),
}
"""Purpose of each command, and what may stand after it."""

_COLUMNS = (
    *("level", "factors", "shape", "voxels", "chunks", "dtype", "objects", "bytes", "listed"),
    *("mean", "digest"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, or 1 after a line that says what is wrong.

    `status` also returns 1 where a level is incomplete, `lint` where a viewer gets something wrong.
    `verify` returns 1 where it found a defect, and 2 where it could not run.
    """
    given = _parse(sys.argv[1:] if arguments is None else arguments)
    handler = warn_to_stderr()
    try:
        if given.command == "plan":
            return _plan(given)
        if given.command == "view":
            return _view(given)
        if given.command == "workflow":
            return _workflow(given.copy)
        if given.command == "status":
            return _status(given.path, _options_of(given))
        if given.command == "verify":
            return _verify(given)
        if given.command == "reproduce":
            return _reproduce(given.path, _options_of(given))
        if given.command == "lint":
            return _lint(given)
        if given.command == "unlock":
            return _unlock(given.path, _options_of(given))
        return _clean(given.path, given.base, _options_of(given))
    except PyramidError as error:
        print(f"zarrpyramid: error: {error}", file=sys.stderr)
        return 2 if given.command == "verify" else 1
    finally:
        logging.getLogger("zarrpyramid").removeHandler(handler)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return what is asked for; a mistake ends the process with one line and exit code 2."""
    parser = _parser()
    command = next((word for word in arguments if not word.startswith("-")), None)
    if command is not None and command not in _COMMANDS:
        parser.error(f"there is no command {command!r}{suggestion(command, list(_COMMANDS))}")
    given, unknown = parser.parse_known_args(arguments)
    for word in unknown:
        options = [
            f"--{name.replace('_', '-')}" for name in vars(given) if name not in ("command", "path")
        ]
        rest = suggestion(word.partition("=")[0], options) if word.startswith("-") else ""
        parser.prog = f"zarrpyramid {given.command}"
        parser.error(f"{given.command} does not know {word!r}{rest}")
    return given


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as all other errors here are said."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"zarrpyramid: error: {message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="zarrpyramid",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (purpose, examples) in _COMMANDS.items():
        command = commands.add_parser(
            name,
            help=purpose,
            description=f"{purpose[0].upper()}{purpose[1:]}.",
            epilog="examples:\n" + "\n".join(f"  zarrpyramid {name} {rest}" for rest in examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == "workflow":
            continue
        command.add_argument(
            "path",
            metavar="STORE/FIELD",
            nargs="?" if name == "plan" else None,
            help="path of the image's group: the folder that holds the array 0; or its URL",
        )
        if name == "view":
            continue
        command.add_argument(
            "--storage-option",
            action="append",
            type=_option,
            metavar="KEY=VALUE",
            help="of a URL, as in storage_options; may be given more than once",
        )
        command.add_argument(
            "--configfile",
            metavar="F",
            help="a configuration, as snakemake takes it"
            + ("" if name == "plan" else "; of it, storage_options are taken"),
        )
    _add_options(commands.choices)
    return parser


def _add_options(commands: Mapping[str, argparse.ArgumentParser]) -> None:
    """Give each command what it knows beside the path."""
    view, verify = commands["view"], commands["verify"]
    commands["workflow"].add_argument(
        "--copy", metavar="DIR", type=Path, required=True, help="folder that takes them; made"
    )
    view.add_argument(
        "--port", type=_count, default=0, metavar="N", help="of 127.0.0.1 (a free one)"
    )
    view.add_argument(
        "--no-browser", action="store_true", help="print the address, and open no browser"
    )
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
        "--seed",
        type=_count,
        metavar="N",
        help="of the random choice; drawn and shown where not given",
    )
    verify.add_argument(
        "--repair",
        action="store_true",
        help="mend what is broken, by the records in the store, and verify again",
    )
    verify.add_argument("--json", action="store_true", help="print all findings as JSON")
    verify.add_argument(
        "--follow-links", action="store_true", help="follow symbolic links out of the store"
    )
    commands["lint"].add_argument(
        "--json", action="store_true", help="print a list of findings as JSON"
    )
    commands["lint"].add_argument(
        "--viewer",
        action="append",
        choices=VIEWERS,
        help="look for what this viewer gets wrong alone; may be given more than once",
    )
    commands["clean"].add_argument(
        "--base",
        action="store_true",
        help="remove level 0 too, where it was copied from a source or links to it",
    )


def _count(text: str) -> int:
    """Return a number from the command line that is not negative."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number; give one of 0 or more")
    return int(text)


def _option(text: str) -> tuple[str, str]:
    """Return key and value of an option; what it holds is not told, it may be a password."""
    key, is_given, value = text.partition("=")
    if not (key and is_given):
        raise argparse.ArgumentTypeError("expected KEY=VALUE, such as endpoint=http://minio:9000")
    return key, value


def _options_of(given: argparse.Namespace) -> dict[str, Any]:
    """Return the options of a URL: those of a configuration file, and over them those given."""
    from zarrpyramid.config import options_for, read_config
    from zarrpyramid.stores import check_options, is_url

    options = {}
    if given.configfile is not None:
        options = options_for(given.path, read_config(Path(given.configfile)))
    options.update(given.storage_option or ())
    scheme = given.path.partition("://")[0] if is_url(given.path) else "s3"
    check_options(options, "--storage-option", scheme)
    return options


def _verify(given: argparse.Namespace) -> int:
    import random
    import traceback

    from zarrpyramid.downsample import n_cores
    from zarrpyramid.verify import SAMPLE, Report, repair_pyramid, verify_pyramid

    how = {
        "sample": SAMPLE if given.sample is None else given.sample,
        "full": given.full,
        "seed": random.randrange(1 << 32) if given.seed is None else given.seed,
        "n_workers": n_cores(),
        "follow_links": given.follow_links,
        "storage_options": _options_of(given),
    }
    tell = (lambda line: None) if given.json else _tell
    report = Report(path=given.path)
    try:
        report.gather(verify_pyramid(given.path, **how), tell)
        if given.repair and not report.is_sound:
            report = Report(path=given.path)
            report.gather(repair_pyramid(given.path, **how), tell)
    except PyramidError:
        raise
    except Exception:
        # An exit code of 1 would say that the pyramid is broken.
        traceback.print_exc()
        return 2
    print(report.json() if given.json else printable(report.verdict))
    return 0 if report.is_sound else 1


def _tell(line: str) -> None:
    """Print a line at once."""
    print(printable(line), flush=True)


def _view(given: argparse.Namespace) -> int:
    from zarrpyramid.report import view

    view(given.path, port=given.port, opens_browser=not given.no_browser)
    return 0


def _reproduce(path: str, options: Mapping[str, Any]) -> int:
    from zarrpyramid.verify import reproduce

    print(reproduce(path, storage_options=options), end="")
    return 0


def _plan(given: argparse.Namespace) -> int:
    from zarrpyramid.config import image_configs, read_config, short_name
    from zarrpyramid.downsample import n_cores, open_path
    from zarrpyramid.plan import forecast, open_image

    if given.path is None and given.configfile is None:
        raise ConfigError("give either STORE/FIELD or --configfile F")
    if given.path is not None:
        image = open_path(given.path, storage_options=_options_of(given), is_read=False)
        images = {short_name(image.store.name, image.path): image}
    else:
        configs = image_configs(read_config(Path(given.configfile)), Path("results"))
        images = {config.name: open_image(config) for config in configs}
    logs, n_workers = Path("logs"), n_cores()
    tables = [forecast(image, logs / name, n_workers) for name, image in images.items()]
    for line in "\n\n".join(tables).split("\n"):
        print(printable(line))
    return 0


def _workflow(folder: Path) -> int:
    from .layouts import lay_out

    names = lay_out(folder)
    print(f"{folder}: {', '.join(names)}")
    print(f"now: cd {folder} && snakemake --cores all --config store=/data/brain.zarr field=raw")
    return 0


def _status(path: str, options: Mapping[str, Any]) -> int:
    from zarrpyramid.downsample import level_statuses

    statuses = level_statuses(path, storage_options=options)
    rows = []
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
    for line in aligned_table(_COLUMNS, rows):
        print(printable(line))
    faults = _faults(path, options, statuses)
    for fault in faults:
        line = f"zarrpyramid: {fault}; run the workflow again to mend it"
        print(printable(line), file=sys.stderr)
    return 1 if faults else 0


def _faults(path: str, options: Mapping[str, Any], statuses: Sequence[LevelStatus]) -> list[str]:
    """Return what is wrong with the levels of an image as they are listed and stored."""
    from zarrpyramid.downsample import absent_levels

    there = {status.path: status for status in statuses}
    absent = absent_levels(path, storage_options=options)
    faults = [f"level {name} is listed and absent" for name in absent or ()]
    for name, status in there.items():
        if not status.level:
            continue
        if status.fault:
            faults.append(f"level {name} {status.fault}; what is missing reads as fill value")
        if status.record and absent is not None and not status.listed:
            faults.append(f"level {name} is there and not listed")
    return faults


def _lint(given: argparse.Namespace) -> int:
    viewers = given.viewer or VIEWERS
    from zarrpyramid.verify import read_pyramid

    findings = lint(read_pyramid(*locate(given.path, "", options=_options_of(given))), viewers)
    if given.json:
        print(json.dumps([finding.document for finding in findings], indent=1))
    else:
        for finding in findings:
            print(printable(finding.line))
        if not findings:
            print(f"nothing known goes wrong in {', '.join(viewers)}")
    return 1 if findings else 0


def _unlock(path: str, options: Mapping[str, Any]) -> int:
    from zarrpyramid.metadata import locate
    from zarrpyramid.stores import unlock

    print(unlock(*locate(path, "", options=options)))
    return 0


def _clean(path: str, base: bool, options: Mapping[str, Any]) -> int:
    from zarrpyramid.downsample import base_taken, clean

    taken = base_taken(path, storage_options=options)
    removed = clean(path, base=base, storage_options=options)
    shown = ", ".join(map(str, removed)) if removed else "none (no level carries our record)"
    print(f"removed levels: {shown}")
    if taken and not base:
        print(f"level 0 stays: a {taken} made here, which --base removes too")
    elif base and not taken:
        print("level 0 stays: it was not taken from a source")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
