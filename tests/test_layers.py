"""The house: packages import strictly downward through doors, and each dependency has one door."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

import zarrpyramid

LIBRARY = Path(zarrpyramid.__file__).parent

# From the ground up: a package imports those before it alone, and the root.
PACKAGES = (
    "reduce",
    "stores",
    "metadata",
    "config",
    "inputs",
    "arrays",
    "plan",
    "downsample",
    "verify",
    "report",
    "share",
    "pyramids",
    "yt",
    "cli",
)
# Modules of the root: those that every package may import, and those that may import every package.
GROUND = {"errors", "geometry", "programs", "tables", "__version__"}
ROOF = {"__init__", "__main__", "pyramid_sampler"}

# The modules that may import what this project does not contain.
DOORS = {
    "zarr": {"arrays.foreign", "stores.zarr_store"},
    "numcodecs": {"arrays.codecs", "arrays.compressors", "inputs.n5_blocks"},
    "dask": {"downsample.run", "downsample.scheduler", "downsample.synthetic", "pyramids.level"},
    "distributed": {"downsample.cluster"},
    "numba": {"reduce.numba_mean"},  # whose decorator the others take
    # One opens a client by the options of its URL, one asks it, one tells its errors apart.
    "obstore": {"stores.object_client", "stores.object_store", "stores.object_errors"},
    "xxhash": {"metadata.digests", "reduce.voxel_digest"}
    | {"stores.archive", "stores.archive_writer"},
    "yaml": {"config.files"},
    "PIL": {"report.figures"},
    "tifffile": {"inputs.tiff_file", "inputs.tiff_page"},
    "shtab": {"cli.set_up"},
    "tornado": {"report.serving"},
    "tqdm": {"downsample.progress"},
    "lazy_loader": {f"{package}.__init__" for package in PACKAGES},
    "h5py": {"inputs.hdf5", "inputs.hdf5_axes", "inputs.hdf5_contents", "inputs.hdf5_parts"}
    | {"inputs.imaris"},
    "hdf5plugin": {"inputs.hdf5"},
    "bioio": {"inputs.bioio_file"},
    "bioio_base": {"inputs.bioio_file"},
    "nibabel": {"inputs.nifti"},
    "mrcfile": {"inputs.mrc"},
    "xarray": {"pyramids.labelled"},
    "yt": {"yt.importing"},
    "unyt": {"yt.importing"},
    "snakemake": set(),
    "numpy": {
        *("reduce.mean", "reduce.moments", "reduce.windows", "reduce.numpy_windows"),
        *("reduce.numba_mean", "reduce.numba_windows", "reduce.loading", "reduce.check"),
        *("reduce.known_windows", "reduce.exact_mean", "reduce.nibbles", "reduce.numba_once"),
        *("downsample.once_task", "downsample.weighted_task", "reduce.weighted_mean"),
        *("arrays.codecs", "arrays.shards", "arrays.chunks"),
        *("arrays.compressors", "arrays.direct", "arrays.foreign"),
        *("reduce.voxel_digest", "downsample.missing", "downsample.synthetic", "pyramid_sampler"),
        *("downsample.value_counts", "downsample.base_task", "verify.array_digest"),
        *("inputs.arrangement", "inputs.npy"),
        *("inputs.hdf5", "inputs.hdf5_axes", "inputs.imaris"),
        *("inputs.mrc", "inputs.nifti", "inputs.raw_array"),
        *("inputs.raw_files", "inputs.tiff", "inputs.tiff_checks", "inputs.tiff_file"),
        *("inputs.tiff_page", "inputs.tiff_axes"),
        *("inputs.bioio_file", "inputs.n5", "inputs.n5_blocks"),
        *("verify.boxes", "verify.candidates", "verify.comparison", "verify.evidence"),
        *("verify.explanation", "verify.fits", "verify.neighbourhood"),
        *("report.counts", "report.labels", "report.lone_level", "report.slices", "report.figures"),
        *("report.contact_sheet", "report.detail"),
        "pyramids.labelled",
        *("yt.dataset", "yt.frame", "yt.level_0", "yt.viewer_copy", "yt.voxels"),
    },
}
# Names of types, which exist for type checkers alone.
TYPES = {"Block", "Document", "Factors", "Record"}
# What guides name beside modules, packages and what doors give.
NAMED = {
    *("build_pyramid", "zarrpyramid", "downsample_level"),
    *("status", "reproduce", "workflow", "unlock", "clean"),
    *("plan", "build", "info", "verify", "digest", "completion"),
}
# What a Snakefile imports while it parses.
PLANNING = """
from zarrpyramid.downsample import Mode, Start, is_worth_saying
from zarrpyramid.plan import Job, Run, forecast
from zarrpyramid.report import close_run
"""
ARRAY_LIBRARIES = {"numpy", "zarr", "obstore", "dask", "numba", "numcodecs", "jsonschema"}

MODULES = {
    ".".join(path.relative_to(LIBRARY).with_suffix("").parts): path
    for path in sorted(LIBRARY.rglob("*.py"))
}


def imports_of(path):
    """Yield every (level, module, names) that a module imports when it runs, lazily too."""
    pending = list(ast.parse(path.read_text(encoding="utf-8")).body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            pending += node.orelse  # types alone bind nothing
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield 0, alias.name, []
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or "", [alias.name for alias in node.names]
        else:
            pending += ast.iter_child_nodes(node)


@functools.cache
def imports():
    """Return what each module imports."""
    return {module: list(imports_of(path)) for module, path in MODULES.items()}


def own_imports(module):
    """Yield the dotted names below `zarrpyramid` that a module imports from other packages."""
    for level, name, names in imports()[module]:
        if level == 0 and name == "zarrpyramid":
            yield from names
        elif level == 0 and name.startswith("zarrpyramid."):
            yield name.removeprefix("zarrpyramid.")


def package_of(module):
    return module.partition(".")[0] if "." in module else "root"


def test_every_module_has_its_place():
    assert {module for module in MODULES if "." not in module} <= {*GROUND, *ROOF}
    assert {package_of(module) for module in MODULES} == {"root", *PACKAGES}


def wrong(found):
    """Return the modules of which something wrong was found, and what."""
    return {module: names for module, names in found if names}


def test_imports_point_strictly_downward():
    def upward(module):
        below = () if module in GROUND else PACKAGES[: PACKAGES.index(package_of(module))]
        return {name.partition(".")[0] for name in own_imports(module)} - {*GROUND, *below}

    assert wrong((module, upward(module)) for module in MODULES if module not in ROOF) == {}


def test_packages_are_entered_by_their_doors():
    beside = {
        module: {name for name in own_imports(module) if "." in name}
        for module in MODULES
        if module not in ROOF
    }
    assert wrong(beside.items()) == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_of_a_package_make_no_circle(package):
    graph = {
        module.partition(".")[2]: {
            inner
            for level, name, names in imports()[module]
            if level
            for inner in ([name.partition(".")[0]] if name else names)
        }
        for module in MODULES
        if package_of(module) == package and not module.endswith("__init__")
    }
    while graph:
        leaves = {module for module, imported in graph.items() if not imported & set(graph)}
        assert leaves, graph
        graph = {module: imported for module, imported in graph.items() if module not in leaves}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_door_opens_on_what_its_stub_names(package):
    door = __import__(f"zarrpyramid.{package}", fromlist=["__all__"])
    assert door.__all__
    assert {name for name in door.__all__ if not hasattr(door, name)} <= TYPES


@pytest.mark.parametrize("package", PACKAGES)
def test_a_guide_names_every_module_of_its_package_and_none_that_is_gone(package):
    guide = ast.get_docstring(ast.parse(MODULES[f"{package}.__init__"].read_text("utf-8")))
    named = set(re.findall(r"`([a-z_0-9]+)`", guide))
    inside = {name.rpartition(".")[2] for name in MODULES if name.startswith(f"{package}.")}
    doors = [__import__(f"zarrpyramid.{name}", fromlist=["__all__"]).__all__ for name in PACKAGES]
    assert inside - named == {"__init__"}
    assert named - inside - set(PACKAGES) - {name for door in doors for name in door} <= NAMED


@pytest.mark.sampled(5)
@pytest.mark.parametrize("package", PACKAGES)
def test_a_door_names_nothing_that_nobody_takes(package):
    texts = [path for path in MODULES.values() if path.parent.name != package]
    texts += [*LIBRARY.parent.glob("*.py"), *LIBRARY.parents[1].glob("workflow/rules/*.smk")]
    taken = "\n".join(path.read_text(encoding="utf-8") for path in texts)
    door = __import__(f"zarrpyramid.{package}", fromlist=["__all__"])
    assert [name for name in door.__all__ if name not in taken] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_name_of_a_door_hides_behind_a_module(package):
    # Once a module is imported its package holds it under its name, where a lazy name would stand.
    stub = ast.parse((LIBRARY / package / "__init__.pyi").read_text(encoding="utf-8"))
    given = {
        alias.asname or alias.name
        for node in ast.walk(stub)
        if isinstance(node, ast.ImportFrom) and node.module  # `from . import x` gives the module
        for alias in node.names
    }
    assert {name for name in given if f"{package}.{name}" in MODULES} == set()


def test_each_dependency_has_its_door():
    def strangers(module):
        others = {name.partition(".")[0] for level, name, _ in imports()[module] if level == 0}
        others -= {*sys.stdlib_module_names, "__future__", "zarrpyramid"}
        return {name for name in others if module not in DOORS.get(name, ())}

    assert wrong((module, strangers(module)) for module in MODULES) == {}


def test_nobody_asks_what_kind_of_store_it_has():
    kinds = {"Store", "LocalStore", "ObjectStore", "WebStore", "ZarrStore", "ArchiveStore"}

    def asked(module):
        tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
        questions = [
            ast.unparse(node)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            if node.func.id in ("isinstance", "type")
            if kinds & {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
        ]
        return questions + [
            alias for _, _, names in imports()[module] for alias in names if alias in kinds
        ]

    others = [module for module in MODULES if package_of(module) != "stores"]
    assert wrong((module, asked(module)) for module in others) == {}


def test_every_door_is_used_by_somebody():
    used = {name.partition(".")[0] for found in imports().values() for _, name, _ in found}
    assert {name for name, modules in DOORS.items() if modules} <= used


def loaded_by(code):
    return {name.partition(".")[0] for name in modules_loaded_by(code)}


def modules_loaded_by(code):
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sorted(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(LIBRARY.parent)},
    )
    return set(done.stdout.split())


def test_what_a_snakefile_imports_loads_no_array_library():
    assert loaded_by(PLANNING) & {*ARRAY_LIBRARIES, "PIL"} == set()


def test_importing_the_public_names_loads_no_array_library():
    loaded = loaded_by("from zarrpyramid import Level, Pyramid, build_pyramid, open_pyramid")
    assert loaded & {*ARRAY_LIBRARIES, "xarray", "PIL"} == set()


def test_building_levels_loads_what_it_needs_alone():
    loaded = modules_loaded_by("from zarrpyramid.downsample import build_level")
    assert loaded & {"zarr", "dask", "numba", "zarrpyramid.inputs"} == set()
    tasks = {f"zarrpyramid.downsample.{name}_task" for name in ("once", "weighted", "shared")}
    assert loaded & tasks == set()


@pytest.mark.parametrize(
    "code",
    [
        "from zarrpyramid.report import report_pyramid, summarize_pyramid",
        "from zarrpyramid.verify import pyramid_status, read_pyramid",
    ],
    ids=["report", "status"],
)
def test_what_looks_at_a_pyramid_loads_neither_yaml_nor_what_makes_levels(code):
    makers = {"zarrpyramid.downsample.task", "zarrpyramid.downsample.level", "yaml", "dask"}
    assert modules_loaded_by(code) & makers == set()


def test_tests_import_what_is_heavy_where_they_need_it():
    """Each process that tests run in collects all of them: half a second for each name."""
    heavy = re.compile(
        r"^(?:from|import) (?:moto|distributed|snakemake|xarray|dask\.array)\b", re.M
    )
    tests = Path(__file__).parent
    paths = {*tests.rglob("test_*.py"), *tests.rglob("conftest.py"), *tests.glob("*.py")}
    paths.remove(tests / "dask_elsewhere.py")  # whose program is of another process
    assert len(paths) > 100
    assert [path for path in paths if heavy.search(path.read_text(encoding="utf-8"))] == []


def test_scripts_alone_speak_of_snakemake():
    scripts = sorted(LIBRARY.parent.glob("*.py"))
    assert scripts
    for path in scripts:
        body = ast.parse(path.read_text(encoding="utf-8")).body
        defined = [node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        assert defined == [], path.name  # scripts are wiring
