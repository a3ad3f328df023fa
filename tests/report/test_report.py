"""The report: what it reads, what it shows, and that it needs nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import os
import re
import shlex
from html.parser import HTMLParser

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from zarrpyramid import build_pyramid
from zarrpyramid.cli.program import main
from zarrpyramid.config import image_config
from zarrpyramid.downsample.pyramid import find_image
from zarrpyramid.plan import DECISION_COLUMNS, open_image
from zarrpyramid.report import charts, figures
from zarrpyramid.report import slices as previews
from zarrpyramid.report.detail import find_detail
from zarrpyramid.report.facts import level_facts
from zarrpyramid.report.page import LARGEST, report_pyramid
from zarrpyramid.report.slices import read_previews
from zarrpyramid.report.zoom import _touched

LOADS = {"src", "srcset", "data", "poster", "background", "action"}
VOID = {"meta", "img"}


class Page(HTMLParser):
    """A page's tags with their attributes and its text; nesting is checked on the way."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.words = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(self.words)


def pyramid(tmp_path, voxels, *, chunks=16, **settings):
    path = tmp_path / "image.zarr"
    chunks = tuple(min(chunks, extent) for extent in voxels.shape)
    zarr.create_group(path).create_array("0", data=voxels, chunks=chunks)
    settings = {"levels": 2, **settings}
    records = build_pyramid(path, progress=False, **settings)
    return find_image(str(path), "", settings), records


def report(tmp_path, voxels, **settings):
    image, records = pyramid(tmp_path, voxels, **settings)
    logs = tmp_path / "logs"
    logs.mkdir()
    for level in range(1, len(records)):
        (logs / f"{level}.json").write_text(json.dumps({"seconds": 0.5}))
    text = report_pyramid(image, records, level_facts(image, records, logs))
    assert len(text.encode()) < LARGEST
    return Page(text), text


def ramp(shape, dtype="uint16"):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def with_gaps():
    voxels = ramp((40, 36, 32), "float32")
    voxels[20] = np.nan
    voxels[3, 3, 3] = np.inf
    return voxels


# name: (voxels, settings, planes, channels, headings)
ALL = ["Pictures", "Levels", "Values", "Time and memory", "Open it", "How it was made"]
KINDS = {
    "volume": (ramp((40, 36, 32)), {}, 3, 1, ALL),
    "plane": (ramp((40, 36)), {}, 1, 1, ALL),
    "film": (ramp((2, 3, 8, 36, 32)), {"axes": ["t", "c", "z", "y", "x"], "levels": 1}, 3, 3, ALL),
    "flat": (ramp((1, 1, 1, 36, 32)), {"axes": ["t", "c", "z", "y", "x"]}, 1, 1, ALL),
    "labels": (ramp((40, 36, 32)) // 999, {"method": "mode"}, 3, 1, [*ALL[:2], *ALL[3:]]),
    "gaps": (with_gaps(), {"method": "nanmean"}, 3, 1, ALL),
    "bool": (ramp((40, 36, 32)) % 3 == 0, {}, 3, 1, ALL),
    "complex": (ramp((40, 36, 32)) * (1 + 1j), {}, 3, 1, ALL),
    "constant": (np.full((40, 36, 32), 7, "uint8"), {}, 3, 1, ALL),
    "lone": (ramp((8, 8, 8)), {"levels": "auto"}, 3, 1, [*ALL[:3], *ALL[4:]]),
    "line": (ramp((200,)), {}, 0, 1, ALL[1:]),
}


@pytest.mark.sampled(4)
@pytest.mark.filterwarnings("ignore:Numpy_dtype")
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_image_has_its_page(tmp_path, kind):
    voxels, settings, n_planes, n_channels, headings = KINDS[kind]
    found, text = report(tmp_path, voxels, **settings)
    assert re.findall(r"<h2 id=\"\w+\">(.*?)</h2>", text) == headings
    assert [link["href"] for link in found.all("a") if link["href"][0] == "#"] == [
        f"#{heading['id']}" for heading in found.all("h2")
    ]
    n_levels = len(zarr.open_group(tmp_path / "image.zarr"))
    # At each level the first plane and a loupe on it, then the planes, then the channels.
    n_strip = 2 * n_levels if n_planes and n_levels > 1 else 0
    pictures = found.all("img")
    assert len(pictures) == n_strip + n_planes + (n_channels if n_channels > 1 else 0)
    assert "Complete" in found.text
    assert all(len(image["alt"]) > 10 for image in pictures)
    charts = [each for each in found.all("div") if each.get("role") == "img"]
    assert len(charts) == len(found.all("svg")) == ("Values" in headings)
    assert all(len(chart["aria-label"]) > 10 for chart in charts)


def test_what_matters_of_a_level_comes_first(tmp_path):
    found, text = report(tmp_path, ramp((40, 36, 32)))
    first, rest = (
        re.findall(r'<th scope="col"[^>]*>(.*?)</th>', table)
        for table in re.findall(r"<table[^>]*>.*?</table>", text, re.DOTALL)[:2]
    )
    assert first == [
        *("level", "shape", "voxel size", "factors", "chunks", "files", "bytes", "mean", "drift")
    ]
    assert rest == ["level", "shards", "of raw", "min", "max", "NaN", "digest"]
    assert text.index("<details>") < text.index("of raw")
    # The levels are of even extents: the mean stays, but for rounding.
    assert "The mean drifts by at most 0.5" in found.text


def test_all_levels_show_the_depth_of_the_middle_of_level_0(tmp_path):
    image, records = pyramid(tmp_path, ramp((30, 32, 32)))
    found, _ = read_previews(image, records)
    for level, plane in enumerate((15, 7, 3)):  # level 2 has 8 planes
        stored = zarr.open_array(tmp_path / f"image.zarr/{level}", mode="r")
        np.testing.assert_array_equal(found[level].slices[0].pixels, stored[plane])


def test_the_day_is_that_of_the_last_job(tmp_path):
    image, records = pyramid(tmp_path, ramp((40, 36, 32)))
    for level, ended in enumerate((1e9, 2e9, 1.5e9)):
        (tmp_path / f"{level}.json").write_text(json.dumps({"seconds": 0.5}))
        os.utime(tmp_path / f"{level}.json", (ended, ended))
    facts = level_facts(image, records, tmp_path)
    text = report_pyramid(image, records, facts)
    assert "2033-05-18 03:33 UTC" in text
    assert report_pyramid(image, records, facts) == text  # no clock is asked


def test_an_image_at_an_https_address_has_links_to_pages_that_open_it(tmp_path):
    image, records = pyramid(tmp_path, ramp((40, 36, 32)))
    facts = level_facts(image, records, tmp_path)
    here = Page(report_pyramid(image, records, facts))
    assert "zarrpyramid info URL" in here.text
    image.store.web_address = "https://images.org/lab"
    there = Page(report_pyramid(image, records, facts))
    links = [link["href"] for link in there.all("a")]
    assert not {*links} <= {link["href"] for link in here.all("a")}
    assert "https://ome.github.io/ome-ngff-validator/?source=https://images.org/lab" in links


def test_the_lines_of_a_report_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    _, text = report(tmp_path, ramp((40, 36, 32)))
    lines = [
        html.unescape(line) for line in re.findall(r"<pre><code>(.*?)</code>", text, re.DOTALL)
    ]
    (program,) = [line for line in lines if line.startswith("import")]
    exec(program, {})
    assert "(10, 9, 8)" in capsys.readouterr().out
    for name in ("status", "verify", "reproduce"):
        (line,) = [line for line in lines if f"zarrpyramid {name}" in line]
        words = shlex.split(line.partition("zarrpyramid ")[2].partition(" > ")[0])
        assert main(words) == 0
    assert "levels: 2" in capsys.readouterr().out


def test_counts_of_ids_are_linked(tmp_path):
    _, records = pyramid(tmp_path, ramp((40, 36, 32)) // 999, method="mode")
    keys = {"store": str(tmp_path / "image.zarr"), "levels": 2, "method": "mode"}
    image = open_image(image_config("cells", {**keys, "label_report": True}))
    found = Page(report_pyramid(image, records, level_facts(image, records, tmp_path)))
    links = [link["href"] for link in found.all("a")]
    assert {"labels.md", "labels-vanished.tsv", "labels.json"} <= set(links)


def test_nothing_is_loaded_from_elsewhere(tmp_path):
    found, text = report(tmp_path, ramp((40, 36, 32)))
    for tag, attributes in found.tags:
        assert tag not in {"link", "iframe", "object", "embed", "base"}
        for name in LOADS & set(attributes):
            assert attributes[name].startswith("data:image/")
        assert "href" not in attributes or tag == "a"
        assert "url(" not in (attributes.get("style") or "")
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.S)
    assert "url(" not in style
    assert "@import" not in style
    (policy,) = [meta["content"] for meta in found.all("meta") if "http-equiv" in meta]
    assert "default-src 'none'" in policy
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy  # and no other


def test_what_was_decided_is_shown(tmp_path):
    image, records = pyramid(tmp_path, ramp((40, 36, 32)), levels="auto")
    found = Page(report_pyramid(image, records, level_facts(image, records, tmp_path)))
    cells = [word.strip() for word in found.words]
    for row in [DECISION_COLUMNS, *(decision.row for decision in image.plan.decisions)]:
        assert any(cells[start : start + 4] == [*row] for start in range(len(cells))), row


def test_no_voxel_size_stands_at_the_head_where_none_is_known(tmp_path):
    _, text = report(tmp_path, ramp((40, 36)))
    head = text[: text.index("<nav")]
    assert "Voxel size unknown along y, x" in head
    assert "<dt>voxel size</dt>" not in head


def test_cells_that_stand_one_below_the_other_have_the_names_of_their_columns(tmp_path):
    _, text = report(tmp_path, ramp((40, 36)))
    assert '<td data-column="shape">40 \u00d7 36</td>' in text
    assert '<th scope="row" data-column="level">1</th>' in text


def test_given_voxel_sizes_are_shown_with_their_unit(tmp_path):
    found, _ = report(tmp_path, ramp((40, 36, 32)), voxel_size={"z": 2.0}, unit="micrometer")
    cells = [word.strip() for word in found.words]
    assert cells[cells.index("voxel size") + 1] == "2 \u00d7 1 \u00d7 1 \u00b5m"
    assert "2 \u00d7 2 \u00d7 2 \u00b5m" in cells[cells.index("factors") :]
    for row in (("voxel_size", "{z: 2}"), ("unit", "micrometer")):
        assert cells[(at := cells.index(row[0])) : at + 4] == [*row, "given", "-"]


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("dtype", "settings", "expected"),
    [
        ("uint16", {}, "of the finer level that it covers, their exact mean, rounded half to even"),
        (
            "uint8",
            {"rounding": "once"},
            "voxels of level 0 that it covers, their exact mean, round",
        ),
        ("float32", {}, "of the finer level that it covers, their exact mean."),
        ("bool", {}, "True where more than half of them are."),
        ("uint8", {"nodata": 0}, "(no data if they are less than 0.5 of them), their exact mean, "),
    ],
)
def test_the_meaning_of_a_voxel_is_said_for_its_data_type(tmp_path, dtype, settings, expected):
    found, _ = report(tmp_path, ramp((20, 16)).astype(dtype), levels=1, **settings)
    assert expected in found.text


def test_names_are_text(tmp_path):
    attributes = {
        "ome": {
            "version": "0.5",
            "omero": {"channels": [{"label": "<script>alert(1)</script>", "window": {}}]},
        }
    }
    path = tmp_path / 'a<b>"&.zarr'
    voxels = ramp((1, 20, 20))
    zarr.create_group(path, attributes=attributes).create_array("0", data=voxels, chunks=(1, 8, 8))
    keys = {"axes": ["c", "y", "x"], "unit": {"x": "<i>"}}
    records = build_pyramid(path, progress=False, **keys)
    image = find_image(str(path), "", keys)
    text = report_pyramid(image, records, level_facts(image, records, tmp_path))
    assert "Channel 0: <script>alert(1)</script>" in Page(text).text
    assert text.count("<script") == 1
    assert "a<b>" not in text
    assert "<i>&lt;" not in text.replace("&lt;i&gt;", "")


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ({"z": "micrometer", "y": "micrometer", "x": "micrometer"}, "2 x 0.5 x 0.5 µm"),
        ({"y": "micrometer", "x": "micrometer"}, "2 (no unit) x 0.5 µm x 0.5 µm"),
        ({"t": "second"}, "2 x 0.5 x 0.5"),
        (
            {"t": "second", "z": "nanometer", "y": "micrometer", "x": "micrometer"},
            "2 nm x 0.5 µm x 0.5 µm",
        ),
    ],
    ids=["one unit", "z has none", "of time alone", "of each axis"],
)
def test_no_unit_is_said_of_an_axis_that_has_none(tmp_path, units, expected):
    sizes = {"z": 2, "y": 0.5, "x": 0.5}
    keys = {"axes": ["t", "z", "y", "x"], "voxel_size": sizes, "unit": units}
    image, records = pyramid(tmp_path, ramp((1, 8, 12, 10)), levels=1, **keys)
    text = Page(report_pyramid(image, records, level_facts(image, records, tmp_path))).text
    crosses = expected.replace(" x ", " \u00d7 ")
    assert f"voxel {crosses}" in text


@pytest.mark.parametrize("n_workers", [1, 3])
def test_slices_are_the_middle_of_the_voxels(tmp_path, n_workers):
    voxels = ramp((2, 3, 20, 36, 32))
    image, records = pyramid(tmp_path, voxels, axes=["t", "c", "z", "y", "x"], levels=1)
    found, edges = read_previews(image, records, n_workers=n_workers)
    volume = voxels[0]
    for channel in range(3):
        first, second, third = found[0].slices[3 * channel : 3 * channel + 3]
        np.testing.assert_array_equal(first.pixels, volume[channel, 10])
        np.testing.assert_array_equal(second.pixels, volume[channel, :, 18])
        np.testing.assert_array_equal(third.pixels, volume[channel, :, :, 16].T)
        assert {part.channel for part in (first, second, third)} == {channel}
    counts, _ = np.histogram(voxels, edges)
    np.testing.assert_array_equal(found[0].counts, counts)
    assert found[1].counts.sum() == voxels.size // 8


@pytest.mark.filterwarnings("ignore:Numpy_dtype")
def test_histograms_count_what_is_finite(tmp_path):
    voxels = with_gaps()
    image, records = pyramid(tmp_path, voxels, levels=1)
    found, edges = read_previews(image, records)
    assert found[0].counts.sum() == np.isfinite(voxels).sum()
    coarse = zarr.open_array(tmp_path / "image.zarr/1")[...]
    finite = coarse[np.isfinite(coarse)]
    assert (edges[0], edges[-1]) == (finite.min(), finite.max())


def test_bins_of_integers_hold_equally_many():
    assert previews._edges([0.0, 1.0], "bool").tolist() == [-0.5, 0.5, 1.5]
    edges = previews._edges([-5.0, 194.0], "int16")
    assert set(np.diff(edges)) == {4.0}
    assert edges[0] == -5.5
    assert edges[-1] >= 194.5
    assert previews._edges([3.0, 3.0], "float32")[[0, -1]].tolist() == [3.0, 4.0]
    assert previews._edges([], "uint8").size == 0


def test_no_more_is_decoded_than_the_budget_has(tmp_path, monkeypatch):
    voxels = ramp((64, 64, 64))
    image, records = pyramid(tmp_path, voxels, levels=2)
    decoded = []
    block = previews.read_chunk

    def counted(chunks, index):
        decoded.append(index)
        return block(chunks, index)

    monkeypatch.setattr(previews, "read_chunk", counted)
    monkeypatch.setattr(previews, "WHOLE", 32**3)
    per_chunk = 16**3 * 2
    # Level 2 has 1 chunk, level 1 has 8; three middle slices of level 0 touch 37 of 64.
    found, _ = read_previews(image, records, budget=(1 + 8 + 37) * per_chunk)
    assert len(decoded) == 1 + 8 + 37
    assert [preview.counts is None for preview in found] == [True, False, False]
    assert all(preview.slices and not preview.absent for preview in found)
    decoded.clear()
    found, _ = read_previews(image, records, budget=(1 + 8 + 36) * per_chunk)
    assert len(decoded) == 1 + 8
    assert [bool(preview.slices) for preview in found] == [False, True, True]
    assert found[0].absent.startswith("Level 0 is not shown: its middle slices lie in")


def test_a_report_says_which_level_has_no_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(read_previews, "__kwdefaults__", {"histograms": True, "budget": 20 * 8192})
    found, _ = report(tmp_path, ramp((64, 64, 64)), levels=2)
    assert "Level 0 is not shown" in found.text
    assert "Level 1 is the finest one here." in found.text


def test_a_report_stays_small(tmp_path, monkeypatch):
    noise = np.random.default_rng(1).integers(0, 2**16, (6, 32, 320, 320), "uint16")
    keys = {"axes": ["c", "z", "y", "x"], "levels": 2, "scale_factors": [1, 1, 2, 2]}
    monkeypatch.setattr("zarrpyramid.report.page.LARGEST", 400_000)
    image, records = pyramid(tmp_path, noise, chunks=64, **keys)
    text = report_pyramid(image, records, level_facts(image, records, tmp_path))
    assert len(text.encode()) < 400_000
    assert text.count("data:image/webp") == 2 * 3 + 3 + 6


def test_labels_keep_their_colours():
    def colours(ids):
        drawn = Image.open(io.BytesIO(figures.label_picture(ids, 99))).convert("RGB")
        return {
            int(i): tuple(c) for i, c in zip(ids.flat, np.array(drawn).reshape(-1, 3), strict=True)
        }

    many = colours(np.arange(400, dtype="uint32").reshape(20, 20))
    few = colours(np.array([[7, 0], [399, 7]], "int64"))
    assert many[0] == (0, 0, 0)
    assert all(few[name] == many[name] for name in few)
    assert len(set(many.values())) > 380


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_a_picture_shows_means(step):
    voxels = np.random.default_rng(1).random((25, 30))
    voxels[:8, :8] = np.nan
    found = figures.averaged(voxels, step)
    assert found.shape == (-(-25 // step), -(-30 // step))
    for row, column in np.ndindex(found.shape):
        window = voxels[step * row :, step * column :][:step, :step]
        expected = np.nanmean(window) if np.isfinite(window).any() else np.nan
        np.testing.assert_allclose(found[row, column], expected)


def test_channels_add_up_in_their_colours():
    planes = [np.array([[0, 10, 10]]), np.array([[0, 0, 20]]), np.array([[0.0, np.nan, np.nan]])]
    drawn = figures.colour_picture(
        planes, [(0, 10), (0, 20), (0, 1)], ["FF0000", "0000ff", "00FF00"], 9
    )
    assert np.array(Image.open(io.BytesIO(drawn)).convert("RGB")).tolist() == [
        [[0, 0, 0], [255, 0, 0], [255, 0, 255]]
    ]


@pytest.mark.parametrize("is_labels", [False, True])
@pytest.mark.parametrize(("height", "width"), [(300, 400), (90, 2000), (1500, 60)])
def test_the_loupe_is_on_what_has_structure(height, width, is_labels):
    plane = np.full((height, width), 7, "uint16")
    row, column = height * 2 // 3, width // 4
    plane[row : row + 20, column : column + 20] += np.indices((20, 20)).sum(0).astype("uint16") % 9
    coarse = plane[::2, ::2]
    detail = find_detail([[plane], [coarse]], [(0.0, 20.0)], width / height, is_labels=is_labels)
    assert detail.top <= row / height < detail.top + detail.height <= 1
    assert detail.left <= column / width < detail.left + detail.width <= 1
    shape = detail.width * width / (detail.height * height)
    assert 0.5 - 1e-9 <= shape <= 2 + 1e-9


def test_the_loupe_is_in_the_middle_where_all_is_alike():
    detail = find_detail([[np.zeros((30, 60))]], [(0.0, 1.0)], 2.0, is_labels=False)
    assert detail.top + detail.height / 2 == pytest.approx(0.5)
    assert detail.left + detail.width / 2 == pytest.approx(0.5)


@given(st.floats(0, 1), st.floats(0.001, 0.9), st.integers(1, 500), st.floats(0.8, 1.2))
def test_a_loupe_is_filled_by_the_voxels_that_it_touches(start, extent, n, cover):
    first, voxel = start * (1 - extent), cover / n  # n voxels may end before the frame, or beyond
    begin, end = _touched(first, extent, voxel, n)
    assert 0 <= begin < end <= n
    assert begin * voxel <= first + 1e-5 * voxel or begin == n - 1
    assert end * voxel >= first + extent - 1e-5 * voxel or end == n
    assert (end - begin) * voxel <= extent + 2 * voxel


def test_a_level_that_is_rounded_once_does_not_drift(tmp_path):
    """The bright voxels at the odd edge stand for less than the others."""
    voxels = ramp((9, 9, 9)) % 7
    voxels[-1], voxels[:, -1], voxels[..., -1] = 60000, 60000, 60000
    drifts = {}
    for rounding in ("each", "once"):
        place = tmp_path / rounding
        place.mkdir()
        _, text = report(place, voxels, rounding=rounding)
        (told,) = set(re.findall(r"The mean drifts by at most ([0-9.e+]+),", text))
        drifts[rounding] = float(told)
        assert ("rounding alone moves the mean, by half a unit at most" in text) == (
            rounding == "once"
        )
    assert drifts["each"] > 1000
    assert drifts["once"] <= 0.5


def test_a_histogram_is_drawn_on_a_logarithmic_axis():
    text = charts.histogram_chart([0.0, 1.0, 2.0, 3.0], {1: [1, 0, 99], 2: [10, 90, 0]})
    y = re.findall(r'<span class="y" style="top: (.*?)%">(.*?)</span>', text)
    assert y == [("0", "1"), ("50", "10⁻¹"), ("100", "10⁻²")]
    x = dict(re.findall(r'<span class="x" style="left: (.*?)%">(.*?)</span>', text))
    assert {"0": "0", "66.67": "2"}.items() <= x.items()
    _, gap, steps = re.findall(r'<path d="(.*?)"', text)  # an empty bin is a gap
    assert gap.startswith("M0.0 300.0H333.3M666.7 ")
    assert re.fullmatch(r"M0.0 150.0H333.3V[0-9.]+H666.7", steps)
    assert re.findall(r"level \d", text) == ["level 1", "level 2"]


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (0, 1),
        (-5, 194),
        (197.5776, 197.5787),
        (-1.7e308, 1.7e308),
        (2**63, 2**63 + 9999),
        (0, 0),
    ],
)
def test_ticks_are_few_round_and_different(low, high):
    found = charts.ticks(low, high, 4)
    assert len(found) <= 5
    assert len(found) >= 2 or low == high
    assert len({text for _, text in found}) == len(found)
    assert all(low <= value <= high for value, _ in found)


def test_a_window_is_never_empty():
    assert figures.contrast_window([np.full((4, 4), 7)]) == (6.0, 8.0)
    assert figures.contrast_window([np.full((4, 4), np.nan)]) == (0.0, 1.0)
    mostly = np.zeros((100, 100))
    mostly[0, 0] = 5
    assert figures.contrast_window([mostly]) == (0.0, 5.0)
