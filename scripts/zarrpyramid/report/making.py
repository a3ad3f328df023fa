"""How a pyramid was made, and how to make it again; where the counts of its labels stand."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from dataclasses import asdict
from typing import TYPE_CHECKING

from zarrpyramid import __version__
from zarrpyramid.plan import DECISION_COLUMNS, ONCE, decision_rows
from zarrpyramid.programs import command
from zarrpyramid.reduce import METHODS, kind_of
from zarrpyramid.stores import as_arguments

from .markup import Child, command_line, table, tag

if TYPE_CHECKING:
    from zarrpyramid.plan import Image

_PACKAGES = (*("numpy", "zarr", "numcodecs", "numba", "dask", "xxhash", "pillow", "snakemake"),)
_LABEL_FILES = {
    "labels.md": "ids of every level, and how many vanished",
    "labels-vanished.tsv": "every id that vanished, with its level and voxels",
    "labels.json": "the same for programs",
}


def making_section(image: Image) -> list[Child]:
    """Return how the levels were made, and the commands that make them again."""
    config, where = image.plan.image, image.plan.where
    is_made = len(image.plan.levels) > 1
    options = as_arguments(image.store.options)
    again = [
        f"{command('zarrpyramid', 'reproduce', where)}{options} > again.yaml",
        command("snakemake", "--cores", "all", "--configfile", "again.yaml"),
    ]
    settings = [
        (key, json.dumps(value, ensure_ascii=False))
        for key, value in asdict(config).items()
        if value not in (None, "", {}, ())
    ]
    return [
        tag("h2", "How it was made", id="making"),
        tag("p", f"Each voxel holds, for {_window(image)}, {_equals(image)}."),
        table("Decisions", DECISION_COLUMNS, decision_rows(image.plan.decisions),
              wraps=DECISION_COLUMNS[-1:]),
        [tag("h3", "Make it again"), *map(command_line, again)] if is_made else None,
        tag("details", tag("summary", "All settings"),
            table("Settings", ("setting", "value"), settings, wraps=("value",))),
        tag("details", tag("summary", "Versions"),
            table("Versions", ("package", "version"), _versions().items())),
    ]  # fmt: skip


def labels_section(image: Image) -> list[Child]:
    """Return links to the counts of ids, which stand beside the report."""
    if not image.plan.image.label_report:
        return []
    entries: list[Child] = [
        tag("li", tag("a", name, href=name), f": {said}") for name, said in _LABEL_FILES.items()
    ]
    return [
        tag("h2", "Ids", id="ids"),
        tag("p", "Beside this page, in the same folder:", class_="soft"),
        tag("ul", entries),
    ]


def _equals(image: Image) -> str:
    """Return what a voxel of a level is of those voxels."""
    weights = image.plan.image.weights
    if weights:
        return f"their mean, weighted with the voxels of {weights}; plain if these are all 0"
    method, kind = METHODS[image.plan.image.method], kind_of(image.plan.base.dtype)
    if method.rounds and kind == "bool":
        return "True where more than half of them are"
    return method.equals + ", rounded half to even" * (method.rounds and kind in ("int", "uint"))


def _window(image: Image) -> str:
    """Return of which voxels a voxel is made."""
    finer = "level 0" if image.plan.image.rounding == ONCE else "the finer level"
    window = f"the voxels of {finer} that it covers"
    no_data = image.plan.levels[-1].no_data
    if not no_data.is_given:
        return window
    return f"the data among {window} (no data if they are less than {no_data.share:g} of them)"


def _versions() -> dict[str, str]:
    versions = {"zarrpyramid": __version__, "Python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # only some are needed to build a level
    return versions
