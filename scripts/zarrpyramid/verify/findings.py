"""What a look at a pyramid reports: checks with their figures, and findings, as lines or JSON.

Verify, repair and the rules of viewers report in this one form.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from zarrpyramid.config import split_group
from zarrpyramid.errors import printable
from zarrpyramid.programs import command
from zarrpyramid.stores import as_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from zarrpyramid.metadata import Document

DEFECT, WARNING, NOTE = "defect", "warning", "note"
GRADES = (DEFECT, WARNING, NOTE)
"""The one scale of severity, the worst first.

Of a pyramid: a defect makes it unsound, a warning is legal and misleads some readers. Of a viewer:
with a defect it shows nothing, with a warning it shows something else than what is stored. A note
is worth knowing.
"""

MOST_SHOWN = 10
"""Findings of one kind and level that are reported one by one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One thing that was looked at, and how much of it, for people; without a level, of all.

    Attributes
    ----------
    unexplained
        Which voxels of which level no method makes, counted and located, or "".
    proven
        Whether there is evidence that what was looked at is right.
    way_out
        What makes something to look at, where there is nothing.
    """

    name: str
    figure: str
    level: int | None = None
    unexplained: str = ""
    proven: bool = True
    way_out: str = field(default="", compare=False)

    @property
    def line(self) -> str:
        """The check as a line of a table."""
        where = "" if self.level is None else f"level {self.level}"
        return f"{self.name:<10} {where:<9} {self.figure}"


ALONE = Check(name="levels", figure="none beside level 0")
"""Without another level there is nothing to verify."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is wrong, or worth knowing.

    Attributes
    ----------
    level
        Number of the level; None where the finding is of the whole pyramid.
    key
        Path of the object, document or array; "" where the finding is of none.
    way_out
        What mends or avoids it, where possible a command.
    rule
        The broken sentence of the specification, or the name of a viewer's rule; "" for neither.
    viewers
        Viewers that get this wrong; none where the pyramid itself is at fault.
    seen
        Address of the evidence that these viewers get it wrong.
    """

    what: str
    grade: str = DEFECT
    level: int | None = None
    key: str = ""
    expected: str = ""
    found: str = ""
    way_out: str = ""
    rule: str = ""
    viewers: tuple[str, ...] = ()
    seen: str = ""

    @property
    def line(self) -> str:
        """The finding as one line."""
        level = "" if self.level is None else f"level {self.level}"
        where = ", ".join(filter(None, (*self.viewers, level, self.key)))
        text = ": ".join(filter(None, (where, self.what)))
        for word, value in (("expected", self.expected), ("found", self.found)):
            text += f"; {word} {value}" if value else ""
        text += f' ("{self.rule}")' if self.rule and not self.seen else ""
        text += f"; {self.way_out}" if self.way_out else ""
        text += f" [{self.rule}, {self.seen}]" if self.seen else ""
        return f"{self.grade.upper()} {text}"

    @property
    def document(self) -> Document:
        """The finding as a mapping for JSON; without the viewers where it concerns none."""
        left_out = () if self.viewers else ("viewers", "seen")
        return {key: value for key, value in asdict(self).items() if key not in left_out}


@dataclass(slots=True, repr=False)
class Report:
    """All checks and findings of the pyramid at a path or URL; its `repr` is their lines."""

    path: str
    checks: list[Check] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def __repr__(self) -> str:
        """Return the lines that `verify` prints."""
        lines = [*(check.line for check in self.checks), *(found.line for found in self.findings)]
        return "\n".join(map(printable, [*lines, self.verdict]))

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the verdict, and the lines below."""
        *lines, verdict = repr(self).splitlines()
        rest = escape("\n".join(lines))
        return f'<p><b>{escape(verdict)}</b></p><pre style="overflow-x: auto">{rest}</pre>'

    @property
    def is_sound(self) -> bool:
        """Whether there is no defect."""
        return not self._of(DEFECT)

    @property
    def is_proven(self) -> bool:
        """Whether there is evidence for every level."""
        return all(check.proven for check in self.checks)

    @property
    def code(self) -> int:
        """0 where no defect was found, 1 where one was, 2 where nothing was there to verify."""
        if not self.is_sound:
            return 1
        return 2 if ALONE in self.checks else 0

    @property
    def verdict(self) -> str:
        """The last line."""
        counts = [(len(self._of(grade)), grade) for grade in GRADES]
        sound = "sound" if self.is_proven else "not proven"
        listed = [(sound, "NOT SOUND", "nothing to verify beside level 0")[self.code]]
        listed += [f"{n} {grade}{'s' * (n > 1)}" for n, grade in counts if n]
        left = [check.unexplained for check in self.checks if check.unexplained]
        if len(left) > MOST_SHOWN:
            left[MOST_SHOWN:] = [f"{len(left) - MOST_SHOWN} more levels with such voxels"]
        alone = [check.way_out for check in self.checks if self.code == 2 and check == ALONE]
        way_out = f"; {alone[0]}" if alone else ""
        return f"{self.path}: {'; '.join([', '.join(listed), *left])}{way_out}"

    def gather(
        self, events: Iterable[Check | Finding], tell: Callable[[str], None] = lambda line: None
    ) -> None:
        """Take in events as they come, and pass the line of each to `tell` at once."""
        for event in events:
            kind: list[Any] = self.checks if isinstance(event, Check) else self.findings
            kind.append(event)
            tell(event.line)

    @property
    def document(self) -> Document:
        """Everything, as a mapping for JSON."""
        return {
            "path": self.path,
            "verdict": self.verdict,
            "sound": (self.is_proven or None, False, None)[self.code],
            "checks": [asdict(check) for check in self.checks],
            "findings": [finding.document for finding in self.findings],
        }

    def json(self) -> str:
        """Return everything as JSON."""
        return json.dumps(self.document, indent=1)

    def _of(self, grade: str) -> list[Finding]:
        return [finding for finding in self.findings if finding.grade == grade]


def repair_command(
    group: str,
    options: str = "",
    storage_options: Mapping[str, Any] | None = None,
    *,
    follow_links: bool = False,
) -> str:
    """Return the command that mends a pyramid that zarrpyramid made.

    `options` are those of `verify` by which the command looks at the same blocks.
    """
    where = command("zarrpyramid", "verify", group) + as_arguments(storage_options or {})
    return f"{where}{' --follow-links' * follow_links} --repair {options}".rstrip()


def build_command(
    group: str, storage_options: Mapping[str, Any] | None = None, *settings: str
) -> str:
    """Return the command that builds the levels of an image."""
    options = [f"storage_options={json.dumps(dict(storage_options))}"] if storage_options else []
    store, path = split_group(group)
    given = (f"store={store}", *([f"field={path}"] if path else []), *settings, *options)
    return command("snakemake", "--cores", "all", "--config", *given)
