"""What a run does before its first job: it holds its images, and sets aside stale sentinels.

A dry run only tells which sentinels are stale. A run that makes something has its closing said when
the process ends, which also happens where Snakemake calls no `onerror`: in a module.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.errors import PyramidError
from zarrpyramid.plan import Batch, Job
from zarrpyramid.stores import release_hold, take_hold

from .ended_jobs import refusal_line
from .stale import set_aside, stale_sentinels

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zarrpyramid.plan import Run, RunImage
    from zarrpyramid.stores import Hold

_HELD: list[Hold | None] = []
"""Of all starts in this process: the package may run twice in it, as modules of one workflow."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mode:
    """How Snakemake runs.

    Attributes
    ----------
    is_main
        Whether this process plans the run; else it runs a job of it.
    executes
        Whether Snakemake was asked to execute jobs; else it only shows what it knows.
    touches
        Whether it only sets the times of files.
    is_dry
        Whether it only tells what it would do.
    goes_on
        Whether a failed image does not keep the others from being built.
    is_elsewhere
        Whether jobs run on other hosts, where they parse the Snakefile anew.
    is_quiet
        Whether it was asked to say nothing.
    """

    is_main: bool
    executes: bool
    touches: bool
    is_dry: bool
    goes_on: bool
    is_elsewhere: bool
    is_quiet: bool = False

    @property
    def plans(self) -> bool:
        """Whether it runs jobs, or would run them without --dry-run."""
        return self.is_main and self.executes and not self.touches

    @property
    def makes(self) -> bool:
        """Whether this process makes the targets."""
        return self.plans and not self.is_dry


class Start:
    """The start of a run.

    Parameters
    ----------
    closing
        Called when the process of a run that makes something ends, with this object and the
        absolute folders of results and logs, as Snakemake has then left its working directory.

    Attributes
    ----------
    since
        When the run began, in seconds since 1970.
    has_begun
        Whether it began to make its targets.
    has_succeeded
        Whether Snakemake has said so; in a module it never does.
    is_quiet
        Whether a run that goes well says nothing at its end.
    """

    def __init__(self, run: Run, closing: Callable[[Start, Path, Path], None]) -> None:
        self.run, self.since = run, time.time()
        self.has_begun = self.has_succeeded = self.is_quiet = False
        self._closing, self._closes = closing, False
        self._settled: set[str | Batch] = set()
        self._stale: set[Path] = set()
        self._has_seen_room = False

    def refuse(self, mode: Mode) -> None:
        """End the run where images are refused, unless it goes on with the others.

        Raises
        ------
        SystemExit
            With the line that says why.
        """
        self._see_room(mode)
        refused = self.run.refused
        if refused and mode.is_main and not mode.goes_on:
            raise SystemExit(refusal_line(refused, len(self.run.images)))

    def ready(self, wildcards: Mapping[str, str], mode: Mode) -> Job:
        """Return the job with these wildcards, whose image is settled.

        Raises
        ------
        SystemExit
            If the configuration has no such job, or its image is refused.
        """
        self._see_room(mode)
        try:
            job = self.run.job(wildcards)
        except PyramidError as error:
            raise SystemExit(f"zarrpyramid: {error}") from None
        self.settle(job.image, mode)
        return job

    def batch_ready(self, wildcards: Mapping[str, str], mode: Mode) -> Batch:
        """Return the batch with these wildcards, all images of which are settled.

        Raises
        ------
        SystemExit
            If the configuration has no such batch.
        """
        self._see_room(mode)
        batch = Batch.of(wildcards)
        try:
            self.settle_batch(batch, mode)
        except PyramidError as error:
            raise SystemExit(f"zarrpyramid: {error}") from None
        return batch

    def settle_all(self, mode: Mode) -> None:
        """Settle every image, and every batch.

        Raises
        ------
        SystemExit
            If images are refused and the run does not go on with the others.
        """
        self.refuse(mode)
        names = [name for name in self.run.images if name not in self._settled]
        if names and mode.plans:
            self._settled.update(names)
            self._prepare(mode)
            for stale in self.run.ask(names, lambda image: self._held_stale(image, mode)):
                self._take(stale, mode)
        for batch in self.run.batches.all:
            self.settle_batch(batch, mode)
        self._begin(mode)

    def base_inputs(self, wildcards: Mapping[str, str], mode: Mode) -> tuple[list[str], list[str]]:
        """Return the sentinels of this run that a level 0 waits for, and files of other runs.

        Of a refused image there are none: its first job fails with what is wrong, unless the run
        ends because of it.
        """
        name = Job.of(wildcards).image
        if name in self.run.refused:
            self.refuse(mode)
            self.settle(name, mode)
            return [], []
        sentinels = self.run.base_sentinel(self.ready(wildcards, mode))
        ready = self.run.images[name].config.base_ready
        return sentinels, [ready] if ready and not sentinels else []

    def verdicts(self, mode: Mode) -> list[str]:
        """Return the reports on all pyramids; a run removes those of earlier runs."""
        self.refuse(mode)
        self._begin(mode)
        targets = self.run.verdicts()
        if mode.is_main and mode.executes and not mode.is_dry:  # touching proves nothing
            for target in targets:
                Path(target).unlink(missing_ok=True)
        return targets

    def settle(self, name: str, mode: Mode) -> None:
        """Hold an image, and set aside the sentinels that its store contradicts.

        Raises
        ------
        SystemExit
            If another run holds the image, unless this one can go on with the others.
        """
        if name in self._settled or not mode.plans:
            return
        self._settled.add(name)
        self._prepare(mode)
        self._take(self._held_stale(self.run.images[name], mode), mode)

    def _held_stale(self, image: RunImage, mode: Mode) -> dict[Path, str]:
        """Hold an image, and return the sentinels that its store contradicts, and why."""
        folder = self.run.folder / image.name
        if not image.refusal and mode.makes:
            self._hold(image, mode)
        if image.refusal:
            sealed = folder / "levels" / "0.json"
            return {sealed: image.refusal} if sealed.exists() else {}
        source = image.source_layout if image.image.source else None
        with image.image.store.remembered():
            return stale_sentinels(image.image, folder, image.base_layout, source)

    def _take(self, stale: dict[Path, str], mode: Mode) -> None:
        self._stale.update(stale)
        self._tell(stale, mode)

    def settle_batch(self, batch: Batch, mode: Mode) -> None:
        """Settle the images of a batch; its sentinel is stale where one of theirs is, or is absent.

        Raises
        ------
        ConfigError
            If there is no such batch.
        """
        names = self.run.batches.members(batch)
        if batch in self._settled or not mode.plans:
            return
        self._settled.add(batch)
        for name in names:
            self.settle(name, mode)
        path = self.run.folder / self.run.title / batch.file
        if path.exists() and (absent := self._first_absent(names)) is not None:
            self._tell({path: f"{absent} is not there, or is stale"}, mode)

    def _first_absent(self, names: Sequence[str]) -> Path | None:
        """Return the first sentinel of some images that is not there, or that is stale."""
        for name in names:
            run_image, folder = self.run.images[name], self.run.folder / name
            if run_image.refusal:
                continue
            levels = range(len(run_image.image.plan.levels))
            paths = (
                *(folder / "levels" / f"{n}.json" for n in levels),
                folder / "multiscales.json",
            )
            for path in paths:
                if path in self._stale or not path.exists():
                    return path
        return None

    def _tell(self, stale: dict[Path, str], mode: Mode) -> None:
        """Set stale sentinels aside; a dry run only says which they are."""
        if mode.makes:
            set_aside(stale)
            return
        for path, reason in stale.items():
            print(f"zarrpyramid: {path} is stale: {reason}; a run makes it again", file=sys.stderr)

    def _see_room(self, mode: Mode) -> None:
        """Refuse images that have no room; a dry run, perhaps for another machine, only says so.

        Levels that the run will remove since they are not planned are named.
        """
        if self._has_seen_room or not mode.plans:
            return
        self._has_seen_room = True
        for image in self.run.images.values():
            if image.refusal or not image.no_room:
                continue
            if mode.makes:
                image.refusal = image.no_room
            else:
                print(f"zarrpyramid: a run here is refused: {image.no_room}", file=sys.stderr)
        removed = [line for image in self.run.images.values() if (line := image.removed)]
        if removed:
            n_more = len(removed) - 1
            more = f"; {n_more} more image{'s' * (n_more > 1)} will lose levels too" * (n_more > 0)
            print(f"zarrpyramid: warning: {removed[0]}{more}", file=sys.stderr)
        if reason := self.run.batches.no_room:
            if mode.makes:
                raise SystemExit(f"zarrpyramid: {reason}")
            print(f"zarrpyramid: a run here is refused: {reason}", file=sys.stderr)

    def _prepare(self, mode: Mode) -> None:
        """Prepare this process to let go of images when it ends, whatever ends it."""
        if not mode.makes:
            return
        # Signals that nobody handles end a process without a word; Snakemake takes over later.
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _let_go)
        self._close_later()

    def _hold(self, run_image: RunImage, mode: Mode) -> None:
        """Hold an image until this process ends."""
        image = run_image.image
        try:
            hold = take_hold(image.store, image.path, makes_group=image.makes_group)
        except PyramidError as error:
            # Jobs elsewhere parse anew, and would not know of it.
            if not mode.goes_on or mode.is_elsewhere:
                raise SystemExit(f"zarrpyramid: {error}") from None
            run_image.refusal = str(error)
            return
        _HELD.append(hold)
        atexit.register(release_hold, hold)

    def _begin(self, mode: Mode) -> None:
        """Note that a run begins to make its targets."""
        if mode.makes:
            self.has_begun, self.is_quiet = True, mode.is_quiet
            self._close_later()

    def _close_later(self) -> None:
        if not self._closes:
            self._closes = True
            folders = (self.run.folder.absolute(), self.run.logs.absolute())
            # Snakemake has then said all, so that the closing's lines are the last.
            atexit.register(self._closing, self, *folders)


def _let_go(number: int, _frame: object) -> None:
    """Release all images, and end by the signal that came."""
    for hold in _HELD:
        release_hold(hold)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
