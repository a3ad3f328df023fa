"""A program on a real terminal, and the screen that a person sees of it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time

import pyte


class Screen(pyte.HistoryScreen):
    """A screen on which faint text is grey: pyte itself knows of no faintness."""

    def select_graphic_rendition(self, *attributes, **more):
        super().select_graphic_rendition(*(90 if one == 2 else one for one in attributes), **more)


class Terminal:
    """A program that runs on a terminal of its own, and a screen that keeps what scrolls away."""

    def __init__(self, words, environment, *, columns=100, rows=30, folder=None):
        self.screen = Screen(columns, rows, history=10_000)
        self._stream = pyte.ByteStream(self.screen)
        self._ours, theirs = pty.openpty()
        self.bytes = b""
        self._set_size(theirs, columns, rows)
        self.process = subprocess.Popen(
            words,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=folder,
            env={"TERM": "xterm-256color", **environment},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that Ctrl-C comes
        )
        os.close(theirs)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.process.poll() is None:
            os.killpg(self.process.pid, 9)
            self.process.wait()
        self.close()

    @property
    def lines(self):
        """What stands on the screen and above it, from the first line on."""
        above = [
            "".join(row[column].data for column in range(self.screen.columns))
            for row in self.screen.history.top
        ]
        lines = [line.rstrip() for line in [*above, *self.screen.display]]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def read(self, until=lambda lines: False, seconds=120):
        """Read until the lines are what a test waits for, or the program ends."""
        deadline = time.monotonic() + seconds
        while not until(self.lines):
            assert time.monotonic() < deadline, "\n".join(self.lines)
            ready, _, _ = select.select([self._ours], [], [], 0.1)
            if not ready:
                continue
            try:
                part = os.read(self._ours, 1 << 16)
            except OSError:  # nobody is at the other end any more
                part = b""
            if not part:
                break
            self.bytes += part
            self._stream.feed(part)
        return self.lines

    def finish(self, seconds=120):
        """Read to the end, and return the exit code."""
        self.read(seconds=seconds)
        return self.process.wait(timeout=seconds)

    def resize(self, columns, rows):
        """Change the size, as who drags the corner of a window does."""
        self._set_size(self._ours, columns, rows)
        self.screen.resize(rows, columns)

    def close(self):
        """Close the window."""
        if self._ours >= 0:
            os.close(self._ours)
            self._ours = -1

    def type(self, text):
        os.write(self._ours, text.encode())

    @staticmethod
    def _set_size(end, columns, rows):
        fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
