"""How far a job is: a note beside its log, a line in the log every 30 s, and a bar for people.

The note is for whoever shows the run (docs/design/0033). The line and the bar, on a terminal or in
a notebook, are of levels and count the voxels that ended tasks have read. Nothing here starts a
thread, because a process with a thread is not copied for blocks, and so nothing is said while no
task ends (docs/design/0017).
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sys
import time
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from zarrpyramid.plan import Image

logger = logging.getLogger(__name__)

LOG_SECONDS = 30.0
"""Between two lines of a log."""

_NOTE_SECONDS = 0.2
"""Between two notes: a file system of a cluster's nodes bears five a second."""


class Note:
    """A file beside a job's log with two numbers: what is done, of what. It goes with the job.

    Parameters
    ----------
    log
        Path of the job's log; "" writes no file.
    n_all
        Voxels, or whatever the job counts.
    """

    def __init__(self, log: str, n_all: int) -> None:
        self._path = Path(log).with_suffix(".progress") if log else None
        self._n_done, self._n_all = 0, n_all
        self._due = 0.0

    def __enter__(self) -> Self:
        self._forget()  # of a job that was killed
        return self

    def __exit__(self, *exception: object) -> None:
        self._forget()

    def update(self, n: int) -> None:
        """Count what was done since the last call."""
        self.write(self._n_done + n, self._n_all)

    def write(self, n_done: int, n_all: int) -> None:
        """Write what is done by now, of all, where the last note is old enough."""
        self._n_done, self._n_all = n_done, n_all
        now = time.monotonic()
        if self._path is None or now < self._due:
            return
        self._due = now + _NOTE_SECONDS
        # As many bytes each time, and nothing cut off: who reads it meanwhile finds two numbers.
        # Closed each time: other nodes see what was written then. A full disk ends no job.
        with contextlib.suppress(OSError):
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT)
            os.write(file, f"{n_done:>20} {n_all:>20}\n".encode())
            os.close(file)

    def _forget(self) -> None:
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)


class Progress:
    """Counts the voxels that a level's job, or the job of one of its parts, has read.

    Parameters
    ----------
    log
        Path of the job's log, beside which a note is written; "" writes none.
    part
        Counted from 1; 0 is the whole level. For a part, the number of all voxels is an estimate
        until the end, because chunks at the edges are smaller.
    shown
        Whether to show a bar; None shows one while stderr is a terminal and no other job has its
        bar there.

    Attributes
    ----------
    n_voxels
        Read by now.
    """

    def __init__(
        self, image: Image, level: int, *, log: str = "", part: int = 0, shown: bool | None = None
    ) -> None:
        self.n_voxels = 0
        n_parts = image.plan.cut(level).n_parts if part else 1
        self._total = geometry.count(image.plan.levels[max(0, level - 1)].shape) // n_parts
        self._name = f"level {level}" + (f", part {part} of {n_parts}" if part else "")
        self._title = f"{image.plan.image.name}, {self._name}"
        self._shown = shown
        self._note = Note(log, self._total)
        self._terminal: int | None = None
        self._bar: Any = None
        self._start = time.time()
        self._told: tuple[float, int] | None = None

    def __enter__(self) -> Progress:
        self._note.__enter__()
        if self._shown is None and sys.stderr.isatty():
            # Opened anew: jobs inherit one open terminal, and share a lock of that.
            name = os.ttyname(sys.stderr.fileno())
            self._terminal = os.open(name, os.O_WRONLY | os.O_NOCTTY)
        return self

    def __exit__(self, *exception: object) -> None:
        self._note.__exit__()
        if self._bar is not None:
            if exception[0] is None:
                self._bar.total = self.n_voxels
                self._bar.refresh()
            self._bar.close()
        if self._terminal is not None:
            fcntl.flock(self._terminal, fcntl.LOCK_UN)  # worker processes share the lock
            os.close(self._terminal)

    def update(self, n_voxels: int) -> None:
        """Count voxels that were read; draw the bar, and write a line to the log when it is due."""
        is_first = self._told is None
        self.n_voxels += n_voxels
        self._total = max(self._total, self.n_voxels)
        self._note.write(self.n_voxels, self._total)
        # The first voxels may be kept from an earlier job: they do not count into the rate.
        self._draw(0 if is_first and self.n_voxels == self._total else self.n_voxels)
        now = time.monotonic()
        if self._told is None:
            self._told = now, self.n_voxels
        elif now - self._told[0] >= LOG_SECONDS:
            rate = (self.n_voxels - self._told[1]) / (now - self._told[0])
            logger.info("%s: %s", self._name, progress_line(self.n_voxels, self._total, rate))
            self._told = now, self.n_voxels

    def _draw(self, initial: int) -> None:
        if self._bar is None and self._may_show():
            self._bar = _make_bar(self._title, self._total, initial)
            if not initial:  # all was read at once, since the start
                self._bar.start_t = self._start
        if self._bar is not None:
            self._bar.total = self._total
            self._bar.update(self.n_voxels - self._bar.n)

    def _may_show(self) -> bool:
        """Tell whether this job may draw a bar; it takes the terminal if no other job has it."""
        if self._terminal is None:
            return bool(self._shown)
        try:
            fcntl.flock(self._terminal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


@contextlib.contextmanager
def byte_bar(
    title: str, n_all: int, *, shown: bool | None = None
) -> Iterator[Callable[[int], Any]]:
    """Yield what counts bytes that are done, and shows them in a bar.

    Parameters
    ----------
    shown
        Whether to show the bar; None shows it where somebody watches.
    """
    if not (is_watched() if shown is None else shown):
        yield lambda n_bytes: None
        return
    with _make_bar(title, n_all, 0, unit="B") as bar:
        yield bar.update


class PartBar:
    """A bar of parts that ends when it is full and then begins anew; lines are printed above it.

    Parameters
    ----------
    n_parts
        At which it is full.
    shown
        Whether to show the bar; None shows it where somebody watches.
    """

    def __init__(self, title: str, n_parts: int, *, shown: bool | None = None) -> None:
        self._title, self._n_parts = title, n_parts
        self._is_shown = is_watched() if shown is None else shown
        self._start = time.time()
        self._bar: Any = None

    def __enter__(self) -> PartBar:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, n_parts: int) -> None:
        """Count parts that are done."""
        if not self._is_shown:
            return
        if self._bar is None:
            form = "{desc}: {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}]"
            self._bar = _make_bar(self._title, self._n_parts, 0, bar_format=form, leave=False)
            self._bar.start_t = self._start
        self._bar.update(n_parts)
        if self._bar.n >= self._n_parts:
            self._bar.close()
            self._bar, self._start = None, time.time()

    def print(self, line: str) -> None:
        """Print a line at once."""
        if self._bar is None:
            print(line, flush=True)
        else:
            self._bar.write(line, file=sys.stdout)


def is_watched() -> bool:
    """Tell whether stderr is a terminal, or this is a notebook."""
    return sys.stderr.isatty() or _is_notebook()


def _is_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


def progress_line(n_done: int, n_all: int, rate: float) -> str:
    """Return the voxels done of all voxels, the voxels per second, and the time that is left.

    >>> progress_line(250_000_000, 1_000_000_000, 5e6)
    '250,000,000 of 1,000,000,000 voxels (25 %), 5 Mvoxel/s, 0:02:30 left'
    """
    left = (
        f"{timedelta(seconds=round((n_all - n_done) / rate))} left" if rate else "time left unknown"
    )
    percent = 100 * n_done // n_all
    return f"{n_done:,} of {n_all:,} voxels ({percent} %), {rate / 1e6:.3g} Mvoxel/s, {left}"


def _make_bar(title: str, n_all: int, initial: int, unit: str = "voxel", **form: Any) -> Any:
    if find_spec("ipywidgets"):
        from tqdm.auto import tqdm
    else:  # of which tqdm.auto warns
        from tqdm.std import tqdm  # type: ignore[assignment, unused-ignore]

    class Bar(tqdm):  # type: ignore[misc, type-arg, unused-ignore]
        monitor_interval = 0  # no thread of tqdm's

    # Terminals of programs often say that they have no columns, and tqdm then draws nothing.
    unsized = sys.stderr.isatty() and not os.get_terminal_size(sys.stderr.fileno()).columns
    return Bar(
        desc=title,
        file=sys.stdout if _is_notebook() else sys.stderr,  # which a notebook shows on red
        total=n_all,
        initial=initial,
        unit=unit,
        unit_scale=True,
        miniters=1,
        **form,
        **({"ncols": 80, "nrows": 24} if unsized else {"dynamic_ncols": True}),
    )
