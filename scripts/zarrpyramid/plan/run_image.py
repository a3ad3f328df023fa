"""One image of a run: what is found in its store, why it cannot be built, what its jobs need."""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import PyramidError, StoreError
from zarrpyramid.metadata import read_node

from .base_objects import base_layout, source_layout
from .image import open_image
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
from .preflight import check_build, check_room

if TYPE_CHECKING:
    from pathlib import Path

    from zarrpyramid.config import ImageConfig

    from .base_objects import BaseLayout
    from .image import Image


class RunImage:
    """One image of a run. Each thing that has to be looked up is looked up once.

    Attributes
    ----------
    config, name
        Its settings, and its name among the images of the run.
    refusal
        Why it is not built, or "".
    is_made
        Whether this run may make its level 0, so that what is there now is not what jobs will find.
    """

    def __init__(self, config: ImageConfig, logs: Path) -> None:
        self.config, self.name, self.logs = config, config.name, logs / config.name
        self.refusal, self.is_made = "", False
        self.found: Image | None = None
        self._needs: dict[tuple[str, int, int], dict[str, int]] = {}
        try:
            self.found = open_image(config)
        except PyramidError as error:
            self.refusal = str(error)
        else:
            image = self.found
            self.is_made = bool(config.base_ready) or (
                read_node(image.store, image.level_path(0)) is None
            )

    @property
    def image(self) -> Image:
        """The image, which can be planned."""
        assert self.found is not None
        return self.found

    @cached_property
    def base_layout(self) -> BaseLayout:
        """What the objects of level 0 look like, at one stat an object."""
        return base_layout(self.image)

    @cached_property
    def source_layout(self) -> BaseLayout:
        """What the objects look like that level 0 is taken from."""
        return source_layout(self.image)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The settings as Snakemake hands them to jobs."""
        return asdict(self.config)

    @cached_property
    def fault(self) -> str:
        """What stands in the way of building it in the store, on any machine, or ""."""
        if self.found is None:
            return self.refusal
        try:
            check_build(self.found)
        except PyramidError as error:
            return str(error)
        return ""

    @cached_property
    def no_room(self) -> str:
        """Why this machine cannot hold what is to be built, or ""."""
        if self.found is None or self.refusal:
            return ""
        is_taken = self.found.source is not None
        try:
            check_room(self.found, self.source_layout if is_taken else self.base_layout)
        except StoreError as error:
            return str(error)
        return ""

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
            self._needs[key] = self._need(rule, level, threads).resources
        return self._needs[key]

    def _need(self, rule: str, level: int, threads: int) -> Need:
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
