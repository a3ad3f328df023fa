"""The house: imports point strictly downward, and each dependency has one door."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import zarrpyramid

LIBRARY = Path(zarrpyramid.__file__).parent

# From the ground up; a module may import those of lower rows only.
LAYERS = (
    {"__init__", "errors"},
    {"geometry", "voxel_types", "networks", "paths", "units"},  # integers and names
    {"compiled", "workers", "figures", "pages", "serving"},  # arrays; processes; pictures; HTTP
    {"methods", "compiled_windows", "kernels"},
    {"windows", "agreement"},  # numpy's forms, which load the compiled ones on demand
    {"files", "remote", "metadata", "multiscales", "layouts"},  # keys and bytes; documents as dicts
    {"web"},
    {"config", "hierarchy", "sentinels", "codecs", "encodings", "objects", "counts"},
    {"inflation", "lookups"},
    {"sampling", "findings"},
    {"ladders", "viewers", "tasks", "probes"},
    {"plan", "shards", "digests", "store", "sources"},
    {"chunks", "images", "blocks"},
    {
        "reduction",
        "logs",
        "synthetic",
        "places",
        "survey",
        "ngff",
        "attribution",
        "previews",
        "progress",
    },
    {
        "listing",
        "completeness",
        "consolidation",
        "structure",
        "recomputation",
        "openings",
        "resources",
        "ledgers",
    },
    {"holds"},
    {"staleness", "summary", "copies", "reproduction", "forecast", "resumption", "view"},
    {"levels", "labels", "report"},
    {"parts"},
    {"pyramid", "verify"},
    {"sampler", "repair"},
    {"__main__"},
)
RANKS = {module: rank for rank, row in enumerate(LAYERS) for module in row}

DOORS = {
    "zarr": {"store"},
    "numcodecs": {"codecs", "shards"},
    "dask": {"blocks"},
    "distributed": {"blocks"},
    "numba": {"compiled"},  # whose decorator `compiled_windows` takes
    "obstore": {"remote"},
    "xxhash": {"digests"},
    "yaml": {"config"},
    "matplotlib": {"figures"},
    "tqdm": {"progress"},
    "snakemake": set(),
    "numpy": {
        *("kernels", "compiled", "windows", "compiled_windows", "agreement"),
        *("codecs", "shards", "chunks", "digests", "reduction"),
        *("store", "synthetic", "sampler", "counts", "labels"),
        *("attribution", "recomputation"),
        *("previews", "figures"),
    },
}
# What a Snakefile imports while it parses.
PLANNING = ("config", "plan", "images", "geometry", "sentinels", "hierarchy", "files")
PLANNING += ("multiscales", "metadata", "logs", "errors", "listing", "staleness", "summary")
PLANNING += ("encodings", "ladders", "objects", "remote", "web", "lookups")
PLANNING += ("methods", "voxel_types", "units")
PLANNING += ("paths", "places", "sources", "viewers", "pages")
PLANNING += ("tasks", "openings", "resources", "forecast", "holds")


def imports_of(path):
    """Return (own modules, others) that a module imports when it runs, lazily too."""
    own, others = set(), set()
    pending = list(ast.parse(path.read_text(encoding="utf-8")).body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            pending += node.orelse  # types alone bind nothing
        elif isinstance(node, ast.Import):
            others |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            assert node.level == 1, f"{path.name}: {ast.unparse(node)}"
            own |= {node.module} if node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            others.add(node.module.partition(".")[0])
        else:
            pending += ast.iter_child_nodes(node)
    return {name if name in MODULES else "__init__" for name in own}, others


MODULES = {path.stem: path for path in sorted(LIBRARY.glob("*.py"))}
IMPORTS = {module: imports_of(path) for module, path in MODULES.items()}


def test_every_module_has_its_layer():
    assert set(MODULES) <= set(RANKS)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_strictly_downward(module):
    own, _ = IMPORTS[module]
    if module == "__init__":  # names that load when first used, from the top
        own = imported_at_once(MODULES[module])
    assert {name for name in own if RANKS[name] >= RANKS[module]} == set()


def imported_at_once(path):
    body = ast.parse(path.read_text(encoding="utf-8")).body
    nodes = [node for node in body if isinstance(node, ast.ImportFrom) and node.level]
    return {alias.name for node in nodes for alias in node.names} | {
        node.module for node in nodes if node.module
    }


@pytest.mark.parametrize("module", MODULES)
def test_each_dependency_has_its_door(module):
    _, others = IMPORTS[module]
    strangers = others - set(sys.stdlib_module_names) - {"__future__"}
    assert strangers <= set(DOORS)
    assert {name for name in strangers if module not in DOORS[name]} == set()


def test_every_door_is_used_by_somebody():
    used = set().union(*(others for _, others in IMPORTS.values()))
    assert {name for name, modules in DOORS.items() if modules} <= used


def loaded_by(code):
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sorted(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(LIBRARY.parent)},
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_what_a_snakefile_imports_loads_no_array_library():
    loaded = loaded_by(f"from zarrpyramid import {', '.join(PLANNING)}")
    assert (
        loaded
        & {"numpy", "zarr", "obstore", "dask", "numba", "numcodecs", "jsonschema", "matplotlib"}
        == set()
    )


def test_building_levels_loads_what_it_needs_alone():
    assert loaded_by("from zarrpyramid import levels") & {"zarr", "dask", "numba"} == set()


def test_scripts_alone_speak_of_snakemake():
    scripts = sorted(LIBRARY.parent.glob("*.py"))
    assert scripts
    for path in scripts:
        body = ast.parse(path.read_text(encoding="utf-8")).body
        defined = [node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        assert defined == [], path.name  # scripts are wiring
