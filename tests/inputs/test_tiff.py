"""TIFF: what tifffile and Pillow write is read to the voxel; what is damaged is refused."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import pickle
import struct
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import zarrpyramid
from zarrpyramid.errors import ConfigError, PyramidError, StoreError
from zarrpyramid.inputs import open_input

RNG = np.random.default_rng(16)


def noise(*shape, dtype="u2"):
    """Return voxels whose neighbours differ, over the whole range of small integers."""
    if dtype == "?":
        return RNG.integers(0, 2, shape).astype(bool)
    kind = np.dtype(dtype).kind
    if kind in "iu":
        info = np.iinfo(dtype)
        return RNG.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    values = RNG.normal(size=shape) * 100
    return (values + 1j * values[..., ::-1] if kind == "c" else values).astype(dtype)


def whole(image):
    return tuple(slice(0, extent) for extent in image.form.shape)


def some_regions(shape, n=6):
    for _ in range(n):
        pairs = [sorted(RNG.choice(extent + 1, 2, replace=False)) for extent in shape]
        yield tuple(slice(int(a), int(b)) for a, b in pairs)


def check(image, expected):
    """Compare an image with an array: all of it, some regions, and after pickling."""
    form = image.form
    assert form.shape == expected.shape
    assert form.dtype == expected.dtype.name
    assert len(form.blocks) == len(form.shape)
    assert all(1 <= block <= extent for block, extent in zip(form.blocks, form.shape, strict=True))
    found = image.read(whole(image))
    assert found.dtype == expected.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, expected)
    image = pickle.loads(pickle.dumps(image))
    for region in some_regions(form.shape):
        np.testing.assert_array_equal(image.read(region), expected[region])


def opened_and_read(source, series):
    image = open_input(str(source), series)
    return image.read(whole(image))


def refused(kind, source, series=None):
    """Return the message that a source is refused with, at opening or in reading."""
    with pytest.raises(kind) as caught:
        opened_and_read(source, series)
    message = str(caught.value)
    assert "\n" not in message
    assert isinstance(caught.value, PyramidError)
    return message


def write(path, voxels, **keys):
    """Write a file whose planes are grey where nothing else is said."""
    tifffile.imwrite(path, voxels, **{"photometric": "minisblack", **keys})


def write_slices(folder, voxels, name="z{:04}.tif", **keys):
    folder.mkdir(exist_ok=True)
    for n, plane in enumerate(voxels):
        write(folder / name.format(n), plane, **keys)
    return folder


IMAGEJ, OME, PLAIN = {"imagej": True}, {"ome": True}, {"metadata": None}
# What is written, with which keywords, and the axes of what is read.
VARIANTS = {
    "shaped": (noise(5, 40, 37), {}, "zyx"),
    "pages without metadata": (noise(5, 40, 37), PLAIN, "zyx"),
    "one page": (noise(40, 37), {}, "yx"),
    "two unnamed axes": (noise(2, 3, 20, 17), {}, "czyx"),
    "three unnamed axes": (noise(2, 2, 3, 20, 17), {}, "tczyx"),
    "big endian": (noise(5, 40, 37), {"byteorder": ">"}, "zyx"),
    "big endian, scattered strips": (
        noise(3, 40, 37),
        {"byteorder": ">", "rowsperstrip": 7, "contiguous": False, **PLAIN},
        "zyx",
    ),
    "BigTIFF": (noise(5, 40, 37), {"bigtiff": True}, "zyx"),
    "BigTIFF, big endian": (noise(4, 40, 37), {"bigtiff": True, "byteorder": ">"}, "zyx"),
    "strips": (noise(3, 40, 37), {"rowsperstrip": 7}, "zyx"),
    "tiles": (noise(3, 70, 50), {"tile": (16, 32)}, "zyx"),
    "tiles, big endian": (noise(3, 70, 50), {"tile": (32, 16), "byteorder": ">"}, "zyx"),
    "tiles of a volume": (
        noise(20, 40, 37),
        {"tile": (16, 16, 16), "volumetric": True, "compression": "zlib"},
        "zyx",
    ),
    "deflate": (noise(3, 40, 37), {"compression": "zlib", "rowsperstrip": 7}, "zyx"),
    "deflate, predictor": (noise(3, 40, 37), {"compression": "zlib", "predictor": True}, "zyx"),
    "LZW": (noise(3, 40, 37), {"compression": "lzw"}, "zyx"),
    "LZW, predictor, big endian": (
        noise(3, 40, 37),
        {"compression": "lzw", "predictor": True, "byteorder": ">"},
        "zyx",
    ),
    "zstd in tiles": (noise(3, 70, 50), {"compression": "zstd", "tile": (32, 32)}, "zyx"),
    "LZMA": (noise(2, 40, 37), {"compression": "lzma"}, "zyx"),
    "PackBits": (noise(2, 40, 37, dtype="u1"), {"compression": "packbits"}, "zyx"),
    "float predictor": (noise(2, 40, 37, dtype="f4"), {"compression": 8, "predictor": 3}, "zyx"),
    "RGB": (noise(40, 37, 3, dtype="u1"), {"photometric": "rgb"}, "yxc"),
    "RGB stack": (noise(4, 40, 37, 3, dtype="u1"), {"photometric": "rgb"}, "zyxc"),
    "RGB planes": (
        noise(3, 40, 37, dtype="u1"),
        {"photometric": "rgb", "planarconfig": "separate"},
        "cyx",
    ),
    "RGB planes in tiles": (
        noise(2, 3, 40, 37, dtype="u2"),
        {"photometric": "rgb", "planarconfig": "separate", "tile": (16, 16), "compression": 8},
        "zcyx",
    ),
    "RGBA deflate": (
        noise(3, 40, 37, 4, dtype="u1"),
        {"photometric": "rgb", "compression": "zlib", "extrasamples": ["unassalpha"]},
        "zyxc",
    ),
    "bits": (noise(3, 40, 37, dtype="?"), {}, "zyx"),
    "bits, deflate": (noise(3, 40, 37, dtype="?"), {"compression": "zlib"}, "zyx"),
    "ImageJ": (noise(5, 40, 37), {**IMAGEJ, "metadata": {"axes": "ZYX"}}, "zyx"),
    "ImageJ hyperstack": (
        noise(2, 3, 2, 20, 17),
        {**IMAGEJ, "metadata": {"axes": "TZCYX"}},
        "tzcyx",
    ),
    "ImageJ RGB": (
        noise(3, 20, 17, 3, dtype="u1"),
        {**IMAGEJ, "photometric": "rgb", "metadata": {"axes": "ZYXS"}},
        "zyxc",
    ),
    "ImageJ deflate": (
        noise(3, 2, 20, 17),
        {**IMAGEJ, "compression": 8, "metadata": {"axes": "ZCYX"}},
        "zcyx",
    ),
    "OME": (noise(2, 3, 4, 20, 17), {**OME, "metadata": {"axes": "TCZYX"}}, "tczyx"),
    "OME, c last": (noise(3, 4, 20, 17), {**OME, "metadata": {"axes": "ZCYX"}}, "zcyx"),
    "OME in tiles": (
        noise(2, 3, 40, 37),
        {**OME, "metadata": {"axes": "CZYX"}, "tile": (16, 16), "compression": "zstd"},
        "czyx",
    ),
    "OME RGB": (
        noise(4, 20, 17, 3, dtype="u1"),
        {**OME, "metadata": {"axes": "ZYXS"}, "photometric": "rgb"},
        "zyxc",
    ),
}
VARIANTS |= {
    f"of {name}": (noise(3, 24, 17, dtype=name), {"byteorder": order}, "zyx")
    for name, order in zip(
        ("u1", "i1", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "c8", "c16"),
        "<><><><><><>",
        strict=True,
    )
}


@pytest.mark.sampled(16)
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_file_is_read_to_the_voxel(tmp_path, variant):
    voxels, keys, axes = VARIANTS[variant]
    write(tmp_path / "a.tif", voxels, **keys)
    image = open_input(str(tmp_path / "a.tif"))
    assert "".join(image.form.axes) == axes
    check(image, voxels)
    assert image.files() == [tmp_path / "a.tif"]


SLICES = {
    "raw": (noise(4, 40, 37), {}),
    "strips that libtiff would write": (noise(4, 40, 37), {"rowsperstrip": 4}),
    "big endian": (noise(4, 40, 37), {"byteorder": ">"}),
    "BigTIFF": (noise(4, 40, 37), {"bigtiff": True}),
    "BigTIFF, big endian": (noise(3, 40, 37), {"bigtiff": True, "byteorder": ">"}),
    "no metadata": (noise(3, 40, 37), PLAIN),
    "deflate": (noise(3, 40, 37), {"compression": "zlib", "rowsperstrip": 9}),
    "LZW and predictor": (noise(3, 40, 37), {"compression": "lzw", "predictor": True}),
    "tiles": (noise(3, 40, 37), {"tile": (16, 16)}),
    "a tile": (noise(3, 16, 16), {"tile": (16, 16)}),
    "ImageJ": (noise(3, 40, 37), IMAGEJ),
    "OME": (noise(3, 40, 37), OME),
    "bits": (noise(3, 40, 37, dtype="?"), {}),
    "floats": (noise(3, 40, 37, dtype="f4"), {}),
    "RGB": (noise(3, 40, 37, 3, dtype="u1"), {"photometric": "rgb"}),
    "RGB planes": (
        noise(3, 3, 40, 37, dtype="u1"),
        {"photometric": "rgb", "planarconfig": "separate", "rowsperstrip": 16},
    ),
}


@pytest.mark.parametrize("variant", SLICES)
def test_a_folder_of_slices_is_read_to_the_voxel(tmp_path, variant):
    voxels, keys = SLICES[variant]
    image = open_input(str(write_slices(tmp_path / "slices", voxels, **keys)))
    assert image.form.axes[0] == "z"
    check(image, voxels)
    assert image.files((slice(1, 3), *whole(image)[1:])) == [
        tmp_path / "slices" / f"z000{n}.tif" for n in (1, 2)
    ]


def test_jpeg_is_read_as_tifffile_decodes_it(tmp_path):
    smooth = np.add.outer(np.arange(4), np.add.outer(np.arange(40), np.arange(48))).astype("u1")
    write(tmp_path / "a.tif", smooth, compression="jpeg", tile=(16, 16))
    check(open_input(str(tmp_path / "a.tif")), tifffile.imread(tmp_path / "a.tif"))
    folder = write_slices(tmp_path / "slices", smooth, compression="jpeg")
    check(open_input(str(folder)), np.stack([*map(tifffile.imread, sorted(folder.iterdir()))]))


@pytest.mark.parametrize(
    ("mode", "dtype", "codec"),
    [
        *(("L", "u1", None), ("L", "u1", "tiff_lzw"), ("L", "u1", "packbits"), ("F", "f4", None)),
        *(("I;16", "u2", None), ("1", "?", None), ("1", "?", "group4"), ("RGB", "u1", "jpeg")),
    ],
)
def test_slices_of_pillow(tmp_path, mode, dtype, codec):
    planes = []
    for n in range(3):
        shape = (50, 41, 3) if mode == "RGB" else (50, 41)
        picture = Image.fromarray(noise(*shape, dtype=dtype))
        assert picture.mode == mode
        picture.save(tmp_path / f"{n}.tiff", compression=codec, dpi=(300, 300))
        with Image.open(tmp_path / f"{n}.tiff") as again:
            planes.append(np.asarray(again))
    image = open_input(str(tmp_path))
    if codec == "jpeg":  # decoders differ by one
        planes = [tifffile.imread(tmp_path / f"{n}.tiff") for n in range(3)]
    check(image, np.stack(planes))
    assert image.form.voxel_size == {}  # 300 dots per inch are not of a microscope


def test_the_order_of_slices_is_that_of_their_numbers(tmp_path):
    voxels = noise(11, 8, 8)
    folder = write_slices(tmp_path / "slices", voxels, name="scan2_z{}.tif")
    for name in ("thumbs.db", "notes.txt", ".hidden.tif", "._scan2_z1.tif", "preview.jpg"):
        (folder / name).write_bytes(b"nothing")
    (folder / "raw.tif").mkdir()
    check(open_input(str(folder)), voxels)
    check(open_input(f"{folder}/"), voxels)
    check(open_input(f"{folder}/*"), voxels)
    check(open_input(f"{folder}/scan2_z?.tif"), voxels[:10])
    check(open_input(f"{tmp_path}/*/scan2_z[2-5].tif"), voxels[2:6])


def test_files_without_an_end_that_tells_are_known_by_their_bytes(tmp_path):
    voxels = noise(3, 8, 8)
    folder = write_slices(tmp_path / "slices", voxels, name="{}.img")
    check(open_input(f"{folder}/*.img"), voxels)


def test_slices_without_numbers_are_in_the_order_of_their_names(tmp_path):
    voxels = noise(3, 8, 8)
    for name, plane in zip(("bottom", "middle", "top"), voxels, strict=True):
        write(tmp_path / f"{name}.tif", plane)
    check(open_input(str(tmp_path)), voxels)


def test_slices_that_are_numbered_in_steps(tmp_path):
    voxels = noise(4, 8, 8)
    for n, plane in enumerate(voxels):
        write(tmp_path / f"depth_{40 * n}um.tif", plane)
    check(open_input(str(tmp_path)), voxels)


def test_slices_with_thumbnails(tmp_path):
    voxels = noise(3, 20, 17)
    for n, plane in enumerate(voxels):
        with tifffile.TiffWriter(tmp_path / f"{n}.tif") as file:
            file.write(plane, photometric="minisblack")
            file.write(plane[::2, ::2], photometric="minisblack")
    assert "0.tif has 2 series" in refused(ConfigError, tmp_path)
    check(open_input(str(tmp_path), 0), voxels)
    check(open_input(str(tmp_path), 1), voxels[:, ::2, ::2])


def test_slices_of_the_same_number(tmp_path):
    for name in ("z1.tif", "z01.tif", "z2.tif"):
        write(tmp_path / name, noise(8, 8))
    assert "holds z01.tif and z1.tif, which have the same number" in refused(ConfigError, tmp_path)


def test_names_that_count_channels_and_slices(tmp_path):
    voxels = noise(2, 3, 8, 9)
    for c, z in np.ndindex(2, 3):
        write(tmp_path / f"scan7_ch{c + 1}_Z{z:03}.tif", voxels[c, z])
    image = open_input(str(tmp_path))
    assert image.form.axes == ("c", "z", "y", "x")
    check(image, voxels)
    (tmp_path / "scan7_ch2_Z001.tif").unlink()
    assert "has no scan7_ch2_Z001.tif, expected 2 x 3 files" in refused(StoreError, tmp_path)


def test_a_file_a_time_with_a_stack_in_each(tmp_path):
    voxels = noise(3, 4, 20, 9)
    for n, stack in enumerate(voxels):
        write(tmp_path / f"t{n}.tif", stack, compression=8 if n == 1 else None)
    image = open_input(str(tmp_path))
    assert image.form.axes == ("t", "z", "y", "x")
    check(image, voxels)
    write(tmp_path / "t1.tif", voxels[0, :3])
    assert "t1.tif has shape [3, 20, 9]" in refused(StoreError, tmp_path)


def test_slices_that_are_stored_otherwise_than_the_first(tmp_path):
    voxels = noise(5, 40, 37)
    kinds = [{}, {"compression": 8}, {"byteorder": ">"}, {"tile": (16, 16)}, {"bigtiff": True}]
    for n, (plane, keys) in enumerate(zip(voxels, kinds, strict=True)):
        write(tmp_path / f"{n}.tif", plane, **keys)
    check(open_input(str(tmp_path)), voxels)


def test_a_folder_of_one_file_is_that_file(tmp_path):
    voxels = noise(4, 8, 8)
    write(tmp_path / "stack.ome.tif", voxels, ome=True, metadata={"axes": "ZYX"})
    check(open_input(str(tmp_path)), voxels)


def test_level_0_of_a_pyramid_in_a_file(tmp_path):
    voxels = noise(3, 64, 48)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as file:
        keys = {"tile": (16, 16), "metadata": {"axes": "ZYX"}}
        file.write(voxels, subifds=2, **keys)
        file.write(voxels[:, ::2, ::2], subfiletype=1, tile=(16, 16))
        file.write(voxels[:, ::4, ::4], subfiletype=1, tile=(16, 16))
    check(open_input(str(tmp_path / "a.ome.tif")), voxels)


def two_series(path):
    first, second = noise(3, 20, 17), noise(8, 9, dtype="u1")
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(first, metadata={"axes": "ZYX", "Name": "overview"})
        file.write(second, metadata={"axes": "YX", "Name": "detail", "PhysicalSizeX": 0.5})
    return first, second


def test_series_are_chosen_by_number_or_name(tmp_path):
    path = tmp_path / "a.ome.tif"
    first, second = two_series(path)
    check(open_input(str(path), 0), first)
    check(open_input(str(path), "detail"), second)
    assert open_input(str(path), 1).form.voxel_size == {"x": 0.5}
    assert open_input(str(path), 1).name.endswith("a.ome.tif (series 1)")
    assert refused(ConfigError, path) == (
        f"{path} has 2 series: 0: 'overview', [3, 20, 17] uint16; 1: 'detail', [8, 9] uint8; give "
        "series: N, one of these numbers"
    )
    assert "has no series 'details'; did you mean 'detail'?" in refused(
        ConfigError, path, "details"
    )
    assert "has no series 7; there are: 0: 'over" in refused(ConfigError, path, 7)


def test_an_ome_tiff_in_several_files(tmp_path):
    voxels = noise(2, 3, 20, 17)
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels DimensionOrder="XYZCT" Type="uint16" SizeX="17" SizeY="20" SizeZ="3" SizeC="2" '
        'SizeT="1" PhysicalSizeZ="2.5">{}</Pixels></Image></OME>'
    )
    plane = '<TiffData FirstC="{0}" PlaneCount="3"><UUID FileName="c{0}.ome.tif">u{0}</UUID>'
    text = xml.format("".join(plane.format(c) + "</TiffData>" for c in (0, 1)))
    for c in (0, 1):
        write(tmp_path / f"c{c}.ome.tif", voxels[c], description=text, metadata=None)
    image = open_input(str(tmp_path / "c0.ome.tif"))
    assert image.form.axes == ("c", "z", "y", "x")
    assert image.form.voxel_size == {"z": 2.5}
    check(image, voxels)
    files = [tmp_path / "c0.ome.tif", tmp_path / "c1.ome.tif"]
    assert image.files() == files
    assert image.files((slice(1, 2), *whole(image)[1:])) == files[1:]
    check(open_input(str(tmp_path)), voxels)
    write(tmp_path / "c2.ome.tif", voxels[0])
    assert "holds 3 files, the OME-XML of " in refused(ConfigError, tmp_path)
    files[1].unlink()
    assert "no voxels for the plane at c 1, z 0 (3 of 6 planes" in refused(StoreError, files[0])


@pytest.mark.parametrize(
    ("planes", "axes"), [("contig", "TCYXS"), ("contig", "CZYXS"), ("separate", "ZCSYX")]
)
def test_channels_with_samples_are_channels(tmp_path, planes, axes):
    extents = dict(zip("TCZSYX", (2, 4, 2, 3, 20, 17), strict=True))
    voxels = noise(*(extents[axis] for axis in axes), dtype="u1")
    keys = {"photometric": "rgb", "planarconfig": planes, "ome": True}
    write(tmp_path / "a.ome.tif", voxels, metadata={"axes": axes}, **keys)
    image = open_input(str(tmp_path / "a.ome.tif"))
    assert "".join(image.form.axes).upper() == axes.replace("S", "")
    merged = np.moveaxis(voxels, axes.index("S"), axes.index("C") + 1)
    place = axes.index("C")
    check(image, merged.reshape(*merged.shape[:place], 12, *merged.shape[place + 2 :]))
    assert image.files(whole(image)) == [tmp_path / "a.ome.tif"]


def test_axes_that_are_none_of_space_are_none_of_space_here(tmp_path):
    voxels = noise(2, 3, 20, 17)
    for axes, expected in {"RZYX": "czyx", "CAYX": "ctyx", "TEYX": "tcyx"}.items():
        write(tmp_path / "a.tif", voxels, ome=True, metadata={"axes": axes})
        assert "".join(open_input(str(tmp_path / "a.tif")).form.axes) == expected, axes
    assert open_input(str(tmp_path / "a.tif")).form.origins == {
        "axes": "its OME-XML; lambda is taken for c"
    }
    write(tmp_path / "a.tif", noise(2, 2, 3, 9, 8), ome=True, metadata={"axes": "TCRYX"})
    assert "has the axes TCRYX, in tifffile's letters" in refused(ConfigError, tmp_path / "a.tif")


@pytest.mark.parametrize("keys", [{}, {"compression": "lzw"}])
def test_an_lsm_without_its_thumbnails(tmp_path, keys):
    voxels = noise(4, 3, 40, 37, dtype="u1")
    header = struct.pack(
        "<10I6d2H5Id8I",
        *(67127628, 152, 37, 40, 4, 3, 1, 1, 8, 8),  # mark, size, x, y, z, channels, times
        *(2e-7, 2e-7, 1e-6, 0, 0, 0),  # metres
        *([0] * 7),
        *(0.0, *[0] * 8),
    )
    said = {"extratags": [(34412, 1, len(header), header, True)]}
    planes = {"photometric": "minisblack", "planarconfig": "separate", "metadata": None}
    with tifffile.TiffWriter(tmp_path / "a.lsm", byteorder="<") as file:
        for plane in voxels:
            file.write(plane, **planes, **said, **keys)
            file.write(plane[:, ::5, ::5], subfiletype=1, **planes)
            said = {}
    image = open_input(str(tmp_path / "a.lsm"))
    assert image.form.axes == ("z", "c", "y", "x")
    assert image.form.voxel_size == pytest.approx({"x": 0.2, "y": 0.2, "z": 1.0})
    assert image.form.unit == UM
    check(image, voxels)


def test_an_imagej_stack_with_one_page_for_all(tmp_path):
    # ImageJ writes stacks of more than 4 GB like this.
    voxels = noise(6, 20, 17)
    text = "ImageJ=1.53t\nimages=6\nslices=6\nspacing=3.0\nunit=nm\nloop=false\n"
    write(tmp_path / "one.tif", voxels[:1], description=text, metadata=None)
    with tifffile.TiffFile(tmp_path / "one.tif") as written:
        place = written.pages[0].dataoffsets[0]
    with (tmp_path / "one.tif").open("r+b") as file:
        file.seek(place)
        file.write(voxels.tobytes())
    image = open_input(str(tmp_path / "one.tif"))
    check(image, voxels)
    assert image.form.voxel_size == {"x": 1.0, "y": 1.0, "z": 3.0}
    os.truncate(tmp_path / "one.tif", place + voxels.nbytes - 1)
    assert "ImageJ metadata describes; it is truncated" in refused(StoreError, tmp_path / "one.tif")


def test_tiles_that_were_left_out_are_nodata(tmp_path):
    voxels = noise(48, 48)
    tiles = [voxels[y : y + 16, x : x + 16] for y in (0, 16, 32) for x in (0, 16, 32)]
    tiles[4] = None
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(iter(tiles), shape=(48, 48), dtype="u2", tile=(16, 16), compression=8)
    expected = voxels.copy()
    expected[16:32, 16:32] = 0
    check(open_input(str(tmp_path / "a.tif")), expected)


# The keywords of a writer, and what is said of voxels: size, unit and where that stands.
UM = {"x": "micrometer", "y": "micrometer", "z": "micrometer"}
DOTS = (1 / 0.5, 1 / 0.25)
SCALES = {
    "OME, of its default unit": (
        {**OME, "metadata": {"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeZ": 2}},
        {"x": 0.5, "z": 2.0},
        {"x": "micrometer", "z": "micrometer"},
        "its OME-XML",
    ),
    "OME, of other units": (
        {
            **OME,
            "metadata": {
                "axes": "TYX",
                "PhysicalSizeX": 5.5,
                "PhysicalSizeXUnit": "nm",
                "PhysicalSizeY": 5,
                "PhysicalSizeYUnit": "Å",
                "TimeIncrement": 3,
                "TimeIncrementUnit": "ms",
            },
        },
        {"x": 5.5, "y": 5.0, "t": 3.0},
        {"x": "nanometer", "y": "angstrom", "t": "millisecond"},
        "its OME-XML",
    ),
    "OME in pixels": (
        {**OME, "metadata": {"axes": "ZYX", "PhysicalSizeX": 1, "PhysicalSizeXUnit": "pixel"}},
        {},
        {},
        "",
    ),
    "ImageJ": (
        {
            **IMAGEJ,
            "resolution": DOTS,
            "metadata": {"axes": "ZYX", "spacing": 3.0, "unit": "um"},
        },
        {"x": 0.5, "y": 0.25, "z": 3.0},
        UM,
        "its ImageJ metadata",
    ),
    "ImageJ's micron": (
        {**IMAGEJ, "resolution": DOTS, "metadata": {"axes": "ZYX", "unit": "micron"}},
        {"x": 0.5, "y": 0.25},
        {"x": "micrometer", "y": "micrometer"},
        "its ImageJ metadata",
    ),
    "ImageJ's escaped unit, and frames": (
        {
            **IMAGEJ,
            "resolution": DOTS,
            "metadata": {"axes": "TYX", "unit": "\\u00B5m", "finterval": 0.25},
        },
        {"x": 0.5, "y": 0.25, "t": 0.25},
        {"x": "micrometer", "y": "micrometer", "t": "second"},
        "its ImageJ metadata",
    ),
    "ImageJ in pixels": (
        {**IMAGEJ, "resolution": (1, 1), "metadata": {"axes": "ZYX", "unit": "pixel"}},
        {},
        {},
        "",
    ),
    "ImageJ of a picture of 72 dpi": (
        {
            **IMAGEJ,
            "resolution": (72, 72),
            "metadata": {"axes": "ZYX", "unit": "inch", "spacing": 1.0},
        },
        {},
        {},
        "",
    ),
    "dots per cm": (
        {"resolution": (1e4 / 0.65, 1e4 / 0.65), "resolutionunit": "CENTIMETER"},
        {"x": 0.65, "y": 0.65},
        {"x": "micrometer", "y": "micrometer"},
        "its resolution tags",
    ),
    "fine dots per inch": (
        {"resolution": (25400 / 0.5, 25400 / 0.5), "resolutionunit": "INCH"},
        {"x": 0.5, "y": 0.5},
        {"x": "micrometer", "y": "micrometer"},
        "its resolution tags",
    ),
    "72 dpi": ({"resolution": (72, 72), "resolutionunit": "INCH"}, {}, {}, ""),
    "72 dpi in cm": ({"resolution": (28.35, 28.35), "resolutionunit": "CENTIMETER"}, {}, {}, ""),
    "600 dpi": ({"resolution": (600, 600), "resolutionunit": "INCH"}, {}, {}, ""),
    "dots of nothing": ({"resolution": (1, 1)}, {}, {}, ""),
}


@pytest.mark.parametrize("case", SCALES)
def test_voxel_size_and_unit(tmp_path, case):
    keys, size, unit, origin = SCALES[case]
    write(tmp_path / "a.tif", noise(4, 8, 9), **keys)
    form = open_input(str(tmp_path / "a.tif")).form
    assert form.voxel_size == pytest.approx(size, rel=1e-6)
    assert form.unit == unit
    origins = {name: said for name, said in form.origins.items() if name != "axes"}
    assert origins == ({"voxel_size": origin, "unit": origin} if size else {})


def test_slices_have_the_scale_of_the_first(tmp_path):
    metadata = {"spacing": 2.0, "unit": "um"}
    write_slices(tmp_path / "s", noise(3, 8, 9), imagej=True, resolution=DOTS, metadata=metadata)
    form = open_input(str(tmp_path / "s")).form
    assert form.voxel_size == pytest.approx({"x": 0.5, "y": 0.25, "z": 2.0})


@pytest.mark.parametrize(
    ("shape", "options", "expected"),
    [
        ((40, 37, 3), {"photometric": "rgb"}, ("red", "green", "blue")),
        ((4, 40, 37, 3), {"photometric": "rgb"}, ("red", "green", "blue")),
        ((40, 37, 3), {"photometric": "rgb", "compression": "jpeg"}, ("red", "green", "blue")),
        (
            (40, 37, 4),
            {"photometric": "rgb", "extrasamples": ["unassalpha"]},
            ("red", "green", "blue", "alpha"),
        ),
        # Channels of a microscope, and samples that are no colours.
        ((3, 40, 37), {"photometric": "minisblack"}, ()),
        ((40, 37, 3), {"photometric": "minisblack", "planarconfig": "contig"}, ()),
    ],
    ids=["RGB", "RGB stack", "JPEG", "RGBA", "planes", "samples"],
)
def test_samples_of_a_picture_in_colour_have_names(tmp_path, shape, options, expected):
    tifffile.imwrite(tmp_path / "a.tif", noise(*shape, dtype="u1"), **options)
    assert open_input(str(tmp_path / "a.tif")).form.channels == expected


def test_names_of_channels(tmp_path):
    voxels = noise(2, 3, 8, 9)
    names = {"Channel": {"Name": ["DAPI", "GFP"]}, "axes": "CZYX"}
    write(tmp_path / "a.ome.tif", voxels, ome=True, metadata=names)
    form = open_input(str(tmp_path / "a.ome.tif")).form
    assert form.channels == ("DAPI", "GFP")
    assert form.origins == {"axes": "its OME-XML", "channels": "its OME-XML"}
    for labels, expected in [
        (["DAPI", "GFP"] * 3, ("DAPI", "GFP")),
        ([f"slice {n}" for n in range(6)], ()),
        (["same"] * 6, ()),
    ]:
        metadata = {"axes": "ZCYX", "Labels": labels}
        write(tmp_path / "i.tif", voxels.swapaxes(0, 1), imagej=True, metadata=metadata)
        assert open_input(str(tmp_path / "i.tif")).form.channels == expected


def test_a_missing_slice_is_named(tmp_path):
    folder = write_slices(tmp_path / "slices", noise(11, 8, 8))
    (folder / "z0007.tif").unlink()
    assert refused(StoreError, folder) == (
        f"{folder} has no z0007.tif, expected between z0006.tif and z0008.tif; restore it, or give "
        "links with running numbers if there never was one"
    )
    (folder / "z0003.tif").unlink()
    assert "no z0003.tif, expected between z0002.tif and z0004.tif (2 are" in refused(
        StoreError, folder
    )


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (noise(8, 9), "z0002.tif has shape [8, 9] and dtype uint16, expected [8, 8] and uint16"),
        (noise(8, 8, dtype="u1"), "z0002.tif has shape [8, 8] and dtype uint8, expected [8, 8]"),
        (noise(2, 8, 8), "z0002.tif holds 3 axes, of shape [2, 8, 8], where "),
    ],
)
def test_slices_that_differ_are_named(tmp_path, other, said):
    folder = write_slices(tmp_path / "slices", noise(4, 8, 8))
    write(folder / "z0002.tif", other)
    assert said in refused(StoreError, folder)


def test_names_of_which_nothing_can_be_told(tmp_path):
    folder = write_slices(tmp_path / "slices", noise(3, 8, 8))
    write(folder / "mask.tif", noise(8, 8))
    assert "holds files with 2 kinds of names, such as z0000.tif, mask.tif; give a pattern" in (
        refused(ConfigError, folder)
    )
    (folder / "mask.tif").unlink()
    for n in range(3):
        write(folder / f"z000{n}.tif", noise(2, 8, 8))
    assert "3 files of shape [2, 8, 8], axes ['z', 'y', 'x'], and which axis" in (
        refused(ConfigError, folder)
    )
    other = tmp_path / "other"
    other.mkdir()
    for a, b in np.ndindex(2, 2):
        write(other / f"s{a}x{b}.tif", noise(8, 8))
    assert "count by 2 numbers, from s0x0.tif to s1x1.tif" in refused(ConfigError, other)


def test_no_slices_at_all(tmp_path):
    assert "matches no file; check the pattern" in refused(StoreError, tmp_path / "*.tif")
    assert open_input(str(tmp_path)) is None  # an empty folder is of no format
    write(tmp_path / "a.tif", noise(8, 8))
    assert "path inside a TIFF, which has none" in refused(ConfigError, f"{tmp_path}/a.tif::/b")


TRUNCATED = {
    "contiguous": {},
    "pages": {"metadata": None, "compression": "zlib"},
    "pages in one run": {"metadata": None},
    "ImageJ": {"imagej": True},
    "OME": {"ome": True, "compression": "zlib", "metadata": {"axes": "ZYX"}},
    "OME in one run": {"ome": True, "metadata": {"axes": "ZYX"}},
    "BigTIFF": {"bigtiff": True, "metadata": None, "compression": "zlib"},
    "shaped, deflate": {"compression": "zlib"},
}


@pytest.mark.sampled(14)
@pytest.mark.parametrize("case", TRUNCATED)
@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path, caplog, case, part):
    path = tmp_path / "a.tif"
    voxels = noise(6, 40, 37)
    write(path, voxels, **TRUNCATED[case])
    os.truncate(path, int(part * path.stat().st_size))
    if part == 0.999 and case == "ImageJ":  # headers of pages that nobody needs are gone
        check(open_input(str(path)), voxels)
        return
    message = refused(StoreError, path)
    assert "restore it" in message or "write" in message
    assert not caplog.records  # one line is enough


@pytest.mark.parametrize("keys", [{}, {"compression": "zlib"}, {"tile": (16, 16)}])
@pytest.mark.parametrize("part", [0, 0.01, 0.1, 0.5, 0.99])
def test_a_truncated_slice_is_refused(tmp_path, keys, part):
    folder = write_slices(tmp_path / "slices", noise(3, 40, 37), **keys)
    os.truncate(folder / "z0001.tif", int(part * (folder / "z0001.tif").stat().st_size))
    assert "z0001.tif" in refused(StoreError, folder)


def test_damaged_bytes_never_give_voxels_of_another_shape(tmp_path):
    voxels = noise(2, 20, 17)
    folder = write_slices(tmp_path / "slices", voxels, compression="zlib")
    path = folder / "z0001.tif"
    sound = path.read_bytes()
    for place in range(0, len(sound), 17):
        path.write_bytes(sound[:place] + bytes([sound[place] ^ 0x55]) + sound[place + 1 :])
        with contextlib.suppress(PyramidError):
            image = open_input(str(folder))
            assert image.read(whole(image)).shape == image.form.shape == voxels.shape


def test_a_file_that_changes_is_not_read(tmp_path):
    voxels = noise(3, 20, 17)
    folder = write_slices(tmp_path / "slices", voxels)
    write(tmp_path / "a.tif", voxels)
    images = [open_input(str(place)) for place in (folder, tmp_path / "a.tif")]
    for path in (folder / "z0001.tif", tmp_path / "a.tif"):
        stamp = path.stat()
        os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
    for image, name in zip(images, ("z0001.tif", "a.tif"), strict=True):
        with pytest.raises(StoreError, match=f"{name} has changed since the image was opened"):
            image.read(whole(image))
    (folder / "z0002.tif").unlink()
    with pytest.raises(StoreError, match=r"z0002\.tif is gone"):
        images[0].read((slice(2, 3), *whole(images[0])[1:]))


def test_threads_and_forks_read_side_by_side(tmp_path):
    voxels = noise(8, 64, 48)
    write(tmp_path / "a.tif", voxels, compression="zlib", metadata=None)
    folder = write_slices(tmp_path / "slices", voxels, compression="lzw")
    regions = [(slice(n, n + 2), slice(8, 40), slice(0, 48)) for n in range(7)]
    for place in (tmp_path / "a.tif", folder):
        image = open_input(str(place))
        image.read(regions[0])
        with ThreadPoolExecutor(4) as pool:
            for region, found in zip(regions, pool.map(image.read, regions), strict=True):
                np.testing.assert_array_equal(found, voxels[region])
        with multiprocessing.get_context("fork").Pool(2) as processes:
            for region, found in zip(regions, processes.map(image.read, regions), strict=True):
                np.testing.assert_array_equal(found, voxels[region])


def test_a_slab_of_many_slices_needs_no_second_array(tmp_path):
    voxels = noise(16, 256, 256)
    folder = write_slices(tmp_path / "slices", voxels)
    image = open_input(str(folder))
    tracemalloc.start()
    image.read(whole(image))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < voxels.nbytes + 2**17


BLOCKED = """
import json, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == sys.argv[2]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
from zarrpyramid.errors import StoreError
from zarrpyramid.inputs import open_input
try:
    image = open_input(sys.argv[1])
    found = image.read(tuple(slice(0, n) for n in image.form.shape)).sum()
except StoreError as error:
    print(json.dumps(str(error)))
else:
    print(int(found))
"""


def without(package, path):
    """Return what comes of reading a file in a process that cannot import a package."""
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, str(path), package],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(zarrpyramid.__file__).parents[1])},
    )
    return json.loads(done.stdout)


def test_packages_that_are_not_there_are_named(tmp_path):
    voxels = noise(3, 20, 17)
    write(tmp_path / "lzw.tif", voxels, compression="lzw")
    message = without("imagecodecs", tmp_path / "lzw.tif")
    assert "is compressed by LZW, which imagecodecs reads, a package that is not" in message
    write(tmp_path / "raw.tif", voxels)
    assert without("imagecodecs", tmp_path / "raw.tif") == voxels.sum()
    assert "which tifffile reads, a package that is not installed" in without(
        "tifffile", tmp_path / "raw.tif"
    )


def test_a_header_that_is_a_bomb_is_refused(tmp_path):
    folder = write_slices(tmp_path / "slices", noise(2, 8, 8))
    # A strip's offsets that would fill 16 GB.
    entry = struct.pack("<HHII", 273, 4, 2**32 - 1, 8)
    (folder / "z0001.tif").write_bytes(b"II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4))
    assert "tag 273 has 17179869180 bytes, the file 26" in refused(StoreError, folder)
