"""What was decided for an image, as `plan`, the log of level 0 and the report show it."""

from __future__ import annotations

import logging

import zarr

from zarrpyramid.cli.program import main
from zarrpyramid.downsample import seal_base
from zarrpyramid.downsample.pyramid import find_image
from zarrpyramid.plan import DECISION_COLUMNS

CHOSEN = [
    ("axes", "[z, y, x]", "chosen", "nothing names them; the usual ones of 3 axes"),
    ("method", "mean", "chosen", "level 0 is an image"),
    ("levels", "2", "given", "-"),
]


def make(path):
    zarr.create_group(path).create_array("0", shape=(40, 36, 50), chunks=(8, 8, 8), dtype="u2")


def cells(line):
    return tuple(cell.strip() for cell in line.split("  ") if cell.strip())


def test_the_plan_shows_every_decision(tmp_path, capsys):
    make(tmp_path / "s.zarr")
    (tmp_path / "c.yaml").write_text(f"{{store: {tmp_path}/s.zarr, levels: 2}}")
    assert main(["plan", "--configfile", str(tmp_path / "c.yaml")]) == 0
    lines = [cells(line) for line in capsys.readouterr().out.splitlines()]
    table = lines[lines.index(DECISION_COLUMNS) :]
    assert [row for row in table if row in CHOSEN] == CHOSEN


def test_the_log_of_level_0_holds_every_decision(tmp_path, caplog):
    make(tmp_path / "s.zarr")
    image = find_image(tmp_path / "s.zarr", "", {"levels": 2})
    with caplog.at_level(logging.INFO, logger="zarrpyramid"):
        seal_base(image)
    told = [cells(line) for line in caplog.messages]
    assert [row for row in told if row in CHOSEN] == CHOSEN
    assert told[0] == DECISION_COLUMNS
    assert len(told[1:]) >= len(image.plan.decisions)
