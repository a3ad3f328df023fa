"""The job of a level 0 that is made of files of another format.

It is made as other levels are: by one job or in parts, resumed by notes, published when it is
whole. Its record holds the digest of the voxels that were read.
"""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.errors import VoxelError
from zarrpyramid.metadata import BYTES_ENTRY, RECORD_ENTRY, hide_array, make_groups
from zarrpyramid.plan import (
    COPY_KEY,
    SEEN_KEY,
    base_form,
    check_base_place,
    check_source_seal,
    source_layout,
    watched_by,
)
from zarrpyramid.stores import open_store

from .base import clear_base, publish_base
from .base_task import BaseTask
from .job import Job, check_whole, digest_header, fingerprint
from .leftovers import identity, remove_litter
from .made_from import source_digest
from .opening import purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zarrpyramid.geometry import Index
    from zarrpyramid.metadata import ArrayMetadata, Record
    from zarrpyramid.plan import InputSource
    from zarrpyramid.stores import Store

    from .job import OpenNotes
    from .result import BlockResult

logger = logging.getLogger(__name__)

_MOST_SHOWN = 1 << 26
"""Bytes, at most, of a file that dask workers are asked for."""


@dataclass(frozen=True, kw_only=True, eq=False)
class BaseJob(Job):
    """The job of a level 0 that is made of files; they are only read."""

    @property
    def source(self) -> InputSource:
        """What level 0 is made of."""
        source = self.image.input
        assert source is not None
        return source

    @functools.cached_property
    def wanted(self) -> ArrayMetadata:
        """The metadata of the level 0 that is made, without its record."""
        return self.source.base.named([axis.dimension for axis in self.image.plan.axes])

    @functools.cached_property
    def state(self) -> Record:
        """How the source looked when the job first asked."""
        return self.stamp()

    def stamp(self) -> Record:
        """Return what changes when the source changes, as far as `base_watch` looks."""
        return {"source": self.source.short_name, "watch": source_layout(self.image).watch}

    @property
    def identity(self) -> bytes:
        """Digest of level 0's place and form, of which what of the source is taken is a part."""
        return identity(self.target, self.wanted.form)

    @property
    def knows_sources(self) -> bool:
        """Whether files are looked at for changes; if not, no object is kept."""
        return watched_by(self.image, self.source) == "objects"

    @property
    def witnesses(self) -> Sequence[tuple[Store, str]]:
        """The smallest file of the source: without its files, a zarr array reads as fill value."""
        sizes = {Path(path): size for path, (size, _) in self.source.versions().items()}
        path = min(sizes, key=lambda path: sizes[path], default=None)
        if path is None or sizes[path] > _MOST_SHOWN:
            return ()  # a reader of large files fails without them
        return [(open_store(str(path.parent), trusted=["/"]), path.name)]

    def made_from(self, task: BaseTask, opened: OpenNotes) -> Callable[[Index], bytes]:
        """Return what returns the digest of the files that an object is made from."""
        del opened  # files have no notes
        known = self.source.versions()

        @functools.lru_cache(maxsize=64)
        def of_slab(place: Index) -> bytes:
            region = geometry.unit_region(place, task.unit, task.target.shape)
            paths = map(str, self.source.image.files(region))
            made_of = (repr((path, known.get(path))).encode() for path in paths)
            return source_digest([repr(geometry.region_shape(region)).encode(), *made_of])

        def of_object(index: Index) -> bytes:
            return of_slab(geometry.cell_of(task.target.write_shape, index, task.unit))

        return of_object

    def check(self) -> None:
        """See that nothing but what we took from a source stands where level 0 will be."""
        check_base_place(self.image)

    def current_record(self) -> Record | None:
        """Return the record of a level 0 whose files and stored objects are as they were then."""
        record, target = self.published_record, self.target
        if record is None or target.metadata.form != self.wanted.form:
            return None
        is_same = target.metadata.attributes.get(SEEN_KEY) == self.state
        if not is_same or record.get("fingerprint") != fingerprint(target):
            return None
        logger.info("%s is up to date: it is what its source holds", target.name)
        publish_base(self.image, None)  # a run may have been killed before it did
        return record

    def purpose(self) -> Record:
        """Return what level 0 is to be, and what its source looks like."""
        return purpose(self.target, {})

    def clear_place(self, *, keep: bool = False) -> None:
        """Withdraw level 0 and all levels; remove what is left of it, or all but its objects."""
        check_source_seal(self.image)
        store, path = self.image.store, self.target.path
        make_groups(store, self.image.path, self.wanted.zarr_format)
        stands = self.target.node is not None or store.is_link(path)
        if stands:
            self.before_rebuild()
        if keep and not store.is_link(path):
            clear_base(self.image, stands=stands, keep=True)
            hide_array(store, path)
            remove_litter(self.target)
        else:
            clear_base(self.image, stands=stands, keep=False)

    def task(self, block_bytes: int) -> BaseTask:
        """Return the task that makes any slab of level 0."""
        del block_bytes  # slabs are of the plan
        slab = self.image.plan.slab
        _tell_decodes(self.source, slab.decodes)
        return BaseTask(
            store=self.image.store,
            target_path=self.target.path,
            target=self.wanted,
            image=self.source.image,
            unit=slab.extents,
            write_empty=self.image.plan.image.write_empty_chunks,
        )

    def contradiction(self, seen: BlockResult) -> str:
        """Return "": nothing is recorded of the voxels of files."""
        del seen
        return ""

    def record(self, seen: BlockResult) -> Record:
        """Return what was read and written."""
        check_whole(self.wanted, seen.target)
        return {
            **base_form(self.image),
            "taken": "copy",
            "digest": seen.target.digest(digest_header(self.wanted)),
            **seen.target.statistics(dtype=self.wanted.dtype),
            "fingerprint": seen.target.fingerprint(self.wanted.form),
            RECORD_ENTRY: seen.objects.record,
            BYTES_ENTRY: seen.objects.n_bytes,
        }

    def published(self, record: Record) -> ArrayMetadata:
        """Return the metadata of level 0 with its record, and with what its source looked like."""
        seen = {COPY_KEY: record, SEEN_KEY: self.state}
        return replace(self.wanted, attributes={**self.wanted.attributes, **seen})

    @property
    def published_record(self) -> Record | None:
        """The record of a level 0 that was made of files, as it stood at the first look."""
        node = None if self.image.store.is_link(self.target.path) else self.target.node
        record = None if node is None else node.attributes.get(COPY_KEY)
        return record if isinstance(record, dict) and "digest" in record else None

    def publish(self, record: Record) -> None:
        """Write level 0's document, and what the group says of it."""
        publish_base(self.image, self.published(record))

    def changed(self) -> VoxelError:
        """Return the error of a source that has changed while it was read."""
        return VoxelError(
            f"{self.source.name} has changed while it was read, and level 0 is not published; run "
            "again when nobody writes to it"
        )


def _tell_decodes(source: InputSource, decodes: float) -> None:
    if decodes > 1:
        logger.info(
            "%s: each block %s is decoded %.3g times, since whole ones do not fit into memory; "
            "flatter chunks have it decoded once",
            source.name,
            list(source.blocks),
            decodes,
        )
