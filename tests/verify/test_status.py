"""The status of a pyramid: what stands of each level, and what is wrong with it."""

from __future__ import annotations

import shlex

import numpy as np
import pytest
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.cli.program import main
from zarrpyramid.errors import StoreError
from zarrpyramid.verify.status import pyramid_status

VOXELS = np.random.default_rng(4).integers(0, 200, (9, 11, 7)).astype("uint8")


@pytest.fixture
def store(tmp_path):
    group = zarr.open_group(tmp_path / "image.zarr", mode="w").create_group("raw")
    group.create_array("0", data=VOXELS, chunks=(4, 4, 4))
    return tmp_path / "image.zarr"


def test_what_is_there(store):
    build_pyramid(store, "raw", levels=2)
    group = zarr.open_group(store / "raw")
    group.create_array("5", data=VOXELS, chunks=(9, 11, 7))
    (store / "raw/2/c/0/0/0").unlink()
    found = pyramid_status(str(store / "raw")).levels
    assert [status.level for status in found] == [0, 1, 2, 5]
    assert [status.shape for status in found] == [(9, 11, 7), (5, 6, 3 + 1), (3, 3, 2), (9, 11, 7)]
    assert [status.listed for status in found] == [True, True, True, False]
    assert [status.record is not None for status in found] == [False, True, True, False]
    assert [status.n_objects for status in found] == [18, 4, 0, 1]
    assert [status.expected_objects for status in found] == [18, 4, 1, 1]
    assert [status.complete for status in found] == [True, True, False, True]
    assert found[1].record == dict(group["1"].attrs)["zarrpyramid"]
    document = (store / "raw/0/zarr.json").stat().st_size
    assert found[0].stored_bytes == group["0"].nbytes_stored() - document
    assert (found[0].chunks, found[0].dtype) == ((4, 4, 4), "uint8")


def test_faults(store):
    build_pyramid(store, "raw", levels=2, scale_factors=2, voxel_size={"z": 2.0})
    found = pyramid_status(str(store / "raw"))
    assert found.faults == []
    assert [status.factors for status in found.levels] == [None, (2, 2, 2), (2, 2, 2)]
    assert [status.voxel_size[0] for status in found.levels] == [2.0, 4.0, 8.0]
    (store / "raw/1/c/0/0/0").unlink()
    (store / "raw/2/zarr.json").unlink()
    mend = f"zarrpyramid verify {store}/raw --repair"
    one, two = pyramid_status(str(store / "raw")).faults[:2]
    assert one.startswith("level 1 lacks 1 stored object, which reads as fill value; ")
    assert two.startswith(f"level 2, {store}/raw/2: is listed, but there is no array; build the ")
    assert one.endswith(mend)
    assert two.endswith(mend)


def test_what_another_program_left_out_is_no_fault(store, capsys):
    """zarr-python writes no chunk that holds fill value alone."""
    group = zarr.open_group(store / "raw")
    group.create_array("1", shape=(5, 6, 4), chunks=(4, 4, 4), dtype="uint8")[0, 0, 0] = 7
    levels = pyramid_status(str(store / "raw")).levels
    assert [(level.n_objects, level.fault) for level in levels] == [(18, ""), (1, "")]
    assert "lacks" not in "".join(pyramid_status(str(store / "raw")).faults)


def test_what_cannot_be_read_is_told_without_a_way_out_that_does_not_help(store, capsys):
    build_pyramid(store, "raw", levels=1)
    (store / "raw/0/zarr.json").write_text("[]")
    assert main(["status", str(store / "raw")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("raw/0/zarr.json holds no JSON object; restore it from a copy")


def test_a_store_names_its_groups_that_have_levels(store):
    build_pyramid(store, "raw", levels=1)
    with pytest.raises(StoreError, match="groups below it that have one: 'raw'"):
        pyramid_status(str(store))


def test_a_level_behind_a_link_has_no_verdict(store, tmp_path, capsys):
    build_pyramid(store, "raw", levels=1)
    (store / "raw/1").rename(tmp_path / "elsewhere")
    (store / "raw/1").symlink_to(tmp_path / "elsewhere")
    assert main(["verify", str(store / "raw")]) == 2
    assert "out of the store; links are only followed with" in capsys.readouterr().err


@pytest.mark.parametrize("level", [1, 2])
def test_objects_beyond_the_extents_of_a_level_are_told_and_go(store, capsys, level):
    path = store / "raw"
    build_pyramid(path, levels=2, scale_factors=2)
    assert main(["status", str(path)]) == 0
    told = capsys.readouterr()
    assert "an object of level 0 that was lost or replaced since is not seen" in told.err
    key = next(key for key in (path / str(level) / "c").rglob("*") if key.is_file())
    beyond = path / str(level) / "c/0/0/7"
    beyond.write_bytes(key.read_bytes())
    assert main(["status", str(path)]) == 1
    told = capsys.readouterr().err
    assert f"level {level} has 1 object beyond its extents: a growth was killed, or undone" in told
    assert main(["info", str(path)]) == 0
    assert "NOT COMPLETE" in capsys.readouterr().out
    words = shlex.split(told.strip().splitlines()[0].rpartition("; ")[2])
    assert main([*words[words.index("verify") :], "-q"]) == 0
    assert not beyond.exists()
    assert main(["status", str(path)]) == 0


@pytest.mark.parametrize("is_replaced", [True, False])
def test_status_says_that_it_does_not_see_what_became_of_level_0(store, capsys, is_replaced):
    path = store / "raw"
    build_pyramid(path, levels=2, scale_factors=2)
    one, other = sorted(each for each in (path / "0/c").rglob("*") if each.is_file())[:2]
    one.write_bytes(other.read_bytes()) if is_replaced else one.unlink()
    assert main(["status", str(path)]) == 0
    told = capsys.readouterr().err
    assert ("objects of level 0 are not there" in told) == (not is_replaced)
    assert "lost or replaced since is not seen; this proves them: " in told
    assert main(["info", str(path)]) == 0
    assert "complete, by names and sizes; this proves the voxels: " in capsys.readouterr().out
    assert main(["verify", str(path)]) == 1


def test_levels_stand_by_their_paths_and_with_the_size_of_their_voxels(tmp_path, capsys):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("s0", data=VOXELS, chunks=(4, 4, 4))
    axes = [{"name": axis, "type": "space"} for axis in "zyx"]
    scale = [{"type": "scale", "scale": [2, 1, 1]}]
    listed = {"axes": axes, "datasets": [{"path": "s0", "coordinateTransformations": scale}]}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [listed]}
    build_pyramid(tmp_path / "a.zarr", levels=1, scale_factors=2)
    assert main(["status", str(tmp_path / "a.zarr")]) == 0
    head, base, level = capsys.readouterr().out.splitlines()
    assert "voxel size" in head
    assert (base.split()[0], level.split()[0]) == ("s0", "s1")
    assert "2x1x1" in base
    assert "4x2x2" in level


def test_an_error_of_level_0_has_one_way_out(store, capsys):
    build_pyramid(store, "raw", levels=1, scale_factors=2)
    chunk = store / "raw/0/c/0/0/0"
    chunk.write_bytes(chunk.read_bytes()[:-3])
    assert main(["verify", str(store / "raw"), "--full"]) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if "0/c/0/0/0 is " in line]
    assert lines
    assert {line.count("restore it") for line in lines} == {1}
