"""A run that is killed, and the one after it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time

import pytest

from processes import kill_all, wait_for

RAW = "image.zarr/raw"
IMAGE = {"store": "image.zarr", "field": "raw", "levels": 3, "chunks": "[8,8,8]"}


def is_whole_or_absent(level):
    """Tell whether a reader finds either all objects of a level or no level."""
    if not (level / ".zarray").exists():
        return True
    names = {path.name for path in level.iterdir()}
    return len([name for name in names if name[0].isdigit()]) == 4**3 or not names


@pytest.mark.slow
def test_a_run_that_is_killed_leaves_no_report_that_says_complete(workspace):
    workspace.make_slow()
    workspace.run(**IMAGE)
    report = workspace / "results/image-raw/report.html"
    assert "<b>Complete</b>" in report.read_text(encoding="utf-8")
    other = {**IMAGE, "scale_factors": "[1,2,2]", "levels": 2}
    process = workspace.start(output=subprocess.DEVNULL, **other)
    try:
        wait_for(lambda: not (workspace / "results/image-raw/multiscales.json").exists())
        wait_for(lambda: "<b>Incomplete</b>" in report.read_text(encoding="utf-8"))
    finally:
        kill_all(process.pid)
        process.wait()
    text = report.read_text(encoding="utf-8")
    assert "<b>Incomplete</b> <span>The newest run has not made it: it has not come to its" in text
    workspace.run("--unlock")
    workspace.run(**other)
    assert "<b>Complete</b>" in report.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_killed_snakemake_leaves_a_job_that_the_next_run_does_not_cross(workspace):
    workspace.make_slow()
    shutil.copytree(workspace / "image.zarr", workspace / "copy.zarr")
    workspace.run(**{**IMAGE, "store": "copy.zarr"})

    level = workspace / f"{RAW}/1"
    process = workspace.start(output=subprocess.DEVNULL, **IMAGE)
    try:
        wait_for(lambda: level.exists() and any(level.iterdir()))
        os.kill(process.pid, signal.SIGKILL)  # the job lives on
        process.wait()
        assert not (level / ".zarray").exists()
        workspace.run("--unlock")
        second = subprocess.Popen(
            workspace.command(**IMAGE),
            env=workspace.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        while second.poll() is None:
            assert is_whole_or_absent(level)
            time.sleep(0.001)
        told = second.communicate()[0]
        # Refused while the job still ran, or done after it had ended.
        assert second.returncode == 0 or "another process is building the levels" in told
        wait_for(lambda: (level / ".zarray").exists())
    finally:
        kill_all(process.pid)
    workspace.run("--unlock")
    assert workspace.run(**IMAGE).code == 0
    mine, undisturbed = (workspace.sentinels(name) for name in ("image-raw", "copy-raw"))
    assert mine == undisturbed
    assert not [path for path in workspace.files(RAW) if "partial" in str(path)]
