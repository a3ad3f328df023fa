"""What a setting of an image was decided to be, whether it was given, and why it was chosen.

A function that decides a setting returns a `Decision`. `plan_image` puts its value in place, and
gathers it in `ImagePlan.decisions`; `plan`, the log of level 0 and the report show them as a table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

_Value = TypeVar("_Value")

DECISION_COLUMNS = ("setting", "value", "given or chosen", "why")
"""The head of the table of decisions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision(Generic[_Value]):
    """The value of one setting of an image.

    Attributes
    ----------
    key
        The setting's name.
    value
        What the code takes, in the setting's own form: tuples for lists.
    given
        Whether the configuration gives it; else the program chose it.
    why
        Why the program chose it, on one line; "" for one that is given.
    guessed
        Whether neither the configuration nor the image says it.

    >>> Decision(key="levels", value=3, given=False, why="the coarsest is small").row
    ('levels', '3', 'chosen', 'the coarsest is small')
    """

    key: str
    value: _Value
    given: bool = False
    why: str = ""
    guessed: bool = False

    @property
    def text(self) -> str:
        """The value as a configuration has it."""
        return _written(self.value)

    @property
    def row(self) -> tuple[str, str, str, str]:
        """The row of the table of decisions."""
        return self.key, self.text, "given" if self.given else "chosen", self.why or "-"


def decision_rows(decisions: Iterable[Decision[object]]) -> list[tuple[str, ...]]:
    """Return the rows of the table of decisions, below `DECISION_COLUMNS`."""
    return [decision.row for decision in decisions]


def _written(value: object) -> str:
    """Return a value in YAML, on one line.

    >>> _written(((1, 2), {"z": 2.0})), _written(True)
    ('[[1, 2], {z: 2}]', 'true')
    """
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_written(item)}' for key, item in value.items())}}}"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    return f"{value:.10g}" if isinstance(value, float) else str(value)
