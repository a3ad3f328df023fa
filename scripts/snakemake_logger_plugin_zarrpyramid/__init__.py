"""What a run looks like: a bar a level on a terminal, short lines elsewhere.

Snakemake finds this package by its name, and the default profile chooses it where it is installed
(`--logger zarrpyramid`). It imports nothing of the library, and no more than Snakemake's own start
has imported: every call of snakemake imports every logger that is there. Read `board`, then
`lines`, `terminal`.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from .board import Board
from .lines import Lines
from .terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CHATTER = re.compile(
    "Building DAG of jobs|Assuming unrestricted shared filesystem|host: |Using shell: "
    "|Select jobs to execute|(Group jobs|Conda environments|Singularity containers): "
    "|Complete log|Config file |Elapsed time: |Job rate limit reached|Shutting down, this might"
)
"""What Snakemake says of every run. All else that it says is shown."""

_CONSEQUENCE = re.compile("Exiting because a job .*failed|At least one job did not complete")
"""What Snakemake says after jobs whose errors are named by the lines that end a run."""

_QUIET_EVENTS = {
    LogEvent.SHELLCMD,
    LogEvent.JOB_STARTED,
    LogEvent.GROUP_INFO,
    LogEvent.RESOURCES_INFO,
    LogEvent.DEBUG_DAG,
    LogEvent.RULEGRAPH,
    LogEvent.WORKFLOW_STARTED,
}


class LogHandler(LogHandlerBase):
    """Shows the jobs of a run in place of Snakemake's log.

    Who asks Snakemake for more (--verbose, --printshellcmds, --debug-dag, --show-failed-logs) or
    for a dry run gets Snakemake's own log.
    """

    def __post_init__(self) -> None:
        settings = self.common_settings
        self._is_aside = bool(
            settings.verbose
            or settings.printshellcmds
            or settings.debug_dag
            or settings.show_failed_logs
            or settings.dryrun
        )
        # Names of members of an enumeration that costs an import of Snakemake's settings.
        quiet = {str(getattr(what, "name", what)).lower() for what in settings.quiet or ()}
        self._is_silent, self._has_bars = "all" in quiet, not quiet & {"all", "progress"}
        self._lock = threading.RLock()
        self._board = Board()
        self._view: Terminal | Lines | None = None
        self._others_failed = False

    def expect(self, shapes: Mapping[str, Sequence[Sequence[int]]]) -> None:
        """Take the shapes of all levels by image, as the Snakefile tells them."""
        with self._lock:
            self._board.expect(shapes)

    def emit(self, record: logging.LogRecord) -> None:
        """Show what a record of Snakemake's log says; called in a thread of Snakemake's."""
        if self._is_aside or self._is_silent:
            return
        try:
            with self._lock:
                self._show(record)
        except Exception:  # a picture that cannot be drawn ends no run
            self.handleError(record)

    def _show(self, record: logging.LogRecord) -> None:
        event: Any = getattr(record, "event", None)
        board, told = self._board, record.__dict__
        if event == LogEvent.RUN_INFO:
            board.plan(told["stats"])
        elif event == LogEvent.PROGRESS:
            board.n_done, board.n_jobs = told["done"], told["total"]
        elif event == LogEvent.JOB_INFO:
            board.start(told["jobid"], told["rule_name"], told["wildcards"], told["log"])
            self._open()
        elif event == LogEvent.JOB_FINISHED:
            board.finish(told["job_id"])
        elif event == LogEvent.JOB_ERROR:
            self._fail([told["jobid"]], record)
        elif event == LogEvent.GROUP_ERROR:
            self._fail([job["jobid"] for job in told["job_error_info"]], record)
        elif event not in _QUIET_EVENTS and not self._is_known(record):
            self._say(self.format(record))

    def _fail(self, jobids: Sequence[int], record: logging.LogRecord) -> None:
        """Note jobs that failed; those whose errors no line at the end names, Snakemake words."""
        are_named = [self._board.fail(jobid) for jobid in jobids]
        if not all(are_named):
            self._others_failed = True
            self._say(self.format(record))

    def _is_known(self, record: logging.LogRecord) -> bool:
        """Tell whether a record says nothing that a user needs."""
        text = record.getMessage()
        self._board.is_stopped |= text.startswith("Terminating processes on user request")
        if record.levelno < logging.WARNING:
            return bool(_CHATTER.match(text))
        return not self._others_failed and bool(_CONSEQUENCE.search(text))

    def _say(self, text: str) -> None:
        if text and self._view is not None:
            self._view.say(text)
        elif text:
            print(text, file=sys.stderr)

    def _open(self) -> None:
        """Begin to show jobs, when the first one starts."""
        if self._view is None and self._has_bars:
            is_terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
            self._view = (
                Terminal(self._redraw, is_plain=self.common_settings.nocolor)
                if is_terminal
                else Lines(self._redraw)
            )

    def _redraw(self) -> None:
        """Show what jobs have noted of themselves; called now and then by the view."""
        with self._lock:
            if self._view is not None:
                self._board.look(time.time())
                self._view.show(self._board)

    def close(self) -> None:
        """Show the end of the run, and give the terminal back."""
        view, self._view = self._view, None
        if view is not None:
            self._board.look(time.time())
            view.end(self._board)
        super().close()

    @property
    def writes_to_stream(self) -> bool:
        """Whether it stands in place of Snakemake's own log on the terminal."""
        return not self._is_aside

    @property
    def writes_to_file(self) -> bool:
        """Whether it writes a file."""
        return False

    @property
    def has_filter(self) -> bool:
        """Whether it looks at every record itself, as jobs end unseen by Snakemake's filter."""
        return True

    @property
    def has_formatter(self) -> bool:
        """Whether it words records itself: what is not of a job is worded by Snakemake."""
        return False

    @property
    def needs_rulegraph(self) -> bool:
        """Whether it needs the graph of rules."""
        return False
