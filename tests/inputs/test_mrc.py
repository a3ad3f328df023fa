"""MRC files, written by mrcfile and as IMOD marks them, against what was given."""

import bz2
import gzip
import pickle
import shutil
import warnings

import mrcfile
import numpy as np
import pytest

from zarrpyramid.errors import ConfigError, StoreError
from zarrpyramid.inputs import open_input

VOXELS = np.random.default_rng(3).integers(-120, 120, (9, 14, 17)).astype("i2")


def write_mrc(path, voxels=VOXELS, size=(2.5, 2.5, 5.0), volumes=False, stack=False, **header):
    """Write voxels by mrcfile, with a voxel size (x, y, z) and fields of the header."""
    with mrcfile.new(path) as file:
        file.set_data(voxels)
        if volumes:
            file.set_volume()
            file.header.ispg = 401
        if stack:
            file.set_image_stack()
        file.voxel_size = size
        for key, value in header.items():
            file.header[key] = value
    return path


def read(image):
    return image.read(tuple(slice(0, extent) for extent in image.form.shape))


@pytest.mark.parametrize("name", ["a.mrc", "a.rec", "a.map", "a.st"])
def test_voxels(name, tmp_path):
    image = pickle.loads(pickle.dumps(open_input(str(write_mrc(tmp_path / name)))))
    np.testing.assert_array_equal(read(image), VOXELS)
    region = (slice(2, 5), slice(0, 14), slice(3, 4))
    np.testing.assert_array_equal(image.read(region), VOXELS[region])
    form = image.form
    assert (form.shape, form.dtype, form.axes) == (VOXELS.shape, "int16", ("z", "y", "x"))
    assert form.voxel_size == {"x": 2.5, "y": 2.5, "z": 5.0}
    assert form.unit == dict.fromkeys("xyz", "angstrom")
    assert [path.name for path in image.files()] == [name]


@pytest.mark.parametrize("dtype", ["i1", "i2", "f4", "c8", "u2", "f2"])
def test_modes(dtype, tmp_path):
    image = open_input(str(write_mrc(tmp_path / "a.mrc", VOXELS.astype(dtype))))
    assert image.form.dtype == np.dtype(dtype).name
    np.testing.assert_array_equal(read(image), VOXELS.astype(dtype))


def test_the_other_byte_order_and_an_extended_header(tmp_path):
    with warnings.catch_warnings(), mrcfile.new(tmp_path / "a.mrc") as file:
        warnings.simplefilter("ignore", DeprecationWarning)  # mrcfile's own, by numpy 2.5
        file.set_data(VOXELS.astype(">i2"))
        file.set_extended_header(np.zeros(3, "V1000"))
    image = open_input(f"{tmp_path}/a.mrc")
    assert read(image).dtype == np.dtype("i2")
    np.testing.assert_array_equal(read(image), VOXELS)


def test_bytes_of_imod_may_be_unsigned(tmp_path):
    for flags, expected in ((0, "uint8"), (1, "int8")):
        path = write_mrc(tmp_path / f"{flags}.mrc", VOXELS.astype("i1"))
        data = bytearray(path.read_bytes())
        data[152:160] = np.array([1146047817, flags], "i4").tobytes()
        path.write_bytes(data)
        image = open_input(str(path))
        assert image.form.dtype == expected
        np.testing.assert_array_equal(read(image), VOXELS.astype("i1").view(expected))


def test_axes_in_another_order(tmp_path):
    form = open_input(str(write_mrc(tmp_path / "a.map", mapc=3, mapr=1, maps=2))).form
    assert form.axes == ("y", "x", "z")
    # Of the cell's axes, whose numbers of cells mrcfile writes as x, y, z.
    assert form.voxel_size == {"x": 2.5, "y": 2.5, "z": 5.0}


def test_stacks(tmp_path):
    form = open_input(str(write_mrc(tmp_path / "a.mrcs", stack=True))).form
    assert (form.shape, form.axes) == (VOXELS.shape, ("z", "y", "x"))
    assert form.voxel_size == {"x": 2.5, "y": 2.5}  # no distance between images
    voxels = np.stack([VOXELS, VOXELS + 1])
    image = open_input(str(write_mrc(tmp_path / "b.mrc", voxels)))
    assert (image.form.shape, image.form.axes) == (voxels.shape, ())
    assert image.form.voxel_size == {"x": 2.5, "y": 2.5, "z": 5.0}
    np.testing.assert_array_equal(read(image), voxels)
    form = open_input(str(write_mrc(tmp_path / "c.mrc", VOXELS[0]))).form
    assert (form.shape, form.axes) == (VOXELS[0].shape, ("y", "x"))


def test_no_cell_is_no_size(tmp_path):
    form = open_input(str(write_mrc(tmp_path / "a.mrc", size=(0, 0, 0)))).form
    assert (form.voxel_size, form.unit) == ({}, {})


@pytest.mark.parametrize("name", ["a.mrc", "emd_1.map.gz"])
def test_gzip(name, tmp_path):
    path = write_mrc(tmp_path / "b.mrc")
    (tmp_path / name).write_bytes(gzip.compress(path.read_bytes()))
    image = open_input(f"{tmp_path}/{name}")
    np.testing.assert_array_equal(read(image), VOXELS)
    region = (slice(2, 5), slice(1, 14), slice(3, 4))
    np.testing.assert_array_equal(image.read(region), VOXELS[region])


def test_bzip2_is_refused(tmp_path):
    path = write_mrc(tmp_path / "b.mrc")
    (tmp_path / "a.mrc").write_bytes(bz2.compress(path.read_bytes()))
    with pytest.raises(StoreError, match=r"is compressed by bzip2, expected .*bunzip2"):
        open_input(f"{tmp_path}/a.mrc")


def test_old_files_have_no_mark(tmp_path):
    path = write_mrc(tmp_path / "a.rec", map=b"    ", machst=0)
    np.testing.assert_array_equal(read(open_input(str(path))), VOXELS)


def test_damaged_files(tmp_path):
    path = write_mrc(tmp_path / "a.mrc")
    image = open_input(str(path))
    shutil.copy(path, tmp_path / "whole.mrc")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StoreError, match="has changed since the image was opened"):
        read(image)
    with pytest.raises(StoreError, match=r"is truncated: it has \d+ bytes, expected \d+"):
        open_input(str(path))
    path.write_bytes(bytes(100))
    with pytest.raises(StoreError, match=r"cannot be read as MRC .*; copy or write it again"):
        open_input(str(path))
    (tmp_path / "b.map").write_bytes(b"a map of another program " * 100)
    with pytest.raises(StoreError, match="cannot be read as MRC"):
        open_input(f"{tmp_path}/b.map")


@pytest.mark.parametrize(("mode", "what"), [(3, "complex numbers of two int16"), (101, "4-bit")])
def test_modes_that_are_not_served(mode, what, tmp_path):
    path = write_mrc(tmp_path / "a.mrc", mode=mode)
    with pytest.raises(StoreError, match=f"of MRC's mode {mode}, .*{what}.*; write it in another"):
        open_input(str(path))


def test_a_path_inside_or_a_series_is_refused(tmp_path):
    path = write_mrc(tmp_path / "a.mrc")
    for source, series in ((f"{path}::data", None), (str(path), 2)):
        with pytest.raises(ConfigError, match="is an MRC file, which has one image"):
            open_input(source, series)
