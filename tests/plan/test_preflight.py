"""What `zarrpyramid plan` shows, before a voxel is read."""

from __future__ import annotations

import zarr

from zarrpyramid.cli.program import main


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


def test_plan_says_what_it_needs(tmp_path, capsys):
    assert main(["plan"]) == 2
    assert "give either STORE/FIELD or --configfile F" in capsys.readouterr().err
    assert main(["plan", "--configfile", str(tmp_path / "absent.yaml")]) == 2
    assert "cannot be read as a configuration" in capsys.readouterr().err
    (tmp_path / "list.yaml").write_text("[1]")
    assert main(["plan", "--configfile", str(tmp_path / "list.yaml")]) == 2
    assert "expected a mapping of keys such as store" in capsys.readouterr().err
