"""Level 0 from elsewhere, and images of other programs, with the real snakemake."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess

import numpy as np
import ome_zarr_models
import pytest
import yaozarrs
import zarr

from oracles import mean_by_hand
from processes import kill_all, wait_for
from zarrpyramid import build_pyramid
from zarrpyramid.share import pack

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # the models leave a file open

ALL = ["take", "0", "1", "2", "list", "summary"]
LEVELS = {"levels": 2, "scale_factors": 2}
OWN = {"store": "own.zarr", "field": "raw", "source": "theirs.zarr", **LEVELS}


def make(workspace, path="theirs.zarr", base="s0", shape=(21, 18, 13), **options):
    """Write an OME-Zarr with level 0 at a path of its own, in the place of one that is there."""
    voxels = np.random.default_rng(3).integers(0, 999, shape, "uint16")
    group = zarr.create_group(workspace / path, overwrite=True)
    options = {"chunks": (8,) * len(shape), "dimension_names": list("zyx"), **options}
    group.create_array(base, data=voxels, **options)
    scale = {"type": "scale", "scale": [2.0, 1.0, 1.0]}
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    datasets = [{"path": base, "coordinateTransformations": [scale]}]
    listed = {"name": "theirs", "axes": axes, "datasets": datasets}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [listed]}
    return voxels


def state(path):
    """Return what any write would change."""
    return {
        str(item): (
            hashlib.sha256(item.read_bytes()).hexdigest() if item.is_file() else None,
            item.stat().st_ctime_ns,
        )
        for item in [path, *path.rglob("*")]
    }


def check(workspace, group, names):
    """See that levels are the means of those before, and listed as both validators want."""
    finer = workspace.voxels(f"{group}/{names[0]}")
    for name, factors in zip(names[1:], [(2, 2, 2), (2, 2, 2)], strict=False):
        finer = mean_by_hand(finer, factors)
        np.testing.assert_array_equal(workspace.voxels(f"{group}/{name}"), finer, strict=True)
    (listed,) = zarr.open_group(workspace / group, mode="r").attrs["ome"]["multiscales"]
    assert [dataset["path"] for dataset in listed["datasets"]] == names
    assert listed["name"] == "theirs"
    assert listed["datasets"][0]["coordinateTransformations"][0]["scale"] == [2.0, 1.0, 1.0]
    yaozarrs.validate_zarr_store(str(workspace / group))
    ome_zarr_models.open_ome_zarr(zarr.open_group(workspace / group, mode="r"))


@pytest.mark.slow
def test_a_copy(workspace):
    make(workspace)
    before = state(workspace / "theirs.zarr")
    names = ["0", "1", "2"]
    assert workspace.run(**OWN).jobs == ALL
    check(workspace, "own.zarr/raw", names)
    assert workspace.run(**OWN).jobs == []
    assert state(workspace / "theirs.zarr") == before


@pytest.mark.slow
def test_a_copy_follows_its_source(workspace):
    make(workspace)
    before = state(workspace / "theirs.zarr")
    names = ["0", "1", "2"]
    workspace.run(**OWN)
    own, sentinels = workspace.files("own.zarr"), workspace.sentinels("own-raw")
    shutil.rmtree(workspace / ".snakemake")
    assert workspace.run(**OWN).jobs == [], "without Snakemake's memory"
    assert state(workspace / "theirs.zarr") == before

    # A source that was only touched is compared, and nothing is written.
    chunks = workspace / "theirs.zarr/s0/c"
    os.utime(chunks / "0/0/0")
    assert workspace.run(**OWN).jobs == ALL
    assert workspace.files("own.zarr") == own
    assert workspace.sentinels("own-raw") == sentinels
    assert workspace.run(**OWN).jobs == []

    # One that was changed is copied again, by what the store and the results tell alone.
    shutil.rmtree(workspace / ".snakemake")
    (chunks / "2/2/1").unlink()
    changed = state(workspace / "theirs.zarr")
    assert workspace.run(**OWN).jobs == ALL
    check(workspace, "own.zarr/raw", names)
    assert not (workspace / "own.zarr/raw/0/c/2/2/1").exists()
    assert workspace.sentinels("own-raw")["1"] != sentinels["1"]
    assert workspace.run(**OWN).jobs == []

    # A copy that was damaged is mended.
    chunk = workspace / "own.zarr/raw/0/c/0/0/0"
    kept = chunk.read_bytes()
    chunk.write_bytes(kept[:-1])
    assert workspace.run(**OWN).jobs == ALL
    assert chunk.read_bytes() == kept
    assert workspace.run(**OWN).jobs == []
    assert state(workspace / "theirs.zarr") == changed


@pytest.mark.slow
def test_a_copy_from_a_single_file(workspace):
    make(workspace)
    build_pyramid(workspace / "theirs.zarr", levels=1)
    file = pack(workspace / "theirs.zarr").file
    given = {**OWN, "source": file.name}
    assert workspace.run(**given).jobs == ALL
    check(workspace, "own.zarr/raw", ["0", "1", "2"])
    assert workspace.run(**given).jobs == []

    file.unlink()
    make(workspace, shape=(20, 18, 13))
    build_pyramid(workspace / "theirs.zarr", levels=1)
    pack(workspace / "theirs.zarr")
    assert workspace.run(**given).jobs == ALL
    check(workspace, "own.zarr/raw", ["0", "1", "2"])
    assert "has no links; leave it out" in workspace.run(**given, link_base="true", code=1).text


@pytest.mark.slow
def test_a_link(workspace):
    make(workspace)
    before = state(workspace / "theirs.zarr")
    assert workspace.run(**OWN, link_base="true").jobs == ALL
    check(workspace, "own.zarr/raw", ["0", "1", "2"])
    assert (workspace / "own.zarr/raw/0").readlink() == workspace / "theirs.zarr/s0"
    assert state(workspace / "theirs.zarr") == before


@pytest.mark.slow
def test_what_is_behind_a_link_is_watched(workspace):
    make(workspace)
    before = state(workspace / "theirs.zarr")
    workspace.run(**OWN, link_base="true")
    assert workspace.run(**OWN, link_base="true").jobs == []
    assert state(workspace / "theirs.zarr") == before

    sentinels = workspace.sentinels("own-raw")
    (workspace / "theirs.zarr/s0/c/0/0/0").unlink()
    changed = state(workspace / "theirs.zarr")
    assert workspace.run(**OWN, link_base="true").jobs == ["0", "1", "2", "list", "summary"]
    check(workspace, "own.zarr/raw", ["0", "1", "2"])
    assert workspace.sentinels("own-raw")["1"] != sentinels["1"]

    # A copy in its place has the same levels.
    linked = workspace.sentinels("own-raw")
    assert workspace.run(**OWN).jobs == ALL
    assert not (workspace / "own.zarr/raw/0").is_symlink()
    assert workspace.sentinels("own-raw") == linked
    assert workspace.run(**OWN).jobs == []
    assert state(workspace / "theirs.zarr") == changed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("base", "names"),
    [
        ("s0", ["s0", "s1", "s2"]),
        ("scale0/image", ["scale0/image", "scale1/image", "scale2/image"]),
    ],
)
def test_levels_at_other_paths(workspace, base, names):
    make(workspace, "image.zarr", base)
    keys = {"store": "image.zarr", **LEVELS}
    assert workspace.run(**keys).jobs == ALL[1:]
    check(workspace, "image.zarr", names)
    assert workspace.run(**keys).jobs == []
    workspace.make("plain.zarr", (21, 18, 13))
    shutil.copytree(workspace / "image.zarr" / base, workspace / "plain.zarr/0", dirs_exist_ok=True)
    workspace.run(store="plain.zarr", **LEVELS)
    plain, mine = (workspace.sentinels(name) for name in ("plain", "image"))
    assert plain == mine, "equal levels give equal bytes wherever they stand"
    # A level that is removed is made again; fewer are taken out of the list and removed.
    shutil.rmtree(workspace / "image.zarr" / names[2])
    assert workspace.run(**keys).jobs == ["2", "list", "summary"]
    check(workspace, "image.zarr", names)
    workspace.run(**{**keys, "levels": 1})
    check(workspace, "image.zarr", names[:2])


@pytest.mark.slow
def test_overwrite(workspace):
    make(workspace, "image.zarr")
    group = zarr.open_group(workspace / "image.zarr")
    group.create_array("s1", data=np.ones((11, 9, 7), "uint16"), chunks=(8, 8, 8))
    before = workspace.tree("image.zarr")
    refused = workspace.run(store="image.zarr", **LEVELS, code=1)
    assert any("if that array may be removed, set overwrite: true" in line
               for line in refused.lines)  # fmt: skip
    assert workspace.tree("image.zarr") == before
    assert workspace.run(store="image.zarr", **LEVELS, overwrite="true").jobs == ALL[1:]
    check(workspace, "image.zarr", ["s0", "s1", "s2"])
    assert workspace.run(store="image.zarr", **LEVELS, overwrite="true").jobs == []
    assert workspace.run(store="image.zarr", **LEVELS).jobs == []


@pytest.mark.slow
def test_a_copy_that_is_killed_is_gone_on_with(workspace):
    """kill -9 of all processes while level 0 is copied, once and once again."""
    voxels = make(workspace, shape=(80, 80, 80), chunks=(4, 4, 4), compressors=None)
    before = state(workspace / "theirs.zarr")
    copied = workspace / "own.zarr/raw/0"
    kept = {}
    for least in (300, 2500):
        process = workspace.start(output=subprocess.DEVNULL, **{**OWN, "levels": 1})
        wait_for(lambda least=least: sum(1 for _ in copied.glob("c/*/*/*")) > least)
        kill_all(process.pid)
        process.wait()
        assert not (copied / "zarr.json").exists()
        there = {item: item.stat().st_ino for item in copied.glob("c/*/*/*") if item.suffix == ""}
        assert {item: there.get(item) for item in kept} == kept, "what was copied is kept"
        kept = there
        workspace.run("--unlock")
    assert 2500 < len(kept) < 20**3
    assert "take" in workspace.run(**{**OWN, "levels": 1}).jobs
    np.testing.assert_array_equal(workspace.voxels("own.zarr/raw/0"), voxels)
    assert {item: item.stat().st_ino for item in kept} == kept
    assert not [item for item in copied.rglob("*") if "partial" in item.name]
    assert state(workspace / "theirs.zarr") == before
    record = json.loads((workspace / "results/own-raw/base_copy.json").read_text())
    assert (record["taken"], record["stored_bytes"]) == ("copy", voxels.nbytes)


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"store": "theirs.zarr", "field": "own"}, "overlap (the source is the same)"),
        ({"store": "theirs.zarr/own", "field": ""}, "overlap"),
        ({"source": "absent.zarr"}, "is not there; check the path"),
        ({"source": "", "link_base": "true"}, "link_base has nothing to link to"),
    ],
)
def test_bad_sources(workspace, keys, message):
    make(workspace)
    before = state(workspace / "theirs.zarr")
    refused = workspace.run(**{**OWN, **keys}, code=1)
    assert [line for line in refused.lines if message in line]
    assert not any("Traceback" in line for line in refused.lines)
    assert state(workspace / "theirs.zarr") == before
    assert not (workspace / "own.zarr").exists()
