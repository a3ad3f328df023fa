"""What `zarrpyramid plan` shows, before a voxel is read."""

from __future__ import annotations

import json
import os
import re
import shutil

import pytest
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.cli.program import main
from zarrpyramid.errors import PyramidError, StoreError


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
    assert told.splitlines()[3].split()[-4] == "3"
    assert "4 Mvoxel/s a thread (measured by the last run)" in told


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
    assert "give STORE/FIELD, --configfile F or --config KEY=VALUE ..." in capsys.readouterr().err
    assert main(["plan", "--configfile", str(tmp_path / "absent.yaml")]) == 2
    assert "absent.yaml: there is no such file; give the path" in capsys.readouterr().err
    (tmp_path / "list.yaml").write_text("[1]")
    assert main(["plan", "--configfile", str(tmp_path / "list.yaml")]) == 2
    assert "expected a mapping of settings such as store" in capsys.readouterr().err


def test_plan_takes_settings_as_snakemake_does(tmp_path, capsys):
    make(tmp_path / "s.zarr")
    factors = "scale_factors: {z: 1, y: 1, x: 2}"
    (tmp_path / "c.yaml").write_text(f"{{store: gone.zarr, levels: 1, {factors}}}")
    given = ["--config", f"store={tmp_path}/s.zarr", "field=raw", "scale_factors={y: 2}"]
    assert main(["plan", "--configfile", str(tmp_path / "c.yaml"), *given, "--json"]) == 0
    (image,) = json.loads(capsys.readouterr().out)["images"]
    assert image["path"] == f"{tmp_path}/s.zarr/raw"
    assert image["levels"][1]["shape"] == [40, 18, 25]


def test_settings_beside_a_path_name_the_way(tmp_path, capsys):
    make(tmp_path / "s.zarr")
    assert main(["plan", str(tmp_path / "s.zarr/raw"), "--config", "levels=1"]) == 2
    way = capsys.readouterr().err.partition("give the image there too: ")[2]
    assert main(["plan", "--config", "levels=1", *way.split()]) == 0


def put_foreign_list(group):
    document = json.loads((group / "zarr.json").read_text())
    document["attributes"]["ome"] = {"multiscales": [{"datasets": [{"path": "../0"}]}]}
    (group / "zarr.json").write_text(json.dumps(document))


def put_codec(group):
    document = json.loads((group / "0/zarr.json").read_text())
    document["codecs"].append({"name": "foo"})
    (group / "0/zarr.json").write_text(json.dumps(document))


def put_junk(group):
    (group / "1").mkdir()
    (group / "1/zarr.json").write_text("{")


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "harm",
    [
        put_foreign_list,
        put_codec,
        put_junk,
        lambda group: (group / "1").write_text("x"),
        lambda group: os.mkfifo(group / "1"),
        lambda group: zarr.create_group(group / "1"),
        lambda group: (group / "1").symlink_to(group.parents[1] / "elsewhere"),
        lambda group: (group / "0/zarr.json").unlink(),
    ],
    ids=["list", "codec", "junk", "file", "fifo", "group", "link", "no level 0"],
)
def test_plan_refuses_what_a_run_refuses(tmp_path, capsys, harm):
    for name in ("s", "t"):
        make(tmp_path / f"{name}.zarr")
    harm(tmp_path / "s.zarr/raw")
    with pytest.raises(PyramidError) as refused:
        build_pyramid(tmp_path / "s.zarr", "raw", levels=1, progress=False)
    images = {name: {"store": f"{tmp_path}/{name}.zarr"} for name in ("s", "t")}
    config = {"images": images, "field": "raw", "levels": 1}
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    assert main(["plan", "--configfile", str(tmp_path / "c.yaml")]) == 1
    told = capsys.readouterr()
    (line,) = told.err.splitlines()
    said, given = (re.sub(r"image [\w-]+: ", "", text) for text in (line, str(refused.value)))
    assert said == f"zarrpyramid: a run is refused: {given}"
    assert f"t: {tmp_path}/t.zarr/raw" in told.out  # the other one is planned all the same


def test_room_is_for_what_is_written(tmp_path, capsys):
    make(tmp_path / "s.zarr", (64, 64))
    path = tmp_path / "c.yaml"
    build_pyramid(tmp_path / "s.zarr", "raw", levels=2, chunks=[8, 8], progress=False)
    table = {  # what is written, and what is removed for it
        "levels: 2": (0, None),
        "levels: 2, method: max": (32, 20),
        # Of another recipe of level 2 alone, level 1 stays.
        "levels: 2, scale_factors: [[2, 2], [3, 3]]": (9, 4),
        "levels: 3": (5, None),
        "levels: 2, shards: [16, 16]": (14, 20),
    }
    for settings, (n_written, n_removed) in table.items():
        path.write_text(f"{{store: {tmp_path}/s.zarr, field: raw, chunks: [8, 8], {settings}}}")
        assert main(["plan", "--configfile", str(path)]) == 0
        told = capsys.readouterr().out
        assert f"to be written: {n_written} files and folders, " in told, settings
        removed = f"in place of levels that are removed: {n_removed} files, "
        assert (removed in told) == (n_removed is not None), settings
    shutil.rmtree(tmp_path / "s.zarr/raw/1")  # what is made again is equal, and level 2 stays
    path.write_text(f"{{store: {tmp_path}/s.zarr, field: raw, levels: 2, chunks: [8, 8]}}")
    assert main(["plan", "--configfile", str(path)]) == 0
    assert "to be written: 23 files and folders, " in capsys.readouterr().out
