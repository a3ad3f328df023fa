"""How a run starts: what it holds, sets aside, refuses and tells, by how Snakemake runs."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
import zarr

from zarrpyramid.downsample import start as start_module
from zarrpyramid.downsample.start import Mode, Start
from zarrpyramid.plan.run import Run
from zarrpyramid.stores.hold import release_hold, take_hold

HOLD = ".zarrpyramid-hold"
MAKES = {"is_main": True, "executes": True, "touches": False, "is_dry": False}
MAKES |= {"goes_on": False, "is_elsewhere": False}
LOOKS = [{"is_main": False}, {"executes": False}, {"touches": True}]


def closing(*given):
    """Close a run without a word."""


def mode(**changed):
    return Mode(**{**MAKES, **changed})


@pytest.fixture
def new_start(tmp_path, monkeypatch):
    """Return a function that starts a run of two images and others; holds end with the test."""
    monkeypatch.chdir(tmp_path)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    exits = []
    monkeypatch.setattr(start_module.atexit, "register", lambda *call: exits.append(call))
    for name in ("a", "b"):
        group = zarr.create_group(tmp_path / f"{name}.zarr")
        group.create_array("0", data=np.ones((8, 8), "uint8"), chunks=(4, 4))

    def make(*others):
        images = {name: {"store": f"{name}.zarr", "levels": 1} for name in ("a", "b", *others)}
        folder, logs = tmp_path / "out", tmp_path / "logs"
        run = Run({"images": images}, results="out", folder=folder, logs=logs)
        run.check()
        return Start(run, closing)

    yield make
    for function, *given in exits:
        function(*given)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def seal(folder, name):
    """Write a sentinel of level 0 that no store bears out."""
    path = folder / "out" / name / "levels/0.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    return path


def test_a_run_that_makes_holds_every_image_and_sets_stale_sentinels_aside(new_start, tmp_path):
    sealed = seal(tmp_path, "a")
    start = new_start()
    start.settle_all(mode())
    assert start.has_begun
    assert not sealed.exists()
    assert all((tmp_path / f"{name}.zarr" / HOLD).exists() for name in ("a", "b"))


def test_a_dry_run_only_tells(new_start, tmp_path, capsys):
    sealed = seal(tmp_path, "a")
    start = new_start()
    start.settle_all(mode(is_dry=True))
    assert not start.has_begun
    assert f"zarrpyramid: {sealed} is stale: " in capsys.readouterr().err
    assert sealed.exists()
    assert not (tmp_path / "a.zarr" / HOLD).exists()


def full(start, *names):
    """Have some images of a run find no room."""
    for name in names:
        start.run.images[name].no_room = f"no room for {name}"
    return start


def test_a_dry_run_tells_what_has_no_room_and_goes_on(new_start, capsys):
    start = full(new_start(), "b")
    start.settle_all(mode(is_dry=True))
    start.settle_all(mode(is_dry=True))
    assert capsys.readouterr().err == "zarrpyramid: a run here is refused: no room for b\n"
    assert start.run.targets()[-1] == "out/b/report.html"


def test_a_run_without_room_is_refused_before_it_holds_anything(new_start, tmp_path):
    with pytest.raises(SystemExit, match="no room for b"):
        full(new_start(), "b").settle_all(mode())
    with pytest.raises(SystemExit, match="no room for b"):
        full(new_start(), "b").ready({"image": "b", "level": "1"}, mode())
    assert not (tmp_path / "b.zarr" / HOLD).exists()
    start = full(new_start(), "b")
    start.settle_all(mode(goes_on=True))
    assert start.run.refused == {"b": "no room for b"}
    assert (tmp_path / "a.zarr" / HOLD).exists()


@pytest.mark.parametrize("changed", LOOKS, ids=str)
def test_what_makes_nothing_does_nothing(new_start, tmp_path, capsys, changed):
    sealed = seal(tmp_path, "a")
    start = new_start()
    start.settle_all(mode(**changed))
    assert not start.has_begun
    assert sealed.exists()
    assert not (tmp_path / "a.zarr" / HOLD).exists()
    assert capsys.readouterr().err == ""


def test_a_refused_image_ends_the_run_unless_it_goes_on(new_start, tmp_path):
    sealed = seal(tmp_path, "absent")
    start = new_start("absent")
    with pytest.raises(SystemExit, match=r"^zarrpyramid: .*absent\.zarr"):
        start.settle_all(mode())
    with pytest.raises(SystemExit, match=r"absent\.zarr"):
        start.verdicts(mode())
    assert not (tmp_path / "a.zarr" / HOLD).exists()
    start.refuse(mode(is_main=False))
    start.settle_all(mode(goes_on=True))
    assert start.has_begun
    assert not sealed.exists(), "else its first job, which says what is wrong, would not run"
    assert (tmp_path / "a.zarr" / HOLD).exists()


def test_jobs(new_start):
    start = new_start("absent")
    assert start.ready({"image": "a", "level": "1"}, mode()).level == 1
    with pytest.raises(SystemExit, match=r"^zarrpyramid: image a has no level 2; its last is 1$"):
        start.ready({"image": "a", "level": "2"}, mode())
    with pytest.raises(SystemExit, match=r"^zarrpyramid: .*absent\.zarr"):
        start.ready({"image": "absent"}, mode())


def held_elsewhere(start, name):
    image = start.run.images[name].image
    return take_hold(image.store, image.path, makes_group=False)


@pytest.mark.parametrize("changed", [{}, {"goes_on": True, "is_elsewhere": True}], ids=str)
def test_a_held_image_ends_the_run(new_start, changed):
    start = new_start()
    other = held_elsewhere(start, "b")
    try:
        with pytest.raises(SystemExit, match=r"^zarrpyramid: .*b\.zarr is held by a run of"):
            start.settle_all(mode(**changed))
    finally:
        release_hold(other)


def test_a_run_that_goes_on_refuses_a_held_image(new_start):
    start = new_start()
    other = held_elsewhere(start, "b")
    start.settle_all(mode(goes_on=True))
    release_hold(other)
    assert list(start.run.refused) == ["b"]
    assert "is held by a run of" in start.run.refused["b"]
    assert "out/b/levels/1.json" not in start.run.targets()


@pytest.mark.parametrize(
    ("changed", "stays"),
    [({}, False), ({"touches": True}, False), ({"is_dry": True}, True), ({"is_main": False}, True)],
    ids=str,
)
def test_no_report_of_an_earlier_run_is_taken_over(new_start, tmp_path, changed, stays):
    report = tmp_path / "out/a/verify.json"
    report.parent.mkdir(parents=True)
    report.write_text("{}")
    start = new_start()
    assert start.verdicts(mode(**changed)) == ["out/a/verify.json", "out/b/verify.json"]
    assert report.exists() == stays


def test_a_signal_releases_all_images(new_start, tmp_path, monkeypatch):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ended = []
    monkeypatch.setattr(start_module.os, "kill", lambda *given: ended.append(given))
    first, second = new_start(), new_start()  # as two modules of one workflow
    first.settle("a", mode())
    second.settle("b", mode())
    assert len(list(tmp_path.rglob(HOLD))) == 2
    signal.getsignal(signal.SIGTERM)(signal.SIGTERM, None)
    assert ended == [(os.getpid(), signal.SIGTERM)]
    assert not list(tmp_path.rglob(HOLD))
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_what_makes_something_is_closed_once(new_start, tmp_path, monkeypatch):
    exits = []
    monkeypatch.setattr(start_module.atexit, "register", lambda *call: exits.append(call))
    start = new_start()
    start.settle_all(mode(is_dry=True))
    assert not exits
    start = new_start()
    for _ in range(2):
        start.settle_all(mode())
        start.verdicts(mode())
    closings = [call for call in exits if call[0] is closing]
    assert closings == [(closing, start, tmp_path / "out", tmp_path / "logs")]
    for function, *given in exits:
        function(*given)
