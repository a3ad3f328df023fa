"""Many images in one run: a broken one does not stop the others, and all of them are listed."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter

import numpy as np
import pytest
import zarr

from zarrpyramid.downsample.start import Mode, Start
from zarrpyramid.plan.run import Run
from zarrpyramid.stores.local import LocalStore

IMAGES = ("cells", "damaged", "raw", "more")


@pytest.fixture
def four(workspace):
    """A workspace of four images, one of which has a damaged chunk; return it and its config."""
    for name in IMAGES:
        workspace.make(f"{name}.zarr", (20, 18), dtype="uint8" if name == "cells" else "uint16")
    chunk = workspace / "damaged.zarr/0/c/1/1"
    chunk.write_bytes(chunk.read_bytes()[:-9])
    images = {name: {"store": f"{name}.zarr", "levels": 2} for name in IMAGES}
    images["cells"]["label_report"] = True
    return workspace, images


def rows(workspace):
    """Return the cells of the table of all images, by image."""
    text = (workspace / "results/summary.md").read_text(encoding="utf-8")
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return {line[0]: dict(zip(lines[0], line, strict=True)) for line in lines[2:]}


def states(workspace):
    return {name: row["state"] for name, row in rows(workspace).items()}


@pytest.mark.slow
def test_a_broken_image_does_not_stop_the_others(four):
    workspace, images = four
    path = workspace.write("my.yaml", json.dumps({"images": images}))
    run = ("--configfile", str(path))

    outcome = workspace.run(*run, "--keep-going", code=1)
    start = f"zarrpyramid: error: damaged: {workspace.folder}/damaged.zarr/0/c/1/1 is damaged: "
    assert outcome.text.count(" is damaged: ") == 1
    for noise in ("Traceback", "RuleException", "Logfile"):
        assert noise not in outcome.text
    cause, state, last = outcome.lines[-3:]
    assert cause.startswith(start)
    assert cause.endswith(f"(log: {workspace.folder}/logs/damaged/1.log)")
    assert state == "zarrpyramid: damaged: level 0 is complete, levels 1 and 2 are not"
    assert last.startswith("zarrpyramid: 3 of 4 images are complete; fix that, and the same ")
    for name in ("cells", "raw", "more"):
        assert list(workspace.sentinels(name)) == ["0", "1", "2"]
        assert (workspace / f"results/{name}/summary.md").exists()
        assert workspace.array(f"{name}.zarr/2").shape == (5, 5)
    assert states(workspace) == dict.fromkeys(IMAGES, "done") | {"damaged": "failed"}
    index = (workspace / "results/index.html").read_text(encoding="utf-8")
    reports = set(re.findall(r'href="(.*?)"', index))
    assert reports == {f"{name}/report.html" for name in ("cells", "raw", "more")}
    assert all((workspace / "results" / report).exists() for report in reports)
    assert "failed: " in index
    row = rows(workspace)["damaged"]
    assert (row["levels"], row["shape"], row["voxels"]) == ("1 of 3", "20 x 18", "360")
    assert row["where, or why not"].startswith(
        f"{workspace.folder}/damaged.zarr/0/c/1/1 is damaged"
    )

    # Of images that are not there: all are named, and nothing runs.
    images |= {name: {"store": f"{name}.zarr"} for name in ("gone", "lost")}
    workspace.write("my.yaml", json.dumps({"images": images}))
    outcome = workspace.run(*run, code=1)
    assert outcome.jobs == []
    assert outcome.lines[-1].startswith("zarrpyramid: 2 of 6 images cannot be built: image gone: ")
    assert "; image lost: there is no store" in outcome.lines[-1]
    assert "Traceback" not in outcome.text
    # Unless the others shall go on; each of these has one job, which says what is wrong.
    chunk = workspace / "damaged.zarr/0/c/1/1"
    shutil.copyfile(workspace / "more.zarr/0/c/1/1", chunk)
    outcome = workspace.run(*run, "--keep-going", code=1)
    assert sorted(outcome.jobs) == sorted([*"00012", "list", "summary"])
    assert {line.split(": ")[2] for line in outcome.lines[-3:-1]} == {"gone", "lost"}
    expected = dict.fromkeys(IMAGES, "done") | dict.fromkeys(("gone", "lost"), "failed")
    assert states(workspace) == expected
    # A target of another image is not refused for theirs.
    assert workspace.run("results/raw/levels/2.json", *run).jobs == []


@pytest.mark.slow
def test_a_report_of_labels_follows_its_levels(four):
    workspace, images = four
    images = {"cells": images["cells"]}
    path = workspace.write("my.yaml", json.dumps({"images": images}))
    run = ("--configfile", str(path))
    assert workspace.run(*run).jobs.count("labels") == 1
    report = workspace / "results/cells/labels.json"
    first = workspace.document(report)
    ids = [np.unique(workspace.voxels(f"cells.zarr/{level}")) for level in range(3)]
    assert [level["n_ids"] for level in first["levels"]] == [np.count_nonzero(n) for n in ids]
    assert "| 0 | 20 x 18 |" in (workspace / "results/cells/labels.md").read_text(encoding="utf-8")
    assert not (workspace / "results/cells/labels-spill").exists()

    # Another voxel, another report; without any memory of Snakemake's too.
    assert workspace.run(*run).jobs == []
    zarr.open_array(workspace / "cells.zarr/0")[:8, :8] = 77
    outcome = workspace.run(*run)
    assert outcome.jobs.count("labels") == 1
    second = workspace.document(report)
    assert second != first
    other = {"levels": [{**level, "proof": "of other voxels"} for level in second["levels"]]}
    report.write_text(json.dumps(other), encoding="utf-8")
    shutil.rmtree(workspace / ".snakemake")
    assert workspace.run(*run).jobs == ["labels"]
    assert workspace.document(report) == second


def test_planning_reads_a_few_documents_of_each_image_and_no_voxel(workspace, monkeypatch):
    workspace.make("0.zarr", (24, 24, 24), chunks=(12, 12, 12))
    for number in range(1, 20):
        shutil.copytree(workspace / "0.zarr", workspace / f"{number}.zarr")
    asked = []

    def counted(store, key, *arguments, read=LocalStore._read):
        asked.append(f"{store.name}/{key}")
        return read(store, key, *arguments)

    monkeypatch.setattr(LocalStore, "_read", counted)
    names = {f"i{number}": str(workspace / f"{number}.zarr") for number in range(20)}
    images = {name: {"store": store, "levels": 1} for name, store in names.items()}
    folder, logs = workspace / "results", workspace / "logs"
    run = Run({"images": images}, results="results", folder=folder, logs=logs)
    run.check()
    how = {"is_main": True, "executes": True, "touches": False, "is_dry": True}
    Start(run, lambda *given: None).settle_all(Mode(**how, goes_on=False, is_elsewhere=False))
    assert run.refused == {}
    assert len([target for target in run.targets() if "/levels/" in target]) == 2 * len(images)
    assert max(Counter(asked).values()) <= 4
    assert len(asked) <= 14 * len(images)
    assert not [path for path in asked if "/0/c/" in path]


@pytest.mark.slow
def test_an_old_report_does_not_call_complete_what_the_newest_run_has_not_made(workspace):
    names = ("sound", "gone", "damaged", "foreign")
    for name in names:
        workspace.make(f"{name}.zarr", (20, 18))
    images = {name: {"store": f"{name}.zarr", "levels": 1} for name in names}
    run = ("--configfile", str(workspace.write("my.yaml", json.dumps({"images": images}))))

    def told(name):
        text = (workspace / f"results/{name}/report.html").read_text(encoding="utf-8")
        (said,) = re.findall(r'<p class="verdict[^>]*><b>(.*?)</b> <span>(.*?)</span>', text)
        return said

    workspace.run(*run)
    assert {told(name)[0] for name in names} == {"Complete"}
    (workspace / "gone.zarr").rename(workspace / "elsewhere")
    chunk = workspace / "damaged.zarr/0/c/1/1"
    whole = chunk.read_bytes()
    chunk.write_bytes(whole[:-9])
    zarr.create_array(workspace / "foreign.zarr/1", data=np.ones((9, 9)), overwrite=True)

    workspace.run(*run, "--keep-going", code=1)
    assert told("sound")[0] == "Complete"
    for name, why in {
        "gone": "there is no store",
        "damaged": "damaged.zarr/0/c/1/1 is damaged",
        "foreign": "foreign.zarr/1",
    }.items():
        word, said = told(name)
        assert word == "Incomplete"
        assert why in said
        assert said.startswith("The newest run has not made it: ")
        assert " It ended at " in said
    index = (workspace / "results/index.html").read_text(encoding="utf-8")
    assert set(re.findall(r'href="(.*?)/report.html"', index)) == {"sound"}

    (workspace / "elsewhere").rename(workspace / "gone.zarr")
    chunk.write_bytes(whole)
    shutil.rmtree(workspace / "foreign.zarr/1")
    workspace.run(*run)
    assert {told(name)[0] for name in names} == {"Complete"}
