"""Reads the one page of a TIFF slice: its form, and where its voxels lie.

Thousands of slices are opened time and again. This takes a tenth of what tifffile needs, which
reads every tag; what a form means is still tifffile's to say.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from zarrpyramid.errors import StoreError

from .raw_files import read_bytes

FORM_TAGS = (
    *(256, 257, 258, 259, 262, 266, 277, 278, 284),  # extents, bits, codec, colours, strips
    *(317, 322, 323, 338, 339, 530, 32997, 32998),  # predictor, tiles, samples, depths
)
"""Tags that say how voxels are stored. Pages that agree in them are decoded alike."""

_OFFSETS, _COUNTS, _TABLES = (273, 324), (279, 325), 347
NEEDED_TAGS = frozenset((*FORM_TAGS, *_OFFSETS, *_COUNTS, _TABLES))
"""Tags without which voxels are not found, or read wrong."""
_NUMBERS = {1: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I", 16: "Q", 18: "Q"}
_START = 4096
"""Bytes that are read first; most writers have the whole header there."""
_MOST_TAGS = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """The first page of a file.

    Attributes
    ----------
    form
        Byte order, and the values of `FORM_TAGS`, () where one is not there.
    offsets, counts
        Place and size of every strip or tile, in bytes.
    tables
        Tables that all strips of a JPEG share.
    is_single
        Whether no other page follows.
    """

    form: tuple[object, ...]
    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    tables: bytes | None
    is_single: bool


def read_header(file: int, path: str, size: int) -> Header:
    """Return the header of a file of `size` bytes.

    Raises
    ------
    StoreError
        If it is damaged.
    """
    try:
        return _read(file, path, size)
    except (struct.error, KeyError) as error:
        raise StoreError(
            f"{path} has a damaged TIFF header ({error}); restore it from a copy"
        ) from None


def _read(file: int, path: str, size: int) -> Header:
    head = read_bytes(file, path, 0, min(_START, size))
    mark, order = head[:4], "<" if head[:2] == b"II" else ">"
    if mark in (b"II*\0", b"MM\0*"):
        entry, counter, pointer, inline = "HHI4s", "H", "I", 4
        (offset,) = struct.unpack_from(f"{order}I", head, 4)
    elif mark in (b"II+\0", b"MM\0+"):
        entry, counter, pointer, inline = "HHQ8s", "Q", "Q", 8
        (offset,) = struct.unpack_from(f"{order}Q", head, 8)
    else:
        raise StoreError(f"{path} is no TIFF, it starts with {mark!r}; take it out, or restore it")

    def at(place: int, n_bytes: int) -> bytes:
        if place + n_bytes <= len(head):
            return head[place : place + n_bytes]
        return read_bytes(file, path, place, n_bytes)

    width = struct.calcsize(counter)
    (n_tags,) = struct.unpack(order + counter, at(offset, width))
    if n_tags > _MOST_TAGS:
        raise StoreError(f"{path} has a damaged TIFF header ({n_tags} tags); restore it")
    step = struct.calcsize(order + entry)
    tags = at(offset + width, n_tags * step + inline)
    values: dict[int, tuple[int, ...]] = {}
    for tag, kind, count, value in struct.iter_unpack(order + entry, tags[: n_tags * step]):
        if tag not in NEEDED_TAGS:
            continue
        number = _NUMBERS[kind]
        n_bytes = count * struct.calcsize(number)
        if n_bytes > inline:
            if n_bytes > size:
                raise StoreError(
                    f"{path} has a damaged TIFF header: tag {tag} has {n_bytes} bytes, the file "
                    f"{size}; restore it from a copy"
                )
            value = at(struct.unpack(order + pointer, value)[0], n_bytes)
        values[tag] = struct.unpack_from(f"{order}{count}{number}", value)
    offsets, counts = ((values.get(a) or values.get(b, ())) for a, b in (_OFFSETS, _COUNTS))
    tables = values.get(_TABLES)
    return Header(
        form=(order, *(values.get(tag, ()) for tag in FORM_TAGS)),
        offsets=offsets,
        counts=counts,
        tables=bytes(tables) if tables else None,
        is_single=not any(tags[n_tags * step :]),
    )
