"""The reader of docs/howto/own-reader.md, installed as a package, and what its entry point wins."""

import os
import sys
import tomllib

import numpy as np
import pytest
import zarr

import pages
from processes import finish
from workspaces import Workspace
from zarrpyramid.errors import StoreError
from zarrpyramid.inputs import open_input

PAGE = pages.ROOT / "docs" / "howto" / "own-reader.md"
VOXELS = np.random.default_rng(0).normal(size=(20, 30, 40)).astype("<f4")


def install(folder, project, files, monkeypatch):
    """Lay a package out as an installer does: its modules, and its entry points in a dist-info."""
    about = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    about.mkdir(parents=True)
    fields = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (about / "METADATA").write_text(fields)
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (about / "entry_points.txt").write_text("\n".join(lines))
    for name, text in files.items():
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.fixture
def installed(tmp_path, monkeypatch):
    blocks = pages.blocks(PAGE)
    (module,) = (block for block in blocks if block.file == "pyhst_volume.py")
    (project,) = (block.body for block in blocks if block.language == "text")
    files = {module.file: module.body}
    yield install(tmp_path / "site", tomllib.loads(project)["project"], files, monkeypatch)
    sys.modules.pop("pyhst_volume", None)


@pytest.fixture
def volume(tmp_path):
    path = tmp_path / "scan.vol"
    path.write_bytes(VOXELS.tobytes())
    text = "! PyHST\nNUM_X = 40\nNUM_Y = 30\nNUM_Z = 20\nvoxelsize = 0.75\n"
    (tmp_path / "scan.vol.info").write_text(text)
    return path


def whole(image):
    return tuple(slice(0, extent) for extent in image.form.shape)


def test_the_page_is_no_longer_than_it_says():
    module = next(block for block in pages.blocks(PAGE) if block.file == "pyhst_volume.py")
    code = [line for line in module.body.splitlines() if line and "import" not in line]
    assert len(code) <= 32


def test_the_reader_of_the_page(installed, volume):
    image = open_input(str(volume))
    np.testing.assert_array_equal(image.read(whole(image)), VOXELS)
    assert image.form.voxel_size == {"z": 0.75, "y": 0.75, "x": 0.75}
    volume.write_bytes(VOXELS[1:].tobytes())
    with pytest.raises(StoreError, match=r"scan.vol is truncated, expected \(20, 30, 40\)"):
        open_input(str(volume))
    volume.with_name("scan.vol.info").write_text("NUM_X = 40")
    with pytest.raises(StoreError, match=r"scan.vol cannot be read \('NUM_Z'\)"):
        open_input(str(volume))


def test_another_process_finds_it(installed, volume):
    program = (
        "from zarrpyramid.inputs import open_input; "
        f"image = open_input({str(volume)!r}); print(image.form.shape)"
    )
    paths = f"{installed}{os.pathsep}{pages.ROOT / 'scripts'}"
    found = finish([sys.executable, "-c", program], installed, {"PYTHONPATH": paths})
    assert found == "(20, 30, 40)\n"


@pytest.mark.slow
def test_the_workflow_takes_it(installed, volume, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(installed))
    workspace = Workspace(tmp_path)
    workspace.run(source=volume, store=tmp_path / "a.zarr")
    image = open_input(f"{volume}")
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    np.testing.assert_array_equal(group["0"][...], image.read(whole(image)))
    (scale,) = group.attrs["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    assert scale["scale"] == [0.75, 0.75, 0.75]


READER = """
from zarrpyramid.inputs.npy import open_npy

def open_first(place):
    return open_npy(type(place)(path=FIRST))

def open_second(place):
    return open_npy(type(place)(path=SECOND))
"""


def test_the_longest_end_of_a_name_wins(tmp_path, monkeypatch):
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", np.full((2, 2), number))
    (tmp_path / "0.npy").rename(tmp_path / "a.mine.npy")
    paths = {"FIRST": f"{tmp_path}/1.npy", "SECOND": f"{tmp_path}/2.npy"}
    text = READER
    for name, path in paths.items():
        text = text.replace(name, repr(path))
    points = {"npy": "own_readers:open_first", "mine.NPY": "own_readers:open_second"}
    project = {"name": "own", "version": "1", "entry-points": {"zarrpyramid.readers": points}}
    image = open_input(f"{tmp_path}/a.mine.npy")
    assert image.read(whole(image)).tolist() == [[0, 0], [0, 0]]
    install(tmp_path / "site", project, {"own_readers.py": text}, monkeypatch)
    for source, expected in (("a.mine.npy", 2), ("1.npy", 1), ("other.npy", 1)):
        image = open_input(f"{tmp_path}/{source}")
        assert image.read(whole(image)).tolist() == [[expected] * 2] * 2
    sys.modules.pop("own_readers", None)


def test_a_reader_that_cannot_be_loaded(tmp_path, monkeypatch):
    points = {"odd": "own_broken:open_it"}
    project = {
        "name": "own-broken",
        "version": "1",
        "entry-points": {"zarrpyramid.readers": points},
    }
    install(
        tmp_path / "site", project, {"own_broken.py": "import nothing_of_the_kind"}, monkeypatch
    )
    (tmp_path / "a.odd").write_bytes(b"1")
    message = r"reader of .odd, own_broken:open_it, cannot be loaded \(No module named 'nothing_of"
    with pytest.raises(StoreError, match=message):
        open_input(f"{tmp_path}/a.odd")
    sys.modules.pop("own_broken", None)
