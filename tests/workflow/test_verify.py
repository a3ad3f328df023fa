"""The target `verify`: every pyramid proved anew, and a broken one told in one line."""

from __future__ import annotations

import json
import re
import shlex
import shutil

import pytest

from zarrpyramid.cli import main


@pytest.mark.slow
def test_a_run_verifies_each_time_and_fails_for_a_broken_store(workspace):
    workspace.make("image.zarr/raw", (21, 18, 13))
    settings = {"store": "image.zarr", "field": "raw", "levels": 2}
    assert workspace.run("verify", **settings).jobs[-1] == "verify"
    report = json.loads((workspace / "results/image-raw/verify.json").read_text())
    assert report["sound"] is True
    assert workspace.run("verify", **settings).jobs == ["verify"]
    one, other = (workspace / f"image.zarr/raw/1/c/{index}/0/0" for index in (0, 1))
    one_bytes = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(one_bytes)
    outcome = workspace.run("verify", code=1, **settings)
    # Level 2 was made of the voxels that are no longer there.
    assert "raw: NOT SOUND, " in outcome.text
    assert str(one) in outcome.text
    assert not (workspace / "results/image-raw/verify.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("is_swapped", [True, False])
def test_the_report_of_a_run_holds_levels_against_their_records(workspace, is_swapped):
    workspace.make("image.zarr/raw", (21, 18, 13))
    settings = {"store": "image.zarr", "field": "raw", "levels": 2}
    workspace.run(**settings)
    report = workspace / "results/image-raw/report.html"
    assert "The voxels of levels 0 to 2 were read for this report" in report.read_text()
    one, other = (workspace / f"image.zarr/raw/1/c/{index}/0/0" for index in (0, 1))
    if is_swapped:
        one.rename(one.with_name("aside"))
        other.rename(one)
        one.with_name("aside").rename(other)
    else:
        one.write_bytes(bytes(one.stat().st_size))
    shutil.rmtree(workspace / "results")
    outcome = workspace.run(**settings)
    expected = "Level 1 has other voxels" if is_swapped else "Level 1 cannot be read"
    assert f"<b>Incomplete</b> <span>{expected}" in report.read_text()

    said, last = (line for line in outcome.lines if line.startswith("zarrpyramid: "))
    assert said.startswith(f"zarrpyramid: image-raw: its report says Incomplete: {expected}")
    assert last.startswith("zarrpyramid: mend that, and the same command makes that report again; ")
    table = (workspace / "results/summary.md").read_text()
    assert "0 of 1 image is done" in table
    assert "| image-raw | incomplete | 3 of 3 |" in table
    again = workspace.run(**settings)
    assert again.jobs == ["summary"], "as it may be mended"
    assert said in again.lines
    words = shlex.split(re.findall(r"verify \S+ --\w+(?: --\w+)?", said)[-1])
    assert main(words) == 0
    mended = workspace.run(**settings)
    assert mended.jobs == ["summary"]
    assert "image-raw: levels 0 to 2 are complete" in mended.text
    assert "1 of 1 image is done" in (workspace / "results/summary.md").read_text()
    assert workspace.run(**settings).jobs == []
