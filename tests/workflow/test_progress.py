"""What a user sees of a run on a terminal."""

from __future__ import annotations

import os
import pty
import subprocess

import pytest


@pytest.mark.slow
def test_a_bar_a_level_on_the_terminal_and_none_in_the_logs(workspace):
    workspace.make()
    ours, theirs = pty.openpty()
    command = workspace.command(cores=1, store=workspace / "image.zarr", field="raw", levels=2)
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=workspace.environment) as run:
        os.close(theirs)
        text = b""
        try:
            while part := os.read(ours, 1 << 16):
                text += part
        except OSError:  # nobody is at the other end any more
            os.close(ours)
    assert run.returncode == 0, text.decode()
    for level in (1, 2):
        assert f"image-raw, level {level}: 100%|" in text.decode()
        assert "%" not in (workspace / f"logs/image-raw/{level}.log").read_text(encoding="utf-8")
    assert "levels 0 to 2 are complete in" in text.decode().splitlines()[-3]
