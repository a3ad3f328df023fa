"""A local folder as keys and bytes: whole objects or none, whatever fails."""

from __future__ import annotations

import contextlib
import errno
import os
import pickle
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zarr.storage
from zarr.storage import MemoryStore

from zarrpyramid.errors import StoreError
from zarrpyramid.stores import files as files_module
from zarrpyramid.stores.files import TEMPORARY_SUFFIX, write_aside
from zarrpyramid.stores.local import LocalStore
from zarrpyramid.stores.zarr_store import ZarrStore


def kinds(tmp_path):
    return [
        LocalStore(tmp_path / "a"),
        ZarrStore(MemoryStore()),
        ZarrStore(zarr.storage.LocalStore(tmp_path)),
    ]


@pytest.fixture(params=["local", "memory", "zarr local"])
def store(request, tmp_path):
    return kinds(tmp_path)[["local", "memory", "zarr local"].index(request.param)]


DATA = b"0123456789"


def test_objects_come_back(store):
    for data in (DATA, memoryview(DATA), b"", b"another"):
        store.put("a/b/c", data)
        assert store.get("a/b/c") == bytes(data)
        assert store.size("a/b/c") == len(data)


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (0, 4, b"0123"),  # the beginning
        (3, 4, b"3456"),  # inside
        (0, 10, DATA),  # all of it
        (-4, 4, b"6789"),  # the end
        (-4, 2, b"67"),  # near the end
    ],
)
def test_ranges(store, start, length, expected):
    store.put("key", DATA)
    assert store.get_range("key", start, length) == expected
    assert store.get_range("absent", start, length) is None


@pytest.mark.parametrize(("start", "length"), [(8, 4), (20, 4), (-30, 30)])
def test_ranges_beyond_a_local_file_are_short(tmp_path, start, length):
    store = LocalStore(tmp_path)
    store.put("key", DATA)
    found = store.get_range("key", start, length)
    assert found == (DATA if start < 0 else DATA[start : start + length])


def test_absent_keys(store):
    store.put("a/b", DATA)
    for key in ("c", "a/c"):
        assert store.get(key) is None
        assert store.size(key) is None
        store.delete(key)
    assert store.get("a") is None  # a folder is no object
    store.delete_tree("absent")
    assert list(store.keys("absent")) == []
    assert store.children("absent") == []


def test_below_a_file_is_nothing(tmp_path):
    store = LocalStore(tmp_path)
    store.put("a", DATA)
    assert (store.get("a/b"), store.size("a/b"), store.children("a")) == (None, None, [])
    store.delete("a/b")
    with pytest.raises(StoreError, match=r"cannot write .*a/b"):
        store.put("a/b", DATA)
    assert store.get("a") == DATA


def test_listing_and_removing(store):
    for key in ("x/1/c/0", "x/1/zarr.json", "x/2/zarr.json", "x/zarr.json", "y"):
        store.put(key, DATA)
    assert sorted(store.keys("x")) == ["1/c/0", "1/zarr.json", "2/zarr.json", "zarr.json"]
    assert store.children("x") == ["1", "2"]
    sizes = [(key, size) for key, size, _ in sorted(store.stats("x/1"))]
    assert sizes == [("c/0", 10), ("zarr.json", 10)]
    store.delete("x/2/zarr.json")
    store.delete_tree("x/1")
    assert sorted(store.keys("")) == ["x/zarr.json", "y"]
    store.put("x/1/c/0", DATA)  # a removed folder is made again
    assert store.get("x/1/c/0") == DATA
    store.sync()
    with store.exclusive():
        pass


def test_a_rewrite_changes_the_version(tmp_path):
    store = LocalStore(tmp_path)
    store.put("key", DATA)
    os.utime(tmp_path / "key", ns=(1, 1))
    before = list(store.stats(""))
    time.sleep(0.02)  # the clock of inodes ticks every 1 to 10 ms
    store.put("key", DATA)
    assert list(store.stats("")) != before


@pytest.mark.parametrize("failing", ["write", "rename", "open"])
def test_a_failed_write_leaves_what_was_there_and_nothing_else(tmp_path, monkeypatch, failing):
    store = LocalStore(tmp_path)
    store.put("a/key", DATA)

    def fail(*arguments, **options):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(f"zarrpyramid.stores.local.os.{failing}", fail)
        with pytest.raises(StoreError, match=r"cannot write .*a/key: No space") as e:
            store.put("a/key", b"other")
    assert e.value.errno == 28
    assert store.get("a/key") == DATA
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["key"]


def test_a_disk_that_is_mounted_read_only_is_named_with_the_way_out(tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    way_out = "Read-only file system; mount its disk for writing, or give a place on another disk"
    monkeypatch.setattr("zarrpyramid.stores.local.os.open", fail)
    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(StoreError, match=rf"cannot write .*a/key: {way_out}$"):
        LocalStore(tmp_path).put("a/key", DATA)
    with pytest.raises(StoreError, match=rf"cannot write .*/report.html: {way_out}$"):
        write_aside(tmp_path / "report.html", DATA)


def test_short_writes_are_completed(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(files_module.os, "write", lambda fd, data: write(fd, data[:3]))
    LocalStore(tmp_path).put("key", DATA)
    assert (tmp_path / "key").read_bytes() == DATA


def test_short_reads_are_completed(tmp_path, monkeypatch):
    pread = os.pread
    (tmp_path / "key").write_bytes(DATA)
    monkeypatch.setattr(files_module.os, "pread", lambda fd, n, at: pread(fd, min(n, 3), at))
    assert LocalStore(tmp_path).get("key") == DATA
    assert LocalStore(tmp_path).get_range("key", 2, 7) == DATA[2:9]


@pytest.mark.parametrize(("n_bytes", "n_reads"), [(0, 0), (1, 1), (7, 1), (8, 1), (9, 1)])
def test_a_file_is_read_at_once(tmp_path, monkeypatch, n_bytes, n_reads):
    reads, preadv = [], os.preadv
    (tmp_path / "key").write_bytes(DATA[:n_bytes])
    monkeypatch.setattr(os, "preadv", lambda *given: reads.append(given) or preadv(*given))
    found = LocalStore(tmp_path).get_into("key", memoryview(bytearray(8)))
    assert (bytes(found), len(reads)) == (DATA[:n_bytes], n_reads)


@pytest.mark.parametrize(
    ("start", "expected"), [(2, DATA[2:9]), (6, DATA[6:]), (10, b""), (12, b"")]
)
def test_a_range_is_short_at_the_end(tmp_path, monkeypatch, start, expected):
    preadv = os.preadv
    (tmp_path / "key").write_bytes(DATA)
    monkeypatch.setattr(os, "preadv", lambda fd, to, at: preadv(fd, [to[0][:3]], at))
    assert LocalStore(tmp_path).get_into("key", memoryview(bytearray(8)), start, 7) == expected


def test_a_reader_never_sees_half_of_an_object(tmp_path):
    """Write two contents in turns in another process while reading in this one."""
    contents = {b"a" * 100_000, b"b" * 100_000}
    code = f"""
from zarrpyramid.stores.local import LocalStore
files = LocalStore({str(tmp_path)!r})
for turn in range(300):
    files.put("key", (b"ab"[turn % 2 :][:1]) * 100_000)
"""
    environment = {"PYTHONPATH": str(Path(files_module.__file__).parents[2])}
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as writer:
        seen = set()
        while writer.poll() is None:
            seen.add(LocalStore(tmp_path).get("key"))
    assert writer.returncode == 0
    assert seen - {None} <= contents
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_links(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "object").write_bytes(DATA)
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "0").symlink_to(tmp_path / "data")
    store = LocalStore(tmp_path / "store", trusted=[str(tmp_path / "data")])
    assert list(store.keys("")) == ["0/object"]
    assert store.children("") == ["0"]
    store.delete_tree("0")
    assert (tmp_path / "data" / "object").read_bytes() == DATA  # never followed
    assert store.children("") == []


def test_files_travel_to_workers(tmp_path):
    store = LocalStore(tmp_path)
    store.put("key", DATA)
    assert pickle.loads(pickle.dumps(store)).get("key") == DATA


def test_results_are_written_aside(tmp_path, monkeypatch):
    path = tmp_path / "levels" / "1.json"
    write_aside(path, b"first")
    assert path.read_bytes() == b"first"

    def fail(descriptor):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(files_module.os, "fsync", fail)
    with pytest.raises(StoreError, match=r"cannot write .*1.json: Input/output error"):
        write_aside(path, b"second")
    assert path.read_bytes() == b"first"
    assert [item.name for item in path.parent.iterdir()] == ["1.json"]


def test_temporary_names_are_known(tmp_path, monkeypatch):
    """A kill between write and rename leaves a name that ends as documented."""
    monkeypatch.setattr(files_module.os, "rename", lambda old, new: None)
    LocalStore(tmp_path).put("c/0", DATA)
    (left,) = (tmp_path / "c").iterdir()
    assert left.name.startswith("0.")
    assert left.name.endswith(TEMPORARY_SUFFIX)


def test_sync_tells_when_it_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(files_module, "SYNCFS", lambda descriptor: -1)
    with pytest.raises(StoreError, match="cannot flush"):
        LocalStore(tmp_path).sync()


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("has_syncfs", [True, False])
def test_what_is_written_is_flushed_once(tmp_path, monkeypatch, durable, has_syncfs):
    """By one call a job, by one a file where the system has no other, or not at all."""
    calls = []
    whole = calls.append if has_syncfs else None
    monkeypatch.setattr(files_module, "SYNCFS", whole and (lambda number: whole("all") or 0))
    monkeypatch.setattr(files_module.os, "fsync", lambda number: calls.append("file"))
    store = pickle.loads(pickle.dumps(LocalStore(tmp_path, durable=durable)))
    store.put("c/0", DATA)
    store.put("c/1", DATA)
    store.sync()
    assert calls == (["all"] if has_syncfs else ["file", "file"]) * durable
    assert store.get("c/1") == DATA


def put_device(path):
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))  # as /dev/zero, which needs root


def put_socket(path):
    with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)


@pytest.mark.parametrize("put", [os.mkfifo, put_socket, put_device])
@pytest.mark.parametrize("is_linked", [False, True])
def test_regular_files_alone_are_opened(tmp_path, put, is_linked):
    if put is put_device and os.geteuid():
        pytest.skip("a device is made by root alone")
    store = LocalStore(tmp_path)
    put(tmp_path / ("there" if is_linked else "a"))
    if is_linked:
        (tmp_path / "a").symlink_to("there")
    buffer = memoryview(bytearray(8))
    for read in (
        lambda: store.get("a"),
        lambda: store.get_small("a", 8),
        lambda: store.get_range("a", 0, 4),
        lambda: store.get_range("a", -4, 4),
        lambda: store.get_into("a", buffer),
        lambda: store.get_into("a", buffer, 0, 4),
    ):
        with pytest.raises(StoreError, match="/a is a pipe, a socket or a device, expected a reg"):
            read()
    assert store.size("a") == 0  # an object without bytes counts as absent, and is made again
    store.put("a", DATA)  # over it
    assert store.get("a") == DATA


def test_a_folder_is_no_object(tmp_path):
    store = LocalStore(tmp_path)
    (tmp_path / "a").mkdir()
    buffer = memoryview(bytearray(8))
    assert store.get("a") is store.get_small("a", 8) is store.get_range("a", 0, 4) is None
    assert store.get_into("a", buffer) is store.size("a") is store.version("a") is None


def test_an_object_that_is_too_large_is_not_read(store):
    store.put("key", DATA)
    assert store.get_small("key", 10) == DATA
    assert store.get_small("absent", 10) is None
    with pytest.raises(StoreError, match=r"/key has 10 bytes, expected at most 9; remove what"):
        store.get_small("key", 9)


def test_a_folder_in_the_place_of_a_note_is_one_line(tmp_path):
    (tmp_path / "note").mkdir()
    with pytest.raises(StoreError, match="/note is a folder, expected a file; move it away"):
        LocalStore(tmp_path).create("note", DATA)


def reads(monkeypatch):
    """Return the keys of documents, as they are read."""
    asked, read = [], LocalStore._read

    def reading(self, key, *arguments):
        asked.append(key)
        return read(self, key, *arguments)

    monkeypatch.setattr(LocalStore, "_read", reading)
    return asked


CHANGES = {
    "put": lambda store: store.put("d/a", b"new"),
    "replaced": lambda store: store.replace("d/a", lambda found: b"new"),
    "made": lambda store: (store.delete("d/a"), store.create("d/a", b"new")),
    "removed": lambda store: store.delete("d/a"),
    "removed if": lambda store: store.delete_if("d/a", b"old"),
    "the folder removed": lambda store: store.delete_tree("d"),
    "all removed": lambda store: store.delete_tree(""),
    "linked": lambda store: (store.delete_tree("d"), store.link("d", f"{store.root}/e")),
}


@pytest.mark.parametrize("how", CHANGES)
def test_a_document_is_read_once_until_this_process_changes_it(tmp_path, monkeypatch, how):
    store = LocalStore(tmp_path / "s")
    store.put("d/a", b"old")
    store.put("e/a", b"new")
    asked = reads(monkeypatch)
    with store.remembered():
        for _ in range(2):
            assert [store.get_small(key, 9) for key in ("d/a", "e/x")] == [b"old", None]
        assert asked == ["d/a", "e/x"]
        CHANGES[how](store)
        assert store.get_small("d/a", 9) == (None if "removed" in how else b"new")
    LocalStore(tmp_path / "s").put("e/x", b"later")
    assert store.get_small("e/x", 9) == b"later"


def test_what_others_write_is_seen_in_every_lock(tmp_path, monkeypatch):
    store, other = LocalStore(tmp_path), LocalStore(tmp_path)
    store.put("a", b"1")
    asked = reads(monkeypatch)
    with store.remembered():
        assert store.get_small("a", 9) == b"1"
        other.put("a", b"2")
        assert store.get_small("a", 9) == b"1"  # kept outside a lock
        with store.exclusive():
            assert store.get_small("a", 9) == b"2"
            with store.exclusive(), store.remembered(["a"], anew=True):  # a part of the same
                assert store.get_small("a", 9) == b"2"
            store.replace("a", lambda found: found + b" and mine")
            assert store.get_small("a", 9) == b"2 and mine"
        assert asked == ["a", "a"]
        other.put("a", b"3")
        assert store.get_small("a", 9) == b"2 and mine"  # never older than what was seen
        with store.remembered(["a"], anew=True):
            assert store.get_small("a", 9) == b"3"
        other.put("a", b"4")
        store.replace("a", lambda found: found + b" and mine")
        assert (tmp_path / "a").read_bytes() == b"4 and mine"
        other.put("a", b"5")
        with store.exclusive():
            assert store.get_small("a", 9) == b"5"
    other.put("a", b"6")
    assert store.get_small("a", 9) == b"6"


@pytest.mark.parametrize("where", ["a", "a/b", "a/b/c"])
@pytest.mark.parametrize("is_known", [False, True])
def test_a_link_below_a_folder_that_was_looked_at_is_refused(tmp_path, where, is_known):
    store, elsewhere = LocalStore(tmp_path / "s"), tmp_path / "elsewhere"
    (elsewhere / "b/c").mkdir(parents=True)
    for folder in (elsewhere, elsewhere / "b", elsewhere / "b/c"):
        (folder / "key").write_bytes(DATA)
    (tmp_path / "s" / where).parent.mkdir(parents=True)
    if is_known:  # all that is above the link
        above = where.split("/")[:-1]
        assert [store.get("/".join([*above[:n], "key"])) for n in range(len(above) + 1)] == [
            None
        ] * len(where.split("/"))
    (tmp_path / "s" / where).symlink_to(elsewhere)
    for key in (f"{where}/key", f"{where}/b/key", f"{where}/b/c/key", f"{where}/../key"):
        with pytest.raises(StoreError, match="leads through a symbolic link"):
            store.get(key)
