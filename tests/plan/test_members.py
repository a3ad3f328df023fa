"""The images of a container: chosen, named, batched, and labels that follow their image."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from plates import make_image, make_plate, write_group
from zarrpyramid.errors import ConfigError
from zarrpyramid.plan.batches import MOST_IMAGES, MOST_VOXELS, Batch, cut_batches
from zarrpyramid.plan.image import open_image
from zarrpyramid.plan.members import chosen
from zarrpyramid.plan.preflight import Room
from zarrpyramid.plan.run import Job, Run

WELLS = ["A/01/0", "A/01/0/labels/cells", "A/02/0", "B/01/0", "B/01/1"]


@pytest.fixture
def new_run(tmp_path):
    def make(**config):
        folder, logs = tmp_path / "results", tmp_path / "logs"
        return Run(config, results="results", folder=folder, logs=logs)

    return make


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        (["**"], [0, 1, 2, 3, 4]),
        (["A/01/*"], [0, 1]),
        (["A"], [0, 1, 2]),
        (["*/01/0"], [0, 1, 3]),
        (["**/labels/*"], [1]),
        (["B/0?/1", "A/02/0"], [2, 4]),
        (["/B/01/"], [3, 4]),
        (["[AB]/01/0/labels"], [1]),
    ],
)
def test_a_pattern_selects_what_it_matches_and_what_is_in_it(select, expected):
    assert chosen(WELLS, select, "plate") == [WELLS[place] for place in expected]


@pytest.mark.parametrize(
    ("select", "end"),
    [
        (["B/01/2"], "selects none of the 5 images of plate; did you mean 'B/01/0'?"),
        (["C/01"], "selects none of the 5 images of plate; did you mean "),
        (["A", "scan"], "'scan' selects none of the 5 images of plate; they are 'A/01/0', "),
    ],
)
def test_a_pattern_that_selects_nothing(select, end):
    with pytest.raises(ConfigError, match=re.escape(end)):
        chosen(WELLS, select, "plate")


def test_a_run_of_a_plate_opens_what_it_is_asked_for_alone(tmp_path, new_run, monkeypatch):
    make_plate(tmp_path / "p.zarr", n_fields=2)
    opened = []

    def counted(config, *place):
        opened.append(config.name)
        return open_image(config, *place)

    monkeypatch.setattr("zarrpyramid.plan.run_image.open_image", counted)
    run = new_run(container=str(tmp_path / "p.zarr"), levels=1)
    assert list(run.images) == [f"{r}.{c}.{f}" for r in "AB" for c in ("01", "02") for f in "01"]
    assert run.batches.members(Batch(first=3, last=4)) == ["A.02.0", "A.02.1"]
    assert sorted({*opened}) == ["A.02.0", "A.02.1"]
    assert run.refusal(Job(image="B.01.1")) == ""
    assert sorted({*opened}) == ["A.02.0", "A.02.1", "B.01.1"]
    assert run.targets() == [
        *("results/p/batches/1-8.json", "results/p/summary.md", "results/p/report.html"),
    ]
    assert len(opened) == 8  # each once
    with pytest.raises(ConfigError, match="there is no batch 9-12"):
        run.batches.members(Batch(first=9, last=12))


def test_labels_take_factors_levels_and_place_of_their_image(tmp_path, new_run):
    make_image(tmp_path / "i.zarr", (2, 12, 24, 20))
    write_group(tmp_path / "i.zarr/labels", {"labels": ["listed"]})
    for name, listed in (("listed", True), ("bare", False)):
        at = tmp_path / f"i.zarr/labels/{name}"
        make_image(at, (1, 12, 24, 20), dtype="uint32", listed=listed)
    asked = {"scale_factors": {"y": 2, "x": 2}, "levels": 2, "method": "mean"}
    run = new_run(container=str(tmp_path / "i.zarr"), **asked)
    assert list(run.images) == ["i", "labels.listed", "labels.bare"]
    assert run.title == "i-images"  # as the image in the container's root has its name
    for image in run.images.values():
        plan = image.image.plan
        assert [level.factors for level in plan.levels[1:]] == [(1, 1, 2, 2)] * 2
        assert [axis.size for axis in plan.axes] == [1, 0.5, 0.5, 0.5]
        assert plan.image.method == ("mean" if image.name == "i" else "mode")
    padded = new_run(container=str(tmp_path / "i.zarr"), nodata=0, nodata_share=0.9, **asked)
    rules = [image.image.plan.levels[1].no_data.values for image in padded.images.values()]
    assert rules == [(0,), (), ()]  # of ids none is no data
    auto = new_run(container=str(tmp_path / "i.zarr"))  # small enough to stand alone
    assert [len(image.image.plan.levels) for image in auto.images.values()] == [1, 1, 1]
    sparse = new_run(container=str(tmp_path / "i.zarr"), method="mode_nonzero", levels=1)
    methods = [image.image.plan.image.method for image in sparse.images.values()]
    assert methods == ["mode_nonzero"] * 3
    given = {"nodata": 7, "nodata_share": 0.3, "chunks": [1, 6, 8, 8], "voxel_size": [1, 3, 2, 2]}
    image, _, bare = new_run(container=str(tmp_path / "i.zarr"), levels=1, **given).images.values()
    assert (image.config.nodata, bare.config.nodata) == (7, None)
    assert [axis.size for axis in bare.image.plan.axes] == [1, 3, 2, 2]
    assert (image.image.plan.levels[1].chunks, bare.refusal) == ((1, 6, 8, 8), "")
    only = new_run(container=str(tmp_path / "i.zarr"), select="labels/bare", **asked)
    assert list(only.images) == ["labels.bare"]
    assert len(only.images["labels.bare"].image.plan.levels) == 3


def test_labels_of_an_image_that_is_damaged_are_refused_too(tmp_path, new_run):
    make_image(tmp_path / "i.zarr")
    write_group(tmp_path / "i.zarr/labels", {"labels": ["n"]})
    make_image(tmp_path / "i.zarr/labels/n", (24, 20), dtype="uint32")
    (tmp_path / "i.zarr/0/zarr.json").write_text("{")
    run = new_run(container=str(tmp_path / "i.zarr"))
    assert list(run.refused) == ["i", "labels.n"]
    assert run.refused["labels.n"].startswith("image labels.n: what it labels cannot be planned: ")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "container: there is nothing at "),
        (lambda path: path.mkdir(), "container: no image is in "),
        (lambda path: write_group(path / "a"), "container: no image is in "),
    ],
)
def test_a_container_without_images(tmp_path, new_run, make, message):
    make(tmp_path / "c")
    with pytest.raises(ConfigError, match=message):
        new_run(container=str(tmp_path / "c"))


def test_names_that_clash_are_refused_or_made_longer(tmp_path, new_run):
    make_image(tmp_path / "c/a/b")
    make_image(tmp_path / "c/a.b")
    with pytest.raises(ConfigError, match=r"images 'a/b' and 'a.b' of .* would both be called a.b"):
        new_run(container=str(tmp_path / "c"))
    assert list(new_run(container=str(tmp_path / "c/a")).images) == ["b"]
    for name in ("b", "a.b"):
        (tmp_path / "results" / name).mkdir(parents=True)
        note = json.dumps({"store": "/elsewhere", "field": name})
        (tmp_path / "results" / name / "image.json").write_text(note)
    (name,) = new_run(container=str(tmp_path / "c/a")).images
    assert re.fullmatch(r"a-[0-9a-f]{6}\.b", name)


def test_batches_have_a_limit_of_images_and_of_voxels():
    many = [(number, 5) for number in range(1, 2 * MOST_IMAGES + 2)]
    assert [(batch.first, batch.last) for batch in cut_batches(many)] == [
        *((1, MOST_IMAGES), (MOST_IMAGES + 1, 2 * MOST_IMAGES), (2 * MOST_IMAGES + 1,) * 2),
    ]
    large = [(number, MOST_VOXELS // 2) for number in range(1, 6)]
    assert [(batch.first, batch.last) for batch in cut_batches(large)] == [(1, 2), (3, 4), (5, 5)]
    assert list(cut_batches([])) == []
    assert Batch.of({"first": "3", "last": "9"}) == Batch(first=3, last=9)


def test_few_images_that_are_named_have_a_job_a_level(tmp_path, new_run):
    make_image(tmp_path / "i.zarr", (24, 20))
    for number in range(33):
        (tmp_path / f"{number}.zarr").symlink_to(tmp_path / "i.zarr")
    images = {f"i{number}": {"store": str(tmp_path / f"{number}.zarr")} for number in range(33)}
    one = {"i0": images["i0"]}
    assert "results/i0/levels/0.json" in new_run(images=one).targets()
    (tmp_path / "t.tsv").write_text(f"sample\tstore\ns\t{tmp_path}/i.zarr\n")
    run = new_run(samples=str(tmp_path / "t.tsv"))
    assert (run.title, run.batches.sentinels()) == ("t", [])


def test_room_is_asked_for_all_images_together(tmp_path, new_run, monkeypatch):
    make_plate(tmp_path / "p.zarr")
    run = new_run(container=str(tmp_path / "p.zarr"), levels=1, compressor="none")
    one = run.images["A.01.0"]
    assert run.batches.no_room == ""
    n_bytes = 2 * 12 * 10 * 2  # of a level 1
    free = Room(n_bytes=8 * n_bytes - 1, n_objects=None)
    for module in ("preflight", "room_of_all"):
        monkeypatch.setattr(f"zarrpyramid.plan.{module}.free_room", lambda folder: free)
    assert one.no_room == ""
    said = r"the file system of .*/A/01/0 has 3.84 kB free, the levels of all images need about"
    assert re.match(said, run.batches.no_room)
    forced = new_run(container=str(tmp_path / "p.zarr"), levels=1, force_space=True)
    assert forced.batches.no_room == ""


def test_a_forecast_counts_images_of_one_form(tmp_path, new_run):
    make_plate(tmp_path / "p.zarr", columns=("01",), n_fields=2)
    shutil.rmtree(tmp_path / "p.zarr/B/01/1")
    make_image(tmp_path / "p.zarr/B/01/1", (2, 48, 20))
    run = new_run(container=str(tmp_path / "p.zarr"), levels=1)
    found = run.batches.forecast()
    head, columns, *rows, total = found.lines
    assert head == "4 small images in 1 batch"
    assert columns.split()[:4] == ["images", "shape", "dtype", "chunks"]
    assert [row.split("  ")[0] for row in rows] == ["3", "1"]
    assert "2 x 24 x 20" in rows[0]
    assert total.startswith("levels of all of them: ")
    assert [form["images"] for form in found.document["forms"]] == [3, 1]
