"""The conda environment holds the bounds of the package."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {
    "dask": "dask-core",
    "xxhash": "python-xxhash",
    "snakemake": "snakemake-minimal",
}


def split(requirement):
    name, bounds = re.fullmatch(r"([A-Za-z0-9_.-]+)\s*(.*)", requirement).groups()
    return name.lower(), ",".join(sorted(bounds.replace(" ", "").split(",")))


def test_bounds_are_those_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = dict(map(split, project["project"]["dependencies"]))
    for extra in ("workflow", "tiff"):
        wanted |= dict(map(split, project["project"]["optional-dependencies"][extra]))
    wanted = {CONDA_NAMES.get(name, name): bounds for name, bounds in wanted.items()}
    wanted["python"] = project["project"]["requires-python"]
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert dict(map(split, environment["dependencies"])) == wanted
    assert len(environment["dependencies"]) == len(wanted)
    assert environment["channels"][:2] == ["conda-forge", "bioconda"]
