"""What a run says last, from the logs and sentinels that stand there."""

from __future__ import annotations

import json
import os
import re

import numpy as np
import pytest
import zarr

from zarrpyramid.downsample import outdate_report, reported_faults, withdraw_results
from zarrpyramid.downsample.start import Start
from zarrpyramid.plan.run import Run
from zarrpyramid.report.closing import close_run
from zarrpyramid.report.markup import verdict

CAUSE = "zarrpyramid: error: "


@pytest.fixture
def start(tmp_path, monkeypatch):
    """The start of a run of two images with one level, of which nothing is made."""
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        group = zarr.create_group(tmp_path / f"{name}.zarr")
        group.create_array("0", data=np.ones((8, 8), "uint8"), chunks=(4, 4))
    images = {name: {"store": f"{name}.zarr", "levels": 1} for name in "ab"}
    results, logs = tmp_path / "results", tmp_path / "logs"
    begun = Start(Run({"images": images}, results="results", folder=results, logs=logs), print)
    begun.since -= 5
    begun.has_begun = True
    return begun


def tell(start, image, level, last):
    """Write the log of a job."""
    path = start.run.logs / image / f"{level}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"one line\n{last}\n", encoding="utf-8")


def make(start, image, *files):
    for file in files:
        path = start.run.folder / image / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}", encoding="utf-8")


def closing(start, capsys):
    close_run(start, start.run.folder, start.run.logs)
    return capsys.readouterr().err.splitlines()


def test_a_run_without_jobs_says_nothing(start, capsys):
    tell(start, "a", 0, f"{CAUSE}of a run before")
    os.utime(start.run.logs / "a/0.log", (start.since - 9,) * 2)
    assert closing(start, capsys) == []
    assert (start.run.folder / "summary.md").exists()


def test_a_run_that_finds_all_there_says_how_to_look_at_it(start, capsys):
    for image in "ab":
        make(start, image, "levels/0.json", "levels/1.json", "multiscales.json")
        make(start, image, "summary.md", "report.html")
    assert closing(start, capsys) == []  # as where Snakemake fails before the first job
    start.has_succeeded = True
    built, report, *_ = closing(start, capsys)
    assert "the pyramids of 2 images are complete" in built
    assert report == "  report: results/index.html"


def test_a_cause_is_said_once(start, capsys):
    for level in (0, 1):
        tell(start, "a", level, f"{CAUSE}no space")
    tell(start, "elsewhere", 0, f"{CAUSE}of another module")
    make(start, "a", "levels/0.json")
    assert closing(start, capsys) == [
        f"{CAUSE}a: no space (log: logs/a/1.log)",
        "zarrpyramid: a: level 0 is complete, level 1 is not",
        "zarrpyramid: b: none of levels 0 and 1 is complete",
        "zarrpyramid: 0 of 2 images are complete; fix that, and the same command goes on where "
        "this run stopped; summary: results/summary.md",
    ]


def test_six_lines_at_most(start, capsys):
    for image in "ab":
        for level in range(3):
            tell(start, image, level, f"{CAUSE}of {image}, level {level}")
    lines = closing(start, capsys)
    assert len(lines) == 6
    assert lines[3] == "zarrpyramid: and 3 more errors"
    assert lines[5].endswith("; summary: results/summary.md")


def test_a_quiet_run_that_goes_well_says_nothing(start, capsys):
    for image in "ab":
        tell(start, image, 1, "2026 INFO done in 0.1 s")
        make(start, image, "levels/0.json", "levels/1.json", "multiscales.json")
        make(start, image, "summary.md", "report.html")
    start.is_quiet = True
    assert closing(start, capsys) == []


def test_an_interrupt_is_no_failure(start, capsys):
    tell(start, "a", 1, "zarrpyramid: interrupted")
    make(start, "a", "levels/0.json", "levels/1.json")
    make(start, "b", "levels/0.json", "levels/1.json", "multiscales.json")
    make(start, "b", "summary.md", "report.html")
    assert closing(start, capsys) == [
        "zarrpyramid: interrupted",
        "zarrpyramid: a: all levels are complete, and the list of them or the report is not",
        "zarrpyramid: 1 of 2 images is complete; the same command goes on where this run stopped; "
        "summary: results/summary.md",
    ]
    assert "| a | absent | 2 of 2 |" in (start.run.folder / "summary.md").read_text()


def test_what_is_built_is_said_with_its_report(start, capsys):
    for image in "ab":
        tell(start, image, 1, "2026 INFO done in 0.1 s")
    make(start, "b", "levels/0.json", "levels/1.json", "multiscales.json")
    start.has_succeeded = True  # of a target of one image
    (start.run.logs / "b/1.json").write_text(json.dumps({"seconds": 1.0}), encoding="utf-8")
    built, report, *_ = closing(start, capsys)
    assert built.startswith("zarrpyramid: b: levels 0 to 1 are complete in ")
    assert report == "  report: results/b/report.html"
    assert "1 of 2 images is done" in (start.run.folder / "index.html").read_text()


def test_a_table_that_cannot_be_written_is_one_line(start, capsys):
    tell(start, "a", 1, f"{CAUSE}no space")
    start.run.folder.write_text("a file where the folder would be")
    assert closing(start, capsys)[0].startswith(f"{CAUSE}")


OLD = '<h1>a</h1><p class="verdict"><b>Complete</b> <span>All\nis there.</span></p><p>\\1 more</p>'
ALL = ("levels/0.json", "levels/1.json", "multiscales.json")
OUTDATED = {
    # Sentinels of image a after the run, the last line of its newest log, what its report says.
    "all there": (ALL, "2026 INFO done in 0.1 s", ""),
    "failed": (ALL[:1], f"{CAUSE}no <space>", "no &lt;space&gt;."),
    "failed twice": (ALL[:1], f"{CAUSE}no space", "no space."),
    "failed beside its levels": (ALL, f"{CAUSE}not sound", "not sound."),
    "killed": (ALL[:2], "one line", "a job ended without a word: "),
    "interrupted": (ALL[:1], "zarrpyramid: interrupted", "level 0 is complete, level 1 is not."),
    "interrupted beside its levels": (ALL, "zarrpyramid: interrupted", ""),
    "stopped with another": (ALL[1:], None, "level 1 is complete, level 0 is not."),
}


@pytest.mark.parametrize(("there", "last", "said"), OUTDATED.values(), ids=OUTDATED)
def test_an_old_report_is_not_of_what_the_run_has_not_made(
    start, capsys, there, last, said, request
):
    make(start, "a", *there, "summary.md")
    report = start.run.folder / "a/report.html"
    report.write_text(OLD)
    if last:
        tell(start, "a", 1, last)
    for _ in range(2 if "twice" in request.node.name else 1):
        closing(start, capsys)
    if not said:
        assert report.read_text() == OLD
        assert (start.run.folder / "a/summary.md").exists()
        return
    head, _, rest = report.read_text().partition('<p class="verdict bad"><b>Incomplete</b> <span>')
    assert head == "<h1>a</h1>"
    assert rest.startswith(f"The newest run has not made it: {said}")
    assert rest.endswith(" All else on this page is of a run before.</span></p><p>\\1 more</p>")
    assert not (start.run.folder / "a/summary.md").exists(), "the next run makes both again"


def test_a_report_is_taken_back_with_the_list_before_levels_are_made_again(start):
    """So that it does not call complete what a killed run has left."""
    make(start, "a", *ALL, "summary.md")
    report = start.run.folder / "a/report.html"
    report.write_text(OLD)
    withdraw_results(start.run.folder / "a")
    said = re.search("The newest run .*before\\.", report.read_text())[0]
    expected = OLD.replace(OLD[OLD.index("<p") : OLD.index("</p>") + 4], "{}")
    assert report.read_text() == expected.format(verdict(said, is_complete=False).rstrip())
    assert not (start.run.folder / "a/multiscales.json").exists()
    assert not (start.run.folder / "a/summary.md").exists()
    withdraw_results(start.run.folder / "b")  # of which nothing is there


WRONG = "Level 1 has other voxels than its record says; verify --repair makes <them> again"
SAYS = f"its report says Incomplete: {WRONG}"
MORE = "its report says Incomplete: the first of 2 reasons: Level 1 is odd; zarrpyramid verify "
MEND = "zarrpyramid: mend that, and the same command makes "
ONE = f"{MEND}that report again; report: results/a/report.html"
BOTH = f"{MEND}these reports again; summary: results/summary.md"
WHOLE = "zarrpyramid: b: levels 0 to 1 are complete in "
GOES_ON = "the same command goes on where this run stopped; summary: results/summary.md"
INCOMPLETE = {
    # What reports of a and b say, how the run ended, and the starts of its lines that are no ways
    # to look at an image.
    "one of two": ([WRONG], [], "well", [WHOLE, f"zarrpyramid: a: {SAYS}", ONE]),
    "in a module": ([WRONG], [], "unsaid", [WHOLE, f"zarrpyramid: a: {SAYS}", ONE]),
    "quiet": ([WRONG], [], "quiet", [f"zarrpyramid: a: {SAYS}", ONE]),
    "without a way out": (["Level 1 is odd", WRONG], [], "quiet", [f"zarrpyramid: a: {MORE}", ONE]),
    "both": ([WRONG], [WRONG], "well", [*(f"zarrpyramid: {n}: {SAYS}" for n in "ab"), BOTH]),
    "the other failed": (
        [WRONG],
        None,
        "failed",
        [
            f"{CAUSE}b: no space (log: logs/b/1.log)",
            f"zarrpyramid: a: {SAYS}",
            "zarrpyramid: b: none of levels 0 and 1 is complete",
            f"zarrpyramid: 0 of 2 images are complete; fix that, and {GOES_ON}",
        ],
    ),
}


@pytest.mark.parametrize(("a", "b", "ended", "starts"), INCOMPLETE.values(), ids=INCOMPLETE)
def test_a_run_calls_no_image_complete_whose_report_does_not(start, capsys, a, b, ended, starts):
    folder = start.run.folder
    for name, faults in {"a": a, "b": b}.items():
        tell(start, name, 1, f"{CAUSE}no space" if faults is None else "2026 INFO done in 0.1 s")
        if faults is not None:
            make(start, name, *ALL, "summary.md")
            said = verdict(*(f"{each}." for each in faults or ["All"]), is_complete=not faults)
            (folder / name / "report.html").write_text(f"<h1>{name}</h1>{said}<p>more</p>")
    start.has_succeeded, start.is_quiet = ended in ("well", "quiet"), ended == "quiet"
    lines = [line for line in closing(start, capsys) if not line.startswith("  ")]
    assert len(lines) == len(starts)
    for line, expected in zip(lines, starts, strict=True):
        assert line.startswith(expected)
    n_done = sum(faults == [] for faults in (a, b))
    for path, incomplete in {
        "summary.md": "| a | incomplete | ",
        "index.html": "incomplete: ",
    }.items():
        text = (folder / path).read_text()
        assert incomplete in text
        assert f"{n_done} of 2 images {'is' if n_done == 1 else 'are'} done" in text
    assert 'href="a/report.html"' in (folder / "index.html").read_text()


def test_what_a_report_says_is_read_of_the_newest_alone(start):
    folder = start.run.folder / "a"
    assert reported_faults(folder) == []
    make(start, "a", "summary.md", "report.html")
    assert reported_faults(folder) == []
    faults = ["One; a < b.", f"Two {'x' * (1 << 16)}."]
    (folder / "report.html").write_text(f"<h1>a</h1>{verdict(*faults, is_complete=False)}")
    assert reported_faults(folder) == faults
    (folder / "report.html").write_text(f"<h1>a</h1>{verdict('All.', is_complete=True)}")
    assert reported_faults(folder) == []
    (folder / "report.html").write_text(f"<h1>a</h1>{verdict(*faults, is_complete=False)}")
    outdate_report(folder, "no space")
    assert reported_faults(folder) == []
