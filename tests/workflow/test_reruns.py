"""What makes a level again, what only its sentinel, and what nothing at all."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
import zarr

from oracles import mean_by_hand
from zarrpyramid.cli.program import main

IMAGE = {"store": "image.zarr", "field": "raw", "levels": 2}
RAW = "image.zarr/raw"
ALL = ["0", "1", "2", "list", "summary"]


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def listed(workspace, group=RAW):
    attributes = zarr.open_group(workspace / group, mode="r").attrs
    return [dataset["path"] for dataset in attributes["ome"]["multiscales"][0]["datasets"]]


def check_levels(workspace, factors, group=RAW):
    finer = workspace.voxels(f"{group}/0")
    for level, step in enumerate(factors, start=1):
        finer = mean_by_hand(finer, step)
        np.testing.assert_array_equal(workspace.voxels(f"{group}/{level}"), finer, strict=True)
    assert listed(workspace, group) == [str(level) for level in range(len(factors) + 1)]


@pytest.mark.slow
def test_changes_of_the_code(workspace):
    workspace.make()
    assert workspace.run(**IMAGE).jobs == ALL
    store, sentinels = workspace.files("image.zarr"), workspace.sentinels()

    code = workspace.copy_code()
    assert workspace.run(**IMAGE).jobs == [], "a fresh clone"
    for script in (code / "scripts").glob("*.py"):
        script.touch()
    assert workspace.run(**IMAGE).jobs == [], "touched scripts"
    kernels = code / "scripts/zarrpyramid/reduce/pieces.py"
    edit(kernels, "_SLAB_VOXELS = 1 << 19", "_SLAB_VOXELS = 1 << 18")
    assert workspace.run(**IMAGE).jobs == [], "a library of another speed"
    assert workspace.files("image.zarr") == store

    plan = code / "scripts/zarrpyramid/plan/levels.py"
    edit(plan, "VOXEL_REVISION = 1\n", "VOXEL_REVISION = 2\n")
    assert workspace.run(**IMAGE).jobs == ["1", "2", "list", "summary"]
    after = workspace.files("image.zarr")
    assert {path for path in after if store.get(path) == after[path]} == {
        path for path in store if path.startswith("raw/0/") or path == "zarr.json"
    }, "another voxel revision writes every level again"
    for level, before in sentinels.items():
        old, new = json.loads(before), json.loads(workspace.sentinels()[level])
        assert new.get("digest") == old.get("digest")
        assert new.get("recipe", {}).get("voxel_revision") == (2 if level != "0" else None)


CHANGES = [
    ({"scale_factors": "[1,2,3]", "levels": 2}, [(1, 2, 3), (1, 2, 3)], (8, 8, 8)),
    ({"chunks": "[4,8,16]", "levels": 2}, [(2, 2, 2), (2, 2, 2)], (4, 8, 16)),
]


def check_change(workspace, keys, factors, chunks):
    assert workspace.run(**{**IMAGE, **keys}).jobs == ["1", "2", "list", "summary"], keys
    check_levels(workspace, factors)
    assert workspace.array(f"{RAW}/1").chunks == chunks


@pytest.mark.slow
def test_another_factor_makes_all_levels_again(workspace):
    workspace.make()
    assert workspace.run(**IMAGE).jobs == ALL
    base = workspace.tree(f"{RAW}/0")
    check_change(workspace, *CHANGES[0])
    assert workspace.tree(f"{RAW}/0") == base


@pytest.mark.slow
def test_changes_of_the_recipe(workspace):
    workspace.make()
    workspace.run(**IMAGE)
    base = workspace.tree(f"{RAW}/0")
    for keys, factors, chunks in CHANGES:
        check_change(workspace, keys, factors, chunks)
    assert workspace.tree(f"{RAW}/0") == base

    # Without Snakemake's own notes the store and the sentinels still say what they were made by.
    shutil.rmtree(workspace / ".snakemake")
    assert workspace.run(**{**IMAGE, **keys}).jobs == []
    shutil.rmtree(workspace / ".snakemake")
    keys = {"scale_factors": "[3,1,2]", "levels": 1}
    assert "1" in workspace.run(**{**IMAGE, **keys}).jobs
    check_levels(workspace, [(3, 1, 2)])
    assert sorted(workspace.sentinels()) == ["0", "1"]


@pytest.mark.slow
def test_changes_of_the_output_form(workspace):
    workspace.make()
    workspace.run(**IMAGE)
    sentinels, base = workspace.sentinels(), workspace.tree(f"{RAW}/0")
    form = {"compressor": "blosc-lz4", "checksum": True}
    told = workspace.run("-n", **IMAGE, **form)
    assert "Building level 1 of image-raw: factors 2 x 2 x 2, shape 11 x 9 x 7" in told.text
    assert workspace.run(**IMAGE, **form).jobs == ["1", "2", "list", "summary"]
    for level in "12":
        codecs = workspace.document(f"{RAW}/{level}/zarr.json")["codecs"]
        assert [codec["name"] for codec in codecs] == ["bytes", "blosc", "crc32c"]
    made, before = (map(json.loads, each.values()) for each in (workspace.sentinels(), sentinels))
    for record, known in zip(made, before, strict=True):
        # A digest is of voxels, not of their bytes.
        assert {**record, "stored_bytes": 0} == {**known, "stored_bytes": 0}
    check_levels(workspace, [(2, 2, 2), (2, 2, 2)])
    assert workspace.run(**IMAGE, **form).jobs == []
    # Without Snakemake's own notes the documents still say how they were made.
    shutil.rmtree(workspace / ".snakemake")
    assert workspace.run(**IMAGE, **form).jobs == []
    shutil.rmtree(workspace / ".snakemake")
    assert workspace.run(**IMAGE, compressor="none").jobs == ["1", "2", "list", "summary"]
    assert workspace.run(**IMAGE, compressor="none", write_empty_chunks=False).jobs[:2] == [
        "1",
        "2",
    ]
    assert workspace.tree(f"{RAW}/0") == base


@pytest.mark.slow
def test_the_ladder_is_shown(workspace, capsys):
    workspace.make(shape=(12, 40, 40))
    keys = {**IMAGE, "levels": 3}  # isotropic, by its voxel sizes
    keys |= {
        "voxel_size": '{"z": 3, "y": 1, "x": 1}',
        "unit": '{"z": "millimeter", "y": "millimeter", "x": "millimeter"}',
    }
    told = workspace.run("-n", **keys)
    steps = [
        "factors 1 x 2 x 2, shape 12 x 20 x 20, voxel size 3 x 2 x 2 millimeter",
        "factors 1 x 2 x 2, shape 12 x 10 x 10, voxel size 3 x 4 x 4 millimeter",
        "factors 2 x 2 x 2, shape 6 x 5 x 5, voxel size 6 x 8 x 8 millimeter",
    ]
    for level, step in enumerate(steps, start=1):
        assert f"Building level {level} of image-raw: {step}" in told.text
    workspace.run(**keys)
    check_levels(workspace, [(1, 2, 2), (1, 2, 2), (2, 2, 2)])
    log = (workspace / "logs/image-raw/3.log").read_text(encoding="utf-8")
    assert steps[2] in log
    table = (workspace / "results/image-raw/summary.md").read_text(encoding="utf-8")
    assert "| 3 | 2 x 2 x 2 | 6 x 5 x 5 | 6 x 8 x 8 |" in table
    assert main(["status", str(workspace / RAW)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[1] for row in rows] == ["factors", "-", "1x2x2", "1x2x2", "2x2x2"]
    assert [row[3] for row in rows] == ["voxel", "3x1x1", "3x2x2", "3x4x4", "6x8x8"]


@pytest.mark.slow
def test_changes_of_level_0(workspace):
    workspace.make(attributes={"lab": "kept"})
    workspace.run(**IMAGE)
    sentinels, store = workspace.sentinels(), workspace.files("image.zarr")

    objects = [path for path in (workspace / f"{RAW}/0/c").rglob("*") if path.is_file()]
    os.utime(objects[0])
    assert workspace.run(**IMAGE).jobs == ALL
    assert workspace.sentinels() == sentinels
    touched = workspace.files("image.zarr")
    assert {path for path in store if touched[path] != store[path]} == {
        str(objects[0].relative_to(workspace / "image.zarr"))
    }, "no level is written again for a touched object"

    array = zarr.open_array(workspace / f"{RAW}/0")
    array[20, 17, 12] ^= 0x4000
    # One level alone takes itself and all coarser ones out of the list ...
    assert workspace.run("results/image-raw/levels/1.json", **IMAGE).jobs == ["0", "1"]
    assert listed(workspace) == ["0"]
    assert not (workspace / "results/image-raw/multiscales.json").exists()
    # ... and the next run of all lists them again.
    assert workspace.run(**IMAGE).jobs == ["2", "list", "summary"]
    check_levels(workspace, [(2, 2, 2), (2, 2, 2)])
    assert all(workspace.sentinels()[level] != sentinels[level] for level in "12")

    # An object that is gone leaves fill values.
    objects[-1].unlink()
    assert workspace.run(**IMAGE).jobs == ALL
    check_levels(workspace, [(2, 2, 2), (2, 2, 2)])
    assert zarr.open_group(workspace / RAW, mode="r").attrs["lab"] == "kept"


@pytest.mark.slow
def test_numbers_of_levels(workspace):
    workspace.make()
    factors = [(2, 2, 2)] * 3
    workspace.run(**{**IMAGE, "levels": 3})
    check_levels(workspace, factors)
    sentinels = workspace.sentinels()
    group = zarr.open_group(workspace / RAW)
    group.create_array("9", data=np.arange(5), chunks=(5,))
    group.create_group("7")
    foreign = workspace.files(f"{RAW}/9"), workspace.files(f"{RAW}/7")

    assert workspace.run(**{**IMAGE, "levels": 2}).jobs == ["list", "summary"]
    check_levels(workspace, factors[:2])
    assert not (workspace / f"{RAW}/3").exists()
    assert sorted(workspace.sentinels()) == ["0", "1", "2"]
    after = workspace.files(f"{RAW}/9"), workspace.files(f"{RAW}/7")
    assert after == foreign, "what stands beyond the plan and is not ours"

    assert workspace.run(**{**IMAGE, "levels": 3}).jobs == ["3", "list", "summary"]
    check_levels(workspace, factors)
    assert workspace.sentinels() == sentinels
    assert workspace.run(**{**IMAGE, "levels": 3}).jobs == []


@pytest.mark.slow
def test_what_was_deleted_is_noticed(workspace):
    workspace.make()
    workspace.run(**IMAGE)
    sentinels, store = workspace.sentinels(), workspace.files("image.zarr")

    (workspace / "results/image-raw/levels/1.json").unlink()
    assert workspace.run(**IMAGE).jobs[0] == "1"
    assert workspace.sentinels() == sentinels
    assert workspace.files("image.zarr") == store, "a deleted sentinel costs no voxel"

    shutil.rmtree(workspace / f"{RAW}/1")
    before = workspace.tree(".")
    told = workspace.run("-n", **IMAGE)
    assert f"levels/1.json is stale: {workspace / RAW}/1 is absent or another level" in told.text
    after = workspace.tree(".")
    assert {path for path in before.keys() | after if before.get(path) != after.get(path)} <= {
        path for path in before.keys() | after if path.startswith(".snakemake")
    }, "a dry run only tells"
    assert workspace.run(**IMAGE).jobs[0] == "1"
    check_levels(workspace, [(2, 2, 2), (2, 2, 2)])
    assert workspace.sentinels() == sentinels

    for key in ("c/0/0/0", "zarr.json"):
        cut = workspace / f"{RAW}/1" / key
        cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
        assert workspace.run(**IMAGE).jobs[0] == "1"
        check_levels(workspace, [(2, 2, 2), (2, 2, 2)])
        assert workspace.sentinels() == sentinels


@pytest.mark.slow
def test_the_list_is_written_anew_without_its_levels(workspace):
    workspace.make()
    workspace.run(**IMAGE)
    outcome = workspace.run(**IMAGE, scale_factors=2, voxel_size='{"z": 2.5}')
    assert outcome.jobs == ["list", "summary"], "the size of a voxel changes the list alone"
    # The list was overwritten by another program.
    zarr.open_group(workspace / RAW).attrs.put({"lab": "kept"})
    assert workspace.run(**IMAGE).jobs == ["list", "summary"]
    check_levels(workspace, [(2, 2, 2), (2, 2, 2)])
    assert zarr.open_group(workspace / RAW, mode="r").attrs["lab"] == "kept"


@pytest.mark.slow
def test_a_foreign_level_is_refused_and_stays(workspace):
    workspace.make(zarr_format=2)
    group = zarr.open_group(workspace / RAW)
    group.create_array("2", data=np.arange(6), chunks=(6,))
    foreign, group_before = workspace.files(f"{RAW}/2"), dict(group.attrs)
    refusal = f"{workspace / RAW}/2 is there already and was not made by this workflow"

    refused = workspace.run(**IMAGE, code=1)
    assert any(refusal in line for line in refused.lines[-10:])
    assert workspace.files(f"{RAW}/2") == foreign
    assert dict(zarr.open_group(workspace / RAW, mode="r").attrs) == group_before

    (workspace / f"{RAW}/2").rename(workspace / "foreign")
    workspace.run(**IMAGE)
    # A level that was built is replaced by somebody else's.
    shutil.rmtree(workspace / f"{RAW}/2")
    (workspace / "foreign").rename(workspace / f"{RAW}/2")
    refused = workspace.run(**IMAGE, code=1)
    assert any(refusal in line for line in refused.lines[-10:])
    assert workspace.files(f"{RAW}/2") == foreign
    # So is a plan that does without it, since the list would show theirs beside ours.
    refused = workspace.run(**{**IMAGE, "levels": 1}, code=1)
    assert any(f"{workspace / RAW} lists 2 as a level" in line for line in refused.lines)
    assert workspace.files(f"{RAW}/2") == foreign


@pytest.mark.slow
def test_folders_that_are_no_arrays_are_refused(workspace):
    workspace.make()
    notes = workspace / f"{RAW}/1/notes.txt"
    notes.parent.mkdir()
    notes.write_text("mine", encoding="utf-8")
    refused = workspace.run(**IMAGE, code=1)
    assert any(
        "holds notes.txt, which is not ours to remove" in line for line in refused.lines[-10:]
    )
    assert notes.read_text(encoding="utf-8") == "mine"

    notes.unlink()
    # What a killed run leaves is objects without a document.
    litter = workspace / f"{RAW}/1/c/0/0/7"
    litter.parent.mkdir(parents=True)
    litter.write_bytes(b"half")
    workspace.run(**IMAGE)
    assert not litter.exists()


@pytest.mark.slow
def test_deleted_outputs_and_forced_jobs_leave_the_store(workspace):
    workspace.make()
    workspace.run(**IMAGE)
    store, sentinels = workspace.files("image.zarr"), workspace.sentinels()
    workspace.run("--delete-all-output", **IMAGE)
    assert workspace.files("image.zarr") == store
    assert not [path for path in (workspace / "results").glob("*/*") if path.suffix == ".html"]
    assert not list((workspace / "results").glob("*/levels/*.json"))
    assert workspace.run(**IMAGE).jobs == ALL
    assert workspace.run("-F", **IMAGE).jobs == ALL
    assert (workspace.files("image.zarr"), workspace.sentinels()) == (store, sentinels)

    assert main(["clean", str(workspace / RAW)]) == 0  # the way to have levels made again
    assert workspace.run(**IMAGE).jobs == ["1", "2", "list", "summary"]


@pytest.mark.slow
def test_threads_change_no_byte(new_workspace):
    runs = []
    for name, store, cores, more in [
        ("one", "a.zarr", 1, []),
        ("four", "other_name.zarr", 4, ["--jobs", "4"]),
    ]:
        workspace = new_workspace(name)
        workspace.make(f"{store}/raw", (40, 39, 41), dtype="float32")
        keys = {"images": json.dumps({name: {"store": store, "field": "raw"}})}
        workspace.run(*more, cores=cores, **keys)
        runs.append((workspace.sentinels(name), workspace.tree(f"{store}/raw/1/c").values()))
    (one, one_objects), (four, four_objects) = runs
    assert one == four
    assert list(one_objects) == list(four_objects)
    keys = {key for data in one.values() for key in json.loads(data)}
    assert keys <= {
        *("level", "shape", "chunks", "shards", "dtype", "recipe", "digest", "fingerprint"),
        *("stored_bytes", "source", "min", "max", "mean", "sum", "n_nan", "n_inf"),
    }
