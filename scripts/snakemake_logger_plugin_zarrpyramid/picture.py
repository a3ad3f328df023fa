"""A run as lines of text: an image with a bar a level, or with one bar, and a bar of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .board import Board, Group, Row

_MOST_COLUMNS = 100
"""Of a line, so that a wider terminal made narrower does not break it."""

_MOST_DETAILED = 4
"""Images with a bar a level; of more, each has one bar."""

_MOST_KEPT = 20
"""Images of a run up to which the bar of one that is complete stays on the screen."""

_BAR, _LEAST_BAR = 40, 6
_LABEL = 24

_BOLD, _DIM, _RED, _GREEN, _CYAN = "1", "2", "31", "32", "36"


@dataclass(frozen=True, kw_only=True)
class Style:
    """What a terminal can show.

    Attributes
    ----------
    has_colours
        Whether parts of a line may be coloured.
    is_ascii
        Whether it shows ASCII alone.
    """

    has_colours: bool
    is_ascii: bool

    def paint(self, text: str, colour: str) -> str:
        """Return a text in a colour of SGR, "ESC [ ... m"."""
        return f"\x1b[{colour}m{text}\x1b[0m" if self.has_colours and text else text


class Picture:
    """Draws a run for a terminal of some columns.

    Each line is drawn with the number of its columns, which colours do not count into.
    """

    def __init__(self, board: Board, style: Style, columns: int, now: float) -> None:
        self.board, self.style, self.now = board, style, now
        self.columns = min(columns - 1, _MOST_COLUMNS)
        groups = board.groups.values()
        rows = [len(label) + 2 for group in groups for label in group.rows]
        self._wide_row = max(rows, default=0)
        self._wide_name = max((len(group.name) for group in groups), default=0)

    def moving(self, rows: int) -> list[tuple[str, int]]:
        """Return the lines of what runs, and the one of all, as many as a terminal has rows for."""
        groups = list(self.board.running())
        lines = [line for group in groups for line in self.detailed(group)]
        is_brief = self.board.n_units > _MOST_DETAILED or len(lines) > rows - 2
        if is_brief:
            lines = [self.brief(group) for group in groups]
        if len(lines) > rows - 2:
            shown = max(0, rows - 3)
            left = len(lines) - shown
            lines = [*lines[:shown], self._line([(f"and {left} more", _DIM)])]
        return [*lines, self.all(self._wide_name if is_brief else self._wide_row)]

    def kept(self, group: Group) -> list[tuple[str, int]]:
        """Return the lines that stay of a group that is complete, or that has failed."""
        n_images = self.board.n_units
        if n_images <= _MOST_DETAILED:
            return self.detailed(group)
        return [self.brief(group)] if group.is_failed or n_images <= _MOST_KEPT else []

    def detailed(self, group: Group) -> list[tuple[str, int]]:
        """Return a line with the name of a group, and one with a bar of each row."""
        lone = list(group.rows) == [group.name]
        title = [] if lone or not group.name else [self._line([(group.name, _BOLD)])]
        indent = "  " if title else ""
        return title + [self._row(row, indent + row.label) for row in group.rows.values()]

    def brief(self, group: Group) -> tuple[str, int]:
        """Return one line of a group, with a bar of all that is made of it."""
        at_work = [row for row in group.rows.values() if row.tasks and not row.ended]
        current = at_work[0].label if at_work else ""
        if current == group.name:
            current = ""
        seconds = [row.ended - row.began for row in group.rows.values() if row.ended and row.began]
        end = f"{sum(seconds):.1f} s" if group.is_over else ""
        wide, failed = self._wide_name, group.is_failed
        return self._bar(group.name, wide, group.fraction, current, end, is_failed=failed)

    def all(self, wide: int) -> tuple[str, int]:
        """Return the line of the whole run, whose bar begins where the others do."""
        board = self.board
        left = board.seconds_left(self.now)
        note = f"{board.n_done:,} of {board.n_jobs:,} jobs"
        end = f"{self.now - board.began:.1f} s" if board.is_over else time_left(left)
        return self._bar("all", wide, board.fraction, note, end, is_title=True)

    def _row(self, row: Row, label: str) -> tuple[str, int]:
        end = f"{row.ended - row.began:.1f} s" if row.ended and row.began else ""
        end = end or time_left(row.seconds_left(self.now))
        shape = " x ".join(map(str, row.shape))
        return self._bar(
            label,
            self._wide_row,
            row.fraction,
            shape,
            end,
            is_failed=row.is_failed,
            is_waiting=not row.tasks,
        )

    def _bar(
        self,
        label: str,
        wide: int,
        fraction: float,
        note: str,
        end: str,
        *,
        is_failed: bool = False,
        is_waiting: bool = False,
        is_title: bool = False,
    ) -> tuple[str, int]:
        """Return a line: label, bar, percent, a note where there is room, and a time."""
        wide = min(max(wide, 3), _LABEL, max(9, self.columns // 4))
        label = f"{label[: wide - 1]}…" if len(label) > wide else label.ljust(wide)
        label = label.replace("…", "~") if self.style.is_ascii else label
        percent = "" if is_waiting else f"{int(100 * fraction)} %"
        if is_failed:
            percent = "stopped" if self.board.is_stopped else "failed"
        room = self.columns - wide - 10  # of bar, note and time, each after a space
        note_wide = 18 if room >= 50 else 0
        end_wide = 13 if room - note_wide >= 19 else 0
        bar_wide = min(_BAR, room - (note_wide and note_wide + 2) - (end_wide and end_wide + 1))
        bar = self._filled(fraction, bar_wide, is_failed=is_failed)
        colour = _BOLD if is_title else _DIM if is_waiting else ""
        parts = [(label, colour), (" ", ""), *bar]
        parts.append((f" {percent:>7}", _RED if is_failed else ""))
        if note_wide:
            parts.append((f"  {note[:note_wide]:<{note_wide}}", _DIM))
        if end_wide:
            parts.append((f" {end:>{end_wide}}", ""))
        return self._line(parts)

    def _filled(self, fraction: float, wide: int, *, is_failed: bool) -> list[tuple[str, str]]:
        """Return a bar of some columns, in half columns."""
        if wide < _LEAST_BAR:
            return []
        halves = int(2 * wide * fraction)
        full, half = ("#", "") if self.style.is_ascii else ("━", "╸")
        done = full * (halves // 2) + (half if halves % 2 else "")
        rest = wide - len(done)
        colour = _RED if is_failed else _GREEN if fraction >= 1.0 else _CYAN
        empty = "-" if self.style.is_ascii else "━" if self.style.has_colours else "─"
        return [(done, colour), (empty * rest, _DIM)]

    def _line(self, parts: Sequence[tuple[str, str]]) -> tuple[str, int]:
        """Return a line that is no wider than the terminal, and its columns."""
        text, used = "", 0
        for part, colour in parts:
            fitting = part[: self.columns - used]
            used += len(fitting)
            text += self.style.paint(fitting, colour) if colour else fitting
        return text, used


def time_left(seconds: float | None) -> str:
    """Return how long something still takes, for people.

    >>> time_left(7.4), time_left(150), time_left(7261)
    ('8 s left', '2:30 left', '2:01:01 left')
    """
    if seconds is None:
        return ""
    whole = int(seconds) + 1 if seconds % 1 else int(seconds)
    if whole < 60:
        return f"{whole} s left"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} left" if hours else f"{minutes}:{rest:02} left"
