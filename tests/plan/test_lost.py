"""Level 0 that is lost, in whole or in part: all that tell of a pyramid say so, and none as sound.

Levels that were made of it are never made again of fill value in its place.
"""

from __future__ import annotations

import itertools
import shlex
import shutil
from contextlib import suppress

import numpy as np
import pytest
import zarr

from zarrpyramid import Downsampler, build_pyramid, open_pyramid
from zarrpyramid.cli.program import main
from zarrpyramid.errors import StoreError
from zarrpyramid.report import describe
from zarrpyramid.verify import pyramid_status, verify_pyramid
from zarrpyramid.verify.findings import Report

SHAPE = (24, 24)


def make(path, voxels=None, *, dtype="uint16", fill=0, zarr_format=3, **settings):
    """Write an image of 3 x 3 chunks, by default of many values."""
    if voxels is None:
        voxels = np.random.default_rng(1).integers(1, 200, SHAPE).astype(dtype)
    group = zarr.create_group(path, zarr_format=zarr_format)
    group.create_array("0", data=voxels, chunks=(8, 8), fill_value=fill, **settings)
    return path


def chunks(path):
    """Return the files of the chunks of an array, sorted."""
    files = (file for file in path.rglob("*") if file.is_file())
    return sorted(file for file in files if file.name[0] not in "z.")


def lose_all(path):
    for file in chunks(path / "0"):
        file.unlink()


def lose_one(path):
    chunks(path / "0")[4].unlink()


def empty_one(path):
    chunks(path / "0")[4].write_bytes(b"")


def empty_all(path):
    for file in chunks(path / "0"):
        file.write_bytes(b"")


def reported(path):
    """Return the head of the report, with its verdict."""
    page = open_pyramid(path).report(path.with_suffix(".html"))
    return page.read_text().partition("</header>")[0]


def verified(path):
    report = Report(path=str(path))
    report.gather(verify_pyramid(str(path)))
    return report


def copied(tmp_path):
    make(tmp_path / "source.zarr")
    build_pyramid(tmp_path / "a.zarr", source=tmp_path / "source.zarr", levels=2)
    return tmp_path / "a.zarr"


def of_files(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(1).integers(1, 200, SHAPE).astype("uint16"))
    build_pyramid(tmp_path / "a.zarr", source=tmp_path / "a.npy", chunks=[8, 8], levels=2)
    return tmp_path / "a.zarr"


def own(tmp_path):
    build_pyramid(make(tmp_path / "a.zarr"), levels=2)
    return tmp_path / "a.zarr"


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("made", "harm", "said"),
    [
        (own, lose_all, "holds not one of its 9 objects, and levels were made from voxels of mean"),
        (own, empty_one, "has 1 of 9 objects without a byte"),
        (own, empty_all, "has 9 of 9 objects without a byte"),
        (copied, lose_all, "holds not one of its 9 objects"),
        (copied, lose_one, "bytes in 8 objects, and"),
        (copied, empty_one, "has 1 of 9 objects without a byte"),
        (of_files, lose_one, "lacks 1 of the objects that were written of its source"),
        (of_files, lose_all, "lacks 9 of the objects that were written of its source"),
    ],
    ids=lambda item: item if isinstance(item, str) else item.__name__,
)
def test_all_that_tell_of_a_pyramid_agree_that_level_0_is_lost(tmp_path, made, harm, said, capsys):
    path = made(tmp_path)
    assert pyramid_status(str(path)).faults == []
    harm(path)
    assert said in pyramid_status(str(path)).faults[0]
    assert said in describe(str(path))["faults"][0]
    assert main(["status", str(path)]) == 1
    report = verified(path)
    assert not report.is_sound
    if harm not in (empty_one, empty_all):  # which are named one by one
        assert any(said in finding.what for finding in report.findings)
    if harm in (empty_one, empty_all):  # pictures are made of it
        with suppress(StoreError):
            assert "Incomplete" in reported(path)
        return
    head = reported(path)
    assert said in head
    assert "Incomplete" in head


@pytest.mark.sampled(4)
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("base_watch", ["auto", "metadata"])
@pytest.mark.parametrize("way", ["restore", "clean"])
def test_levels_are_not_made_of_a_level_0_that_is_lost(tmp_path, zarr_format, base_watch, way):
    path = make(tmp_path / "a.zarr", zarr_format=zarr_format)
    build_pyramid(path, levels=2, base_watch=base_watch)
    shutil.copytree(path, tmp_path / "copy.zarr")
    lose_all(path)
    with pytest.raises(StoreError, match=r"0 holds not one of its 9 objects.*levels 1, 2 ") as told:
        build_pyramid(path, levels=2, base_watch=base_watch)
    assert "\n" not in str(told.value)
    assert zarr.open_array(path / "2", mode="r")[...].any()
    if way == "restore":
        shutil.copytree(tmp_path / "copy.zarr/0", path / "0", dirs_exist_ok=True)
    else:
        words = shlex.split(str(told.value).rpartition("remove them: ")[2])
        assert main(words[words.index("clean") :]) == 0
    build_pyramid(path, levels=2, base_watch=base_watch)
    assert zarr.open_array(path / "2", mode="r")[...].any() == (way == "restore")
    assert pyramid_status(str(path)).faults == []


@pytest.mark.parametrize("is_link", [False, True])
def test_a_source_that_is_lost_is_taken_for_no_level_0(tmp_path, is_link):
    make(tmp_path / "source.zarr")
    given = {"source": tmp_path / "source.zarr", "levels": 2, "link_base": is_link}
    build_pyramid(tmp_path / "a.zarr", **given)
    lose_all(tmp_path / "source.zarr")
    with pytest.raises(StoreError, match=r"source\.zarr/0 holds not one of its 9 objects"):
        build_pyramid(tmp_path / "a.zarr", **given)


def test_levels_are_kept_also_where_level_1_is_gone(tmp_path):
    path = own(tmp_path)
    shutil.rmtree(path / "1")
    lose_all(path)
    with pytest.raises(StoreError, match="level 2 may be all that is left"):
        build_pyramid(path, levels=2)


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("dtype", "fill"),
    [
        ("uint16", 0),
        ("uint16", 7),
        ("int64", -(2**60)),
        ("bool", False),
        ("float16", 0.1),
        ("float32", 0.1),
        ("float64", np.nan),
        ("float64", -np.inf),
        ("complex64", 0.1 + 2j),
    ],
    ids=str,
)
def test_a_level_0_of_fill_value_alone_has_lost_nothing(tmp_path, dtype, fill):
    """None of its objects was ever there: it is built again, and told of with figures."""
    voxels = np.full(SHAPE, fill, dtype)
    path = make(tmp_path / "a.zarr", voxels, dtype=dtype, fill=fill)
    assert chunks(path / "0") == []
    for _ in range(2):
        build_pyramid(path, levels=1)
    found = pyramid_status(str(path))
    assert found.faults == []
    assert found.notes == ["level 0 has not one of its 9 objects: all of it reads as fill value"]


@pytest.mark.parametrize(("harm", "said"), [
    (lose_all, "level 0 has not one of its 9 objects: all of it reads as fill value"),
    (lose_one, "1 of 9 objects of level 0 are not there and read as fill value"),
])  # fmt: skip
def test_what_level_0_does_not_have_is_told_everywhere(tmp_path, harm, said, caplog, capsys):
    path = make(tmp_path / "a.zarr")
    harm(path)
    build_pyramid(path, levels=1)
    assert f"{said} (missing_chunks: error refuses that)" in caplog.text
    assert pyramid_status(str(path)).notes == describe(str(path))["notes"] == [said]
    head = reported(path)
    assert said[1:] in head
    assert "Incomplete" not in head
    assert any("not stored and read as fill value" in each.what for each in verified(path).findings)
    for command in ("status", "info"):
        assert main([command, str(path)]) == 0
        out, err = capsys.readouterr()
        assert f"note: {said}" in out + err


def contents(path):
    files = (file for file in path.rglob("*") if file.is_file())
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


def lose_level_0(path):
    """Lose all objects of level 0, and return what is left and what brings them back."""
    kept = shutil.copytree(path / "0", path.with_name("kept"))
    lose_all(path)
    return contents(path), lambda: shutil.copytree(kept, path / "0", dirs_exist_ok=True)


def lose_level_1(path):
    for file in chunks(path / "1"):
        file.unlink()


def unlist(path):
    """Take the levels out of the list, as a killed run leaves them."""
    zarr.open_group(path).attrs.clear()


def damage_document(path):
    (document,) = (file for file in (path / "1").iterdir() if file.name in (".zarray", "zarr.json"))
    document.write_text("{")


def lose_record(path):
    zarr.open_array(path / "1").attrs.clear()


def nothing(path):
    pass


@pytest.mark.sampled(6)
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("asked", [["levels=2"], ["levels=1"], [], ["levels=1", "method=max"]])
@pytest.mark.parametrize("more", [nothing, lose_level_1, unlist])
def test_no_build_of_fewer_levels_removes_what_is_left(tmp_path, zarr_format, asked, more, capsys):
    path = make(tmp_path / "a.zarr", zarr_format=zarr_format)
    build_pyramid(path, levels=2)
    more(path)
    left, bring_back = lose_level_0(path)
    words = [word for setting in asked for word in ("--set", setting)]
    for command in (["build", str(path), *words], ["plan", "--config", f"store={path}", *asked]):
        assert main(command) == (2 if command[0] == "build" else 1)
        said = capsys.readouterr().err
        assert "0 holds not one of its 9 objects, and levels were made from voxels" in said
        assert "levels 1, 2 may be all that is left" in said
        assert contents(path) == left
    bring_back()
    assert main(["build", str(path), *words]) == 0
    assert pyramid_status(str(path)).faults == []


@pytest.mark.sampled(4)
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(("more", "way"), [
    *itertools.product([nothing, lose_level_1, unlist, damage_document], ["restore", "clean"]),
    (lose_record, "restore"),  # else level 1 counts as another program's
])  # fmt: skip
def test_no_repair_makes_levels_of_a_level_0_that_is_lost(tmp_path, zarr_format, more, way, capsys):
    path = make(tmp_path / "a.zarr", zarr_format=zarr_format)
    build_pyramid(path, levels=2)
    more(path)
    _, bring_back = lose_level_0(path)
    left = {file: file.read_bytes() for n in "12" for file in chunks(path / n)}
    assert main(["verify", str(path)]) == 1
    assert main(["status", str(path)]) == 1
    told = capsys.readouterr()
    assert "--repair" not in told.out + told.err
    assert "bring level 0 back" in told.out
    assert main(["verify", str(path), "--repair"]) == 2
    said = capsys.readouterr().err
    assert "0 holds not one of its 9 objects" in said
    assert "may be all that is left" in said
    assert {file: file.read_bytes() for n in "12" for file in chunks(path / n)} == left
    if way == "restore":
        bring_back()
        assert main(["verify", str(path), "--repair"]) == 0
    else:
        words = shlex.split(said.rpartition("remove them: ")[2])
        assert main(words[words.index("clean") :]) == 0
        build_pyramid(path, levels=2)
    assert verified(path).is_sound
    assert zarr.open_array(path / "2", mode="r")[...].any() == (way == "restore")


@pytest.mark.parametrize(("made", "harm", "again"), [
    (copied, lose_one, {"source": "source.zarr"}),
    (copied, lose_all, {"source": "source.zarr"}),
    (of_files, lose_one, {"source": "a.npy", "chunks": [8, 8]}),
])  # fmt: skip
def test_no_repair_makes_levels_of_a_copy_that_lost_objects(tmp_path, made, harm, again, capsys):
    path = made(tmp_path)
    whole = contents(path)
    harm(path)
    left = contents(path)
    assert main(["verify", str(path)]) == 1
    assert "--repair" not in capsys.readouterr().out
    assert main(["verify", str(path), "--repair"]) == 2
    assert "run the workflow, which reads the source again" in capsys.readouterr().err
    assert contents(path) == left
    source = tmp_path / again["source"]
    build_pyramid(path, levels=2, **again | {"source": source})
    assert verified(path).is_sound
    assert contents(path) == whole


@pytest.mark.parametrize("n_levels", [1, 2])
def test_the_api_of_pyramid_sampler_keeps_them_too(tmp_path, n_levels):
    left, _ = lose_level_0(path := own(tmp_path))
    with pytest.raises(StoreError, match="levels 1, 2 may be all that is left"):
        Downsampler(str(path), (2, 2), SHAPE, chunks=8).downsample(n_levels, "")
    assert contents(path) == left


def test_levels_of_fill_value_alone_are_repaired(tmp_path):
    path = make(tmp_path / "a.zarr", np.zeros(SHAPE, "uint16"))
    build_pyramid(path, levels=2)
    chunks(path / "1")[0].unlink()
    assert any("--repair" in finding.way_out for finding in verified(path).findings)
    assert main(["verify", str(path), "--repair"]) == 0


@pytest.mark.parametrize("given", [{}, {"scale_factors": [1, 2], "method": "max"}])
def test_levels_that_a_build_removes_are_named_with_what_keeps_them(tmp_path, given, capsys):
    path = make(tmp_path / "a.zarr")
    build_pyramid(path, levels=2, **given)
    whole = contents(path)
    said = f"levels 1, 2 of {path} will be removed, as the plan ends with level 0; to keep them "
    assert main(["plan", str(path)]) == 0
    out, _ = capsys.readouterr()
    assert said in out
    (line,) = [line for line in out.splitlines() if said in line]
    words = shlex.split(line.rpartition(": ")[2])
    assert main(words[words.index("reproduce") :]) == 0
    (tmp_path / "kept.yaml").write_text(capsys.readouterr().out)
    kept = ["--configfile", str(tmp_path / "kept.yaml"), "--config", "levels=2"]
    assert "give levels=2, with the other settings" in line
    assert main(["plan", *kept]) == 0
    assert "will be removed" not in capsys.readouterr().out
    build_pyramid(path, levels=2, **given)
    assert contents(path) == whole
    assert main(["build", str(path)]) == 0
    assert said in capsys.readouterr().err
    assert not (path / "1").exists()


def test_a_build_says_how_much_of_level_0_is_not_there(tmp_path, capsys):
    path = own(tmp_path)
    for file in chunks(path / "0")[1:]:
        file.unlink()
    assert main(["build", str(path), "--set", "levels=2"]) == 0
    said = "8 of 9 objects of level 0 are not there and read as fill value"
    assert said in capsys.readouterr().err
