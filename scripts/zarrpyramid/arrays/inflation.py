"""How large the stored bytes of a chunk get when zarr-python decodes them, before it does.

From headers where they say it, else by decoding into bounded memory. Keeps out what `codecs` knows:
there a chunk is decoded into its own voxels, and no byte further.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from typing import TYPE_CHECKING

from zarrpyramid.errors import StoreError

from .codecs import fits_zstd

if TYPE_CHECKING:
    from collections.abc import Callable

    from zarrpyramid.metadata import ArrayMetadata

_WIDEST = 16
"""Times a chunk's voxels that filters may make of them, such as complex numbers of bytes."""

_CHECKSUMS = {"crc32c": "end", "crc32": "start", "adler32": "start", "fletcher32": "end"}
_CHECKSUMS["jenkins_lookup3"] = "end"


def check_inflation(metadata: ArrayMetadata, data: bytes | memoryview) -> None:
    """See that an encoded chunk decodes to no more than filters may make of its voxels.

    Of compressors that are not known here (zstd, blosc, gzip, zlib, lz4, bz2 and lzma are) nothing
    is seen.

    Raises
    ------
    StoreError
        If it decodes to more, or is compressed more than once. Its message names no key.
    """
    stored, found = bytes(data), list[tuple[str, bytes]]()
    for name, location in reversed(_chain(metadata)):
        if name in _CHECKSUMS and not found:
            at_end = (location or _CHECKSUMS[name]) == "end"
            stored = stored[:-4] if at_end else stored[4:]
        elif name in _EXCEEDS:
            found.append((name, stored))
    if not found or not data:
        return
    if len(found) > 1:
        names = " and ".join(name for name, _ in found)
        raise StoreError(f"its chunks are compressed by {names}, expected one compressor at most")
    limit = _WIDEST * _raw_bytes(metadata) + 4096
    name, stored = found[0]
    try:
        exceeds = _EXCEEDS[name](stored, limit)
    except (ValueError, EOFError, OSError, zlib.error, lzma.LZMAError):
        return  # damage, of which whoever decodes it tells
    if exceeds:
        raise StoreError(
            f"its {len(stored)} bytes decode to more than {limit}, expected {_raw_bytes(metadata)}"
        )


def most_stored(metadata: ArrayMetadata, n_chunks: int = 1) -> int:
    """Return the bytes that an object of some chunks has at most, whatever encodes it."""
    return n_chunks * (_WIDEST * _raw_bytes(metadata) + 4096)


def _raw_bytes(metadata: ArrayMetadata) -> int:
    n_bytes = metadata.item_size
    for extent in metadata.chunks:
        n_bytes *= extent
    return n_bytes


def _chain(metadata: ArrayMetadata) -> list[tuple[str, str]]:
    """Return names of codecs in the order of encoding, and where each puts a checksum."""
    if metadata.zarr_format == 2:
        document = metadata.document
        listed = [*(document.get("filters") or []), document.get("compressor")]
        return [(codec["id"], codec.get("location", "")) for codec in listed if codec]
    return [
        (
            codec["name"].removeprefix("numcodecs."),
            codec.get("configuration", {}).get("location", ""),
        )
        for codec in metadata.codecs
    ]


def _zstd(data: bytes, limit: int) -> bool:
    return not fits_zstd(data, limit)


def _blosc(data: bytes, limit: int) -> bool:
    return int.from_bytes(data[4:8], "little") > limit


def _lz4(data: bytes, limit: int) -> bool:
    return int.from_bytes(data[:4], "little") > limit


def _gzip(data: bytes, limit: int) -> bool:
    return len(gzip.GzipFile(fileobj=io.BytesIO(data)).read(limit + 1)) > limit


def _zlib(data: bytes, limit: int) -> bool:
    return len(zlib.decompressobj().decompress(data, limit + 1)) > limit


def _bz2(data: bytes, limit: int) -> bool:
    return len(bz2.BZ2File(io.BytesIO(data)).read(limit + 1)) > limit


def _lzma(data: bytes, limit: int) -> bool:
    stream = lzma.LZMADecompressor(memlimit=limit + (1 << 27))
    return len(stream.decompress(data, limit + 1)) > limit


_EXCEEDS: dict[str, Callable[[bytes, int], bool]] = {
    "zstd": _zstd,
    "blosc": _blosc,
    "lz4": _lz4,
    "gzip": _gzip,
    "zlib": _zlib,
    "bz2": _bz2,
    "lzma": _lzma,
}
