"""Damaged pyramids have a report, which says what is wrong and shows what can be read."""

import json
import re
import shlex
import shutil
import zipfile

import numpy as np
import pytest
import zarr

from zarrpyramid import build_pyramid, open_pyramid
from zarrpyramid.cli import main
from zarrpyramid.report import slices
from zarrpyramid.share import pack

VOXELS = np.random.default_rng(0).integers(0, 4096, (48, 48, 48)).astype("uint16")


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A pyramid of levels 0 to 2, of 27, 8 and 1 chunks."""
    path = tmp_path_factory.mktemp("sound") / "a.zarr"
    group = zarr.create_group(path)
    group.create_array("raw/0", data=VOXELS, chunks=(16, 16, 16), dimension_names=list("zyx"))
    build_pyramid(path, "raw", levels=2, progress=False)
    return path


def remove(key):
    return lambda path: shutil.rmtree(path / key)


def cut(key):
    def harm(path):
        data = (path / key).read_bytes()
        (path / key).write_bytes(data[: len(data) // 2])

    return harm


def empty(key):
    return lambda path: (path / key).write_bytes(b"")


def lose(key):
    return lambda path: (path / key).unlink()


def swap(path):
    one, two = path / "1/c/0/0/0", path / "1/c/1/1/0"
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)


def flip(key):
    def harm(path):
        voxels = zarr.open_array(path / key)
        voxels[0, 0, 0] ^= 1

    return harm


def change(key, **entries):
    def harm(path):
        document = json.loads((path / key / "zarr.json").read_text())
        document.update(entries)
        (path / key / "zarr.json").write_text(json.dumps(document))

    return harm


def big_endian(path):
    bytes_codec = {"name": "bytes", "configuration": {"endian": "big"}}
    codecs = json.loads((path / "0/zarr.json").read_text())["codecs"]
    change("0", codecs=[bytes_codec, *codecs[1:]])(path)


def forget(key):
    return change(key, attributes={})


def link_out(key):
    def harm(path):
        outside = path.parent.parent / "outside"
        (path / key).rename(outside)
        (path / key).symlink_to(outside)

    return harm


def link_to_itself(path):
    (path / "1/c/0/0/0").unlink()
    (path / "1/c/0/0/0").symlink_to("0")


# name: (harm, what the verdict says, levels with pictures)
HARMS = {
    "last level removed": (remove("2"), "level 2, PATH/2: is listed, but there is no array", "01"),
    "middle level removed": (remove("1"), "level 1, PATH/1: is listed, but there is no array", ""),
    "level 0 removed": (remove("0"), "level 0, PATH/0: is listed, but there is no array", ""),
    "document 0 cut": (cut("0/zarr.json"), "level 0, PATH/0: cannot be read: PATH/0/zarr.json", ""),
    "document 1 cut": (cut("1/zarr.json"), "level 1, PATH/1: cannot be read: PATH/1/zarr.json", ""),
    "document 2 cut": (cut("2/zarr.json"), "level 2, PATH/2: cannot be read", "01"),
    "half chunk of 0": (cut("0/c/0/0/0"), "level 0 cannot be read: PATH/0/c/0/0/0 is", "12"),
    "half chunk of 1": (cut("1/c/0/0/0"), "stored objects, and", "02"),
    "empty chunk of 0": (empty("0/c/0/0/0"), "level 0 has 1 of 27 objects without a byte", "12"),
    "empty chunk of 1": (empty("1/c/0/0/0"), "level 1 lacks 1 stored object", "02"),
    "chunk of 0 lost": (lose("0/c/0/0/0"), "level 0 has other voxels than level 1 was", "012"),
    "chunk of 1 lost": (lose("1/c/0/0/0"), "level 1 lacks 1 stored object", "012"),
    "chunks of 1 swapped": (swap, "level 1 has other voxels than its record says", "012"),
    "voxel of 0 changed": (flip("0"), "level 0 has other voxels than level 1 was made from", "012"),
    "voxel of 1 changed": (flip("1"), "level 1 has ", "012"),
    "voxel of 2 changed": (flip("2"), "level 2 has ", "012"),
    "dtype of 0": (change("0", data_type="int16"), "dtype; expected int16; found uint16", ""),
    "larger dtype of 0": (change("0", data_type="uint32"), "expected uint32; found uint16", ""),
    "fill value of 0": (change("0", fill_value=7), "expected 7; found 0", ""),
    "fill value of 1": (change("1", fill_value=7), "expected 0; found 7", ""),
    "endian of 0": (big_endian, "codecs is not what the other documents make it", ""),
    "record of 1 lost": (forget("1"), "level", ""),
    "record of 2 lost": (forget("2"), "level 2, PATH/2: is listed as made here, and", "01"),
    "extents of 2": (change("2", shape=[24, 12, 12]), "shape", "01"),
    "level 2 a link out": (link_out("2"), "leads through a symbolic link", "01"),
    "chunk a link out": (link_out("1/c/0/0/0"), "level 1 cannot be read: PATH/1/c/0/0/0", "02"),
    "chunk a link to itself": (link_to_itself, "symbolic link that leads back to itself", "02"),
}


def read_report(pyramid, folder):
    """Return the verdict's word and text, and the levels that have pictures."""
    text = pyramid.report(folder / "report.html").read_text(encoding="utf-8")
    word, said = re.search(
        r'class="verdict[^>]*><b>(.*?)</b> <span>(.*?)</span>', text, re.DOTALL
    ).groups()
    return word, said, "".join(sorted(set(re.findall(r'alt="Level (\d)', text))))


@pytest.mark.parametrize("is_opened", [True, False], ids=["opened", "built"])
@pytest.mark.sampled(5)
@pytest.mark.parametrize("harmed", HARMS)
def test_a_report_of_a_damaged_pyramid_says_what_is_wrong(sound, tmp_path, harmed, is_opened):
    harm, expected, shown = HARMS[harmed]
    path = shutil.copytree(sound, tmp_path / "a.zarr") / "raw"
    pyramid = None if is_opened else build_pyramid(path, levels=2, progress=False)
    harm(path)
    word, said, pictures = read_report(pyramid or open_pyramid(path), tmp_path)
    assert word == "Incomplete"
    if is_opened:
        assert expected.replace("PATH", str(path)).lower() in said.lower()
        assert pictures == shown
    assert "<" not in said


def test_a_report_of_a_sound_pyramid_says_what_it_has_read(sound, tmp_path, monkeypatch):
    word, said, pictures = read_report(open_pyramid(sound, "raw"), tmp_path)
    assert (word, pictures) == ("Complete", "012")
    assert "The voxels of levels 0 to 2 were read for this report" in said
    assert "Not all voxels" not in said
    monkeypatch.setattr(slices._read_level, "__defaults__", (24**3,))
    monkeypatch.setattr("zarrpyramid.report.faults.BUDGET", 100)
    word, said, _ = read_report(open_pyramid(sound, "raw"), tmp_path)
    assert word == "Complete"
    assert "The voxels of levels 1 and 2 were read for this report" in said
    assert "Not all voxels of level 0 were read: zarrpyramid verify tells" in said


def test_bytes_of_a_level_0_that_is_not_decoded_are_compared(sound, tmp_path, monkeypatch):
    path = shutil.copytree(sound, tmp_path / "a.zarr") / "raw"
    monkeypatch.setattr(slices._read_level, "__defaults__", (24**3,))
    assert "The voxels of levels 0 to 2 were read" in read_report(open_pyramid(path), tmp_path)[1]
    flip("0")(path)
    word, said, _ = read_report(open_pyramid(path), tmp_path)
    assert word == "Incomplete"
    assert "Level 0 has other stored bytes than level 1 was made from" in said


@pytest.mark.parametrize("harmed", ["chunks of 1 swapped", "voxel of 2 changed", "half chunk of 1"])
def test_the_way_out_of_changed_voxels(sound, tmp_path, harmed):
    path = shutil.copytree(sound, tmp_path / "a.zarr") / "raw"
    HARMS[harmed][0](path)
    _, said, _ = read_report(open_pyramid(path), tmp_path)
    if "were written; run the workflow again" in said:
        build_pyramid(path, levels=2, progress=False)
    else:
        line = re.search(r"zarrpyramid (verify .*? --full)", said)[1]
        main(shlex.split(line))
    assert read_report(open_pyramid(path), tmp_path)[0] == "Complete"


@pytest.mark.parametrize("level", [0, 1])
def test_a_report_of_a_single_file_with_a_flipped_byte(sound, tmp_path, level):
    file = pack(str(sound / "raw"), tmp_path / "a.ozx").file
    with zipfile.ZipFile(file) as archive:
        entry = archive.getinfo(f"{level}/c/0/0/0")
    data = bytearray(file.read_bytes())
    data[entry.header_offset + entry.compress_size // 2] ^= 1
    file.write_bytes(data)
    word, said, _ = read_report(open_pyramid(file), tmp_path)
    assert word == "Incomplete"
    assert f"{level}/c/0/0/0" in said


@pytest.mark.sampled(3)
@pytest.mark.parametrize("dtype", ["bool", "int8", ">u2", "float32", "complex64"])
@pytest.mark.filterwarnings("ignore:Numpy_dtype")
def test_digests_are_those_of_records_for_every_kind_of_voxel(tmp_path, dtype):
    voxels = (np.arange(30 * 33).reshape(30, 33) % 5 - 1).astype(dtype)
    if voxels.dtype.kind in "fc":
        voxels[3, 3], voxels[7] = np.nan, -0.0
    more = {"shards": (16, 32)} if dtype == "int8" else {}
    group = zarr.create_group(tmp_path / "a.zarr")
    group.create_array("0", data=voxels, chunks=(8, 16), **more)
    pyramid = build_pyramid(group, levels=2, progress=False)
    word, said, _ = read_report(pyramid, tmp_path)
    assert word == "Complete"
    assert "The voxels of levels 0 to 2 were read" in said


def test_labels_are_read_too(tmp_path):
    group = zarr.create_group(tmp_path / "a.zarr")
    group.create_array("0", data=VOXELS[0] // 512, chunks=(16, 16))
    pyramid = build_pyramid(group, levels=1, labels=True, progress=False)
    assert "The voxels of levels 0 and 1 were read" in read_report(pyramid, tmp_path)[1]
