"""What bioio reads, tried in an environment of its own; and the lines where it is not there."""

import subprocess
import sys
from pathlib import Path

import pytest

from processes import finish
from zarrpyramid.errors import StoreError
from zarrpyramid.inputs import open_input

HERE = Path(__file__).parent
SCRIPTS = HERE.parents[1] / "scripts"
REQUIREMENTS = (
    *("bioio>=3.4", "bioio-czi>=3.0.1", "bioio-nd2>=2.5", "bioio-lif>=2.0.1", "bioio-imageio>=1.3"),
    *("bioio-ome-tiff>=1.4", "pylibCZIrw>=6.1", "tifffile", "pillow"),
    *("numpy>=2.2", "lazy_loader>=0.6", "xxhash>=3.5", "pyyaml>=6.0.2"),
)


@pytest.mark.system
def test_files_of_czi_of_several_scenes_and_of_other_formats(tmp_path):
    python = tmp_path / "bioio" / "bin" / "python"
    subprocess.run(["uv", "venv", "-q", "-p", sys.executable, tmp_path / "bioio"], check=True)
    subprocess.run(["uv", "pip", "install", "-q", "--python", python, *REQUIREMENTS], check=True)
    (tmp_path / "files").mkdir()
    command = [str(python), str(HERE / "peers" / "read_by_bioio.py"), str(tmp_path / "files")]
    finish(command, tmp_path, {"PYTHONPATH": str(SCRIPTS), "HOME": str(tmp_path), "PATH": ""})


ABSENT = {
    "a.czi": (b"ZISRAWFILE", "of the format CZI, which bioio reads, .*install it: .*czi"),
    "a.nd2": (b"\xda\xce\xbe\n", "of the format ND2, which bioio reads, .*install it: .*nd2"),
    "a.lif": (b"\x70\0\0\0", "of the format LIF, which bioio reads, .*install it: .*lif"),
    "a.oib": (
        b"\xd0\xcf",
        "in no format that is read here .*CZI.*TIFF.*, or take bioio's: install bioio and bioio-NA",
    ),
    "a.png": (
        b"\x89PNG",
        "; save it as TIFF, .*, or take bioio's: .* install .*bioio bioio-imageio",
    ),
    "a.JPG": (
        b"\xff\xd8",
        "; save it as TIFF, .*, or take bioio's: .* install .*bioio bioio-imageio",
    ),
}


@pytest.mark.parametrize("name", ABSENT)
def test_without_bioio_one_line_says_what_to_install(name, tmp_path, monkeypatch):
    start, message = ABSENT[name]
    (tmp_path / name).write_bytes(start)
    for module in ("bioio", "bioio_base"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr("zarrpyramid.inputs.opening.find_spec", lambda name: None)
    with pytest.raises(StoreError, match=message):
        open_input(str(tmp_path / name))
