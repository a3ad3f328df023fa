"""A container in the real workflow: batches, what they leave alone, and what is told of all."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest

from oracles import mean_by_hand
from plates import make_image, make_plate, write_group
from processes import kill_all, wait_for
from servers import BUCKET, ENVIRONMENT, s3_server
from zarrpyramid.stores.hold import HOLD_FILE
from zarrpyramid.stores.local import LocalStore
from zarrpyramid.stores.object_store import ObjectStore

NAMES = [f"{row}.{column}.{field}" for row in "AB" for column in ("01", "02") for field in "01"]


@pytest.fixture
def plate(workspace):
    """A plate of eight images; return the workspace and their voxels."""
    return workspace, make_plate(workspace / "p.zarr")


def run(workspace, *arguments, code=0, **config):
    return workspace.run(*arguments, code=code, container="p.zarr", levels=2, **config)


def test_a_plate_is_built_in_a_batch(plate):
    workspace, voxels = plate
    outcome = run(workspace)
    assert outcome.jobs == ["batch", "summary of all"]
    assert "p: the pyramids of 8 images are complete (16 levels made)" in outcome.text
    for path, expected in voxels.items():
        for level in (1, 2):
            expected = mean_by_hand(expected, (1, 2, 2))
            assert np.array_equal(workspace.voxels(f"p.zarr/{path}/{level}"), expected)
    assert sorted(path.name for path in (workspace / "results").iterdir()) == [
        *NAMES, "index.html", "p", "summary.md",
    ]  # fmt: skip
    table = (workspace / "results/p/summary.md").read_text(encoding="utf-8")
    mean = f"{voxels['B/02/1'].mean():.6g}"
    assert re.search(
        rf"\| B\.02\.1 \| done \| 2 x 24 x 20 \| 3 \| 960 \| [\d,]+ \| {mean} \|", table
    )
    page = (workspace / "results/p/report.html").read_text(encoding="utf-8")
    assert page.count("<img ") == 2 * 2  # a row of wells for each channel
    assert "first field of each well" in page
    assert 'href="p/report.html"' in (workspace / "results/index.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_only_what_has_changed_is_made_again(plate):
    workspace, _ = plate
    run(workspace)
    # Nothing to do; and after a sentinel is lost, one image is looked at and none is made.
    before = workspace.files("p.zarr")
    assert run(workspace).jobs == []
    proof = workspace / "results/A.02.1/levels/1.json"
    known = proof.read_bytes()
    proof.unlink()
    assert run(workspace).jobs == ["batch", "summary of all"]
    assert proof.read_bytes() == known
    assert workspace.files("p.zarr") == before
    # A level that is gone is made again, and no other image is touched.
    shutil.rmtree(workspace / "p.zarr/B/01/0/2")
    dry = run(workspace, "-n")
    assert "results/p/batches/1-8.json is stale: " in dry.text
    assert run(workspace).jobs == ["batch", "summary of all"]
    after = workspace.files("p.zarr")
    assert {path for path in after if after[path] != before.get(path)} == {
        path for path in after if path.startswith(("B/01/0/2/", "B/01/0/zarr.json"))
    }


@pytest.mark.slow
def test_sentinels_are_those_of_a_job_a_level(workspace, new_workspace):
    voxels = make_plate(workspace / "p.zarr", rows="A")
    run(workspace)
    other = new_workspace("other")
    make_plate(other / "p.zarr", rows="A")
    images = {
        path.replace("/", "."): {"store": "p.zarr", "field": path, "levels": 2} for path in voxels
    }
    config = other.write("my.yaml", json.dumps({"images": images}))
    outcome = other.run("--configfile", str(config))
    assert outcome.jobs.count("summary") == len(images)
    for name in images:
        assert workspace.sentinels(name) == other.sentinels(name)
        file = f"results/{name}/multiscales.json"
        assert (workspace / file).read_bytes() == (other / file).read_bytes()
    ours, theirs = workspace.tree("p.zarr"), other.tree("p.zarr")
    assert ours == theirs
    # What one way has made is complete for the other.
    assert workspace.run("results/A.01.0/report.html", container="p.zarr", levels=2).jobs == [
        "summary"
    ]
    assert other.run(container="p.zarr", levels=2).jobs == ["batch", "summary of all"]
    assert other.tree("p.zarr") == theirs


@pytest.mark.slow
def test_one_damaged_image_of_a_plate(plate):
    workspace, _ = plate
    (workspace / "p.zarr/A/02/0/0/zarr.json").write_text("{")
    outcome = run(workspace, code=1)
    assert outcome.jobs == []
    said = "zarrpyramid: 1 of 8 images cannot be built: image A.02.0: "
    assert outcome.lines[-1].startswith(said)
    outcome = run(workspace, "--keep-going", code=1)
    assert sorted(outcome.jobs) == ["0", "batch", "summary of all"]
    table = (workspace / "results/p/summary.md").read_text(encoding="utf-8")
    assert "7 of 8 images are done" in table
    assert "| A.02.0 | failed: " in table
    made = [name for name in NAMES if list(workspace.sentinels(name)) == ["0", "1", "2"]]
    assert made == [name for name in NAMES if name != "A.02.0"]


@pytest.mark.slow
def test_an_object_that_is_found_damaged_does_not_stop_the_other_images(plate):
    workspace, _ = plate
    chunk = next(path for path in (workspace / "p.zarr/A/01/1/0/c").rglob("*") if path.is_file())
    whole = chunk.read_bytes()
    chunk.write_bytes(whole[:-9])
    outcome = run(workspace, code=1)
    assert outcome.text.count(" is damaged: ") == 1
    cause, state, last = outcome.lines[-3:]
    assert cause.startswith("zarrpyramid: error: A.01.1: ")
    assert cause.endswith(f"(log: {workspace.folder}/logs/A.01.1/batch.log)")
    assert state == "zarrpyramid: A.01.1: level 0 is complete, levels 1 and 2 are not"
    assert last.startswith("zarrpyramid: 7 of 8 images are complete; fix that, and the same ")
    assert "failed" in (workspace / "results/summary.md").read_text(encoding="utf-8")
    for file in ("summary.md", "report.html"):  # though their job could not run
        text = (workspace / "results/p" / file).read_text(encoding="utf-8")
        assert "7 of 8 images are done" in text
        assert "failed: " in text
        assert " is damaged: " in text
    before = workspace.files("p.zarr/B")
    chunk.write_bytes(whole)
    assert run(workspace).jobs == ["batch", "summary of all"]
    assert workspace.files("p.zarr/B") == before
    assert not (workspace / "logs/A.01.1/batch.log").exists()


@pytest.mark.slow
def test_a_killed_batch_goes_on_where_it_was(workspace):
    make_plate(workspace / "p.zarr", n_fields=6, shape=(2, 64, 64))
    process = workspace.start(container="p.zarr", levels=2)
    wait_for((workspace / "results/A.02.0/multiscales.json").exists)
    kill_all(process.pid)
    process.communicate()
    done = {path.parent.name for path in (workspace / "results").glob("*/multiscales.json")}
    assert 6 < len(done) < 24
    for note in (workspace / "p.zarr").rglob(HOLD_FILE):
        note.unlink()  # the next run would take it over
    before = {name: workspace.files(f"p.zarr/{name.replace('.', '/')}") for name in done}
    workspace.run("--unlock", container="p.zarr", levels=2)
    assert run(workspace).jobs == ["batch", "summary of all"]
    for name in done:
        assert workspace.files(f"p.zarr/{name.replace('.', '/')}") == before[name]
    assert not list((workspace / "p.zarr").rglob(HOLD_FILE))
    assert len(list((workspace / "results").glob("*/multiscales.json"))) == 24


@pytest.mark.slow
def test_labels_are_built_by_the_factors_of_their_image_and_verified(workspace):
    make_image(workspace / "p.zarr", (2, 12, 24, 20))
    write_group(workspace / "p.zarr/labels", {"labels": []})
    make_image(workspace / "p.zarr/labels/n", (12, 24, 20), dtype="uint32", listed=False)
    run(workspace, scale_factors='{"y":2,"x":2}')
    assert workspace.array("p.zarr/labels/n/2").shape == (12, 6, 5)
    group = workspace.document("p.zarr/labels/n/zarr.json")["attributes"]["ome"]
    assert group["image-label"] == {"source": {"image": "../../"}}
    scales = [found["coordinateTransformations"][0]["scale"]
              for found in group["multiscales"][0]["datasets"]]  # fmt: skip
    assert scales == [[0.5, 0.5, 0.5], [0.5, 1.0, 1.0], [0.5, 2.0, 2.0]]
    listed = workspace.document("p.zarr/labels/zarr.json")["attributes"]["ome"]["labels"]
    assert listed == ["n"]
    assert "labels.n" in (workspace / "results/p-images/summary.md").read_text(encoding="utf-8")
    outcome = run(workspace, "verify", scale_factors='{"y":2,"x":2}')
    assert outcome.jobs == ["verify all"]
    verdicts = workspace.document("results/p-images/verify.json")
    assert {name: found["sound"] for name, found in verdicts.items()} == {
        "p": True,
        "labels.n": True,
    }


@pytest.mark.slow
def test_a_selection_and_a_table(plate):
    workspace, _ = plate
    outcome = run(workspace, select="B/02/*")
    assert outcome.jobs == ["batch", "summary of all"]
    made = sorted(path.name for path in (workspace / "results").iterdir())
    assert made == ["B.02.0", "B.02.1", "index.html", "p", "summary.md"]
    outcome = run(workspace, code=1, select="B/0x")
    assert outcome.lines[-1].startswith("zarrpyramid: select: 'B/0x' selects none of the 8 images")
    workspace.write("s.tsv", "sample\tstore\tfield\none\tp.zarr\tA/01/0\n")
    assert workspace.run(samples="s.tsv", levels=1).jobs == ["0", "1", "list", "summary"]


@pytest.mark.slow
def test_a_plate_in_an_object_store(workspace, monkeypatch):
    names = [path.replace("/", ".") for path in make_plate(workspace / "p.zarr", rows="A")]
    with s3_server() as url:
        for name, value in ENVIRONMENT.items():
            monkeypatch.setenv(name, value)
        store = f"s3://{BUCKET}/data/p.zarr"
        files, local = ObjectStore(store, {"endpoint": url}), LocalStore(workspace / "p.zarr")
        for key in local.keys(""):
            files.put(key, local.get(key))
        given = {"container": store, "levels": 2, "storage_options": f"{{endpoint: '{url}'}}"}
        assert workspace.run(**given).jobs == ["batch", "summary of all"]
        assert workspace.run(**given).jobs == []
    remote = {name: workspace.sentinels(name) for name in names}
    (workspace / "results").rename(workspace / "remote")
    run(workspace)
    assert {name: workspace.sentinels(name) for name in names} == remote
