"""The task of one place in level 1 of an image and of its companions: level 0 is read once.

Each step reads and decodes its chunks of level 0 for the image's own task, and the tasks of the
companions take them from memory. Each task makes and checks its own level as it does alone.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from operator import add
from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry
from zarrpyramid.arrays import native_dtype, scratch
from zarrpyramid.plan import shared_bytes, spread_threads
from zarrpyramid.reduce import METHODS, SourceSums, reduce_windows

from .held import HeldChunks
from .layout import block_layout
from .missing import missing_chunk
from .once_task import OnceTask
from .result import BlockResult
from .task import LevelTask
from .value_counts import starts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from threading import Thread

    from zarrpyramid.arrays import Block
    from zarrpyramid.geometry import Index, Region, Shape
    from zarrpyramid.metadata import ArrayMetadata
    from zarrpyramid.stores import Store

    from .task import Seen
    from .value_counts import ValueCounts

    _Step = tuple[Seen, dict[Index, Any]]


class FollowingTask(LevelTask):
    """The task of a companion, which takes the chunks that the image's task has read.

    It neither digests the source nor describes it for others: the image's task does.
    """

    def _read_and_reduce(
        self, finer: Any, region: Region, span: Region, seen: Seen, counts: ValueCounts | None
    ) -> tuple[Block, SourceSums]:
        target = native_dtype(self.target)
        block = scratch("reduced", geometry.region_shape(region), target)
        shape = geometry.region_shape(span)
        whole = None if self.aligned else scratch("span", shape, native_dtype(self.source))
        reduce = partial(reduce_windows, self.method, factors=self.factors, compiled=self._compiled)
        adds = METHODS[self.method].check in ("mean", "sum")
        read = SourceSums()
        first, pieces = block_layout(span, self.source.chunks, self.factors, self.source.shape)
        for piece in pieces:
            index = tuple(map(add, first, piece.index))
            payload = finer.payload(index)  # held already
            missing = missing_chunk(self.source, piece.shape) if payload is None else None
            voxels = finer.decode(index, payload) if missing is None else missing.voxels
            taken, where = voxels[piece.taken], starts(span, piece.in_span)
            no_data = self.no_data.at(where, taken.shape)
            if whole is not None:
                whole[piece.in_span] = taken
            elif missing is not None and piece.is_whole:
                part = missing.reduced(self.method, self.factors, target, no_data)
                block[piece.in_block] = part
            else:
                reduce(source=taken, out=block[piece.in_block], no_data=no_data)
            read.add(finer.moments(index, taken, adds=adds))
            if counts is not None:
                counts.add(taken, self.factors, where, self.channel_axis, no_data=self.no_data)
        if whole is not None:
            reduce(source=whole, out=block, no_data=self.no_data.at(starts(span), whole.shape))
        return block, read


class SharedSeen(dict["Index", BlockResult]):
    """What was seen by object of the image's level, and in `also` by those of each companion's."""

    also: tuple[Seen, ...]


@dataclass(frozen=True, kw_only=True)
class SharedTask:
    """The task of level 1 of an image and of its companions; see `LevelTask`.

    Attributes
    ----------
    main
        The image's.
    also
        Those of companions: levels of the same extents and objects, of the same source.
    """

    main: LevelTask
    also: tuple[LevelTask, ...]

    def __call__(self, place: Index) -> SharedSeen:
        """Make the part of all levels at a place, and return what was seen for their objects."""
        tasks = (self.main, *self._followers)
        region = geometry.unit_region(tuple(place), self.unit, self.target.shape)
        made: list[_Step] = [({}, {}) for _ in tasks]
        for steps in self._run_steps(region):
            for (seen, payloads), (seen_here, encoded) in zip(made, steps, strict=True):
                for key, result in seen_here.items():
                    seen.setdefault(key, BlockResult()).merge(result)
                payloads.update(encoded)
        for task, (seen, payloads) in zip(tasks, made, strict=True):
            task.write(region, payloads, seen)
        every = [seen for seen, _ in made]
        found = SharedSeen(every[0])
        found.also = tuple(every[1:])
        return found

    def _run_steps(self, region: Region) -> Iterator[list[_Step]]:
        steps = geometry.split_region(region, self.main.step)
        if self.main.n_threads == 1:
            yield from map(self._run_step, steps)
            return
        with ThreadPoolExecutor(self.main.n_threads) as pool:
            yield from pool.map(self._run_step, steps)

    def _run_step(self, region: Region) -> list[_Step]:
        finer = HeldChunks(self.main.arrays[0])
        own = self.main.run_step(finer, self.main.arrays[1], region)
        made = [own]
        for task in self._followers:
            seen, payloads = task.run_step(finer, task.arrays[1], region)
            for key, result in seen.items():
                result.source = own[0][key].source
                result.counts = result.counts or own[0][key].counts
            made.append((seen, payloads))
        return made

    @cached_property
    def _followers(self) -> tuple[LevelTask, ...]:
        """The companions' tasks, which count nothing again that is counted for the image."""
        # Rounded once, declared numbers are voxels as others, and are counted.
        own = isinstance(self.main, OnceTask) and bool(self.main.no_data.declared)
        forms = [
            {each.name: getattr(task, each.name) for each in fields(task)} for task in self.also
        ]
        return tuple(
            FollowingTask(**{**form, "counts_values": own and form["counts_values"]})
            for form in forms
        )

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: all but what is made of it."""
        return {name: value for name, value in vars(self).items() if name != "_followers"}

    @property
    def store(self) -> Store:
        """The store of all levels."""
        return self.main.store

    @property
    def target(self) -> ArrayMetadata:
        """The metadata of the image's level."""
        return self.main.target

    @property
    def target_path(self) -> str:
        """Path of the image's level in the store."""
        return self.main.target_path

    @property
    def counts_values(self) -> bool:
        """Whether the values of the source are counted."""
        return self.main.counts_values

    @property
    def unit(self) -> Shape:
        """Extents of one place: whole objects of each level."""
        return self.main.unit

    @property
    def grid(self) -> Shape:
        """Places along each axis."""
        return self.main.grid

    def spread(self, n_workers: int, n_tasks: int) -> tuple[int, int]:
        """Return how many tasks run at once for a number of workers, and the threads of each."""
        main, ahead = self.main, self.store.ahead
        form = (main.source, main.target, main.factors, main.block_bytes)
        each = shared_bytes(*form, ahead=ahead, n_also=len(self.also))
        return spread_threads(n_workers, n_tasks, self.store.at_once, each, ahead=ahead)

    def with_threads(self, n_threads: int) -> SharedTask:
        """Return the same task with a number of threads."""
        return replace(self, main=self.main.with_threads(n_threads))

    def loader(self, n_tasks: int) -> Callable[[], Thread] | None:
        """Return what loads compiled kernels, of the first method for which that pays."""
        loaders = (task.loader(n_tasks) for task in (self.main, *self.also))
        return next(filter(None, loaders), None)
