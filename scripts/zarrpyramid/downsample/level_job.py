"""The job of a level that is averaged from the level before it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry
from zarrpyramid.errors import StoreError, VoxelError
from zarrpyramid.metadata import (
    BYTES_ENTRY,
    RECORD_ENTRY,
    WINDOWS_KEY,
    hide_array,
    make_groups,
    tell_ancestors,
)
from zarrpyramid.plan import (
    MOST_COUNTED,
    ONCE,
    Level,
    base_layout,
    channel_axis,
    check_place,
    grown_from,
    made_of,
    may_have_windows,
    n_channels,
    remainders_header,
    remainders_path,
    seen_fingerprint,
    watched_by,
    weights_of,
    weights_watch,
    why_remade,
)

from .job import Job, check_whole, digest_header, fingerprint
from .leftovers import identity, notes_path, remove_beyond, remove_litter
from .made_from import FinerObjects
from .opening import purpose
from .publish import (
    make_companion_group,
    may_carry,
    publish_level,
    remove_remainders,
    withdraw_levels,
)
from .task import LevelTask

if TYPE_CHECKING:
    from zarrpyramid.metadata import ArrayMetadata, Record, Tally
    from zarrpyramid.plan import BaseLayout, WeightsLevel

    from .job import OpenNotes
    from .result import BlockResult

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class LevelJob(Job):
    """The job of a level that is made of the level before it.

    Attributes
    ----------
    finer
        Record of the level before, as its sentinel holds it.
    layout
        What the objects of level 0 looked like, where the caller has looked.
    goes_on
        Whether the caller makes the next level or the list then, with the same `looks`.
    """

    finer: Record
    layout: BaseLayout | None = None
    goes_on: bool = False

    @cached_property
    def source(self) -> Level:
        """The level before it."""
        return Level(self.image, self.level - 1)

    @cached_property
    def weights(self) -> WeightsLevel | None:
        """What weighs the voxels of the level before; None where nothing does."""
        return weights_of(self.target)

    @property
    def wanted(self) -> ArrayMetadata:
        """The planned metadata."""
        return self.target.planned

    @cached_property
    def shown(self) -> ArrayMetadata | None:
        """The level as readers see it until it has grown; None where they do not see it meanwhile.

        A shard that grows moves the chunks in it, also under a reader that has just read its index.
        """
        before = grown_from(self.target)
        if before is None:
            return None
        axes = zip(before, self.wanted.shape, self.wanted.write_shape, strict=True)
        if self.wanted.shards and any(n != m and n % edge for n, m, edge in axes):
            return None
        return self.target.metadata

    @property
    def identity(self) -> bytes:
        """Digest of the level's place, recipe and form, and of the form of the one before."""
        # What a voxel stands for, where remainders tell it.
        more = [self.remainders_header] if self.is_once else []
        if self.weights is not None:
            more.append(self.weights.metadata.form)
        return identity(self.target, self.source.metadata.form, *more)

    @property
    def is_once(self) -> bool:
        """Whether remainders are carried from level to level."""
        return self.target.plan.rounding == ONCE

    @property
    def remainders_header(self) -> Record:
        """What the digest of the level's remainders covers beside them."""
        wanted = self.target.plan
        return remainders_header(wanted, wanted.downsampling, self.image.plan.base.shape)

    @property
    def knows_sources(self) -> bool:
        """Whether versions of all source objects can be known; in remote stores they are listed."""
        n_objects = self.source.plan.n_objects * (1 if self.weights is None else 2)
        return not self.target.store.is_remote or n_objects <= MOST_COUNTED

    def made_from(self, task: LevelTask, opened: OpenNotes) -> FinerObjects:
        """Return what returns the digest of the objects of the level before."""
        finer_notes, results = None, self.results
        if self.level > 1 and results is not None:
            path = notes_path(results, self.level - 1)
            before = b""
            if path.exists():
                before = replace(self, level=self.level - 1, finer={}).identity
            finer_notes = opened(path, before, self.source.plan.shape)
            if finer_notes.digest != self.finer["digest"]:
                finer_notes.close()  # and reads as nothing
        carries = self.is_once and self.weights is None
        return FinerObjects(task, finer_notes, carries=carries, weights=self.weights)

    def source_proof(self) -> Record:
        """Return what a current level records of its source; reads a watched level 0, raw."""
        weights = self.weights
        if self.source.number > 0:
            return {**made_of(self.finer), **({} if weights is None else weights.proof)}
        if watched_by(self.image) != "objects":
            return {}  # only its document is compared, and that is done already
        self.looks.close()  # they are old by when all of level 0 is read
        # Of a companion that is built as an image of its own, nobody has looked at level 0 yet.
        is_also = bool(self.image.plan.asked.companion)
        known = seen_fingerprint(self.image) if is_also else None
        proof = {} if weights is None else {"weights_fingerprint": fingerprint(weights)}
        return {"fingerprint": known or fingerprint(self.source), **proof}

    def check(self) -> None:
        """See that the level's place is free, and that the level before is its sentinel's."""
        check_place(self.target)
        source, sealed = self.source, self.source.plan
        found = source.metadata
        if found.shape != sealed.shape or found.dtype != sealed.dtype:
            raise StoreError(
                f"{source.name} has shape {found.shape} and dtype {found.dtype}, expected "
                f"{sealed.shape} and {sealed.dtype}; run the workflow again"
            )
        if source.number > 0 and source.record != self.finer:
            raise StoreError(
                f"{source.name} is not the level that its sentinel records; run the workflow "
                "again, which makes it again"
            )
        if self.weights is not None:
            self._check_weights(self.weights)

    def _check_weights(self, weights: WeightsLevel) -> None:
        """See that the weights fit, and are those of which all levels before were made."""
        weights.check(self.source.plan.shape, self.source.plan.factors)
        made_of, taken = (r.get("source", {}) for r in (weights.record, self.finer))
        if self.source.number > 0 and made_of.get("digest") != taken.get("weights"):
            raise StoreError(
                f"{weights.name} was made from other voxels than {self.source.name} was weighed "
                "by; remove that level of the weights, and build them and this image again"
            )

    def current_record(self) -> Record | None:
        """Return the record of a level that was made by the same recipe of the same voxels."""
        target = self.target
        if target.record is None:
            if target.is_damaged:
                logger.warning("%s has a damaged document; it is made again", target.name)
            return None
        objects = cache(target.objects)
        if why := why_remade(target, made_from=self.source_proof, objects=objects):
            grows = grown_from(target) is not None
            logger.info("%s; %s", why, "only that is made" if grows else "it is made again")
            return None
        logger.info("%s is up to date: same recipe, same source", target.name)
        remove_beyond(target, [key for key, *_ in objects()])
        tell_ancestors(target.store, target.path)  # a run may have been killed before it did
        return target.record

    def purpose(self) -> Record:
        """Return what the level is to be, and the voxels that it is made from."""
        return purpose(self.target, self.finer)

    def stamp(self) -> object:
        """Return how the objects of level 0 look for level 1; the other levels prove themselves."""
        if self.level > 1:
            return None
        return base_layout(self.image), weights_watch(self.target)

    def first_stamp(self) -> object:
        """Return the stamp, of the layout of level 0 that is known where one is."""
        if self.level > 1 or self.layout is None:
            return self.stamp()
        return self.layout, weights_watch(self.target)

    @property
    def lists_base(self) -> bool:
        """Whether the layout of level 0 is to be found, or what each object is made from."""
        return self.level == 1 and (self.layout is None or self.results is not None)

    def clear_place(self, *, keep: bool = False) -> None:
        """Withdraw the level from the list, and remove what is left of it, or all but objects.

        A level that is to be kept and stays shown is not withdrawn.
        """
        image, store, path = self.image, self.target.store, self.target.path
        if keep and self.shown is not None:
            remove_litter(self.target)
            return
        if image.is_companion:
            make_companion_group(image)
        self.before_rebuild()
        # In which each group is read once, and all side by side.
        with store.exclusive(), image.looked_at(self.source.number, above=True, anew=True):
            withdraw_levels(image, self.target.number, [self.target])
            # Also where no array is found: consolidated metadata may still show what was removed.
            hide_array(store, path)
        if keep:
            remove_litter(self.target)
        else:
            store.delete_tree(path)
        above = path.rpartition("/")[0]
        if above != image.path:
            make_groups(store, above, image.plan.base.zarr_format, below=image.path)

    def hidden(self) -> LevelJob:
        """Take a level that stays shown out of the readers' sight, and return its job then."""
        if self.shown is None:
            return self
        logger.info("%s is withdrawn while it grows: voxels that it had change", self.target.name)
        self.before_rebuild()
        with self.target.store.exclusive():
            withdraw_levels(self.image, self.target.number, [self.target])
            hide_array(self.target.store, self.target.path, stays_open=True)
        return replace(self)

    def task(self, block_bytes: int, source: ArrayMetadata | None = None) -> LevelTask:
        """Return the task that makes any place of the level.

        `source` is the metadata of the level before, where that is not published yet.
        """
        target, before, wanted = self.target, self.source, self.target.plan
        axes, source = self.image.plan.axes, source or before.metadata
        form: dict[str, Any] = {
            "store": target.store,
            "source_path": before.path,
            "source": source,
            "target_path": target.path,
            "target": target.planned,
            "factors": wanted.factors,
            "write_empty": wanted.write_empty_chunks,
            "method": wanted.method,
            "block_bytes": block_bytes,
            "needs_all": before.number == 0 and self.image.plan.image.missing_chunks == "error",
            "counts_values": before.number == 0 and may_have_windows(source, axes),
            "channel_axis": channel_axis(axes),
            "no_data": wanted.no_data,
            "shown": self.shown,
        }
        if self.weights is not None:
            from .weighted_task import WeightedTask  # 3 ms each, which few images need

            found = self.weights
            return WeightedTask(
                **form,
                weights_store=found.store,
                weights_path=found.path,
                weights=found.metadata,
            )
        if not self.is_once:
            return LevelTask(**form)
        from .once_task import OnceTask

        base = Level(self.image, 0)
        return OnceTask(
            **form,
            base_path=base.path,
            base=base.metadata,
            downsampling=before.plan.downsampling,
            keeps=self.level + 1 < len(self.image.plan.levels) and may_carry(target.store),
        )

    def distrusts(self) -> bool:
        """Remove the remainders of the level before, which are then made again from level 0."""
        if not self.is_once or self.source.number == 0 or not may_carry(self.target.store):
            return False
        path = remainders_path(self.source.path)
        is_there = any(self.target.store.keys(path))
        remove_remainders(self.image, self.source.number)
        return is_there

    def contradiction(self, seen: BlockResult) -> str:
        """Return in what the level before holds other voxels than it records, or ""."""
        digest = seen.source.digest(digest_header(self.source.metadata))
        if self.source.number == 0:
            return ""
        if self.weights is not None:
            found = seen.weights.digest(digest_header(self.weights.metadata))
            recorded = self.weights.record["digest"]
            if found != recorded:
                return (
                    f"{self.weights.name} holds other voxels than its record says (digest {found}, "
                    f"recorded {recorded}); remove that level of the weights, and build them again"
                )
        if self.is_once and digest == self.finer["digest"]:
            finer = replace(self, level=self.source.number, finer={})
            left = seen.source.fingerprint(finer.remainders_header)
            if left == self.finer["remainders"]:
                return ""
            return (
                f"{self.image.name(0)} holds other voxels than {self.source.name} was made from, "
                "by what rounding left; run again, which makes it again"
            )
        if digest == self.finer["digest"]:
            return ""
        return (
            f"{self.source.name} holds other voxels than its record says (digest {digest}, "
            f"recorded {self.finer['digest']}); remove that level to have it made again"
        )

    def record(self, seen: BlockResult) -> Record:
        """Check what was read and written, and return the level's record."""
        wanted, source = self.target.plan, self.source.metadata
        read, written = seen.source, seen.target
        for array, tally in ((source, read), (wanted, written)):
            check_whole(array, tally)
        if wrong := self.contradiction(seen):
            raise VoxelError(wrong)
        made_from: Record = {"digest": read.digest(digest_header(source))}
        if self.is_once and self.source.number > 0:
            made_from["remainders"] = self.finer["remainders"]
        if self.weights is not None:
            made_from.update(self._weighed_by(self.weights, seen.weights))
        if self.source.number == 0:
            made_from["fingerprint"] = read.fingerprint(source.form)
            made_from.update(read.statistics(dtype=source.dtype))
            if seen.counts is not None:
                made_from[WINDOWS_KEY] = seen.counts.windows(
                    source.dtype, n_channels(self.image.plan.axes, source.shape)
                )
        carried: Record = {}
        if self.is_once:
            n_below = geometry.count(self.image.plan.base.shape)
            carried = {
                "weighted_mean": written.weighted_mean(n_below),
                "remainders": written.fingerprint(self.remainders_header),
            }
        return {
            **wanted.expected,
            "digest": written.digest(digest_header(wanted)),
            **written.statistics(dtype=wanted.dtype),
            **({} if wanted.write_empty_chunks else {RECORD_ENTRY: seen.objects.record}),
            BYTES_ENTRY: seen.objects.n_bytes,
            **carried,
            "source": made_from,
        }

    def _weighed_by(self, weights: WeightsLevel, seen: Tally) -> Record:
        """Return what the record says of the weights that were read."""
        metadata = weights.metadata
        check_whole(metadata, seen)
        if seen.maximum == 0 and not seen.n_nan:
            raise VoxelError(
                f"{weights.name} holds no weight but 0, expected some above it; correct the "
                f"weights, or leave them out: {self.target.name} was not published"
            )
        proof: Record = {"weights": seen.digest(digest_header(metadata))}
        if weights.number == 0:
            proof["weights_fingerprint"] = seen.fingerprint(metadata.form)
        return proof

    def publish(self, record: Record) -> None:
        """Write the level's documents; what the level before carried for it is not needed now."""
        publish_level(self.target, record, self.looks if self.goes_on else None)
        remove_remainders(self.image, self.source.number)

    def published(self, record: Record) -> ArrayMetadata:
        """Return the planned metadata with a record."""
        return self.target.published(record)

    @property
    def published_record(self) -> Record | None:
        """The record that the level carried when the job looked first."""
        return self.target.record

    def changed(self) -> VoxelError:
        """Return the error of a level 1 whose level 0 has changed since it was begun."""
        return VoxelError(
            f"{self.image.name(0)}{' or its weights' * (self.weights is not None)} changed while "
            "level 1 was made of it, which is not published; run again when nobody writes to it"
        )
