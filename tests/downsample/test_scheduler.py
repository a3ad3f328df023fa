"""A dask scheduler of the user is seen wherever dask sees it; dask is not imported for nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import dask
import pytest
from dask import config
from dask.local import get_sync

from zarrpyramid.downsample import scheduler

CODE = """
import sys, threading
from zarrpyramid.downsample.run import run_blocks

def where(index):
    return threading.current_thread().name

names = set(run_blocks(where, (3,), n_workers=2))
print(names == {"MainThread"}, "dask" in sys.modules)
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Where dask reads files, and nothing else that it would read."""
    for name in [name for name in os.environ if name.startswith("DASK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DASK_ROOT_CONFIG", str(tmp_path / "root"))
    return tmp_path


@pytest.mark.parametrize(
    ("given", "files"),
    [
        ({"DASK_SCHEDULER": "threads"}, {}),
        ({"DASK_scheduler": "threads"}, {}),
        ({"DASK_INTERNAL_INHERIT_CONFIG": config.serialize({"scheduler": "threads"})}, {}),
        ({}, {".config/dask/dask.yaml": "# scheduler: sync\nscheduler: threads  # fast\n"}),
        ({}, {".config/dask/jobs.yml": "{a: 1, 'scheduler': threads}"}),
        ({}, {"root/a.json": '{"scheduler": "threads"}'}),
        ({"DASK_CONFIG": "{home}/mine"}, {"mine": "scheduler: threads"}),
        ({"DASK_CONFIG": "{home}/mine"}, {"mine/a.yaml": "scheduler: threads"}),
        ({"DASK_ROOT_CONFIG": "{home}/mine"}, {"mine/a.yaml": '"scheduler": threads'}),
    ],
)
def test_what_dask_reads_is_asked_of_dask(home, monkeypatch, given, files):
    for name, value in given.items():
        monkeypatch.setenv(name, value.replace("{home}", str(home)))
    for name, text in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    assert config.collect(config._get_paths()).get("scheduler") == "threads"
    assert scheduler._may_be_set()


def test_dask_is_not_imported_for_files_that_set_nothing(home, monkeypatch):
    monkeypatch.setenv("DASK_CONFIG", str(home / "absent"))
    monkeypatch.setenv("DASK_TEMPORARY_DIRECTORY", "/tmp")
    (home / ".config/dask").mkdir(parents=True)
    (home / ".config/dask/dask.yaml").write_text("# scheduler: threads\narray:\n  rechunk: 1\n")
    (home / "root").mkdir()
    (home / "root/notes.txt").write_text("scheduler: threads")  # dask reads no such file
    assert config.collect(config._get_paths()).get("scheduler") is None
    assert not scheduler._may_be_set()


def test_what_is_set_in_the_process_is_seen(home):
    assert scheduler.users_scheduler() is None
    with dask.config.set(scheduler="sync"):
        assert scheduler.users_scheduler() is get_sync


@pytest.mark.parametrize("is_set", [True, False])
def test_blocks_of_threads_run_by_the_scheduler_of_the_environment(home, is_set):
    environment = {**os.environ, **({"DASK_SCHEDULER": "sync"} if is_set else {})}
    run = [sys.executable, "-c", CODE]
    told = subprocess.run(run, env=environment, capture_output=True, text=True, check=True).stdout
    assert told == f"{is_set} {is_set}\n"
