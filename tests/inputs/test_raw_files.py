"""Boxes of arrays that lie in a file, cut out whichever way costs less."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zarrpyramid.errors import StoreError
from zarrpyramid.inputs import raw_files
from zarrpyramid.inputs.raw_files import files_at, read_box


@st.composite
def boxes(draw):
    """Return a shape and a region of it."""
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=5)))
    region = []
    for extent in shape:
        start = draw(st.integers(0, extent - 1))
        region.append(slice(start, draw(st.integers(start + 1, extent))))
    return shape, tuple(region)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return str(tmp_path_factory.mktemp("raw") / "a.raw")


@given(
    box=boxes(),
    small=st.integers(1, 64),
    most_cut=st.integers(1, 256),
    buffer=st.integers(1, 64),
    offset=st.integers(0, 5),
)
@settings(max_examples=40, deadline=None)
def test_a_box_is_that_of_the_array(path, box, small, most_cut, buffer, offset):
    shape, region = box
    voxels = np.arange(np.prod(shape), dtype="u2").reshape(shape)
    Path(path).write_bytes(bytes(offset) + voxels.tobytes())
    out = np.full([part.stop - part.start for part in region], 65535, "u2")
    known = files_at([path])
    sizes = {"_SMALL": small, "_MOST_CUT": most_cut, "_BUFFER": buffer}
    with patch.multiple(raw_files, **sizes), known.opened(0) as opened:
        read_box(opened, path, offset, shape, region, out)
    np.testing.assert_array_equal(out, voxels[region])


def test_a_file_that_ends_too_early(path):
    Path(path).write_bytes(bytes(99))
    with files_at([path]).opened(0) as opened, pytest.raises(StoreError, match="ends at byte 99"):
        read_box(opened, path, 0, (10, 10), (slice(0, 10), slice(0, 10)), np.empty((10, 10), "u1"))


def test_a_file_that_changes_while_it_is_read(path):
    Path(path).write_bytes(bytes(100))
    known = files_at([path])

    def change():
        with known.opened(0):
            os.truncate(path, 50)

    with pytest.raises(StoreError, match="has changed since the image was opened"):
        change()
