"""A run on a terminal: its bars are the last lines of the screen, and all that is said is above.

While bars are there, what any process writes to stderr goes through a pipe and comes out above
them, so that a warning of a job does not tear them, and a job sees no terminal to draw its own bar
on. The cursor stands below the bars: a run that is killed leaves the screen as a prompt needs it.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
import time
from typing import TYPE_CHECKING

from .picture import Picture, Style

if TYPE_CHECKING:
    from collections.abc import Callable

    from .board import Board

_STDERR = 2
_SECONDS = 0.1
_SHARE = 20
"""A pause is so many times as long as the drawing before it, which looks at the files of jobs."""


class Terminal:
    """The terminal of a run.

    Parameters
    ----------
    redraw
        Calls `show` with what is known now; it is called ten times a second, or more rarely where
        that takes long.
    is_plain
        Whether nothing may be coloured, as where NO_COLOR is set or TERM knows of none.
    """

    def __init__(self, redraw: Callable[[], None], *, is_plain: bool) -> None:
        self._redraw = redraw
        encoding = (getattr(sys.stderr, "encoding", "") or "ascii").lower()
        self._style = Style(
            has_colours=not (is_plain or os.environ.get("NO_COLOR")),
            is_ascii=not encoding.startswith("utf"),
        )
        self._encoding = encoding
        self._kept: set[str] = set()
        self._drawn: list[tuple[str, int]] = []
        self._is_over = threading.Event()
        self._lock = threading.RLock()
        sys.stderr.flush()
        self._screen = os.dup(_STDERR)
        self._said, into = os.pipe()
        os.set_blocking(self._said, False)
        os.dup2(into, _STDERR)
        os.close(into)
        self._rest = b""
        self._thread = threading.Thread(target=self._watch, name="bars", daemon=True)
        self._thread.start()

    def show(self, board: Board) -> None:
        """Draw what runs, and above it what is complete since the last time."""
        columns, rows = self._size()
        picture = Picture(board, self._style, columns, time.time())
        kept: list[str] = []
        for group in board.groups.values():
            if not (group.is_over or group.is_failed):
                self._kept.discard(group.name)  # it is tried again
            elif group.name not in self._kept:
                self._kept.add(group.name)
                kept += [text for text, _ in picture.kept(group)]
        with self._lock:
            self._draw(kept, picture.moving(rows), columns)

    def say(self, text: str) -> None:
        """Write lines above the bars."""
        with self._lock:
            self._draw(text.splitlines(), self._drawn, self._size()[0])

    def end(self, board: Board) -> None:
        """Draw the bars as they are now, for good, and let others write to the terminal again."""
        self._is_over.set()
        self._thread.join()
        sys.stderr.flush()
        os.dup2(self._screen, _STDERR)
        self._pass_on()
        if self._rest:
            self._rest += b"\n"
            self._pass_on()
        board.is_over = True
        self.show(board)
        os.close(self._said)
        os.close(self._screen)

    def _watch(self) -> None:
        """Pass on what is said, and draw anew, until the end."""
        due = time.monotonic()
        while not self._is_over.is_set():
            ready, _, _ = select.select([self._said], [], [], _SECONDS / 2)
            if ready:
                self._pass_on()
            began = time.monotonic()
            if began >= due:
                self._redraw()
                now = time.monotonic()
                due = now + max(_SECONDS, _SHARE * (now - began))

    def _pass_on(self) -> None:
        """Write above the bars all whole lines that came through the pipe."""
        while True:
            try:
                part = os.read(self._said, 1 << 16)
            except BlockingIOError:
                break
            if not part:
                break
            self._rest += part
        whole, newline, self._rest = self._rest.rpartition(b"\n")
        if newline:
            self.say(whole.decode(errors="replace") + "\n")

    def _draw(self, above: list[str], lines: list[tuple[str, int]], columns: int) -> None:
        """Replace the bars by some lines and the bars as they are now, in one write."""
        if not above and lines == self._drawn:
            return
        # A terminal that was made narrower has broken what is wider now.
        height = sum(max(1, -(-used // columns)) for _, used in self._drawn)
        up = f"\x1b[{height}A\r" if height else "\r"
        text = "".join(f"{line}\x1b[K\n" for line in [*above, *(line for line, _ in lines)])
        self._drawn = lines
        # The cursor stays visible: a run that ends within a write leaves it as it was.
        data = f"{up}{text}\x1b[J".encode(self._encoding, errors="replace")
        with contextlib.suppress(OSError):  # a terminal that was closed; the pipe is still read
            while data:
                data = data[os.write(self._screen, data) :]

    def _size(self) -> tuple[int, int]:
        """Return columns and rows; terminals of programs often say that they have none."""
        with contextlib.suppress(OSError):
            size = os.get_terminal_size(self._screen)
            return size.columns or 80, size.lines or 24
        return 80, 24
