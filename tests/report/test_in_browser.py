"""The pages in a real browser: axe finds nothing, nothing is cut off, and commands are copied."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import zarr

from browsers import A4, overflow, reads_everywhere, started_browser
from plates import make_image, make_plate
from zarrpyramid import build_pyramid
from zarrpyramid.config import image_config
from zarrpyramid.downsample.batch import build_batch
from zarrpyramid.plan import open_image
from zarrpyramid.plan.run import Run
from zarrpyramid.report.facts import level_facts
from zarrpyramid.report.images_page import image_rows, pointer, report_images
from zarrpyramid.report.page import report_pyramid

pytestmark = pytest.mark.system

UM = dict.fromkeys("zyx", "micrometer")


@pytest.fixture(scope="module")
def browser():
    with started_browser() as started:
        yield started


def voxels(*shape, dtype="uint16"):
    return np.random.default_rng(1).integers(0, 200, shape).astype(dtype)


def of_one(folder, data, *, damage="", **settings):
    """Return the report of an image, whose objects below a path are lost where one is given."""
    path = folder / "an-image-of-a-long-name-without-any-blank.zarr"
    chunks = tuple(min(16, extent) for extent in data.shape)
    zarr.create_group(path).create_array("0", data=data, chunks=chunks)
    given = {key: value for key, value in settings.items() if key != "label_report"}
    records = build_pyramid(path, progress=False, **given)
    if damage:
        shutil.rmtree(path / damage)
    image = open_image(image_config("brain", {"store": str(path), **settings}))
    for level in range(len(records)):
        told = {"seconds": 1.5, "voxels": 9, "planned_seconds": 2.0, "planned_bytes": 10**8}
        (folder / f"{level}.json").write_text(json.dumps(told))
    return report_pyramid(image, records, level_facts(image, records, folder))


def of_many(folder, container):
    """Return the page of a container of images, one of which has failed."""
    run = Run({"container": str(container)}, results="r", folder=folder / "r", logs=folder / "l")
    given = [settings for batch in run.batches.all for settings in run.batches.settings(batch)]
    build_batch(given, results=run.folder, logs=run.logs, n_workers=1)
    failed = {next(iter(run.images)): f"{folder}/level/0/c/1/1 is damaged: no zstd frame"}
    return report_images(run, image_rows(run, run.folder, failed)), pointer(run)


def plate(folder):
    make_plate(folder / "p.zarr", rows="ABC", columns=[f"{n:02}" for n in range(1, 13)], n_fields=1)
    return of_many(folder, folder / "p.zarr")[0]


def gallery(folder):
    for name in ("one", "two", "three"):
        make_image(folder / f"c/{name}.zarr", (2, 6, 24, 20))
    return of_many(folder, folder / "c")[0]


def way_to_a_plate(folder):
    make_plate(folder / "p.zarr", n_fields=1)
    return of_many(folder, folder / "p.zarr")[1]


PAGES = {
    "volume": lambda folder: of_one(folder, voxels(40, 36, 32), voxel_size={"z": 2.0}, unit=UM),
    "labels": lambda folder: of_one(
        folder, voxels(40, 36, 32, dtype="uint8"), levels=2, method="mode", label_report=True
    ),
    "film": lambda folder: of_one(folder, voxels(2, 4, 8, 36, 32), axes=[*"tczyx"], levels=1),
    "many levels": lambda folder: of_one(folder, voxels(600, 500), levels=8),
    "flat": lambda folder: of_one(folder, voxels(1, 1, 1, 64, 900), axes=[*"tczyx"], levels=2),
    "lone": lambda folder: of_one(folder, voxels(9, 9, 9)),
    "line": lambda folder: of_one(folder, voxels(200), levels=2),
    "incomplete": lambda folder: of_one(folder, voxels(40, 36, 32), levels=2, damage="1/c/0"),
    "plate": plate,
    "gallery": gallery,
    "way to a plate": way_to_a_plate,
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", PAGES)
def test_a_page_reads_everywhere(tmp_path, browser, kind):
    path = tmp_path / "page.html"
    path.write_text(PAGES[kind](tmp_path), encoding="utf-8")
    reads_everywhere(browser, path.as_uri())


@pytest.mark.parametrize("kind", ["volume", "film", "plate"])
def test_a_page_prints(tmp_path, browser, kind):
    path = tmp_path / "page.html"
    path.write_text(PAGES[kind](tmp_path), encoding="utf-8")
    page = browser.new_page(viewport={"width": A4, "height": 1000}, color_scheme="dark")
    page.emulate_media(media="print")
    page.goto(path.as_uri())
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert overflow(page) <= 0
    wide = "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).length"
    assert page.eval_on_selector_all(".scroll, .command, .plot", wide) == 0
    assert not page.is_visible("button >> nth=0")
    ink = page.evaluate("getComputedStyle(document.body).color")
    assert ink == "rgb(0, 0, 0)"
    page.close()


def test_a_telephone_shows_all_that_was_decided_and_what_a_bar_means(tmp_path, browser):
    path = tmp_path / "page.html"
    text = of_one(tmp_path, voxels(3, 600, 500), axes=[*"cyx"], levels=4)
    path.write_text(text, encoding="utf-8")
    page = browser.new_page(viewport={"width": 400, "height": 900})
    page.goto(path.as_uri())
    for name in ("Levels", "Time and memory", "Decisions"):
        table = page.get_by_role("region", name=name, exact=True)
        assert table.evaluate("one => one.scrollWidth - one.clientWidth") == 0
    assert page.locator(".bar").count() == 2
    for bar in page.locator(".bar").all():
        assert bar.inner_text().endswith("voxels")
        assert bar.evaluate("one => one.scrollWidth + one.offsetLeft < one.parentNode.clientWidth")
    page.close()


@pytest.mark.parametrize("shape", [(1, 300), (300, 1)])
def test_pictures_of_a_thin_image_are_seen(tmp_path, browser, shape):
    path = tmp_path / "page.html"
    path.write_text(of_one(tmp_path, voxels(*shape), levels=2), encoding="utf-8")
    page = browser.new_page(viewport={"width": 400, "height": 900})
    page.goto(path.as_uri())
    assert page.locator(".frame").count() == 7
    for frame in page.locator(".frame").all():
        box = frame.bounding_box()
        assert min(box["width"], box["height"]) >= 12
        assert max(box["width"], box["height"]) <= 640
    page.close()


def test_commands_are_copied(tmp_path, browser):
    path = tmp_path / "page.html"
    path.write_text(PAGES["volume"](tmp_path), encoding="utf-8")
    context = browser.new_context()
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(path.as_uri())
    commands = page.locator(".command")
    assert commands.count() >= 5
    for number in range(commands.count()):
        command = commands.nth(number)
        command.locator("button").focus()
        page.keyboard.press("Enter")
        command.get_by_role("button", name="Copied").wait_for()
        text = command.locator("code").text_content()
        assert page.evaluate("navigator.clipboard.readText()") == text
    context.close()
