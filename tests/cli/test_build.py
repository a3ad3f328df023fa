"""`zarrpyramid build`: equal to `build_pyramid`, its settings spelled as in a configuration."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time

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


SIZES = {
    # Axes, settings, and what the warning names.
    "nothing is known": (None, {}, ["z", "y", "x"], "{z: SIZE, y: SIZE, x: SIZE}"),
    "some are given": (None, {"voxel_size": "{z: 2.5}"}, ["y", "x"], "{z: 2.5, y: SIZE, x: SIZE}"),
    "with a unit": (None, {"unit": "micrometer"}, ["z", "y", "x"], "{z: SIZE, y: SIZE, x: SIZE}"),
    "channels": ("cyx", {}, ["y", "x"], "{y: SIZE, x: SIZE}"),
    "all are given": (None, {"voxel_size": "[3, 2, 1]"}, [], ""),
    "all ones": (None, {"voxel_size": "[1, 1, 1]"}, [], ""),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("axes", "given", "unknown", "sizes"), SIZES.values(), ids=SIZES)
def test_voxel_sizes_that_nothing_says(tmp_path, capsys, axes, given, unknown, sizes):
    group = zarr.create_group(tmp_path / "a b.zarr")
    group.create_array("0", data=VOXELS, chunks=(8, 8, 8), dimension_names=axes)
    words = [word for key, value in given.items() for word in ("--set", f"{key}={value}")]
    build = ["build", f"{tmp_path}/a b.zarr", "--set", "levels=1"]
    assert main([*build, *words]) == 0
    told = capsys.readouterr().err
    for silent in ("--json", "-q"):
        assert main([*build, *words, silent]) == 0
        assert capsys.readouterr().err == ""
    assert bool(told) == bool(unknown)
    if unknown:
        assert told.startswith(
            f"zarrpyramid: warning: voxel size unknown along {', '.join(unknown)}: voxels count as "
            f'cubes; give --set "voxel_size={sizes}"'
        )
        assert told.endswith(" --set unit=micrometer\n") == ("unit" not in given)
        way_out = shlex.split(told.partition("; give ")[2].replace("SIZE", "0.5"))
        assert main([*build, *words, *way_out]) == 0
        assert capsys.readouterr().err == ""
        assert main(["info", f"{tmp_path}/a b.zarr", "--json"]) == 0
        axes = json.loads(capsys.readouterr().out)["axes"]
        assert {each["voxel_size"] for each in axes if each["name"] in unknown} == {0.5}
        assert all(each["unit"] == "micrometer" for each in axes if each["name"] in unknown)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("word", "line", "way_out"),
    [
        ("levls=1", "--set levls: no setting of build; did you mean 'levels'?", "levels=1"),
        ("levels", "--set levels: expected KEY=VALUE, such as levels=3", "levels=3"),
        ("levels=[", "--set levels: is no YAML: expected ", "levels=1"),
        ("levels=few", "levels", "levels=1"),
        ("field=raw", "--set field: no setting of build; give STORE/FIELD instead", "levels=1"),
        ("storage_options={secret", "--set storage_options: is no YAML: expected ','", "levels=1"),
    ],
)
def test_a_setting_that_is_none(tmp_path, capsys, word, line, way_out):
    store = stored(tmp_path / "a.zarr")
    before = files(store)
    assert main(["build", f"{store}/raw", "--set", word]) == 2
    (told,) = capsys.readouterr().err.splitlines()
    assert line in told
    assert "secret" not in told
    assert files(store) == before
    assert main(["build", f"{store}/raw", "--set", way_out, "-q"]) == 0


@pytest.mark.parametrize("pauses", [pytest.param((0.02,), marks=pytest.mark.slow), (0.1, 0.1, 0.1)])
def test_ctrl_c_however_often_ends_it(workspace, pauses):
    workspace.make_slow()
    program = [sys.executable, "-c", "from zarrpyramid.cli import main; raise SystemExit(main())"]
    with subprocess.Popen(
        [*program, "build", "image.zarr/raw", "--set", "levels=2"],
        cwd=workspace.folder,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        while not [*(workspace / "image.zarr/raw/1").glob("[0-9]*")]:
            assert running.poll() is None, running.stderr.read()
            time.sleep(0.01)
        for pause in (0, *pauses):  # to all of the session, as a terminal sends it
            time.sleep(pause)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGINT)
        _, told = running.communicate(timeout=30)
    # The last one may find Python itself at its end; a shell shows 130 of both.
    assert running.returncode in (130, -signal.SIGINT)
    assert told.splitlines()[-1].endswith("zarrpyramid: interrupted")
    assert "Traceback" not in told
    with pytest.raises(ProcessLookupError):
        os.killpg(running.pid, 0)
