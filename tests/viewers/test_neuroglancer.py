"""neuroglancer in a real browser: it reads each level, finds all, and draws all in one place."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from functools import partial
from urllib.parse import quote, unquote
from urllib.request import urlopen

import numpy as np
import pytest
import zarr
from PIL import Image

import zarrpyramid
from browsers import started_browser
from servers import web_server
from zarrpyramid.metadata.group import locate
from zarrpyramid.report.neuroglancer import viewer_state
from zarrpyramid.report.serving import FolderServer
from zarrpyramid.report.viewing import _client, served_paths
from zarrpyramid.share import pack

pytestmark = pytest.mark.system

FLAGS = (
    # No graphics card; root may not have a sandbox; no network.
    *("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    *("--ignore-gpu-blocklist", "--no-sandbox", "--disable-dev-shm-usage"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--disable-quic"),
)
WIDTH, HEIGHT = 640, 480
PIXELS = 4
"""Of the screen along a voxel of level 0."""
AT_LEVEL = [2 * PIXELS * 2**level for level in range(3)]
"""Pixels a voxel that show each level alone: voxels are twice as long along z."""
SHAPE = (61, 90, 110)
MARKER = ((24, 36), (40, 52), (60, 72))
"""Ends where voxels of level 2 do, so that its middle is the same at every level."""
PROBED = re.compile(r"/data/[^/]+/\.zarray")
"""What is asked for without being there: in v2, an array where the group is."""
UNIT = dict.fromkeys("zyx", "micrometer")


@pytest.fixture(scope="module")
def browser():
    with started_browser(FLAGS) as started:
        yield started


def voxels(dtype="uint8"):
    found = np.random.default_rng(3).integers(20, 60, SHAPE).astype(dtype)
    found[tuple(slice(*ends) for ends in MARKER)] = 250
    return found


def build(path, data, zarr_format=3, chunks=(16, 16, 16), shards=None, **settings):
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format).create_group("raw")
    group.create_array("0", data=data, chunks=chunks, shards=shards)
    sizes = {"z": 1.0, "y": 0.5, "x": 0.5}
    given = {"levels": 2, "scale_factors": 2, "voxel_size": sizes, "unit": UNIT, **settings}
    zarrpyramid.build_pyramid(path, "raw", **given)
    return path / "raw"


class Viewing:
    """A pyramid that is served to a browser, what was asked for, and what is on the screen."""

    def __init__(self, browser, path, served=None):
        self.browser, self.place, self.served = browser, locate(str(path), ""), served
        self.requests: list[tuple[str, int]] = []

    def __enter__(self):
        store, inside = self.place
        folders, groups = {"v": (_client(),)}, {}
        if store.archive and not self.served:
            groups["data"] = self.place
        else:
            folders["data"] = self.served or served_paths(store, inside)
        self.server = FolderServer(folders, groups=groups)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.handler = logging.Handler()
        self.handler.emit = self._note
        logger = logging.getLogger("zarrpyramid.report.serving")
        logger.addHandler(self.handler)
        logger.setLevel(logging.DEBUG)
        return self

    def __exit__(self, *exception):
        logging.getLogger("zarrpyramid.report.serving").removeHandler(self.handler)
        self.server.shutdown()
        self.thread.join()

    def _note(self, record):
        found = re.fullmatch(r"\w+ (\S+) (\d+)", record.getMessage())
        if found and self.server.token in found[1]:  # a closed page may still be asking another
            self.requests.append((found[1], int(found[2])))

    def state(self, **layer):
        """Return what `view` gives, with one section of known place and scale and nothing else."""
        state = viewer_state(*self.place, self.server.url("data"))
        return {
            **state,
            "layers": [{**given, **layer} for given in state["layers"]],
            "layout": "xy",
            "crossSectionScale": 1 / PIXELS,
            # In OME-NGFF the middle of the first voxel is at 0.
            "position": [(sum(ends) - 1) / 2 for ends in MARKER],
            "crossSectionBackgroundColor": "#000000",
            **dict.fromkeys(("showAxisLines", "showScaleBar", "showDefaultAnnotations"), False),
        }

    def picture(self, state):
        """Return the screen's pixels, once neuroglancer says that all is drawn."""
        page = self.browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        try:
            page.goto(f"{self.server.url('v')}index.html#!{quote(json.dumps(state))}")
            page.wait_for_function("window.viewer !== undefined")
            page.evaluate(
                "for (const name of ['showUIControls', 'showPanelBorders'])"
                " viewer.uiConfiguration[name].value = false"
            )
            page.wait_for_function("viewer.isReady()", polling=200, timeout=60_000)
            shot = page.screenshot()
        finally:
            page.close()
        assert errors == []
        return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")) / 255

    def levels_asked_for(self):
        """Return the number of requests for chunks by level; nothing absent was asked for."""
        found = Counter(
            int(match[1])
            for path, _ in self.requests
            if (match := re.match(r"/data/[^/]+/(\d)/(?!zarr\.json|\.z)", path))
        )
        absent = [path for path, status in self.requests if status >= 400]
        assert [path for path in absent if not PROBED.fullmatch(path)] == []
        return found


def middle(mask):
    """Return the mean row and column of pixels that are set."""
    return tuple(float(places.mean()) + 0.5 for places in np.nonzero(mask))


@pytest.mark.parametrize(
    ("zarr_format", "shards", "dtype"),
    [(2, None, "uint8"), (3, None, "uint16"), (3, (32, 32, 32), "float32")],
    ids=["v2", "v3", "sharded"],
)
def test_every_level_is_drawn_in_its_place(browser, tmp_path, zarr_format, shards, dtype):
    path = build(tmp_path / "image.zarr", voxels(dtype), zarr_format, shards=shards)
    for level in range(3):
        with Viewing(browser, path) as viewing:
            shown = viewing.picture(viewing.state(crossSectionRenderScale=AT_LEVEL[level]))
            asked = viewing.levels_asked_for()
        assert asked[level], level
        assert not any(asked[finer] for finer in range(level)), (level, asked)
        grey = shown.mean(axis=-1)
        grey[:70] = 0  # buttons, and names of axes
        # Noise around the marker, of which ever less is left.
        assert len(np.unique((grey * 255).round())) > 8, level
        # A missing translation is off by half a voxel of level 0 at level 1, by 1.5 at level 2.
        assert middle(grey > 0.7) == pytest.approx((HEIGHT / 2, WIDTH / 2), abs=PIXELS / 4), level
        assert (grey > 0.7).sum() == pytest.approx((12 * PIXELS) ** 2, rel=0.05), level


def test_a_single_file_is_drawn_by_view_and_by_the_viewer_itself(browser, tmp_path):
    file = pack(build(tmp_path / "image.zarr", voxels("uint16"), shards=(32, 32, 32))).file
    with Viewing(browser, file) as viewing:
        shown = viewing.picture(viewing.state(crossSectionRenderScale=AT_LEVEL[1]))
        assert viewing.levels_asked_for()[1]
    with Viewing(browser, file, (tmp_path,)) as viewing:
        source = f"{viewing.server.url('data')}{file.name}|zip:|zarr3:"
        scale = {"crossSectionRenderScale": AT_LEVEL[1]}
        itself = viewing.picture(viewing.state(source=source, **scale))
    np.testing.assert_array_equal(shown, itself)
    assert middle(shown[70:].mean(axis=-1) > 0.7)[1] == pytest.approx(WIDTH / 2, abs=PIXELS / 4)


def test_channels_are_layers_of_different_colours(browser, tmp_path):
    one = voxels("uint16")
    both = np.stack([one, np.roll(one, 20, axis=2)])
    path = build(tmp_path / "image.zarr", both, chunks=(1, 16, 16, 16), axes=["c", "z", "y", "x"])
    with Viewing(browser, path) as viewing:
        shown = viewing.picture(viewing.state())
        viewing.levels_asked_for()
    shown[:70] = 0
    red, green, blue = np.moveaxis(shown, -1, 0)
    # The colours that the group's omero gives them: magenta and green.
    first, second = (red > 0.7) & (blue > 0.7) & (green < 0.5), (green > 0.7) & (red < 0.5)
    assert middle(first) == pytest.approx((HEIGHT / 2, WIDTH / 2), abs=PIXELS / 4)
    assert middle(second) == pytest.approx((HEIGHT / 2, WIDTH / 2 + 20 * PIXELS), abs=PIXELS / 4)


def test_labels_are_segments_at_every_level(browser, tmp_path):
    labels = np.full(SHAPE, 1, "uint32")
    labels[tuple(slice(*ends) for ends in MARKER)] = 7
    path = build(tmp_path / "labels.zarr", labels, method="mode")
    colours = set()
    for level in range(3):
        with Viewing(browser, path) as viewing:
            state = viewing.state(crossSectionRenderScale=AT_LEVEL[level], selectedAlpha=1)
            assert [layer["type"] for layer in state["layers"]] == ["segmentation"]
            shown = (viewing.picture(state) * 255).round().astype(int)
            asked = viewing.levels_asked_for()
        assert asked[level], level
        assert not any(asked[finer] for finer in range(level)), (level, asked)
        colour = shown[HEIGHT // 2, WIDTH // 2]
        colours.add(tuple(colour.tolist()))
        segment = (shown == colour).all(axis=-1)
        assert middle(segment) == pytest.approx((HEIGHT / 2, WIDTH / 2), abs=PIXELS / 4), level
        assert segment.sum() == pytest.approx((12 * PIXELS) ** 2, rel=0.05), level
    assert len(colours) == 1


@pytest.mark.parametrize("is_on_the_web", [False, True])
def test_the_command_shows_it_and_ends_on_interrupt(browser, tmp_path, is_on_the_web):
    path = build(tmp_path / "my image.zarr", voxels())
    requests = []
    if is_on_the_web:  # by a server that lets no page from elsewhere read it
        with web_server(tmp_path, requests) as url:
            check_that_it_is_shown(browser, f"{url}/my image.zarr/raw")
        assert any("/raw/1/c/" in asked for _, asked in requests)
    else:
        check_that_it_is_shown(browser, path)


def check_that_it_is_shown(browser, path):
    command = [sys.executable, "-m", "zarrpyramid", "view", str(path), "--no-browser"]
    # A shell has the commands of a background job ignore the signal, and so their children.
    hears = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with (
        subprocess.Popen(command, preexec_fn=hears, **pipes) as run,
        contextlib.ExitStack() as stack,
    ):
        stack.callback(run.kill)
        said = [run.stdout.readline() for _ in range(3)]
        assert said[0] == f"{path} is at\n"
        url = said[2].strip()
        place = json.loads(unquote(url.partition("#!")[2]))["layers"][0]["source"]
        with urlopen(place.partition("|")[0] + "zarr.json") as document:
            assert json.load(document)["node_type"] == "group"
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(url)
        page.wait_for_function("window.viewer?.layerManager.managedLayers.length == 1")
        page.wait_for_function("viewer.isReady()", polling=200, timeout=60_000)
        page.close()
        run.send_signal(signal.SIGINT)
        assert run.wait(timeout=10) == 0
        assert run.stderr.read() == ""
        stack.pop_all()
