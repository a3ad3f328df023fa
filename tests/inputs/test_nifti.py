"""NIfTI files, written by nibabel, against what it was given and what it reads."""

import gzip
import pickle

import nibabel
import numpy as np
import pytest

from zarrpyramid.downsample.workers import forked
from zarrpyramid.errors import ConfigError, StoreError
from zarrpyramid.inputs import arrange, gzip_stream, open_input

# A head's slice of 20 x 24 x 18 voxels, smooth as MRI is.
GRID = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in (20, 24, 18)), indexing="ij"))
HEAD = (900 * np.exp(-2 * (GRID**2).sum(axis=0))).astype("i2")
COLOUR = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])


def write_nifti(path, voxels=HEAD, *, kind=nibabel.Nifti1Image, units=("mm", "sec"), **header):
    """Write voxels, with zooms of 0.7, 0.8, 1.2 and 2.5, and fields of the header."""
    image = kind(voxels, np.diag([0.7, 0.8, 1.2, 1]), dtype=voxels.dtype)
    image.header.set_data_dtype(voxels.dtype)
    image.header.set_zooms((0.7, 0.8, 1.2, 2.5, 1, 1, 1)[: voxels.ndim])
    image.header.set_xyzt_units(*units)
    nibabel.save(image, path)
    if header:
        data = bytearray(path.read_bytes())
        written = type(image.header)(bytes(data[: image.header.sizeof_hdr]), check=False)
        for key, value in header.items():
            written[key] = value
        data[: image.header.sizeof_hdr] = written.binaryblock
        path.write_bytes(data)
    return path


def read(image, region=None):
    return image.read(region or tuple(slice(0, extent) for extent in image.form.shape))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.hdr"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_voxels(name, kind, tmp_path):
    if name == "a.hdr":
        pairs = {1: nibabel.Nifti1Pair, 2: nibabel.Nifti2Pair}
        kind = pairs[1 if kind is nibabel.Nifti1Image else 2]
    image = open_input(str(write_nifti(tmp_path / name, kind=kind)))
    image = pickle.loads(pickle.dumps(image))
    np.testing.assert_array_equal(read(image), HEAD)
    form = image.form
    assert (form.shape, form.dtype, form.axes) == (HEAD.shape, "int16", ("x", "y", "z"))
    assert form.voxel_size == {"x": 0.7, "y": 0.8, "z": 1.2}
    assert form.unit == dict.fromkeys("xyz", "millimeter")
    files = ["a.hdr", "a.img"] if name == "a.hdr" else [name]
    assert [path.name for path in image.files()] == files
    draw = np.random.default_rng(0)
    for _ in range(10):
        starts = [int(draw.integers(0, n)) for n in HEAD.shape]
        ends = zip(starts, HEAD.shape, strict=True)
        region = tuple(slice(a, int(draw.integers(a + 1, n + 1))) for a, n in ends)
        np.testing.assert_array_equal(image.read(region), HEAD[region])


def test_level_0_is_z_y_x_in_rows(tmp_path):
    level = arrange(open_input(str(write_nifti(tmp_path / "a.nii"))))
    assert (level.form.axes, level.form.shape) == (("z", "y", "x"), (18, 24, 20))
    voxels = read(level)
    np.testing.assert_array_equal(voxels, HEAD.transpose())
    assert voxels.flags.c_contiguous


@pytest.mark.parametrize("dtype", ["u1", "i1", ">i2", "u2", ">f4", "f8", "i4", "u8", "c8"])
def test_data_types(dtype, tmp_path):
    voxels = (HEAD % 100).astype(dtype)
    image = open_input(str(write_nifti(tmp_path / "a.nii", voxels)))
    found = read(image)
    assert found.dtype == np.dtype(dtype).newbyteorder("=")
    assert image.form.dtype == found.dtype.name
    np.testing.assert_array_equal(found, voxels)


def test_a_big_endian_file(tmp_path):
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    nibabel.save(nibabel.Nifti1Image(HEAD, np.eye(4), header), tmp_path / "a.nii")
    np.testing.assert_array_equal(read(open_input(f"{tmp_path}/a.nii")), HEAD)


SCALED = {"u1": "float32", "i2": "float32", "i4": "float64", "f4": "float32", "f8": "float64"}


@pytest.mark.parametrize("dtype", SCALED)
def test_a_slope_is_applied_as_nibabel_does(dtype, tmp_path):
    voxels = (HEAD % 100).astype(dtype)
    path = write_nifti(tmp_path / "a.nii", voxels, scl_slope=0.1, scl_inter=-3)
    image = open_input(str(path))
    assert image.form.dtype == SCALED[dtype]
    said = f"its slope 0.1 and intercept -3, which scale {np.dtype(dtype).name}"
    assert image.form.origins["dtype"] == said
    expected = nibabel.load(path).get_fdata()
    np.testing.assert_allclose(read(image), expected, rtol=3e-7, atol=1e-6)


@pytest.mark.parametrize("slope", [(0, 5), (1, 0), (np.nan, np.nan)])
def test_no_slope_leaves_what_is_stored(slope, tmp_path):
    path = write_nifti(tmp_path / "a.nii", scl_slope=slope[0], scl_inter=slope[1])
    image = open_input(str(path))
    assert image.form.dtype == "int16"
    np.testing.assert_array_equal(read(image), HEAD)


def test_time_and_channels(tmp_path):
    voxels = np.arange(5 * 4 * 3 * 2 * 3, dtype="i2").reshape(5, 4, 3, 2, 3)
    form = open_input(str(write_nifti(tmp_path / "a.nii", voxels[..., 0]))).form
    assert form.axes == ("x", "y", "z", "t")
    assert (form.voxel_size["t"], form.unit["t"]) == (2.5, "second")
    image = open_input(str(write_nifti(tmp_path / "b.nii", voxels, units=("micron", "msec"))))
    assert image.form.axes == ("x", "y", "z", "t", "c")
    assert image.form.unit == {**dict.fromkeys("xyz", "micrometer"), "t": "millisecond"}
    level = arrange(image)
    assert level.form.axes == ("t", "c", "z", "y", "x")
    np.testing.assert_array_equal(read(level), voxels.transpose(3, 4, 2, 1, 0))


def test_colours_are_channels(tmp_path):
    voxels = np.random.default_rng(0).integers(0, 255, (5, 4, 3, 3)).astype("u1")
    colours = np.ascontiguousarray(voxels).view(COLOUR)[..., 0]
    image = open_input(str(write_nifti(tmp_path / "a.nii", colours)))
    assert (image.form.axes, image.form.dtype) == (("c", "x", "y", "z"), "uint8")
    assert image.form.channels == ("red", "green", "blue")
    assert image.form.voxel_size["x"] == 0.7
    np.testing.assert_array_equal(read(image), np.moveaxis(voxels, -1, 0))


def test_what_the_header_does_not_say_is_left_out(tmp_path):
    path = write_nifti(tmp_path / "a.nii", units=("unknown", "unknown"))
    form = open_input(str(path)).form
    assert (form.unit, form.voxel_size["z"]) == ({}, 1.2)
    path = write_nifti(tmp_path / "b.nii", pixdim=[1, 0, 0.5, 0, 0, 0, 0, 0], xyzt_units=77)
    form = open_input(str(path)).form
    assert (form.unit, form.voxel_size) == ({}, {"y": 0.5})
    assert set(form.origins) == {"axes", "voxel_size"}


@pytest.fixture
def many_stops(monkeypatch):
    """Keep decoders every 1000 bytes, and decompress little at once."""
    monkeypatch.setattr(gzip_stream, "_SPACING", 1000)
    monkeypatch.setattr(gzip_stream, "_INPUT", 300)
    monkeypatch.setattr(gzip_stream, "_OUTPUT", 700)
    monkeypatch.setattr(gzip_stream, "_stops", {})
    monkeypatch.setattr(gzip_stream, "_ends", {})


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.usefixtures("many_stops")
def test_gzip_is_read_from_its_middle(members, tmp_path):
    write_nifti(tmp_path / "a.nii")
    data = (tmp_path / "a.nii").read_bytes()
    cut = -(-len(data) // members)
    parts = [gzip.compress(data[n : n + cut]) for n in range(0, len(data), cut)]
    (tmp_path / "a.nii.gz").write_bytes(b"".join(parts) + bytes(7))
    image = open_input(f"{tmp_path}/a.nii.gz")
    for z in (17, 3, 9, 0, 16):
        region = (slice(2, 20), slice(0, 24), slice(z, z + 1))
        np.testing.assert_array_equal(image.read(region), HEAD[region])
    (stops,) = gzip_stream._stops.values()
    assert len(stops) > 10
    given = [stop.given for stop in stops]
    assert given == sorted(set(given))
    with forked(1) as pool:
        np.testing.assert_array_equal(pool.submit(read, image).result(60), HEAD)


@pytest.mark.usefixtures("many_stops")
def test_gzip_in_small_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr("zarrpyramid.inputs.raw_array._PIECE", 1100)
    image = open_input(str(write_nifti(tmp_path / "a.nii.gz")))
    np.testing.assert_array_equal(read(image), HEAD)
    region = (slice(3, 4), slice(2, 20), slice(5, 17))
    np.testing.assert_array_equal(image.read(region), HEAD[region])


def test_the_last_bytes_of_much_that_is_alike(tmp_path):
    # A few KB that give 8 MB: more than is taken out of a decoder at once.
    voxels = np.zeros((256, 256, 64), "i2")
    voxels[-1, -1, -1] = 7
    image = open_input(str(write_nifti(tmp_path / "a.nii.gz", voxels)))
    np.testing.assert_array_equal(read(image), voxels)


def test_truncated_files(tmp_path):
    for name, message in (("a.nii", r"has \d+ bytes, expected \d+"), ("a.nii.gz", "is truncated")):
        path = write_nifti(tmp_path / name)
        image = open_input(str(path))
        data = path.read_bytes()
        path.write_bytes(data[:-200])
        with pytest.raises(StoreError, match="has changed since the image was opened"):
            read(image)
        with pytest.raises(StoreError, match=f"{message}.*copy it again"):
            read(open_input(str(path)))
        path.write_bytes(data[:30])
        with pytest.raises(StoreError, match=r"cannot be read as NIfTI .*; copy or write it again"):
            open_input(str(path))
    (tmp_path / "a.nii").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot be read as NIfTI"):
        open_input(f"{tmp_path}/a.nii")


def test_a_damaged_gzip_stream(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 99)).astype("u1")
    path = write_nifti(tmp_path / "a.nii.gz", noise)
    data = bytearray(path.read_bytes())
    data[-8:-4] = b"oops"  # the checksum of all
    path.write_bytes(data)
    image = open_input(str(path))
    with pytest.raises(StoreError, match=r"cannot be decompressed .*incorrect data check"):
        read(image)


def test_files_that_change_or_go(tmp_path):
    path = write_nifti(tmp_path / "a.nii")
    image = open_input(str(path))
    write_nifti(path, HEAD[:, :, :5])
    with pytest.raises(StoreError, match="has changed since the image was opened"):
        read(image)
    path.unlink()
    with pytest.raises(StoreError, match=r"is gone, which was there .*; restore it"):
        read(image)
    write_nifti(tmp_path / "b.hdr", kind=nibabel.Nifti1Pair)
    (tmp_path / "b.img").unlink()
    with pytest.raises(StoreError, match=r"b.img"):
        open_input(f"{tmp_path}/b.hdr")


REFUSED = {
    "six axes": (
        np.zeros((2, 2, 2, 2, 2, 2), "u1"),
        r"shape \[2, 2, 2, 2, 2, 2\], expected 1 to 5",
    ),
    "colours and five axes": (np.zeros((2, 2, 2, 2, 2), COLOUR), "expected at most 4 axes"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused(what, tmp_path):
    voxels, message = REFUSED[what]
    write_nifti(tmp_path / "a.nii", voxels)
    with pytest.raises(StoreError, match=message):
        open_input(f"{tmp_path}/a.nii")


def test_long_floats(tmp_path):
    path = write_nifti(tmp_path / "a.nii", np.zeros((2, 2, 4)), datatype=1536, bitpix=128)
    with pytest.raises(StoreError, match=r"cannot be read as NIfTI .*1536 not supported"):
        open_input(str(path))


def test_a_path_inside_or_a_series_is_refused(tmp_path):
    path = write_nifti(tmp_path / "a.nii")
    for source, series in ((f"{path}::data", None), (str(path), 2)):
        with pytest.raises(ConfigError, match="is a NIfTI file, which has one image"):
            open_input(source, series)
