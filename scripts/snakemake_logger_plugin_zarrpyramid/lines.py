"""A run where no terminal is: a line now and then, of what is complete and how far the rest is."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING

from .picture import time_left

if TYPE_CHECKING:
    from collections.abc import Callable

    from .board import Board, Group, Row

_SECONDS, _LINE_SECONDS = 1.0, 30.0
"""Between two looks, and between two lines of what still runs."""

_MOST_NAMED = 20
"""Images of a run up to which each level that is complete has a line."""


class Lines:
    """The lines of a run in a file, in a pipe, or in the log of a cluster's job.

    Parameters
    ----------
    redraw
        Calls `show` with what is known now; it is called every second.
    """

    def __init__(self, redraw: Callable[[], None]) -> None:
        self._redraw = redraw
        self._told: set[tuple[str, str]] = set()
        self._due = time.monotonic() + _LINE_SECONDS
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="lines", daemon=True)
        self._thread.start()

    def show(self, board: Board) -> None:
        """Write a line of each row that is complete or failed since the last time."""
        is_few = board.n_units <= _MOST_NAMED
        for group in board.groups.values():
            for row in group.rows.values():
                key = group.name, row.label
                if row.is_failed or (row.ended and (is_few or not group.is_image)):
                    if key not in self._told:
                        self._told.add(key)
                        self.say(_row_line(board, group, row))
                else:
                    self._told.discard(key)  # it is tried again
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _LINE_SECONDS
            now = time.time()
            running = [_progress(group, row, now) for group, row in _at_work(board)]
            left = time_left(board.seconds_left(now))
            share = f"all: {int(100 * board.fraction)} %, {board.n_done:,} of {board.n_jobs:,} jobs"
            self.say("; ".join([*running[:2], share, *filter(None, [left])]))

    def say(self, text: str) -> None:
        """Write lines."""
        print(text, file=sys.stderr, flush=True)

    def end(self, board: Board) -> None:
        """Write the last lines."""
        self._is_over.set()
        self._thread.join()
        self._due = time.monotonic() + _LINE_SECONDS
        self.show(board)

    def _watch(self) -> None:
        while not self._is_over.wait(_SECONDS):
            self._redraw()


def _at_work(board: Board) -> list[tuple[Group, Row]]:
    return [
        (group, row)
        for group in board.running()
        for row in group.rows.values()
        if row.tasks and not row.ended and row.fraction
    ]


def _name(group: Group, row: Row) -> str:
    return row.label if group.name in ("", row.label) else f"{group.name}, {row.label}"


def _row_line(board: Board, group: Group, row: Row) -> str:
    if row.is_failed:
        return f"{_name(group, row)}: {'stopped' if board.is_stopped else 'failed'}"
    shape = " x ".join(map(str, row.shape))
    return f"{_name(group, row)}: {shape + ', ' if shape else ''}{row.ended - row.began:.1f} s"


def _progress(group: Group, row: Row, now: float) -> str:
    left = time_left(row.seconds_left(now))
    return f"{_name(group, row)}: {int(100 * row.fraction)} %{', ' + left if left else ''}"
