"""`zarrpyramid build`: equal to `build_pyramid`, its settings spelled as in a configuration."""

import json

import numpy as np
import pytest
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.cli import main

VOXELS = np.random.default_rng(0).integers(0, 99, (40, 33, 20)).astype("uint8")
SETTINGS = {"levels": 2, "method": "max", "scale_factors": [1, 2, 2], "voxel_size": {"z": 2.5}}
WORDS = ("levels=2", "method=max", "scale_factors=[1, 2, 2]", "voxel_size={z: 2.5}")


def stored(store):
    zarr.create_group(store).create_group("raw").create_array("0", data=VOXELS, chunks=(8, 8, 8))
    return store


def files(store):
    return {
        path.relative_to(store): path.read_bytes() for path in store.rglob("*") if path.is_file()
    }


def test_it_builds_what_python_builds(tmp_path, capsys):
    store = stored(tmp_path / "a" / "a.zarr")
    records = build_pyramid(stored(tmp_path / "b" / "a.zarr"), "raw", progress=False, **SETTINGS)
    given = [word for setting in WORDS for word in ("--set", setting)]
    notes = tmp_path / "notes"
    assert main(["build", f"{store}/raw", *given, "--notes", str(notes)]) == 0
    assert capsys.readouterr().out == f"levels 0 to 2 are complete in {store}/raw\n"
    assert files(store) == files(tmp_path / "b" / "a.zarr")
    assert [path.name for path in notes.iterdir()] == ["a-raw"]
    assert main(["build", f"{store}/raw", *given, "--json"]) == 0
    assert [record["shape"] for record in json.loads(capsys.readouterr().out)["levels"]] == [
        record["shape"] for record in records
    ]
    assert main(["build", f"{store}/raw", *given, "-q"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_source_makes_a_store_with_a_field(tmp_path):
    stored(tmp_path / "a.zarr")
    words = ("--set", f"source={tmp_path}/a.zarr/raw", "--set", "levels=1")
    assert main(["build", f"{tmp_path}/new.zarr/raw/", *words, "-q"]) == 0
    assert zarr.open_group(tmp_path / "new.zarr")["raw/1"].shape == (20, 17, 10)


@pytest.mark.parametrize(
    ("word", "line", "way_out"),
    [
        ("levls=1", "--set levls: no setting of build; did you mean 'levels'?", "levels=1"),
        ("levels", "--set levels: expected KEY=VALUE, such as levels=3", "levels=3"),
        ("levels=[", "--set levels cannot be read as a configuration: ", "levels=1"),
        ("levels=few", "levels", "levels=1"),
        ("field=raw", "--set field: no setting of build; give STORE/FIELD instead", "levels=1"),
        ("storage_options={secret", "--set storage_options cannot be read", "levels=1"),
    ],
)
def test_a_setting_that_is_none(tmp_path, capsys, word, line, way_out):
    store = stored(tmp_path / "a.zarr")
    before = files(store)
    assert main(["build", f"{store}/raw", "--set", word]) == 2
    (told,) = capsys.readouterr().err.splitlines()
    assert line in told
    assert files(store) == before
    assert main(["build", f"{store}/raw", "--set", way_out, "-q"]) == 0
