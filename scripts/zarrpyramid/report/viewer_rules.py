"""What viewers get wrong with a pyramid, by the rules in `viewer_rules.toml`; reads no voxel."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.verify import GRADES, Finding

from . import viewer_conditions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date

    from zarrpyramid.verify import Pyramid

NEUROGLANCER, NAPARI, VIZARR = "neuroglancer", "napari", "vizarr"
VIEWERS = (NEUROGLANCER, NAPARI, VIZARR)
OPENERS = (NEUROGLANCER, NAPARI)
"""Those that `view` opens; the first that is installed if none is asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One thing that viewers get wrong; the fields are explained in `viewer_rules.toml`."""

    name: str
    viewers: Mapping[str, str]
    grade: str
    finds: str
    says: str
    way_out: str
    seen: str
    date: date

    @property
    def condition(self) -> Callable[[Pyramid], list[str]]:
        """The function that names what the viewers stumble over."""
        found: Callable[[Pyramid], list[str]] = getattr(viewer_conditions, self.finds)
        return found


@cache
def read_rules() -> tuple[Rule, ...]:
    """Return all rules; the first is the only one that speaks of a group without levels."""
    text = Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    return tuple(Rule(**rule) for rule in tomllib.loads(text)["rule"])


def lint(pyramid: Pyramid, viewers: Iterable[str] = VIEWERS) -> list[Finding]:
    """Return what some viewers get wrong with a pyramid, the worst first.

    A group that lists no level trips one rule alone: there is nothing to open.
    """
    wanted = set(viewers)
    findings = []
    for rule in read_rules() if pyramid.listed else read_rules()[:1]:
        concerned = tuple(viewer for viewer in rule.viewers if viewer in wanted)
        names = rule.condition(pyramid) if concerned else []
        if names:
            findings.append(
                Finding(
                    what=rule.says.replace("{}", _enumerate(names)),
                    grade=rule.grade,
                    way_out=rule.way_out.replace("{}", _enumerate(names)),
                    rule=rule.name,
                    viewers=concerned,
                    seen=rule.seen,
                )
            )
    return sorted(findings, key=lambda finding: GRADES.index(finding.grade))


def _enumerate(names: Sequence[str]) -> str:
    """Return names as a list in a sentence; of many the first two and the last."""
    return ", ".join(names) if len(names) <= 4 else f"{names[0]}, {names[1]}, ... {names[-1]}"
