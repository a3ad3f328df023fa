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
        for asked in (IMAGE, {"store": "image.zarr"}):  # small enough to stand alone
            outcome = workspace.run(*more, **asked, code=1)
            assert "0 holds not one of its" in outcome.text
            assert "levels 1, 2 may be all that is left" in outcome.text
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


def test_levels_that_a_run_removes_are_named_before(workspace):
    workspace.make("image.zarr", zarr_format=2)
    workspace.run(**IMAGE)
    said = "image.zarr will be removed, as the plan ends with level 1; to keep it give levels=2"
    for more in (("--dry-run",), ()):
        outcome = workspace.run(*more, **IMAGE | {"levels": 1})
        assert "zarrpyramid: warning: level 2 of" in outcome.text
        assert said in outcome.text
    assert not (workspace / "image.zarr/2").exists()
    assert "will be removed" not in workspace.run(**IMAGE).text
