"""The command that builds a pyramid without the workflow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import ConfigError, printable, suggestion

from .arguments import BRAIN, add_command, add_options, add_path, options_of

if TYPE_CHECKING:
    import argparse

    from .arguments import Commands


def add_commands(commands: Commands) -> None:
    """Add the commands of this module to a parser."""
    command = add_command(
        commands,
        build,
        "build the levels of one image here and now, as the workflow would, without its report",
        (
            BRAIN,
            f"{BRAIN} --set levels=3 --set 'scale_factors=[1, 2, 2]'",
            f"{BRAIN} --set source=/archive/brain.tif --notes results",
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
        help="folder for notes of what was made; with them a build that was killed goes on where "
        "it was",
    )
    add_options(command)
    command.add_argument("--json", action="store_true", help="print the levels' records as JSON")
    command.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")


def build(given: argparse.Namespace) -> int:
    """Build a pyramid, and say what is there."""
    from zarrpyramid.downsample import build_pyramid

    settings = _settings(given.set)
    if options := {**settings.pop("storage_options", {}), **options_of(given)}:
        settings["storage_options"] = options
    store, field = _split(given.path)
    shown = False if given.quiet or given.json else None
    records = build_pyramid(store, field, notes=given.notes, progress=shown, **settings)
    if given.json:
        print(json.dumps(records, indent=1))
    elif not given.quiet:
        levels = "level 0 alone is" if len(records) == 1 else f"levels 0 to {len(records) - 1} are"
        print(printable(f"{levels} complete in {given.path}"))
    return 0


def _split(path: str) -> tuple[str, str]:
    """Return the store and the field of a path: what ends with .zarr first is the store.

    >>> _split("/data/brain.zarr/raw/488"), _split("s3://bucket/images/raw")
    (('/data/brain.zarr', 'raw/488'), ('s3://bucket/images/raw', ''))
    """
    store, end, field = f"{path.rstrip('/')}/".partition(".zarr/")
    return (store + ".zarr", field.rstrip("/")) if end else (path, "")


def _settings(words: list[str]) -> dict[str, Any]:
    """Return the settings of words such as levels=3.

    Raises
    ------
    ConfigError
        If a word is no setting of `build`, or its value is no YAML.
    """
    from zarrpyramid.config import KEYWORDS, from_yaml

    settings = {}
    for word in words:
        key, is_given, value = word.partition("=")
        if not is_given:
            raise ConfigError(f"--set {key}: expected KEY=VALUE, such as levels=3")
        if key in ("store", "field"):
            raise ConfigError(f"--set {key}: no setting of build; give STORE/FIELD instead")
        if key not in KEYWORDS:
            raise ConfigError(f"--set {key}: no setting of build{suggestion(key, list(KEYWORDS))}")
        settings[key] = from_yaml(value, f"--set {key}")
    return settings
