"""What is known of a run: its images, their levels and other rows, and the jobs that make them.

A job says how far it is in a file beside its log: the parts done and the parts of all, as two
numbers. Snakemake says which jobs start and end; of those that it submits together, as one group,
their own files say it.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_START_SECONDS, _VOXELS_A_SECOND = 0.3, 1e8
"""What a job takes, about: enough to weigh the bars of an image against each other."""

_ROWS = {
    "make_test_image": ("level 0", 1.0),
    "copy_base": ("level 0", 1.0),
    "seal_base": ("level 0", 0.0),
    "open_level": ("level {level}", 0.0),
    "downsample_part": ("level {level}", 1.0),
    "downsample_level": ("level {level}", 1.0),
    "report_labels": ("labels", 1.0),
    "write_multiscales": ("report", 0.5),
    "summarize_pyramid": ("report", 0.5),
    "verify_pyramid": ("verify", 1.0),
    "build_batch": ("images {first} to {last}", 1.0),
    "summarize_images": ("report", 1.0),
    "verify_images": ("verify", 1.0),
}
"""By rule: the row that its jobs belong to, and the share of the row's bar that one makes."""

_BEFORE = {"make_test_image", "copy_base", "open_level", "downsample_part", "write_multiscales"}
"""Rules after whose jobs another one completes the row."""

_ONCE_AN_IMAGE = ("seal_base", "write_multiscales", "summarize_pyramid", "verify_pyramid")
_ORDER = ("level", "labels", "report", "verify")


@dataclass(kw_only=True, slots=True)
class Task:
    """A job that has started.

    Attributes
    ----------
    share
        How much of its row it makes.
    fraction
        How far it is, from 0 to 1.
    """

    row: Row
    rule: str
    share: float
    log: Path
    before: tuple[int, int]  # when its files were written last, of an earlier run
    fraction: float = 0.0
    is_running: bool = True

    def look(self) -> bool:
        """Read how far the job is by its files, and tell whether they say that it has ended."""
        note, timing = self.log.with_suffix(".progress"), self.log.with_suffix(".json")
        if _stamp(note) not in (0, self.before[0]):
            try:
                n_done, n_all = map(int, note.read_text(encoding="ascii").split())
            except (OSError, ValueError):
                return False  # it has just gone
            self.fraction = min(1.0, n_done / max(1, n_all))
            return False
        return _stamp(timing) not in (0, self.before[1])


@dataclass(kw_only=True, slots=True)
class Row:
    """A line with a bar: a level of an image, or what else is made of it.

    Attributes
    ----------
    shape
        Of a level.
    weight
        Seconds that it takes, about.
    began, ended
        In seconds since 1970, or 0.
    """

    label: str
    shape: Sequence[int] = ()
    weight: float = 1.0
    tasks: dict[int, Task] = field(default_factory=dict)
    is_failed: bool = False
    began: float = 0.0
    ended: float = 0.0
    _floor: float = 0.0
    _first: tuple[float, float] | None = None

    @property
    def n_done(self) -> int:
        """Jobs that have ended."""
        return sum(not task.is_running for task in self.tasks.values())

    @property
    def fraction(self) -> float:
        """How far it is, from 0 to 1."""
        if self.ended:
            return 1.0
        made = sum(task.share * task.fraction for task in self.tasks.values())
        return min(1.0, max(self._floor, made))

    def add(self, jobid: int, task: Task, n_parts: int) -> None:
        """Take a job that starts, or starts anew after a failure."""
        self.is_failed, self.ended = False, 0.0
        self.began = self.began or time.time()
        if n_parts:
            task.share = 1.0 / n_parts
        elif any(other.rule == "downsample_part" for other in self.tasks.values()):
            task.share = 0.0  # it gathers the parts, some of which may be of an earlier run
            self._floor = float(task.rule != "open_level")
        self.tasks[jobid] = task

    def note(self, now: float) -> None:
        """Note when the bar began to move, and when the row is complete."""
        if self._first is None and self.fraction:
            self._first = now, self.fraction
        is_over = all(not task.is_running for task in self.tasks.values())
        if is_over and any(task.rule not in _BEFORE for task in self.tasks.values()):
            self.ended = self.ended or now

    def seconds_left(self, now: float) -> float | None:
        """Return how long the rest takes at the pace since the bar began to move, or None."""
        is_moving = not self.ended and not self.is_failed
        return _left(self.fraction, self._first, now) if is_moving else None


@dataclass(kw_only=True, slots=True)
class Group:
    """An image with its rows, or what is not of one image."""

    name: str
    rows: dict[str, Row] = field(default_factory=dict)
    is_image: bool = False

    @property
    def fraction(self) -> float:
        """How far it is, from 0 to 1."""
        weight = sum(row.weight for row in self.rows.values())
        return sum(row.weight * row.fraction for row in self.rows.values()) / (weight or 1.0)

    @property
    def is_over(self) -> bool:
        """Whether all that it makes is made."""
        return all(row.ended for row in self.rows.values())

    @property
    def is_failed(self) -> bool:
        """Whether a job of it failed, and no other one runs."""
        return any(row.is_failed for row in self.rows.values()) and not any(
            task.is_running for row in self.rows.values() for task in row.tasks.values()
        )

    def row(self, label: str) -> Row:
        """Return a row, which is made where it is not there yet."""
        if label not in self.rows:
            self.rows[label] = Row(label=label)
            order = sorted(self.rows.values(), key=_rank)
            self.rows = {row.label: row for row in order}
        return self.rows[label]

    def await_levels(self, first: int, shapes: Sequence[Sequence[int]]) -> None:
        """Make the rows of a level and of those after it, which are made when it is."""
        for level in range(first, len(shapes)):
            row = self.row(f"level {level}")
            row.shape = shapes[level]
            n_read = prod(shapes[max(0, level - 1)])
            row.weight = _START_SECONDS + n_read / _VOXELS_A_SECOND
        self.row("report")


class Board:
    """All of a run.

    Attributes
    ----------
    n_done, n_jobs
        Jobs, as Snakemake counts them.
    n_units
        Images, a batch of them counted as one.
    is_over, is_stopped
        Whether the run has ended, and whether its user ended it.
    """

    def __init__(self) -> None:
        self.groups: dict[str, Group] = {}
        self.n_done = self.n_jobs = 0
        self.is_over = self.is_stopped = False
        self.began = time.time()
        self._shapes: Mapping[str, Sequence[Sequence[int]]] = {}
        self.n_units = 0
        self._tasks: dict[int, Task] = {}
        self._failed: set[int] = set()

    def expect(self, shapes: Mapping[str, Sequence[Sequence[int]]]) -> None:
        """Take the shapes of all levels by image; several modules tell those of theirs."""
        self._shapes = {**self._shapes, **shapes}

    def plan(self, stats: Mapping[str, int]) -> None:
        """Take how many jobs of each rule there are."""
        counts: dict[str, int] = {}
        for rule, n_jobs in stats.items():
            counts[_known(rule)] = counts.get(_known(rule), 0) + n_jobs
        self.n_jobs, self.began = counts.get("total", 0), time.time()
        alone = max(counts.get(rule, 0) for rule in _ONCE_AN_IMAGE)
        self.n_units = alone + counts.get("build_batch", 0)

    def start(
        self, jobid: int, rule: str, wildcards: Mapping[str, str], logs: Sequence[str]
    ) -> None:
        """Take a job that starts; one without a log makes nothing."""
        log = next((Path(log).absolute() for log in logs if log.endswith(".log")), None)
        if log is None:
            return
        known = _known(rule)
        label, share = _ROWS.get(known, (rule, 1.0))
        label, image = label.format(**wildcards), wildcards.get("image")
        name = image or (label if known == "build_batch" else "all images")
        if known not in _ROWS:
            name = ""
        group = self.groups.setdefault(name, Group(name=name))
        group.is_image = known in _ROWS and name != "all images"
        row = group.row(label)
        shapes = self._shapes.get(name)
        if shapes and label.startswith("level "):
            group.await_levels(int(label.removeprefix("level ")), shapes)
        before = _stamp(log.with_suffix(".progress")), _stamp(log.with_suffix(".json"))
        task = Task(row=row, rule=known, share=share, log=log, before=before)
        row.add(jobid, task, int(wildcards.get("n_parts", 0)))
        self._tasks[jobid] = task

    def finish(self, jobid: int) -> None:
        """Take a job that has ended well."""
        if task := self._tasks.pop(jobid, None):
            self._end(task, time.time())

    def fail(self, jobid: int) -> bool:
        """Take a job that has failed, and tell whether the lines that end a run name its error."""
        if task := self._tasks.pop(jobid, None):
            task.row.is_failed, task.is_running = True, False
            if task.rule in _ROWS:
                self._failed.add(jobid)
        return jobid in self._failed  # those of a group are named twice

    def look(self, now: float) -> None:
        """Look how far the jobs are that run."""
        for task in list(self._tasks.values()):
            if task.is_running and task.look():
                self._end(task, now)
            task.row.note(now)

    @property
    def fraction(self) -> float:
        """How far the run is, from 0 to 1: all images weigh the same."""
        if not self.n_units:
            return self.n_done / max(1, self.n_jobs)
        images = [group.fraction for group in self.groups.values() if group.is_image]
        return min(1.0, sum(images) / max(self.n_units, len(images)))

    def seconds_left(self, now: float) -> float | None:
        """Return how long the rest of the run takes at its pace by now, or None."""
        return _left(self.fraction, (self.began, 0.0), now)

    def running(self) -> Iterator[Group]:
        """Yield the groups of which jobs run or wait, or some are still to start."""
        for group in self.groups.values():
            if not (group.is_over or group.is_failed):
                yield group

    def _end(self, task: Task, now: float) -> None:
        task.fraction, task.is_running = 1.0, False
        task.row.note(now)


def _known(rule: str) -> str:
    """Return a rule's name without the prefix that a workflow gives to a module."""
    return next((known for known in _ROWS if rule.endswith(known)), rule)


def _rank(row: Row) -> tuple[int, int]:
    word, _, number = row.label.partition(" ")
    place = _ORDER.index(word) if word in _ORDER else -1
    return place, int(number) if re.fullmatch(r"\d+", number) else 0


def _stamp(path: Path) -> int:
    """Return when a file was written last, 0 of one that is absent or empty."""
    try:
        stat = path.stat()
    except OSError:
        return 0
    return stat.st_mtime_ns if stat.st_size else 0


def _left(fraction: float, first: tuple[float, float] | None, now: float) -> float | None:
    """Return the seconds left of what was at a fraction then, and is at another one now."""
    if first is None or now - first[0] < 1.0 or fraction - first[1] < 0.02 or fraction >= 1.0:
        return None
    return (1.0 - fraction) * (now - first[0]) / (fraction - first[1])
