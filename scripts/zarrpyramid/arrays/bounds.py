"""How many bytes a stored chunk may decode to, checked before zarr-python decodes it.

zarr-python takes the memory that stored bytes ask for: 100 KB of compressed zeros ask for 100 MB.
This module refuses more bytes than filters can make of a chunk's voxels. `direct` needs no such
check: it decodes no more bytes than a chunk's voxels have.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import StoreError
from zarrpyramid.geometry import count

from .compressors import fits_zstd

if TYPE_CHECKING:
    from collections.abc import Callable

    from zarrpyramid.metadata import ArrayMetadata

_WIDEST = 16
"""How many times a chunk's bytes filters may make of it, such as complex numbers of bytes."""

_CHECKSUMS = {
    "crc32c": "end",
    "crc32": "start",
    "adler32": "start",
    "fletcher32": "end",
    "jenkins_lookup3": "end",
}
"""Codecs that add four bytes, and where, unless their settings name the location."""


def most_bytes(metadata: ArrayMetadata) -> int:
    """Return the most bytes that a chunk may have before, between and after its codecs."""
    return _WIDEST * _raw_bytes(metadata) + 4096


def check_decoded_size(metadata: ArrayMetadata, data: bytes) -> None:
    """Check that an encoded chunk decodes to at most `most_bytes`.

    The headers of blosc and lz4 tell the size; zstd, gzip, zlib, bz2 and lzma are decoded up to the
    bound. Other compressors are not checked.

    Raises
    ------
    StoreError
        If it decodes to more, or is compressed more than once. The message names no key.
    """
    found: list[tuple[str, bytes]] = []
    for codec in reversed(metadata.codecs):
        name = codec["name"].removeprefix("numcodecs.")
        if name in _CHECKSUMS and not found:
            location = codec.get("configuration", {}).get("location") or _CHECKSUMS[name]
            data = data[:-4] if location == "end" else data[4:]
        elif name in _FITS:
            found.append((name, data))
    if not found or not data:
        return
    if len(found) > 1:
        names = " and ".join(name for name, _ in found)
        raise StoreError(f"its chunks are compressed by {names}, expected one compressor at most")
    name, data = found[0]
    most = most_bytes(metadata)
    if not _FITS[name](data, most):
        raise StoreError(
            f"its {len(data)} bytes decode to more than {most}, expected {_raw_bytes(metadata)}"
        )


def _raw_bytes(metadata: ArrayMetadata) -> int:
    return count(metadata.chunks) * metadata.item_size


def _says_size(start: int, data: bytes, most: int) -> bool:
    """Tell whether the size in a header, four bytes from `start`, is at most `most`."""
    return int.from_bytes(data[start : start + 4], "little") <= most


def _stream_fits(decompressor: Callable[[int], Any], data: bytes, most: int) -> bool:
    """Tell whether the streams in `data` decode to at most `most` bytes together."""
    left = most + 1
    try:
        while data and left > 0:
            stream = decompressor(most)
            left -= len(stream.decompress(data, left))
            if not stream.eof:
                break
            data = stream.unused_data
    except (ValueError, EOFError, OSError, zlib.error, lzma.LZMAError):
        pass  # damage, which the decoder reports
    return left > 0


_FITS: dict[str, Callable[[bytes, int], bool]] = {
    "zstd": fits_zstd,
    "blosc": partial(_says_size, 4),
    "lz4": partial(_says_size, 0),
    "gzip": partial(_stream_fits, lambda most: zlib.decompressobj(31)),
    "zlib": partial(_stream_fits, lambda most: zlib.decompressobj()),
    "bz2": partial(_stream_fits, lambda most: bz2.BZ2Decompressor()),
    "lzma": partial(_stream_fits, lambda most: lzma.LZMADecompressor(memlimit=most + (1 << 27))),
}
