"""The target `verify`: every pyramid proved anew, and a broken one told in one line."""

from __future__ import annotations

import json
import shutil

import pytest


@pytest.mark.slow
def test_a_run_verifies_each_time_and_fails_for_a_broken_store(workspace):
    workspace.make("image.zarr/raw", (21, 18, 13))
    settings = {"store": "image.zarr", "field": "raw", "levels": 2}
    assert workspace.run("verify", **settings).jobs[-1] == "verify"
    report = json.loads((workspace / "results/image-raw/verify.json").read_text())
    assert report["sound"] is True
    assert workspace.run("verify", **settings).jobs == ["verify"]
    one = workspace / "image.zarr/raw/1/c/0/0/0"
    shutil.copyfile(workspace / "image.zarr/raw/1/c/1/0/0", one)
    outcome = workspace.run("verify", code=1, **settings)
    # Level 2 was made of the voxels that are no longer there.
    assert "raw: NOT SOUND, 2 defects" in outcome.text
    assert str(one) in outcome.text
    assert not (workspace / "results/image-raw/verify.json").exists()
