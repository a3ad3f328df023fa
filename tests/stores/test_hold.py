"""One run at a time holds an image, and what a dead one has left is known."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.cli.program import main
from zarrpyramid.config import image_config
from zarrpyramid.downsample.pyramid import clean
from zarrpyramid.errors import StoreError
from zarrpyramid.plan.image import open_image
from zarrpyramid.stores import hold as holds
from zarrpyramid.stores.hold import HOLD_FILE, release_hold, take_hold


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "a.zarr"
    zarr.create_group(path).create_array("0", data=np.ones((9, 9), "u1"), chunks=(4, 4))
    return path


def opened(path, **keys):
    return open_image(image_config("image", {"store": str(path), **keys}))


def taken(path, **keys):
    image = opened(path, **keys)
    return take_hold(image.store, image.path, makes_group=image.makes_group)


def held(path, **keys):
    image = opened(path, **keys)
    return holds.held(image.store, image.path, makes_group=image.makes_group)


def change(store, **keys):
    """Take a hold that another run will have left, changed in some keys."""
    taken(store)
    path = store / HOLD_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}), encoding="utf-8")


def dead_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_second_is_told_who_holds_it(store):
    with held(store):
        before = (store / HOLD_FILE).read_bytes()
        for second in (lambda: build_pyramid(store), lambda: clean(str(store))):
            with pytest.raises(StoreError, match=r"is held by a run of \S+ on host \S+, process"):
                second()
        with pytest.raises(
            StoreError, match=f"process {os.getpid()}, since .*, which is this one; build"
        ):
            taken(store)
        assert (store / HOLD_FILE).read_bytes() == before
        assert not (store / "1").exists()
    assert not (store / HOLD_FILE).exists()
    assert len(build_pyramid(store, levels=2)) == 3
    assert not (store / HOLD_FILE).exists()


def test_it_is_released_after_a_failure_and_another_s_is_not(store):
    with pytest.raises(KeyError), held(store):
        raise KeyError
    assert not (store / HOLD_FILE).exists()
    mine = taken(store)
    (store / HOLD_FILE).unlink()
    with held(store):
        release_hold(mine)
        assert (store / HOLD_FILE).exists()


@pytest.mark.parametrize("number", [dead_process, os.getpid])
def test_what_a_process_that_is_gone_has_left_is_taken_over(store, number):
    """Also where another process has its number by now."""
    change(store, pid=number(), start="another boot 17")
    with held(store):
        assert json.loads((store / HOLD_FILE).read_text())["pid"] == os.getpid()


def test_what_another_host_has_left_is_freed_by_hand(store, capsys):
    change(store, host="elsewhere", pid=dead_process(), since="2020-01-01T00:00:00+00:00")
    message = r"on host elsewhere, .* days ago\); if that run has ended, zarrpyramid unlock"
    with pytest.raises(StoreError, match=message):
        taken(store)
    assert main(["unlock", str(store)]) == 0
    assert "is free; it was held by a run of" in capsys.readouterr().out
    assert main(["unlock", str(store)]) == 0
    assert "is held by nobody" in capsys.readouterr().out
    with held(store):
        assert main(["unlock", str(store)]) == 2
        assert "wait until it has ended, or stop it" in capsys.readouterr().err
        assert (store / HOLD_FILE).exists()


def test_a_file_that_says_nothing_holds(store, monkeypatch):
    monkeypatch.setattr(holds.time, "sleep", lambda seconds: None)
    (store / HOLD_FILE).write_bytes(b"")
    with pytest.raises(StoreError, match="held by a run that has not left its name"):
        taken(store)
    assert main(["unlock", str(store)]) == 0
    assert not (store / HOLD_FILE).exists()


def test_folders_that_were_made_for_it_go_again(tmp_path):
    made = {"shape": [4, 4], "chunks": [2, 2]}
    (tmp_path / "mine").mkdir()
    for name in ("mine", "new.zarr/group"):
        with held(tmp_path / name, test_image=made):
            assert (tmp_path / name / HOLD_FILE).exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine"]
    # What others make is not there to be held.
    base = {**made, "dtype": "uint8"}
    assert taken(tmp_path / "others.zarr", base=base, base_ready="r") is None


@pytest.mark.parametrize("pid", ["x", -1, 0, 10**20, None])
def test_a_process_that_cannot_be_is_nobody(store, pid, capsys):
    change(store, pid=pid)
    assert main(["unlock", str(store)]) == 0
    assert "is free" in capsys.readouterr().out
    change(store, pid=pid)
    with held(store):
        assert json.loads((store / HOLD_FILE).read_text())["pid"] == os.getpid()


def test_a_full_disk_leaves_no_file(store, monkeypatch):
    def full(descriptor, mode):
        os.close(descriptor)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(StoreError, match=rf"cannot write .*{HOLD_FILE}: No space left on device"):
        taken(store)
    assert not (store / HOLD_FILE).exists()


def test_one_run_holds_an_image_once(store):
    with held(store), pytest.raises(StoreError, match="which is this one; build it once"):
        taken(store)


def test_unlock_wants_an_image(store, tmp_path, capsys):
    with held(store):
        assert main(["unlock", str(tmp_path)]) == 2
    assert f"held below it: {store}; give STORE/FIELD" in capsys.readouterr().err
    assert main(["unlock", str(tmp_path / "none")]) == 2
