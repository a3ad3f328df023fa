"""Files with changed or missing bytes: refused, or read in the shape that they say."""

import math
import random

import h5py
import mrcfile
import nibabel
import numpy as np
import pytest
import z5py

from imaris_files import write_imaris
from zarrpyramid.errors import PyramidError
from zarrpyramid.inputs import open_input

VOXELS = (np.arange(5 * 17 * 23) % 251).reshape(5, 17, 23).astype("i2")
MOST = 10**6
"""Voxels beyond which a part is read alone: a header may say anything."""


def write_hdf5(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("entry/data", data=VOXELS, chunks=(2, 9, 23), compression="gzip")
    return path


def write_n5(path, compression):
    with z5py.File(str(path), "a") as file:
        file.create_dataset("raw", data=VOXELS, chunks=(2, 9, 23), compression=compression)
    return path / "raw" / "0" / "0" / "0"


def write_nifti(path):
    nibabel.save(nibabel.Nifti1Image(VOXELS, np.eye(4)), path)
    return path


def write_mrc(path):
    mrcfile.write(path, VOXELS)
    return path


# What is damaged, and how many of its bytes, from the first on, are changed.
FILES = {
    "a.h5": (write_hdf5, None),
    "a.ims": (lambda path: write_imaris(path, VOXELS.astype("u2")[None, None]), None),
    "a.nii": (write_nifti, 352),
    "a.nii.gz": (write_nifti, None),
    "a.mrc": (write_mrc, 1024),
    **{
        f"{kind}.n5": (lambda path, kind=kind: write_n5(path, kind), None)
        for kind in ("raw", "gzip", "bzip2", "xz", "lz4", "blosc", "zstd")
    },
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", FILES)
def test_damaged_files(name, tmp_path, caplog):
    caplog.set_level("CRITICAL", logger="nibabel.global")
    write, n_changed = FILES[name]
    file = write(tmp_path / name)
    whole, draw = file.read_bytes(), random.Random(0)
    n_refused = 0
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(draw.choice((1, 1, 3))):
            data[draw.randrange(n_changed or len(data))] = draw.randrange(256)
        file.write_bytes(data[: draw.choice((len(data), len(data), draw.randrange(len(data))))])
        try:
            image = open_input(str(tmp_path / name))
            few = 1 if math.prod(image.form.shape) > MOST else None
            region = tuple(slice(0, few or extent) for extent in image.form.shape)
            found = image.read(region)
        except PyramidError:
            n_refused += 1
            continue
        assert found.shape == tuple(part.stop for part in region)
        assert found.dtype.name == image.form.dtype
    assert n_refused > 10
