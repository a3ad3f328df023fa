"""A pyramid written into a single file: a zip archive by RFC-9 of OME-NGFF.

Objects are copied as they are, and none is decoded. What is held in memory is one object, and some
200 bytes for each.
"""

from __future__ import annotations

import os
import random
import shlex
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zarrpyramid.downsample import byte_bar, n_cores
from zarrpyramid.errors import StoreError
from zarrpyramid.metadata import (
    ABOVE,
    find_images,
    join,
    locate,
    open_group,
    read_node,
    stated_version,
    way_to_image,
)
from zarrpyramid.plan import LITTER_KEY, REMAINDERS, trust_linked_base
from zarrpyramid.programs import command
from zarrpyramid.stores import HOLD_FILE, SUFFIXES, ArchiveWriter, as_arguments
from zarrpyramid.verify import assure_pyramid, pyramid_status, read_collection

from .new_place import new_place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from zarrpyramid.metadata import Node
    from zarrpyramid.stores import Store

    Found = tuple[str, int, int]

_WHOLE = 1 << 25
"""Bytes up to which an object is held in memory; a larger one is read twice."""

_DOCUMENT = "zarr.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Packed:
    """A file that was written.

    Attributes
    ----------
    n_objects
        Objects in it.
    digest
        xxh3-128 of all its bytes before the comment, which holds this digest: the seal.
    notes
        Of objects that a level 0 does not have, which may stand for fill value.
    """

    file: Path
    n_objects: int
    n_bytes: int
    digest: str
    notes: tuple[str, ...] = ()


def pack(
    path: str | Path,
    file: str | Path | None = None,
    *,
    storage_options: Mapping[str, Any] | None = None,
    progress: bool | None = None,
) -> Packed:
    """Write the image, plate or other group of images at a path into a new file.

    A seal is to be trusted: of each level a sample is verified before.

    Parameters
    ----------
    path
        Path or URL of the group, which becomes the top of the archive.
    file
        The file; by default beside the store, with the names of store and group.
    storage_options
        Options of a URL.
    progress
        Whether to show a bar; None shows one on a terminal and in a notebook.

    Raises
    ------
    PyramidError
        If the group is of zarr v2, is no OME-Zarr, is not complete or not sound, changes meanwhile,
        or the file is there, lies in a store, or cannot be written. Nothing is left then.
    """
    store, inside = locate(str(path), "", options=storage_options)
    group = open_group(store, inside)
    where = join(store.name, inside)
    _check_form(store, inside, group)
    notes = _check_complete(store, inside)
    place = Path(_default_name(store, inside) if file is None else file).absolute()
    _check_place(place)
    found = _listed(store, inside)
    _check_keys(store, inside, found)
    seed = random.randrange(1 << 32)
    assure_pyramid(where, n_workers=n_cores(), seed=seed, storage_options=store.options)
    n_bytes = sum(size + 2 * len(key) + 130 for key, size, _ in found)
    with (
        new_place(place, n_bytes, is_folder=False) as partial,
        partial.open("wb") as target,
        byte_bar(place.name, sum(size for _, size, _ in found), shown=progress) as count,
    ):
        writer = ArchiveWriter(target)
        _copy(store, inside, found, writer, count)
        version = str(stated_version(group.attributes))
        said = {"version": version, "zipFile": {"centralDirectory": {"jsonFirst": True}}}
        digest = writer.finish({"ome": said})
        target.flush()
        os.fsync(target.fileno())
        if _listed(store, inside) != found:
            raise StoreError(f"{where} has changed while it was packed; pack it when nobody writes")
    return Packed(
        file=place,
        n_objects=len(found),
        n_bytes=place.stat().st_size,
        digest=digest,
        notes=tuple(notes),
    )


def _copy(
    store: Store,
    inside: str,
    found: Sequence[Found],
    writer: ArchiveWriter,
    count: Callable[[int], object],
) -> None:
    """Write all objects, in their order."""
    buffer = memoryview(bytearray(_WHOLE))

    def read(object_: Found) -> bytes | memoryview | None:
        key, size, _ = object_
        return store.get_into(join(inside, key), buffer) if size < _WHOLE else None

    for (key, size, _), data in zip(found, store.each(read, found), strict=True):
        if size >= _WHOLE:
            crc = 0
            for piece in _pieces(store, join(inside, key), buffer):
                crc = zlib.crc32(piece, crc)
            writer.add(key, size, crc, _counted(_pieces(store, join(inside, key), buffer), count))
        elif data is None or len(data) != size:
            raise StoreError(
                f"{join(store.name, inside, key)} has changed while it was packed; pack it when "
                "nobody writes"
            )
        else:
            writer.add(key, size, zlib.crc32(data), (data,))
            count(size)


def _pieces(store: Store, key: str, buffer: memoryview) -> Iterator[bytes | memoryview]:
    """Yield the bytes of a large object, each piece before the next one is read."""
    if stored := store.opened(key):
        for start in range(0, stored.size, len(buffer)):
            yield stored.read_into(buffer, start) or b""


def _counted(
    pieces: Iterator[bytes | memoryview], count: Callable[[int], object]
) -> Iterator[bytes | memoryview]:
    for piece in pieces:
        yield piece
        count(len(piece))


def _listed(store: Store, inside: str) -> list[Found]:
    """Return all objects of a group as RFC-9 orders them: documents first, those above before.

    RFC-9: The root-level zarr.json file SHOULD be the first ZIP file entry [...]; other zarr.json
    files SHOULD follow immediately afterwards, in breadth-first order.
    """

    def order(object_: Found) -> tuple[bool, int, str]:
        key = object_[0]
        is_document = key.rpartition("/")[2] == _DOCUMENT
        return not is_document, is_document * key.count("/"), key

    return sorted(store.stats(inside), key=order)


def _check_form(store: Store, inside: str, group: Node) -> None:
    """Refuse what RFC-9 has no place for: zarr v2, and what is not one OME-Zarr hierarchy.

    RFC-9: The ZIP file MUST contain exactly one OME-Zarr hierarchy. [...] The ZIP file MUST contain
    the OME-Zarr's root-level zarr.json.
    """
    where = join(store.name, inside)
    if group.zarr_format == 2:
        build = command(
            *("zarrpyramid", "build", "NEW.zarr"),
            *("--set", f"source={where}", "--set", "ngff_version=0.5"),
        )
        raise StoreError(
            f"{where} is of zarr v2 (OME-NGFF 0.4), and a single file holds zarr v3 (OME-NGFF 0.5 "
            f"and later); build it in v3, and pack that: {build}"
        )
    if "ome" not in group.attributes and inside not in find_images(store, inside):
        raise StoreError(
            f"{where} is a group, but no image, plate or other group of OME-Zarr, of which a file "
            f"holds exactly one{way_to_image(store, inside)}"
        )


def _check_complete(store: Store, inside: str) -> list[str]:
    """Refuse images that are not complete, or whose level 0 stands beside them.

    A level 0 that was linked here is packed as what the link leads to. Return what is to be said of
    a level 0 that lacks objects: nobody but the user knows whether it ever had them.
    """
    notes = list[str]()
    held = read_collection(store, inside)
    for image in [inside] if held is None else held.images:
        trust_linked_base(store, read_node(store, image), join(image, "0"))
        where = join(store.name, image)
        status = pyramid_status(where, storage_options=store.options)
        if status.faults:
            raise StoreError(f"{where} is not complete: {status.faults[0]}")
        notes += [f"{where}: {note}" for note in status.notes]
        if held is None and any(level.path.startswith(ABOVE) for level in status.levels):
            above = join(store.name, inside.rpartition("/")[0])
            raise StoreError(
                f"the level 0 of {where} stands beside it, in {above}; pack that group, which "
                f"holds both: {command('zarrpyramid', 'pack', above)}"
            )
    return notes


def _check_keys(store: Store, inside: str, found: Sequence[Found]) -> None:
    """Refuse what no archive may hold, and what shows that a run is not done."""
    for key, _, _ in found:
        name, where = key.rpartition("/")[2], join(store.name, inside, key)
        if name == HOLD_FILE:
            image = where.rpartition("/")[0]
            free = command("zarrpyramid", "unlock", image) + as_arguments(store.options)
            raise StoreError(
                f"{image} is held by a run; wait until it has ended, or free it: {free}"
            )
        if LITTER_KEY.fullmatch(key) or f"/{REMAINDERS}/" in f"/{key}":
            raise StoreError(
                f"{where} was left by a run that died, and is no part of a pyramid; remove it: "
                f"rm {shlex.quote(where)}"
            )
        if name.lower().endswith(SUFFIXES[0]):
            raise StoreError(
                f"{where} is a single file inside the store, which RFC-9 of OME-NGFF forbids; move "
                "it away"
            )
        try:
            key.encode()
        except UnicodeEncodeError:
            what = "has a name that is no UTF-8, which other systems cannot read"
            raise StoreError(f"{where} {what}; rename or remove it") from None


def _check_place(place: Path) -> None:
    """Refuse a file of another name, or one inside a zarr hierarchy.

    RFC-9: OME-Zarr zip files SHALL NOT be embedded in a parent OME-Zarr hierarchy. [...] The name
    of OME-Zarr zip files SHOULD end with .ozx.
    """
    if not place.name.lower().endswith(SUFFIXES[0]):
        raise StoreError(f"{place} is no name of a single file; give one that ends with .ozx")
    for folder in place.parents:
        if (folder / _DOCUMENT).exists():
            raise StoreError(
                f"{place} would be inside the zarr hierarchy {folder}, which RFC-9 of OME-NGFF "
                "forbids; give a place beside it"
            )


def _default_name(store: Store, inside: str) -> Path:
    """Return the file's path: beside a local store, else in the working directory."""
    folder = store.folder("")
    name = store.name.rstrip("/").rpartition("/")[2]
    for ending in (".zarr", ".ome", *SUFFIXES):
        name = name.removesuffix(ending)
    name = "-".join([name, *inside.split("/")] if inside else [name])
    return (folder.parent if folder else Path.cwd()) / f"{name}.ozx"
