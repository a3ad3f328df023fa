"""What breaks under a run: one line with the way out, nothing half there, and a rerun mends it."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec

from zarrpyramid import build_pyramid
from zarrpyramid.config import image_config
from zarrpyramid.downsample import level as levels
from zarrpyramid.downsample.base import seal_base
from zarrpyramid.downsample.log import job_log
from zarrpyramid.downsample.parts import build_part, gather_level, open_level
from zarrpyramid.errors import PyramidError, StoreError, VoxelError
from zarrpyramid.metadata.record import write_sentinel
from zarrpyramid.plan.image import open_image
from zarrpyramid.stores import files as store
from zarrpyramid.stores.hold import HOLD_FILE
from zarrpyramid.verify.findings import Report
from zarrpyramid.verify.verify import verify_pyramid


def make(path, **settings):
    voxels = np.random.default_rng(2).integers(0, 999, (20, 18, 16)).astype("uint16")
    group = zarr.open_group(path, mode="w")
    group.create_array("0", data=voxels, chunks=(10, 10, 10), **settings)
    return path


def build(path, **settings):
    return build_pyramid(path, levels=2, progress=False, n_workers=1, **settings)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Records of an undisturbed build."""
    return build(make(tmp_path_factory.mktemp("sound") / "a.zarr"))


def check_nothing_half(path):
    """See that whatever a reader can open is complete."""
    group = zarr.open_group(path, mode="r")
    listed = [
        item["path"]
        for image in group.attrs.get("ome", {}).get("multiscales", [])
        for item in image["datasets"]
    ]
    for name in {*listed, *(each.parent.name for each in path.glob("[12]/zarr.json"))}:
        array = zarr.open_array(path / name, mode="r")
        stored = [key for key in (path / name).rglob("*") if key.is_file()]
        assert name == "0" or len(stored) == 1 + array.nchunks, stored


def check_mended(path, sound, **settings):
    """See that a rerun gives the undisturbed records, a sound pyramid, and no litter."""
    assert build(path, **settings) == sound
    report = Report(path=str(path))
    report.gather(verify_pyramid(str(path), full=True))
    assert report.is_sound, report.findings
    assert not [key for key in path.rglob("*") if "partial" in key.name]


def fill_up(place):
    """Leave no byte on the disk of a folder."""
    descriptor = os.open(place / "ballast", os.O_CREAT | os.O_WRONLY)
    with contextlib.suppress(OSError):
        while True:
            os.write(descriptor, bytes(4096))
    os.close(descriptor)


def check_line(error, reason):
    """See that an error is one line, which says why."""
    assert "\n" not in str(error)
    assert reason in str(error)


def failing(number, call, error):
    """Return a call that fails once, at its n-th time, and how often it was called."""
    times = [0]

    def wrapped(*arguments, **settings):
        times[0] += 1
        if times[0] == number:
            raise OSError(error, os.strerror(error))
        return call(*arguments, **settings)

    return wrapped, times


@pytest.mark.sampled(1)
@pytest.mark.parametrize("error", [errno.EIO, errno.EACCES])
@pytest.mark.parametrize("name", ["write", "rename", "open", "fsync"])
def test_every_failing_call_in_turn(tmp_path, monkeypatch, caplog, sound, name, error):
    template = make(tmp_path / "template.zarr")
    monkeypatch.setattr(store, "SYNCFS", None)  # so that files are flushed one by one
    for number in range(1, 200):
        path = shutil.copytree(template, tmp_path / f"{number}.zarr")
        call, times = failing(number, getattr(os, name), error)
        with monkeypatch.context() as patch:
            patch.setattr(os, name, call)
            try:
                build(path, force_space=True)
            except PyramidError as failure:
                check_line(failure, os.strerror(error))
            else:
                if times[0] < number:
                    break
                # All is made by then: what fails is the release of the hold, and that is told.
                assert "is still held" in caplog.text, f"{name} {number} failed and nobody said so"
                caplog.clear()
                (path / HOLD_FILE).unlink()
        check_nothing_half(path)
        check_mended(path, sound)
    assert number > 4


def test_a_flush_that_fails(tmp_path, monkeypatch, sound):
    path = make(tmp_path / "a.zarr")
    with monkeypatch.context() as patch:
        patch.setattr(store, "SYNCFS", lambda descriptor: -1)
        patch.setattr(store.ctypes, "get_errno", lambda: errno.EIO)
        with pytest.raises(StoreError, match=r"cannot flush .*Input/output error"):
            build(path)
    check_nothing_half(path)
    check_mended(path, sound)


def during(monkeypatch, harm):
    """Do harm after the blocks of a level were made, before it is published."""
    run_tasks = levels.run_tasks

    def run(*arguments, **settings):
        seen = run_tasks(*arguments, **settings)
        harm()
        return seen

    monkeypatch.setattr(levels, "run_tasks", run)


def test_the_store_is_removed_under_a_run(tmp_path, monkeypatch):
    path = make(tmp_path / "a.zarr")
    during(monkeypatch, lambda: shutil.rmtree(path))
    with pytest.raises(PyramidError) as error:
        build(path)
    assert str(path) in str(error.value)
    assert not path.exists()


def test_level_0_changes_under_a_run(tmp_path, monkeypatch, sound):
    path = make(tmp_path / "a.zarr")
    stored = path / "0/c/0/0/0"
    with monkeypatch.context() as patch:
        during(patch, lambda: stored.write_bytes(stored.read_bytes()))
        with pytest.raises(VoxelError, match=r"0 changed while level 1 was made of it"):
            build(path)
    assert not (path / "1/zarr.json").exists()
    check_mended(path, sound)


def test_level_0_changes_while_level_1_is_made_in_parts(tmp_path):
    path = make(tmp_path / "a.zarr")
    sound = build(make(tmp_path / "b.zarr"), chunks=[4, 4, 4])
    keys = {"store": str(path), "levels": 2, "chunks": [4, 4, 4], "parts": 2}
    image = open_image(image_config("a", keys))
    base, n_parts = seal_base(image), image.plan.cut(1).n_parts
    assert n_parts == 2

    def make_parts(change):
        opening = open_level(image, 1, base)
        parts = [
            build_part(image, 1, part + 1, base, opening, n_workers=1) for part in range(n_parts)
        ]
        change()
        return gather_level(image, 1, base, parts)

    stored = path / "0/c/0/0/0"
    with pytest.raises(VoxelError, match=r"0 changed while level 1 was made of it"):
        make_parts(lambda: stored.write_bytes(stored.read_bytes()))
    assert not (path / "1/zarr.json").exists()
    assert make_parts(lambda: None) == sound[1]
    check_mended(path, sound, chunks=[4, 4, 4])


CHECKED = {"crc32c": Crc32cCodec(), "zstd": ZstdCodec(checksum=True)}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("codec", CHECKED)
@pytest.mark.parametrize("harm", ["truncated", "empty", "flipped"])
def test_damaged_objects_of_level_0_stop_a_run(tmp_path, codec, harm):
    path = make(tmp_path / "a.zarr", compressors=CHECKED[codec])
    stored = path / "0/c/1/0/1"
    data = bytearray(stored.read_bytes())
    middle = len(data) // 2
    if harm == "flipped":
        data[middle] ^= 1
    stored.write_bytes(data[: {"truncated": middle, "empty": 0}.get(harm)])
    with pytest.raises(StoreError, match=r"0/c/1/0/1 is damaged: .*restore it from a copy"):
        build(path)
    assert not (path / "1/zarr.json").exists()
    stored.write_bytes(make(tmp_path / "b.zarr", compressors=CHECKED[codec]).joinpath(
        "0/c/1/0/1").read_bytes())  # fmt: skip
    check_mended(path, build(tmp_path / "b.zarr"))


@pytest.mark.parametrize("shards", [None, (10, 10, 20)])
def test_missing_objects(tmp_path, shards):
    path = make(tmp_path / "a.zarr", shards=shards)
    key = "c/0/1/0"
    (path / "0" / key).unlink()
    with pytest.raises(StoreError, match=rf"0/{key} is missing, but missing_chunks: error"):
        build(path, missing_chunks="error")
    assert not (path / "1").exists()
    # Where objects are not watched, it is seen when it is read.
    with pytest.raises(StoreError, match=rf"0/{key} is missing, but missing_chunks: error"):
        build(path, missing_chunks="error", base_watch="metadata")
    assert not (path / "1/zarr.json").exists()
    with pytest.raises(StoreError, match=rf"0/{key} is missing"):
        build_pyramid(
            tmp_path / "b.zarr", source=path, missing_chunks="error", progress=False, levels=2
        )
    assert [record["level"] for record in build(path)] == [0, 1, 2]
    voxels = zarr.open_array(path / "0", mode="r")[...]
    assert zarr.open_array(path / "1", mode="r")[0, 5, 0] == np.rint(
        voxels[:2, 10:12, :2].mean()) == 0  # fmt: skip


LIMITED = """
import resource, sys
from pathlib import Path
import zarrpyramid.arrays.foreign, zarrpyramid.downsample.level, zarrpyramid.downsample.run
import numcodecs, concurrent.futures
from zarrpyramid.config import image_config
from zarrpyramid.plan.image import open_image
from zarrpyramid.downsample.log import job_log
from zarrpyramid import build_pyramid
from zarrpyramid.plan.needs import level_need
path, share = sys.argv[1], float(sys.argv[2])
image = open_image(image_config("image", {"store": path, "levels": 1}))
planned = 1e6 * level_need(image, 1, 1, 1e8).resources["mem_mb"]
size, resident = (
    int(pages) * resource.getpagesize()
    for pages in Path("/proc/self/statm").read_text().split()[:2]
)
# What is mapped and not used is no memory, though the limit counts it.
room = int(share * planned - resident)
resource.setrlimit(resource.RLIMIT_AS, (size + room, size + room))
with job_log(path + ".log", path + ".json"):
    build_pyramid(path, levels=1, progress=False, n_workers=1)
"""


@pytest.mark.slow
def test_memory_runs_out(tmp_path):
    path = tmp_path / "a.zarr"
    group = zarr.open_group(path, mode="w")
    voxels = np.arange(200**3, dtype="float64").reshape(200, 200, 200)
    group.create_array("0", data=voxels, chunks=(200, 200, 200))

    def run(share):
        return subprocess.run(
            [sys.executable, "-c", LIMITED, str(path), str(share)],
            capture_output=True, text=True, check=False, timeout=120,
            env={**os.environ, "PYTHONPATH": str(Path(levels.__file__).parents[2])},
        )  # fmt: skip

    below = run(0.6)
    assert below.returncode == 1, below.stderr
    log = Path(f"{path}.log").read_text(encoding="utf-8")
    assert log.splitlines()[-1].startswith("zarrpyramid: error: memory ran out"), log
    assert below.stderr == ""  # the run says the log's last line
    assert not (path / "1/zarr.json").exists()
    above = run(2)
    assert above.returncode == 0, above.stderr
    assert (path / "1/zarr.json").exists()


@pytest.mark.system
def test_a_full_disk_in_every_phase(tmp_path, mount, sound):
    place = mount("2m")
    page = resource.getpagesize()
    failed = 0
    for n_pages in range(1, 60):
        path = make(place / "a.zarr")
        ballast = place / "ballast"
        free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
        ballast.write_bytes(bytes(free - n_pages * page))
        try:
            build(path, force_space=True)
        except PyramidError as error:
            check_line(error, "No space left on device")
            failed += 1
        else:
            break
        check_nothing_half(path)
        ballast.unlink()
        check_mended(path, sound)
        shutil.rmtree(path)
    assert failed >= 4


@pytest.mark.system
def test_a_full_disk_under_sentinel_log_and_report(mount, capsys):
    place = mount("1m")
    (place / "ballast").write_bytes(bytes((1 << 20) - 8 * resource.getpagesize()))
    with pytest.raises(SystemExit) as end, job_log(str(place / "log"), str(place / "timing")):
        write_sentinel(place / "1.json", {"text": "x" * 50_000})
    # The log says it where the disk has room for that line, else the process does.
    log = (place / "log").read_text(encoding="utf-8")
    told = log.splitlines()[-1] if end.value.code == 1 else str(end.value)
    assert told.startswith("zarrpyramid: error: cannot write ")
    assert told.endswith("No space left on device")
    assert not list(place.glob("*partial"))


@pytest.mark.system
def test_a_disk_that_fills_up_under_a_log_fails_no_job(mount, capfd):
    place = mount("256k")
    with job_log(str(place / "log"), str(place / "timing")):
        fill_up(place)
        for _ in range(3):
            logging.getLogger("zarrpyramid").info("x" * 3000)
    lines = capfd.readouterr().err.splitlines()
    assert [line.split()[1:] for line in lines] == [
        f"{place / name} cannot be written (No space left on device)".split()
        for name in ("log", "timing")
    ]


@pytest.mark.system
def test_a_full_disk_under_the_notes_fails_no_job(tmp_path, mount, sound, caplog):
    path, place = make(tmp_path / "a.zarr"), mount("64k")
    fill_up(place)

    def build_with_notes():
        image = open_image(image_config("a", {"store": str(path), "levels": 2}))
        return levels.build_level(image, 1, seal_base(image), n_workers=1, results=place / "a")

    assert build_with_notes() == sound[1]
    assert "1.sqlite cannot be written (" in caplog.text
    check_nothing_half(path)
    (place / "ballast").unlink()
    (path / "1/c/0/0/0").unlink()
    assert build_with_notes() == sound[1]
    assert sum(record.levelno >= logging.WARNING for record in caplog.records) == 1
    check_mended(path, sound)


@pytest.mark.system
def test_a_read_only_store(mount, sound):
    place = mount("2m")
    path = make(place / "a.zarr")
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)
    with pytest.raises(StoreError, match=r"cannot be written; check its permissions"):
        build(path)
    subprocess.run(["mount", "-o", "remount,rw", place], check=True)
    check_mended(path, sound)
