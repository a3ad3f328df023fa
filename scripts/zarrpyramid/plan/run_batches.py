"""What of a run is built in batches, and what the jobs of batches are told."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import ConfigError
from zarrpyramid.tables import aligned_table, as_bytes

from .axes import times
from .batches import MANY, Batch, cut_batches, n_voxels
from .forecasts import Forecast
from .needs import PROCESS_BYTES, Need
from .room_of_all import why_no_room

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .run_image import RunImage


_FORM = ("shape", "dtype", "chunks", "factors", "method")
"""What images have in common that a forecast counts as one form."""


class RunBatches:
    """The batches of a run.

    Parameters
    ----------
    images
        All images of the run by name.
    folder
        Name of the folder of results of all of them together.
    is_container
        Whether they are those of a container, whose small images are always built in batches.
    """

    def __init__(self, images: Mapping[str, RunImage], folder: str, *, is_container: bool) -> None:
        self._images, self.folder, self._is_container = images, folder, is_container

    @property
    def names(self) -> set[str]:
        """Names of the images that are built in batches; opens all images."""
        return {name for name in self._small if not self._images[name].refusal}

    def sentinels(self) -> list[str]:
        """Return the sentinels of the batches that have an image to be built; opens all images."""
        return [self.sentinel(batch) for batch in self.all]

    @property
    def all(self) -> list[Batch]:
        """The batches that have an image to be built; opens all images."""
        held = self.names
        places = list(self._images)
        return [batch for batch in self._cut if not held.isdisjoint(batch.of_all(places))]

    @property
    def sum_up(self) -> bool:
        """Whether all images have one summary: those of a container, and those of batches."""
        return self._is_container or bool(self._small)

    def members(self, batch: Batch) -> list[str]:
        """Return the names of the images of a batch that are built; opens no others.

        Raises
        ------
        ConfigError
            If there are none.
        """
        names = batch.of_all(list(self._images))
        images = ((name, self._images[name]) for name in names)
        found = [
            name for name, image in images if not (image.refusal or image.fault) and image.is_small
        ]
        if not found:
            raise ConfigError(f"there is no batch {batch.first}-{batch.last} in {self.folder}")
        return found

    def sentinel(self, batch: Batch) -> str:
        """Return the sentinel of a batch."""
        return f"{self.folder}/{batch.file}"

    def settings(self, batch: Batch) -> list[dict[str, Any]]:
        """Return the settings of the images of a batch as Snakemake hands them to jobs."""
        return [self._images[name].settings for name in self.members(batch)]

    def recipe(self, batch: Batch) -> str:
        """Return what changes with the recipe, the list or the level 0 of an image of a batch."""
        told = []
        for name in self.members(batch):
            image = self._images[name]
            recipes = [image.recipe(level.level) for level in image.image.plan.levels]
            told.append([name, recipes, image.listed, image.watch()])
        return hashlib.sha256(json.dumps(told, default=str).encode()).hexdigest()

    @property
    def no_room(self) -> str:
        """Why there is no room for all of them together, or ""."""
        images = (self._images[name] for name in self._small)
        return why_no_room(image for image in images if not image.refusal)

    def forecast(self) -> Forecast:
        """Return what is to know of all images that are built in batches: how many of each form."""
        forms: Counter[tuple[Any, ...]] = Counter()
        n_files = n_bytes = 0
        for name in sorted(self.names):
            plan = self._images[name].image.plan
            base, steps = plan.levels[0], tuple(level.factors for level in plan.levels[1:])
            forms[base.shape, base.dtype, base.chunks, steps, plan.image.method] += 1
            n_files += sum(level.n_objects for level in plan.levels[1:])
            n_bytes += sum(level.raw_bytes for level in plan.levels[1:])
        columns = ("images", "shape", "dtype", "chunks", "levels to make", "factors", "method")
        rows = []
        for (shape, dtype, chunks, steps, method), number in forms.most_common():
            told = ", ".join(dict.fromkeys(map(times, steps))) or "-"
            form = (times(shape), dtype, times(chunks), str(len(steps)), told, method)
            rows.append((str(number), *form))
        n_images, n_batches = len(self.names), len(self.all)
        lines = [
            f"{n_images} small images in {n_batches} batch{'es' * (n_batches != 1)}",
            *aligned_table(columns, rows),
            f"levels of all of them: {n_files:,} files, {as_bytes(n_bytes)} raw",
        ]
        document = {
            "images": n_images,
            "batches": n_batches,
            "forms": [
                {"images": number, **dict(zip(_FORM, form, strict=True))}
                for form, number in forms.most_common()
            ],
            "objects": n_files,
            "raw_bytes": n_bytes,
        }
        return Forecast(lines=lines, document=document)

    def resources(self, batch: Batch) -> dict[str, int]:
        """Return the resources that the job of a batch needs, by Snakemake's names."""
        members = (self._images[name] for name in self.members(batch))
        needs = [need for image in members for need in image.batch_needs()]
        least = Need(memory=PROCESS_BYTES, seconds=1.0, disk=0)
        return Need(
            memory=max(need.memory for need in (least, *needs)),
            seconds=sum(need.seconds for need in needs),  # each with the start of a job
            disk=sum(need.disk for need in needs),
        ).resources

    @cached_property
    def _small(self) -> list[str]:
        small = [
            name
            for name, image in self._images.items()
            if image.found is not None and image.is_small
        ]
        return small if self._is_container or len(small) > MANY else []

    @cached_property
    def _cut(self) -> list[Batch]:
        """All batches; what cannot be planned has its place, so that mending it moves none."""
        if not self._small:
            return []
        known, sizes = set(self._small), []
        for number, (name, image) in enumerate(self._images.items(), start=1):
            if name in known:
                sizes.append((number, n_voxels(image.image)))
            elif image.found is None:
                sizes.append((number, 0))
        return list(cut_batches(sizes))
