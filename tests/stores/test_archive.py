"""Archives of others, sound and hostile: what is read of them, and that nothing leads out."""

from __future__ import annotations

import pickle
import random
import re
import shutil
import struct
import warnings
import zipfile
import zlib

import numpy as np
import pytest
import zarr

from plates import make_image
from zarrpyramid import build_pyramid
from zarrpyramid.cli import main
from zarrpyramid.errors import StoreError
from zarrpyramid.share import pack, unpack
from zarrpyramid.stores import ArchiveWriter, open_store
from zarrpyramid.stores.archive import Archive
from zarrpyramid.verify import array_digests, pyramid_status

OBJECTS = {
    "zarr.json": b"{}",
    "0/zarr.json": b"[]",
    "0/c/0": bytes(range(250)),
    "01/c": b"",
    "a": b"b",
}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write(path, objects=OBJECTS, method=zipfile.ZIP_STORED, folders=()):
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", method) as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name in folders:
            archive.writestr(f"{name}/", b"")
        for key, data in objects.items() if isinstance(objects, dict) else objects:
            archive.writestr(key, data)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_is_a_store(tmp_path, method):
    write(tmp_path / "a.ozx", method=method, folders=["0", "0/c"])
    store = pickle.loads(pickle.dumps(open_store(str(tmp_path / "a.ozx"))))
    assert {key: store.get(key) for key in OBJECTS} == OBJECTS
    assert sorted(store.keys("")) == sorted(OBJECTS)
    assert sorted(store.keys("0")) == ["c/0", "zarr.json"]
    assert (store.children(""), store.children("0"), store.children("a")) == (
        ["0", "01"],
        ["c"],
        [],
    )
    assert store.get("absent") is store.opened("0") is store.version("0/c") is None
    key, data, buffer = "0/c/0", OBJECTS["0/c/0"], memoryview(bytearray(100))
    for start, length in ((0, 9), (3, 9), (245, 9), (250, 9), (-16, 9), (-999, 9)):
        expected = data[start:] if start >= 0 else data[start:] if -start <= 250 else data
        assert store.get_range(key, start, length) == expected[:length]
    assert bytes(store.get_into(key, buffer, 7, 50)) == data[7:57]
    assert bytes(store.get_into(key, buffer)) == data  # though it is longer
    assert bytes(store.get_into("a", buffer)) == b"b"
    assert bytes(store.opened(key).read_into(buffer, 200)) == data[200:]
    assert store.version(key) == (250, zlib.crc32(data))
    with pytest.raises(StoreError, match="has 250 bytes, expected at most 100"):
        store.get_small(key, 100)
    inside = open_store(str(tmp_path / "a.ozx/0"))
    assert (inside.get("c/0"), inside.above()[1], inside.above()[0].get("a")) == (data, "0", b"b")


def edited(path, *edits):
    """Write a small archive, and change what stands behind marks: (mark, offset, form, value)."""
    data = bytearray(write(path, {"zarr.json": b"{}", "x": bytes(100)}).read_bytes())
    for mark, offset, form, value in edits:
        struct.pack_into(form, data, data.rindex(mark) + offset, value)
    path.write_bytes(data)
    return path


def bomb(path):
    """Write 1,000 entries that share the bytes of one."""
    write(path, {"x": bytes(1000)})
    data = path.read_bytes()
    at = data.index(b"PK\1\2")
    entry, end = data[at : data.index(b"PK\5\6")], data[data.index(b"PK\5\6") :]
    entries = b"".join(entry[:46] + b"%d" % (n % 10) + entry[47:] for n in range(10))
    end = end[:8] + struct.pack("<2H2I", 10, 10, len(entries), at) + end[20:]
    path.write_bytes(data[:at] + entries + end)
    return path


DIRECTORY, END = b"PK\1\2", b"PK\5\6"
HOSTILE = [
    ("..", lambda path: write(path, {"../x": b""}), "'../x', whose name is no path inside"),
    ("deep", lambda path: write(path, {"a/../../x": b""}), "no path inside the archive"),
    ("absolute", lambda path: write(path, {"/x": b""}), "'/x', whose name is no path inside"),
    ("backslash", lambda path: write(path, {"..\\x": b""}), "no path inside the archive"),
    ("empty", lambda path: write(path, {"a//x": b""}), "no path inside the archive"),
    ("twice", lambda path: write(path, [("x", b"1"), ("x", b"2")]), "'x', which it holds twice"),
    ("method", lambda path: write(path, {"x": b"1"}, zipfile.ZIP_BZIP2), "by method 12"),
    ("secret", lambda path: edited(path, (DIRECTORY, 8, "<H", 1)), "'x', which is encrypted"),
    (
        "utf-8",
        lambda path: edited(path, (DIRECTORY, 8, "<H", 1 << 11), (DIRECTORY, 46, "B", 0xFF)),
        "utf-8",
    ),
    ("far", lambda path: edited(path, (DIRECTORY, 42, "<I", 1 << 30)), "is not where its dir"),
    ("other", lambda path: edited(path, (DIRECTORY, 46, "B", ord("y"))), "'y' is not where its"),
    (
        "long",
        lambda path: edited(path, (DIRECTORY, 20, "<I", 999), (DIRECTORY, 24, "<I", 999)),
        "'x' is not where its directory has it",
    ),
    ("uneven", lambda path: edited(path, (DIRECTORY, 24, "<I", 1 << 30)), "is not where its dir"),
    ("crc", lambda path: edited(path, (DIRECTORY, 16, "<I", 1)), "'x' has other bytes than were"),
    ("directory", lambda path: edited(path, (END, 12, "<I", 1 << 31)), "is damaged or no zip"),
    ("nothing", lambda path: write(path, {}), "holds no object; copy or download it again"),
    ("shared", bomb, "is not where its directory has it"),
    ("file and folder", lambda path: write(path, {"a": b"", "a/b": b""}), "'a/b', below 'a'"),
]


@pytest.mark.parametrize(
    ("make", "message"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE]
)
def test_a_hostile_archive_is_refused_in_one_line_and_nothing_is_written(
    tmp_path, capsys, make, message
):
    home = tmp_path / "home"
    home.mkdir()
    make(home / "a.ozx")
    assert main(["unpack", str(home / "a.ozx"), str(home / "a.zarr")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(re.escape(message), line)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["a.ozx"]


@pytest.mark.parametrize("said", [1 << 20, 100])
def test_no_more_is_inflated_than_an_archive_says(tmp_path, said):
    """1 GB of zeros in 1 MB, of which the directory tells a part."""
    write(tmp_path / "a.ozx", {"x": bytes(1 << 24)}, zipfile.ZIP_DEFLATED)
    data = bytearray((tmp_path / "a.ozx").read_bytes())
    struct.pack_into("<I", data, data.rindex(b"PK\1\2") + 24, said)
    (tmp_path / "a.ozx").write_bytes(data)
    store = open_store(str(tmp_path / "a.ozx"))
    assert store.get_range("x", 0, said - 1) == bytes(said - 1)
    for call in (lambda: store.get("x"), lambda: unpack(tmp_path / "a.ozx")):
        with pytest.raises(StoreError, match="has other bytes than were written"):
            call()
    assert names(tmp_path) == ["a.ozx"]


PIECE = 1 << 12
TEXT = b"level 0 of 0 to 2 is complete; "


@pytest.mark.parametrize("more", [-1, 0, 1, 7])
@pytest.mark.parametrize("n_pieces", [1, 2, 32])
@pytest.mark.parametrize(
    "pattern", [b"\0", TEXT, bytes(range(256)), random.Random(0).randbytes(9999)]
)
def test_a_sound_entry_is_inflated_whole(tmp_path, monkeypatch, pattern, n_pieces, more):
    """zlib may hold output when all input is used up: most often about a whole piece."""
    monkeypatch.setattr("zarrpyramid.stores.archive._PIECE", PIECE)
    size = n_pieces * PIECE + more
    data = (pattern * (size // len(pattern) + 1))[:size]
    write(tmp_path / "a.ozx", {"x": data}, zipfile.ZIP_DEFLATED)
    store = open_store(str(tmp_path / "a.ozx"))
    assert store.get("x") == data
    assert store.get_range("x", size - 9, 9) == data[-9:]
    archive = Archive(open_store(str(tmp_path)), "a.ozx")
    assert b"".join(map(bytes, archive.pieces(archive.entries["x"]))) == data
    unpack(tmp_path / "a.ozx", tmp_path / "back")
    assert (tmp_path / "back/x").read_bytes() == data


def test_a_deflated_chunk_of_more_than_a_piece_is_sound(tmp_path):
    size = (1 << 23) + 1
    data = (TEXT * (size // len(TEXT) + 1))[:size]
    write(tmp_path / "a.ozx", {"x": data}, zipfile.ZIP_DEFLATED)
    assert open_store(str(tmp_path / "a.ozx")).get("x") == data


def test_an_entry_that_says_too_much_is_refused_for_room(tmp_path):
    edited(tmp_path / "a.ozx", (DIRECTORY, 10, "<H", 8))
    data = bytearray((tmp_path / "a.ozx").read_bytes())
    struct.pack_into("<I", data, data.rindex(b"PK\1\2") + 24, 0xFFFFFFF0)
    (tmp_path / "a.ozx").write_bytes(data)
    with pytest.raises(StoreError):
        unpack(tmp_path / "a.ozx")
    assert names(tmp_path) == ["a.ozx"]


def test_an_archive_that_was_compressed_is_read_noted_and_packed_anew(tmp_path, capsys):
    make_image(tmp_path / "a.zarr", (40, 36))
    build_pyramid(tmp_path / "a.zarr", levels=1)
    paths = sorted((tmp_path / "a.zarr").rglob("*"), reverse=True)
    objects = {
        str(path.relative_to(tmp_path / "a.zarr")): path.read_bytes()
        for path in paths
        if path.is_file()
    }
    write(tmp_path / "theirs.ozx", objects, zipfile.ZIP_DEFLATED, folders=["0", "1"])
    assert main(["verify", "--full", str(tmp_path / "theirs.ozx")]) == 0
    told = capsys.readouterr().out
    for note in (
        "objects compressed by zip",
        "does not begin with its doc",
        "does not say its v",
    ):
        assert note in told
    assert "without a seal" in told
    pack(tmp_path / "theirs.ozx", tmp_path / "ours.ozx")
    assert main(["verify", str(tmp_path / "ours.ozx")]) == 0
    assert "NOTE" not in capsys.readouterr().out
    assert (
        pack(tmp_path / "a.zarr", tmp_path / "same.ozx").file.read_bytes()
        == (tmp_path / "ours.ozx").read_bytes()
    )


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_zip_with_the_folder_inside_and_codecs_of_zarr_python(tmp_path, zarr_format):
    voxels = np.arange(2000, dtype="uint16").reshape(40, 50)
    more = {"filters": [zarr.codecs.TransposeCodec(order=(1, 0))]} if zarr_format == 3 else {}
    with zarr.storage.ZipStore(tmp_path / "a.zarr.zip", mode="w") as store:
        group = zarr.create_group(store, path="a.zarr", zarr_format=zarr_format)
        group.create_array("0", data=voxels, chunks=(16, 16), **more)
    zarr.create_array(tmp_path / "b.zarr", data=voxels)
    place = tmp_path / "a.zarr.zip/a.zarr/0"
    assert not array_digests([str(place), str(tmp_path / "b.zarr")]).difference


def test_a_folder_that_was_zipped_is_found_inside(tmp_path):
    make_image(tmp_path / "folder/a.zarr", (40, 36), zarr_format=2)
    build_pyramid(tmp_path / "folder/a.zarr", levels=1)
    shutil.make_archive(tmp_path / "a", "zip", tmp_path / "folder")
    with pytest.raises(StoreError, match=r"fields of .*a\.zip: 'a\.zarr'"):
        pyramid_status(str(tmp_path / "a.zip"))
    assert not pyramid_status(str(tmp_path / "a.zip/a.zarr")).faults


@pytest.mark.slow
def test_more_entries_than_zip_counted_once(tmp_path):
    with (tmp_path / "a.ozx").open("wb") as file:
        writer = ArchiveWriter(file)
        for n in range(70_000):
            writer.add(f"c/{n}", 1, zlib.crc32(b"x"), [b"x"])
        writer.finish({"ome": {"version": "0.5"}})
    with zipfile.ZipFile(tmp_path / "a.ozx") as archive:
        assert len(archive.infolist()) == 70_000
    store = open_store(str(tmp_path / "a.ozx"))
    assert (store.get("c/69999"), len(list(store.keys("c")))) == (b"x", 70_000)
    assert store.archive.is_sealed
    assert store.archive.held_seal()
