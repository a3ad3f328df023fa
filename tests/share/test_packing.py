"""A pyramid in a single file: what it holds, that it is read as its folder is, what is refused."""

from __future__ import annotations

import fcntl
import html
import json
import os
import pickle
import re
import shlex
import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
import zarr

from plates import make_image, make_plate
from processes import wait_for
from servers import ENVIRONMENT, s3_server, web_server
from workspaces import Workspace
from zarrpyramid import build_pyramid, open_pyramid
from zarrpyramid.cli import main
from zarrpyramid.downsample import progress
from zarrpyramid.errors import PyramidError, StoreError
from zarrpyramid.share import pack, unpack
from zarrpyramid.stores import open_store
from zarrpyramid.verify import Report, array_digests, pyramid_status, verify_pyramid

VOXELS = np.random.default_rng(0).integers(0, 999, (20, 70, 60)).astype("uint16")


def files(folder):
    """Return the bytes of all files by their keys."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def words(line):
    """Return the words of a command, which may name its program by its path."""
    return [
        Path(word).name if word.endswith("/zarrpyramid") else word for word in shlex.split(line)
    ]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A pyramid with shards, in a group of a store."""
    store = tmp_path_factory.mktemp("built") / "brain.ome.zarr"
    group = zarr.create_group(store).create_group("raw")
    group.create_array("0", data=VOXELS, chunks=(8, 16, 16), shards=(16, 32, 32))
    build_pyramid(store, "raw", levels=2)
    return store / "raw"


@pytest.fixture(scope="module")
def sealed(built, tmp_path_factory):
    return pack(built, tmp_path_factory.mktemp("packed") / "brain.ozx")


@pytest.fixture(scope="module")
def packed(sealed):
    return sealed.file


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "a.zarr"
    make_image(path, (40, 36))
    build_pyramid(path, levels=1)
    return path


@pytest.fixture
def image(small, tmp_path):
    """A small pyramid of one's own."""
    return shutil.copytree(small, tmp_path / "a.zarr")


def verified(path, **how):
    report = Report(path=str(path))
    report.gather(verify_pyramid(str(path), **how))
    return report


def test_what_is_unpacked_is_what_was_packed_to_the_byte(built, packed, tmp_path, capsys):
    assert main(["unpack", str(packed), str(tmp_path / "back.zarr")]) == 0
    assert "every object has its checksum" in capsys.readouterr().out
    assert files(tmp_path / "back.zarr") == files(built)
    again = pack(tmp_path / "back.zarr")
    assert again.file == tmp_path / "back.ozx"
    assert again.file.read_bytes() == packed.read_bytes()  # no time, no owner, no order of a disk


def test_a_file_is_as_rfc_9_recommends(built, packed):
    data = packed.read_bytes()
    with zipfile.ZipFile(packed) as archive:
        assert archive.testzip() is None
        entries = archive.infolist()
        said = json.loads(archive.comment)
    keys = [entry.filename for entry in entries]
    documents = [key for key in keys if key.endswith("zarr.json")]
    assert keys[: len(documents)] == documents == ["zarr.json", *(f"{n}/zarr.json" for n in "012")]
    assert said["ome"] == {"version": "0.5", "zipFile": {"centralDirectory": {"jsonFirst": True}}}
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}
    assert [key for key in keys if key.endswith("/")] == []
    # ZIP64 whatever its size: an end of its own, and sizes in fields of it. The old end has the
    # same numbers, as long as it has room for them: neuroglancer 2.41.2 finds no other.
    end = data.rindex(b"PK\5\6")
    counts = struct.unpack_from("<2H2I", data, end + 8)
    assert counts == (len(keys), len(keys), end - 76 - counts[3], counts[3])
    assert data[end - 76 : end - 72] == b"PK\6\6"
    assert struct.unpack_from("<4Q", data, end - 76 + 24) == counts
    for entry in entries:
        here = data[entry.header_offset :]
        assert struct.unpack_from("<2I2H", here, 18)[:2] == (0xFFFFFFFF, 0xFFFFFFFF)
        more = here[30 + len(entry.filename) :]
        assert struct.unpack_from("<2H2Q", more) == (1, 16, entry.file_size, entry.file_size)


def test_a_file_is_read_as_its_folder_is(built, sealed, capsys):
    packed = sealed.file
    report = verified(packed, full=True)
    assert (report.is_sound, report.is_proven, report.findings) == (True, True, [])
    assert report.checks[0].figure.endswith(f"all as they were sealed by {sealed.digest}")
    assert pyramid_status(str(packed)) == pyramid_status(str(built))
    for level in "012":
        assert not array_digests([f"{built}/{level}", f"{packed}/{level}"]).difference
    told = [(main(["lint", str(path)]), capsys.readouterr().out) for path in (built, packed)]
    others = [line for line in told[1][1].splitlines() if "napari-single-file" not in line]
    assert others == told[0][1].splitlines()
    assert [main([command, str(packed)]) for command in ("reproduce", "info")] == [0, 0]
    with zarr.storage.ZipStore(packed, mode="r") as store:
        np.testing.assert_array_equal(zarr.open_array(store, path="0")[:], VOXELS)


def test_level_0_is_taken_from_a_file(built, packed, tmp_path):
    build_pyramid(tmp_path / "own.zarr", source=str(packed), levels=2)
    build_pyramid(tmp_path / "part.zarr", source=str(packed), levels=1, crop={"z": [0, 8]})
    for level in "012":
        assert not array_digests([f"{built}/{level}", f"{tmp_path}/own.zarr/{level}"]).difference
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "part.zarr/0")[:], VOXELS[:8])


@pytest.mark.slow
def test_every_changed_byte_is_found(packed, tmp_path):
    check_changes(packed, tmp_path, step=997)


def test_changed_bytes_are_found(packed, tmp_path):
    check_changes(packed, tmp_path, step=20011)


def check_changes(packed, tmp_path, step):
    """See that a byte in `step`, all of the directory's and those of the comment are missed."""
    from zarrpyramid.verify.archive import check_archive

    data, harmed = packed.read_bytes(), tmp_path / "harmed.ozx"
    tail = len(data) - 900
    for place in [*range(0, tail, step), *range(tail, len(data), max(1, step // 900))]:
        changed = bytearray(data)
        changed[place] ^= 0x20
        harmed.write_bytes(changed)
        try:
            found = [
                each for each in check_archive(open_store(str(harmed))) if hasattr(each, "key")
            ]
        except StoreError as error:
            found = [error]
        assert found, place


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_file_that_was_cut_is_refused(packed, tmp_path, share):
    data = packed.read_bytes()
    (tmp_path / "cut.ozx").write_bytes(data[: int(len(data) * share)])
    for call in (lambda: verified(tmp_path / "cut.ozx"), lambda: unpack(tmp_path / "cut.ozx")):
        with pytest.raises(StoreError, match=r"cut\.ozx is damaged or no zip archive"):
            call()
    assert names(tmp_path) == ["cut.ozx"]


def test_a_changed_voxel_is_named_and_not_unpacked(image, tmp_path):
    file = pack(image).file
    data = bytearray(file.read_bytes())
    with zipfile.ZipFile(file) as archive:
        place = archive.getinfo("0/c/0/0").header_offset + 80
    data[place] ^= 1
    file.write_bytes(data)
    report = verified(file)
    assert not report.is_sound
    (found,) = report.findings  # level 1, which is sound, is not blamed
    assert "'0/c/0/0' has other bytes than were written" in found.line
    assert found.line.endswith("copy or download it again")
    with pytest.raises(StoreError, match=r"'0/c/0/0' has other bytes than were written"):
        unpack(file, tmp_path / "back.zarr")
    assert names(tmp_path) == ["a.ozx", "a.zarr"]


CHUNK = "0/c/0/0"


def flip(file):
    """Change a bit of a voxel."""
    with zipfile.ZipFile(file) as archive:
        place = archive.getinfo(CHUNK).header_offset + 80
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)


def zip_anew(file, change=lambda objects: None, comment=None, method=zipfile.ZIP_STORED):
    """Let another program write the file again: its checksums are right, and its seal is old."""
    with zipfile.ZipFile(file) as archive:
        comment = archive.comment if comment is None else comment
        objects = {key: archive.read(key) for key in archive.namelist()}
    change(objects)
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.comment = comment
        for key, data in objects.items():
            archive.writestr(key, data)


def swap(file):
    zip_anew(file, lambda objects: objects.update({CHUNK: objects["0/c/0/1"]}))


def lose(file):
    zip_anew(file, lambda objects: objects.pop(CHUNK))


def deflate(file):
    zip_anew(file, method=zipfile.ZIP_DEFLATED)


def flip_unsealed(file):
    zip_anew(file, comment=b"")
    flip(file)


DAMAGED = [
    (flip, "it differs from its seal"),
    (swap, "it differs from its seal"),
    (lose, "it differs from its seal"),
    (deflate, "it differs from its seal"),
    (flip_unsealed, "'0/c/0/0' has other bytes than were written"),
]


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("harm", "message"), DAMAGED, ids=[row[0].__name__ for row in DAMAGED])
def test_a_damaged_file_is_neither_unpacked_nor_a_source(image, capsys, harm, message):
    file, folder = pack(image).file, image.parent
    harm(file)
    source = ["--set", f"source={file}"]
    for words in (
        ["unpack", str(file), str(folder / "back.zarr")],
        ["build", str(folder / "own.zarr"), *source],
        ["build", str(folder / "part.zarr"), *source, "--set", "crop={y: [0, 9]}"],
    ):
        assert main(words) == 2
        line = capsys.readouterr().err.splitlines()[-1]
        assert "a.ozx is damaged or no zip archive (" in line
        assert message in line or (harm is flip and "'0/c/0/0' has other bytes" in line)
        assert line.endswith("; copy or download it again")
    assert not [path for path in folder.rglob("own.zarr/*/c/*") if path.is_file()]
    assert not (folder / "back.zarr").exists()


def test_a_part_is_taken_again_where_the_file_is_another_one(image, tmp_path):
    file, part = pack(image).file, tmp_path / "part.zarr"
    build_pyramid(part, source=str(file), levels=1, crop={"y": [0, 9]})
    zip_anew(file, lambda objects: objects.update({CHUNK: objects["0/c/0/1"]}), comment=b"")
    build_pyramid(part, source=str(file), levels=1, crop={"y": [0, 9]})
    taken = zarr.open_array(part / "0")[:]
    np.testing.assert_array_equal(taken[:, :10], taken[:, 10:20])


@pytest.mark.slow
def test_the_workflow_refuses_a_damaged_source(image, tmp_path):
    file = pack(image).file
    swap(file)
    work = Workspace(tmp_path / "work")
    work.folder.mkdir()
    done = work.run(code=1, store=str(tmp_path / "own.zarr"), source=str(file), levels=1)
    assert "it differs from its seal" in done.text
    assert not (tmp_path / "own.zarr/1").exists()


def test_zarr_python_reads_inside_a_file(built, packed, tmp_path):
    with zipfile.ZipFile(tmp_path / "deep.zip", "w") as archive:
        for key, data in files(built).items():
            archive.writestr(f"in/raw/{key}", data)
    with web_server(packed.parent) as url:
        for place in (str(packed), str(tmp_path / "deep.zip/in/raw"), f"{url}/brain.ozx"):
            pyramid = open_pyramid(place)
            array = pickle.loads(pickle.dumps(pyramid.levels[0].array))
            np.testing.assert_array_equal(array[:], VOXELS)
            assert sorted(zarr.open_group(array.store, mode="r").array_keys()) == ["0", "1", "2"]
        assert files(unpack(f"{url}/brain.ozx", tmp_path / "back.zarr")) == files(built)


def test_the_report_of_a_file_names_ways_that_open_it(packed, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    open_pyramid(str(packed)).report("r.html")
    page = html.unescape(Path("r.html").read_text(encoding="utf-8"))
    python = re.search(r"import zarrpyramid\n\nlevel = .*\nprint\(level\.info\)", page)
    exec(python[0], {})
    assert "Shape" in capsys.readouterr().out
    way = shlex.split(re.search(r"\S*zarrpyramid unpack \S+ NEW\.zarr", page)[0])
    assert main(way[way.index("unpack") :]) == 0
    assert "napari --plugin napari-ome-zarr NEW.zarr" in page
    assert Path("NEW.zarr/zarr.json").exists()


def test_what_makes_a_file_again_makes_it_again(packed, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", str(packed)]) == 0
    asked = yaml.safe_load(capsys.readouterr().out)
    assert (asked["store"], asked["source"]) == ("NEW.zarr", str(packed))
    store, field = asked.pop("store"), asked.pop("field")
    words = [f"--set={key}={json.dumps(value)}" for key, value in asked.items()]
    assert main(["build", f"{store}/{field}".rstrip("/"), *words]) == 0
    assert not array_digests([f"{packed}/2", "NEW.zarr/2"]).difference


def test_a_folder_that_is_not_there_is_told_and_the_way_out_leads_out(image, capsys, monkeypatch):
    monkeypatch.chdir(image.parent)
    pack(image)
    for n, words in enumerate(
        (
            ["pack", "a.zarr", "0/b.ozx"],
            ["unpack", "a.ozx", "1/b.zarr"],
            ["thumbnail", "a.zarr", "--output", "2/b.png"],
        )
    ):
        assert main(words) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"{image.parent}/{n} is no folder; check the path, or make it: mkdir -p" in line
        subprocess.run(shlex.split(line.rpartition(": ")[2]), check=True)
        assert main(words) == 0


@pytest.mark.sampled(3)
@pytest.mark.parametrize("words", [("pack", "a.zarr"), ("unpack", "b.ozx")])
@pytest.mark.parametrize("more", [(), ("--json",), ("-q",)])
def test_bytes_are_shown_where_somebody_watches(image, monkeypatch, capsys, words, more):
    monkeypatch.chdir(image.parent)
    pack(image, "b.ozx")
    monkeypatch.setattr(progress, "is_watched", lambda: True)
    monkeypatch.setattr("zarrpyramid.share.packing._WHOLE", 100)
    assert main([*words, *(["b.zarr"] * (words[0] == "unpack")), *more]) == 0
    shown = capsys.readouterr().err
    assert ("100%" in shown and "B/s" in shown) == (not more)
    assert not more or not shown


def test_a_file_at_a_url_is_unpacked_by_its_options(image, tmp_path, monkeypatch):
    with s3_server() as url:
        for key, value in ENVIRONMENT.items():
            monkeypatch.setenv(key, value)
        packed = pack(image).file
        options = {"endpoint": url, "allow_http": True}
        open_store("s3://bucket", options).put("a.ozx", packed.read_bytes())
        given = [
            word
            for key, value in options.items()
            for word in ("--storage-option", f"{key}={value}")
        ]
        assert main(["unpack", "s3://bucket/a.ozx", str(tmp_path / "b.zarr"), *given]) == 0
    assert files(tmp_path / "b.zarr") == files(image)


def test_a_plate_is_packed_whole(tmp_path):
    make_plate(tmp_path / "plate.zarr", rows="A", columns=("01",), n_fields=1)
    build_pyramid(tmp_path / "plate.zarr/A/01/0", levels=1)
    file = pack(tmp_path / "plate.zarr").file
    with zipfile.ZipFile(file) as archive:
        keys = archive.namelist()
    assert keys[:5] == [
        f"{'/'.join(['A', '01', '0', '0'][:n])}/zarr.json".lstrip("/") for n in range(5)
    ]
    assert verified(file).is_sound
    assert verified(file / "A/01/0").is_sound
    unpack(file, tmp_path / "back.zarr")
    assert files(tmp_path / "back.zarr") == files(tmp_path / "plate.zarr")


def test_a_level_0_that_is_a_link_is_packed_as_what_it_leads_to(image, tmp_path):
    build_pyramid(tmp_path / "own.zarr", source=str(image), link_base=True, levels=1)
    file = pack(tmp_path / "own.zarr").file
    assert verified(file).is_sound
    back = unpack(file, tmp_path / "back.zarr")
    assert files(back / "0") == files(image / "0")
    assert verified(back).is_sound
    assert len(build_pyramid(back, levels=1)) == 2


@pytest.mark.slow
def test_a_file_on_a_web_server(built, packed, tmp_path):
    with web_server(packed.parent) as url:
        assert verified(f"{url}/brain.ozx", full=True).is_sound
        build_pyramid(tmp_path / "own.zarr", source=f"{url}/brain.ozx", levels=1)
    assert not array_digests([f"{built}/1", f"{tmp_path}/own.zarr/1"]).difference


def test_large_objects_are_read_in_pieces(image, tmp_path, monkeypatch):
    from zarrpyramid.share import packing

    before = pack(image, tmp_path / "whole.ozx").file.read_bytes()
    monkeypatch.setattr(packing, "_WHOLE", 100)
    assert pack(image, tmp_path / "pieces.ozx").file.read_bytes() == before


# Refusals


def v2(image):
    shutil.rmtree(image)
    make_image(image, (40, 36), zarr_format=2)
    build_pyramid(image, levels=1)


def lost(image):
    next((image / "1/c").rglob("*/*")).unlink()


def unbuilt(image):
    shutil.rmtree(image / "1")


def held(image):
    (image / ".zarrpyramid-hold").write_text('{"host": "elsewhere"}')


def litter(image):
    (image / "1/c/0/0.1-1.zarrpyramid-partial").write_text("")


def nested(image):
    (image / "copy.ozx").write_text("")


def plain(image):
    zarr.open_group(image).attrs.clear()


def outer(image):
    zarr.create_group(image.parent)
    return image.parent


def there(image):
    image.with_name("a.ozx").write_text("mine")


def huge(image):
    with (image / "notes").open("w") as file:
        os.truncate(file.fileno(), 1 << 43)


def unreadable(image):
    os.mkfifo(image / "pipe")


def flipped(image):
    """Change a voxel of level 1, as a disk does without a word."""
    zarr.open_array(image / "1")[3, 3] += 1


def overwritten(image):
    zarr.open_array(image / "0")[:5, :5] = 7


REFUSED = [
    (v2, r"is of zarr v2 .*; build it in v3, and pack that: .*zarrpyramid build NEW\.zarr --set"),
    (lost, r"a\.zarr is not complete: level 1 lacks"),
    (unbuilt, r"a\.zarr is not complete"),
    (held, r"a\.zarr is held by a run; wait until .* free it: .*zarrpyramid unlock .*a\.zarr"),
    (litter, r"0\.1-1\.zarrpyramid-partial was left by a run that died, .*; remove it: rm "),
    (nested, r"a\.zarr/copy\.ozx is a single file inside the store, .*; move it away"),
    (plain, r"a\.zarr is not complete"),
    (outer, r"is a group, but no image, plate .* exactly one; fields of .*: 'a\.zarr'"),
    (there, r"a\.ozx is there already; give another name, or remove it"),
    (huge, r"a\.ozx needs [\d,]+ bytes, and [\d,]+ are free in .*; make room, or give a place"),
    (unreadable, r"pipe"),
    (
        flipped,
        r"a\.zarr: NOT SOUND, .* the first: DEFECT level 1.*; .*zarrpyramid verify .* --repair",
    ),
    (
        overwritten,
        r"a\.zarr: NOT SOUND, .* the first: DEFECT level 1.*zarrpyramid verify .* --repair",
    ),
]


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("harm", "message"), REFUSED, ids=lambda item: getattr(item, "__name__", "")
)
def test_what_cannot_be_packed_is_refused_and_nothing_is_left(image, capsys, harm, message):
    given = harm(image) or image
    before = {path: path.stat().st_mtime_ns for path in image.parent.iterdir()}
    assert main(["pack", str(given), str(image.with_suffix(".ozx"))]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(message, line)
    assert {path: path.stat().st_mtime_ns for path in image.parent.iterdir()} == before


@pytest.mark.sampled(3)
@pytest.mark.parametrize("harm", [v2, held, litter, flipped, overwritten])
def test_the_way_out_that_is_named_leads_out(image, capsys, monkeypatch, harm):
    monkeypatch.chdir(image.parent)
    harm(image)
    assert main(["pack", "a.zarr"]) == 2
    way = words(capsys.readouterr().err.rpartition(": ")[2])
    if "zarrpyramid" in way:
        assert main(way[way.index("zarrpyramid") + 1 :]) == 0
    else:
        Path(way[1]).unlink()
    source = "NEW.zarr" if harm is v2 else "a.zarr"
    assert main(["pack", source, "done.ozx"]) == 0
    assert verified("done.ozx").is_sound
    assert not array_digests(["a.zarr/0", "done.ozx/0"]).difference


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.zip", r"a\.zip is no name of a single file; give one that ends with \.ozx"),
        ("a.zarr/b.ozx", r"b\.ozx would be inside the zarr hierarchy .*a\.zarr"),
    ],
)
def test_a_name_that_is_no_place_for_a_file(image, name, message):
    with pytest.raises(StoreError, match=message):
        pack(image, image.parent / name)


def test_one_process_writes_a_file_and_what_a_killed_one_left_is_written_over(image):
    partial = image.with_name("a.ozx.zarrpyramid-partial")
    partial.write_bytes(bytes(10_000_000))
    with partial.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(StoreError, match=r"another process writes .*a\.ozx; wait"):
            pack(image)
    assert partial.exists()
    assert pack(image).n_bytes < 20_000
    assert names(image.parent) == ["a.ozx", "a.zarr"]


@pytest.mark.slow
def test_a_run_that_is_killed_leaves_no_file(image):
    huge = image / "notes"
    with huge.open("w") as file:
        os.truncate(file.fileno(), 1 << 31)
    partial = image.with_name("a.ozx.zarrpyramid-partial")
    words = [sys.executable, "-m", "zarrpyramid", "pack", str(image)]
    process = subprocess.Popen(words, stderr=subprocess.PIPE)
    wait_for(lambda: partial.exists() and partial.stat().st_size > 1 << 20)
    process.kill()
    process.communicate()
    assert names(image.parent) == ["a.ozx.zarrpyramid-partial", "a.zarr"]
    huge.unlink()
    pack(image)
    assert names(image.parent) == ["a.ozx", "a.zarr"]
    assert verified(image.with_name("a.ozx")).is_sound


WRITERS = ["build", "clean", "verify --repair", "build --set levels=2"]


@pytest.mark.parametrize("command", WRITERS)
def test_a_file_is_never_written_and_the_way_out_leads_out(image, capsys, monkeypatch, command):
    monkeypatch.chdir(image.parent)
    lost(image)
    with zipfile.ZipFile("a.ozx", "w") as archive:
        for key, data in files(image).items():
            archive.writestr(key, data)
    before = image.with_name("a.ozx").read_bytes()
    name, *options = command.split()
    assert main([name, "a.ozx", *options]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "a.ozx is a single file, which is only read; unpack it" in line
    assert image.with_name("a.ozx").read_bytes() == before
    way = words(line.rpartition(": ")[2])
    assert main(way[way.index("zarrpyramid") + 1 :]) == 0
    assert main([name, "NEW.zarr", *options]) == 0


def test_a_store_that_would_be_a_file_is_refused(image, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PyramidError, match=r"new\.ozx would be a single file") as found:
        build_pyramid("new.ozx", source=str(image), levels=1)
    build_pyramid("new.zarr", source=str(image), levels=1)
    way = words(str(found.value).rpartition("then: ")[2])
    assert main(way[way.index("zarrpyramid") + 1 :]) == 0
    assert (tmp_path / "new.ozx").is_file()


def lose_some(path):
    for key in ("0/0/0", "1/0/0"):
        (path / "0/c" / key).unlink()


def lose_all(path):
    shutil.rmtree(path / "0/c")


@pytest.mark.parametrize(
    ("harm", "note"),
    [
        (lambda path: None, ""),
        (lose_some, "2 of 27 objects of level 0 are not there and read as fill value"),
        (lose_all, "level 0 has not one of its 27 objects: all of it reads as fill value"),
    ],
)
def test_a_level_0_that_lacks_objects_is_told(tmp_path, capsys, harm, note):
    """Zeros that zarr-python leaves out look like voxels that were lost before a build."""
    path = tmp_path / "a.zarr"
    names = ["z", "y", "x"]
    zarr.create_group(path).create_array(
        "0", data=VOXELS[:12, :12, :12], chunks=(4, 4, 4), dimension_names=names
    )
    harm(path)
    build_pyramid(path, levels=1)
    assert main(["pack", str(path), str(tmp_path / "a.ozx")]) == 0
    told = capsys.readouterr().err
    assert told == (f"zarrpyramid: note: {path}: {note}\n" if note else "")
    assert main(["pack", str(path), str(tmp_path / "b.ozx"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["notes"] == ([f"{path}: {note}"] if note else [])
