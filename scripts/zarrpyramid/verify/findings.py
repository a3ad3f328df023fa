"""What a look at a pyramid brought to light: checks with their figures, and what is wrong.

Records and their two forms, lines for people and JSON; keeps out how anything is looked at.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from zarrpyramid.stores import as_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

DEFECT, WARNING, NOTE = "defect", "warning", "note"
"""Grades: what makes a pyramid unsound; what misleads some readers; what is worth knowing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One thing that was looked at, and the figure of it.

    Attributes
    ----------
    name
        Such as "objects".
    level
        Number of the level; None where it is of the whole pyramid.
    figure
        How much was looked at, for people.
    """

    name: str
    figure: str
    level: int | None = None

    @property
    def line(self) -> str:
        """The check as a line of a table."""
        where = "" if self.level is None else f"level {self.level}"
        return f"{self.name:<10} {where:<9} {self.figure}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is not as it should be, or worth knowing.

    Attributes
    ----------
    grade
        `DEFECT`, `WARNING` or `NOTE`.
    level
        Number of the level; None where it is of the whole pyramid.
    key
        Path of the object, document or array; "" where it is of none.
    way_out
        What mends it, where possible a command.
    rule
        The sentence of the specification that is broken, if one is.
    """

    what: str
    grade: str = DEFECT
    level: int | None = None
    key: str = ""
    expected: str = ""
    found: str = ""
    way_out: str = ""
    rule: str = ""

    @property
    def line(self) -> str:
        """The finding as one line."""
        places = ["" if self.level is None else f"level {self.level}", self.key]
        parts = [", ".join(filter(None, places)), self.what]
        text = ": ".join(filter(None, parts))
        for word, value in (("expected", self.expected), ("found", self.found)):
            text += f"; {word} {value}" if value else ""
        text += f' ("{self.rule}")' if self.rule else ""
        return f"{self.grade.upper()} {text}" + (f"; {self.way_out}" if self.way_out else "")


@dataclass(slots=True)
class Report:
    """All that was brought to light of one pyramid.

    Attributes
    ----------
    path
        Of its group.
    """

    path: str
    checks: list[Check] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether there is no defect."""
        return not self._of(DEFECT)

    @property
    def verdict(self) -> str:
        """The last line."""
        counts = [(len(self._of(grade)), grade) for grade in (DEFECT, WARNING, NOTE)]
        told = ", ".join(f"{n} {grade}{'s' * (n > 1)}" for n, grade in counts if n)
        return f"{self.path}: {'sound' if self.is_sound else 'NOT SOUND'}" + (
            f", {told}" if told else ""
        )

    def gather(
        self, events: Iterable[Check | Finding], tell: Callable[[str], None] = lambda line: None
    ) -> None:
        """Take in events as they come, and tell the line of each at once."""
        for event in events:
            if isinstance(event, Check):
                self.checks.append(event)
            else:
                self.findings.append(event)
            tell(event.line)

    def json(self) -> str:
        """Return everything as JSON."""
        document: dict[str, Any] = {
            "path": self.path,
            "sound": self.is_sound,
            "checks": [asdict(check) for check in self.checks],
            "findings": [asdict(finding) for finding in self.findings],
        }
        return json.dumps(document, indent=1)

    def _of(self, grade: str) -> list[Finding]:
        return [finding for finding in self.findings if finding.grade == grade]


def repair_command(
    group: str, options: str = "", storage_options: Mapping[str, Any] | None = None
) -> str:
    """Return the command that mends a pyramid of ours.

    Parameters
    ----------
    group
        Path of the pyramid's group.
    options
        That have the same blocks looked at.
    storage_options
        Of a URL.
    """
    where = shlex.quote(group) + as_arguments(storage_options or {})
    return f"uv run zarrpyramid verify {where} --repair {options}".rstrip()


def replace_command(group: str) -> str:
    """Return the command that has levels of others replaced by ours."""
    store = shlex.quote(f"store={group}")
    return f"uv run snakemake --cores all --config {store} overwrite=true"
