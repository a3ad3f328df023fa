"""A store in a single file: whether its bytes are those that were written, and it follows RFC-9.

All bytes are read, at the speed of the disk: what was sent may have lost some anywhere.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING
from zipfile import ZIP_STORED

from zarrpyramid.errors import MetadataError, StoreError
from zarrpyramid.metadata import read_node, stated_version
from zarrpyramid.tables import as_bytes

from .findings import MOST_SHOWN, NOTE, WARNING, Check, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zarrpyramid.stores import Archive, Store

_AGAIN = "copy or download the file again"
_MADE_ANEW = "to have it so, pack the file into a new one: zarrpyramid pack"
_STORED = "ZIP-level compression SHOULD be disabled in favor of Zarr-level compression codecs"
_FIRST = "The root-level zarr.json file SHOULD be the first ZIP file entry"
_COMMENT = "The ZIP archive comment SHOULD contain [...] a version key with the OME-Zarr version"


def check_archive(store: Store) -> Iterator[Check | Finding]:
    """Yield whether the bytes of a single file are as they were written; nothing of other stores.

    The seal of `zarrpyramid pack` is a digest of all of them. Other programs leave a checksum of
    each object.
    """
    archive = store.archive
    if archive is None:
        return
    figure = f"{len(archive.entries):,} entries, {as_bytes(archive.file.size)}"
    if archive.is_sealed and (digest := archive.held_seal()):
        yield Check(name="file", figure=f"{figure}, all as they were sealed by {digest}")
    else:
        yield Check(
            name="file", figure=f"{figure}, {'' if archive.is_sealed else 'without a seal, '}read"
        )
        damaged = _damaged(archive)
        shown = list(islice(damaged, MOST_SHOWN))
        yield from shown
        if n_more := sum(1 for _ in damaged):
            yield Finding(what=f"{n_more} more objects are damaged", way_out=_AGAIN)
        if archive.is_sealed and not shown:
            what = "differs from its seal, outside of its objects"
            yield Finding(what=what, key=archive.name, way_out=_AGAIN)
    if archive.key.lower().endswith(".ozx"):
        yield from _check_rules(archive, store)


def _damaged(archive: Archive) -> Iterator[Finding]:
    for entry in archive.entries.values():
        try:
            for _ in archive.pieces(entry):
                pass
        except StoreError as error:
            yield Finding(what=str(error))


def _check_rules(archive: Archive, store: Store) -> Iterator[Finding]:
    """Yield what RFC-9 recommends and the file has not."""
    n_compressed = sum(entry.compress_type != ZIP_STORED for entry in archive.entries.values())
    if n_compressed:
        what = f"has {n_compressed} objects compressed by zip, of which parts are read slowly"
        yield _note(archive, what, _STORED)
    keys = list(archive.entries)
    documents = [key for key in keys if key.rpartition("/")[2] == "zarr.json"]
    by_depth = sorted(documents, key=lambda key: key.count("/"))
    if keys[: len(documents)] != by_depth:
        yield _note(archive, "does not begin with its documents", _FIRST)
    said = archive.said.get("ome")
    version = said.get("version") if isinstance(said, dict) else None
    if version is None:
        yield _note(archive, "does not say its version in its comment", _COMMENT)
        return
    try:
        root = read_node(store, "") if store.name == archive.name else None
    except (MetadataError, StoreError):
        return
    stated = version if root is None else stated_version(root.attributes)
    if stated != version:
        yield Finding(
            what="has another version in its comment than in its group",
            grade=WARNING,
            key=archive.name,
            expected=str(stated),
            found=str(version)[:40],
            way_out=_MADE_ANEW,
            rule=_COMMENT,
        )


def _note(archive: Archive, what: str, rule: str) -> Finding:
    return Finding(what=what, grade=NOTE, key=archive.name, way_out=_MADE_ANEW, rule=rule)
