"""Worker processes that stay for several levels, and what ends them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.downsample import clean
from zarrpyramid.downsample.kept_workers import KeptWorkers
from zarrpyramid.downsample.level import LevelJob
from zarrpyramid.downsample.run import begin_blocks, run_blocks
from zarrpyramid.errors import StoreError, VoxelError, WorkerError
from zarrpyramid.stores.local import LocalStore


def process(place):
    time.sleep(0.001)
    return os.getpid()


def die(place):
    os.kill(os.getpid(), signal.SIGKILL)


def refuse(place):
    raise ValueError(tuple(place))


def test_blocks_that_have_begun_are_not_run_again(workers):
    run(process, 40, workers)
    begin_blocks("a task", Counter(), (30,), n_workers=2, workers=workers)
    assert workers.has_begun("a task")
    assert sum(calls == 1 for _, calls in run(refuse, 30, workers)) in (1, 2)  # one a process
    assert not workers.has_begun("a task")


def test_what_has_begun_for_another_task_ends(workers):
    run(process, 40, workers)
    begin_blocks("a task", process, (30,), n_workers=2, workers=workers)
    assert not workers.has_begun("another")
    assert not workers.are_there


class Counter:
    """What counts its calls, as pickled."""

    calls = 0

    def __call__(self, place):
        self.calls += 1
        return os.getpid(), self.calls


@pytest.fixture
def workers(monkeypatch):
    """Workers that may be made, whatever threads the tests before this one left behind."""
    monkeypatch.setattr("zarrpyramid.downsample.workers.can_fork", lambda: True)
    with KeptWorkers() as kept:
        yield kept


def run(compute, n_blocks, workers, **given):
    return list(run_blocks(compute, (n_blocks,), n_workers=2, workers=workers, **given))


def made(workers):
    """Return the processes that are there."""
    found = set(workers._pool._processes)
    assert len(found) == 2
    return found


@pytest.mark.sampled(2)
@pytest.mark.parametrize("n_blocks", [1, 3, 30, 300], ids=["one", "few", "some", "with dask"])
def test_levels_share_processes(workers, n_blocks):
    run(process, 40, workers)
    first = made(workers)
    then = run(process, n_blocks, workers)
    assert len(then) == n_blocks
    assert set(then) <= first
    assert os.getpid() not in first


def test_few_blocks_make_no_processes(workers):
    assert set(run(process, 8, workers)) == {os.getpid()}
    assert not workers.are_there


def test_one_worker_makes_no_processes(workers):
    assert set(run_blocks(process, (40,), n_workers=1, workers=workers)) == {os.getpid()}


def test_each_level_is_computed_by_what_it_has_given(workers):
    """A process keeps what it got for a level, with what that has opened, and no longer."""
    for _ in range(2):
        told = run(Counter(), 40, workers)
        for pid in {pid for pid, _ in told}:
            calls = [calls for by, calls in told if by == pid]
            assert sorted(calls) == list(range(1, len(calls) + 1))


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("compute", "error"), [(die, WorkerError), (refuse, ValueError)], ids=["killed", "error"]
)
@pytest.mark.parametrize("n_blocks", [40, 300], ids=["some", "with dask"])
def test_an_error_leaves_no_process_that_still_writes(workers, compute, error, n_blocks):
    run(process, 40, workers)
    before = made(workers)
    with pytest.raises(error):
        run(compute, n_blocks, workers)
    assert not workers.are_there
    assert set(run(process, 40, workers)).isdisjoint(before)


def test_processes_made_before_kernels_were_loaded_are_replaced(workers):
    run(process, 40, workers)
    before = made(workers)
    thread = threading.Thread(target=lambda: None)

    def load():
        thread.start()
        return thread

    assert set(run(process, 40, workers, load=load)).isdisjoint(before)


def test_dismissed_processes_have_ended_with_the_block(workers):
    run(process, 40, workers)
    first = made(workers)
    workers.dismiss()
    workers.end()
    for pid in first:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_store_that_holds_an_image_may_hold_it_again(tmp_path):
    (tmp_path / "image").mkdir()
    store, other = LocalStore(tmp_path), LocalStore(tmp_path)
    with store.hold("image"):
        with store.hold("image"):
            pass
        with pytest.raises(StoreError, match="another process is building"), other.hold("image"):
            pass
    with other.hold("image"):
        pass


BUILD = """
import sys
from zarrpyramid import build_pyramid
build_pyramid(sys.argv[1], levels=2, n_workers=2)
print(*sorted({"dask", "numba", "zarrpyramid.downsample.workers"} & {*sys.modules}))
"""


@pytest.mark.parametrize(
    ("edge", "imported"), [(128, ""), pytest.param(160, "dask ", marks=pytest.mark.slow)]
)
def test_dask_is_imported_for_more_than_64_tasks(tmp_path, edge, imported):
    voxels = np.random.default_rng(1).integers(0, 999, (edge,) * 3).astype("uint16")
    group = zarr.create_group(tmp_path / "one")
    group.create_array("0", data=voxels, chunks=(16, 16, 16))
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    told = subprocess.run(
        [sys.executable, "-c", BUILD, str(tmp_path / "one")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout.strip() == f"{imported}zarrpyramid.downsample.workers"
    build_pyramid(tmp_path / "other", levels=2, n_workers=1)
    digests = [
        [zarr.open_group(tmp_path / name)[str(n)].attrs["zarrpyramid"]["digest"] for n in (1, 2)]
        for name in ("one", "other")
    ]
    assert digests[0] == digests[1]


@pytest.fixture
def events(monkeypatch):
    """What happens while a pyramid is built in processes: levels that are begun and published."""
    seen = []
    monkeypatch.setattr("zarrpyramid.downsample.workers.can_fork", lambda: True)

    def noted(owner, name, told):
        plain = getattr(owner, name)

        def note(self, *given):
            seen.append(told(self, *given))
            return plain(self, *given)

        monkeypatch.setattr(owner, name, note)

    noted(KeptWorkers, "begin", lambda self, task, *_: f"begin {task.target_path}")
    noted(LevelJob, "publish", lambda self, record: f"publish {self.target.path}")
    return seen


def drawn(path, dtype="uint16", zarr_format=3, fill=0, edge=64):
    voxels = np.random.default_rng(1).integers(0, 2 if dtype == "bool" else 99, (edge,) * 3)
    group = zarr.create_group(path, zarr_format=zarr_format)
    array = group.create_array(
        "0", shape=voxels.shape, chunks=(8, 8, 8), dtype=dtype, fill_value=fill
    )
    array[:] = voxels
    array[:8, :8, :8] = fill
    return path


def files(path):
    """Return the content of every file of levels 1 to 3, and of the group's document."""
    found = [*path.glob("[123]/**/*"), *path.glob("zarr.json"), *path.glob(".z*")]
    return {str(each.relative_to(path)): each.read_bytes() for each in found if each.is_file()}


ONE_BY_ONE = ["publish 1", "publish 2", "publish 3"]
BEGUN = ["begin 2", "publish 1", "begin 3", "publish 2", "publish 3"]


@pytest.mark.parametrize(
    ("form", "settings", "expected"),
    [
        ({}, {}, BEGUN),
        ({"dtype": "float32", "fill": float("nan")}, {}, BEGUN),
        ({"dtype": "bool", "zarr_format": 2}, {"method": "mode"}, BEGUN),
        ({"dtype": "complex64"}, {"write_empty_chunks": False}, BEGUN),
        ({"edge": 60}, {"method": "min"}, BEGUN),
        # What is carried from level to level is removed as each is published.
        ({}, {"rounding": "once"}, ONE_BY_ONE),
    ],
    ids=lambda given: "-".join(map(str, given.values())) if isinstance(given, dict) else "",
)
def test_a_level_is_begun_before_the_one_before_it_is_published(
    tmp_path, events, form, settings, expected
):
    here, there = drawn(tmp_path / "a" / "i", **form), drawn(tmp_path / "b" / "i", **form)
    build_pyramid(here, levels=3, n_workers=2, **settings)
    assert events == expected
    build_pyramid(there, levels=3, n_workers=1, **settings)
    assert files(here) == files(there)


def with_notes(path):
    return {"notes": path.parent / "notes"}


def with_a_rest(path):
    (path / "2" / "c" / "0" / "0").mkdir(parents=True)
    (path / "2" / "c" / "0" / "0" / "9").write_bytes(b"of a killed run")
    return {}


def with_other_levels(path):
    build_pyramid(path, levels=3, method="max")
    return {}


@pytest.mark.parametrize("settle", [with_notes, with_a_rest, with_other_levels])
def test_nothing_is_begun_in_a_place_that_is_taken_or_noted(tmp_path, events, settle):
    here, there = drawn(tmp_path / "a" / "i"), drawn(tmp_path / "b" / "i")
    given = settle(here)
    events.clear()
    build_pyramid(here, levels=3, n_workers=2, **given)
    assert "begin 2" not in events
    build_pyramid(there, levels=3, n_workers=1)
    assert files(here) == files(there)


def test_what_has_begun_is_seen_by_nobody_if_the_level_before_fails(tmp_path, events, monkeypatch):
    here, there = drawn(tmp_path / "a" / "i"), drawn(tmp_path / "b" / "i")
    with monkeypatch.context() as changing:
        changing.setattr(LevelJob, "stamp", lambda self: object())
        with pytest.raises(VoxelError, match="changed while level 1 was made"):
            build_pyramid(here, levels=3, n_workers=2)
    assert events == ["begin 2"]
    assert not [*here.glob("[123]/zarr.json")]
    assert clean(str(here)) in ([1], [1, 2])
    assert not files(here).keys() - {"zarr.json"}
    build_pyramid(here, levels=3, n_workers=2)
    build_pyramid(there, levels=3, n_workers=1)
    assert files(here) == files(there)
