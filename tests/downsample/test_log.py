"""What a job tells: one line for the user, the traceback in its log, seconds beside it."""

from __future__ import annotations

import gc
import json
import logging
import os
import re
import signal
import time
from pathlib import Path

import pytest

from zarrpyramid.downsample.ended_jobs import failures, is_worth_saying, refusal_line
from zarrpyramid.downsample.log import ends_quietly, job_log
from zarrpyramid.errors import ConfigError, StoreError

LOGGER = logging.getLogger("zarrpyramid.somewhere")


@pytest.fixture
def paths(tmp_path):
    folder = tmp_path / "image"
    folder.mkdir()
    return str(folder / "1.log"), str(folder / "1.json")


def read(path):
    return Path(path).read_text(encoding="utf-8")


def test_a_job_that_goes_well(paths):
    before = list(logging.getLogger("zarrpyramid").handlers)
    with job_log(*paths) as told:
        LOGGER.info("reading %s", "this")
        told["n_voxels"] = 7
        time.sleep(0.01)
    found = json.loads(read(paths[1]))
    assert found["n_voxels"] == 7
    assert found["seconds"] >= 0.01
    assert found["cpu_seconds"] >= 0
    lines = read(paths[0]).splitlines()
    assert lines[0].endswith("INFO reading this")
    assert "INFO done in" in lines[-1]
    assert logging.getLogger("zarrpyramid").handlers == before
    with job_log(*paths):
        pass
    assert "reading this" not in read(paths[0])  # a log is of one run


def test_an_error_that_a_user_can_act_on_is_one_line(paths):
    with pytest.raises(SystemExit) as ended, job_log(*paths):
        raise StoreError("no\n  such store")
    assert ended.value.code == 1  # the run says the line last
    lines = read(paths[0]).splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "zarrpyramid: error: no such store"
    assert not Path(paths[1]).exists()


@pytest.mark.parametrize(
    ("error", "line"),
    [(KeyError("x"), "zarrpyramid: error: 'x'"), (ValueError(), "zarrpyramid: error: ValueError")],
)
def test_a_bug_keeps_its_traceback(paths, error, line):
    with pytest.raises(type(error)), job_log(*paths):
        raise error
    assert read(paths[0]).splitlines()[-1] == line


def test_last_words_of_many_jobs(tmp_path):
    logs = {}
    for number, name in enumerate(("b", "a", "fine")):
        folder = tmp_path / name
        folder.mkdir()
        logs[name] = str(folder / "1.log")
        try:
            with job_log(logs[name], str(folder / "1.json")):
                if name != "fine":
                    raise ConfigError(f"error of {name}")
        except SystemExit:
            pass
        os.utime(logs[name], (100 + number, 100 + number))
    assert [failure.line("here") for failure in failures(tmp_path)] == [
        "zarrpyramid: error: b: error of b (log: here)",
        "zarrpyramid: error: a: error of a (log: here)",
    ]
    assert [str(failure.log) for failure in failures(tmp_path)] == [logs["b"], logs["a"]]
    assert [failure.image for failure in failures(tmp_path, since=101)] == ["a"]
    assert failures(tmp_path / "absent") == []


def test_the_line_that_refuses_a_run():
    assert refusal_line({"a": "no store"}, 1) == "zarrpyramid: no store"
    refused = {"a": "no store", "b": "image b: no such axis"}
    start = (
        "zarrpyramid: 2 of 500 images cannot be built: image a: no store; image b: no such axis;"
    )
    assert refusal_line(refused, 500).startswith(start)
    assert "--keep-going" in refusal_line(refused, 500)
    many = refusal_line({f"i{number}": f"because {number}" for number in range(9)}, 500)
    assert "image i4: because 4; and 4 more; fix them" in many
    assert "because 5" not in many


def interrupt(number):
    """Send this process a signal, and wait for what it does."""
    os.kill(os.getpid(), number)
    time.sleep(60)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_job_without_a_traceback(paths, number):
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as ended, job_log(*paths):
        interrupt(number)
    assert ended.value.code == 128 + number
    assert signal.getsignal(number) is before
    assert read(paths[0]).splitlines()[-1] == "zarrpyramid: interrupted"
    (found,) = failures(Path(paths[0]).parents[1])
    assert found.is_interrupt


def test_ctrl_c_is_left_to_those_who_ignore_it(paths):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with job_log(*paths):
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert failures(Path(paths[0]).parents[1]) == []


def test_a_log_that_cannot_be_written_leaves_the_line_to_the_terminal(paths):

    def fail():
        Path(paths[0]).unlink()
        Path(paths[0]).mkdir()
        raise StoreError("no such store")

    with pytest.raises(SystemExit) as ended, job_log(*paths):
        fail()
    assert str(ended.value) == "zarrpyramid: error: no such store"


def test_a_job_that_was_killed_is_told_from_one_that_is_done(paths):
    with job_log(*paths):
        LOGGER.info("half")
        (found,) = failures(Path(paths[0]).parents[1])
        assert "it was killed, or memory or the disk ran out" in found.reason
    assert failures(Path(paths[0]).parents[1]) == []
    Path(paths[1]).unlink()  # the last line says it too
    assert failures(Path(paths[0]).parents[1]) == []


@pytest.mark.parametrize(
    ("rules", "exception", "status", "worth"),
    [
        ("/here/workflow/rules", "RuleException", 1, False),
        ("/here/workflow/rules", "RuleException", 130, False),
        ("/here/workflow/rules", "RuleException", 137, True),  # killed: nothing else says it
        ("/there/rules", "RuleException", 1, True),  # of another workflow
        ("/here/workflow/rules", None, 1, True),
    ],
)
def test_what_of_snakemakes_lines_is_worth_saying(rules, exception, status, worth):
    text = (
        f'RuleException:\nCalledProcessError in file "{rules}/levels.smk", line 37:\n'
        f"Command 'python level.py' returned non-zero exit status {status}."
    )
    record = logging.makeLogRecord({"msg": text, "exception": exception})
    assert is_worth_saying(record, "/here/workflow/rules") == worth


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_among_the_imports_ends_a_job_without_a_traceback(paths, number):
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as raised, ends_quietly(paths[0]):
        interrupt(number)
    assert raised.value.code == 128 + number
    assert signal.getsignal(number) == before
    (failure,) = failures(Path(paths[0]).parents[1])
    assert failure.is_interrupt


def test_nobody_looks_for_garbage_among_what_a_job_imports(paths):
    try:
        with ends_quietly(paths[0]):
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


def test_scripts_import_where_a_signal_ends_quietly():
    scripts = sorted((Path(__file__).parents[2] / "scripts").glob("*.py"))
    assert len(scripts) > 5
    for script in scripts:
        text = script.read_text(encoding="utf-8")
        first = re.findall(r"^from zarrpyramid.*$", text, re.MULTILINE)
        names, log = ("given_job, ", "job") if "given_job" in text else ("", "snakemake")
        assert first == [f"from zarrpyramid.downsample import ends_quietly, {names}job_log"]
        log += ".log" if names else ".log.text"
        assert f"\nwith ends_quietly({log}):\n" in text, script.name
