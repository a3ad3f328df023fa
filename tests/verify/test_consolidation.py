"""Consolidated metadata is held against the documents that it repeats."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.verify.findings import DEFECT, Report
from zarrpyramid.verify.verify import verify_pyramid


@pytest.fixture(params=[2, 3])
def store(request, tmp_path):
    path = tmp_path / "a.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=request.param).create_group("raw")
    group.create_array(
        "0", data=np.arange(9 * 8 * 7, dtype="u2").reshape(9, 8, 7), chunks=(4, 4, 4)
    )
    build_pyramid(path, "raw", levels=2, progress=False)
    if request.param == 2:
        zarr.consolidate_metadata(path)
    else:
        with pytest.warns(UserWarning, match="Consolidated metadata"):
            zarr.consolidate_metadata(path)
    return path


def refused_by_zarr_python(store):
    try:
        group = zarr.open_group(store, mode="r")["raw"]
        return not all(isinstance(group[level], zarr.Array) for level in "012")
    except Exception:  # whatever it raises
        return True


def defects(path, n_checks=1):
    report = Report(path=str(path))
    report.gather(verify_pyramid(str(path / "raw")))
    checks = [check for check in report.checks if check.name == "consolidated"]
    assert n_checks is None or len(checks) == n_checks
    return [found.what for found in report.findings if found.grade == DEFECT]


def check_mended(path):
    """Run the command that findings print, and see that it leaves none."""
    report = Report(path=str(path))
    report.gather(verify_pyramid(str(path / "raw")))
    (way_out,) = {found.way_out for found in report.findings if "consolidated" in found.what}
    _, _, *command = shlex.split(way_out.removeprefix("consolidate it anew: "))
    subprocess.run([sys.executable, *command[1:]], check=True, timeout=60, capture_output=True)
    assert defects(path) == []


def change(path, edit):
    name = ".zmetadata" if (path / ".zmetadata").exists() else "zarr.json"
    document = json.loads((path / name).read_bytes())
    holder = document if name == ".zmetadata" else document["consolidated_metadata"]
    edit(holder["metadata"], "/.zarray" if name == ".zmetadata" else "")
    (path / name).write_text(json.dumps(document))


def test_what_agrees_is_sound(store):
    assert defects(store) == []


@pytest.mark.sampled(1)
def test_another_shape(store):
    change(store, lambda kept, tail: kept[f"raw/1{tail}"].update(shape=[5, 4, 3]))
    assert [what.partition("a.zarr ")[2] for what in defects(store)] == [
        "has another shape, and readers believe it"
    ]
    there = store.rename(store.with_name("it's $(touch pwned).zarr"))
    check_mended(there)
    assert not Path("pwned").exists()


def test_a_level_that_is_not_shown(store):
    for name in ("/.zattrs", "/.zarray", ""):
        change(store, lambda kept, tail, name=name: kept.pop(f"raw/2{name}", None))
    assert "does not show it" in defects(store)[0]


def test_a_level_that_is_gone(store):
    shutil.rmtree(store / "raw/2")
    assert any("shows an array that is not there" in what for what in defects(store))


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "damage",
    [
        lambda kept, tail: kept.clear() or kept.update({"raw": 5}),
        lambda kept, tail: kept[f"raw/1{tail}"].clear(),
        lambda kept, tail: kept[f"raw/1{tail}"].pop("shape"),
        lambda kept, tail: kept[f"raw/1{tail}"].pop("fill_value"),
        lambda kept, tail: kept.update({f"raw/other{tail}": {}}),
    ],
)
def test_what_readers_cannot_read(store, damage):
    change(store, damage)
    assert refused_by_zarr_python(store)
    assert defects(store, n_checks=None)
    check_mended(store)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("held", [5, "x", {"metadata": 5}, {"metadata": None}])
def test_damaged_as_a_whole(store, held):
    name = ".zmetadata" if (store / ".zmetadata").exists() else "zarr.json"
    document = json.loads((store / name).read_bytes())
    document = held if name == ".zmetadata" else {**document, "consolidated_metadata": held}
    (store / name).write_text(json.dumps(document))
    assert refused_by_zarr_python(store)
    (what,) = defects(store, n_checks=None)
    assert "is damaged, and readers believe it" in what
    check_mended(store)
