"""What `zarrpyramid plan` shows, before a voxel is read."""

from __future__ import annotations

import os

import pytest
import zarr

from zarrpyramid.cli.program import main
from zarrpyramid.downsample.pyramid import build_pyramid
from zarrpyramid.errors import StoreError


def make(path, shape=(40, 36, 50)):
    zarr.create_group(path).create_group("raw").create_array(
        "0", shape=shape, chunks=tuple(extent // 5 for extent in shape), dtype="u2"
    )


def test_plan_of_a_path(tmp_path, capsys):
    make(tmp_path / "s.zarr", (320, 288, 400))
    assert main(["plan", str(tmp_path / "s.zarr/raw")]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split("  ") for line in lines[1:6]]
    assert [row[0] for row in rows] == ["level", "0", "1", "2", "3"]
    assert "160 x 144 x 200" in lines[3]
    assert "a default, not measured" in lines[7]
    assert "to be written: 65 files and folders" in lines[8]
    assert lines[8].endswith("enough")
    assert lines[9] == "changes of level 0 are seen by: objects (base_watch: auto)"


def test_plan_of_a_configuration(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "s.zarr")
    (tmp_path / "c.yaml").write_text("{store: s.zarr, field: raw, levels: 1, parts: 3}")
    (tmp_path / "logs/s-raw").mkdir(parents=True)
    (tmp_path / "logs/s-raw/1.json").write_text(
        '{"voxels": 8000000, "seconds": 1.0, "n_workers": 2}'
    )
    assert main(["plan", "--configfile", "c.yaml"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("s-raw: ")
    assert told.splitlines()[3].split()[-3] == "3"
    assert "4e+06 voxels a second and thread (measured by the last run)" in told


@pytest.fixture
def full_disk(monkeypatch):
    free = os.statvfs("/")
    values = [*free[:1], 1, 10, 10, 10, *free[5:10], free.f_namemax]
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result(values))


def test_plan_without_room_says_so_and_goes_on(tmp_path, capsys, full_disk):
    """What a machine lacks another one may have, or the disk that is bought by the plan."""
    make(tmp_path / "s.zarr")
    path = tmp_path / "c.yaml"
    for given in ("", ", force_space: true"):
        path.write_text(f"{{store: {tmp_path}/s.zarr, field: raw, levels: 1{given}}}")
        assert main(["plan", "--configfile", str(path)]) == 0
        told = capsys.readouterr()
        assert "NOT ENOUGH" in told.out
        assert ("a run on this machine is refused before anything is written: " in told.out) == (
            not given
        )
        assert told.err == ""
    # The way out that it names.
    assert len(build_pyramid(tmp_path / "s.zarr", "raw", levels=1, force_space=True)) == 2


def test_a_build_without_room_writes_nothing(tmp_path, full_disk):
    make(tmp_path / "s.zarr")
    with pytest.raises(StoreError, match=r"free some, or .* set force_space: true"):
        build_pyramid(tmp_path / "s.zarr", "raw", levels=1)
    assert sorted(item.name for item in (tmp_path / "s.zarr/raw").iterdir()) == ["0", "zarr.json"]


def test_plan_says_why_a_run_is_refused_on_any_machine(tmp_path, capsys):
    make(tmp_path / "s.zarr")
    make(tmp_path / "t.zarr")
    zarr.create_array(tmp_path / "s.zarr/raw/1", shape=(4,), chunks=(4,), dtype="u1")
    path = tmp_path / "c.yaml"
    path.write_text(
        f"images: {{s: {{store: {tmp_path}/s.zarr}}, t: {{store: {tmp_path}/t.zarr}}}}\n"
        "field: raw\nlevels: 1\n"
    )
    assert main(["plan", "--configfile", str(path)]) == 1
    told = capsys.readouterr()
    assert "s: " in told.out
    assert "t: " in told.out
    (line,) = told.err.splitlines()
    assert line.startswith(
        f"zarrpyramid: a run is refused: {tmp_path}/s.zarr/raw/1 is there already"
    )
    with path.open("a") as file:
        file.write("overwrite: true\n")  # the way out
    assert main(["plan", "--configfile", str(path)]) == 0
    assert len(build_pyramid(tmp_path / "s.zarr", "raw", levels=1, overwrite=True)) == 2


def test_plan_says_what_it_needs(tmp_path, capsys):
    assert main(["plan"]) == 2
    assert "give either STORE/FIELD or --configfile F" in capsys.readouterr().err
    assert main(["plan", "--configfile", str(tmp_path / "absent.yaml")]) == 2
    assert "cannot be read as a configuration" in capsys.readouterr().err
    (tmp_path / "list.yaml").write_text("[1]")
    assert main(["plan", "--configfile", str(tmp_path / "list.yaml")]) == 2
    assert "expected a mapping of keys such as store" in capsys.readouterr().err
