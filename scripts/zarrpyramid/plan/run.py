"""What a run of the workflow makes, and what each of its jobs waits for, needs and depends on.

The rules ask it; a job is known by its wildcards. It looks at stores and reads no voxel.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zarrpyramid.config import container_config, path_name
from zarrpyramid.errors import ConfigError, suggestion
from zarrpyramid.metadata import part_sentinels

from .batches import Batch
from .levels import describe_level
from .run_batches import RunBatches
from .run_images import ask_all, run_images

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeVar

    from zarrpyramid.geometry import Shape
    from zarrpyramid.metadata import Record

    from .image import Image
    from .run_image import RunImage

    _Answer = TypeVar("_Answer")

_MOST_THREADS = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """The wildcards of a job: its image, level and part, and how many parts there are."""

    image: str
    level: int = 0
    part: int | None = None
    n_parts: int = 1

    @classmethod
    def of(cls, wildcards: Mapping[str, str]) -> Job:
        """Return the job that has these wildcards."""
        given: dict[str, Any] = dict(wildcards.items())
        image = given.pop("image")
        return cls(image=image, **{key: int(value) for key, value in given.items()})


class Run:
    """All images of a run.

    Parameters
    ----------
    config
        As Snakemake merged it from files and command line.
    results
        Name of the folder of results, as it stands in the names of targets.
    folder, logs
        Where the results and the logs are.

    Raises
    ------
    ConfigError
        If a setting does not fit.
    """

    def __init__(
        self, config: Mapping[str, Any], *, results: str, folder: Path, logs: Path
    ) -> None:
        self.config = config
        self.results, self.folder, self.logs = results, folder, logs
        container = container_config(config)
        self.images = run_images(config, container, folder, logs)
        samples = path_name(Path(config.get("samples") or "images").stem, "", "samples")
        self.title = samples if container is None else container.name
        if self.title in self.images:  # each has its folder of results
            self.title += "-images"
        together = f"{results}/{self.title}"
        self.batches = RunBatches(self.images, together, is_container=container is not None)

    @property
    def found(self) -> dict[str, Image | None]:
        """The images by name; None for one that cannot be planned."""
        return {name: image.found for name, image in self.images.items()}

    def built(self, results: Path) -> list[Image]:
        """Return the images whose levels are listed, by the folder of results as it is now."""
        return [
            image
            for name, image in self.found.items()
            if image and (results / name / "multiscales.json").exists()
        ]

    @property
    def refused(self) -> dict[str, str]:
        """Why images are not built, by name."""
        return {name: image.refusal for name, image in self.images.items() if image.refusal}

    def check(self) -> None:
        """Refuse the images that cannot be built in their stores on any machine."""
        self.ask(list(self.images), lambda image: image.look())
        for image in self.images.values():
            image.refusal = image.refusal or image.fault

    def ask(self, names: Sequence[str], question: Callable[[RunImage], _Answer]) -> list[_Answer]:
        """Return what images answer; they are asked side by side where requests are slow."""
        return ask_all([self.images[name] for name in names], question)

    def job(self, wildcards: Mapping[str, str]) -> Job:
        """Return the job with these wildcards, which the configuration has.

        Raises
        ------
        ConfigError
            If there is no such image, level or part, or the image is refused.
        """
        job = Job.of(wildcards)
        if job.image not in self.images:
            hint = suggestion(job.image, list(self.images))
            raise ConfigError(f"there is no image {job.image}{hint}")
        if reason := self.images[job.image].refusal:
            raise ConfigError(reason)
        plan = self.images[job.image].image.plan
        last = len(plan.levels) - 1
        if job.level > last:
            raise ConfigError(f"image {job.image} has no level {job.level}; its last is {last}")
        if job.part is not None:
            n_parts = plan.cut(job.level).n_parts
            if job.n_parts != n_parts or job.part > n_parts:
                raise ConfigError(f"level {job.level} of {job.image} has {n_parts} parts")
        return job

    def targets(self) -> list[str]:
        """Return every sentinel: asking for the last one alone misses a deleted one before it."""
        batched = self.batches.names
        targets = self.batches.sentinels()
        for name, image in self.images.items():
            if image.refusal:  # its first job fails, and says what is wrong
                targets += self._named(name, "levels/0.json")
            elif name not in batched:
                files = ["multiscales.json", "summary.md", "report.html"]
                files += ["labels.json"] * image.config.label_report
                targets += [*self.level_sentinels(Job(image=name)), *self._named(name, *files)]
        if self.batches.sum_up:
            targets += self._named(self.title, "summary.md", "report.html")
        return targets

    def verdicts(self) -> list[str]:
        """Return the reports on all pyramids; those that are built in batches have one."""
        batched = self.batches.names
        reports = self._named(self.title, *(["verify.json"] * bool(batched)))
        alone = [name for name in self.images if name not in batched]
        return [*reports, *(path for name in alone for path in self._named(name, "verify.json"))]

    def summed_up(self) -> list[str]:
        """Return what the summary of all images waits for: their sentinels, or their reports."""
        batched = self.batches.names
        others = {name for name, image in self.images.items() if not image.refusal} - batched
        reports = [path for name in sorted(others) for path in self._named(name, "report.html")]
        return [*self.batches.sentinels(), *reports]

    @classmethod
    def again(cls, given: Mapping[str, Any]) -> Run:
        """Return the run that another process described by `given`."""
        folder, logs = Path(given["folder"]), Path(given["logs"])
        return cls(given["config"], results=given["results"], folder=folder, logs=logs)

    def given(self) -> dict[str, Any]:
        """Return what this run is made from, for jobs that look at all images."""
        folders = {"folder": str(self.folder), "logs": str(self.logs)}
        return {"config": dict(self.config), "results": self.results, **folders}

    def shapes(self) -> dict[str, list[Shape]]:
        """Return the shapes of all levels of each image that has jobs of its own, by its name."""
        batched = self.batches.names
        return {
            name: [level.shape for level in image.found.plan.levels]
            for name, image in self.images.items()
            if image.found is not None and name not in batched
        }

    def names(self) -> list[str]:
        """Return the names of the images."""
        return list(self.images)

    def level_sentinels(self, job: Job) -> list[str]:
        """Return the sentinels of all levels of an image."""
        levels = range(len(self.images[job.image].image.plan.levels))
        return self._named(job.image, *(f"levels/{level}.json" for level in levels))

    def base_parts(self, job: Job) -> list[str]:
        """Return the sentinels of the parts of a level 0 that is taken from a source."""
        return self.part_sentinels(job) if self.images[job.image].image.input else []

    def finer_sentinel(self, job: Job) -> str | list[str]:
        """Return the sentinel of the level before; level 0 has none."""
        if job.level == 0:
            return []
        return f"{self.results}/{job.image}/levels/{job.level - 1}.json"

    def weights_sentinel(self, job: Job) -> list[str]:
        """Return the sentinel of the level that weighs the voxels of the level before."""
        weights = self.images[job.image].weights
        if weights is None or job.level == 0:
            return []
        return self._named(weights.name, f"levels/{job.level - 1}.json")

    def part_sentinels(self, job: Job) -> list[str]:
        """Return the sentinels of a level's parts; none where the level is one job."""
        n_parts = self._n_parts(job)
        folder = f"{self.results}/{job.image}"
        return [] if n_parts == 1 else part_sentinels(folder, job.level, n_parts)

    def base_sentinel(self, job: Job) -> list[str]:
        """Return what a level 0 that is made or taken here waits for, and that of a companion."""
        image, of = self.images[job.image].image, self.images[job.image].companion_of
        if of is not None:  # whose level 1 is made by the same read
            return self._named(of.name, "levels/1.json")
        if image.source:
            return self._named(job.image, "base_copy.json")
        return self._named(job.image, "test_image.json") if image.plan.image.test_image else []

    def settings(self, job: Job) -> dict[str, Any]:
        """Return an image's settings as Snakemake hands them to jobs."""
        return self.images[job.image].settings

    def refusal(self, job: Job) -> str:
        """Return what keeps an image from being built, or ""."""
        image = self.images[job.image]
        return image.refusal or image.fault or image.no_room

    def recipe(self, job: Job) -> Record:
        """Return the recipe of a level; Snakemake rebuilds the level when it changes."""
        return self.images[job.image].recipe(job.level)

    def step(self, job: Job) -> str:
        """Return a level's factors, shape and voxel size for its message."""
        return describe_level(self.images[job.image].image.plan, job.level)

    def listed(self, job: Job) -> list[Any]:
        """Return what the list of levels depends on beside the levels themselves."""
        return self.images[job.image].listed

    def source(self, job: Job) -> list[Any]:
        """Return what level 0 is taken from, and what changes with any object of that.

        A link needs no second look: level 0's objects are the source's.
        """
        run_image, image = self.images[job.image], self.images[job.image].image
        watch = run_image.source_layout.watch if image.copies else None
        return [image.source.name if image.source else None, image.copies, watch]

    def taking(self, job: Job) -> str:
        """Return what level 0 is taken from, for the message of its job."""
        image = self.images[job.image].image
        if image.source is None:
            return ""
        return f"{image.source.name}" + (f" ({image.input.figure})" if image.input else "")

    def watch(self, job: Job) -> str | None:
        """Return what changes with any object of level 0, for jobs that depend on its voxels."""
        image = self.images[job.image]
        return None if job.level > 1 or image.refusal else image.watch()

    def threads(self, job: Job) -> int:
        """Return the number of blocks that can run side by side."""
        n_parts = self._n_parts(job)
        if n_parts > 1 and job.part is None:
            return 1  # what the parts have seen is gathered
        level = self.images[job.image].image.plan.levels[job.level]
        return min(-(-level.n_chunks // n_parts), _MOST_THREADS)

    def group(self, job: Job) -> str | None:
        """Return the submission of a job that makes or gathers a level, or level 0's sentinel.

        A cluster gets jobs that only wait for each other in one submission. What opens a level for
        its parts ends one, and what gathers them begins the next.
        """
        return self._submission(job.image, job.level + 1)

    def opening_group(self, job: Job) -> str | None:
        """Return the submission of the job that opens a level: that of the level before."""
        return self._submission(job.image, job.level)

    def last_group(self, job: Job) -> str | None:
        """Return the submission of an image's last jobs."""
        return self._submission(job.image, None)

    def _submission(self, name: str, n_levels: int | None) -> str | None:
        """Return the submission that comes after the parts of an image's first levels."""
        run_image = self.images.get(name)
        if run_image is None or run_image.found is None:
            return None
        levels = range(len(run_image.image.plan.levels))[:n_levels]
        n_gathered = sum(self._n_parts(Job(image=name, level=level)) > 1 for level in levels)
        return f"{name}-levels-{n_gathered}"

    def resources(self, rule: str, job: Job | Batch, threads: int) -> dict[str, int]:
        """Return the resources that a job of a rule needs, by Snakemake's names."""
        if isinstance(job, Batch):
            return self.batches.resources(job)
        return self.images[job.image].resources(rule, job.level, threads)

    def timings(self, job: Job) -> str:
        """Return the folder in which an image's jobs say how long they took."""
        return str(self.images[job.image].logs)

    def _n_parts(self, job: Job) -> int:
        image = self.images[job.image].image
        return image.plan.cut(job.level).n_parts if job.level or image.input else 1

    def _named(self, name: str, *files: str) -> list[str]:
        return [f"{self.results}/{name}/{file}" for file in files]
