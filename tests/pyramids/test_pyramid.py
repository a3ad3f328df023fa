"""`Pyramid` and `Level`: what they show, what they give to other libraries, and as a list."""

import datetime
import io
import json
import pickle
import re
import shlex
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import zarr
from PIL import Image
from zarr.storage import MemoryStore

import ngff_stores
import zarrpyramid
from servers import BUCKET, ENVIRONMENT, s3_server, web_server
from zarrpyramid import Pyramid, PyramidError, build_pyramid, open_pyramid
from zarrpyramid.cli import main
from zarrpyramid.downsample.pyramid import build_image
from zarrpyramid.programs import extra_command
from zarrpyramid.share import pack

VOXELS = np.random.default_rng(0).integers(0, 900, (2, 21, 26, 30)).astype("uint16")
SETTINGS = {
    "axes": ["c", "z", "y", "x"],
    "levels": 2,
    "scale_factors": [1, 1, 2, 2],
    "voxel_size": {"z": 2.0, "y": 0.5, "x": 0.25},
    "unit": dict.fromkeys("zyx", "micrometer"),
}
KEYS = {**SETTINGS, "progress": False}


def stored(path, voxels=VOXELS, **more):
    group = zarr.create_group(path)
    more = {"chunks": tuple(min(8, extent) for extent in voxels.shape), **more}
    group.create_array("raw/0", data=voxels, **more)
    return path


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    path = stored(tmp_path_factory.mktemp("built") / "a.zarr")
    return build_pyramid(path, "raw", **KEYS)


def test_it_is_the_list_of_records_that_it_was(built, tmp_path):
    _, records = build_image(stored(tmp_path / "b.zarr"), "raw", SETTINGS, progress=False)
    assert isinstance(built, list)
    assert len(built) == 3
    assert built[1:] == records[1:]
    assert json.loads(json.dumps(built))[2]["digest"] == records[2]["digest"]
    zeroth, *others = built
    assert zeroth["level"] == 0
    assert [*others] == built[1:]


def test_a_built_and_an_opened_one_show_the_same(built):
    opened = open_pyramid(built.path)
    lines = repr(built).splitlines()
    assert lines[0] == f"Pyramid {built.path}"
    assert lines[1].startswith("  3 levels, uint16, axes c z y x, OME-NGFF 0.5, zarr v3, mean by")
    cells = [cell.strip() for cell in lines[4].split("  ") if cell]
    assert cells == ["1", "2 x 21 x 13 x 15", "2 x 1 x 0.5 µm", "2 x 8 x 8 x 8", "16.4 kB"]
    assert repr(opened) == repr(built)
    assert opened[1:] == built[1:]
    assert opened._repr_html_() == built._repr_html_()
    assert pickle.loads(pickle.dumps(opened)).levels[2].shape == (2, 21, 7, 8)


class Elements(HTMLParser):
    """Elements of HTML with their attributes; each that is opened is closed."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        self.open += [tag] if tag != "img" else []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_html_loads_nothing_and_escapes_names(tmp_path):
    path = stored(tmp_path / "<b>&.zarr")
    text = build_pyramid(path, "raw", **KEYS)._repr_html_()
    assert "<b>&.zarr" not in text
    assert "&lt;b&gt;&amp;.zarr" in text
    found = Elements(text).found
    (picture,) = [attributes for tag, attributes in found if tag == "img"]
    assert picture["src"].startswith("data:image/png;base64,")
    assert picture["alt"]
    assert not [a for _, a in found if "http" in str(a)]
    assert "url(" not in text
    assert len(text) < 60_000


@pytest.mark.sampled(2)
@pytest.mark.parametrize("number", [0, 1, 2, -1])
def test_arrays_are_the_stored_ones(built, number):
    import dask.array

    level = built.levels[number]
    there = zarr.open_array(Path(built.path) / level.path)
    assert (level.shape, level.chunks, level.shards) == (there.shape, there.chunks, None)
    assert level.dtype == there.dtype
    assert level.nbytes == there.nbytes
    np.testing.assert_array_equal(level.array[...], there[...], strict=True)
    lazy = built.dask(number)
    assert isinstance(lazy, dask.array.Array)
    assert lazy.chunksize == tuple(map(min, there.chunks, there.shape))
    np.testing.assert_array_equal(lazy.compute(), there[...], strict=True)
    assert built.dask(number, chunks=(2, 21, 5, 5)).chunksize[:2] == (2, 21)
    with pytest.raises(Exception, match=r"read.only"):
        level.array[...] = 0
    with pytest.raises(Exception, match=r"read.only"):
        built.group.create_array("new", shape=(1,), dtype="u1")


def test_records_and_places_of_levels(built):
    assert [level.record for level in built.levels[1:]] == built[1:]
    assert built.levels[0].record["shape"] == list(VOXELS.shape)
    assert built.levels[0].scale == (1.0, 2.0, 0.5, 0.25)
    assert built.levels[2].scale == (1.0, 2.0, 2.0, 1.0)
    assert built.levels[2].translation == (0.0, 0.0, 0.75, 0.375)
    assert (built.axes, built.units) == (("c", "z", "y", "x"), (None, *["micrometer"] * 3))


def test_xarray_has_the_centres_of_voxels(built):
    coarse = built.xarray(2)
    assert coarse.dims == ("c", "z", "y", "x")
    # The centre of a coarse voxel is the mean of the centres that it covers.
    fine = built.xarray(0)
    for name, factor in (("z", 1), ("y", 4), ("x", 4)):
        centres = fine[name].values
        step = centres[1] - centres[0]
        padded = centres[0] + step * np.arange(factor * coarse.sizes[name])
        np.testing.assert_allclose(coarse[name], padded.reshape(-1, factor).mean(axis=1))
        assert coarse[name].attrs == {"units": "micrometer"}
    assert coarse.c.values.tolist() == ["channel 0", "channel 1"]
    np.testing.assert_array_equal(coarse.values, built.levels[2].array[...])
    tree = built.datatree()
    assert list(tree) == ["scale0", "scale1", "scale2"]
    assert tree["scale1/image"].equals(built.xarray(1))


def test_channels_are_named_in_xarray(tmp_path):
    path = ngff_stores.make(tmp_path / "a.zarr", "image", "0.5")
    group = zarr.open_group(path)
    ome = group.attrs["ome"]
    for name, channel in zip(("DNA", "actin"), ome["omero"]["channels"], strict=True):
        channel["label"] = name
    group.attrs["ome"] = ome
    assert open_pyramid(path).xarray(1).c.values.tolist() == ["DNA", "actin"]


@pytest.mark.parametrize("version", ["0.4", "0.5", "0.6"])
def test_pyramids_of_other_programs(tmp_path, version):
    path = ngff_stores.make(tmp_path / "a.zarr", "image", version)
    pyramid = open_pyramid(path)
    assert [level.path for level in pyramid.levels] == ["0", "1"]
    assert f"OME-NGFF {version}" in repr(pyramid)
    assert "by zarrpyramid" not in repr(pyramid)
    assert pyramid.levels[1].scale == (1.0, 2.0, 2.0)
    assert pyramid[1] == pyramid.levels[1].record
    assert set(pyramid[1]) == {"level", "shape", "chunks", "shards", "dtype"}
    assert pyramid.xarray(1).y.values[0] == 0.5
    assert pyramid.verify().is_sound
    with pytest.raises(PyramidError, match=r"no level that was made here.*verify") as told:
        pyramid.report(tmp_path / "report.html")
    assert "\n" not in str(told.value)
    assert not (tmp_path / "report.html").exists()


def test_over_http(built):
    with web_server(Path(built.path).parents[1]) as url:
        pyramid = open_pyramid(f"{url}/a.zarr", "raw")
        assert pyramid.path == f"{url}/a.zarr/raw"
        assert pyramid[1:] == built[1:]
        array = pyramid.levels[1].array
        np.testing.assert_array_equal(array[...], built.levels[1].array[...])
        np.testing.assert_array_equal(pyramid.dask(2), built.levels[2].array[...])
        assert pyramid.thumbnail() == built.thumbnail()


def test_in_a_single_file(built, tmp_path):
    assert main(["pack", built.path, str(tmp_path / "a.ozx"), "-q"]) == 0
    pyramid = open_pyramid(tmp_path / "a.ozx")
    assert pyramid[1:] == built[1:]
    np.testing.assert_array_equal(pyramid.dask(1), built.levels[1].array[...])
    assert pyramid.verify().is_sound


def test_in_memory_and_from_a_group():
    group = zarr.create_group(MemoryStore())
    group.create_array("a/0", data=VOXELS[0], chunks=(8, 8, 8))
    pyramid = build_pyramid(group["a"], levels=1, progress=False)
    for opened in (open_pyramid(group["a"]), open_pyramid(group.store, "a")):
        assert opened[1:] == pyramid[1:]
        np.testing.assert_array_equal(opened.levels[0].array[...], VOXELS[0])
        assert opened.verify(full=True).is_sound


def test_verify_tells_what_is_wrong(tmp_path):
    pyramid = build_pyramid(stored(tmp_path / "a.zarr"), "raw", **KEYS)
    report = pyramid.verify()
    assert report.is_sound
    assert report.is_proven
    assert repr(report).splitlines()[-1].endswith(": sound")
    assert repr(pyramid.verify(sample=1)) != repr(pyramid.verify(sample=1))  # other blocks
    assert repr(pyramid.verify(sample=1, seed=3)) == repr(pyramid.verify(sample=1, seed=3))
    (Path(pyramid.path) / "1" / "c" / "0" / "0" / "0" / "0").unlink()
    damaged = pyramid.verify()
    assert not damaged.is_sound
    assert "DEFECT level 1" in repr(damaged)
    assert damaged._repr_html_().startswith(f"<p><b>{damaged.verdict}</b></p><pre")
    assert "DEFECT level 1" in damaged._repr_html_()


@pytest.mark.parametrize("is_opened", [False, True])
def test_the_report(tmp_path, is_opened):
    built = build_pyramid(stored(tmp_path / "a.zarr"), "raw", **KEYS)
    pyramid = open_pyramid(built.path) if is_opened else built
    written = pyramid.report(tmp_path / "report.html")
    text = written.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "levels 1 to 2" in text
    assert "made from the level before" in text
    assert "Levels made" not in text  # no job has noted when
    (day,) = re.findall(r'Report written <time datetime="(\S+)Z">\S+ \S+ UTC<', text)
    written_at = datetime.datetime.fromisoformat(day).replace(tzinfo=datetime.UTC)
    assert abs(datetime.datetime.now(datetime.UTC) - written_at) < datetime.timedelta(minutes=10)


def test_a_report_makes_no_folder(tmp_path):
    pyramid = build_pyramid(stored(tmp_path / "a.zarr"), "raw", **KEYS)
    target = tmp_path / "typo/report.html"
    with pytest.raises(PyramidError, match=r"typo is no folder; .* make it: mkdir -p ") as caught:
        pyramid.report(target)
    subprocess.run(shlex.split(str(caught.value).partition("make it: ")[2]), check=True)
    assert pyramid.report(target).exists()
    assert pyramid.report(target).read_bytes()  # it is written over


def lose_objects(path):
    shutil.rmtree(path / "1/c")


def overwrite_level_0(path):
    zarr.open_array(path / "0")[0, :5, :5, :5] = 9


def shorten_list(path):
    document = json.loads((path / "zarr.json").read_text())
    document["attributes"]["ome"]["multiscales"][0]["datasets"].pop()
    (path / "zarr.json").write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (lose_objects, "level 1 lacks"),
        (overwrite_level_0, "level 0 has other voxels than level 1 was made from"),
        (shorten_list, "is there and not listed"),
    ],
)
def test_a_report_says_what_is_wrong_on_top(tmp_path, harm, expected):
    path = Path(build_pyramid(stored(tmp_path / "a.zarr"), "raw", **KEYS).path)
    harm(path)
    text = open_pyramid(path).report(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<b>Incomplete</b>" in text
    assert expected in text[: text.index("<nav")].lower().replace("\n", " ")


def test_a_report_of_a_damaged_single_file_says_so(built, tmp_path):
    file = pack(built.path, tmp_path / "a.ozx").file
    assert "<b>Complete</b>" in open_pyramid(file).report(tmp_path / "r.html").read_text()
    data = bytearray(file.read_bytes())
    data[10] ^= 1  # a time, of which no reader takes notice
    file.write_bytes(data)
    text = open_pyramid(file).report(tmp_path / "r.html").read_text()
    assert "<b>Incomplete</b>" in text
    assert "differs from its seal" in text[: text.index("<nav")]


def picture(data):
    found = Image.open(io.BytesIO(data))
    assert found.format == "PNG"
    return np.asarray(found.convert("RGB")).astype(int)


def test_a_thumbnail_shows_voxels_as_long_as_they_are(tmp_path):
    ramp = np.broadcast_to(np.arange(64, dtype="uint8") * 3, (3, 40, 64))
    stored(tmp_path / "a.zarr", np.ascontiguousarray(ramp), chunks=(3, 16, 16))
    sizes = {"z": 9.0, "y": 2.0, "x": 1.0}
    pyramid = build_pyramid(tmp_path / "a.zarr", "raw", levels=1, voxel_size=sizes, progress=False)
    drawn = picture(pyramid.thumbnail(160))
    assert drawn.shape == (160, 128, 3)  # 40 voxels of 2 high, 64 of 1 wide
    assert (np.diff(drawn[80, :, 0]) >= 0).all()
    assert drawn[80, -1, 0] > 240 > 10 > drawn[80, 0, 0]


def test_a_thumbnail_of_labels_keeps_the_colours_of_ids(tmp_path):
    ids = np.kron(np.arange(6).reshape(2, 3), np.ones((20, 20))).astype("uint32")
    stored(tmp_path / "a.zarr", ids, chunks=(16, 16))
    pyramid = build_pyramid(tmp_path / "a.zarr", "raw", levels=1, labels=True, progress=False)
    drawn = picture(pyramid.thumbnail(100))
    assert len({tuple(colour) for colour in drawn.reshape(-1, 3)}) == 6
    assert (drawn[0, 0] == 0).all()


@pytest.mark.parametrize("scale", [[-1.0, 2.0], [0.0, 1e-30], [1e100, 1.0]])
def test_odd_documents_are_shown(tmp_path, scale):
    group = zarr.create_group(tmp_path / "a.zarr")
    group.create_array("0", data=VOXELS[0, 0], chunks=(8, 8))
    group.create_array("1", shape=(0, 9), dtype="uint16", chunks=(8, 8))
    group.create_array("2", data=VOXELS[0], chunks=(8, 8, 8))
    step = [{"type": "scale", "scale": scale}]
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [{
            "axes": [{"name": name, "type": "space"} for name in "yx"],
            "datasets": [{"path": str(n), "coordinateTransformations": step} for n in range(4)],
        }],
    }  # fmt: skip
    pyramid = open_pyramid(tmp_path / "a.zarr")
    assert "<img" in pyramid._repr_html_()
    assert "a.zarr/3 is listed, but there is no array" in repr(pyramid)
    assert [record["level"] for record in pyramid] == [0, 1, 2, 3]
    with pytest.raises(PyramidError, match="has 3 axes, the group describes 2; read it without"):
        pyramid.xarray(2)
    np.testing.assert_array_equal(pyramid.dask(2), VOXELS[0])


def test_no_thumbnail_of_a_line(tmp_path):
    stored(tmp_path / "a.zarr", np.arange(64, dtype="u1"), chunks=(16,))
    pyramid = build_pyramid(tmp_path / "a.zarr", "raw", levels=1, progress=False)
    assert pyramid.thumbnail() is None
    assert "<img" not in pyramid._repr_html_()
    assert pyramid.xarray(1).dims == ("x",)
    assert not pyramid.xarray(1).coords


def test_what_is_not_there_is_said_in_one_line(tmp_path, built):
    with pytest.raises(PyramidError, match="has no level 7; give one of 0 to 2"):
        built.dask(7)
    with pytest.raises(PyramidError, match="has no level '1'; give one of 0 to 2"):
        built.dask("1")
    with pytest.raises(PyramidError, match=r"fields of .*: 'raw'"):
        open_pyramid(Path(built.path).parent, "rwa")
    pyramid = build_pyramid(stored(tmp_path / "a.zarr"), "raw", **KEYS)
    (Path(pyramid.path) / "1" / "zarr.json").unlink()
    level = pyramid.levels[1]
    for look in (lambda: level.shape, lambda: level.array, lambda: pyramid.dask(1)):
        with pytest.raises(PyramidError, match="is listed, but there is no array; build") as told:
            look()
        assert "\n" not in str(told.value)
    assert "there is no array" in repr(pyramid)
    assert "there is no array" in pyramid._repr_html_()


def test_a_store_that_is_gone_still_has_a_repr(tmp_path):
    pyramid = build_pyramid(stored(tmp_path / "a.zarr"), "raw", **KEYS)
    (tmp_path / "a.zarr").rename(tmp_path / "b.zarr")
    assert repr(pyramid).startswith(f"Pyramid {pyramid.path}: there is no store")
    assert pyramid._repr_html_() is None


@pytest.mark.parametrize("change", ["withdrawn", "made again", "gone"])
def test_a_level_that_changed_since_is_not_read_as_what_it_was(tmp_path, change):
    pyramid = build_pyramid(stored(tmp_path / "a.zarr"), "raw", **KEYS)
    assert pyramid.thumbnail(4)
    if change == "gone":
        shutil.rmtree(tmp_path / "a.zarr")
    else:
        keys = {"levels": 1} if change == "withdrawn" else {"method": "max"}
        build_pyramid(tmp_path / "a.zarr", "raw", **{**KEYS, **keys})
    for look in (lambda: pyramid.thumbnail(4), lambda: pyramid.levels[2].array):
        with pytest.raises(PyramidError, match=r"since the pyramid was opened|there is no store"):
            look()
    assert ("<img" in pyramid._repr_html_()) == (change != "gone")  # level 0 is as it was


def test_damaged_voxels_leave_a_table(tmp_path):
    pyramid = build_pyramid(stored(tmp_path / "a.zarr"), "raw", **KEYS)
    for item in (Path(pyramid.path) / "0" / "c").rglob("*"):
        if item.is_file():
            item.write_bytes(b"no chunk")
    text = pyramid._repr_html_()
    assert "<img" not in text
    assert "no picture: " in text


def test_without_xarray_the_way_out_is_said(built, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "xarray", None)
    for look in (built.xarray, built.levels[1].xarray, built.datatree):
        with pytest.raises(PyramidError, match=r"^xarray is not installed; ") as told:
            look()
        assert str(told.value).endswith(f"; {extra_command('xarray')}")


def test_public_names():
    assert dir(zarrpyramid) == sorted(zarrpyramid.__all__)
    assert not {"annotations", "import_module", "TYPE_CHECKING", "_HOMES"} & set(dir(zarrpyramid))
    assert all(hasattr(zarrpyramid, name) for name in dir(zarrpyramid))
    assert issubclass(Pyramid, list)


def public_docstrings():
    for name in zarrpyramid.__all__:
        item = getattr(zarrpyramid, name)
        if isinstance(item, type):
            for key, member in vars(item).items():
                if key[0] != "_" and callable(member) and item is not zarrpyramid.Level:
                    yield f"{name}.{key}", member
        if callable(item):
            yield name, item


@pytest.mark.parametrize(("name", "item"), [*public_docstrings()])
def test_each_public_docstring_has_an_example(name, item):
    assert ">>> " in item.__doc__


@pytest.mark.slow
def test_in_an_object_store(tmp_path, monkeypatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    source = stored(tmp_path / "a.zarr")
    with s3_server() as url:
        place, options = f"s3://{BUCKET}/a.zarr", {"endpoint": url}
        built = build_pyramid(place, source=source / "raw", storage_options=options, **KEYS)
        pyramid = open_pyramid(place, storage_options=options)
        assert pyramid[1:] == built[1:]
        again = pickle.loads(pickle.dumps(pyramid))
        np.testing.assert_array_equal(again.levels[0].array[...], VOXELS)
        np.testing.assert_array_equal(pyramid.dask(2), built.xarray(2))
        with pytest.raises(Exception, match=r"read.only"):
            pyramid.levels[0].array[...] = 0
        assert pyramid.verify(full=True).is_sound
        assert pyramid.report(tmp_path / "report.html").stat().st_size > 10_000
