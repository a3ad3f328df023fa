"""Programs of this folder run in environments of other programs and are no tests."""

import subprocess

import pytest

collect_ignore_glob = ["read_*.py", "write_*.py"]


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """Return what makes an environment that is not there yet, and returns its Python."""
    made = {}

    def make(*needed, version=()):
        if (version, needed) not in made:
            folder = tmp_path_factory.mktemp("reader")
            python = folder / "bin" / "python"
            subprocess.run(["uv", "venv", "--quiet", *version, folder], check=True)
            install = ("uv", "pip", "install", "--quiet", "--python", python)
            subprocess.run([*install, *needed], check=True)
            made[version, needed] = python
        return made[version, needed]

    return make
