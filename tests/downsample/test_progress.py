"""How far a level is: lines in a log, a bar on a real terminal, and none in a pipe."""

from __future__ import annotations

import logging
import os
import pty
import subprocess
import sys
import threading
import time
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.downsample import progress
from zarrpyramid.downsample.progress import Progress, progress_line
from zarrpyramid.downsample.pyramid import find_image

VOXELS = 16**3
BAR = """
import sys, time
from zarrpyramid.downsample.progress import Progress
from zarrpyramid.downsample.pyramid import find_image
image = find_image(sys.argv[1], "raw", {"levels": 2})
with Progress(image, 1) as progress:
    for _ in range(4):
        progress.update(1024)
    print(progress._bar is not None, progress.n_voxels, flush=True)
    if len(sys.argv) > 2:
        sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("progress") / "brain.zarr"
    group = zarr.create_group(path)
    group.create_array("raw/0", data=np.ones((16, 16, 16), "uint16"), chunks=(4, 4, 4))
    return path


@pytest.fixture
def image(store):
    return find_image(store, "raw", {"levels": 2})


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def terminal():
    """A real terminal of 200 columns: its two ends."""
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


def read_all(end):
    """Return what stands on a terminal by now."""
    os.set_blocking(end, False)
    text = b""
    try:
        while part := os.read(end, 1 << 16):
            text += part
    except BlockingIOError:
        return text.decode()
    return text.decode()


def run(store, stderr, *more, **pipes):
    command = [sys.executable, "-c", BAR, str(store), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True, **pipes)


def test_a_log_has_a_line_now_and_then(image, clock, caplog):
    caplog.set_level(logging.INFO, "zarrpyramid.downsample.progress")
    with Progress(image, 1, shown=False) as counted:
        for seconds, n_voxels in ((0, 96), (29, 500), (1, 500), (29.5, 1), (0.5, 1999)):
            clock[0] += seconds
            counted.update(n_voxels)
    # Rates are of the time since the line before; what came first may have been kept from a run.
    assert caplog.messages == [
        "level 1: 1,096 of 4,096 voxels (26 %), 3.33e-05 Mvoxel/s, 0:01:30 left",
        "level 1: 3,096 of 4,096 voxels (75 %), 6.67e-05 Mvoxel/s, 0:00:15 left",
    ]
    assert counted.n_voxels == 3096


def test_a_job_tells_while_it_reads_and_not_only_at_its_end(store, monkeypatch, caplog):
    """Each task is counted when it is done, though results come in batches."""
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    caplog.set_level(logging.INFO, "zarrpyramid.downsample.progress")
    build_pyramid(store, "raw", levels=1, overwrite=True, n_workers=1, progress=False)
    lines = [told.getMessage() for told in caplog.records if told.name == progress.__name__]
    done = [int(line.split()[2].replace(",", "")) for line in lines]
    assert len(done) > 2
    assert done == sorted(done)
    assert done[-1] == VOXELS


def test_a_part_tells_which_it_is(store, clock, caplog):
    caplog.set_level(logging.INFO, "zarrpyramid.downsample.progress")
    image = find_image(store, "raw", {"levels": 2, "parts": 3})
    with Progress(image, 1, shown=False, part=2) as counted:
        counted.update(0)
        clock[0] += 30
        counted.update(1365)
        clock[0] += 30
        counted.update(35)  # an estimate is never told as more than all
    assert caplog.messages[0].startswith("level 1, part 2 of 3: 1,365 of 1,365 voxels (100 %)")
    assert caplog.messages[1].startswith("level 1, part 2 of 3: 1,400 of 1,400 voxels (100 %)")


def test_the_line_of_a_level_that_stands_still():
    assert progress_line(0, 10, 0.0) == "0 of 10 voxels (0 %), 0 Mvoxel/s, time left unknown"


def test_a_bar_on_a_terminal(store, terminal):
    ours, theirs = terminal
    job = run(store, theirs)
    assert job.communicate(timeout=60)[0] == "True 4096\n"
    text = read_all(ours)
    assert "brain-raw, level 1: 100%" in text
    assert "4.10k/4.10k" in text
    assert "voxel/s" in text


def test_none_in_a_pipe(store):
    job = run(store, subprocess.PIPE)
    assert job.communicate(timeout=60) == ("False 4096\n", "")


def test_one_bar_at_a_time_and_the_next_when_it_is_done(store, terminal, monkeypatch, image):
    ours, theirs = terminal
    job = run(store, theirs, "wait", stdin=subprocess.PIPE)
    assert job.stdout.readline() == "True 4096\n"
    other = run(store, theirs)
    assert other.communicate(timeout=60)[0] == "False 4096\n"
    monkeypatch.setattr(sys, "stderr", os.fdopen(os.dup(theirs), "w"))
    with Progress(image, 2) as counted:
        counted.update(64)
        assert "level 2" not in read_all(ours)
        job.communicate("\n", timeout=60)
        counted.update(64)
    assert "brain-raw, level 2: " in read_all(ours)
    sys.stderr.close()


def test_a_kernel_without_widgets_has_a_plain_bar_and_no_warning(image, monkeypatch, capsys):
    for name in ("tqdm.auto", "tqdm.autonotebook"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "ipykernel.zmqshell", SimpleNamespace())  # tqdm looks for it
    with warnings.catch_warnings(), Progress(image, 1, shown=progress.is_watched()) as bar:
        warnings.simplefilter("error")
        bar.update(VOXELS)
    shown = capsys.readouterr()
    assert "level 1: 100%" in shown.out
    assert shown.err == ""


def test_a_bar_starts_no_thread(image, capsys):
    """A process with a thread is not copied, so that its blocks would go slower than unseen."""
    before = threading.active_count()
    with Progress(image, 1, shown=True) as counted:
        counted.update(64)
        assert threading.active_count() == before
    assert "level 1" in capsys.readouterr().err
