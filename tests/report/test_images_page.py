"""The page of many images: wells where they are on the plate, labels, states in words."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
import zarr
from PIL import Image

from plates import make_image, make_plate, write_group
from zarrpyramid.downsample.batch import build_batch
from zarrpyramid.metadata import channel_colors
from zarrpyramid.plan import Job
from zarrpyramid.plan.run import Run
from zarrpyramid.report.contact_sheet import Contact
from zarrpyramid.report.images_page import image_rows, report_images, summarize_images


@pytest.fixture
def built(tmp_path):
    """Return a function that builds a container and returns its run."""

    def make(**config):
        folder, logs = tmp_path / "results", tmp_path / "logs"
        config = {"container": str(tmp_path / "c.zarr"), "levels": 1, **config}
        run = Run(config, results="results", folder=folder, logs=logs)
        given = [settings for batch in run.batches.all for settings in run.batches.settings(batch)]
        build_batch(given, results=folder, logs=logs, n_workers=1)
        return run

    return make


def pixels(source):
    picture = base64.b64decode(source.partition("base64,")[2])
    return np.asarray(Image.open(io.BytesIO(picture)).convert("L")).astype(int)


def test_wells_stand_as_on_their_plate(tmp_path, built):
    make_plate(tmp_path / "c.zarr", rows="AC", columns=("2", "10"), n_fields=2, shape=(2, 32, 32))
    for path, value in (("A/2/0", 0), ("A/10/0", 1000), ("C/2/0", 2000), ("C/10/0", 3000)):
        zarr.open_array(tmp_path / "c.zarr" / path / "0")[0] = value
    zarr.open_array(tmp_path / "c.zarr/C/10/1/0")[0] = 0  # a second field, which is not shown
    run = built(select=["A/*/*", "C"])
    contact = Contact({name: image.image for name, image in run.images.items()})
    first, second = contact.sheets(16)
    assert (first.title, first.columns, second.title) == ("channel 0", ["2", "10"], "channel 1")
    assert [strip.heading for strip in first.strips] == ["A", "C"]
    shown = [pixels(strip.source) for strip in first.strips]
    assert [row.shape for row in shown] == [(17, 34), (17, 34)]
    means = [row[:16, left : left + 16].mean() for row in shown for left in (0, 17)]
    assert np.allclose(means, [0, 85, 170, 255], atol=4)


def test_a_gallery_of_images_and_their_labels(tmp_path, built):
    make_image(tmp_path / "c.zarr", (2, 6, 24, 20))
    write_group(tmp_path / "c.zarr/labels", {"labels": ["n"]})
    make_image(tmp_path / "c.zarr/labels/n", (6, 24, 20), dtype="uint32", listed=False)
    run = built()
    page = report_images(run, image_rows(run, tmp_path / "results"))
    assert re.findall(r"<h3>(.*)</h3>", page) == ["Labels"]
    assert page.count("<img ") == 2
    assert "2 of 2 images are done" in page
    (image, labels) = image_rows(run, tmp_path / "results")
    assert image[6] != "-"
    assert labels[6] == "-"  # ids have no mean
    assert image[4] == f"{2 * 6 * 24 * 20:,}"  # of level 0
    where = tmp_path / "c.zarr"
    for word in ("status", "verify", "view"):
        assert re.search(rf"<code>.*zarrpyramid {word} {where}</code>", page)
    assert run.images["labels.n"].image.plan.unsized == ()
    assert 'data-column="mean"' in page  # which stands before a cell where the screen is narrow


def test_images_of_unknown_voxel_sizes_are_named(tmp_path, built):
    for name in "ab":
        make_image(tmp_path / f"c.zarr/{name}", (6, 24, 20), listed=False)
    write_group(tmp_path / "c.zarr", {})
    run = built()
    page = report_images(run, image_rows(run, tmp_path / "results"))
    assert ">a and 1 more: voxel size unknown along z, y, x: voxels count as cubes; give" in page
    assert summarize_images(run, image_rows(run, tmp_path / "results")).count("| done |") == 2


def colours(source):
    """Return the pixels of a picture, and of which colours it is."""
    picture = base64.b64decode(source.partition("base64,")[2])
    found = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)
    return found, {tuple(pixel > 40) for pixel in found.reshape(-1, 3)}


def test_kinds_side_by_side_are_each_shown_as_they_are(tmp_path):
    """Two channels, one, ids, a line, and before them a well of a plate."""
    make_plate(tmp_path / "plate.zarr", rows="A", columns=("1",), n_fields=1, shape=(2, 32, 32))
    make_image(tmp_path / "two.zarr", (2, 4, 24, 20))
    zarr.open_array(tmp_path / "two.zarr/0")[1] = 0
    make_image(tmp_path / "one.zarr", (24, 20))
    make_image(tmp_path / "ids.zarr", (24, 20), dtype="uint32", listed=False)
    make_image(tmp_path / "line.zarr", (40,), listed=False)
    images = {"well": {"store": str(tmp_path / "plate.zarr"), "field": "A/1/0"}}
    images |= {name: {"store": str(tmp_path / f"{name}.zarr")} for name in ("two", "one", "line")}
    images["ids"] = {"store": str(tmp_path / "ids.zarr"), "labels": True}
    config = {"images": images, "levels": 1}
    run = Run(config, results="results", folder=tmp_path / "results", logs=tmp_path / "logs")
    given = [run.settings(Job(image=name)) for name in images]
    build_batch(given, results=run.folder, logs=run.logs, n_workers=1)
    contact = Contact({name: image.image for name, image in run.images.items()})
    assert not contact.is_plate
    pictures, labels = contact.sheets(16)
    shown = {strip.heading: colours(strip.source) for strip in pictures.strips}
    assert list(shown) == ["well", "two", "one"]
    full = tuple(part > 0 for part in bytes.fromhex(channel_colors(2)[0]))
    assert shown["two"][1] <= {full, (False,) * 3}  # its second channel is dark
    assert full in shown["two"][1]
    assert all(red == green == blue for red, green, blue in shown["one"][1])
    (strip,) = labels.strips
    assert strip.heading == "ids"
    assert len(colours(strip.source)[1]) > 2
    page = report_images(run, image_rows(run, run.folder))
    assert "in its channels' colours" in page.replace("&#x27;", "'")


def test_images_with_reports_are_linked(tmp_path):
    for name in "ab":
        make_image(tmp_path / f"{name}.zarr", (1, 2, 24, 20))
    folder = tmp_path / "results"
    config = {"images": {name: {"store": str(tmp_path / f"{name}.zarr")} for name in "ab"}}
    run = Run(config, results="results", folder=folder, logs=tmp_path / "logs")
    build_batch([run.settings(Job(image="a"))], results=folder, logs=run.logs, n_workers=1)
    rows = image_rows(run, folder, {"b": "damaged"})
    page = report_images(run, rows, above="")
    # In the picture's caption and in the table; what is not done has none.
    assert re.findall(r'href="(.*?)"', page) == ["a/report.html"] * 2
    assert 'href="../a/report.html"' in report_images(run, rows)


def test_states_are_told_and_the_page_stays_small(tmp_path, built, monkeypatch):
    make_plate(tmp_path / "c.zarr", n_fields=1)
    run = built()
    (tmp_path / "results/A.01.0/multiscales.json").unlink()
    run.images["A.02.0"].refusal = "there is no <b>array</b>"
    rows = image_rows(run, tmp_path / "results", {"B.01.0": "damaged"})
    text = summarize_images(run, rows)
    states = dict(re.findall(r"^\| (\S+) \| ([^|]+) \|", text, re.MULTILINE))
    assert states == {
        "image": "state",
        "---": "---",
        "A.01.0": "absent",
        "A.02.0": "failed: there is no <b>array</b>",
        "B.01.0": "failed: damaged",
        "B.02.0": "done",
    }
    page = report_images(run, image_rows(run, tmp_path / "results"))
    assert "<b>array</b>" not in page
    monkeypatch.setattr("zarrpyramid.report.images_page.LARGEST", len(page) - 1)
    smaller = report_images(run, image_rows(run, tmp_path / "results"))
    assert len(smaller) < len(page)
    monkeypatch.setattr("zarrpyramid.report.images_page.LARGEST", 100)
    assert "The table is in summary.md." in report_images(
        run, image_rows(run, tmp_path / "results")
    )
