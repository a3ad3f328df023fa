"""Level 0 taken from a source: what is copied, what is linked, and what is never touched."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil

import numcodecs
import numpy as np
import ome_zarr_models
import pytest
import tifffile
import yaozarrs
import zarr
from zarr.storage import MemoryStore

from zarrpyramid import build_pyramid
from zarrpyramid.cli.program import main
from zarrpyramid.config import image_config, image_configs
from zarrpyramid.downsample import base_copy as copies
from zarrpyramid.downsample.base_copy import copy_base
from zarrpyramid.downsample.pyramid import clean
from zarrpyramid.errors import ConfigError, PyramidError, StoreError
from zarrpyramid.plan.base_objects import source_layout
from zarrpyramid.plan.conflicts import check_places
from zarrpyramid.plan.image import open_image
from zarrpyramid.plan.preflight import check_room
from zarrpyramid.stores.files import TEMPORARY_SUFFIX
from zarrpyramid.stores.local import LocalStore

VOXELS = (np.indices((21, 18, 13)).sum(0) * 37 % 251).astype("uint16")
MICROMETER = {"type": "space", "unit": "micrometer"}
SAID = {
    "name": "theirs",
    "axes": [{"name": name, **MICROMETER} for name in "zyx"],
    "datasets": [
        {
            "path": "s0",
            "coordinateTransformations": [
                {"type": "scale", "scale": [2.0, 0.5, 0.5]},
                {"type": "translation", "translation": [10.0, 0.0, 1.0]},
            ],
        },
        {"path": "s1", "coordinateTransformations": [{"type": "scale", "scale": [4, 1, 1]}]},
    ],
}
WINDOW = {"min": 0, "max": 250, "start": 0, "end": 250}
OMERO = {"channels": [{"label": "nuclei", "color": "00FF00", "window": WINDOW, "active": True}]}


def make(path, zarr_format=3, name="s0", **options):
    """Write an OME-Zarr of two levels as another program would, and return its path."""
    group = zarr.create_group(path, zarr_format=zarr_format)
    names = {"dimension_names": list("zyx")} if zarr_format == 3 else {}
    options = {"chunks": (8, 8, 8), **names, **options}
    group.create_array(name, data=VOXELS, **options).attrs["lab"] = "kept"
    group.create_array("s1", data=VOXELS[::2, ::2, ::2], **{**options, "shards": None})
    if zarr_format == 2:
        group.attrs.update({"multiscales": [{"version": "0.4", **SAID}], "omero": OMERO})
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [SAID], "omero": OMERO}
    return path


def state(path):
    """Return what a write would change: digests, times, inodes.

    Not the times of folders: a run that finds nothing to do holds the image, too.
    """
    found = {}
    for item in sorted([path, *path.rglob("*")]):
        told = item.stat()
        data = hashlib.sha256(item.read_bytes()).hexdigest() if item.is_file() else None
        times = (told.st_mtime_ns, told.st_ctime_ns) if item.is_file() else None
        found[str(item)] = (data, times, told.st_ino)
    return found


def objects(path):
    return {
        str(item.relative_to(path)): item.read_bytes()
        for item in path.rglob("*")
        if item.is_file() and item.name not in ("zarr.json", ".zarray", ".zattrs")
    }


def opened(tmp_path, **keys):
    keys = {"store": str(tmp_path / "own"), "source": str(tmp_path / "theirs"), **keys}
    return open_image(image_config("image", keys))


FORMS = {
    "v3": {},
    "v2": {"zarr_format": 2},
    "v3 shards": {"shards": (16, 16, 16)},
    "v3 key names as in v2": {"chunk_key_encoding": {"name": "v2", "separator": "."}},
    "v2 big-endian, F order": {"zarr_format": 2, "order": "F", "dtype": ">u2"},
    "v2 filters": {"zarr_format": 2, "filters": [numcodecs.Delta(dtype="<u2")]},
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("form", FORMS)
def test_a_copy_has_the_bytes_of_its_source(tmp_path, form):
    options = dict(FORMS[form])
    source = tmp_path / "theirs"
    if "dtype" in options:
        group = zarr.create_group(source, zarr_format=2)
        array = group.create_array("0", shape=VOXELS.shape, chunks=(8, 8, 8), **{
            key: item for key, item in options.items() if key != "zarr_format"
        })  # fmt: skip
        array[...] = VOXELS
        level_0 = source / "0"
    else:
        level_0 = make(source, **options) / "s0"
    before = state(source)
    build_pyramid(tmp_path / "own", "a/b", source=source, levels=2)
    assert state(source) == before
    own = zarr.open_group(tmp_path / "own" / "a/b", mode="r")
    assert objects(tmp_path / "own/a/b/0") == objects(level_0)
    np.testing.assert_array_equal(own["0"][...], VOXELS)
    beside = tmp_path / "beside"
    shutil.copytree(source, beside)
    build_pyramid(beside, overwrite=True, levels=2)
    name = "1" if "dtype" in options else "s1"
    np.testing.assert_array_equal(own["1"][...], zarr.open_group(beside)[name][...])


def test_a_tree_that_may_only_be_read(tmp_path):
    source = make(tmp_path / "theirs")
    for item in [*source.rglob("*"), source]:
        item.chmod(0o555 if item.is_dir() else 0o444)
    before = state(source)
    for keys in ({}, {"link_base": True}):
        build_pyramid(tmp_path / f"own{len(keys)}", source=source, **keys)
        assert state(source) == before
        own = zarr.open_group(tmp_path / f"own{len(keys)}", mode="a")
        np.testing.assert_array_equal(own["0"][...], VOXELS)
    for item in [source, *source.rglob("*")]:
        item.chmod(0o755)


@pytest.mark.sampled(2)
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the models leave a file open
@pytest.mark.parametrize("link_base", [False, True])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_what_is_said_of_an_image_comes_along(tmp_path, zarr_format, link_base):
    source = make(tmp_path / "theirs", zarr_format)
    own = tmp_path / "own"
    build_pyramid(own, source=source, link_base=link_base, scale_factors=2, levels=2)
    attributes = dict(zarr.open_group(own, mode="r").attrs)
    assert attributes["zarrpyramid_base"] == ("link" if link_base else "copy")
    said = attributes if zarr_format == 2 else attributes["ome"]
    assert said["omero"] == OMERO
    (listed,) = said["multiscales"]
    assert (listed["name"], listed["axes"]) == ("theirs", SAID["axes"])
    base, level, _ = listed["datasets"]
    assert base == {**SAID["datasets"][0], "path": "0"}
    scale, translation = level["coordinateTransformations"]
    assert scale["scale"] == [4, 1, 1]
    assert translation["translation"] == [10 + 2 / 2, 0.5 / 2, 1 + 0.5 / 2]
    yaozarrs.validate_zarr_store(str(own))
    ome_zarr_models.open_ome_zarr(zarr.open_group(own, mode="r"))
    # What is changed here afterwards stays.
    said["omero"]["channels"][0]["label"] = "ours"
    zarr.open_group(own).attrs.update(attributes)
    build_pyramid(own, source=source, link_base=link_base, scale_factors=2, levels=1)
    said = dict(zarr.open_group(own, mode="r").attrs)
    said = said if zarr_format == 2 else said["ome"]
    assert said["omero"]["channels"][0]["label"] == "ours"


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(
    ("options", "axes", "expected"),
    [
        ({"dimension_names": ["z", "y", "x"]}, "auto", ["z", "y", "x"]),
        ({}, ["c", "y", "x"], ["c", "y", "x"]),
        ({"zarr_format": 2}, "auto", ["z", "y", "x"]),
    ],
)
def test_a_bare_array(tmp_path, options, axes, expected):
    options = {"zarr_format": 3, **options}
    array = zarr.create_array(tmp_path / "theirs", data=VOXELS, chunks=(8, 8, 8), **options)
    array.attrs["lab"] = "kept"
    before = state(tmp_path / "theirs")
    build_pyramid(tmp_path / "own", "raw", source=tmp_path / "theirs", axes=axes, levels=2)
    assert state(tmp_path / "theirs") == before
    own = zarr.open_group(tmp_path / "own/raw", mode="r")
    attributes = dict(own.attrs)
    (listed,) = attributes.get("ome", attributes)["multiscales"]
    assert [axis["name"] for axis in listed["axes"]] == expected
    assert listed["name"] == "raw"
    assert own["0"].attrs["lab"] == "kept"
    if options["zarr_format"] == 3:
        assert list(own["0"].metadata.dimension_names) == expected
    yaozarrs.validate_zarr_store(str(tmp_path / "own/raw"))
    ome_zarr_models.open_ome_zarr(own)


def test_a_second_copy_writes_nothing(tmp_path):
    source = make(tmp_path / "theirs")
    first = build_pyramid(tmp_path / "own", source=source, levels=2)
    before = state(tmp_path / "own")
    assert build_pyramid(tmp_path / "own", source=source, levels=2) == first
    assert state(tmp_path / "own") == before


@pytest.mark.sampled(3)
@pytest.mark.parametrize("change", ["voxel", "removed", "added", "form", "shape"])
def test_a_changed_source_is_copied_again(tmp_path, change):
    source = make(tmp_path / "theirs", fill_value=3)
    if change == "added":
        (source / "s0/c/0/0/0").unlink()
    build_pyramid(tmp_path / "own", source=source, levels=2)
    untouched = tmp_path / "own/0/c/2/2/1"
    kept = untouched.stat()
    array = zarr.open_array(source / "s0")
    if change == "voxel":
        array[0, 0, 0] += 1
    elif change == "removed":
        (source / "s0/c/0/0/0").unlink()
    elif change == "added":
        array[0, 0, 0] = 7
    else:
        shutil.rmtree(source / "s0")
        voxels = VOXELS[:9] if change == "shape" else VOXELS
        zarr.open_group(source).create_array("s0", data=voxels, chunks=(4, 8, 8))
    build_pyramid(tmp_path / "own", source=source, levels=2)
    own, theirs = (zarr.open_array(path) for path in (tmp_path / "own/0", source / "s0"))
    np.testing.assert_array_equal(own[...], theirs[...])
    assert objects(tmp_path / "own/0") == objects(source / "s0")
    beside = tmp_path / "beside"
    shutil.copytree(source, beside)
    build_pyramid(beside, overwrite=True, levels=2)
    expected = zarr.open_array(beside / "s1")[...]
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "own/1")[...], expected)
    if change in ("voxel", "removed", "added"):
        assert untouched.stat().st_ctime_ns == kept.st_ctime_ns, "equal objects are kept"


def test_a_damaged_copy_is_mended(tmp_path):
    source = make(tmp_path / "theirs", compressors=None)
    build_pyramid(tmp_path / "own", source=source, levels=2)
    chunk = tmp_path / "own/0/c/0/0/0"
    chunk.write_bytes(bytes(len(chunk.read_bytes())))
    build_pyramid(tmp_path / "own", source=source, levels=2)
    assert objects(tmp_path / "own/0") == objects(source / "s0")


def test_level_0_does_not_exist_before_it_is_complete(tmp_path, monkeypatch):
    """Stop before every write, as a kill does, and go on from there."""
    source = make(tmp_path / "theirs")
    image = opened(tmp_path)
    put, n_writes = LocalStore.put, []

    def stopping(store, key, data):
        if len(n_writes) == stop:
            raise InterruptedError
        n_writes.append(key)
        put(store, key, data)

    monkeypatch.setattr(LocalStore, "put", stopping)
    stop, n_stops = 0, 0
    while True:
        n_writes.clear()
        try:
            copy_base(image, n_workers=1)
        except InterruptedError:
            n_stops += 1
            found = (tmp_path / "own/0/zarr.json").exists()
            if found:
                assert objects(tmp_path / "own/0") == objects(source / "s0")
            stop = 1 + n_stops % 3
            check_places(opened(tmp_path))  # what is left is ours to go on with
        else:
            break
    assert n_stops > 5
    assert objects(tmp_path / "own/0") == objects(source / "s0")
    assert dict(zarr.open_group(tmp_path / "own").attrs)["ome"]["omero"] == OMERO


def test_a_thumbnail_is_not_taken_for_level_0_while_that_is_copied_again(tmp_path):
    source = make(tmp_path / "theirs")
    own = tmp_path / "own"
    build_pyramid(own, source=source, levels=1)
    group = zarr.open_group(own)
    group.create_array("thumb", data=VOXELS[::8, ::8, ::8])
    ome = dict(group.attrs)["ome"]
    scale = {"type": "scale", "scale": [99, 99, 99]}
    thumb = {"path": "thumb", "coordinateTransformations": [scale]}
    ome["multiscales"][0]["datasets"] = [thumb]  # as after a kill
    group.attrs["ome"] = ome
    build_pyramid(own, levels=1, overwrite=True)
    (listed,) = zarr.open_group(own).attrs["ome"]["multiscales"]
    assert listed["datasets"][0]["coordinateTransformations"][0]["scale"] == [1.0, 1.0, 1.0]
    build_pyramid(own, source=source, levels=1)
    (listed,) = zarr.open_group(own).attrs["ome"]["multiscales"]
    assert [dataset["path"] for dataset in listed["datasets"]] == ["0", "1"]
    assert listed["datasets"][0]["coordinateTransformations"][0]["scale"] == [2.0, 0.5, 0.5]


def test_litter_of_a_kill_goes(tmp_path):
    make(tmp_path / "theirs")
    image = opened(tmp_path)
    copies.make_groups(image.store, "", 3)
    copies.change_group_attributes(image.store, "", lambda _: {"zarrpyramid_base": "copy"})
    litter = tmp_path / f"own/0/c/0/0/0.1-1{TEMPORARY_SUFFIX}"
    litter.parent.mkdir(parents=True)
    litter.write_bytes(b"half")
    copy_base(image, n_workers=2)
    assert objects(tmp_path / "own/0") == objects(tmp_path / "theirs/s0")


def test_an_object_that_is_not_read_back_is_told(tmp_path, monkeypatch):
    make(tmp_path / "theirs")
    put = LocalStore.put

    def failing(store, key, data):
        put(store, key, data if key.endswith("zarr.json") else bytes(len(data)))

    monkeypatch.setattr(LocalStore, "put", failing)
    with pytest.raises(StoreError, match=r"own/0/c/.* is not read back as it was written"):
        copy_base(opened(tmp_path), n_workers=1)
    assert not (tmp_path / "own/0/zarr.json").exists()


def test_a_source_that_changes_meanwhile_is_told(tmp_path, monkeypatch):
    source = make(tmp_path / "theirs")
    run = copies.run_blocks

    def changing(*arguments, **keys):
        yield from run(*arguments, **keys)
        os.utime(source / "s0/c/0/0/0")

    monkeypatch.setattr(copies, "run_blocks", changing)
    with pytest.raises(StoreError, match="theirs/s0 has changed while it was copied"):
        copy_base(opened(tmp_path), n_workers=1)
    assert not (tmp_path / "own/0/zarr.json").exists()


# Links.


def test_a_link(tmp_path):
    source = make(tmp_path / "theirs")
    before = state(source)
    own = tmp_path / "own"
    records = build_pyramid(own, "raw", source=source, link_base=True, levels=1)
    assert (own / "raw/0").is_symlink()
    assert (own / "raw/0").readlink() == source / "s0"
    kept = state(own)
    assert build_pyramid(own, "raw", source=source, link_base=True, levels=1) == records
    assert state(own) == kept
    # Without the key the link is still nothing to write behind.
    build_pyramid(own, "raw", levels=1)
    assert state(source) == before
    assert clean(str(own / "raw")) == [1]
    assert (own / "raw/0").is_symlink()
    assert clean(str(own / "raw"), base=True) == [0]
    assert not (own / "raw/0").exists()
    assert dict(zarr.open_group(own / "raw").attrs) == {"ome": {"version": "0.5", "omero": OMERO}}
    assert state(source) == before


def test_a_link_to_an_array_without_names_is_told_and_not_edited(tmp_path, caplog):
    zarr.create_array(tmp_path / "theirs", data=VOXELS, chunks=(8, 8, 8))
    before = state(tmp_path / "theirs")
    build_pyramid(tmp_path / "own", source=tmp_path / "theirs", link_base=True, levels=1)
    assert "is a link, behind which nothing is written" in caplog.text
    build_pyramid(tmp_path / "own", levels=1)
    assert state(tmp_path / "theirs") == before
    names = {"dimension_names": ["z", "y", "x"]}
    zarr.create_array(tmp_path / "named", data=VOXELS, chunks=(8, 8, 8), **names)
    keys = {"source": tmp_path / "named", "axes": ["c", "y", "x"]}
    with pytest.raises(ConfigError, match="differ from level 0's dimension_names"):
        build_pyramid(tmp_path / "b", link_base=True, **{"levels": 2, **keys})
    build_pyramid(tmp_path / "b", levels=1, **keys)  # a copy may be renamed
    copied = zarr.open_array(tmp_path / "b/0")
    assert list(copied.metadata.dimension_names) == keys["axes"]


def test_a_copy_becomes_a_link_and_a_link_a_copy(tmp_path):
    source = make(tmp_path / "theirs")
    before = state(source)
    own = tmp_path / "own"
    first = build_pyramid(own, source=source, levels=2)
    assert build_pyramid(own, source=source, link_base=True, levels=2)[1:] == first[1:]
    assert (own / "0").is_symlink()
    assert build_pyramid(own, source=source, levels=2) == first
    assert not (own / "0").is_symlink()
    make(tmp_path / "others", compressors=None)
    build_pyramid(own, source=source, link_base=True, levels=2)
    build_pyramid(own, source=tmp_path / "others", link_base=True, levels=2)
    assert (own / "0").readlink() == tmp_path / "others/s0"
    assert state(source) == before


def test_images_that_link_to_one_source_do_not_hold_each_other_up(tmp_path):
    source = make(tmp_path / "theirs")
    for name in ("a", "b"):
        copy_base(opened(tmp_path, store=str(tmp_path / name), link_base=True), n_workers=1)
    with LocalStore(tmp_path / "a").hold("0"):
        build_pyramid(tmp_path / "b", source=source, link_base=True, levels=2)
        with pytest.raises(StoreError, match="another process is building"):
            build_pyramid(tmp_path / "a", source=source, link_base=True, levels=2)


# What is refused.


def test_other_data_are_never_replaced(tmp_path):
    source = make(tmp_path / "theirs")
    group = zarr.create_group(tmp_path / "own")
    for stands in ("array", "group", "folder", "link"):
        place = tmp_path / "own/0"
        if stands == "array":
            group.create_array("0", data=VOXELS)
        elif stands == "group":
            group.create_group("0")
        elif stands == "folder":
            (place / "c").mkdir(parents=True)
            (place / "c/0").write_bytes(b"mine")
        else:
            place.symlink_to(source / "s0")
        before = state(tmp_path / "own")
        if stands == "array":
            assert clean(str(tmp_path / "own"), base=True) == []
        for link_base in (False, True):
            with pytest.raises(StoreError, match="own/0 is there already and was not taken from"):
                build_pyramid(tmp_path / "own", source=source, link_base=link_base, levels=2)
        assert state(tmp_path / "own") == before, stands
        place.unlink() if stands == "link" else shutil.rmtree(place)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("store", "field", "source"),
    [
        ("a.zarr", "own", "a.zarr/raw"),  # the source inside the store
        ("a.zarr/raw/own", "", "a.zarr/raw"),  # the store inside the source
        ("a.zarr", "raw", "a.zarr/raw"),
        ("a.zarr", "raw", "a.zarr/raw/s0"),
        ("a.zarr/raw/s0/own", "", "a.zarr/raw/s0"),
        ("a.zarr/new", "", "a.zarr/raw"),  # both in one zarr hierarchy, whose metadata is written
        ("link", "own", "a.zarr/raw"),
    ],
)
def test_a_source_and_a_store_overlap(tmp_path, store, field, source):
    make(tmp_path / "a.zarr/raw")
    zarr.create_group(tmp_path / "a.zarr")
    (tmp_path / "link").symlink_to(tmp_path / "a.zarr")
    before = state(tmp_path)
    with pytest.raises(StoreError, match=r"source .* and store .* overlap") as error:
        build_pyramid(tmp_path / store, field, source=tmp_path / source, levels=2)
    assert "\n" not in str(error.value)
    assert state(tmp_path) == before


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"source": "absent"}, r"source .*absent is not there; check the path"),
        ({"source": "empty"}, "source .*empty is neither a zarr group nor an array"),
        ({"source": "group"}, r"source .*group has no array 0 for level 0; .*: 'raw'; give the"),
        ({"source": "notes"}, r"nor an array; it holds .txt \(2\), .png \(1\); give the folder or"),
        ({"source": "days"}, r"it holds folders \(1\); did you mean .*days/day1 \(TIFF\)\?$"),
        ({"source": "theirs/s0/c"}, "is neither a zarr group nor an array"),
        (
            {"source": "ftp://host/a.zarr"},
            "source is a URL of ftp, expected a path, or one of s3://",
        ),
        ({"source": "zero"}, r"zero has no voxels"),
        ({"source": "theirs", "store": "v2"}, "v2/ is a zarr v2 group, expected a v3 group"),
        ({"source": "theirs", "store": "other"}, "lists s0 as level 0 already"),
        ({"link_base": True}, "link_base has nothing to link to"),
        ({"source": "theirs", "test_image": {}}, "source and test_image both say"),
    ],
)
def test_sources_that_cannot_be(tmp_path, monkeypatch, keys, message):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "theirs")
    make(tmp_path / "other")
    zarr.create_group(tmp_path / "group").create_group("raw").create_array("0", data=VOXELS)
    zarr.create_group(tmp_path / "v2", zarr_format=2)
    zarr.create_array("zero", shape=(0, 3), chunks=(1, 1), dtype="u1")
    (tmp_path / "empty").mkdir()
    for file in (
        "notes/a.txt",
        "notes/b.txt",
        "notes/c.png",
        "days/day1/z0.tif",
        "days/day1/z1.tif",
    ):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(tmp_path / file, VOXELS[0])
    before = state(tmp_path)
    with pytest.raises(PyramidError, match=message) as error:
        check_places(open_image(image_config("image", {"store": "own", **keys})))
    assert "\n" not in str(error.value)
    if meant := re.search(r"did you mean (.*) \(TIFF\)", str(error.value)):
        open_image(image_config("image", {"store": "own", "source": meant[1]}))
    assert state(tmp_path) == before


def test_a_source_without_a_store():
    with pytest.raises(ConfigError, match=r"source 'a\.zarr' is given without a store"):
        image_configs({"source": "a.zarr", "demo": {"store": "demo.zarr"}})


def test_room_is_asked_for_the_copy_too(tmp_path, monkeypatch):
    make(tmp_path / "theirs", compressors=None)
    image = opened(tmp_path, levels=1)
    layout = source_layout(image)
    assert layout.stored_bytes == 3 * 3 * 2 * 2 * 8**3

    class Few:
        f_frsize, f_bavail, f_files = 1, layout.stored_bytes, 0

    monkeypatch.setattr(os, "statvfs", lambda _: Few)
    with pytest.raises(StoreError, match=" free, the levels of"):
        check_room(image, layout)
    check_room(opened(tmp_path, levels=1, link_base=True), layout)


# Other stores, and the command line.


def test_a_store_object(tmp_path):
    source = make(tmp_path / "theirs")
    store = MemoryStore()
    build_pyramid(store, "raw", source=source, levels=1)
    np.testing.assert_array_equal(zarr.open_group(store)["raw/0"][...], VOXELS)
    with pytest.raises(StoreError, match="has no symbolic links; leave link_base out"):
        build_pyramid(MemoryStore(), source=source, link_base=True, levels=2)


def test_clean_says_what_it_removes(tmp_path, capsys):
    source = make(tmp_path / "theirs")
    own = str(tmp_path / "own")
    build_pyramid(own, source=source, levels=2)
    assert main(["clean", own]) == 0
    kept = "level 0 stays: a copy made here, which --base removes too"
    assert capsys.readouterr().out == f"removed levels: 1, 2\n{kept}\n"
    build_pyramid(own, source=source, levels=1)
    assert main(["clean", own, "--base"]) == 0
    assert capsys.readouterr().out == "removed levels: 0, 1\n"
    assert sorted(path.name for path in (tmp_path / "own").iterdir()) == ["zarr.json"]
    build_pyramid(own, source=source, levels=1)
    make(tmp_path / "plain")
    assert main(["clean", str(tmp_path / "plain"), "--base"]) == 0
    assert "level 0 stays: it was not taken from a source" in capsys.readouterr().out


def test_consolidated_metadata_of_the_source_is_left(tmp_path):
    source = make(tmp_path / "theirs", 2)
    zarr.consolidate_metadata(source, zarr_format=2)
    before = state(source)
    build_pyramid(tmp_path / "own", source=source, levels=2)
    assert state(source) == before
    assert not (tmp_path / "own/.zmetadata").exists()
    assert json.loads((tmp_path / "own/0/.zattrs").read_text())["lab"] == "kept"


def test_a_level_of_ours_as_a_source(tmp_path):
    """Level 1 of one pyramid is level 0 of another, and no level of ours there."""
    build_pyramid(make(tmp_path / "a"), overwrite=True, levels=2)
    build_pyramid(tmp_path / "own", source=tmp_path / "a/s1", levels=1)
    own = zarr.open_group(tmp_path / "own")
    assert set(own["0"].attrs) == {"zarrpyramid_copy"}
    np.testing.assert_array_equal(own["0"][...], zarr.open_group(tmp_path / "a")["s1"][...])
