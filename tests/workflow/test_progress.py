"""What a user sees of a run: on real terminals, of any size, and where no terminal is."""

from __future__ import annotations

import json
import re
import signal
import sys

import pytest

from processes import kill_all, members, wait_for
from terminals import Terminal

BAR = re.compile(r"[━╸─]{6,}")
# One level, made by a job that a test holds up.
SNAKEFILE = """
rule all:
    input: "results/brain/levels/1.json"

rule downsample_level:
    output: "results/{image}/levels/{level}.json"
    log: "logs/{image}/{level}.log"
    shell: "PYTHON job.py {log} && touch {output}"
"""
JOB = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.SIG_DFL)
from zarrpyramid.downsample import Note
with Note(sys.argv[1], 50) as note:
    for n in range(50):
        if n == 30:
            print("a word of the job's", file=sys.stderr)
        time.sleep(0.3 * (n == 25))  # so that it is noted
        while n > 25 and not Path("go").exists():
            time.sleep(0.01)
        note.update(1)
        time.sleep(0.04)
"""


def on_terminal(workspace, *arguments, columns=100, rows=30, **config):
    command = workspace.command(*arguments, **config)
    return Terminal(command, workspace.environment, columns=columns, rows=rows)


def bars(lines):
    """Return the lines with a bar, by what stands before it."""
    return {BAR.split(line)[0].strip(): line for line in lines if BAR.search(line)}


def at(*words):
    """Return what tells whether words stand on the screen."""
    return lambda lines: all(word in "".join(lines) for word in words)


@pytest.fixture
def slow(workspace):
    """A workflow whose one level goes on beyond half when there is a file `go`."""
    workspace.write("Snakefile", SNAKEFILE.replace("PYTHON", sys.executable))
    workspace.write("job.py", JOB)

    def run(*before, columns=100, rows=30, **environment):
        words = [*before, sys.executable, "-m", "snakemake", "--cores", "1"]
        words += ["--logger", "zarrpyramid"]
        surroundings = {**workspace.environment, **environment}
        return Terminal(words, surroundings, columns=columns, rows=rows, folder=workspace.folder)

    return workspace, run


@pytest.mark.slow
def test_a_bar_moves_while_words_are_said_and_the_window_changes(slow):
    workspace, run = slow
    with run(columns=120, NO_COLOR="1") as terminal:
        seen = set()

        def half(lines):
            seen.update(re.findall(r"level 1 .* (\d+) %", "\n".join(lines)))
            return at(" 52 %")(lines)

        terminal.read(half)
        assert len(seen) > 4, seen
        terminal.resize(40, 20)
        workspace.write("go", "")
        terminal.read(at("a word of the job's", " 80 %"))
        assert max(len(line.rstrip()) for line in terminal.screen.display) < 40
        terminal.resize(120, 20)
        assert terminal.finish() == 0
        lines = terminal.lines
    assert list(bars(lines)) == ["level 1", "all"]
    assert lines.index("a word of the job's") < lines.index("brain")
    assert [line.split()[0] for line in lines].count("level") == 1
    assert all("100 %" in line for line in bars(lines).values())
    assert not re.search(rb"\x1b\[[\d;]*m", terminal.bytes), "NO_COLOR"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_a_run_that_is_ended_leaves_the_terminal_in_order(slow, number):
    _, run = slow
    with run() as terminal:
        terminal.read(at(" 52 %"))
        if number == signal.SIGINT:
            terminal.type("\x03")
        else:
            terminal.process.kill()
            kill_all(terminal.process.pid)
        assert terminal.finish() != 0
        wait_for(lambda: not members(terminal.process.pid))
        lines = terminal.lines
    assert ("stopped" if number == signal.SIGINT else " 52 %") in bars(lines)["level 1"]
    assert (terminal.screen.cursor.x, terminal.screen.cursor.hidden) == (0, False)
    assert not any("Traceback" in line for line in lines)


@pytest.mark.slow
def test_a_run_goes_on_when_its_window_is_closed(slow):
    """More words than a pipe holds are said then, and come to no screen."""
    workspace, run = slow
    workspace.write("job.py", JOB.replace('"a word of the job\'s"', '"many words " * 20_000'))
    with run("bash", "-c", "trap '' HUP; exec \"$@\"", "-") as terminal:
        terminal.read(at(" 52 %"))
        terminal.close()
        workspace.write("go", "")
        assert terminal.process.wait(60) == 0
    assert (workspace / "results/brain/levels/1.json").exists()


@pytest.mark.slow
def test_a_bar_a_level_and_one_of_all_that_takes_long(workspace):
    """The workflow itself: a test image, levels, counts of labels, and then `verify`."""
    demo = {"demo": json.dumps({"shape": [48, 48, 48], "chunks": [8, 8, 8]}), "levels": 2}
    labels = {"method": "mode", "label_report": "true"}
    with on_terminal(workspace, **demo, **labels) as terminal:
        assert terminal.finish() == 0
        lines = terminal.lines
    *levels, one, other, every = bars(lines)
    assert levels == ["level 0", "level 1", "level 2"]
    assert ({one, other}, every) == ({"labels", "report"}, "all")  # of which either may come first
    assert all("100 %" in line for line in bars(lines).values())
    assert re.search(r"  24 x 24 x 24 +\d+\.\d s$", bars(lines)["level 1"])
    assert re.search(r"  8 of 8 jobs +\d+\.\d s$", bars(lines)["all"])
    # What Snakemake says before it has a logger, the name, bars, and what is there.
    assert len(lines) <= 2 + 6 + 6, lines
    assert at("zarrpyramid: demo: levels 0 to 2 are complete in ", "  report: ")(lines)
    assert (terminal.screen.cursor.x, terminal.screen.cursor.hidden) == (0, False)
    assert not list((workspace / "logs").rglob("*.progress"))
    for log in (workspace / "logs/demo").glob("*.log"):
        assert "%" not in log.read_text(encoding="utf-8")
    with on_terminal(workspace, "verify", **demo, **labels) as terminal:
        assert terminal.finish() == 0
        assert list(bars(terminal.lines)) == ["verify", "all"]


@pytest.mark.slow
def test_the_error_of_a_job_is_the_end_of_the_screen(workspace):
    workspace.make("image.zarr", (20, 18))
    chunk = workspace / "image.zarr/0/c/1/1"
    chunk.write_bytes(chunk.read_bytes()[:-9])
    with on_terminal(workspace, columns=400, store=workspace / "image.zarr", levels=2) as terminal:
        assert terminal.finish() != 0
        lines = terminal.lines
    assert "failed" in bars(lines)["level 1"]
    cause, state, last = lines[-3:]
    assert cause.startswith("zarrpyramid: error: image: ")
    assert cause.endswith("logs/image/1.log)")
    assert "level 0 is complete, levels 1 and 2 are not" in state
    assert "goes on where this run stopped" in last
    assert len(lines) <= 2 + 5 + 3, lines


@pytest.mark.slow
def test_short_lines_where_no_terminal_is(workspace):
    workspace.make()
    image = {"store": workspace / "image.zarr", "field": "raw", "levels": 2}
    outcome = workspace.run(**image)
    assert outcome.jobs == ["0", "1", "2", "list", "summary"]
    assert [re.sub(r"\d+\.\d s$", "T", line) for line in outcome.lines[1:5]] == [
        "image-raw, level 0: 21 x 18 x 13, T",
        "image-raw, level 1: 11 x 9 x 7, T",
        "image-raw, level 2: 6 x 5 x 4, T",
        "image-raw, report: T",
    ]
    assert outcome.lines[5].startswith("zarrpyramid: image-raw: levels 0 to 2 are complete in ")
    assert len(outcome.lines) <= 1 + 4 + 6
    assert "\x1b" not in outcome.text
    assert workspace.run("--quiet", "all", "-R", "write_multiscales", **image).lines[1:] == []
    verbose = workspace.run("--verbose", **image)
    assert "Building DAG of jobs..." in verbose.lines
    again = workspace.run(**image)
    assert again.lines[1:] == [
        "Nothing to be done (all requested files are present and up to date).",
        *outcome.lines[5:],
    ]
    assert workspace.run("--quiet", "all", **image).lines[1:] == []
