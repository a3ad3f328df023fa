"""Commands that prove a pyramid, mend it, and print the configuration that makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zarrpyramid.errors import printable

from .arguments import (
    BRAIN,
    add_answers,
    add_command,
    add_options,
    add_path,
    answer,
    count,
    options_of,
    shows_bar,
)

if TYPE_CHECKING:
    import argparse

    from .arguments import Commands


def add_commands(commands: Commands) -> None:
    """Add the commands of this module to a parser."""
    command = add_command(
        commands,
        verify,
        "prove a pyramid, whoever made it",
        (
            BRAIN,
            f"{BRAIN} --full",
            f"{BRAIN} --sample 100 --seed 7 --json",
            f"{BRAIN} --repair",
            "s3://bucket/brain.zarr/raw --storage-option endpoint=http://minio.lab:9000",
        ),
        good="no defect is found; the last line says sound, or what is not proven",
        bad="it has a defect",
    )
    add_path(command)
    add_options(command)
    much = command.add_mutually_exclusive_group()
    much.add_argument(
        "--sample",
        type=count,
        metavar="N",
        help="random blocks of each level to make again, besides corners and edges; 20 if absent",
    )
    much.add_argument(
        "--full",
        action="store_true",
        help="make all blocks, digests and statistics again, and decode every object",
    )
    command.add_argument(
        "--seed",
        type=count,
        metavar="N",
        help="seed of the random choice; drawn and shown if absent",
    )
    command.add_argument(
        "--repair",
        action="store_true",
        help="repair what is broken, from the records in the store, and verify again",
    )
    command.add_argument(
        "--follow-links", action="store_true", help="follow symbolic links out of the store"
    )
    add_answers(
        command,
        {
            "path": "as given",
            "verdict": "the last line",
            "sound": "whether it is; null where that is not proven, or nothing is to verify",
            "checks": "what was looked at, and how much of it",
            "findings": "what is wrong or worth knowing: grade, level, key, what, expected, "
            "found, way_out and rule of each",
        },
    )

    command = add_command(
        commands,
        reproduce,
        "print the configuration that makes this very pyramid",
        (BRAIN, f"{BRAIN} > same.yaml"),
        good="the configuration is printed",
    )
    add_path(command)
    add_options(command)
    add_answers(
        command,
        {"path": "as given", "configuration": "its settings, as in YAML"},
        may_be_quiet=False,
    )

    command = add_command(
        commands,
        digest,
        "print the digest of an array's voxels, or compare two arrays whatever their chunks, codec "
        "and zarr format",
        (f"{BRAIN}/1", f"{BRAIN}/0 /archive/brain.zarr/0", f"{BRAIN}/0 --chunks 64,64,64"),
        good="the digest is printed; if there are two arrays, data type, shape and all voxels are "
        "equal",
        bad="two arrays differ; the last line names the first difference",
    )
    command.add_argument("path", metavar="ARRAY", help="path or URL of a zarr array")
    command.add_argument(
        "other", metavar="OTHER", nargs="?", help="another array, to compare with the first"
    )
    add_options(command)
    command.add_argument(
        "--chunks",
        type=_extents,
        metavar="N,N,...",
        help="chunks in which the digest is taken, whatever those of the arrays are; if absent, "
        "those of the first array, so that the digest of a level is that of its record",
    )
    add_answers(
        command,
        {
            "arrays": "path, dtype, shape, chunks, digest and statistics of each; none of arrays "
            "of different dtype or shape",
            "difference": 'what differs; "" where nothing does, null of one array',
            "voxels_different": "how many differ; null of one array, and where none was compared",
        },
    )


def verify(given: argparse.Namespace) -> int:
    """Print what is found while it is found, and the verdict."""
    import random

    from zarrpyramid.downsample import PartBar, n_cores
    from zarrpyramid.verify import LEVEL_PARTS, SAMPLE, Report, repair_pyramid, verify_pyramid

    how = {
        "sample": SAMPLE if given.sample is None else given.sample,
        "full": given.full,
        "seed": random.randrange(1 << 32) if given.seed is None else given.seed,
        "n_workers": n_cores(),
        "follow_links": given.follow_links,
        "storage_options": options_of(given),
    }
    with PartBar("level", LEVEL_PARTS, shown=shows_bar(given)) as bar:
        how["on_part"] = bar.update

        def tell(line: str) -> None:
            if not (given.json or given.quiet):
                bar.print(printable(line))

        report = Report(path=given.path)
        report.gather(verify_pyramid(given.path, **how), tell)
        if given.repair and not report.is_sound:
            report = Report(path=given.path)
            report.gather(repair_pyramid(given.path, **how), tell)
    answer(given, report.document, [report.verdict])
    return report.code


def reproduce(given: argparse.Namespace) -> int:
    """Print a configuration."""
    from zarrpyramid.config import from_yaml
    from zarrpyramid.verify import reproduce

    text = reproduce(given.path, storage_options=options_of(given))
    told = {"path": given.path, "configuration": from_yaml(text, given.path)}
    answer(given, told, text.splitlines())
    return 0


def digest(given: argparse.Namespace) -> int:
    """Print a line an array, as checksum programs do, and what differs."""
    from zarrpyramid.downsample import n_cores
    from zarrpyramid.verify import array_digests

    paths = [given.path] if given.other is None else [given.path, given.other]
    found = array_digests(
        paths, chunks=given.chunks, n_workers=n_cores(), storage_options=options_of(given)
    )
    are_two = given.other is not None
    lines = [f"{proof['digest']}  {proof['path']}" for proof in found.proofs]
    if are_two:
        lines.append(f"different: {found.difference}" if found.difference else "equal")
    told = {
        "arrays": found.proofs,
        "difference": found.difference if are_two else None,
        "voxels_different": found.n_different,
    }
    answer(given, told, lines)
    return 1 if found.difference else 0


def _extents(text: str) -> tuple[int, ...]:
    """Return extents of a chunk."""
    return tuple(map(count, text.split(",")))
