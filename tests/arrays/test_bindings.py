"""The modules of numcodecs that are loaded without its package, which others import as ever."""

from __future__ import annotations

import subprocess
import sys

import pytest

LEAN = """
import sys
import zarrpyramid.arrays.codecs
assert not {"numcodecs", "numcodecs.registry", "importlib.metadata"} & {*sys.modules}
"""


@pytest.mark.parametrize(
    "then",
    [
        "from numcodecs.registry import get_codec; get_codec({'id': 'zlib'})",
        "from numcodecs import Blosc, get_codec, zstd; get_codec({'id': 'gzip'})",
        "import numcodecs.abc, numcodecs.gzip; numcodecs.gzip.GZip, numcodecs.get_codec",
        "import numcodecs; assert isinstance(numcodecs.Blosc(), numcodecs.abc.Codec)",
        "import numcodecs; numcodecs.checksum32.CRC32C, numcodecs.blosc.compress",
        "import numcodecs.blosc as it, zarrpyramid.arrays.compressors as ours\n"
        "assert it is ours.blosc",
        "import zarr, numpy\n"
        "array = zarr.create_array({}, shape=9, chunks=4, dtype='u2', zarr_format=2)\n"
        "array[:] = numpy.arange(9)\n"
        "assert array[8] == 8",
    ],
)
def test_the_package_is_whole_for_who_imports_it_later(then):
    code = f"{LEAN}{then}"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_a_package_that_is_loaded_is_taken():
    code = (
        "import numcodecs, sys\nfinders = [*sys.meta_path]\n"
        "from zarrpyramid.arrays import bindings\n"
        "assert bindings.zstd is numcodecs.zstd and sys.meta_path == finders"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
