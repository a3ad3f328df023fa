"""How many bytes a stored chunk may decode to, checked before zarr-python decodes it.

zarr-python takes the memory that stored bytes ask for: 100 KB of zeros, well compressed, ask for
100 MB. What is more than filters can make of a chunk's voxels is refused here. The engine of
`direct` needs no such check: it decodes a chunk into its own voxels, and no byte further.
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
"""Times a chunk's voxels that filters may make of them, such as complex numbers of bytes."""

_CHECKSUMS = {
    "crc32c": "end",
    "crc32": "start",
    "adler32": "start",
    "fletcher32": "end",
    "jenkins_lookup3": "end",
}
"""Codecs that add four bytes, and where they add them if their document does not say it."""


def most_bytes(metadata: ArrayMetadata) -> int:
    """Return the most bytes that any codec makes of a chunk, encoded or on the way to it."""
    return _WIDEST * _raw_bytes(metadata) + 4096


def check_decoded_size(metadata: ArrayMetadata, data: bytes) -> None:
    """See that an encoded chunk decodes to no more than `most_bytes`.

    blosc and lz4 say the size in their first bytes; zstd, gzip, zlib, bz2 and lzma are decoded up
    to the bound. Of other compressors nothing is known.

    Raises
    ------
    StoreError
        If it decodes to more, or is compressed more than once. The message names no key.
    """
    found: list[tuple[str, bytes]] = []
    for name, location in reversed(_chain(metadata)):
        if name in _CHECKSUMS and not found:
            data = data[:-4] if (location or _CHECKSUMS[name]) == "end" else data[4:]
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


def _chain(metadata: ArrayMetadata) -> list[tuple[str, str]]:
    """Return names of codecs in the order of encoding, and where each puts a checksum."""
    return [
        (
            codec["name"].removeprefix("numcodecs."),
            codec.get("configuration", {}).get("location", ""),
        )
        for codec in metadata.codecs
    ]


def _says_size(start: int, data: bytes, most: int) -> bool:
    """Tell whether the size that a header says at some place is at most `most`."""
    return int.from_bytes(data[start : start + 4], "little") <= most


def _stream_fits(decompressor: Callable[[int], Any], data: bytes, most: int) -> bool:
    """Tell whether streams one after another decode to at most `most` bytes."""
    left = most + 1
    try:
        while data and left > 0:
            stream = decompressor(most)
            left -= len(stream.decompress(data, left))
            if not stream.eof:
                break
            data = stream.unused_data
    except (ValueError, EOFError, OSError, zlib.error, lzma.LZMAError):
        pass  # damage: whoever decodes it says so
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
