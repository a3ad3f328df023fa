"""The last lines of a run that did not come to its end: why, what is complete, and how to go on."""

from __future__ import annotations

import os
import resource
import signal

import numpy as np
import pytest
import zarr

from processes import kill_all, members, wait_for
from zarrpyramid.cli import main

NOISE = ("Traceback", "RuleException", "Logfile", "KeyboardInterrupt")
GOES_ON = "the same command goes on where this run stopped; summary: "


def check_quiet(text):
    for noise in NOISE:
        assert noise not in text, text


def check_way_out(workspace, group, **config):
    """See that the same command goes on, and that `status` knows before and after."""
    assert main(["status", str(group)]) == 1
    outcome = workspace.run(**config)
    assert "0" not in outcome.jobs, "what was complete is not made again"
    assert main(["status", str(group)]) == 0
    return outcome


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_run_that_is_interrupted(workspace, number, capsys):
    workspace.make_slow("image.zarr")
    image = {"store": "image.zarr", "levels": 2}
    process = workspace.start(**image)
    try:
        level = workspace / "image.zarr/1"
        wait_for(lambda: level.exists() and any(level.iterdir()))
        os.killpg(process.pid, number)  # as a terminal sends Ctrl-C
        text = process.communicate()[0]
        wait_for(lambda: not members(process.pid))
    finally:
        kill_all(process.pid)
    assert process.returncode != 0
    check_quiet(text)
    assert text.rstrip().splitlines()[-3:] == [
        "zarrpyramid: interrupted",
        "zarrpyramid: image: level 0 is complete, levels 1 and 2 are not",
        f"zarrpyramid: {GOES_ON}{workspace.folder}/results/summary.md",
    ]
    assert (workspace / "results/summary.md").exists()
    workspace.run("--unlock", **image)
    assert check_way_out(workspace, workspace / "image.zarr", **image).jobs[:2] == ["1", "2"]
    assert "image.zarr/1: holds " in capsys.readouterr().err


@pytest.mark.system
def test_a_disk_that_fills_up(workspace, mount):
    place, page = mount("4m"), resource.getpagesize()
    group = zarr.open_group(place / "a.zarr", mode="w")
    array = group.create_array("0", shape=(64,) * 3, chunks=(16,) * 3, dtype="u2", compressors=None)
    array[...] = np.random.default_rng(0).integers(0, 60000, (64,) * 3, "u2")
    free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
    (place / "ballast").write_bytes(bytes(free - 9 * page))  # of the 16 that level 1 needs
    image = {"store": place / "a.zarr", "levels": 2, "compressor": "none", "force_space": "true"}
    outcome = workspace.run(**image, code=1)
    check_quiet(outcome.text)
    assert outcome.text.count("No space left on device") == 1
    cause, state, last = outcome.lines[-3:]
    assert cause.startswith(f"zarrpyramid: error: a: cannot write {place}/a.zarr/1/c/")
    assert cause.endswith(f"(log: {workspace.folder}/logs/a/1.log)")
    assert state == "zarrpyramid: a: level 0 is complete, levels 1 and 2 are not"
    assert last == f"zarrpyramid: fix that, and {GOES_ON}{workspace.folder}/results/summary.md"
    (place / "ballast").unlink()
    check_way_out(workspace, place / "a.zarr", **image)


@pytest.mark.slow
def test_a_job_that_is_killed_is_named(workspace):
    """As by a lack of memory: nothing is in its log."""
    workspace.make("image.zarr", (20, 18))
    workspace.copy_code()
    script = workspace.checkout / "scripts/write_multiscales.py"
    text = script.read_text(encoding="utf-8")
    end = "    import os\n    os.kill(os.getpid(), 9)\n    record ="
    script.write_text(text.replace("    record =", end), encoding="utf-8")
    image = {"store": "image.zarr", "levels": 1}
    outcome = workspace.run(**image, code=1)
    cause, state, last = outcome.lines[-3:]
    assert "image: a job ended without a word: it was killed, or memory or the disk" in cause
    assert cause.endswith("logs/image/multiscales.log)")
    assert state == (
        "zarrpyramid: image: all levels are complete, and the list of them or the report is not"
    )
    assert GOES_ON in last
    script.write_text(text, encoding="utf-8")
    check_way_out(workspace, workspace / "image.zarr", **image)


@pytest.mark.slow
def test_a_target_of_its_own_is_no_failure(workspace):
    workspace.make("image.zarr", (20, 18))
    image = {"store": "image.zarr", "levels": 2}
    outcome = workspace.run("results/image/levels/1.json", **image)
    assert not [line for line in outcome.lines if line.startswith("zarrpyramid: ")]
    lines = workspace.run(**image).lines
    (line,) = (line for line in lines if line.startswith("zarrpyramid: "))
    assert line.startswith("zarrpyramid: image: levels 0 to 2 are complete in ")
