"""The lines that show a run, for terminals of any width and height."""

from __future__ import annotations

import re
import time

import pytest

from snakemake_logger_plugin_zarrpyramid.board import Board
from snakemake_logger_plugin_zarrpyramid.picture import Picture, Style, time_left

SHAPES = [(320, 256, 256), (160, 128, 128), (80, 64, 64)]
PLAIN = Style(has_colours=False, is_ascii=False)
STATS = {"seal_base": 1, "downsample_level": 2, "write_multiscales": 1, "summarize_pyramid": 1}


class Run:
    """A board, and the files of its jobs."""

    def __init__(self, folder, shapes, **stats):
        self.folder, self.board, self.last = folder, Board(), 0
        self.board.expect(shapes)
        self.board.plan({**stats, "total": sum(stats.values())})

    def start(self, rule, image="brain", log=None, **wildcards):
        self.last += 1
        wildcards = {key: str(value) for key, value in wildcards.items()}
        path = self.folder / f"{image}-{log or self.last}.log"
        named = {"image": image, **wildcards} if image else wildcards
        self.board.start(self.last, rule, named, [str(path)])
        return self.last, path

    def note(self, path, n_done, n_all):
        path.with_suffix(".progress").write_text(f"{n_done:>20} {n_all:>20}\n", encoding="ascii")
        self.board.look(time.time())

    def picture(self, columns=101, style=PLAIN, rows=24):
        lines = Picture(self.board, style, columns, time.time()).moving(rows)
        for text, used in lines:
            assert len(re.sub(r"\x1b\[\d+m", "", text)) == used < columns
        return [text.rstrip() for text, _ in lines]


@pytest.fixture
def brain(tmp_path):
    """A run of one image, whose level 0 is sealed and whose level 1 is half made."""
    run = Run(tmp_path, {"brain": SHAPES}, **STATS)
    job, _ = run.start("seal_base")
    run.board.finish(job)
    _, path = run.start("downsample_level", level=1)
    run.note(path, 50, 100)
    return run


def test_a_line_a_level_and_one_of_all(brain):
    title, *levels, report, last = brain.picture()
    assert title == "brain"
    assert [line.split()[:2] for line in levels] == [["level", "0"], ["level", "1"], ["level", "2"]]
    sealed, half, waiting = levels
    assert re.search(r"━{40} +100 %  320 x 256 x 256 +0\.0 s$", sealed)
    assert re.search(r" ━{20}─{20} +50 %  160 x 128 x 128$", half)
    assert re.search(r" ─{40} +80 x 64 x 64$", waiting)
    assert report.split() == ["report", "─" * 40]
    assert last.startswith("all       ━")
    assert "0 of 5 jobs" in last


@pytest.mark.parametrize("columns", [10, 20, 40, 57, 80, 101, 300])
@pytest.mark.parametrize("style", [PLAIN, Style(has_colours=True, is_ascii=True)])
def test_no_line_is_wider_than_the_terminal(brain, columns, style):
    lines = brain.picture(columns, style)
    assert len(lines) == 6
    if columns >= 20:
        assert "50 %" in lines[2]
    if columns >= 30:
        assert "━━" in lines[2] or "##" in lines[2]
    if style.is_ascii:
        assert "\n".join(lines).isascii()
    assert ("\x1b" in "".join(lines)) == style.has_colours


def test_a_low_terminal_has_one_line_an_image(brain):
    assert [line.split()[0] for line in brain.picture(rows=6)] == ["brain", "all"]
    assert "level 1" in brain.picture(rows=6)[0]
    assert [line.split()[0] for line in brain.picture(rows=2)] == ["and", "all"]


def test_the_parts_of_a_level_have_one_bar(tmp_path):
    run = Run(tmp_path, {"brain": SHAPES}, **STATS, open_level=1, downsample_part=4)
    job, _ = run.start("open_level", level=1)
    run.board.finish(job)
    for part in (1, 2, 3):
        job, path = run.start("downsample_part", level=1, part=part, n_parts=4)
        if part < 3:
            run.board.finish(job)
    run.note(path, 1, 2)
    (level,) = (line for line in run.picture() if "level 1" in line)
    assert " 62 %" in level
    # The one that gathers them knows that all are there, also those of an earlier run.
    job, _ = run.start("downsample_level", level=1)
    (level,) = (line for line in run.picture() if "level 1" in line)
    assert "100 %" in level


def test_many_images_have_one_bar_each_and_a_plate_one_a_batch(tmp_path):
    run = Run(tmp_path, {}, build_batch=28, summarize_images=1)
    jobs = [run.start("build_batch", image="", first=first, last=first + 127) for first in (1, 129)]
    run.note(jobs[0][1], 64, 128)
    first, second, last = run.picture()
    assert first.startswith("images 1 to 128   ━")
    assert "50 %" in first
    assert second.startswith("images 129 to 256 ─")
    assert "  1 %" in last
    run.board.finish(jobs[0][0])
    group = run.board.groups["images 1 to 128"]
    assert Picture(run.board, PLAIN, 80, time.time()).kept(group) == []  # 28 lines would stay


def test_an_image_that_failed_stays_and_moves_no_more(tmp_path):
    run = Run(tmp_path, {}, seal_base=30)
    job, _ = run.start("seal_base", image="a")
    run.start("seal_base", image="b")
    assert run.board.fail(job)
    assert run.board.fail(job), "Snakemake names the jobs of a group twice"
    assert [line.split()[0] for line in run.picture()] == ["b", "all"]
    ((line, _),) = Picture(run.board, PLAIN, 80, time.time()).kept(run.board.groups["a"])
    assert "failed" in line


def test_a_rule_of_somebody_elses_is_shown_and_its_error_is_snakemakes(tmp_path):
    run = Run(tmp_path, {}, segment=2)
    job, _ = run.start("segment", image="x")
    assert run.picture()[0].startswith("segment")
    assert not run.board.fail(job)


def test_rules_of_a_module_with_a_prefix(tmp_path):
    run = Run(tmp_path, {"brain": SHAPES}, mine_downsample_level=2, mine_seal_base=1)
    run.start("mine_downsample_level", level=1)
    assert [line.split()[:2] for line in run.picture()[1:3]] == [["level", "1"], ["level", "2"]]
    assert run.board.n_units == 1


def test_files_of_an_earlier_run_say_nothing(tmp_path):
    for name in ("brain-9.progress", "brain-9.json"):
        (tmp_path / name).write_text("100 100", encoding="ascii")
    run = Run(tmp_path, {"brain": SHAPES}, **STATS)
    _, path = run.start("downsample_level", log="9", level=1)
    run.board.look(time.time())
    assert "  0 %" in run.picture()[1]
    # A job of a group that was submitted whole ends unseen by Snakemake; its file of times says so.
    time.sleep(0.02)
    path.with_suffix(".progress").unlink()
    path.with_suffix(".json").write_text('{"seconds": 1}', encoding="ascii")
    run.board.look(time.time())
    assert "100 %" in run.picture()[1]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.2, "1 s left"), (59.5, "1:00 left"), (3600, "1:00:00 left")],
)
def test_a_time_for_people(seconds, text):
    assert time_left(seconds) == text
