"""`.npy` files: every region in both orders, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from zarrpyramid.errors import StoreError
from zarrpyramid.inputs import open_input

VOXELS = np.random.default_rng(4).integers(0, 4000, (7, 9, 600))
REGIONS = [
    np.s_[0:7, 0:9, 0:600],
    np.s_[2:5, 3:4, 599:600],
    np.s_[6:7, 0:9, 17:300],
    np.s_[0:7, 2:8, 0:600],
]


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("dtype", ["uint8", ">i4", "<f8", ">c16", "bool"])
def test_regions(tmp_path, order, dtype):
    voxels = (VOXELS % 251).astype(dtype, order=order)
    np.save(tmp_path / "a.npy", voxels)
    image = open_input(str(tmp_path / "a.npy"))
    for region in REGIONS:
        found = image.read(region)
        assert found.dtype == voxels.dtype.newbyteorder("=")
        np.testing.assert_array_equal(found, voxels[region])


REFUSED = [
    (lambda path: np.save(path, np.array(3)), "holds a single number, expected an array"),
    (lambda path: path.write_bytes(b"\x93NUMPY\x01"), r"cannot be read as \.npy"),
    (lambda path: np.save(path, np.array([{}]), allow_pickle=True), r"cannot be read as \.npy"),
]


@pytest.mark.parametrize(("write", "message"), REFUSED)
def test_what_is_refused(tmp_path, write, message):
    write(tmp_path / "a.npy")
    with pytest.raises(StoreError, match=message):
        open_input(str(tmp_path / "a.npy"))


def test_a_file_that_is_cut_off_is_no_signal(tmp_path):
    """A file that is mapped into memory and cut off ends the process that reads it."""
    np.save(tmp_path / "a.npy", VOXELS)
    image, data = open_input(str(tmp_path / "a.npy")), (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(data[:-9])
    with pytest.raises(StoreError, match="has changed since the image was opened"):
        image.read(REGIONS[0])
    with pytest.raises(StoreError, match=r"cannot be read as \.npy"):
        open_input(str(tmp_path / "a.npy"))
