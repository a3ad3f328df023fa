"""Files of other image formats, given as a store or a source: what they are, and the way out."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from zarrpyramid import build_pyramid
from zarrpyramid.cli.program import main
from zarrpyramid.config import image_config
from zarrpyramid.errors import StoreError
from zarrpyramid.plan.image import open_image
from zarrpyramid.stores.image_files import image_format, why_no_store

VOXELS = (np.indices((40, 36)).sum(0) * 7 % 251).astype("uint8")
FILES = [
    ("a.tif", b"II*\0rest", "TIFF"),
    ("a.ome.tiff", b"MM\0*rest", "TIFF"),
    ("A.TIF", b"", "TIFF"),
    ("big.zarr", b"II+\0rest", "TIFF"),
    ("a.h5", b"\x89HDF\r\n\x1a\nrest", "HDF5"),
    ("cells", b"\x89HDF\r\n\x1a\nrest", "HDF5"),
    ("a.ims", b"\x89HDF\r\n\x1a\nrest", "Imaris"),
    ("a.czi", b"ZISRAWFILE\0", "CZI"),
    ("a.nd2", b"\xda\xce\xbe\nrest", "ND2"),
    ("a.lif", b"\x70\0\0\0", "LIF"),
    ("a.mrc", b"", "MRC"),
    ("a", bytes(208) + b"MAP ", "MRC"),
    ("a.nii", bytes(344) + b"n+1\0", "NIfTI"),
    ("a.nii.gz", b"\x1f\x8b", "NIfTI"),
    ("a", bytes(128) + b"DICM", "DICOM"),
    ("a.npy", b"\x93NUMPY\1\0", "numpy"),
    ("a.cbz", b"PK\3\4", "ZIP"),
]


@pytest.mark.parametrize(("name", "start", "expected"), FILES)
def test_a_file_is_named_and_told_how_it_becomes_a_pyramid(tmp_path, capsys, name, start, expected):
    path = tmp_path / name
    path.write_bytes(start)
    message = (
        rf"{re.escape(name)} is a file of the format {expected}, expected the folder of a zarr "
        r"store; (give it as source of a new store: .* store=NEW\.zarr|write it as one: .* give "
        r"NEW\.zarr)"
    )
    with pytest.raises(StoreError, match=message):
        open_image(image_config("image", {"store": str(path)}))
    assert main(["plan", str(path)]) != 0
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(message, line)
    assert list(tmp_path.iterdir()) == [path]


def test_a_plan_follows_its_own_advice(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slices").mkdir()
    for z in range(2):
        tifffile.imwrite(tmp_path / f"slices/{z}.tif", np.zeros((8, 9), "u1"))
    assert main(["plan", "slices/0.tif"]) == 2
    words = capsys.readouterr().err.partition("--config ")[2].partition(", or ")[0].split()
    assert main(["plan", "--config", *words]) == 0
    assert "NEW" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["s3://bucket/a.tif", "https://host/a.czi"])
def test_a_url_is_known_by_its_name(name):
    assert "is a file of the format" in why_no_store(name)


@pytest.mark.parametrize("name", ["a.txt", "a.zarr", "tif", "absent.tif"])
def test_what_is_of_no_such_format(tmp_path, name):
    if name != "absent.tif":
        (tmp_path / name).write_text("no image")
    assert why_no_store(str(tmp_path / name)) == ""


def test_a_field_inside_a_file(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"II*\0")
    with pytest.raises(StoreError, match=r"a\.tif is a file of the format TIFF"):
        build_pyramid(tmp_path / "a.tif", "raw")


def test_a_zipped_store_of_another_name_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    zarr.create_group("a.zarr").create_array("0", data=VOXELS)
    shutil.make_archive("a", "zip", "a.zarr")
    (tmp_path / "a.zip").rename("a.zarrzip")
    with pytest.raises(
        StoreError, match=r"write it as one: unzip -q .*a\.zarrzip -d NEW\.zarr, and"
    ):
        build_pyramid("a.zarrzip")
    shutil.unpack_archive("a.zarrzip", "NEW.zarr", "zip")  # as that command does
    assert len(build_pyramid("NEW.zarr", levels=1)) == 2


def test_a_folder_of_slices_is_one_image(tmp_path):
    (tmp_path / "scan").mkdir()
    for number in range(3):
        Image.fromarray(VOXELS + number).save(tmp_path / f"scan/z{number}.tif")
    message = (
        r"scan holds files of the format TIFF such as z0\.tif, .*; give it as source of a new "
        r"store: --config source=.*scan store=NEW\.zarr, or .*zarrpyramid build "
        r"NEW\.zarr --set source="
    )
    with pytest.raises(StoreError, match=message):
        build_pyramid(tmp_path / "scan")
    # A file beside groups is no reason to take a mistyped field for it.
    zarr.create_group(tmp_path / "both.zarr").create_array("0", data=VOXELS)
    (tmp_path / "both.zarr/a.tif").write_bytes(b"II*\0")
    with pytest.raises(StoreError, match="no zarr group"):
        build_pyramid(tmp_path / "both.zarr", "absent")


@pytest.mark.parametrize("inside", ["", "volumes/raw"])
def test_a_folder_of_n5_is_known_by_its_document(tmp_path, inside):
    (tmp_path / "a" / inside).mkdir(parents=True)
    (tmp_path / "a/attributes.json").write_text('{"n5": "2.0.0"}')
    assert image_format(str(tmp_path / "a" / inside)).name == "N5"
    (tmp_path / "a/attributes.json").write_text("{}")
    assert image_format(str(tmp_path / "a" / inside)) is None
