"""Documents of strangers: one clean line or a right result, soon and in little memory."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import zarr

from hostile import harmed_stores, make_templates
from oracles import mean_by_hand
from zarrpyramid import build_pyramid
from zarrpyramid.cli.program import main
from zarrpyramid.downsample.pyramid import open_path
from zarrpyramid.errors import PyramidError

CALLS, BYTES = 2_000_000, 500e6  # 2,000 parts of an absurd level take 1.5 million, a second
COMMANDS = ("plan", "status", "lint", "verify", "reproduce")
N_DOCUMENTS = int(os.environ.get("ZARRPYRAMID_DOCUMENTS", "300"))

# At the bottom of a recursion, where what is collected is told to pytest, that fails itself.
OF_PYTEST = re.compile(
    r"Exception ignored in\b[^\n]*\nTraceback [^\n]*\n(  [^\n]*\n)*?"
    r"  File [^\n]*unraisableexception\.py[^\n]*\n(    [^\n]*\n)*RecursionError[^\n]*\n"
)


@pytest.fixture(scope="module")
def templates(tmp_path_factory):
    return make_templates(tmp_path_factory.mktemp("templates"))


def told(*arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return code, out.getvalue(), OF_PYTEST.sub("", err.getvalue())


def soon(case, door, call):
    """Call; a store of a few objects needs few calls in Python, on however slow a machine."""
    n_calls = 0

    def count(frame, event, argument):
        nonlocal n_calls
        n_calls += event == "call"

    sys.setprofile(count)
    try:
        return call()
    except Exception as error:
        error.add_note(f"{door}: {case.path.name}, {case.document}: {case.harm}")
        raise
    finally:
        sys.setprofile(None)
        assert n_calls < CALLS, f"{door} made {n_calls} calls: {case}"


def check(case):
    """Knock at every door."""
    for command in COMMANDS:
        options = ("--seed", "1", "--sample", "3") if command == "verify" else ()
        code, out, err = soon(case, command, partial(told, command, case.path, *options))
        assert "Traceback" not in err, (command, case, err[-2000:])
        assert all(line.isprintable() for line in (out + err).split("\n")), (command, case)
        lines = err.splitlines()
        if code and command in ("plan", "reproduce"):
            said = ("zarrpyramid: error: ", "zarrpyramid: a run is refused: ")
            assert lines[-1].startswith(said), (command, case, err)
            assert sum(line.startswith(said) for line in lines) == 1, (command, case, err)
    try:
        records = soon(
            case, "build", lambda: build_pyramid(case.path, progress=False, n_workers=1, levels=2)
        )
    except PyramidError as error:
        line = str(error)
        return "\n" in line and pytest.fail(f"{case}: {line}")
    image = open_path(str(case.path))
    voxels = zarr_voxels(image.name(0))
    if voxels is None:
        return True
    assert voxels.shape == tuple(records[0]["shape"]), case
    for record in records[1:]:
        voxels = mean_by_hand(voxels, record["recipe"]["factors"])
        made = zarr_voxels(image.name(record["level"]))
        assert np.array_equal(voxels, made, equal_nan=True), case
    return True


def zarr_voxels(path):
    try:
        return zarr.open_array(path, mode="r")[...]
    except Exception:  # zarr-python's own words, of any kind
        return None


def memory(name):
    """Return bytes of this process's memory as Linux counts them under a name."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) * 1024


def check_documents(templates, folder, seeds):
    # What tests before this one took does not count: the peak begins anew.
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    before = memory("VmRSS")
    built = [check(case) for case in harmed_stores(templates, folder, seeds)]
    assert memory("VmHWM") - before < BYTES
    return built


@pytest.mark.slow
def test_a_few_documents(templates, tmp_path):
    built = check_documents(templates, tmp_path, range(20))
    assert any(built)
    assert not all(built)


@pytest.mark.slow
def test_hundreds_of_documents(templates, tmp_path):
    check_documents(templates, tmp_path, range(1000, 1000 + N_DOCUMENTS))
