"""The table of what was built."""

from __future__ import annotations

import json
import os
import shlex

import numpy as np
import pytest
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.config import image_config
from zarrpyramid.downsample import failures
from zarrpyramid.plan.image import open_image
from zarrpyramid.report.facts import level_facts
from zarrpyramid.report.summary import (
    size_to_give,
    success_lines,
    summarize_pyramid,
    write_overview,
)

UNSIZED = (
    "voxel size unknown along y, x: voxels count as cubes; give "
    '--config "voxel_size={y: SIZE, x: SIZE}" unit=micrometer'
)


def rows(text, head="| level |"):
    """Return the rows of the table with a head."""
    table = text[text.index(head) :].partition("\n\n")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[1] == ["---"] * len(cells[0])
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


@pytest.mark.parametrize("shards", [None, (8, 8)])
def test_a_row_a_level(tmp_path, shards):
    voxels = np.arange(11 * 9, dtype="uint8").reshape(11, 9)
    group = zarr.create_group(tmp_path / "s")
    group.create_array("0", data=voxels, chunks=(4, 4), shards=shards, compressors=None)
    records = build_pyramid(tmp_path / "s", levels=2)
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "1.json").write_text(json.dumps({"seconds": 1.25}))
    (logs / "2.json").write_text("{")
    image = open_image(image_config("name", {"store": str(tmp_path / "s"), "levels": 2}))
    text = summarize_pyramid(image, level_facts(image, records, logs))
    assert text.startswith(f"# name\n\n`{tmp_path}/s`\n\n| level |")
    found = rows(text)
    decided = rows(text, "| setting |")
    assert [tuple(row.values()) for row in decided] == [item.row for item in image.plan.decisions]
    assert ("levels", "2", "given", "-") in [tuple(row.values()) for row in decided]
    assert [row["level"] for row in found] == ["0", "1", "2"]
    assert [row["shape"] for row in found] == ["11 x 9", "6 x 5", "3 x 3"]
    assert found[0]["chunks"] == ("4 x 4" if shards is None else "8 x 8")
    assert found[0]["objects"] == ("9" if shards is None else "4")
    assert [row["seconds"] for row in found] == ["-", "1.25", "-"]
    if shards is None:
        assert [row["bytes"] for row in found] == ["144", "64", "16"]
    # Level 0's statistics come from level 1's record.
    assert found[0] | {"mean": "49", "min": "0", "max": "98"} == found[0]
    assert found[0]["digest"] == f"`{records[1]['source']['digest']}`"
    for row, record in zip(found[1:], records[1:], strict=True):
        assert row["digest"] == f"`{record['digest']}`"
        assert float(row["mean"]) == pytest.approx(record["mean"], rel=1e-9)
        assert (row["min"], row["max"]) == (str(record["min"]), str(record["max"]))


def test_missing_objects_of_level_0_are_counted(tmp_path):
    voxels = np.arange(11 * 9, dtype="uint8").reshape(11, 9) + 1
    zarr.create_group(tmp_path / "s").create_array("0", data=voxels, chunks=(4, 4))
    keys = {"store": str(tmp_path / "s"), "levels": 1}
    for n_missing, gone in enumerate(("", "c/0/0", "c/2/1")):
        if gone:
            (tmp_path / "s/0" / gone).unlink()
        records = build_pyramid(tmp_path / "s", levels=1)
        image = open_image(image_config("name", keys))
        text = summarize_pyramid(image, level_facts(image, records, tmp_path))
        line = f"\n{n_missing} of 9 objects of level 0 are not there and read as fill value"
        assert (line in text) == (n_missing > 0)
        assert ("are not there" in text) == (n_missing > 0)


def test_values_that_json_has_no_number_for(tmp_path):
    voxels = np.full((8, 8), np.nan)
    voxels[0, 0] = np.inf
    zarr.create_group(tmp_path).create_array("0", data=voxels, chunks=(4, 4))
    records = build_pyramid(tmp_path, levels=1)
    image = open_image(image_config("name", {"store": str(tmp_path), "levels": 1}))
    found = rows(summarize_pyramid(image, level_facts(image, records, tmp_path)))
    assert [row["mean"] for row in found] == ["-", "-"]
    assert [row["max"] for row in found] == ["Infinity", "-"]


def test_one_level_alone(tmp_path):
    zarr.create_group(tmp_path).create_array("0", data=np.ones((4, 4)), chunks=(4, 4))
    records = build_pyramid(tmp_path)
    image = open_image(image_config("name", {"store": str(tmp_path)}))
    (row,) = rows(summarize_pyramid(image, level_facts(image, records, tmp_path)))
    assert (row["mean"], row["digest"]) == ("-", "`-`")


def test_a_row_an_image_whatever_became_of_it(tmp_path):
    since, results, logs = 1000.0, tmp_path / "results", tmp_path / "logs"
    images = {}
    for name in ("done", "failed", "absent"):
        store = tmp_path / f"{name}.zarr"
        zarr.create_group(store).create_array("0", data=np.ones((9, 5), "u1"), chunks=(4, 4))
        images[name] = open_image(image_config(name, {"store": str(store), "levels": 1}))
        (logs / name).mkdir(parents=True)
        (results / name / "levels").mkdir(parents=True)
        (results / name / "levels/0.json").touch()
    images["refused"] = None
    for file in ("levels/1.json", "multiscales.json", "summary.md", "report.html"):
        (results / "done" / file).touch()
    for level, seconds in enumerate((0.5, 1.25)):
        (logs / f"done/{level}.json").write_text(json.dumps({"seconds": seconds}))
    (logs / "failed/1.log").write_text("zarrpyramid: error: a | b is damaged\n")
    (logs / "absent/1.log").write_text("zarrpyramid: error: of a run before\n")
    os.utime(logs / "absent/1.log", (999, 999))

    failed = failures(logs, since=since)
    write_overview(images, {"refused": "no store"}, failed, results, logs)
    text = (results / "summary.md").read_text(encoding="utf-8")
    assert text.startswith("# Images\n\n1 of 4 images is done.\n\n| image | state | levels |")
    assert text.splitlines()[6:] == [
        f"| done | done | 2 of 2 | 9 x 5 | 45 | 1.750 | {tmp_path}/done.zarr |",
        r"| failed | failed | 1 of 2 | 9 x 5 | 45 | - | a \| b is damaged |",
        f"| absent | absent | 1 of 2 | 9 x 5 | 45 | - | {tmp_path}/absent.zarr |",
        "| refused | failed | - | - | - | - | no store |",
    ]


def test_the_lines_that_end_a_run(tmp_path, monkeypatch):
    voxels = np.ones((8, 8), "uint16")
    zarr.create_group(tmp_path).create_group("raw").create_array("0", data=voxels, chunks=(2, 2))
    keys = {"store": str(tmp_path), "field": "raw", "levels": 2}
    image = open_image(image_config("brain", keys))
    (tmp_path / "logs" / "brain").mkdir(parents=True)
    for level, told in enumerate(
        ({"voxels": 64, "seconds": 2e-6}, {"voxels": 16, "seconds": 2e-6})
    ):
        path = tmp_path / "logs" / "brain" / f"{level + 1}.json"
        path.write_text(json.dumps(told), encoding="utf-8")
    monkeypatch.setattr("zarrpyramid.report.summary.view_command", "see {}".format)
    monkeypatch.setattr("zarrpyramid.report.summary.napari_command", lambda group: "")
    monkeypatch.chdir(tmp_path)
    lines = success_lines([image], tmp_path / "results", tmp_path / "logs")
    assert lines == [  # 80 voxels of two bytes in 4 microseconds
        "zarrpyramid: brain: levels 0 to 2 are complete in raw (64 voxels, 4e-06 s of jobs, 0.04 "
        "GB/s)",
        "  report: results/brain/report.html",
        "  see raw",
        f"  {UNSIZED}",
    ]
    line = success_lines([image], tmp_path / "results", tmp_path / "absent")[0]
    assert line.endswith("raw (64 voxels)")
    results = tmp_path / "results"
    assert success_lines([image] * 21, results, tmp_path) == [
        "zarrpyramid: the pyramids of 21 images are complete (42 levels made); all of them: "
        "results/summary.md",
        "  report: results/index.html",
        "  see raw",
        f"  brain and 20 more: {UNSIZED}",
    ]
    line, report, *_ = success_lines([image], results, tmp_path, title="plate")
    assert line.startswith("zarrpyramid: plate: the pyramids of 1 image are complete (2 levels")
    assert report == "  report: results/plate/report.html"


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, UNSIZED),
        ({"voxel_size": [2, 0.5]}, ""),
        ({"voxel_size": {"y": 1}}, UNSIZED.replace("y, x", "x").replace("y: SIZE", "y: 1.0")),
    ],
)
def test_a_size_that_nothing_says(tmp_path, keys, expected):
    group = zarr.create_group(tmp_path / "a.zarr")
    group.create_array("0", data=np.ones((8, 8), "u1"), chunks=(4, 4))
    keys = {"store": str(tmp_path / "a.zarr"), "levels": 1, **keys}
    before = open_image(image_config("a", keys))
    assert size_to_give(before) == expected
    build_pyramid(**keys)
    after = open_image(image_config("a", keys))  # our list says no more than was known
    assert (size_to_give(after), after.plan.levels) == (expected, before.plan.levels)
    if expected:  # the way out
        from snakemake.cli import parse_config

        command = shlex.split(expected.partition("--config ")[2].replace("SIZE", "2"))
        told = image_config("a", {**keys, **parse_config(command)})
        assert open_image(told).plan.unsized == ()


def test_the_line_of_what_no_viewer_opens(tmp_path):
    zarr.create_group(tmp_path).create_array("0", data=np.ones(8, "uint8"), chunks=(2,))
    image = open_image(image_config("wave", {"store": str(tmp_path), "levels": 1}))
    *_, line, _ = success_lines([image], tmp_path, tmp_path)
    assert line.endswith(f"zarrpyramid status {tmp_path}")
