"""Commands that messages name are found by the shell in which they are typed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from zarrpyramid.programs import command

BIN = Path(sys.executable).parent


@pytest.mark.parametrize("program", ["zarrpyramid", "python"])
@pytest.mark.parametrize(
    ("by_uv", "on_path", "is_short"),
    [(False, True, True), (False, False, False), (True, True, False), (True, False, False)],
)
def test_a_program_is_called_by_its_name_only_where_the_shell_finds_it(
    tmp_path, monkeypatch, program, by_uv, on_path, is_short
):
    monkeypatch.chdir(tmp_path)  # outside of the clone
    paths = f"{BIN}:" * on_path + "/usr/bin:/bin"
    monkeypatch.setenv("PATH", paths)
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    if by_uv:  # which itself puts the environment on the path, not on that of the shell
        monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")
        paths = "/usr/bin:/bin"
    line = command(program, "--version")
    assert (line == f"{program} --version") == is_short
    subprocess.run(["/bin/bash", "-c", line], env={"PATH": paths}, check=True)
