"""Datasets of HDF5 files, written by h5py as people write them, against what it was given."""

import pickle
import re
import threading
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarrpyramid.downsample.workers import forked
from zarrpyramid.errors import ConfigError, PyramidError, StoreError
from zarrpyramid.inputs import hdf5, open_input

VOXELS = np.random.default_rng(0).integers(0, 60000, (13, 29, 31)).astype("u2")
WAYS = {
    "contiguous": {},
    "odd chunks": {"chunks": (3, 10, 7)},
    "chunks beyond the array": {"chunks": (16, 32, 32), "maxshape": (None, None, None)},
    "gzip and shuffle": {"chunks": (4, 8, 31), "compression": "gzip", "shuffle": True},
    "LZF": {"chunks": (4, 8, 31), "compression": "lzf"},
    "checksums": {"chunks": (4, 8, 31), "fletcher32": True},
    "bitshuffle": {"chunks": (4, 8, 31), **hdf5plugin.Bitshuffle()},
    "Zstandard": {"chunks": (4, 8, 31), **hdf5plugin.Zstd()},
}


def written(path, voxels=VOXELS, name="entry/data", **keys):
    with h5py.File(path, "a") as file:
        file.create_dataset(name, data=voxels, **keys)
    return path


def read(image, region=None):
    return image.read(region or tuple(slice(0, extent) for extent in image.form.shape))


@pytest.mark.parametrize("way", WAYS)
def test_voxels(way, tmp_path):
    path = written(tmp_path / "scan.h5", **WAYS[way])
    image = open_input(f"{path}::/entry/data")
    np.testing.assert_array_equal(read(image), VOXELS)
    box = (slice(2, 9), slice(3, 29), slice(0, 5))
    np.testing.assert_array_equal(read(image, box), VOXELS[box])
    assert (image.form.shape, image.form.dtype, image.form.axes) == (VOXELS.shape, "uint16", ())
    chunks = WAYS[way].get("chunks", VOXELS.shape)
    assert image.form.blocks == tuple(map(min, chunks, VOXELS.shape))
    assert image.files() == [path]
    assert (image.form.voxel_size, image.form.unit) == ({}, {})


KINDS = ("?", "i1", ">u2", "<i4", ">f4", "f2", "f8", "c8", ">c16", "u8")


@pytest.mark.parametrize("dtype", KINDS)
def test_data_types_are_kept_in_the_byte_order_of_this_machine(dtype, tmp_path):
    voxels = (VOXELS[:2] % 120).astype(dtype)
    image = open_input(f"{written(tmp_path / 'a.h5', voxels)}::entry/data")
    found = read(image)
    assert found.dtype == np.dtype(dtype).newbyteorder("=")
    assert image.form.dtype == found.dtype.name
    np.testing.assert_array_equal(found, voxels)


@pytest.fixture(scope="module")
def boxes(tmp_path_factory):
    path = written(tmp_path_factory.mktemp("h5") / "a.h5", chunks=(3, 10, 7), compression="gzip")
    return open_input(f"{path}::entry/data")


@given(st.data())
def test_regions(boxes, data):
    region = []
    for extent in VOXELS.shape:
        start = data.draw(st.integers(0, extent - 1))
        region.append(slice(start, data.draw(st.integers(start + 1, extent))))
    np.testing.assert_array_equal(boxes.read(tuple(region)), VOXELS[tuple(region)])


def test_blocks_of_a_contiguous_dataset_are_rows_of_a_megabyte(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", shape=(5, 1000, 2000), dtype="u2")
    assert open_input(f"{tmp_path}/a.h5").form.blocks == (1, 262, 2000)


def test_threads_and_forked_processes_read_side_by_side(tmp_path):
    path = written(tmp_path / "a.h5", chunks=(3, 10, 7), compression="gzip")
    image = pickle.loads(pickle.dumps(open_input(f"{path}::entry/data")))
    found = {}

    def take(z):
        found[z] = image.read((slice(z, z + 1), slice(0, 29), slice(0, 31)))

    threads = [threading.Thread(target=take, args=(z,)) for z in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with forked(1) as pool:
        last = pool.submit(image.read, (slice(11, 13), slice(0, 29), slice(0, 31))).result(60)
    np.testing.assert_array_equal(last, VOXELS[11:])
    np.testing.assert_array_equal(np.concatenate([found[z] for z in range(8)]), VOXELS[:8])


def test_the_only_image_needs_no_path(tmp_path):
    path = written(tmp_path / "scan.h5")
    written(path, np.arange(4.0), "entry/angles")
    written(path, np.array(b"text"), "entry/title")
    image = open_input(str(path))
    assert image.name == f"{path}::/entry/data"
    np.testing.assert_array_equal(read(image), VOXELS)


def test_a_file_of_matlab_begins_with_a_block_of_its_own(tmp_path):
    path = tmp_path / "scan.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["stack"] = VOXELS
    np.testing.assert_array_equal(read(open_input(str(path))), VOXELS)


def test_nexus_leads_to_the_signal(tmp_path):
    path = written(tmp_path / "scan.nxs", name="entry/plot/counts")
    written(path, VOXELS[:2], "entry/darks")
    with h5py.File(path, "a") as file:
        file.attrs["default"] = "entry"
        file["entry"].attrs["default"] = "plot"
        plot = file["entry/plot"]
        plot.attrs["signal"], plot.attrs["axes"] = "counts", ["z", "y", "x"]
        for axis, step in zip("zyx", (2.0, 0.5, 0.25), strict=True):
            extent = VOXELS.shape["zyx".index(axis)]
            plot[axis] = 7 + step * np.arange(extent)
            plot[axis].attrs["units"] = "mm" if axis == "z" else "um"
    for source in (
        f"{path}",
        f"{path}::entry",
        f"{path}::/entry/plot/",
        f"{path}::entry/plot/counts",
    ):
        image = open_input(source)
        assert image.name == f"{path}::/entry/plot/counts"
        assert image.form.axes == ("z", "y", "x")
        assert image.form.voxel_size == {"z": 2.0, "y": 0.5, "x": 0.25}
        assert image.form.unit == {"z": "millimeter", "y": "micrometer", "x": "micrometer"}
    assert image.form.origins["voxel_size"] == "the coordinates of its axes"


def test_element_size_of_fiji(tmp_path):
    path = written(tmp_path / "a.h5", np.stack([VOXELS, VOXELS]))
    with h5py.File(path, "a") as file:
        file["entry/data"].attrs["element_size_um"] = np.array([2, 0.5, 0.25], "f4")
    form = open_input(str(path)).form
    assert form.voxel_size == {"z": 2.0, "y": 0.5, "x": 0.25}
    assert form.unit == dict.fromkeys("zyx", "micrometer")
    assert form.origins["voxel_size"] == "its attribute element_size_um"


NAMED = {
    "ilastik's axistags": ("axistags", '{"axes": [{"key": "x"}, {"key": "y"}, {"key": "c"}]}'),
    "labels of dimensions": (None, ("x", "Y", "channel")),
}


@pytest.mark.parametrize("custom", NAMED)
def test_names_of_axes(custom, tmp_path):
    key, names = NAMED[custom]
    path = written(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        dataset = file["entry/data"]
        if key:
            dataset.attrs[key] = names
        else:
            for dimension, name in zip(dataset.dims, names, strict=True):
                dimension.label = name
    assert open_input(str(path)).form.axes == ("x", "y", "c")


def test_names_of_scales_as_netcdf_has_them(tmp_path):
    path = written(tmp_path / "a.h5", name="counts")
    with h5py.File(path, "a") as file:
        for axis, name in enumerate(("time", "y", "x")):
            file[name] = 3.0 * np.arange(VOXELS.shape[axis])
            file[name].make_scale(name)
            file["counts"].dims[axis].attach_scale(file[name])
        file["time"].attrs["units"] = "days since 1900-01-01"
        file["x"].attrs["units"] = "um"
    form = open_input(str(path)).form
    assert form.axes == ("t", "y", "x")
    assert form.voxel_size == {
        "t": 3.0,
        "x": 3.0,
    }
    assert form.unit == {"x": "micrometer"}


def test_other_names_of_axes_say_nothing(tmp_path):
    path = written(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        for dimension, name in zip(file["entry/data"].dims, ("angle", "y", "x"), strict=True):
            dimension.label = name
    assert open_input(str(path)).form.axes == ()


def virtual(tmp_path):
    """Make a virtual dataset of three files, with a gap before the last."""
    layout = h5py.VirtualLayout(shape=(13, 29, 31), dtype="u2")
    for number, part in enumerate((slice(0, 5), slice(5, 9), slice(10, 13))):
        written(tmp_path / f"part{number}.h5", VOXELS[part], "data", chunks=(1, 29, 31))
        source = h5py.VirtualSource(f"part{number}.h5", "data", shape=VOXELS[part].shape)
        layout[part] = source
    with h5py.File(tmp_path / "all.h5", "w") as file:
        file.create_virtual_dataset("data", layout, fillvalue=7)
    return tmp_path / "all.h5"


def test_a_virtual_dataset(tmp_path):
    path = virtual(tmp_path)
    image = open_input(str(path))
    expected = VOXELS.copy()
    expected[9] = 7
    np.testing.assert_array_equal(read(image), expected)
    assert image.form.blocks == (1, 29, 31)
    parts = [tmp_path / f"part{number}.h5" for number in range(3)]
    assert image.files() == [path, *parts]
    assert image.files((slice(4, 6), slice(0, 1), slice(0, 1))) == [path, *parts[:2]]


def test_a_virtual_dataset_gives_no_fill_values_for_what_is_not_there(tmp_path):
    path = virtual(tmp_path)
    image = open_input(str(path))
    written_again = tmp_path / "part1.h5"
    written_again.unlink()
    written(written_again, VOXELS[5:8], "data")
    with pytest.raises(
        StoreError, match=r"part1.h5::data of shape \[3, 29, 31\], expected at least"
    ):
        read(image)
    written_again.unlink()
    written(written_again, VOXELS[5:9], "other")
    with pytest.raises(StoreError, match=r"in the dataset data of .*part1.h5, which is not there"):
        read(image)
    read(image, (slice(0, 5), slice(0, 29), slice(0, 31)))
    written_again.unlink()
    with pytest.raises(StoreError, match=r"a part in .*part1.h5, which is not there; put it back"):
        open_input(str(path))


def test_links_to_other_files(tmp_path):
    written(tmp_path / "data_1.h5", name="entry/data")
    with h5py.File(tmp_path / "master.h5", "w") as file:
        file["entry/first"] = h5py.ExternalLink("data_1.h5", "/entry/data")
        file["entry/gone"] = h5py.ExternalLink("data_2.h5", "/entry/data")
        file["alias"] = h5py.SoftLink("/entry/first")
    master = tmp_path / "master.h5"
    for source in (f"{master}::alias", f"{master}::entry/first", f"{master}"):
        image = open_input(source)
        np.testing.assert_array_equal(read(image), VOXELS)
        assert image.files() == [master, tmp_path / "data_1.h5"]
    with pytest.raises(StoreError, match=r"a link to data_2.h5::/entry/data, which is not there"):
        open_input(f"{master}::entry/gone")


def test_voxels_in_a_raw_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with h5py.File("a.h5", "w") as file:
        file.create_dataset(
            "data", data=VOXELS, external=[("a.raw", 16, h5py.h5f.UNLIMITED)], dtype="u2"
        )
    image = open_input(f"{tmp_path}/a.h5")
    np.testing.assert_array_equal(read(image), VOXELS)
    assert image.files() == [tmp_path / "a.h5", tmp_path / "a.raw"]
    raw = tmp_path / "a.raw"
    raw.write_bytes(raw.read_bytes()[:-1])
    with pytest.raises(StoreError, match=r"has \d+ bytes, expected at least \d+; copy it again"):
        read(image)


def several(path):
    written(path, name="entry/instrument/projections")
    written(path, VOXELS[:2], "entry/instrument/darks")
    written(path, np.arange(3), "entry/angle")
    written(path, np.zeros(3, [("a", "u1"), ("b", "f4")]), "entry/table")
    written(path, np.array(["a", "b"], object), "entry/names", dtype=h5py.string_dtype())
    written(path, np.array(3), "entry/one")
    written(path, np.zeros((0, 4)), "entry/none")


THERE = r"there are .*/entry/instrument/projections \[13, 29, 31\] uint16"
REFUSED = {
    "": (
        ConfigError,
        r"has 2 datasets that may be meant: /entry/instrument/darks \[2, 29, 31\] uint16, .*; give "
        "one as source: .*::/entry/instrument/projections$",
    ),
    "::/entry/instrument/projection": (
        ConfigError,
        rf"no dataset .*did you mean '/entry/instrument/projections'\?; {THERE}.*source:",
    ),
    "::nothing": (ConfigError, THERE),
    "::entry/instrument": (ConfigError, r"entry/instrument has 2 datasets that may be meant"),
    "::entry/table": (StoreError, "holds records of a, b, expected numbers"),
    "::entry/names": (StoreError, "holds text, expected numbers"),
    "::entry/one": (StoreError, "is a single value"),
    "::entry/none": (StoreError, r"has no voxel, its shape is \[0, 4\]"),
}


@pytest.mark.parametrize("inside", REFUSED)
def test_what_is_refused(inside, tmp_path):
    several(tmp_path / "scan.h5")
    kind, message = REFUSED[inside]
    with pytest.raises(kind, match=message) as caught:
        open_input(f"{tmp_path}/scan.h5{inside}")
    assert isinstance(caught.value, PyramidError)
    assert "\n" not in str(caught.value)


def test_series_is_refused_with_the_way_out(tmp_path):
    path = written(tmp_path / "a.h5")
    with pytest.raises(ConfigError, match=r"named by their path: .*/entry/data \[13, 29, 31\]"):
        open_input(str(path), series=1)


def test_a_truncated_file(tmp_path):
    path = written(tmp_path / "a.h5")
    image = open_input(str(path))
    data = path.read_bytes()
    path.write_bytes(data[:-100])
    for act in (lambda: open_input(str(path)), lambda: read(image)):
        with pytest.raises(
            StoreError, match=r"as HDF5: it is truncated .*; copy or write it again"
        ):
            act()
    path.write_bytes(data[:8] + bytes(100))
    with pytest.raises(StoreError, match="as HDF5: it is damaged"):
        open_input(str(path))


def test_a_damaged_chunk(tmp_path):
    path = written(tmp_path / "a.h5", chunks=(13, 29, 31), compression="gzip")
    image = open_input(str(path))
    with h5py.File(path) as file:
        chunk = file["entry/data"].id.get_chunk_info(0)
    data = bytearray(path.read_bytes())
    start = chunk.byte_offset
    data[start : start + chunk.size] = bytes(chunk.size)
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"cannot be read .*the file is damaged"):
        read(image)


def test_a_file_that_changes_after_it_was_opened(tmp_path):
    path = written(tmp_path / "a.h5")
    image = open_input(str(path))
    for voxels in (VOXELS[:3], VOXELS.astype("i4"), VOXELS[0]):
        path.unlink()
        written(path, voxels)
        with pytest.raises(StoreError, match="has changed since it was opened; start again"):
            read(image)
    path.unlink()
    with pytest.raises(StoreError, match="is not there any more; put it back"):
        read(image)


def test_a_filter_that_is_not_there(tmp_path, monkeypatch):
    path = written(tmp_path / "a.h5", chunks=(13, 29, 31), **hdf5plugin.Zstd())
    image = open_input(str(path))
    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda number: number != 32015)
    ways = ((True, "which hdf5plugin does not have"), (False, "install it: "))
    for has_plugins, way_out in ways:
        monkeypatch.setattr(hdf5, "_has_plugins", lambda has=has_plugins: has)
        with pytest.raises(StoreError, match=rf"filter 32015 \(Zstandard\), .*{way_out}"):
            read(image)


def test_opening_is_cheap_where_there_are_many_datasets(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for number in range(300):
            file[f"t{number:05}/s00/cells"] = VOXELS[:1]
    with pytest.raises(ConfigError) as caught:
        open_input(f"{tmp_path}/a.h5")
    assert re.search(r"has 300 datasets .* and 270 more; give one as source", str(caught.value))
    assert open_input(f"{tmp_path}/a.h5::t00123/s00/cells").files() == [Path(f"{tmp_path}/a.h5")]
