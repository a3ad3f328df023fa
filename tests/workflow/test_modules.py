"""The workflow as a module of others: by path and from a repository, side by side, after rules."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from oracles import mean_by_hand

REPOSITORY = Path(__file__).parents[2]

SIDE_BY_SIDE = """
module a:
    snakefile: SNAKEFILE
    config: {"store": "image.zarr", "field": "raw", "levels": 2}
    prefix: "a"

module b:
    snakefile: SNAKEFILE
    config: {"store": "image.zarr", "field": "blue", "levels": 1, "method": "max"}
    pathvars: results="out/b", logs="said"

use rule * from a as a_*
use rule * from b as b_*

rule everything:
    default_target: True
    input: rules.a_all.input, rules.b_all.input
"""
HOSTED = """
module b:
    snakefile: github("somebody/zarrpyramid", path="Snakefile", REFERENCE)
    config: {"store": "image.zarr", "field": "raw", "levels": 1}
    pathvars: results="out"

use rule * from b
"""
MAKE = """
import sys
import numpy as np
import zarr
shape, value = [int(n) for n in sys.argv[2:]], int(sys.argv[1])
group = zarr.open_group("image.zarr", mode="a").require_group("raw")
group.create_array("0", data=np.full(shape, value, "u2"), chunks=(8, 8), overwrite=True)
open("made.txt", "w").write(" ".join(sys.argv))
"""
AFTER_RULES = """
rule make:
    output: "made.txt"
    params: config["made"]
    shell: "python make.py {params}"

module b:
    snakefile: SNAKEFILE
    config:
        {
            "store": "image.zarr",
            "field": "raw",
            "levels": 2,
            "base": {"shape": [20, 18], "chunks": [8, 8], "dtype": "uint16"},
            "base_ready": "made.txt",
        }
    prefix: "after"

use rule * from b
"""


@pytest.fixture
def importer(workspace):
    """Run snakemake on a workflow that takes this one as a module."""

    def run(text=None, *arguments, **config):
        path = workspace / "Snakefile"
        if text is not None:
            own = repr(str(REPOSITORY / "Snakefile"))
            path.write_text(text.replace("SNAKEFILE", own), encoding="utf-8")
        return workspace.run("--snakefile", str(path), *arguments, **config)

    return run


@pytest.mark.slow
def test_two_side_by_side(workspace, importer):
    raw, blue = workspace.make(), workspace.make("image.zarr/blue", (20, 9), dtype="uint8")
    # A prefix with a store of its own; relative stores are taken from the working directory.
    outcome = importer(SIDE_BY_SIDE)
    assert sorted(outcome.jobs) == ["0", "0", "1", "1", "2", "list", "list", "summary", "summary"]
    expected = mean_by_hand(raw, (2, 2, 2))
    np.testing.assert_array_equal(workspace.voxels("image.zarr/raw/1"), expected)
    rows = [blue[0::2], blue[1::2]]
    tallest = np.maximum(*rows)
    padded = np.concatenate([tallest, tallest[:, -1:]], axis=1)
    expected = np.maximum(padded[:, 0::2], padded[:, 1::2])
    np.testing.assert_array_equal(workspace.voxels("image.zarr/blue/1"), expected)
    made = {str(path) for path in workspace.files(".") if str(path).endswith("summary.md")}
    assert made == {
        *("a/results/summary.md", "a/results/image-raw/summary.md"),
        *("out/b/summary.md", "out/b/image-blue/summary.md"),
    }
    assert (workspace / "a/logs/image-raw/1.json").exists()
    assert (workspace / "said/image-blue/1.json").exists()
    assert importer(None).jobs == []

    # A level that is gone is missed where its sentinel stands, in each of them.
    (workspace / "image.zarr/blue/1/zarr.json").unlink()
    assert "zarrpyramid: out/b/image-blue/levels/1.json is stale" in importer(None, "-n").text


@pytest.mark.slow
def test_from_a_repository(workspace, importer, monkeypatch):
    """The library comes from the same tag or commit as the rules, not from the environment."""
    voxels = workspace.make(shape=(20, 18))
    code = workspace.copy_code("code")
    kernel = code / "scripts/zarrpyramid/plan/levels.py"
    text = kernel.read_text(encoding="utf-8")
    kernel.write_text(text.replace("VOXEL_REVISION = 1", "VOXEL_REVISION = 777"), encoding="utf-8")
    git = ("git", "-C", str(code), "-c", "user.name=n", "-c", "user.email=e@example.org")
    for step in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"], ["tag", "v9"]):
        subprocess.run([*git, *step], check=True)
    bare = workspace.folder.with_name("hosted.git")
    subprocess.run(["git", "clone", "-q", "--bare", str(code), str(bare)], check=True)
    commit = subprocess.run(
        [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    monkeypatch.setenv("XDG_CACHE_HOME", str(workspace / "cache"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{bare}.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://github.com/somebody/zarrpyramid")

    hosted = HOSTED.replace("REFERENCE", "tag='v9'")
    assert importer(hosted).jobs == ["0", "1", "list", "summary"]
    record = workspace.document("out/image-raw/levels/1.json")
    assert record["recipe"]["voxel_revision"] == 777
    windows = voxels.reshape(10, 2, 9, 2).mean((1, 3))
    np.testing.assert_array_equal(workspace.voxels("image.zarr/raw/1"), np.rint(windows))
    by_commit = HOSTED.replace("REFERENCE", f"commit='{commit}'")
    assert importer(by_commit).jobs == []

    # Another library in the same workflow is refused: jobs would take one of the two.
    both = hosted + SIDE_BY_SIDE.replace("module b", "module c")
    both = both.replace("from b as", "from c as").partition("rule everything")[0]
    refused = importer(both, code=1)
    assert "cannot be used beside" in refused.lines[-1]
    assert "take all modules from the same place" in refused.lines[-1]


@pytest.mark.slow
def test_after_rules_that_make_level_0(workspace, importer):
    workspace.write("make.py", MAKE)
    planned = importer(AFTER_RULES, "-n", made="5 20 18")
    assert planned.jobs == ["0", "1", "2", "list", "summary"]
    assert "shape 10 x 9" in planned.text
    assert not (workspace / "image.zarr").exists()
    made = importer(None, made="5 20 18")
    assert made.jobs == planned.jobs
    assert (workspace.voxels("image.zarr/raw/2") == 5).all()
    assert "\nNothing to be done" in importer(None, made="5 20 18").text

    # Made anew with other voxels, the levels are made again in the same run.
    assert importer(None, made="6 20 18").jobs == made.jobs
    assert (workspace.voxels("image.zarr/raw/2") == 6).all()
    assert "\nNothing to be done" in importer(None, made="6 20 18").text

    levels = workspace.tree("image.zarr/raw/2")
    refused = importer(None, made="6 30 18", code=1)
    (line,) = {line for line in refused.lines if line.startswith("zarrpyramid: error")}
    assert "has shape [30, 18], base declares [20, 18]; correct base.shape, or the rule" in line
    assert refused.jobs == ["0"]
    assert workspace.tree("image.zarr/raw/2") == levels
