"""One image of a run: what is found in its store, why it cannot be built, what its jobs need."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from zarrpyramid.config import group_path, to_settings
from zarrpyramid.errors import PyramidError, StoreError
from zarrpyramid.metadata import join, read_node

from .base_objects import base_layout, source_layout
from .batches import is_small
from .companion import companion_name, companion_of
from .image import open_image
from .levels import provenance
from .lost import missing_line, removal_line
from .members import labels_config
from .needs import (
    PROCESS_BYTES,
    Need,
    base_need,
    documents_need,
    input_need,
    labels_need,
    level_need,
    measured_rate,
)
from .preflight import check_build, check_room, room_needed
from .weights import why_not_weighed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zarrpyramid.config import ImageConfig
    from zarrpyramid.metadata import Record
    from zarrpyramid.stores import Store

    from .base_objects import BaseLayout
    from .image import Image
    from .preflight import Room


class RunImage:
    """One image of a run, looked at when it is asked for. What has to be looked up is so once.

    Parameters
    ----------
    config
        Its settings.
    logs
        Folder of the logs of all images.
    store, path
        Store and path of its group where they are known, so that the images of a container share
        one store.
    labelled
        The image that it labels and follows, where it is one of labels in a container.
    companion_of
        The image of which it is the companion that `config` names.
    fault
        Why it cannot even be looked at.

    Attributes
    ----------
    name
        Its name among the images of the run.
    groups_read
        Names of groups above images that can be read, which images of one run look at once.
    why_nested
        Returns why it cannot be where it is among the other images, or "".
    weights
        The image that weighs its voxels, where it has weights and they are in the run.
    near_weights
        Which image its weights may mean, where they are not in the run: the end of a message.
    weighs
        Whether it weighs the voxels of another image.
    """

    def __init__(
        self,
        config: ImageConfig,
        logs: Path,
        *,
        store: Store | None = None,
        path: str = "",
        labelled: RunImage | None = None,
        companion_of: RunImage | None = None,
        fault: str = "",
    ) -> None:
        self.name, self.logs = config.name, logs / config.name
        self.why_nested: Callable[[RunImage], str] = lambda image: ""
        self.groups_read: set[str] = set()
        self.weights: RunImage | None = None
        self.near_weights, self.weighs = "", False
        self._given, self._labelled, self.companion_of = config, labelled, companion_of
        self._store, self._path = store, path
        self._refusal: str | None = fault or None
        self._needs: dict[tuple[str, int, int], dict[str, int]] = {}

    @cached_property
    def _opened(self) -> tuple[Image | None, str, bool]:
        """The image, why there is none, and whether this run may make its level 0."""
        if self._refusal is not None and self._refusal:
            return None, self._refusal, False
        try:
            if self.companion_of is None:
                image = open_image(self.config, self._store, self._path)
            else:
                image = companion_of(
                    self.companion_of.planned(self, "its image"), self.config.companion
                )
        except PyramidError as error:
            return None, str(error), False
        asked = self.config
        is_read = not (asked.source or asked.test_image or asked.base)  # for the plan
        is_made = bool(asked.base_ready) or not (
            is_read or read_node(image.store, image.level_path(0))
        )
        return image, "", is_made

    @property
    def where(self) -> str:
        """Path of its group, as it is given."""
        given = self._given
        return group_path(given.store, join(given.field, given.companion))

    @property
    def weights_where(self) -> str:
        """Path of the group that weighs its voxels, as it is given; "" where none does."""
        given = self._given
        return group_path(given.store, given.weights) if given.weights else ""

    @cached_property
    def config(self) -> ImageConfig:
        """Its settings; of labels, those that follow from the image that they label."""
        if self._labelled is None:
            return self._given
        return labels_config(self._given, self._labelled.planned(self, "what it labels"))

    def planned(self, other: RunImage, as_what: str) -> Image:
        """Return the image, or raise StoreError: what it is for `other` cannot be planned."""
        image, reason, _ = self._opened
        if image is None:
            raise StoreError(f"image {other.name}: {as_what} cannot be planned: {reason}")
        return image

    def companions(self) -> list[RunImage]:
        """Return the companions that its settings ask for."""
        given = self._given
        if self._labelled is not None or given.companion:
            return []
        return [
            RunImage(
                replace(
                    given,
                    name=companion_name(self.name, method),
                    companion=method,
                    weights=None,
                ),
                self.logs.parent,
                companion_of=self,
            )
            for method in given.also or ()
        ]

    @property
    def found(self) -> Image | None:
        """The image; None for one that cannot be planned."""
        return self._opened[0]

    @property
    def is_made(self) -> bool:
        """Whether this run may make its level 0, so that jobs find another one than is there."""
        return self._opened[2]

    @property
    def refusal(self) -> str:
        """Why it is not built, or ""."""
        if self._refusal is None:
            self._refusal = self._opened[1] or self.why_nested(self)
        if self._refusal or not self._given.weights:
            return self._refusal
        return why_not_weighed(self, self._given.weights)

    @refusal.setter
    def refusal(self, reason: str) -> None:
        _ = self._opened
        self._refusal = reason

    @property
    def why_unplanned(self) -> str:
        """Why it cannot be planned, or ""; what weighs it is not asked."""
        return self._refusal or self._opened[1]

    @property
    def image(self) -> Image:
        """The image, which can be planned."""
        assert self.found is not None
        return self.found

    @cached_property
    def base_layout(self) -> BaseLayout:
        """What the objects of level 0 look like, at one stat an object."""
        return self.companion_of.base_layout if self.companion_of else base_layout(self.image)

    @cached_property
    def source_layout(self) -> BaseLayout:
        """What the objects look like that level 0 is taken from."""
        return source_layout(self.image)

    @property
    def missing(self) -> str:
        """What is to be said of objects that level 0, or its source, does not have, or ""."""
        if self.found is None or self.is_made or self.image.input or self.companion_of:
            return ""
        return missing_line(self._origin.n_objects, self.image.plan.levels[0].n_objects)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The settings as Snakemake hands them to jobs."""
        return to_settings(self.config)

    @property
    def is_small(self) -> bool:
        """Whether it is built with others in one job; no level of another image waits for it."""
        return not self.weighs and self._is_small

    @cached_property
    def _is_small(self) -> bool:
        return is_small(self.image)

    @cached_property
    def fault(self) -> str:
        """What stands in the way of building it in the store, on any machine, or ""."""
        with ExitStack() as looks:
            if self._store is not None:
                looks.enter_context(self._store.remembered())
            if self.found is None:
                return self.refusal
            try:
                check_build(self.found, self.groups_read)
            except PyramidError as error:
                return str(error)
            return ""

    def look(self) -> None:
        """Look at its place, and where that costs requests, at all that a plan will ask for."""
        if not self.fault and self.image.store.at_once > 1:
            _ = self.no_room, self.removed

    @property
    def _origin(self) -> BaseLayout:
        """What the objects look like that levels are made from: level 0's, or its source's."""
        return self.base_layout if self.image.source is None else self.source_layout

    @cached_property
    def room(self) -> tuple[Room, Room]:
        """What its levels will take, and what goes before they are written."""
        return room_needed(self.image, self._origin)

    @cached_property
    def no_room(self) -> str:
        """Why this machine cannot hold what is to be built, or ""."""
        if self.found is None or self.refusal:
            return ""
        try:
            check_room(self.found, self._origin, self.room)
        except StoreError as error:
            return str(error)
        return ""

    @cached_property
    def removed(self) -> str:
        """What is to be said of levels that it has and that are not planned, or ""."""
        return "" if self.found is None or self.refusal or self.fault else removal_line(self.image)

    def recipe(self, level: int) -> Record:
        """Return the recipe of a level; Snakemake rebuilds the level when it changes."""
        plan = self.image.plan
        given = {"compressor": plan.image.compressor, "checksum": plan.image.checksum}
        codecs = {} if given == {"compressor": "same", "checksum": False} else given
        return {**plan.levels[level].expected, **codecs}

    @property
    def listed(self) -> list[Any]:
        """What the list of levels depends on beside the levels themselves."""
        plan = self.image.plan
        axes = [[axis.name, axis.type, axis.size, axis.unit, axis.offset] for axis in plan.axes]
        return [axes, provenance(plan), plan.image.labels, plan.image.omero]

    def watch(self) -> str | None:
        """Return what changes with any object of level 0."""
        if self.image.source:
            # Of a copy that this run makes again, Snakemake would note what it was before.
            return self.source_layout.watch
        if self.is_made:
            # Planned again, since what was declared of it is not all of its form.
            return base_layout(open_image(self.config)).watch
        return self.base_layout.watch

    def resources(self, rule: str, level: int, threads: int) -> dict[str, int]:
        """Return the resources that a job of a rule needs, by Snakemake's names."""
        key = rule, level, threads
        if key not in self._needs:
            self._needs[key] = self.need(rule, level, threads).resources
        return self._needs[key]

    def batch_needs(self) -> list[Need]:
        """Return what each level needs in the job of a batch; no object is looked at for that."""
        numbers = range(1, len(self.image.plan.levels))
        # Of a small image, stored bytes are little beside the process.
        return [level_need(self.image, level, 1, self._rate, share=1.0) for level in numbers]

    def need(self, rule: str, level: int, threads: int) -> Need:
        """Return what a job of a rule needs."""
        if self.refusal:  # the job ends before it needs anything
            return Need(memory=PROCESS_BYTES, seconds=1.0, disk=0)
        gathers = rule == "downsample_level" and self.image.plan.cut(level).n_parts > 1
        if rule in ("downsample_level", "downsample_part") and not gathers:
            return level_need(self.image, level, threads, self._rate)
        if rule == "copy_base" and self.image.input:
            is_one = self.image.plan.cut(0).n_parts == 1
            return (
                input_need(self.image, threads, self._rate)
                if is_one
                else documents_need(self.image)
            )
        if rule in ("make_test_image", "copy_base"):
            return base_need(self.image, threads, self._rate)
        if rule == "report_labels":
            return labels_need(self.image, threads, self._rate)
        return documents_need(self.image)

    @cached_property
    def _rate(self) -> float:
        return measured_rate(self.image, self.logs)
