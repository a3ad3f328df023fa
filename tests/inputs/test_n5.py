"""N5 containers, written by z5 and by hand as its specification says, against what was given."""

import json
import pickle
import shutil
import struct
import zlib

import numpy as np
import pytest
import z5py
from hypothesis import given
from hypothesis import strategies as st
from numcodecs import lz4

from zarrpyramid.downsample.workers import forked
from zarrpyramid.errors import ConfigError, StoreError
from zarrpyramid.inputs import open_input

VOXELS = np.random.default_rng(5).integers(0, 900, (7, 19, 23)).astype("u2")
CHUNKS = (3, 8, 10)
COMPRESSIONS = ("raw", "gzip", "bzip2", "xz", "lz4", "blosc", "zstd")


def write_n5(path, name="volumes/raw", voxels=VOXELS, chunks=CHUNKS, compression="gzip", **said):
    with z5py.File(str(path), "a") as file:
        dataset = file.create_dataset(name, data=voxels, chunks=chunks, compression=compression)
        dataset.attrs.update(said)
    return path


def say(folder, **said):
    """Add attributes to a group."""
    path = folder / "attributes.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**before, **said}))


def read(image):
    return image.read(tuple(slice(0, extent) for extent in image.form.shape))


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_voxels(compression, tmp_path):
    path = write_n5(tmp_path / "a.n5", compression=compression)
    image = pickle.loads(pickle.dumps(open_input(f"{path}/volumes/raw")))
    np.testing.assert_array_equal(read(image), VOXELS)
    assert (image.form.shape, image.form.dtype, image.form.axes) == (VOXELS.shape, "uint16", ())
    assert image.form.blocks == CHUNKS
    assert len(image.files()) == 1 + 3 * 3 * 3


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u4", "i8", "f4", "f8"])
def test_data_types(dtype, tmp_path):
    voxels = (VOXELS % 100).astype(dtype)
    image = open_input(f"{write_n5(tmp_path / 'a.n5', voxels=voxels)}::volumes/raw")
    found = read(image)
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(found, voxels)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    return open_input(str(write_n5(tmp_path_factory.mktemp("n5") / "a.n5")))


@given(st.data())
def test_regions(stored, data):
    region = []
    for extent in VOXELS.shape:
        start = data.draw(st.integers(0, extent - 1))
        region.append(slice(start, data.draw(st.integers(start + 1, extent))))
    np.testing.assert_array_equal(stored.read(tuple(region)), VOXELS[tuple(region)])


def test_a_forked_process_reads(stored):
    with forked(1) as pool:
        region = tuple(slice(0, extent) for extent in VOXELS.shape)
        np.testing.assert_array_equal(pool.submit(stored.read, region).result(60), VOXELS)


def test_the_files_of_a_region(tmp_path):
    image = open_input(str(write_n5(tmp_path / "a.n5")))
    files = image.files((slice(2, 4), slice(0, 8), slice(20, 23)))
    folder = tmp_path / "a.n5/volumes/raw"
    assert files == [folder / "attributes.json", folder / "2/0/0", folder / "2/0/1"]
    assert set(files) <= set(image.files())


def by_hand(folder, blocks, **said):
    """Write a dataset of uint8 of 5 x 4 (x, y) in blocks of 3 x 2, block by block."""
    folder.mkdir(parents=True)
    say(folder, dimensions=[5, 4], blockSize=[3, 2], dataType="uint8", **said)
    for name, data in blocks.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)


def block(width, height, payload, mode=0):
    header = struct.pack(">HHII", mode, 2, width, height)
    return header + (struct.pack(">I", width * height) if mode else b"") + payload


def test_blocks_by_hand(tmp_path):
    whole = bytes(range(1, 7))
    stream = b"LZ4Block" + struct.pack("<BiiI", 0x10, 4, 4, 0) + whole[:4]  # as it is
    packed = lz4.compress(bytes(100))[4:]
    end = b"LZ4Block" + struct.pack("<BiiI", 0x10, 0, 0, 0)
    blocks = {
        "0/0": block(3, 2, stream + stream[:9] + struct.pack("<iiI", 2, 2, 0) + whole[4:] + end)
    }
    by_hand(tmp_path / "a.n5/lz4", blocks, compression={"type": "lz4"})
    expected = np.zeros((4, 5), "u1")
    expected[:2, :3] = [[1, 2, 3], [4, 5, 6]]  # the other three blocks are not there
    np.testing.assert_array_equal(read(open_input(f"{tmp_path}/a.n5/lz4")), expected)
    lines = np.zeros((10, 10), "u1")
    lz4_block = b"LZ4Block" + struct.pack("<BiiI", 0x21, len(packed), 100, 0) + packed + end
    by_hand(tmp_path / "a.n5/b", {"0/0": block(10, 10, lz4_block)}, compression={"type": "lz4"})
    say(tmp_path / "a.n5/b", dimensions=[10, 10], blockSize=[10, 10])
    np.testing.assert_array_equal(read(open_input(f"{tmp_path}/a.n5/b")), lines)
    # The old way to name a compression, a block padded at the edge, one of a varying length, zlib.
    blocks = {
        "1/0": block(3, 2, bytes([7, 8, 0, 9, 10, 0])),
        "0/1": block(3, 2, whole, mode=1),
    }
    by_hand(tmp_path / "a.n5/raw", blocks, compressionType="raw")
    expected = np.array([[0, 0, 0, 7, 8], [0, 0, 0, 9, 10], [1, 2, 3, 0, 0], [4, 5, 6, 0, 0]])
    np.testing.assert_array_equal(read(open_input(f"{tmp_path}/a.n5/raw")), expected)
    by_hand(
        tmp_path / "a.n5/zlib",
        {"1/1": block(2, 2, zlib.compress(bytes([1, 2, 3, 4])))},
        compression={"type": "gzip", "useZlib": True},
    )
    assert read(open_input(f"{tmp_path}/a.n5/zlib"))[2:, 3:].tolist() == [[1, 2], [3, 4]]


def test_a_group_stands_for_its_finest_level(tmp_path):
    for level in range(2):
        write_n5(tmp_path / "a.n5", f"em/s{level}", VOXELS[:: 1 + level])
    for inside in ("", "/em", "/em/", "::em", "/em/s0"):
        image = open_input(f"{tmp_path}/a.n5{inside}")
        assert image.name == f"{tmp_path}/a.n5/em/s0"


SIZES = {
    "COSEM": (
        {"transform": {"axes": ["z", "y", "x"], "scale": [5.2, 4, 4], "units": ["nm"] * 3}},
        {},
        ("nanometer", 5.2, 4.0),
    ),
    "pixelResolution": (
        {"pixelResolution": {"dimensions": [4, 4, 30], "unit": "um"}},
        {"resolution": [1, 1, 1]},
        ("micrometer", 30.0, 4.0),
    ),
    "above it": ({}, {"resolution": [4, 4, 40], "units": ["nm", "nm", "nm"]}, ("nanometer", 40, 4)),
    "above a coarser level": (
        {"downsamplingFactors": [2, 2, 1]},
        {"pixelResolution": {"dimensions": [4, 4, 40], "unit": "nm"}},
        ("nanometer", 40, 8),
    ),
    "no unit": ({"pixelResolution": [2, 2, 5]}, {}, (None, 5, 2)),
    "numbers that are none": ({"resolution": [1, "a", 2]}, {"resolution": 3}, None),
}


@pytest.mark.parametrize("custom", SIZES)
def test_voxel_sizes(custom, tmp_path):
    own, above, expected = SIZES[custom]
    write_n5(tmp_path / "a.n5", "em/s1", **own)
    say(tmp_path / "a.n5/em", **above)
    form = open_input(f"{tmp_path}/a.n5/em/s1").form
    if expected is None:
        assert (form.voxel_size, form.unit, form.origins) == ({}, {}, {})
        return
    unit, z, xy = expected
    assert form.voxel_size == {"z": z, "y": xy, "x": xy}
    assert form.unit == (dict.fromkeys("zyx", unit) if unit else {})
    where = "the attributes of em" if custom.startswith("above") else "its attributes"
    assert form.origins["voxel_size"] == where


def test_names_of_axes_are_in_the_order_of_n5(tmp_path):
    voxels = np.stack([VOXELS, VOXELS])
    path = write_n5(
        tmp_path / "a.n5", voxels=voxels, chunks=(1, *CHUNKS), axes=["x", "y", "z", "c"]
    )
    say(path / "volumes", pixelResolution={"dimensions": [1, 2, 3], "unit": "nm"})
    form = open_input(str(path)).form
    assert form.axes == ("c", "z", "y", "x")
    assert form.voxel_size == {"z": 3.0, "y": 2.0, "x": 1.0}


def test_what_is_not_there(tmp_path):
    path = write_n5(tmp_path / "a.n5", "volumes/raw")
    write_n5(path, "volumes/labels", VOXELS.astype("u8"))
    listed = r"volumes/labels \[7, 19, 23\] uint64, volumes/raw \[7, 19, 23\] uint16"
    with pytest.raises(ConfigError, match=rf"has 2 datasets: {listed}; give one as source: "):
        open_input(str(path))
    message = rf"a.n5 has no dataset volumes/rew; did you mean 'volumes/raw'\?; there are {listed}"
    for inside in ("/volumes/rew", "::volumes/rew"):
        with pytest.raises(ConfigError, match=message):
            open_input(f"{path}{inside}")
    with pytest.raises(ConfigError, match="datasets of N5 are named by their path"):
        open_input(f"{path}/volumes/raw", series=1)
    (tmp_path / "b.n5").mkdir()
    with pytest.raises(ConfigError, match="has no dataset below it; check the path"):
        open_input(f"{tmp_path}/b.n5")


DAMAGED = {
    "dimensions": ({"dimensions": [23, 19]}, r"the dimensions \[23, 19\] and the blockSize \[10,"),
    "blockSize": ({"blockSize": [10, 8, 0]}, r"expected two lists of as many positive integers"),
    "dataType": ({"dataType": "object"}, "holds object, expected integers, or floats"),
    "compression": (
        {"compression": {"type": "jpeg"}},
        "is compressed by jpeg, which nothing here reads, expected one of raw, gzip",
    ),
}


@pytest.mark.parametrize("key", DAMAGED)
def test_damaged_attributes(key, tmp_path):
    said, message = DAMAGED[key]
    path = write_n5(tmp_path / "a.n5")
    say(path / "volumes/raw", **said)
    with pytest.raises(StoreError, match=message):
        open_input(f"{path}/volumes/raw")


def test_attributes_that_are_no_json(tmp_path):
    path = write_n5(tmp_path / "a.n5")
    (path / "volumes/raw/attributes.json").write_text("[")
    with pytest.raises(StoreError, match=r"attributes.json is no JSON object; restore it"):
        open_input(f"{path}/volumes/raw")


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_truncated_block(compression, tmp_path):
    path = write_n5(tmp_path / "a.n5", compression=compression)
    image = open_input(str(path))
    file = path / "volumes/raw/0/0/0"
    data = file.read_bytes()
    for n_bytes in (0, 3, 20, len(data) - 1):
        file.write_bytes(data[:n_bytes])
        with pytest.raises(
            StoreError, match=r"0/0/0 cannot be read \(.+\); it is truncated or dam"
        ):
            read(image)
    file.write_bytes(struct.pack(">HHIII", 0, 3, 1, 1, 1) + b"\0\0")
    if compression == "raw":
        with pytest.raises(StoreError, match=r"has the shape \[1, 1, 1\], expected \[3, 8, 10\]"):
            read(image)


def test_what_changes_after_it_was_opened(tmp_path):
    path = write_n5(tmp_path / "a.n5")
    image = open_input(str(path))
    say(path / "volumes/raw", dataType="int16")
    with pytest.raises(StoreError, match="has changed since it was opened; start again"):
        read(image)
    shutil.rmtree(path)
    with pytest.raises(StoreError, match="has changed since it was opened; start again"):
        read(image)
