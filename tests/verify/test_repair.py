"""Every harm that is done to a pyramid of ours is mended by the command that `verify` prints."""

from __future__ import annotations

import shlex
import shutil
import warnings

import numpy as np
import pytest
import zarr
from numcodecs import Delta

from harms import HARMS, chunk_of, datasets, edit, findings, make, record
from zarrpyramid import build_pyramid
from zarrpyramid.cli.program import main
from zarrpyramid.stores.local import LocalStore


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    store = make(tmp_path_factory.mktemp("verify") / "brain.zarr")
    build_pyramid(store, "raw", progress=False, levels=3)
    return store


@pytest.fixture
def store(template, tmp_path):
    return shutil.copytree(template, tmp_path / "brain.zarr")


def contents(store):
    return {
        str(path.relative_to(store)): path.read_bytes()
        for path in store.rglob("*")
        if path.is_file()
    }


def times(store):
    return {path: path.stat().st_mtime_ns for path in store.rglob("*") if path.is_file()}


def commands(told):
    """Return the commands that findings print, each once, as words after `zarrpyramid`."""
    lines = [found.way_out.rpartition(": ")[2] for found in told if "zarrpyramid" in found.way_out]
    words = [shlex.split(line) for line in dict.fromkeys(lines)]
    assert all(command[:3] == ["uv", "run", "zarrpyramid"] for command in words)
    return [command[3:] for command in words]


# What is another level 0 by now, and one whose voxels are lost: neither has its voxels back.
OTHER = ("level 0 changed", "level 0 damaged")


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", [name for name in HARMS if name not in OTHER])
def test_the_command_that_is_printed_mends_each_harm(store, template, name):
    HARMS[name][0](store)
    printed = commands(findings(store / "raw"))
    assert printed
    for command in printed:
        backup = store.with_name("again.zarr")
        shutil.copytree(store, backup)
        assert main(command) == 0
        assert contents(store) == contents(template)
        shutil.rmtree(store)
        shutil.move(backup, store)


def test_a_level_0_that_changed_has_its_levels_made_of_it(store, tmp_path):
    HARMS["level 0 changed"][0](store)
    (command,) = commands(findings(store / "raw"))
    assert main(command) == 0
    anew = shutil.copytree(store, tmp_path / "anew.zarr")
    for level in (anew / "raw").glob("[1-9]"):
        shutil.rmtree(level)
    build_pyramid(anew, "raw", progress=False, levels=3)
    assert contents(store) == contents(anew)


def test_a_damaged_level_0_leaves_its_sound_levels_alone(store, capsys):
    HARMS["level 0 damaged"][0](store)
    before = times(store / "raw/1")
    assert main(["verify", str(store / "raw"), "--repair"]) == 1
    assert "0/c/4/2/3 is damaged" in capsys.readouterr().out
    assert times(store / "raw/1") == before
    assert len(zarr.open_group(store / "raw").attrs["ome"]["multiscales"][0]["datasets"]) == 4


def test_what_cannot_be_made_again_is_withdrawn_until_its_source_is_back(store, template, capsys):
    HARMS["level 0 damaged"][0](store)
    chunk_of(store, 1, "c/2/1/1").unlink()
    assert main(["verify", str(store / "raw"), "--repair"]) == 1
    told = capsys.readouterr().out
    assert "cannot be made again, and is withdrawn with all after it" in told
    assert "raw/0/c/4/2/3 is damaged" in told
    listed = zarr.open_group(store / "raw").attrs["ome"]["multiscales"][0]["datasets"]
    assert [dataset["path"] for dataset in listed] == ["0"]
    shutil.copyfile(chunk_of(template, 0, "c/4/2/3"), chunk_of(store, 0, "c/4/2/3"))
    assert main(["verify", str(store / "raw"), "--repair"]) == 0
    assert contents(store) == contents(template)


def test_a_full_repair_leaves_a_sound_level_0_alone(store, capsys):
    damaged, before = store / "raw/2/c/0/0/0", times(store / "raw/0")
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert main(["verify", str(store / "raw"), "--repair", "--full"]) == 0
    assert "document written anew" not in capsys.readouterr().out
    assert times(store / "raw/0") == before


def test_only_what_is_broken_is_written(store):
    before = times(store / "raw")
    shutil.copy(chunk_of(store, 1, "c/0/0/1"), chunk_of(store, 1))
    chunk_of(store, 2, "c/1/0/0").write_bytes(b"no zstd")
    assert main(["verify", str(store / "raw"), "--repair"]) == 0
    changed = {path for path, time in times(store / "raw").items() if before[path] != time}
    objects = {path for path in changed if path.name != "zarr.json"}
    assert objects == {chunk_of(store, 1), chunk_of(store, 2, "c/1/0/0")}


def test_several_harms_at_once_in_random_places(store, template):
    random = np.random.default_rng(11)
    objects = [path for n in (1, 2, 3) for path in (store / f"raw/{n}/c").rglob("*")]
    objects = sorted(path for path in objects if path.is_file())
    for number, path in enumerate(random.permutation(objects)[:9]):
        harm = number % 3
        path.unlink() if harm == 0 else path.write_bytes([b"", path.read_bytes()[:-4]][harm - 1])
    assert main(["verify", str(store / "raw"), "--repair"]) == 0
    assert contents(store) == contents(template)


FORMS = {
    "v2": ({"zarr_format": 2}, {}),
    "shards": ({"shards": (16, 16, 16)}, {}),
    "chunks across": ({}, {"chunks": [5, 6, 7]}),
    "without compressor": ({"compressors": None}, {}),
    "through zarr-python": ({"zarr_format": 2, "filters": [Delta(dtype="u2")]}, {}),
    "sparse": ({"dtype": "bool"}, {"write_empty_chunks": False, "method": "mode"}),
    "floats": ({"dtype": "float32"}, {"method": "nanmean"}),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("made", "settings"), FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("harm", ["missing", "short", "swapped"])
def test_levels_of_every_form_are_mended(tmp_path, made, settings, harm):
    store = make(tmp_path / "image.zarr", **made)
    build_pyramid(store, "raw", progress=False, levels=2, **settings)
    whole = contents(store)
    level = store / "raw/1"
    first, second = sorted(
        path for path in level.rglob("*") if path.is_file() and path.name[0].isdigit()
    )[:2]
    if harm == "missing":
        first.unlink()
    elif harm == "short":
        first.write_bytes(first.read_bytes()[:-3])
    else:
        shutil.copyfile(second, first)
    assert main(["verify", str(store / "raw"), "--full"]) == 1
    assert main(["verify", str(store / "raw"), "--repair", "--full"]) == 0
    assert contents(store) == whole


def test_a_record_of_wrong_figures_is_made_anew_in_a_full_look(store, template):
    record(lambda r: r["source"].update(mean=7.5))(store)
    (command,) = commands(findings(store / "raw", full=True))
    assert "--full" in command
    assert main(command) == 0
    assert contents(store) == contents(template)


def test_levels_of_others_and_an_image_at_work_are_left_alone(tmp_path, store, capsys):
    other = make(tmp_path / "other.zarr")
    zarr.open_group(other / "raw").create_array(
        "1", data=np.ones((9, 9, 9), "u2"), chunks=(8, 8, 8)
    )
    before = contents(other)
    assert main(["verify", str(other / "raw"), "--repair"]) in (0, 2)
    assert contents(other) == before
    chunk_of(store, 1).unlink()
    with LocalStore(store).hold("raw/0"):
        assert main(["verify", str(store / "raw"), "--repair"]) == 2
    assert "another process is building" in capsys.readouterr().err
    assert not chunk_of(store, 1).exists()


FOREIGN = {
    "group": lambda place: zarr.create_group(place, attributes={"theirs": 1}),
    "text": lambda place: zarr.create_array(place, shape=(4,), chunks=(4,), dtype="<U4"),
    "image": lambda place: zarr.create_array(place, shape=(4, 4, 4), chunks=(4, 4, 4), dtype="u2"),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("is_listed", [False, True])
@pytest.mark.parametrize("kind", FOREIGN)
def test_what_others_put_in_the_place_of_a_level_stays(store, kind, is_listed):
    shutil.rmtree(store / "raw/2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        FOREIGN[kind](store / "raw/2")
    if not is_listed:
        datasets(lambda listed: listed.pop(2))(store)
    before = contents(store / "raw/2")
    assert main(["verify", str(store / "raw"), "--repair"]) != 0
    assert contents(store / "raw/2") == before


def test_levels_that_have_lost_all_records_are_ours_by_the_list(store, template):
    for number in (1, 2, 3):
        edit(store / f"raw/{number}/zarr.json", lambda d: d["attributes"].clear())
    assert main(["verify", str(store / "raw"), "--repair"]) == 0
    assert contents(store) == contents(template)


def test_a_level_that_has_lost_its_record_and_holds_other_voxels_is_left_and_named(store, capsys):
    edit(store / "raw/2/zarr.json", lambda d: d["attributes"].clear())
    shutil.copy(chunk_of(store, 2, "c/0/0/0"), chunk_of(store, 2, "c/1/0/0"))
    before = contents(store / "raw/2")
    assert main(["verify", str(store / "raw"), "--repair", "--full"]) == 2
    assert "lists 2 as a level, which was not made by this workflow" in capsys.readouterr().err
    assert contents(store / "raw/2") == before


def test_a_lost_list_says_what_is_lost_with_it(store, capsys):
    edit(store / "raw/zarr.json", lambda d: d.update(attributes={}))
    assert main(["verify", str(store / "raw"), "--repair"]) == 0
    assert "WARNING" in (told := capsys.readouterr().out)
    assert "with it voxel sizes and units" in told
