"""Commands that make one image's pyramid without the workflow, and show what a run will make."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import ConfigError, PyramidError, suggestion

from .arguments import (
    BRAIN,
    add_answers,
    add_command,
    add_options,
    add_path,
    answer,
    options_of,
    shows_bar,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from zarrpyramid.plan import Image

    from .arguments import Commands


def add_commands(commands: Commands) -> None:
    """Add the commands of this module to a parser."""
    command = add_command(
        commands,
        plan,
        "show what a run will make and what it needs, before any voxel is read",
        (
            BRAIN,
            "--config source=/archive/brain.tif store=/data/new.zarr",
            "--configfile my.yaml",
            f"{BRAIN} --codecs",
        ),
        good="the plan is shown, whether or not there is room for it here",
        bad="the plan is shown, and a run is refused on any machine",
    )
    add_path(command, nargs="?")
    add_options(command, "a configuration, as snakemake takes it")
    command.add_argument(
        "--config",
        action="extend",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="settings, as snakemake takes them; they stand over those of --configfile",
    )
    command.add_argument(
        "--codecs",
        action="store_true",
        help="try compressors on 16 chunks of level 1, which are made in memory, and recommend one",
    )
    add_answers(
        command,
        {
            "images": "of each image: name, path, levels, seconds, room, decisions; removed, what "
            'is said of levels that are not planned, or ""; codecs where they were tried',
            "batches": "of small images that are built together: their number and forms, or null",
            "refused": "why a run is refused, by name of the image",
        },
    )

    command = add_command(
        commands,
        build,
        "build the levels of one image here and now, as the workflow would, without its report",
        (
            BRAIN,
            f"{BRAIN} --set levels=3 --set 'scale_factors=[1, 2, 2]'",
            "/data/new.zarr/raw --set source=/archive/brain.tif --notes results",
        ),
        good="all levels are there",
    )
    add_path(command)
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting, as in a configuration, its value spelled as in YAML; may be given more "
        "than once",
    )
    command.add_argument(
        "--notes",
        metavar="DIR",
        help="folder for notes of what was made; with them a build that was killed continues "
        "where it was",
    )
    add_options(command)
    add_answers(command, {"path": "as given", "levels": "the record of each level, level 0 first"})


def plan(given: argparse.Namespace) -> int:
    """Print a forecast for one image, or for all images of a configuration."""
    from zarrpyramid.config import short_name, split_group
    from zarrpyramid.downsample import n_cores, open_path, try_codecs
    from zarrpyramid.plan import Run, forecast
    from zarrpyramid.report import describe_codecs, trial_documents

    if given.path is None and given.configfile is None and not given.config:
        raise ConfigError("give STORE/FIELD, --configfile F or --config KEY=VALUE ...")
    if given.path is not None and given.config:
        store, field = split_group(given.path)
        words = shlex.join([f"store={store}", *([f"field={field}"] if field else [])])
        raise ConfigError(f"--config beside STORE/FIELD; give the image there too: {words}")
    logs, faults, batches = Path("logs"), dict[str, str](), None
    in_batches = set[str]()
    if given.path is not None:
        image = open_path(given.path, storage_options=options_of(given), is_read=False)
        images = {short_name(image.store.name, image.path): image}
    else:
        run = Run(_configuration(given), results="results", folder=Path("results"), logs=logs)
        in_batches = run.batches.names
        batches = run.batches.forecast() if in_batches else None
        images = {name: image for name, image in run.found.items() if image is not None}
        faults = run.refused
    faults |= {
        name: fault
        for name, image in images.items()
        if name not in faults and (fault := _fault(image))
    }
    if not images:
        raise ConfigError("; ".join(faults.values()))
    if batches:  # one of them, in place of thousands
        first = next(name for name in images if name in in_batches)
        images = {n: image for n, image in images.items() if n == first or n not in in_batches}
    documents, tables = list[dict[str, Any]](), [batches.lines] if batches else []
    for name, image in images.items():
        found = forecast(image, logs / name, n_cores(), is_refused=name in faults)
        documents.append(found.document)
        tables.append(found.lines)
    if given.codecs:
        for (name, image), document in zip(images.items(), documents, strict=True):
            if name not in faults:
                trials = try_codecs(image)
                document["codecs"] = trial_documents(trials)
                tables.append(describe_codecs(image, trials))
    lines = [line for table in tables for line in ("", *table)][1:]
    told = {"images": documents, "batches": batches and batches.document, "refused": faults}
    answer(given, told, lines)
    if not (given.json or given.quiet):
        for fault in faults.values():
            print(f"zarrpyramid: a run is refused: {fault}", file=sys.stderr)
    return 1 if faults else 0


def _configuration(given: argparse.Namespace) -> dict[str, Any]:
    """Return the settings of a file, and over them those given, as Snakemake merges them."""
    from zarrpyramid.config import read_config

    config = {} if given.configfile is None else read_config(Path(given.configfile))
    for key, value in _values("--config", given.config):
        below = config.get(key)
        both = isinstance(value, dict) and isinstance(below, dict)
        config[key] = below | value if both else value
    return config


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


def build(given: argparse.Namespace) -> int:
    """Build a pyramid, and say what is there."""
    from zarrpyramid.config import split_group
    from zarrpyramid.downsample import build_image
    from zarrpyramid.report import size_to_give

    settings = _settings(given.set)
    if options := {**settings.pop("storage_options", {}), **options_of(given)}:
        settings["storage_options"] = options
    store, field = split_group(given.path)
    shows = shows_bar(given)
    image, records = build_image(store, field, settings, notes=given.notes, progress=shows)
    levels = "level 0 alone is" if len(records) == 1 else f"levels 0 to {len(records) - 1} are"
    line = f"{levels} complete in {given.path}"
    answer(given, {"path": given.path, "levels": records}, [line])
    if not (given.json or given.quiet) and (unsized := size_to_give(image, "--set")):
        print(f"zarrpyramid: warning: {unsized}", file=sys.stderr)
    return 0


def _settings(words: list[str]) -> dict[str, Any]:
    """Return the settings of words such as levels=3.

    Raises
    ------
    ConfigError
        If a word is no setting of `build`, or its value is no YAML.
    """
    from zarrpyramid.config import KEYWORDS

    settings = {}
    for key, value in _values("--set", words):
        if key in ("store", "field"):
            raise ConfigError(f"--set {key}: no setting of build; give STORE/FIELD instead")
        if key not in KEYWORDS:
            raise ConfigError(f"--set {key}: no setting of build{suggestion(key, list(KEYWORDS))}")
        settings[key] = value
    return settings


def _values(option: str, words: list[str]) -> Iterator[tuple[str, Any]]:
    """Yield the key and the value of each word of an option."""
    from zarrpyramid.config import from_yaml

    for word in words:
        key, is_given, value = word.partition("=")
        if not is_given:
            way_out = "such as levels=3; put what has spaces in quotes"
            raise ConfigError(f"{option} {key}: expected KEY=VALUE, {way_out}")
        yield key, from_yaml(value, f"{option} {key}")
