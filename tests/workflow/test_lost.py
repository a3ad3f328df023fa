"""A run over a level 0 that is lost, in whole or in part."""

from __future__ import annotations

import shutil

import zarr

IMAGE = {"store": "image.zarr", "levels": 2}


def test_a_lost_level_0_ends_a_run_and_a_lost_chunk_is_told_at_its_end(workspace):
    workspace.make("image.zarr")
    outcome = workspace.run(**IMAGE)
    assert "warning" not in outcome.text
    level_0 = workspace / "image.zarr/0"
    shutil.copytree(level_0, workspace / "copy")
    shutil.rmtree(level_0 / "c")
    for more in ((), ("--dry-run",)):
        outcome = workspace.run(*more, **IMAGE, code=1)
        assert "0 holds not one of its" in outcome.text
        assert "Traceback" not in outcome.text
    assert zarr.open_array(workspace / "image.zarr/2", mode="r")[...].any()
    shutil.copytree(workspace / "copy", level_0, dirs_exist_ok=True)
    workspace.run(**IMAGE)
    next(path for path in (level_0 / "c").rglob("*") if path.is_file()).unlink()
    outcome = workspace.run(**IMAGE)
    (line,) = [line for line in outcome.text.splitlines() if "warning: image: 1 of " in line]
    assert line.endswith("objects of level 0 are not there and read as fill value")
    assert (
        "objects of level 0 are not there"
        in ((workspace / "results/image/report.html").read_text().partition("</header>")[0])
    )
