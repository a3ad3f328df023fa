"""The recipe that takes level 0 from a source, as a copy or as a symbolic link.

Stored objects are copied as they are, and none is decoded. The source is only read. A copied level
0 does not exist until it is complete: its objects are written first, then flushed, and its metadata
document is written last.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.errors import StoreError, missing_message
from zarrpyramid.metadata import (
    BYTES_ENTRY,
    OPENING_DOCUMENT,
    RECORD_KEY,
    Tally,
    change_group_attributes,
    hide_array,
    join,
    make_groups,
    put_document,
    read_array,
    read_document,
)
from zarrpyramid.plan import (
    BASE_KEY,
    COPY_KEY,
    SEEN_KEY,
    Source,
    base_form,
    check_base_place,
    check_source_seal,
    is_taken,
    missing_objects,
    source_layout,
    watched_by,
)

from .base import delete_base, publish_base
from .cluster import open_cluster
from .level import build_base
from .publish import withdraw_levels
from .run import run_blocks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zarrpyramid.geometry import Index
    from zarrpyramid.metadata import ArrayMetadata, Record
    from zarrpyramid.plan import BaseLayout, Image

logger = logging.getLogger(__name__)


def copy_base(
    image: Image,
    *,
    n_workers: int,
    results: Path | None = None,
    before_rebuild: Callable[[], None] = lambda: None,
    on_block: Callable[[int], None] = lambda n_voxels: None,
    layout: BaseLayout | None = None,
    looks: ExitStack | None = None,
) -> Record:
    """Take level 0 from its source, and the groups above it where they are absent.

    Files of another format are read, and what is written of them has the digest of the voxels that
    were read. A killed run of them is resumed as a level is.

    A level 0 that equals its source is left as it is. Objects that a killed run has copied are
    compared with the source, and equal ones are kept. Nothing is read twice from a source that is a
    URL: while it has not changed (by `base_watch`), objects of the same sizes are kept.

    Parameters
    ----------
    n_workers
        Threads, where no dask client of the user's runs the blocks. Each holds one stored object
        in memory.
    results, on_block, looks
        As for `Job`.
    before_rebuild
        Called before level 0 and all others are withdrawn from the list of levels.
    layout
        What the objects of another zarr store looked like, where the caller has looked.

    Returns
    -------
    Record
        What was taken. The record of a copy has a digest of its stored bytes.

    Raises
    ------
    StoreError
        If something that was not taken from a source stands in its place, an object cannot be read
        or written or is not read back as it was written, or the source changes meanwhile.
    """
    source = image.source
    if image.input is not None:
        return build_base(
            image,
            n_workers=n_workers,
            results=results,
            before_rebuild=before_rebuild,
            on_block=on_block,
            looks=looks,
        )
    assert isinstance(source, Source)
    with image.store.hold(image.lock), looks or ExitStack() as looks:
        looks.enter_context(image.looked_at(0))
        check_base_place(image)
        make_groups(image.store, image.path, source.base.zarr_format)
        if image.copies:
            seen = layout or source_layout(image)
            record = _copy(image, source, n_workers, before_rebuild, seen, looks)
        else:
            record = _link(image, source, before_rebuild)
        publish_base(image, None)
    return record


def _copy(
    image: Image,
    source: Source,
    n_workers: int,
    before_rebuild: Callable[[], None],
    layout: BaseLayout,
    looks: ExitStack,
) -> Record:
    path, store = image.level_path(0), image.store
    target = source.base.named([axis.dimension for axis in image.plan.axes])
    state = _state(image, source, layout)
    is_link = store.is_link(path)
    found = None if is_link else read_array(store, path)
    if found is not None and found.form == target.form:
        looks.close()  # all of level 0 is read
        known = _current_copy(image, source, found, state, layout, n_workers)
        if known is not None:
            return known
    check_source_seal(image)
    stands = is_link or found is not None
    opening = join(path, OPENING_DOCUMENT)
    is_begun = not stands and state is not None and read_document(store, opening) == state
    if stands:
        before_rebuild()
        withdraw_levels(image, 0)
        if found is None or found.form != target.form:
            delete_base(image)
        else:
            hide_array(store, path)
    change_group_attributes(store, image.path, lambda known: {**known, BASE_KEY: "copy"})
    if state is not None and not is_begun:
        store.delete_tree(path)  # objects of another state look like those of this one
        put_document(store, opening, state)
    looks.close()
    tally = _run(image, source, n_workers, write=True, is_known=is_begun)
    assert tally is not None
    if source_layout(image) != layout:
        raise StoreError(
            f"{source.name} has changed while it was copied; run again when nobody writes to it"
        )
    record = _copied(image, tally.fingerprint(target.form), layout)
    _publish_copy(image, target, record, state)
    _tell_missing(image, source)
    return record


def _current_copy(
    image: Image,
    source: Source,
    found: ArrayMetadata,
    state: Record | None,
    layout: BaseLayout,
    n_workers: int,
) -> Record | None:
    """Return the record of a copy that equals its source, else None."""
    is_as_seen = state is not None and found.attributes.get(SEEN_KEY) == state
    if state is not None and not is_as_seen:
        return None
    tally = _run(image, source, n_workers, write=False, is_known=is_as_seen)
    if tally is None:
        return None
    record = _copied(image, tally.fingerprint(found.form), layout)
    if found.attributes.get(COPY_KEY) != record:
        return None
    logger.info("%s is up to date: it equals its source", image.name(0))
    return record


def _publish_copy(
    image: Image, target: ArrayMetadata, record: Record, state: Record | None
) -> None:
    """Write the document of a level 0 whose objects are all copied."""
    ours = (RECORD_KEY, COPY_KEY, SEEN_KEY)
    theirs = {key: item for key, item in target.attributes.items() if key not in ours}
    seen = {} if state is None else {SEEN_KEY: state}
    image.store.sync()
    publish_base(image, replace(target, attributes={**theirs, COPY_KEY: record, **seen}))


def _state(image: Image, source: Source, layout: BaseLayout) -> Record | None:
    """Return what changes when a URL's content changes; None of a path, which is read again."""
    if not source.store.is_remote:
        return None
    watched = watched_by(image, source)
    logger.info("changes of %s are seen by: %s (base_watch)", source.name, watched)
    return {"source": source.name, "watch": layout.watch}


def _tell_missing(image: Image, source: Source) -> None:
    """Warn of objects that the source does not have."""
    missing = missing_objects(image)
    if missing:
        logger.warning(
            "%s has no %s%s, which stands for fill value (missing_chunks: error refuses that)",
            source.name,
            missing[0],
            f" and {len(missing) - 1} more objects" if len(missing) > 1 else "",
        )


def _link(image: Image, source: Source, before_rebuild: Callable[[], None]) -> Record:
    path, store = image.level_path(0), image.store
    if not store.has_links:
        raise StoreError(
            f"{store.name} has no symbolic links; leave link_base out to have level 0 copied"
        )
    if store.link_target(path) != source.name:
        if is_taken(image):
            before_rebuild()
            withdraw_levels(image, 0)
            delete_base(image)
        change_group_attributes(store, image.path, lambda known: {**known, BASE_KEY: "link"})
        store.link(path, source.name)
    return {**base_form(image), "taken": "link"}


def _run(
    image: Image, source: Source, n_workers: int, *, write: bool, is_known: bool
) -> Tally | None:
    """Copy or compare all objects, and return their tally; None if one differs.

    Parameters
    ----------
    is_known
        Whether the source has not changed since the objects that are here were copied.
    """
    copier = _Copier(image, source, write=write, is_known=is_known)
    grid = geometry.grid_shape(source.base.shape, source.base.write_shape)
    tally = Tally()
    seen = [(source.store, join(source.path, source.base.format.array_document))]
    with open_cluster(image.plan.image.dask_scheduler, image.store, image.path, seen) as cluster:
        for part in run_blocks(
            copier, grid, n_workers=n_workers, cluster=cluster, shared=image.store.shared
        ):
            if part is None:
                return None
            tally.merge(part)
    return tally


class _Copier:
    """Copies one stored object, or compares it where `write` is false."""

    def __init__(self, image: Image, source: Source, *, write: bool, is_known: bool) -> None:
        self.store, self.path = image.store, image.level_path(0)
        self.source_store, self.source_path = source.store, source.path
        self.base: ArrayMetadata = source.base
        self.write, self.is_known = write, is_known
        self.needs_all = image.plan.image.missing_chunks == "error"

    def __call__(self, place: Index) -> Tally | None:
        """Return the tally of the object, or None where it differs and is only compared."""
        index = tuple(place)
        name = self.base.object_key(index)
        key, original = join(self.path, name), join(self.source_path, name)
        tally = Tally()
        if self.is_known:
            data = self.store.get(key)
            # The digest proves a whole level 0. In a part of one, the length proves an object: no
            # file system known to us keeps the length of bytes that it lost with the power, and a
            # server keeps what it has acknowledged.
            if not self.write or (
                data is not None and len(data) == self.source_store.size(original)
            ):
                tally.add_payload(index, data)
                return tally
        data = self.source_store.get(original)
        if data is None and self.needs_all:
            raise StoreError(missing_message(join(self.source_store.name, original)))
        if self.store.get(key) != data:
            if not self.write:
                return None
            if data is None:
                self.store.delete(key)
            else:
                self.store.put(key, data)
            if self.store.get(key) != data:
                raise StoreError(
                    f"{self.store.name}/{key} is not read back as it was written; check the disk"
                )
        tally.add_payload(index, data)
        return tally


def _copied(image: Image, fingerprint: str, layout: BaseLayout) -> Record:
    """Return the record of a copy."""
    proof = {"fingerprint": fingerprint, BYTES_ENTRY: layout.stored_bytes}
    return {**base_form(image), "taken": "copy", **proof}
