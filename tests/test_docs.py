"""Every block of every page does what it says, links lead somewhere, generated pages are new."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
import yaml
import zarr

import pages
from workspaces import Workspace
from zarrpyramid.config import container_config, image_configs

ROOT = pages.ROOT
NAMES = {str(page.relative_to(ROOT)): page for page in pages.PAGES}
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
PLANNED = {
    "tiff-stack": "read: 40 x 96 x 80 voxels of uint16",
    "hdf5": "read: 32 x 96 x 80 voxels of uint16",
    "original-apart": "Taking level 0 of brain-levels-raw from",
    "plate": "Building images 1 to 4 of plate",
    "image-with-labels": "Building images 1 to 2 of cells",
    "padded-stack": "Building level 1 of em-raw",
    "bright-spots": "Building level 1 of embryo-max",
    "quantitative": "Building level 1 of embryo: factors 2 x 2 x 2",
}
# README.md has a test of its own, tests/test_readme.py.
RUN = [
    pytest.param(page, id=name, marks=[pytest.mark.slow] if pages.is_slow(page) else [])
    for name, page in NAMES.items()
    if name != "README.md" and any(block.is_run for block in pages.blocks(page))
]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)")


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN)
def test_blocks(page, images, tmp_path):
    (tmp_path / "clone").mkdir()
    pages.run_page(page, pages.checkout(tmp_path / "clone"), images)


@pytest.mark.parametrize("name", NAMES)
def test_no_block_is_forgotten(name):
    """Each is run, or text, or says why not."""
    text = NAMES[name].read_text(encoding="utf-8")
    found = pages.blocks(NAMES[name])
    assert len(found) * 2 == len(re.findall(r"^\s*(?:```|~~~)", text, re.MULTILINE))
    assert {block.language for block in found} <= {*pages.RUN, "text"}
    assert text.count("<!-- not run:") == sum(bool(block.reason) for block in found)
    assert all(block.language != "text" for block in found if block.reason)


def anchors(page):
    """Return what headings of a page can be linked to, as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", NAMES)
def test_links(name):
    page = NAMES[name]
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        place = page.parent / target if target else page
        assert place.exists(), target
        assert not anchor or anchor in anchors(place), f"{target}#{anchor}"


def test_every_page_is_in_the_index():
    index = ROOT / "docs" / "README.md"
    linked = {
        (index.parent / target).resolve()
        for target, _ in LINK.findall(index.read_text(encoding="utf-8"))
    }
    pages_of_docs = {page for page in pages.PAGES if page.is_relative_to(index.parent)}
    design = {page for page in pages_of_docs if page.parent.name == "design"}
    assert pages_of_docs - design - {index} <= linked


def test_figures_of_the_comparison_are_those_of_the_benchmarks():
    docs = ROOT / "docs"
    told = (docs / "comparison.md").read_text(encoding="utf-8").partition("## What was measured")[2]
    figures = set(re.findall(r"\d+\.\d\d|\d+(?= MB)", told))
    measured = set(re.findall(r"[\d.]+", (docs / "benchmarks.md").read_text(encoding="utf-8")))
    assert len(figures) > 12
    assert figures <= measured, figures - measured


def planned_rows(text):
    """Return the lines of the table of very large images, less what is measured."""
    found = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| 2^")]
    return [[cell.strip() for cell in row[:6]] for row in found]


@pytest.mark.slow
def test_very_large_images_are_planned_as_their_page_says():
    told = pages.run(f"{sys.executable} tests/benchmarks/scale.py --edge 128", ROOT)
    page = planned_rows((ROOT / "docs" / "scale.md").read_text(encoding="utf-8"))
    assert len(page) == 3
    assert planned_rows(told) == page


def generated():
    path = ROOT / "docs" / "reference" / "generate.py"
    spec = importlib.util.spec_from_file_location("generate", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PAGES


GENERATED = {str(path.relative_to(ROOT)): page for path, page in generated().items()}


@pytest.mark.parametrize("name", GENERATED)
def test_the_reference_is_what_the_code_says(name):
    found = (ROOT / name).read_text(encoding="utf-8")
    assert found == GENERATED[name](), "run: uv run python docs/reference/generate.py"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_configurations(path):
    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert container_config(given) or image_configs(given)


def example(path, workspace):
    """Write an example with chunks and shards for small images, and return its text and place."""
    text = path.read_text(encoding="utf-8").replace("/data/", f"{workspace.folder}/data/")
    text = re.sub(r"\d+(?=[,\]].*# voxels)", lambda found: str(int(found[0]) // 8), text)
    return text, str(workspace.write("example.yaml", text))


@pytest.mark.slow
def test_examples_are_planned(images, tmp_path):
    """Those that no test runs; each with words that its dry run has to say."""
    workspace = Workspace(tmp_path)
    for name, words in PLANNED.items():
        _, given = example(ROOT / "examples" / f"{name}.yaml", workspace)
        told = workspace.run("-n", "--configfile", given).text
        assert words in told, (name, told)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [path for path in EXAMPLES if path.stem not in PLANNED], ids=lambda path: path.stem
)
def test_examples_run(path, images, tmp_path):
    workspace = Workspace(tmp_path)
    text, given = example(path, workspace)
    workspace.run("--configfile", given)
    configs = image_configs(yaml.safe_load(text))
    for config in configs:
        group = zarr.open_group(Path(config.store) / config.field, mode="r")
        listed = group.attrs["ome"]["multiscales"][0]["datasets"]
        assert len(listed) > 1
        assert all(dataset["path"] in group for dataset in listed)
    assert len({config.name for config in configs}) == len(configs)
